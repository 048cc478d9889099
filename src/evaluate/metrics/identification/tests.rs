#![allow(clippy::float_cmp, reason = "shares of small counts are exact")]

use proptest::prelude::*;

use super::*;

fn distance(value: f32) -> Option<Distance> {
    Distance::try_from(value).ok()
}

fn mated(rows: &[(f32, f32)]) -> Vec<MatedProbe> {
    let probe = |((mate, other), person): (&(f32, f32), u32)| MatedProbe {
        person,
        best_mate: distance(*mate),
        best_other: distance(*other),
    };
    rows.iter().zip(0..).map(probe).collect()
}

fn non_mated(best: &[f32]) -> Vec<NonMatedProbe> {
    let people = 1_000_000..;
    best.iter()
        .zip(people)
        .map(|(d, person)| NonMatedProbe { person, best: distance(*d) })
        .collect()
}

/// A hundred strangers at 1.00, 1.01, ...
fn strangers() -> Vec<NonMatedProbe> {
    non_mated(&(0..100u8).map(|i| 1.0 + f32::from(i) / 100.0).collect::<Vec<_>>())
}

const FEW: Bootstrap = Bootstrap { resamples: 100, seed: 1 };
const NO_FACE: f32 = 9.0;

#[test]
fn a_hundred_strangers_give_the_misses_computed_by_hand() {
    let probes = mated(&[
        (0.5, 1.2),         // found
        (1.005, 1.2),       // found only when one stranger in a hundred may get in
        (1.025, 1.2),       // found only with three in a hundred
        (0.9, 0.8),         // somebody else is nearer
        (0.8, 0.8),         // a tie is a miss
        (0.4, NO_FACE),     // nobody else is enrolled
        (NO_FACE, NO_FACE), // the probe had no face
        (NO_FACE, 1.2),     // the enrolment photo had none
    ]);
    let figures = identification(8, &probes, &strangers(), FEW).unwrap();
    assert_eq!(figures.rank1, 4.0 / 8.0);
    assert_eq!(figures.fnir_at_fpir["0.001"], None);
    assert_eq!(figures.fnir_at_fpir["0.003"], None);
    assert_eq!(figures.fnir_at_fpir["0.01"], Some(5.0 / 8.0));
    assert_eq!(figures.fnir_at_fpir["0.03"], Some(4.0 / 8.0));
    assert_eq!(figures.tau_at_fpir["0.01"], Threshold::try_from(1.01).ok());
    assert_eq!((figures.mated_failures, figures.non_mated_failures), (2, 0));
    assert_eq!(figures.fnir_at_fpir_interval["0.003"], None);
    assert!(figures.fnir_at_fpir_interval["0.01"].is_some());
}

#[test]
fn a_stranger_without_a_face_is_rejected_and_counted() {
    let mut strangers = strangers();
    strangers[0].best = None;
    let figures = identification(1, &mated(&[(1.005, 1.2)]), &strangers, FEW).unwrap();
    assert_eq!(figures.non_mated_failures, 1);
    // The nearest remaining stranger is at 1.01, the second at 1.02.
    assert_eq!(figures.tau_at_fpir["0.01"], Threshold::try_from(1.02).ok());
}

#[test]
fn empty_classes_are_refused_with_the_reason() {
    let probes = mated(&[(0.5, 1.0)]);
    let message = |gallery, mated: &[MatedProbe], other: &[NonMatedProbe]| {
        identification(gallery, mated, other, FEW).unwrap_err().to_string()
    };
    assert!(message(0, &probes, &strangers()).contains("no enrolled people"));
    assert!(message(1, &[], &strangers()).contains("no probes of enrolled people"));
    assert!(message(1, &probes, &[]).contains("no probes of people who are not enrolled"));
}

#[test]
fn the_json_has_the_fields_of_the_report() {
    let figures = identification(1, &mated(&[(0.5, 1.0)]), &strangers(), FEW).unwrap();
    let json = serde_json::to_value(figures).unwrap();
    for field in ["gallery", "mated", "non_mated", "rank1"] {
        assert!(json[field].is_number(), "{field} in {json}");
    }
    let rates: Vec<_> = json["fnir_at_fpir"].as_object().unwrap().keys().collect();
    assert_eq!(rates, ["0.001", "0.003", "0.01", "0.03"]);
}

#[test]
fn probes_of_one_person_are_drawn_together() {
    let rows: Vec<_> = (0..60u8).map(|i| (if i < 6 { 3.0 } else { 0.5 }, 2.0)).collect();
    let apart = mated(&rows);
    let mut together = apart.clone();
    for probe in &mut together {
        probe.person /= 6;
    }
    let width = |probes: &[MatedProbe]| {
        let figures = identification(60, probes, &strangers(), Bootstrap::default()).unwrap();
        figures.rank1_interval.map(|i| i.high - i.low).unwrap()
    };
    assert!(width(&together) > 1.5 * width(&apart));
}

proptest! {
    #[test]
    fn misses_at_a_rate_are_those_of_brute_force(
        probes in prop::collection::vec((0u8..=33, 0u8..=33), 1..20),
        strangers in prop::collection::vec(0u8..=33, 100..140),
    ) {
        let value = |d: u8| f32::from(d) / 8.0;
        let probes: Vec<_> = probes.iter().map(|(m, o)| (value(*m), value(*o))).collect();
        let strangers: Vec<_> = strangers.iter().map(|d| value(*d)).collect();
        let none = Bootstrap { resamples: 0, seed: 1 };
        let figures = identification(9, &mated(&probes), &non_mated(&strangers), none).unwrap();
        for (name, rate) in [("0.01", 0.01), ("0.03", 0.03)] {
            let mut fewest = probes.len();
            for tau in (1..=32u8).map(|k| value(k) - 1.0 / 16.0).chain([4.0]) {
                let let_in = strangers.iter().filter(|d| **d <= 4.0 && **d < tau).count();
                if share(let_in as u64, strangers.len() as u64) <= rate {
                    let found = |(m, o): &&(f32, f32)| *m <= 4.0 && m < o && *m < tau;
                    fewest = fewest.min(probes.len() - probes.iter().filter(found).count());
                }
            }
            let expected = share(fewest as u64, probes.len() as u64);
            prop_assert_eq!(figures.fnir_at_fpir[name], Some(expected));
        }
        prop_assert!(figures.fnir_at_fpir["0.01"] >= figures.fnir_at_fpir["0.03"]);
    }
}

#[test]
fn a_gate_recognises_whoever_is_under_tau_and_nearer_than_others_by_the_margin() {
    let distance = |value: Option<f32>| value.map(|value| Distance::try_from(value).unwrap());
    let probes = [
        (Some(0.5), Some(1.5)),
        // Too near to another person.
        (Some(0.5), Some(0.55)),
        // Farther than τ.
        (Some(1.1), Some(1.5)),
        // Taken for another person.
        (Some(0.9), Some(0.6)),
        // As near to another person, and not clear of them.
        (Some(0.6), Some(0.6)),
        // Another person is nearer, and not by the margin.
        (Some(0.65), Some(0.6)),
        // Nobody else is enrolled.
        (Some(0.5), None),
        // No face.
        (None, None),
        // Its own enrolment photo showed no face.
        (None, Some(0.7)),
    ];
    let mated = probes.map(|(mate, other)| MatedProbe {
        person: 0,
        best_mate: distance(mate),
        best_other: distance(other),
    });
    let non_mated = [Some(0.9), Some(1.0), None, Some(1.2)]
        .map(|best| NonMatedProbe { person: 1, best: distance(best) });
    let tau = Threshold::try_from(1.0).unwrap();
    let found = at_gate(&mated, &non_mated, tau, 0.1).unwrap();
    assert_eq!((found.fpir, found.fnir), (0.25, 7.0 / 9.0));
    assert_eq!((found.ambiguous, found.mistaken), (3.0 / 9.0, 2.0 / 9.0));
    assert!(at_gate(&[], &non_mated, tau, 0.1).is_err());
    // Without a margin whoever is nearest is taken, the other one where both are as near.
    let found = at_gate(&mated, &non_mated, tau, 0.0).unwrap();
    assert_eq!((found.fnir, found.ambiguous, found.mistaken), (6.0 / 9.0, 0.0, 4.0 / 9.0));
}
