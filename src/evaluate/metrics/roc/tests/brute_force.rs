//! The rates against their definitions, computed the slow way.

use proptest::prelude::*;

use super::*;

fn part_under(distances: &[f32], tau: f32) -> f64 {
    let under = distances.iter().filter(|d| **d <= 4.0 && **d < tau).count();
    share(under as u64, distances.len() as u64)
}

fn part_not_under(distances: &[f32], tau: f32) -> f64 {
    let over = distances.iter().filter(|d| **d > 4.0 || **d >= tau).count();
    share(over as u64, distances.len() as u64)
}

/// Distances on a coarse lattice, so that ties within and between the classes are common; the last
/// value stands for a photo without a face.
fn distances() -> impl Strategy<Value = Vec<f32>> {
    prop::collection::vec((0u8..=33).prop_map(|d| f32::from(d) / 8.0), 1..25)
}

/// Every threshold that decides the lattice differently, brute force.
fn every_tau() -> impl Iterator<Item = f32> {
    (1..=32u8).map(|k| f32::from(k) / 8.0 - 1.0 / 16.0).chain([4.0])
}

proptest! {
    // A million cells to a case, without optimisation.
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn counted_and_listed_rates_are_those_of_brute_force(
        genuine in distances(), impostor in distances(), rate in 0.0f64..=1.0,
    ) {
        for roc in [listed(&genuine, &impostor).unwrap(), counted(&genuine, &impostor).unwrap()] {
            for at in every_tau() {
                prop_assert_eq!(roc.fmr(tau(at)), part_under(&impostor, at));
                prop_assert_eq!(roc.fnmr(tau(at)), part_not_under(&genuine, at));
            }
            let allowed = every_tau().filter(|at| part_under(&impostor, *at) <= rate);
            let best = allowed.map(|at| part_under(&genuine, at)).fold(0.0, f64::max);
            let at = roc.at_fmr(rate);
            prop_assert_eq!(at.tar, best);
            prop_assert!((at.tar + at.fnmr - 1.0).abs() < 1e-12);
            prop_assert!(at.tau.is_none_or(|tau| part_under(&impostor, tau.value()) <= rate));
        }
    }

    #[test]
    fn the_area_is_the_mann_whitney_statistic(genuine in distances(), impostor in distances()) {
        let finite = |d: f32| if d > 4.0 { f32::INFINITY } else { d };
        let mut halves = 0u64;
        for g in genuine.iter().map(|d| finite(*d)) {
            for i in impostor.iter().map(|d| finite(*d)) {
                halves += if g < i { 2 } else { u64::from(g == i) };
            }
        }
        let expected = share(halves, 2 * (genuine.len() * impostor.len()) as u64);
        prop_assert!((listed(&genuine, &impostor).unwrap().auc() - expected).abs() < 1e-12);
        prop_assert!((counted(&genuine, &impostor).unwrap().auc() - expected).abs() < 1e-12);
    }

    #[test]
    fn the_equal_error_rate_is_brute_forces_least_sum_around_the_crossing(
        genuine in distances(), impostor in distances(),
    ) {
        let rates: Vec<(f64, f64)> = every_tau()
            .map(|at| (part_under(&impostor, at), part_not_under(&genuine, at)))
            .collect();
        let before = rates.iter().rfind(|(fmr, fnmr)| fmr <= fnmr);
        let after = rates.iter().find(|(fmr, fnmr)| fmr >= fnmr);
        let means = before.into_iter().chain(after).map(|(fmr, fnmr)| f64::midpoint(*fmr, *fnmr));
        let expected = means.fold(1.0, f64::min);
        for roc in [listed(&genuine, &impostor).unwrap(), counted(&genuine, &impostor).unwrap()] {
            let eer = roc.eer();
            prop_assert!((eer.rate - expected).abs() < 1e-12, "{:?}, not {}", eer, expected);
            let there = f64::midpoint(roc.fmr(tau(eer.tau)), roc.fnmr(tau(eer.tau)));
            prop_assert!((there - eer.rate).abs() < 1e-12, "its tau gives {}", there);
        }
    }

    #[test]
    fn along_the_curve_fmr_rises_and_fnmr_falls(
        genuine in distances(), impostor in distances(), per_decade in 0u32..40,
    ) {
        let roc = listed(&genuine, &impostor).unwrap();
        let curve = roc.curve(per_decade);
        for couple in curve.windows(2) {
            prop_assert!(couple[0].tau < couple[1].tau);
            prop_assert!(couple[0].fmr <= couple[1].fmr && couple[0].fnmr >= couple[1].fnmr);
        }
        for point in &curve {
            prop_assert_eq!(point.fmr, part_under(&impostor, point.tau));
        }
        let most = *curve.last().unwrap();
        prop_assert_eq!((most.fmr, most.fnmr), (roc.fmr(tau(4.0)), roc.fnmr(tau(4.0))));
    }
}

proptest! {
    // A million cells to a case, without optimisation.
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn no_rate_of_counted_comparisons_is_ever_understated(
        genuine in prop::collection::vec(0.0f32..=4.0, 1..40),
        impostor in prop::collection::vec(0.0f32..=4.0, 1..40),
        at in 0.001f32..=4.0,
        rate in 0.0f64..=1.0,
    ) {
        let roc = counted(&genuine, &impostor).unwrap();
        let under = |distances: &[f32], tau: f32| {
            distances.iter().filter(|d| **d < tau).count() as f64 / distances.len() as f64
        };
        prop_assert!(roc.fmr(tau(at)) >= under(&impostor, at));
        prop_assert!(roc.fnmr(tau(at)) >= 1.0 - under(&genuine, at) - 1e-12);
        if let Some(largest) = roc.at_fmr(rate).tau {
            prop_assert!(under(&impostor, largest.value()) <= rate);
        }
    }
}
