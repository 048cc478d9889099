//! Cross-validated accuracy.

use serde::Serialize;

use crate::domain::Distance;

use super::share;
use super::sweep::Sweep;

/// A pair that is ready to be swept over.
#[derive(Clone, Copy, Debug)]
pub(super) struct FoldedPair {
    pub distance: Option<Distance>,
    pub same: bool,
    pub fold: usize,
    /// How often the pair counts.
    pub weight: u64,
}

/// What one fold gave.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct FoldAccuracy {
    /// Pairs in the fold.
    pub pairs: u64,
    /// The share of them that was decided rightly, 0 to 1.
    pub accuracy: f64,
    /// The threshold that decides the other folds' pairs with the fewest errors: the middle of the
    /// widest such range (of equals the lowest); over 0, at most 4.
    pub tau: f32,
}

/// Decides each fold with the threshold that is best on all others (Huang, Ramesh, Berg and
/// Learned-Miller 2007, "Labeled faces in the wild", section on reporting results: the threshold is
/// a parameter, so it may not be chosen on the pairs that are reported).
///
/// `pairs` are in the order of their distance, those without last; these match never. The answer
/// has an entry per fold that holds something.
pub(super) fn cross_validate(pairs: &[FoldedPair], folds: usize) -> Vec<FoldAccuracy> {
    (0..folds).filter_map(|fold| hold_out(pairs, fold)).collect()
}

fn hold_out(pairs: &[FoldedPair], fold: usize) -> Option<FoldAccuracy> {
    let others = pairs.iter().filter(|pair| pair.fold != fold);
    let best = Sweep::from_sorted(others.map(|p| (p.distance, p.same, p.weight))).fewest_errors();
    let tau = best.middle();
    let (mut correct, mut total) = (0, 0);
    for pair in pairs.iter().filter(|pair| pair.fold == fold) {
        let matches = pair.distance.is_some_and(|distance| distance.value() < tau);
        total += pair.weight;
        correct += if matches == pair.same { pair.weight } else { 0 };
    }
    (total > 0).then(|| FoldAccuracy { pairs: total, accuracy: share(correct, total), tau })
}

/// The mean accuracy of the folds (LFW's equation for the estimated mean accuracy); none without
/// folds.
pub(super) fn mean_accuracy(folds: &[FoldAccuracy]) -> Option<f64> {
    let sum: f64 = folds.iter().map(|fold| fold.accuracy).sum();
    (!folds.is_empty()).then(|| sum / count(folds))
}

/// The standard error of the mean, `S / sqrt(p)` with `S` the standard deviation over the `p` folds,
/// `p - 1` in its denominator (LFW's equation for the standard error); none with fewer than 2 folds.
pub(super) fn standard_error(folds: &[FoldAccuracy]) -> Option<f64> {
    let mean = mean_accuracy(folds).filter(|_| folds.len() > 1)?;
    let squares: f64 = folds.iter().map(|fold| (fold.accuracy - mean).powi(2)).sum();
    Some((squares / (count(folds) - 1.0) / count(folds)).sqrt())
}

#[allow(clippy::cast_precision_loss, reason = "folds are few")]
fn count(folds: &[FoldAccuracy]) -> f64 {
    folds.len() as f64
}

#[cfg(test)]
#[allow(clippy::float_cmp, reason = "shares of small counts are exact")]
mod tests {
    use proptest::prelude::*;

    use super::super::sweep::by_distance;
    use super::*;

    fn pairs(rows: &[(usize, bool, f32)]) -> Vec<FoldedPair> {
        let mut pairs: Vec<_> = rows
            .iter()
            .map(|(fold, same, d)| {
                let distance = Distance::try_from(*d).ok();
                FoldedPair { distance, same: *same, fold: *fold, weight: 1 }
            })
            .collect();
        pairs.sort_by(|a, b| by_distance(a.distance, b.distance));
        pairs
    }

    #[test]
    fn a_fold_is_decided_with_the_middle_of_the_best_range_of_the_others() {
        // Fold 0 alone would choose 1.75, fold 1 alone 1.0: each is tried on the other.
        let pairs = pairs(&[
            (0, true, 1.5),
            (0, false, 2.0),
            (1, true, 0.5),
            (1, false, 1.5),
            (1, true, 3.0),
        ]);
        let folds = cross_validate(&pairs, 2);
        assert_eq!(folds[0], FoldAccuracy { pairs: 2, accuracy: 0.5, tau: 1.0 });
        assert_eq!(folds[1], FoldAccuracy { pairs: 3, accuracy: 1.0 / 3.0, tau: 1.75 });
        assert!((mean_accuracy(&folds).unwrap() - 5.0 / 12.0).abs() < 1e-15);
        // The folds differ by 1/6: S = 1/6 / sqrt(2), and S / sqrt(2) = 1/12.
        assert!((standard_error(&folds).unwrap() - 1.0 / 12.0).abs() < 1e-15);
    }

    #[test]
    fn a_pair_without_a_face_is_right_as_an_impostor_and_wrong_as_a_genuine_one() {
        let rows = [(0, true, 9.0), (0, false, 9.0), (0, false, 9.0), (1, true, 0.5)];
        assert_eq!(cross_validate(&pairs(&rows), 2)[0].accuracy, 2.0 / 3.0);
    }

    #[test]
    fn a_distance_equal_to_the_folds_threshold_is_no_match() {
        let rows = [(0, true, 1.0), (1, true, 0.5), (1, false, 1.5)];
        let folds = cross_validate(&pairs(&rows), 2);
        assert_eq!((folds[0].tau, folds[0].accuracy), (1.0, 0.0));
    }

    #[test]
    fn no_folds_have_no_accuracy_and_one_no_standard_error() {
        assert_eq!(mean_accuracy(&[]), None);
        let one = FoldAccuracy { pairs: 1, accuracy: 1.0, tau: 1.0 };
        assert_eq!(standard_error(&[one]), None);
    }

    proptest! {
        #[test]
        fn no_threshold_decides_the_other_folds_better_than_the_chosen_one(
            rows in prop::collection::vec((0usize..3, any::<bool>(), 0u8..=21), 3..30),
        ) {
            let rows: Vec<_> = rows.iter().map(|(f, s, d)| (*f, *s, f32::from(*d) / 5.0)).collect();
            let pairs = pairs(&rows);
            for fold in 0..3 {
                let Some(held_out) = hold_out(&pairs, fold) else { continue };
                let errors = |tau: f32| {
                    let others = rows.iter().filter(|(f, ..)| *f != fold);
                    others.filter(|(_, same, d)| (*d <= 4.0 && *d < tau) != *same).count()
                };
                for tau in 1..=40u8 {
                    prop_assert!(errors(held_out.tau) <= errors(f32::from(tau) / 10.0));
                }
            }
        }
    }
}
