//! What every calibration must promise, whatever is asked of it.

use proptest::prelude::*;

use super::*;
use crate::domain::{ModelId, Threshold};

/// A calibration of round numbers: the FMR rises tenfold each 0.15 from 1e-6 at 0.9.
pub(super) fn calibration() -> Calibration {
    let fmr = Curve::try_from(vec![
        [0.9, 1e-6],
        [1.05, 1e-5],
        [1.2, 1e-4],
        [1.35, 1e-3],
        [1.5, 1e-2],
        [2.0, 0.5],
        [4.0, 1.0],
    ])
    .expect("a rising curve");
    let fnmr = vec![[0.0, 1.0], [0.5, 0.5], [0.9, 0.14], [1.05, 0.07], [1.2, 0.04], [4.0, 0.005]];
    Calibration {
        schema: SCHEMA,
        model: ModelId::new("test@0"),
        data: Data {
            sources: vec!["synthetic".into()],
            people: 1000,
            photos: 2000,
            failures_to_acquire: 20,
        },
        impostor: Impostor {
            pairs: 2_000_000,
            independent: 1e6,
            confidence: 0.9,
            tail: Tail {
                threshold: 1.35,
                share: 1e-3,
                shape: -0.05,
                scale: 0.07,
                goodness: Goodness { anderson_darling: 0.5, limit: 0.974, exceedances: 500.0 },
            },
            trimmed: Trimmed { below: 0.0, pairs: 0, share: 0.0 },
            fmr_estimate: fmr.clone(),
            fmr_bound: fmr,
        },
        genuine: Genuine {
            people: 500,
            pairs: 3000,
            fnmr: Curve::try_from(fnmr).expect("a falling curve"),
        },
    }
}

fn request(people: u32, max_fpir: f64) -> Request {
    Request {
        search: Search { people },
        max_fpir,
        max_fnir: Request::MAX_FNIR_DEFAULT,
        traffic: Traffic { mated_per_day: 2000.0, non_mated_per_day: 10.0 },
    }
}

#[test]
fn a_file_that_is_written_is_read_back_the_same() {
    let text = toml::to_string(&calibration()).unwrap();
    assert_eq!(Calibration::from_toml(&text), Ok(calibration()));
}

#[test]
fn a_file_with_an_unknown_field_another_schema_or_a_wild_number_is_refused() {
    let text = toml::to_string(&calibration()).unwrap();
    let unknown = format!("colour = 1\n{text}");
    assert!(matches!(Calibration::from_toml(&unknown), Err(CalibrationError::Form(_))));
    let future = text.replace("schema = 1", "schema = 2");
    assert_eq!(Calibration::from_toml(&future), Err(CalibrationError::Schema(2)));
    for (from, to) in [
        ("confidence = 0.9", "confidence = nan"),
        ("scale = 0.07", "scale = inf"),
        ("people = 500", "people = 1001"),
        ("failures_to_acquire = 20", "failures_to_acquire = 2000"),
        ("share = 0.0\n", "share = 0.5\n"),
    ] {
        assert!(text.contains(from), "{from}");
        assert!(Calibration::from_toml(&text.replace(from, to)).is_err(), "{to}");
    }
}

#[test]
fn a_calibration_of_another_model_is_told_apart() {
    assert!(calibration().check_model(&ModelId::new("test@0")).is_ok());
    assert!(calibration().check_model(&ModelId::new("test@1")).is_err());
}

#[test]
fn a_search_that_needs_rarer_errors_than_were_measured_is_refused_with_a_way_out() {
    let refusal = calibration().offer(&request(5000, 0.001)).unwrap_err();
    assert!(matches!(refusal.reason, RefusalReason::BelowFloor { .. }));
    let badge = refusal.alternatives.badge.expect("1:1 is possible at 1e-3");
    assert!((f64::from(badge.tau.value()) - 1.35).abs() < 1e-4);
    assert_eq!(refusal.alternatives.largest_gallery, Some(1000));
    let smallest = refusal.alternatives.smallest_fpir.unwrap();
    assert!((smallest / 0.005 - 1.0).abs() < 0.01, "{smallest}");
    assert!(refusal.to_string().contains("under 1.0e-6"), "{refusal}");
}

#[test]
fn a_search_that_would_turn_away_too_many_enrolled_people_is_refused() {
    let strict = Request { max_fnir: 0.1, ..request(1000, 0.001) };
    let refusal = calibration().offer(&strict).unwrap_err();
    assert!(matches!(refusal.reason, RefusalReason::TooManyMisses { .. }));
    assert!(refusal.alternatives.badge.is_some());
}

#[test]
fn when_nothing_is_possible_no_alternative_is_named() {
    let refusal = calibration().offer(&Request { max_fnir: 1e-9, ..request(9, 0.01) }).unwrap_err();
    let Alternatives { badge, largest_gallery, smallest_fpir } = refusal.alternatives;
    assert_eq!((badge, largest_gallery, smallest_fpir), (None, None, None));
}

#[test]
fn rates_become_people_a_year_and_retries_a_day() {
    let offer = calibration().offer(&request(100, 0.01)).unwrap();
    assert!((offer.false_entries_per_year - offer.fpir * 3650.0).abs() < 1e-9);
    assert!((offer.honest_retries_per_day - offer.fnir * 2000.0).abs() < 1e-9);
    assert!(offer.fnir > calibration().fnmr(offer.tau), "failures to acquire count");
}

#[test]
fn the_trade_off_is_drawn_from_the_smallest_rate_to_all() {
    let calibration = calibration();
    let drawn = calibration.det(50);
    assert!((30..=50).contains(&drawn.len()), "{}", drawn.len());
    assert!(drawn.is_sorted_by(|one, next| one < next), "{drawn:?}");
    let rates: Vec<_> = drawn.iter().map(|tau| calibration.fmr(*tau)).collect();
    assert!((rates[0] / calibration.floor() - 1.0).abs() < 1e-3, "{rates:?}");
    assert!(rates.last().is_some_and(|rate| *rate > 0.99), "{rates:?}");
}

#[test]
fn a_request_out_of_range_is_named() {
    for bad in [request(0, 0.1), request(1, 0.0), request(1, 1.0), request(1, f64::NAN)] {
        assert!(bad.check().is_err());
    }
    assert_eq!(request(1, 0.1).check(), Ok(()));
}

proptest! {
    #[test]
    fn an_offer_never_promises_more_than_was_asked(
        people in 1u32..1_000_000, log_risk in -6f64..-0.01,
    ) {
        let search = Search { people };
        let asked = Request { search, ..request(people, 10f64.powf(log_risk)) };
        let calibration = calibration();
        match calibration.offer(&asked) {
            Ok(offer) => {
                prop_assert!(search.fpir(calibration.fmr(offer.tau)) <= asked.max_fpir * (1.0 + 1e-9));
                prop_assert!(offer.fpir <= asked.max_fpir && offer.fnir <= asked.max_fnir);
            }
            Err(refusal) => {
                let ways = refusal.alternatives;
                if let Some(people) = ways.largest_gallery {
                    let search = Search { people };
                    let again = calibration.offer(&Request { search, ..asked });
                    prop_assert!(again.is_ok());
                }
                if let Some(max_fpir) = ways.smallest_fpir {
                    let again = calibration.offer(&Request { max_fpir, ..asked });
                    prop_assert!(again.is_ok());
                }
            }
        }
    }

    #[test]
    fn tau_shrinks_as_the_gallery_grows(people in 1u32..50_000, more in 1u32..50_000) {
        let tau = |people| {
            let search = Search { people };
            calibration().tau_for_fpir(0.05, search)
        };
        if let Some(after) = tau(people + more) {
            prop_assert!(after < tau(people).unwrap());
        }
    }

    #[test]
    fn the_threshold_of_a_rate_has_that_rate(tau in 0.91f32..3.9) {
        let calibration = calibration();
        let tau = Threshold::try_from(tau).unwrap();
        let back = calibration.tau_for_fmr(calibration.fmr(tau)).unwrap();
        prop_assert!((back.value() - tau.value()).abs() < 1e-4);
    }

    #[test]
    fn no_number_that_is_asked_gives_nan(
        people: u32, max_fpir in prop::num::f64::ANY, max_fnir in prop::num::f64::ANY,
    ) {
        let search = Search { people };
        let asked = Request { search, max_fnir, ..request(people, max_fpir) };
        if let Ok(offer) = calibration().offer(&asked) {
            prop_assert!(!offer.fmr.is_nan() && !offer.fpir.is_nan() && !offer.fnir.is_nan());
        }
    }
}

#[test]
fn each_of_several_frames_may_be_as_far_as_one_stranger_in_a_hundred_and_no_stricter_than_together()
{
    let policy = |calibration| {
        let tau = Threshold::try_from(1.1).ok();
        let risk = AcceptedRisk {
            max_fmr: 1e-4,
            max_fpir: 0.01,
            verify_threshold: tau,
            recognize_threshold: tau,
        };
        RiskPolicy::new(risk, calibration).unwrap()
    };
    let of = |calibration, tau: f32| {
        policy(calibration).of_each_frame(Threshold::try_from(tau).unwrap()).value()
    };
    assert!((of(Some(calibration()), 1.1) - 1.5).abs() < 1e-4);
    assert!((of(Some(calibration()), 1.9) - 1.9).abs() < 1e-6);
    assert!((of(None, 1.1) - 1.1).abs() < 1e-6);
}
