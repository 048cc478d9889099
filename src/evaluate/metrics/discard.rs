//! What a measure of quality tells: errors among what is left when the worst is discarded.

use serde::Serialize;

use super::{MetricError, share};

/// The shares discarded at which a curve is told; beyond a quarter no gate could live with it.
const SHARES: [f64; 9] = [0.0, 0.005, 0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.25];

/// The errors of genuine comparisons over the share of them that is discarded, those of the least
/// quality first (Grother and Tabassi 2007, "Performance of biometric quality measures", IEEE TPAMI
/// 29(4), section 6; the error-versus-discard characteristic of ISO/IEC 29794-1).
///
/// A measure that tells nothing gives a flat line; the best possible falls by what is discarded.
#[derive(Clone, Debug)]
pub struct ErrorVersusDiscard {
    /// Qualities, the least first.
    quality: Vec<f32>,
    /// Misses among the comparisons from this one on, the best last.
    misses_from: Vec<u64>,
}

/// A point of the curve.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct DiscardPoint {
    /// The share of the comparisons that is discarded, 0 to 1.
    pub discarded: f64,
    /// The least quality that is left.
    pub quality: f32,
    /// FNMR among what is left, 0 to 1.
    pub fnmr: f64,
}

impl ErrorVersusDiscard {
    /// Of genuine comparisons: the quality of each (that of its worse picture; higher is better) and
    /// whether it missed.
    ///
    /// # Errors
    /// Without a comparison, or with a quality that is NaN.
    pub fn new(comparisons: impl IntoIterator<Item = (f32, bool)>) -> Result<Self, MetricError> {
        let missing = |what| MetricError::Missing { what, rate: "error versus discard" };
        let mut comparisons: Vec<(f32, bool)> = comparisons.into_iter().collect();
        if comparisons.is_empty() {
            return Err(missing("genuine pairs"));
        }
        if comparisons.iter().any(|(quality, _)| quality.is_nan()) {
            return Err(missing("qualities of some photos"));
        }
        comparisons.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut misses_from = vec![0; comparisons.len() + 1];
        for (at, (_, missed)) in comparisons.iter().enumerate().rev() {
            misses_from[at] = misses_from[at + 1] + u64::from(*missed);
        }
        Ok(Self {
            quality: comparisons.into_iter().map(|(quality, _)| quality).collect(),
            misses_from,
        })
    }

    /// What is left when every comparison under `limit` is discarded; none when that is nothing.
    #[must_use]
    pub fn at_limit(&self, limit: f32) -> Option<DiscardPoint> {
        self.from(self.quality.partition_point(|quality| *quality < limit))
    }

    /// The curve at the customary shares. Comparisons of the same quality stay or go together, so
    /// that no more than the share is discarded.
    #[must_use]
    pub fn curve(&self) -> Vec<DiscardPoint> {
        let all = self.quality.len();
        #[allow(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a share of a count is a count"
        )]
        let limits = SHARES.iter().map(|share| self.quality[(share * all as f64) as usize]);
        let mut points: Vec<DiscardPoint> =
            limits.filter_map(|limit| self.at_limit(limit)).collect();
        points.dedup();
        points
    }

    fn from(&self, first: usize) -> Option<DiscardPoint> {
        let all = self.quality.len() as u64;
        Some(DiscardPoint {
            discarded: share(first as u64, all),
            quality: *self.quality.get(first)?,
            fnmr: share(self.misses_from[first], all - first as u64),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn discarding_what_misses_leaves_no_error() {
        let edc = ErrorVersusDiscard::new((0..100).map(|i| (i as f32, i < 10))).unwrap();
        let point = |discarded, quality, fnmr| DiscardPoint { discarded, quality, fnmr };
        assert_eq!(edc.at_limit(0.0), Some(point(0.0, 0.0, 0.1)));
        assert_eq!(edc.at_limit(5.0), Some(point(0.05, 5.0, 5.0 / 95.0)));
        assert_eq!(edc.at_limit(9.5), Some(point(0.1, 10.0, 0.0)));
        assert_eq!(edc.at_limit(100.0), None, "nothing is left");
        assert_eq!(edc.curve().last(), Some(&point(0.25, 25.0, 0.0)));
    }

    #[test]
    fn a_measure_that_is_the_same_for_all_discards_nothing() {
        let edc = ErrorVersusDiscard::new((0..100).map(|i| (1.0, i < 10))).unwrap();
        assert_eq!(edc.curve(), [DiscardPoint { discarded: 0.0, quality: 1.0, fnmr: 0.1 }]);
    }

    #[test]
    fn no_comparison_and_no_number_are_errors() {
        assert!(ErrorVersusDiscard::new([]).is_err());
        assert!(ErrorVersusDiscard::new([(f32::NAN, true)]).is_err());
    }

    proptest! {
        #[test]
        fn a_point_agrees_with_counting(
            comparisons in prop::collection::vec((0u8..20, any::<bool>()), 1..60), limit in 0u8..20,
        ) {
            let pairs = comparisons.iter().map(|(quality, missed)| (f32::from(*quality), *missed));
            let edc = ErrorVersusDiscard::new(pairs).unwrap();
            let left: Vec<_> = comparisons.iter().filter(|(quality, _)| *quality >= limit).collect();
            let misses = left.iter().filter(|(_, missed)| *missed).count();
            let point = edc.at_limit(limit.into());
            prop_assert_eq!(point.is_some(), !left.is_empty());
            if let Some(point) = point {
                prop_assert_eq!(point.fnmr, misses as f64 / left.len() as f64);
            }
            prop_assert!(edc.curve().iter().all(|point| point.discarded <= 0.25));
        }
    }
}
