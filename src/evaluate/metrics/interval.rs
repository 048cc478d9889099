//! Confidence intervals, 95 %.

use serde::Serialize;

use super::share;

/// The 97.5 % quantile of the standard normal distribution.
const Z: f64 = 1.959_963_984_540_054;

/// Where a rate lies with 95 % confidence; both ends are in the rate's own range.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Interval {
    /// The lower end.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

impl Interval {
    /// For `successes` out of `trials` independent trials: the score interval (Wilson 1927,
    /// "Probable inference, the law of succession, and statistical inference", JASA 22). Unlike the
    /// normal interval it stays within 0 to 1 and has a width when nothing or everything succeeded.
    ///
    /// None without trials, or with more successes than trials.
    #[must_use]
    pub fn wilson(successes: u64, trials: u64) -> Option<Self> {
        if trials == 0 || successes > trials {
            return None;
        }
        let p = share(successes, trials);
        let per_trial = Z * Z * share(1, trials);
        let middle = (p + per_trial / 2.0) / (1.0 + per_trial);
        let half = (p * (1.0 - p) * share(1, trials) + (per_trial * share(1, trials)) / 4.0).sqrt()
            * Z
            / (1.0 + per_trial);
        // The ends are exact where the sums would miss them by a rounding error.
        Some(Self {
            low: if successes == 0 { 0.0 } else { middle - half },
            high: if successes == trials { 1.0 } else { middle + half },
        })
    }

    /// The percentile interval of a bootstrap's values (Efron 1979, "Bootstrap methods: another look
    /// at the jackknife"): the 2.5 % and 97.5 % quantiles, interpolated linearly.
    ///
    /// None without values.
    #[must_use]
    pub fn percentile(mut values: Vec<f64>) -> Option<Self> {
        values.sort_unstable_by(f64::total_cmp);
        Some(Self { low: quantile(&values, 0.025)?, high: quantile(&values, 0.975)? })
    }
}

/// The `p` quantile of sorted values (type 7 of Hyndman and Fan 1996).
#[allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "p is within 0 to 1, so the position is within the slice"
)]
fn quantile(sorted: &[f64], p: f64) -> Option<f64> {
    let position = p * sorted.len().checked_sub(1)? as f64;
    let below = sorted.get(position.floor() as usize)?;
    let above = sorted.get(position.ceil() as usize)?;
    Some(below + (above - below) * position.fract())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn wilson_gives_the_published_values() {
        // Newcombe 1998, table I, method 3: 81/263, 15/148, 0/20, 1/29.
        for (successes, trials, low, high) in [
            (81, 263, 0.2553, 0.3662),
            (15, 148, 0.0624, 0.1605),
            (0, 20, 0.0, 0.1611),
            (1, 29, 0.0061, 0.1718),
        ] {
            let interval = Interval::wilson(successes, trials).unwrap();
            assert!((interval.low - low).abs() < 5e-5, "{successes}/{trials}: {interval:?}");
            assert!((interval.high - high).abs() < 5e-5, "{successes}/{trials}: {interval:?}");
        }
    }

    #[test]
    fn no_trials_and_no_values_give_no_interval() {
        assert_eq!(Interval::wilson(0, 0), None);
        assert_eq!(Interval::wilson(2, 1), None);
        assert_eq!(Interval::percentile(Vec::new()), None);
    }

    #[test]
    fn the_percentile_interval_of_0_to_1000_leaves_out_25_at_each_end() {
        let values = (0..=1000).rev().map(f64::from).collect();
        assert_eq!(Interval::percentile(values), Some(Interval { low: 25.0, high: 975.0 }));
        let one = Interval::percentile(vec![0.5]);
        assert_eq!(one, Some(Interval { low: 0.5, high: 0.5 }));
    }

    proptest! {
        #[test]
        fn wilson_holds_the_rate_and_mirrors(trials in 1u64..5000, part in 0.0f64..=1.0) {
            #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
            let successes = (trials as f64 * part) as u64;
            let interval = Interval::wilson(successes, trials).unwrap();
            let mirror = Interval::wilson(trials - successes, trials).unwrap();
            let rate = share(successes, trials);
            prop_assert!(0.0 <= interval.low && interval.low <= rate);
            prop_assert!(rate <= interval.high && interval.high <= 1.0);
            prop_assert!((interval.low - (1.0 - mirror.high)).abs() < 1e-12);
        }
    }
}
