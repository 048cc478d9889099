//! The generalised Pareto distribution.

/// `P(X > x) = (1 + ξx/σ)^(−1/ξ)` for `x ≥ 0` (Pickands 1975); exponential where ξ is 0.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Gpd {
    /// ξ.
    pub shape: f64,
    /// σ, over 0.
    pub scale: f64,
}

/// Under this likelihood is not regular (Smith 1985); over the other, the mean is infinite.
const SHAPES: std::ops::RangeInclusive<f64> = -0.5..=1.0;

impl Gpd {
    /// `P(X > x)`.
    #[must_use]
    pub fn survival(self, x: f64) -> f64 {
        let x = x.max(0.0) / self.scale;
        if self.shape.abs() < 1e-9 {
            return (-x).exp();
        }
        let base = (self.shape * x).max(-1.0);
        (-base.ln_1p() / self.shape).exp()
    }

    /// The x with `P(X > x) = p`, for p over 0 and at most 1.
    #[must_use]
    pub fn inverse_survival(self, p: f64) -> f64 {
        if self.shape.abs() < 1e-9 {
            return -p.ln() * self.scale;
        }
        ((-p.ln() * self.shape).exp_m1()) / self.shape * self.scale
    }

    /// Maximum likelihood of weighted excesses `(x, weight)`, where no x can exceed `limit`.
    ///
    /// With `t = ξ/σ` the likelihood has one parameter left: `ξ(t)` is the mean of `ln(1 + tx)`
    /// (Grimshaw 1993, eq. 2). It can have several peaks, so a grid comes before the search.
    /// A bounded distribution must not end short of `limit`, or it would call distances
    /// impossible only because none was seen: `t ≥ −1/limit`. None without excesses.
    #[must_use]
    pub fn fit(excesses: &[(f64, f64)], limit: f64) -> Option<Self> {
        let total: f64 = excesses.iter().map(|e| e.1).sum();
        let mean = excesses.iter().map(|e| e.0 * e.1).sum::<f64>() / total;
        if !(mean > 0.0 && mean.is_finite()) {
            return None;
        }
        let at = |t: f64| {
            if (t * mean).abs() < 1e-7 {
                return (mean.ln() + 1.0, Self { shape: 0.0, scale: mean });
            }
            let shape = excesses.iter().map(|(x, w)| w * (t * x).ln_1p()).sum::<f64>() / total;
            let fit = Self { shape, scale: shape / t };
            let cost = fit.scale.ln() + shape + 1.0;
            let usable = SHAPES.contains(&shape) && cost.is_finite();
            (if usable { cost } else { f64::INFINITY }, fit)
        };
        const STEPS: u32 = 48;
        let (low, high) = (-1.0 / limit, 3.0 / mean);
        let step = (high - low) / f64::from(STEPS);
        let grid = |i: u32| low + f64::from(i) * step;
        let best = (0..=STEPS).min_by(|a, b| at(grid(*a)).0.total_cmp(&at(grid(*b)).0))?;
        let mut bracket = ((grid(best) - step).max(low), grid(best) + step);
        for _ in 0..40 {
            let third = (bracket.1 - bracket.0) / 3.0;
            let (a, b) = (bracket.0 + third, bracket.1 - third);
            if at(a).0 <= at(b).0 { bracket.1 = b } else { bracket.0 = a }
        }
        // The lower end is allowed, and often the best.
        [bracket.0, f64::midpoint(bracket.0, bracket.1), grid(best)]
            .map(at)
            .into_iter()
            .filter(|(cost, _)| cost.is_finite())
            .min_by(|a, b| a.0.total_cmp(&b.0))
            .map(|(_, fit)| fit)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::{Rng, SeedableRng, rngs::StdRng};

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn the_fit_recovers_the_distribution_of_a_synthetic_sample(
            shape in -0.25f64..0.4,
            scale in 0.02f64..0.3,
            seed: u64,
        ) {
            let truth = Gpd { shape, scale };
            let mut rng = StdRng::seed_from_u64(seed);
            let sample: Vec<_> =
                (0..20_000).map(|_| (truth.inverse_survival(1.0 - rng.random::<f64>()), 1.0)).collect();
            let limit = sample.iter().map(|e| e.0).fold(0.0, f64::max) * 1.001;
            let fit = Gpd::fit(&sample, limit).unwrap();
            // Five standard errors of the maximum likelihood estimate (Smith 1987).
            prop_assert!((fit.shape - shape).abs() < 5.0 * (1.0 + shape) / 20_000f64.sqrt(), "{fit:?}");
            prop_assert!((fit.scale / scale - 1.0).abs() < 0.05, "{fit:?}");
        }

        #[test]
        fn survival_and_its_inverse_agree(shape in -0.4f64..0.9, log_p in -12f64..0.0) {
            let gpd = Gpd { shape, scale: 0.1 };
            let p = log_p.exp();
            prop_assert!((gpd.survival(gpd.inverse_survival(p)) / p - 1.0).abs() < 1e-6);
        }

        #[test]
        fn a_bounded_fit_never_ends_short_of_the_limit(
            xs in prop::collection::vec(0.0f64..0.5, 1..200),
            limit in 0.5f64..2.0,
        ) {
            let sample: Vec<_> = xs.into_iter().map(|x| (x, 1.0)).collect();
            if let Some(fit) = Gpd::fit(&sample, limit) {
                prop_assert!(fit.survival(limit * 0.999) > 0.0, "{fit:?}");
            }
        }
    }
}
