//! Probes searched in a gallery where they may be missing: open-set identification.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::domain::{Distance, Threshold};

use super::bootstrap::numbered;
use super::sweep::{Sweep, by_distance};
use super::{Bootstrap, FPIRS, Interval, MetricError, Roc, named, share};

/// A probe of an enrolled person. Both distances are absent when the probe had no face.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MatedProbe {
    /// Who it is, as a number that the caller gives out.
    pub person: u32,
    /// The distance to the nearest template of that person; none also when that person's enrolment
    /// photo had no face.
    pub best_mate: Option<Distance>,
    /// The distance to the nearest template of anybody else; none also when nobody else is enrolled.
    pub best_other: Option<Distance>,
}

impl MatedProbe {
    /// The mate's distance when the mate is the nearest person: strictly, so that a tie is a miss.
    #[must_use]
    pub fn at_rank_one(&self) -> Option<Distance> {
        self.best_mate.filter(|mate| self.best_other.is_none_or(|other| *mate < other))
    }

    /// Whether a gate recognises the person: the mate is under τ and nearer than anybody else by the margin.
    #[must_use]
    pub fn is_recognised(&self, threshold: Threshold, margin: f32) -> bool {
        self.at_rank_one().is_some_and(|mate| mate.is_match(threshold))
            && is_clear(self.best_mate, self.best_other, margin)
    }
}

/// A probe of a person who is not enrolled.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NonMatedProbe {
    /// Who it is, as a number that the caller gives out.
    pub person: u32,
    /// The distance to the nearest template; none: the probe had no face.
    pub best: Option<Distance>,
}

/// The figures of open-set identification, with 95 % bootstrap intervals.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Identification {
    /// People enrolled.
    pub gallery: u64,
    /// Probes of enrolled people.
    pub mated: u64,
    /// Probes of people who are not enrolled.
    pub non_mated: u64,
    /// Mated probes without a distance to their mate, since the probe or the enrolment photo had no
    /// face. Each is a miss.
    pub mated_failures: u64,
    /// Non-mated probes without a face. Each is a correct rejection.
    pub non_mated_failures: u64,
    /// The share of mated probes whose mate is the nearest person, whatever the distance, 0 to 1.
    pub rank1: f64,
    /// Where `rank1` lies; Wilson's interval where resampling shows no spread.
    pub rank1_interval: Option<Interval>,
    /// False negative identification rate at the FPIRs of [`FPIRS`], 0 to 1; none with fewer than
    /// `1 / FPIR` non-mated probes.
    pub fnir_at_fpir: BTreeMap<String, Option<f64>>,
    /// Where each of them lies; none also where resampling shows no spread.
    pub fnir_at_fpir_interval: BTreeMap<String, Option<Interval>>,
    /// The largest threshold at which each FPIR is not exceeded, for this size of gallery.
    pub tau_at_fpir: BTreeMap<String, Option<Threshold>>,
    /// How the intervals were drawn: people, with all their probes; the gallery stays as it is.
    pub bootstrap: Bootstrap,
}

/// Evaluates searches at rank one with a threshold (Grother and Ngan, NISTIR 8009; FRVT part 2,
/// "Identification"; ISO/IEC 19795-1). A mated probe is missed unless its mate is the nearest person
/// *and* under τ: FNIR(τ). A non-mated probe errs when anybody is under τ: FPIR(τ). τ is the largest
/// at which the FPIR is not exceeded.
///
/// # Errors
/// Without a gallery, without mated or without non-mated probes.
pub fn identification(
    gallery: u64,
    mated: &[MatedProbe],
    non_mated: &[NonMatedProbe],
    bootstrap: Bootstrap,
) -> Result<Identification, MetricError> {
    if gallery == 0 {
        return Err(MetricError::Missing { what: "enrolled people", rate: "FNIR" });
    }
    let outcomes = outcomes(mated, non_mated)?;
    let people = mated.iter().map(|p| p.person).chain(non_mated.iter().map(|p| p.person));
    let (units, unit_count) = numbered(people);
    let mut sorted: Vec<_> = outcomes.into_iter().zip(units).collect();
    sorted.sort_by(|(a, _), (b, _)| by_distance(a.0, b.0));

    let weighted = |drawn: &[u32]| -> Vec<(Option<Distance>, bool, u64)> {
        sorted.iter().map(|((d, mated), unit)| (*d, *mated, u64::from(drawn[*unit]))).collect()
    };
    let all = weighted(&vec![1; unit_count]);
    let rank1 = self::rank1(&all);
    let shown = Roc::of(Sweep::from_sorted(all))?;
    let shown = FPIRS.map(|(_, fpir)| shown.shown_at_fmr(fpir));
    let [rank1_interval, fnir_intervals @ ..] =
        bootstrap.intervals::<{ 1 + FPIRS.len() }>(unit_count, |drawn| {
            let drawn = weighted(drawn);
            let rank1 = self::rank1(&drawn);
            let Ok(roc) = Roc::of(Sweep::from_sorted(drawn)) else { return [None; _] };
            let [a, b, c, d] = FPIRS.map(|(_, fpir)| Some(roc.at_fmr(fpir).fnmr));
            [Some(rank1), a, b, c, d]
        });
    let found = mated.iter().filter(|p| p.at_rank_one().is_some()).count() as u64;
    let fnir_intervals = fnir_intervals.into_iter().zip(shown);
    Ok(Identification {
        gallery,
        mated: mated.len() as u64,
        non_mated: non_mated.len() as u64,
        mated_failures: mated.iter().filter(|p| p.best_mate.is_none()).count() as u64,
        non_mated_failures: non_mated.iter().filter(|p| p.best.is_none()).count() as u64,
        rank1,
        rank1_interval: rank1_interval.or_else(|| Interval::wilson(found, mated.len() as u64)),
        fnir_at_fpir: named(&FPIRS, shown.map(|at| Some(at?.fnmr))),
        fnir_at_fpir_interval: named(
            &FPIRS,
            fnir_intervals.map(|(interval, shown)| interval.filter(|_| shown.is_some())),
        ),
        tau_at_fpir: named(&FPIRS, shown.map(|at| at?.tau)),
        bootstrap,
    })
}

/// What a gate decides at its threshold, where one person must be nearer than any other by a margin.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct AtGate {
    /// τ.
    pub threshold: Threshold,
    /// By how much the nearest person must be nearer than any other, a squared distance.
    pub margin: f32,
    /// The share of probes of strangers who are under τ to somebody, 0 to 1; the margin only lets fewer in.
    pub fpir: f64,
    /// The share of probes of enrolled people who are not recognised, 0 to 1.
    pub fnir: f64,
    /// The share whose nearest person is under τ, and the mate or another one not farther than that by the margin: part
    /// of `fnir`.
    pub ambiguous: f64,
    /// The share who are taken for another person: part of `fnir`.
    pub mistaken: f64,
}

/// The rates at one threshold, of enrolled people with a margin as the service decides (`access::identity`).
///
/// # Errors
/// Without mated or without non-mated probes.
pub fn at_gate(
    mated: &[MatedProbe],
    non_mated: &[NonMatedProbe],
    threshold: Threshold,
    margin: f32,
) -> Result<AtGate, MetricError> {
    outcomes(mated, non_mated)?;
    let is_under = |distance: Option<Distance>| distance.is_some_and(|d| d.is_match(threshold));
    let count = |is: &dyn Fn(&MatedProbe) -> bool| {
        share(mated.iter().filter(|probe| is(probe)).count() as u64, mated.len() as u64)
    };
    let recognised = |p: &MatedProbe| p.is_recognised(threshold, margin);
    let mistaken = |p: &MatedProbe| {
        p.at_rank_one().is_none()
            && is_under(p.best_other)
            && is_clear(p.best_other, p.best_mate, margin)
    };
    let somebody = |p: &MatedProbe| is_under(p.best_mate) || is_under(p.best_other);
    let strangers = non_mated.iter().filter(|probe| is_under(probe.best)).count() as u64;
    Ok(AtGate {
        threshold,
        margin,
        fpir: share(strangers, non_mated.len() as u64),
        fnir: count(&|p| !recognised(p)),
        ambiguous: count(&|p| somebody(p) && !recognised(p) && !mistaken(p)),
        mistaken: count(&mistaken),
    })
}

/// Whether one is nearer than the other by the margin; nobody is nearer than who is not there.
fn is_clear(one: Option<Distance>, other: Option<Distance>, margin: f32) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => other.value() - one.value() >= margin,
        (one, _) => one.is_some(),
    }
}

/// The rates of searches as a curve: FPIR in place of FMR, FNIR in place of FNMR.
///
/// # Errors
/// Without mated or without non-mated probes.
pub fn identification_roc(
    mated: &[MatedProbe],
    non_mated: &[NonMatedProbe],
) -> Result<Roc, MetricError> {
    Roc::from_comparisons(outcomes(mated, non_mated)?)
}

/// The distance that a search's outcome hangs on, and whether the probe is mated: the mate's where
/// it is the nearest person, none where no threshold could find it.
fn outcomes(
    mated: &[MatedProbe],
    non_mated: &[NonMatedProbe],
) -> Result<Vec<(Option<Distance>, bool)>, MetricError> {
    let missing = |what, rate| Err(MetricError::Missing { what, rate });
    if mated.is_empty() {
        return missing("probes of enrolled people", "FNIR");
    }
    if non_mated.is_empty() {
        return missing("probes of people who are not enrolled", "FPIR");
    }
    let found = mated.iter().map(|probe| (probe.at_rank_one(), true));
    Ok(found.chain(non_mated.iter().map(|probe| (probe.best, false))).collect())
}

/// The share of mated outcomes in which the mate was the nearest person.
fn rank1(outcomes: &[(Option<Distance>, bool, u64)]) -> f64 {
    let mated = outcomes.iter().filter(|(_, mated, _)| *mated);
    let (found, all) = mated.fold((0, 0), |(found, all), (distance, _, weight)| {
        (found + if distance.is_some() { *weight } else { 0 }, all + weight)
    });
    share(found, all)
}

#[cfg(test)]
mod tests;
