#![allow(clippy::float_cmp, reason = "shares of small counts are exact")]

use super::*;

mod brute_force;

fn distance(value: f32) -> Option<Distance> {
    Distance::try_from(value).ok()
}

fn tau(value: f32) -> Threshold {
    Threshold::try_from(value).unwrap()
}

/// A distance over 4 stands for a comparison that could not be made.
fn listed(genuine: &[f32], impostor: &[f32]) -> Result<Roc, MetricError> {
    let rows = genuine.iter().map(|d| (distance(*d), true));
    Roc::from_comparisons(rows.chain(impostor.iter().map(|d| (distance(*d), false))))
}

fn counted(genuine: &[f32], impostor: &[f32]) -> Result<Roc, MetricError> {
    let count = |distances: &[f32]| {
        let mut counts = DistanceCounts::default();
        for d in distances {
            counts.add(distance(*d));
        }
        counts
    };
    Roc::new(&count(genuine), &count(impostor))
}

#[test]
fn four_and_four_comparisons_give_the_rates_computed_by_hand() {
    let roc = listed(&[0.1, 0.2, 0.3, 1.5], &[1.0, 1.6, 1.7, 1.8]).unwrap();
    assert_eq!((roc.fmr(tau(1.0)), roc.fnmr(tau(1.0))), (0.0, 0.25));
    assert_eq!((roc.fmr(tau(1.2)), roc.fnmr(tau(1.2))), (0.25, 0.25));
    assert_eq!((roc.fmr(tau(1.55)), roc.fnmr(tau(1.55))), (0.25, 0.0));
    let just_over = 1.5f32.next_up();
    assert_eq!((roc.fnmr(tau(1.5)), roc.fnmr(tau(just_over))), (0.25, 0.0));
    let eer = roc.eer();
    assert_eq!(eer.rate, 0.25);
    assert!((eer.tau - 1.25).abs() < 1e-6, "the middle of 1.0 to 1.5, not {}", eer.tau);
    // One of the sixteen couples is the wrong way round.
    assert_eq!(roc.auc(), 15.0 / 16.0);
    assert_eq!(roc.at_fmr(0.0), AtFmr { tar: 0.75, fnmr: 0.25, tau: Some(tau(1.0)) });
    assert_eq!(roc.at_fmr(0.25), AtFmr { tar: 1.0, fnmr: 0.0, tau: Some(tau(1.6)) });
}

#[test]
fn separated_classes_have_no_error_between_them() {
    let roc = listed(&[0.5], &[1.5]).unwrap();
    assert_eq!((roc.eer().rate, roc.auc()), (0.0, 1.0));
    assert!((roc.eer().tau - 1.0).abs() < 1e-6);
}

#[test]
fn equal_distances_tell_nothing_apart() {
    for same in [0.0, 1.0, 4.0] {
        let roc = listed(&[same; 3], &[same; 5]).unwrap();
        assert_eq!((roc.eer().rate, roc.auc()), (0.5, 0.5), "all distances {same}");
        let at = roc.at_fmr(0.1);
        assert_eq!((at.tar, at.fnmr), (0.0, 1.0), "all distances {same}");
    }
    let zero = listed(&[0.0], &[0.0]).unwrap();
    assert_eq!(zero.at_fmr(0.1).tau, None, "every threshold accepts a distance of 0");
}

#[test]
fn an_empty_class_is_an_error_that_names_it() {
    let error = listed(&[], &[1.0]).unwrap_err();
    assert!(error.to_string().contains("no genuine comparisons"), "{error}");
    let error = counted(&[1.0], &[]).unwrap_err();
    assert!(error.to_string().contains("no impostor comparisons"), "{error}");
}

#[test]
fn failures_raise_fnmr_at_every_threshold_and_lower_fmr() {
    let roc = listed(&[0.5, 9.0], &[1.0, 9.0, 9.0, 9.0]).unwrap();
    assert_eq!((roc.fmr(tau(4.0)), roc.fnmr(tau(4.0))), (0.25, 0.5));
    assert_eq!(roc.summary().undetected, 4);
    // FMR 0.25 never reaches FNMR 0.5: the nearest they come is at the most lenient thresholds.
    assert_eq!(roc.eer().rate, 0.375);
}

#[test]
fn a_rate_is_told_only_with_enough_impostors_to_show_it() {
    let impostor: Vec<f32> = (0..1000u16).map(|i| 2.0 + f32::from(i) / 1000.0).collect();
    let summary = listed(&[0.5, 2.0005], &impostor).unwrap().summary();
    assert_eq!(summary.tar_at_fmr["1e-3"], Some(1.0));
    assert_eq!(summary.tar_at_fmr["1e-4"], None);
    let summary = listed(&[0.5, 2.0005], &impostor[1..]).unwrap().summary();
    assert_eq!(summary.tar_at_fmr["1e-3"], None);
}

#[test]
fn exactly_a_millionth_of_the_impostors_is_within_a_rate_of_1e_6() {
    let (mut genuine, mut impostor) = (DistanceCounts::default(), DistanceCounts::default());
    genuine.add(distance(1.0));
    impostor.add_failures(86_999_913);
    for _ in 0..87 {
        impostor.add(distance(0.5));
    }
    let at = Roc::new(&genuine, &impostor).unwrap().shown_at_fmr(1e-6).unwrap();
    assert_eq!((at.tar, at.tau), (1.0, Some(tau(4.0))));
    impostor.add(distance(0.5));
    let at = Roc::new(&genuine, &impostor).unwrap().shown_at_fmr(1e-6).unwrap();
    assert_eq!((at.tar, at.tau), (0.0, Some(tau(0.5))));
}

#[test]
fn the_summary_in_json_has_the_fields_of_the_report() {
    let json = serde_json::to_value(listed(&[0.5], &[1.5]).unwrap().summary()).unwrap();
    for field in ["pairs", "undetected", "eer", "auc"] {
        assert!(json[field].is_number(), "{field} in {json}");
    }
    assert!(json["tar_at_fmr"]["1e-4"].is_null() && json["tau_at_fmr"]["1e-3"].is_null());
}

#[test]
fn the_curve_of_many_points_is_short_and_keeps_both_ends() {
    let spread = |n: u16, shift: f32| -> Vec<f32> {
        (0..n).map(|i| shift + f32::from(i) * 2.0 / f32::from(n)).collect()
    };
    let roc = counted(&spread(20_000, 0.2), &spread(50_000, 1.0)).unwrap();
    let curve = roc.curve(20);
    assert!((50..400).contains(&curve.len()), "{} points", curve.len());
    let (first, last) = (curve[0], curve[curve.len() - 1]);
    assert_eq!((first.fmr, first.fnmr), (0.0, 1.0));
    assert_eq!((last.fmr, last.fnmr), (1.0, 0.0));
}
