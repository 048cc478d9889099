use proptest::prelude::*;

use super::*;

fn counts(distances: &[f32]) -> DistanceCounts {
    let mut counts = DistanceCounts::default();
    for distance in distances {
        counts.add(Some(Distance::try_from(*distance).unwrap()));
    }
    counts
}

fn tau(value: f32) -> Threshold {
    Threshold::try_from(value).unwrap()
}

#[test]
fn a_distance_equal_to_tau_is_not_under_it_and_a_failure_never_is() {
    let mut counts = counts(&[0.5, 1.0, 1.0, 4.0]);
    counts.add(None);
    assert_eq!(counts.share_below(tau(1.0)), Some(0.2));
    assert_eq!(counts.share_below(tau(1.0f32.next_up())), Some(0.6));
    assert_eq!(counts.share_below(tau(4.0)), Some(0.6));
    assert_eq!((counts.total(), counts.failures()), (5, 1));
}

#[test]
fn the_largest_threshold_stops_at_the_edge_before_the_first_match_too_many() {
    let counts = counts(&[0.25, 0.5, 0.5, 3.0]);
    assert_eq!(counts.threshold_at(0.0), Some(tau(0.25)));
    assert_eq!(counts.threshold_at(0.25), Some(tau(0.5)));
    assert_eq!(counts.threshold_at(0.74), Some(tau(0.5)));
    assert_eq!(counts.threshold_at(0.75), Some(tau(3.0)));
    assert_eq!(counts.threshold_at(1.0), Some(tau(4.0)));
}

#[test]
fn no_threshold_is_low_enough_when_the_first_cell_holds_too_much() {
    assert_eq!(counts(&[0.0, 1.0]).threshold_at(0.4), None);
    assert_eq!(DistanceCounts::default().threshold_at(0.4), None);
    assert_eq!(DistanceCounts::default().share_below(tau(1.0)), None);
}

#[test]
fn the_histogram_keeps_every_distance_and_puts_4_into_the_last_bin() {
    let histogram = counts(&[0.0, 0.99, 1.0, 4.0]).histogram(4);
    assert_eq!(histogram, Histogram { width: 1.0, counts: vec![2, 1, 0, 1] });
}

proptest! {
    // A million cells to a case, without optimisation.
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn no_rate_is_ever_understated_and_merging_is_counting_together(
        left in prop::collection::vec(0.0f32..=4.0, 0..40),
        right in prop::collection::vec(0.0f32..=4.0, 1..40),
        at in 0.001f32..=4.0,
        rate in 0.0f64..=1.0,
    ) {
        let mut merged = counts(&left);
        merged.merge(&counts(&right));
        let all: Vec<f32> = left.into_iter().chain(right).collect();
        prop_assert_eq!(&merged, &counts(&all));

        let exact = |tau: f32| share(all.iter().filter(|d| **d < tau).count() as u64, all.len() as u64);
        prop_assert!(merged.share_below(tau(at)).unwrap() >= exact(at));
        if let Some(largest) = merged.threshold_at(rate) {
            prop_assert!(exact(largest.value()) <= rate);
            let next = largest.value() + 1.0 / CELLS_PER_UNIT;
            prop_assert!(next > 4.0 || exact(next) > rate);
        }
    }
}
