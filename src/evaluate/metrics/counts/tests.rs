use super::*;

fn counts(distances: &[f32]) -> DistanceCounts {
    let mut counts = DistanceCounts::default();
    for distance in distances {
        counts.add(Some(Distance::try_from(*distance).unwrap()));
    }
    counts
}

#[test]
fn a_failure_is_counted_and_in_no_bin() {
    let mut counts = counts(&[0.5, 1.0, 1.0, 4.0]);
    counts.add(None);
    counts.add_failures(2);
    assert_eq!((counts.total(), counts.failures()), (7, 3));
    assert_eq!(counts.histogram(4).counts.iter().sum::<u64>(), 4);
}

#[test]
fn the_histogram_keeps_every_distance_and_puts_4_into_the_last_bin() {
    let histogram = counts(&[0.0, 0.99, 1.0, 4.0]).histogram(4);
    assert_eq!(histogram, Histogram { width: 1.0, counts: vec![2, 1, 0, 1] });
}
