//! Fits of synthetic people, whose true error rates are known.

use rand::{Rng, SeedableRng, rngs::StdRng};

use super::*;
use crate::domain::Distance;

fn distance(value: f64) -> Distance {
    Distance::try_from(value as f32).expect("0 to 4")
}

/// Strangers' distances with `P(d < x) = (x / 2.4)^18`, one photo each.
fn strangers(people: u32, seed: u64) -> ImpostorScores {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut scores = ImpostorScores::default();
    for left in 0..people {
        for right in 0..left {
            let d = 2.4 * (1.0 - rng.random::<f64>()).powf(1.0 / 18.0);
            let person = |index| Person { index, photos: 1 };
            scores.push(distance(d), person(left), person(right));
        }
    }
    scores
}

fn same_people() -> GenuineScores {
    let mut scores = GenuineScores::default();
    for i in 0..500 {
        scores.push_person(&[distance(0.2 + f64::from(i) / 500.0)]);
    }
    scores
}

fn data(people: u64) -> Data {
    Data { sources: vec!["synthetic".into()], people, photos: 2 * people, failures_to_acquire: 0 }
}

fn fit(people: u32, scores: &ImpostorScores) -> Result<Calibration, FitError> {
    calibrate(ModelId::new("test@0"), data(u64::from(people)), scores, &same_people())
}

#[test]
fn the_rates_of_synthetic_strangers_are_found_again() {
    let fitted = fit(900, &strangers(900, 1)).unwrap();
    for x in [1.25f64, 1.4, 1.6, 1.9] {
        let truth = (x / 2.4).powi(18);
        let (found, bound) = (
            fitted.impostor.fmr_estimate.rate(x) / truth,
            fitted.impostor.fmr_bound.rate(x) / truth,
        );
        assert!((0.7..1.4).contains(&found), "{x}: {found}");
        assert!((0.9..2.0).contains(&bound), "{x}: {bound}");
    }
    assert!((fitted.impostor.tail.shape + 1.0 / 18.0).abs() < 0.03, "{:?}", fitted.impostor.tail);
    assert_eq!(fitted.impostor.trimmed.pairs, 0);
}

#[test]
fn one_person_under_two_names_changes_nothing_but_the_floor() {
    let clean = fit(900, &strangers(900, 1)).unwrap();
    let mut scores = strangers(900, 1);
    for i in 0..4 {
        let person = |index| Person { index, photos: 1 };
        scores.push(distance(0.1 + 0.1 * f64::from(i)), person(i), person(i + 100));
    }
    let fitted = fit(900, &scores).unwrap();
    assert_eq!(fitted.impostor.trimmed.pairs, 4);
    assert!(fitted.floor() > clean.floor() && fitted.floor() >= fitted.impostor.trimmed.share);
    let ratio = |x| fitted.impostor.fmr_estimate.rate(x) / clean.impostor.fmr_estimate.rate(x);
    assert!((0.95..1.05).contains(&ratio(1.3)), "{}", ratio(1.3));
}

#[test]
fn one_person_with_many_photos_weighs_no_more_than_others() {
    let mut scores = strangers(900, 2);
    let before = fit(900, &scores).unwrap();
    for _ in 0..100_000 {
        let much = Person { index: 900, photos: 100_000 };
        scores.push(distance(1.3), much, Person { index: 1, photos: 1 });
    }
    let total: f64 = scores.weight.iter().sum();
    assert!((total - 900.0 * 899.0 / 2.0 - 1.0).abs() < 1e-3);
    let after = fit(901, &scores).map(|c| c.impostor.fmr_estimate.rate(1.5)).unwrap();
    assert!((after / before.impostor.fmr_estimate.rate(1.5) - 1.0).abs() < 0.1);
}

#[test]
fn too_few_people_and_nobody_with_two_photos_are_named() {
    assert!(matches!(fit(20, &strangers(20, 5)), Err(FitError::TooFewImpostors { .. })));
    assert!(matches!(
        fit(2, &ImpostorScores::default()),
        Err(FitError::TooFewImpostors { found: 0.0, .. })
    ));
    let nobody = GenuineScores::default();
    let result = calibrate(ModelId::new("t"), data(900), &strangers(900, 1), &nobody);
    assert_eq!(result, Err(FitError::NoGenuine));
}

#[test]
fn the_file_stays_small() {
    let text = toml::to_string(&fit(900, &strangers(900, 1)).unwrap()).unwrap();
    assert!(text.len() < 16 * 1024, "{} bytes", text.len());
}
