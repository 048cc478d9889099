//! Labelled pairs: the same person, or two.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::domain::{Distance, Threshold};

use super::bootstrap::numbered;
use super::folds::{FoldAccuracy, FoldedPair, cross_validate, mean_accuracy, standard_error};
use super::sweep::{Sweep, by_distance};
use super::{Bootstrap, FMRS, Interval, MetricError, Roc, named};

/// Folds of data that names none: as many as LFW prescribes.
const FOLDS: usize = 10;

/// Two photos that were compared.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ComparedPair {
    /// The fold that the protocol puts the pair in, where it names one.
    pub fold: Option<u32>,
    /// Whether both photos show the same person.
    pub same: bool,
    /// Who is in the photos, as numbers that the caller gives out; none when it is not known.
    pub people: Option<[u32; 2]>,
    /// The distance; none: one of the photos had no face.
    pub distance: Option<Distance>,
}

/// The figures of labelled pairs, with 95 % bootstrap intervals. An interval is absent where no
/// resample differs from another, e.g. where there is not one error.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Verification {
    /// Pairs, with those that could not be compared.
    pub pairs: u64,
    /// Pairs that could not be compared because a photo had no face; they match at no threshold.
    pub undetected: u64,
    /// Pairs of one person.
    pub genuine: u64,
    /// Pairs of two people.
    pub impostor: u64,
    /// The mean over the folds of the share decided rightly, 0 to 1.
    pub accuracy: f64,
    /// The standard error of that mean: the standard deviation over the folds by `sqrt(folds)`.
    pub accuracy_se: f64,
    /// Where `accuracy` lies.
    pub accuracy_interval: Option<Interval>,
    /// Equal error rate over all pairs, 0 to 1.
    pub eer: f64,
    /// Where `eer` lies.
    pub eer_interval: Option<Interval>,
    /// The threshold of the EER; over 0, at most 4.
    pub eer_tau: f32,
    /// True accept rate at the FMRs of [`FMRS`] over all pairs; none with fewer than `1 / FMR`
    /// impostor pairs.
    pub tar_at_fmr: BTreeMap<String, Option<f64>>,
    /// Where each of them lies.
    pub tar_at_fmr_interval: BTreeMap<String, Option<Interval>>,
    /// The largest threshold at which each FMR is not exceeded.
    pub tau_at_fmr: BTreeMap<String, Option<Threshold>>,
    /// Area under the ROC curve over all pairs, 0 to 1.
    pub auc: f64,
    /// Where `auc` lies.
    pub auc_interval: Option<Interval>,
    /// Each fold, in the order of the protocol's numbers.
    pub folds: Vec<FoldAccuracy>,
    /// What a resample draws: `person` or `pair`.
    pub resampled: &'static str,
    /// How the intervals were drawn.
    pub bootstrap: Bootstrap,
}

/// Evaluates labelled pairs as LFW prescribes (Huang et al. 2007).
///
/// Pairs that name no fold are dealt out to ten folds in turn, first the genuine ones, then the
/// impostor ones, so that every fold holds about as many of each; unlike LFW's own folds these may
/// share people. Intervals draw *people* where every pair names them: a genuine pair counts as often
/// as its person was drawn, an impostor pair as often as the product of both (Owen 2007, "The
/// pigeonhole bootstrap"), which keeps pairs that share a person together and errs on the wide side.
/// Otherwise they draw pairs. Each resample runs the whole cross-validation anew.
///
/// # Errors
/// Without genuine or impostor pairs, with fewer pairs than folds, with a single named fold, or when
/// only some pairs name their fold.
pub fn verification(
    pairs: &[ComparedPair],
    bootstrap: Bootstrap,
) -> Result<Verification, MetricError> {
    let missing = |what, rate| Err(MetricError::Missing { what, rate });
    if pairs.is_empty() {
        return missing("pairs", "accuracy");
    }
    if !pairs.iter().any(|pair| pair.same) {
        return missing("pairs of the same person", "FNMR");
    }
    if pairs.iter().all(|pair| pair.same) {
        return missing("pairs of different people", "FMR");
    }
    let (fold_of, folds) = assign_folds(pairs)?;

    let mut order: Vec<usize> = (0..pairs.len()).collect();
    order.sort_by(|a, b| by_distance(pairs[*a].distance, pairs[*b].distance));
    let mut sorted: Vec<FoldedPair> = order
        .iter()
        .map(|i| (pairs[*i], fold_of[*i]))
        .map(|(p, fold)| FoldedPair { distance: p.distance, same: p.same, fold, weight: 1 })
        .collect();

    let roc = Roc::of(Sweep::from_sorted(sorted.iter().map(|p| (p.distance, p.same, p.weight))))?;
    let summary = roc.summary();
    let by_fold = cross_validate(&sorted, folds);
    let accuracy = mean_accuracy(&by_fold).zip(standard_error(&by_fold));
    let (accuracy, accuracy_se) = accuracy.ok_or(MetricError::OneFold)?;

    let (units, unit_count, resampled) = resampling_units(pairs);
    let [accuracy_interval, eer_interval, auc_interval, tar_intervals @ ..] = bootstrap
        .intervals::<{ 3 + FMRS.len() }>(unit_count, |drawn| {
            for (pair, i) in sorted.iter_mut().zip(&order) {
                pair.weight = times_drawn(units[*i], drawn);
            }
            let sweep = Sweep::from_sorted(sorted.iter().map(|p| (p.distance, p.same, p.weight)));
            let accuracy = mean_accuracy(&cross_validate(&sorted, folds));
            let Ok(roc) = Roc::of(sweep) else { return [None; _] };
            let [a, b, c, d] = FMRS.map(|(_, fmr)| Some(roc.at_fmr(fmr).tar));
            [accuracy, Some(roc.eer().rate), Some(roc.auc()), a, b, c, d]
        });
    let shown = FMRS.map(|(name, _)| summary.tar_at_fmr.get(name).is_some_and(Option::is_some));
    let tar_intervals = tar_intervals.into_iter().zip(shown);

    Ok(Verification {
        pairs: summary.pairs,
        undetected: summary.undetected,
        genuine: summary.genuine,
        impostor: summary.impostor,
        accuracy,
        accuracy_se,
        accuracy_interval,
        eer: summary.eer,
        eer_interval,
        eer_tau: summary.eer_tau,
        tar_at_fmr: summary.tar_at_fmr,
        tar_at_fmr_interval: named(&FMRS, tar_intervals.map(|(i, shown)| i.filter(|_| shown))),
        tau_at_fmr: summary.tau_at_fmr,
        auc: summary.auc,
        auc_interval,
        folds: by_fold,
        resampled,
        bootstrap,
    })
}

/// The fold of each pair, from 0, and how many there are.
fn assign_folds(pairs: &[ComparedPair]) -> Result<(Vec<usize>, usize), MetricError> {
    let named: Vec<u32> = pairs.iter().filter_map(|pair| pair.fold).collect();
    if named.is_empty() {
        if pairs.len() < FOLDS {
            return Err(MetricError::TooFewPairs { pairs: pairs.len(), folds: FOLDS });
        }
        let genuine = pairs.iter().filter(|pair| pair.same).count();
        let mut next = [genuine, 0];
        let folds = pairs.iter().map(|pair| {
            let turn = &mut next[usize::from(pair.same)];
            *turn += 1;
            (*turn - 1) % FOLDS
        });
        return Ok((folds.collect(), FOLDS));
    }
    if named.len() < pairs.len() {
        let (with, without) = (named.len(), pairs.len() - named.len());
        return Err(MetricError::MixedFolds { with, without });
    }
    let numbers: BTreeSet<u32> = named.iter().copied().collect();
    if numbers.len() < 2 {
        return Err(MetricError::OneFold);
    }
    let rank: BTreeMap<u32, usize> = numbers.iter().copied().zip(0..).collect();
    Ok((named.iter().map(|fold| rank[fold]).collect(), numbers.len()))
}

/// The units that each pair hangs on (the same twice for one), how many there are, and their name.
fn resampling_units(pairs: &[ComparedPair]) -> (Vec<[usize; 2]>, usize, &'static str) {
    let people: Option<Vec<[u32; 2]>> = pairs.iter().map(|pair| pair.people).collect();
    let Some(people) = people else {
        return ((0..pairs.len()).map(|i| [i, i]).collect(), pairs.len(), "pair");
    };
    let (units, count) = numbered(people.into_iter().flatten());
    (units.as_chunks::<2>().0.to_vec(), count, "person")
}

/// How often a pair counts when its units were drawn as often as `drawn` says.
fn times_drawn([left, right]: [usize; 2], drawn: &[u32]) -> u64 {
    let times = u64::from(drawn[left]);
    if left == right { times } else { times * u64::from(drawn[right]) }
}

#[cfg(test)]
mod tests;
