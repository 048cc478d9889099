//! A measured rate as a function of the distance.

use serde::{Deserialize, Serialize};

/// Why numbers do not make a curve.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum CurveError {
    /// Too few or too many knots.
    #[error("a curve needs 2 to {max} knots, this has {0}", max = Curve::KNOTS_MAX)]
    Knots(usize),
    /// A distance outside 0 to 4, or a rate that is not over 0 and at most 1.
    #[error("knot {0} is out of range: distances are 0 to 4, rates over 0 and at most 1")]
    Range(usize),
    /// Distances must rise strictly, and rates must all rise or all fall.
    #[error("knot {0} is out of order")]
    Order(usize),
}

/// A monotone rate over squared distances, from knots `[distance, rate]`.
///
/// Between knots the logarithm of the rate is linear in the distance, because the tails that
/// matter are close to exponential. Outside the knots the nearest one holds: a curve never claims
/// a rate below the smallest that was measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Vec<[f64; 2]>", into = "Vec<[f64; 2]>")]
pub struct Curve(Vec<[f64; 2]>);

impl Curve {
    /// The most knots that a file may hold.
    pub const KNOTS_MAX: usize = 256;

    /// Does the rate rise with the distance?
    #[must_use]
    pub fn is_rising(&self) -> bool {
        self.last()[1] > self.first()[1]
    }

    /// The knots, `[distance, rate]`, by rising distance; at least two.
    #[must_use]
    pub fn knots(&self) -> &[[f64; 2]] {
        &self.0
    }

    /// The smallest rate of the curve, over 0.
    #[must_use]
    pub fn lowest_rate(&self) -> f64 {
        self.first()[1].min(self.last()[1])
    }

    /// The rate at a distance; NaN counts as the end with the highest rate.
    #[must_use]
    pub fn rate(&self, distance: f64) -> f64 {
        if distance.is_nan() {
            return self.first()[1].max(self.last()[1]);
        }
        let next = self.0.partition_point(|k| k[0] <= distance);
        match (next.checked_sub(1).map(|i| self.0[i]), self.0.get(next)) {
            (Some([d0, r0]), Some([d1, r1])) => {
                let share = (distance - d0) / (d1 - d0);
                let rate = (r0.ln() + share * (r1.ln() - r0.ln())).exp();
                rate.clamp(r0.min(*r1), r0.max(*r1))
            }
            (Some(knot), None) => knot[1],
            (None, _) => self.first()[1],
        }
    }

    /// The distance at which the curve takes `rate`: the largest one where it is flat. None under
    /// the lowest rate and for NaN; over the highest rate the distance of the highest.
    #[must_use]
    pub fn distance(&self, rate: f64) -> Option<f64> {
        if rate.is_nan() || rate < self.lowest_rate() {
            return None;
        }
        let rising = self.is_rising();
        let next = self.0.partition_point(|k| if rising { k[1] <= rate } else { k[1] >= rate });
        Some(match (next.checked_sub(1).map(|i| self.0[i]), self.0.get(next)) {
            (Some([d0, r0]), Some([d1, r1])) => {
                let share = (rate.ln() - r0.ln()) / (r1.ln() - r0.ln());
                (d0 + share * (d1 - d0)).clamp(d0, *d1)
            }
            (Some(knot), None) => knot[0],
            (None, _) => self.first()[0],
        })
    }

    fn first(&self) -> [f64; 2] {
        self.0[0]
    }

    fn last(&self) -> [f64; 2] {
        self.0[self.0.len() - 1]
    }
}

impl TryFrom<Vec<[f64; 2]>> for Curve {
    type Error = CurveError;

    fn try_from(knots: Vec<[f64; 2]>) -> Result<Self, CurveError> {
        if !(2..=Self::KNOTS_MAX).contains(&knots.len()) {
            return Err(CurveError::Knots(knots.len()));
        }
        let in_range = |k: &[f64; 2]| (0.0..=4.0).contains(&k[0]) && k[1] > 0.0 && k[1] <= 1.0;
        if let Some(bad) = knots.iter().position(|k| !in_range(k)) {
            return Err(CurveError::Range(bad));
        }
        let rising = knots[knots.len() - 1][1] > knots[0][1];
        let in_order = |w: &[[f64; 2]]| {
            w[0][0] < w[1][0] && if rising { w[0][1] <= w[1][1] } else { w[0][1] >= w[1][1] }
        };
        match knots.windows(2).position(|w| !in_order(w)) {
            Some(bad) => Err(CurveError::Order(bad + 1)),
            None => Ok(Self(knots)),
        }
    }
}

impl From<Curve> for Vec<[f64; 2]> {
    fn from(curve: Curve) -> Self {
        curve.0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn curve() -> Curve {
        Curve::try_from(vec![[0.8, 1e-6], [1.1, 1e-4], [1.3, 1e-4], [1.5, 1e-2], [4.0, 1.0]])
            .expect("a valid curve")
    }

    #[test]
    fn knots_out_of_order_or_range_make_no_curve() {
        for (knots, error) in [
            (vec![[1.0, 0.1]], CurveError::Knots(1)),
            (vec![[1.0, 0.1], [1.0, 0.2]], CurveError::Order(1)),
            (vec![[1.0, 0.1], [2.0, 0.05], [3.0, 0.2]], CurveError::Order(1)),
            (vec![[1.0, f64::NAN], [2.0, 0.05]], CurveError::Range(0)),
            (vec![[1.0, 0.0], [2.0, 0.05]], CurveError::Range(0)),
            (vec![[1.0, 0.1], [4.1, 0.2]], CurveError::Range(1)),
        ] {
            assert_eq!(Curve::try_from(knots), Err(error));
        }
    }

    #[test]
    fn a_rate_under_the_lowest_has_no_distance() {
        assert_eq!(curve().distance(9e-7), None);
        assert_eq!(curve().rate(0.1), 1e-6);
    }

    proptest! {
        #[test]
        fn the_rate_never_falls_as_the_distance_grows(a in -1f64..5.0, b in -1f64..5.0) {
            prop_assert!(curve().rate(a.min(b)) <= curve().rate(a.max(b)));
        }

        #[test]
        fn the_distance_of_a_rate_has_that_rate(log_rate in -6f64..0.0) {
            let rate = 10f64.powf(log_rate);
            let back = curve().rate(curve().distance(rate).unwrap());
            prop_assert!((back / rate - 1.0).abs() < 1e-9);
        }

        #[test]
        fn no_number_gives_nan(x in prop::num::f64::ANY) {
            prop_assert!((1e-6..=1.0).contains(&curve().rate(x)));
            prop_assert!(curve().distance(x).is_none_or(f64::is_finite));
        }
    }
}
