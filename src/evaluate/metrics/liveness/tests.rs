#![allow(clippy::float_cmp, reason = "shares of small counts are exact")]

use proptest::prelude::*;

use super::*;

fn presentation(kind: &str, score: Option<f32>) -> Presentation {
    Presentation {
        kind: if kind == "live" { Kind::Live } else { Kind::Attack(kind.to_owned()) },
        subject: None,
        score: score.and_then(|score| LivenessScore::try_from(score).ok()),
    }
}

fn all(rows: &[(&str, &[Option<f32>])]) -> Vec<Presentation> {
    let row = |(kind, scores): &(&str, &[Option<f32>])| -> Vec<_> {
        scores.iter().map(|score| presentation(kind, *score)).collect()
    };
    rows.iter().flat_map(row).collect()
}

fn at(threshold: f32) -> LivenessScore {
    LivenessScore::try_from(threshold).unwrap()
}

const FEW: Bootstrap = Bootstrap { resamples: 100, seed: 1 };

#[test]
fn two_species_give_the_figures_computed_by_hand() {
    let data = all(&[
        ("live", &[Some(0.9), Some(0.8), Some(0.7), Some(0.4), None]),
        ("print", &[Some(0.1), Some(0.2), Some(0.3), None]),
        ("screen", &[Some(0.1), Some(0.7)]),
    ]);
    let figures = liveness(&data, at(0.7), FEW).unwrap();
    assert_eq!((figures.live, figures.live_no_response, figures.bpnrr), (5, 1, 0.2));
    // 0.7 reaches the threshold of 0.7: the live one passes, and so does the screen.
    assert_eq!(figures.bpcer, 0.25);
    let (print, screen) = (&figures.species["print"], &figures.species["screen"]);
    assert_eq!((print.attacks, print.accepted, print.no_response), (4, 0, 1));
    assert_eq!((print.apcer, print.apnrr), (0.0, 0.25));
    assert_eq!((screen.apcer, screen.apnrr), (0.5, 0.0));
    assert_eq!((figures.apcer_worst, figures.apcer_worst_species.as_str()), (0.5, "screen"));
    assert_eq!(figures.acer, 0.375);
    // Above 0.7 no screen passes any more, but two of four live ones do not either.
    assert_eq!(figures.bpcer_at_apcer["0.01"], Some(0.5));
    assert_eq!(figures.threshold_at_apcer["0.01"], Some(0.8));
    // Around the crossing: (BPCER 0.25, APCER 0.5) and (0.5, 0): the smaller sum.
    assert_eq!(figures.eer, 0.25);
}

#[test]
fn missing_classes_are_refused_with_the_reason() {
    let refused = |rows| liveness(&all(rows), at(0.5), FEW).unwrap_err().to_string();
    assert!(refused(&[]).contains("no attack presentations"));
    assert!(refused(&[("live", &[Some(0.9)])]).contains("no attack presentations"));
    let no_live: &[(&str, &[Option<f32>])] = &[("print", &[Some(0.1)])];
    assert!(refused(no_live).contains("no bona fide presentations"));
    let no_face: &[(&str, &[Option<f32>])] = &[("live", &[None]), ("print", &[Some(0.1)])];
    assert!(refused(no_face).contains("no bona fide presentations with a face"));
}

#[test]
fn attacks_that_score_like_the_best_live_face_cannot_be_kept_out() {
    let data = all(&[("live", &[Some(1.0); 3]), ("mask", &[Some(1.0); 3])]);
    let figures = liveness(&data, at(1.0), FEW).unwrap();
    assert_eq!((figures.apcer_worst, figures.bpcer), (1.0, 0.0));
    assert_eq!((figures.eer, figures.bpcer_at_apcer["0.05"]), (0.5, None));
    assert_eq!(figures.bpcer_at_apcer_interval["0.05"], None);
}

#[test]
fn a_rate_without_an_error_still_has_an_interval_that_shows_how_little_data_there_is() {
    let data = all(&[("live", &[Some(0.9); 10]), ("print", &[Some(0.1); 20])]);
    let figures = liveness(&data, at(0.5), FEW).unwrap();
    assert_eq!(figures.apcer_worst_interval, Interval::wilson(0, 20));
    assert_eq!(figures.bpcer_interval, Interval::wilson(0, 10));
}

#[test]
fn attacks_in_which_no_face_was_found_are_refused() {
    let data = all(&[("live", &[Some(0.0), Some(0.9)]), ("mask", &[None, None])]);
    let figures = liveness(&data, at(0.5), FEW).unwrap();
    assert_eq!((figures.apcer_worst, figures.species["mask"].apnrr), (0.0, 1.0));
    assert_eq!(figures.bpcer_at_apcer["0.01"], Some(0.0));
}

#[test]
fn presentations_of_one_subject_are_drawn_together() {
    let score = |i: u8| Some(if i < 8 { 0.2 } else { 0.9 });
    let live: Vec<_> = (0..80).map(score).collect();
    let mut data = all(&[("live", &live), ("print", &[Some(0.1); 80])]);
    let width = |data: &[Presentation]| {
        let figures = liveness(data, at(0.5), Bootstrap::default()).unwrap();
        (figures.resampled, figures.bpcer_interval.map(|i| i.high - i.low).unwrap())
    };
    let (apart, apart_width) = width(&data);
    for (i, presentation) in data.iter_mut().enumerate() {
        presentation.subject = Some((i % 80 / 8).to_string());
    }
    let (together, together_width) = width(&data);
    assert_eq!((apart, together), ("presentation", "subject"));
    assert!(together_width > 1.5 * apart_width, "{together_width} and {apart_width}");
}

proptest! {
    #[test]
    fn the_figures_are_those_of_brute_force(
        rows in prop::collection::vec((0u8..4, prop::option::weighted(0.9, 0u8..=16)), 1..40),
        threshold in 0u8..=16,
    ) {
        let names = ["live", "mask", "print", "screen"];
        let score = |s: u8| f32::from(s) / 16.0;
        let data: Vec<_> = rows
            .iter()
            .map(|(kind, s)| presentation(names[usize::from(*kind)], s.map(score)))
            .collect();
        let attacks = rows.iter().any(|(kind, _)| *kind > 0);
        let live = rows.iter().filter(|(kind, s)| *kind == 0 && s.is_some()).count();
        let none = Bootstrap { resamples: 0, seed: 1 };
        let Ok(figures) = liveness(&data, at(score(threshold)), none) else {
            prop_assert!(!attacks || live == 0);
            return Ok(());
        };
        prop_assert!(attacks && live > 0);

        let rates = |threshold: u8| {
            let passing = |kind: u8| {
                rows.iter().filter(|(k, s)| *k == kind && s.is_some_and(|s| s >= threshold)).count()
            };
            let apcer = |kind: u8| {
                let all = rows.iter().filter(|(k, _)| *k == kind).count();
                if all == 0 { 0.0 } else { share(passing(kind) as u64, all as u64) }
            };
            let worst = (1..4).map(apcer).fold(0.0, f64::max);
            (worst, share((live - passing(0)) as u64, live as u64))
        };
        prop_assert_eq!((figures.apcer_worst, figures.bpcer), rates(threshold));
        for (name, rate) in APCERS {
            let allowed = (0..=16).map(rates).filter(|(apcer, _)| *apcer <= rate);
            let lowest = allowed.map(|(_, bpcer)| bpcer).reduce(f64::min);
            prop_assert_eq!(figures.bpcer_at_apcer[name], lowest);
        }
        let around = [
            (0..=16).map(rates).rfind(|(apcer, bpcer)| bpcer <= apcer),
            (0..=16).map(rates).find(|(apcer, bpcer)| bpcer >= apcer),
        ];
        let means = around.into_iter().flatten().map(|(a, b)| f64::midpoint(a, b));
        prop_assert!((figures.eer - means.fold(1.0, f64::min)).abs() < 1e-12);
        for couple in figures.curve.windows(2) {
            prop_assert!(couple[0].threshold < couple[1].threshold);
            prop_assert!(couple[0].apcer >= couple[1].apcer && couple[0].bpcer <= couple[1].bpcer);
        }
    }
}
