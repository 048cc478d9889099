#![allow(clippy::float_cmp, reason = "shares of small counts are exact")]

use super::*;

fn pair(fold: Option<u32>, same: bool, distance: f32) -> ComparedPair {
    ComparedPair { fold, same, people: None, distance: Distance::try_from(distance).ok() }
}

/// `n` pairs without folds, every other genuine; genuine ones near 1.0, impostors near 1.4, with an
/// overlap.
fn overlapping(n: u16) -> Vec<ComparedPair> {
    let noise = |i: u16| f32::from((i.wrapping_mul(7919)) % 1000) / 1000.0;
    (0..n).map(|i| pair(None, i % 2 == 0, if i % 2 == 0 { 0.5 } else { 1.4 } + noise(i))).collect()
}

const FEW: Bootstrap = Bootstrap { resamples: 200, seed: 1 };

#[test]
fn the_figures_of_two_named_folds_are_those_computed_by_hand() {
    // The same pairs as in the test of the folds, whose protocol numbers are 3 and 8.
    let pairs = [
        pair(Some(3), true, 1.5),
        pair(Some(3), false, 2.0),
        pair(Some(8), true, 0.5),
        pair(Some(8), false, 1.5),
        pair(Some(8), true, 3.0),
    ];
    let figures = verification(&pairs, FEW).unwrap();
    assert!((figures.accuracy - 5.0 / 12.0).abs() < 1e-15);
    assert!((figures.accuracy_se - 1.0 / 12.0).abs() < 1e-15);
    assert_eq!((figures.pairs, figures.genuine, figures.impostor), (5, 3, 2));
    // Nearer: 0.5 than both, 1.5 than one and tied with the other, 3.0 than none.
    assert_eq!(figures.auc, 3.5 / 6.0);
    assert_eq!(figures.folds.len(), 2);
}

#[test]
fn pairs_without_a_face_are_counted_and_match_never() {
    let mut pairs = overlapping(40);
    let before = verification(&pairs, FEW).unwrap();
    // Pair 0 is genuine and pair 1 is not; both were decided rightly.
    pairs[0].distance = None;
    pairs[1].distance = None;
    let after = verification(&pairs, FEW).unwrap();
    assert_eq!((before.undetected, after.undetected, after.pairs), (0, 2, 40));
    assert!(after.accuracy < before.accuracy);
}

#[test]
fn dealt_folds_hold_both_classes_even_where_the_classes_alternate() {
    let figures = verification(&overlapping(100), FEW).unwrap();
    assert!(figures.folds.iter().all(|fold| fold.pairs == 10));
    let (folds, count) = assign_folds(&overlapping(100)).unwrap();
    for fold in 0..count {
        let same = (0..100).filter(|i| folds[*i] == fold && i % 2 == 0).count();
        assert_eq!(same, 5);
    }
    // Three genuine and seven impostors fill ten folds together.
    let uneven: Vec<_> = (0..10u8).map(|i| pair(None, i < 3, 1.0)).collect();
    let (mut folds, _) = assign_folds(&uneven).unwrap();
    folds.sort_unstable();
    assert_eq!(folds, (0..10).collect::<Vec<_>>());
}

#[test]
fn data_that_cannot_be_evaluated_is_refused_with_the_reason() {
    let refused = |pairs: &[ComparedPair]| verification(pairs, FEW).unwrap_err();
    let message = |pairs: &[ComparedPair]| refused(pairs).to_string();
    assert!(message(&[]).contains("no pairs"));
    let genuine = vec![pair(None, true, 1.0); 20];
    assert!(message(&genuine).contains("no pairs of different people"));
    let impostor = vec![pair(None, false, 1.0); 20];
    assert!(message(&impostor).contains("no pairs of the same person"));
    assert!(message(&genuine[..1]).contains("no pairs of different people"));
    assert_eq!(refused(&overlapping(9)), MetricError::TooFewPairs { pairs: 9, folds: 10 });
    let one = [pair(Some(1), true, 0.5), pair(Some(1), false, 1.5)];
    assert_eq!(refused(&one), MetricError::OneFold);
    let mixed = [pair(Some(1), true, 0.5), pair(None, false, 1.5)];
    assert_eq!(refused(&mixed), MetricError::MixedFolds { with: 1, without: 1 });
}

#[test]
fn no_figure_is_nan_where_every_distance_is_equal_or_none_could_be_made() {
    for distance in [0.0, 1.0, 4.0, 9.0] {
        let pairs: Vec<_> = (0..30u8).map(|i| pair(None, i % 3 == 0, distance)).collect();
        let figures = verification(&pairs, FEW).unwrap();
        assert_eq!((figures.eer, figures.auc), (0.5, 0.5), "all distances {distance}");
        assert!(figures.accuracy.is_finite() && figures.accuracy_se.is_finite());
        let json = serde_json::to_value(&figures).unwrap();
        assert!(json["accuracy"].is_number() && json["eer_interval"].is_null());
    }
}

#[test]
fn the_intervals_hold_the_figures_and_narrow_with_more_pairs() {
    let width = |n| {
        let figures = verification(&overlapping(n), FEW).unwrap();
        let within = |interval: Option<Interval>, value: f64| {
            let interval = interval.unwrap();
            assert!(interval.low <= value && value <= interval.high, "{value} {interval:?}");
            interval.high - interval.low
        };
        within(figures.auc_interval, figures.auc);
        within(figures.accuracy_interval, figures.accuracy);
        within(figures.eer_interval, figures.eer)
    };
    let (few, many) = (width(200), width(3200));
    // Sixteen times the pairs: about a quarter of the width.
    assert!(many < few / 2.0, "{few} then {many}");
}

#[test]
fn an_interval_of_a_rate_that_is_not_told_is_not_told_either() {
    let figures = verification(&overlapping(2000), FEW).unwrap();
    assert!(figures.tar_at_fmr["1e-3"].is_some());
    assert!(figures.tar_at_fmr_interval["1e-3"].is_some());
    assert_eq!(figures.tar_at_fmr["1e-4"], None);
    assert_eq!(figures.tar_at_fmr_interval["1e-4"], None);
}

#[test]
fn pairs_of_few_people_are_less_certain_than_as_many_independent_ones() {
    let mut pairs = overlapping(400);
    // Twenty people; the hard genuine pairs are all of the same ones.
    let tenths = |d: Option<Distance>| {
        (0..40u16)
            .filter(|t| f32::from(*t) / 10.0 < d.unwrap().value())
            .map(u32::from)
            .max()
            .unwrap_or(0)
    };
    for (pair, i) in pairs.iter_mut().zip(0..) {
        let person = tenths(pair.distance) % 20;
        pair.people = Some([person, if pair.same { person } else { (person + 1 + i) % 20 }]);
    }
    let by_person = verification(&pairs, FEW).unwrap();
    pairs[0].people = None;
    let by_pair = verification(&pairs, FEW).unwrap();
    assert_eq!((by_person.resampled, by_pair.resampled), ("person", "pair"));
    assert_eq!(by_person.eer, by_pair.eer);
    let width = |f: &Verification| f.eer_interval.map(|i| i.high - i.low).unwrap();
    assert!(width(&by_person) > 1.2 * width(&by_pair));
}

#[test]
fn a_genuine_pair_counts_as_often_as_its_person_and_an_impostor_pair_as_the_product() {
    let drawn = [0, 2, 3];
    assert_eq!(times_drawn([1, 1], &drawn), 2);
    assert_eq!(times_drawn([1, 2], &drawn), 6);
    assert_eq!(times_drawn([2, 0], &drawn), 0);
}
