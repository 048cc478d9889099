//! Fits the false match rate.

use super::scores::{BINS, GROUPS, ImpostorScores, edge};
use super::tail::{Distribution, excesses};
use super::{ANDERSON_DARLING_LIMIT, FitError, anderson_darling};
use crate::domain::risk::{Curve, Goodness, Impostor, Tail, Trimmed};

/// The tails that are tried; the first that looks generalised Pareto is taken. Those over 0.3 %
/// come last, for sets too small for the others: their thresholds are measurably too strict.
const SHARES: [f64; 10] = [3e-3, 2e-3, 1e-3, 5e-4, 2e-4, 1e-4, 5e-5, 5e-3, 1e-2, 2e-2];

/// The fewest comparisons in a tail, in effect.
const EXCEEDANCES_MIN: u32 = 50;

/// A pair is set aside when so few were to be expected at its distance or nearer.
const EXPECTED_MIN: f64 = 0.05;

/// One-sided confidence of the promised rate, and its quantile of Student's t at 19 degrees of
/// freedom (one fewer than the groups of the jackknife). The jackknife of pairs errs on the side
/// of too wide (Efron & Stein 1981), so the true confidence is higher.
const CONFIDENCE: f64 = 0.90;
const STUDENT_T: f64 = 1.328;

const KNOTS_PER_DECADE: f64 = 12.0;

struct Candidate {
    whole: Distribution,
    trimmed: usize,
    goodness: Goodness,
}

pub(super) fn fit(scores: &ImpostorScores) -> Result<Impostor, FitError> {
    let Candidate { whole, trimmed, goodness } = choose(scores)?;
    let parts = leave_groups_out(scores, trimmed, whole.threshold);
    let deviation = |x: f64| jackknife_deviation(parts.iter().map(|part| part.rate(x).ln()));

    let total: f64 = scores.weight.iter().sum();
    let variance = deviation(edge(whole.threshold)).powi(2);
    let independent = ((1.0 - whole.share) / (whole.share * variance)).min(total);
    let set_aside = Trimmed {
        below: edge(trimmed),
        pairs: scores.pairs[..trimmed].iter().sum(),
        share: scores.weight[..trimmed].iter().sum::<f64>() / total,
    };
    let floor = (1.0 / independent).max(set_aside.share);
    let (fmr_estimate, fmr_bound) = curves(&whole, floor, deviation)?;
    Ok(Impostor {
        pairs: scores.pairs.iter().sum(),
        independent,
        confidence: CONFIDENCE,
        tail: Tail {
            threshold: edge(whole.threshold),
            share: whole.share,
            shape: whole.gpd.shape,
            scale: whole.gpd.scale,
            goodness,
        },
        trimmed: set_aside,
        fmr_estimate,
        fmr_bound,
    })
}

/// The largest tail that the distribution fits.
fn choose(scores: &ImpostorScores) -> Result<Candidate, FitError> {
    let (mut best, mut found) = (f64::INFINITY, 0f64);
    for share in SHARES {
        let Some(candidate) = candidate(scores, share) else { continue };
        found = found.max(candidate.goodness.exceedances);
        if candidate.goodness.exceedances < f64::from(EXCEEDANCES_MIN) {
            continue;
        }
        best = best.min(candidate.goodness.anderson_darling);
        if candidate.goodness.anderson_darling <= ANDERSON_DARLING_LIMIT {
            return Ok(candidate);
        }
    }
    if best.is_finite() {
        return Err(FitError::NoFit { best });
    }
    Err(FitError::TooFewImpostors { needed: EXCEEDANCES_MIN, found })
}

fn candidate(scores: &ImpostorScores, share: f64) -> Option<Candidate> {
    let threshold = first_bin(&scores.weight, share * scores.weight.iter().sum::<f64>());
    let trimmed = wrongly_labelled(scores, threshold)?;
    let whole = Distribution::fit(&scores.weight, trimmed, threshold)?;
    let sum: f64 = scores.weight[trimmed..threshold].iter().sum();
    let squares: f64 = scores.weight_squared[trimmed..threshold].iter().sum();
    let exceedances = sum * sum / squares;
    let tail = excesses(&scores.weight, trimmed, threshold);
    let anderson_darling = anderson_darling(&tail, exceedances, whole.gpd);
    let limit = ANDERSON_DARLING_LIMIT;
    Some(Candidate { whole, trimmed, goodness: Goodness { anderson_darling, limit, exceedances } })
}

/// The first bin that is kept. Photos of one person under two names have genuine distances; a
/// forward search (Atkinson & Riani 2000) finds them: fit without the nearest pairs, at most 20 or
/// one in 100,000, then take back, from far to near, all that the fit explains.
fn wrongly_labelled(scores: &ImpostorScores, threshold: usize) -> Option<usize> {
    let count = |bins: std::ops::Range<usize>| scores.pairs[bins].iter().sum::<u64>();
    let (all, tail) = (count(0..BINS), count(0..threshold));
    let suspects = (all / 100_000).max(20).min(tail / 100);
    let mut seen = 0;
    let first = (0..threshold).find(|bin| {
        seen += scores.pairs[*bin];
        seen > suspects
    })?;
    let clean = Distribution::fit(&scores.weight, first, threshold)?;
    let unexplained = |bin: &usize| clean.rate(edge(bin + 1)) * (all as f64) < EXPECTED_MIN;
    let nearest = (0..first).rev().filter(|bin| scores.pairs[*bin] > 0).find(unexplained);
    Some(nearest.map_or(0, |bin| bin + 1))
}

/// The first bin before which at least `weight` lies.
fn first_bin(weights: &[f64], weight: f64) -> usize {
    let mut sum = 0.0;
    let reached = weights.iter().position(|w| {
        sum += w;
        sum >= weight
    });
    reached.map_or(BINS, |bin| bin + 1)
}

/// The same fit without each group of people. Pairs share people, so leaving out pairs would show
/// far too little variation; leaving out people shows all of it (Efron & Stein 1981).
fn leave_groups_out(
    scores: &ImpostorScores,
    trimmed: usize,
    threshold: usize,
) -> Vec<Distribution> {
    (0..GROUPS)
        .filter_map(|group| {
            let rest: Vec<f64> = scores
                .weight
                .iter()
                .zip(&scores.touching[group])
                .map(|(all, part)| if all - part > 1e-9 { all - part } else { 0.0 })
                .collect();
            Distribution::fit(&rest, trimmed, threshold)
        })
        .collect()
}

/// `sqrt((G − 1)/G Σ (θ₍g₎ − θ̄)²)`; infinite for fewer than two values or one not finite.
fn jackknife_deviation(values: impl Iterator<Item = f64>) -> f64 {
    let values: Vec<f64> = values.collect();
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let squares: f64 = values.iter().map(|v| (v - mean).powi(2)).sum();
    let deviation = ((n - 1.0) / n * squares).sqrt();
    if values.len() > 1 && deviation.is_finite() { deviation } else { f64::INFINITY }
}

/// The estimate and its upper confidence bound, from the floor up.
fn curves(
    whole: &Distribution,
    floor: f64,
    deviation: impl Fn(f64) -> f64,
) -> Result<(Curve, Curve), FitError> {
    let steps = ((0.5 / floor).log10() * KNOTS_PER_DECADE).ceil().max(1.0) as u32;
    let body = (0..=steps).map(|i| 0.5 * (floor / 0.5).powf(f64::from(i) / f64::from(steps)));
    let rates = [0.999, 0.99, 0.97, 0.9, 0.75].into_iter().chain(body);
    let (mut estimate, mut bound) = (vec![[4.0, 1.0]], vec![[4.0, 1.0]]);
    for rate in rates {
        let [last_distance, last_bound] = bound[bound.len() - 1];
        let distance = round(whole.distance(rate), 1e5);
        if distance <= 0.0 || distance >= last_distance {
            continue;
        }
        let upper = (rate * (STUDENT_T * deviation(distance)).exp()).min(last_bound);
        estimate.push([distance, four_digits(rate, f64::round)]);
        bound.push([distance, four_digits(upper, f64::ceil).min(last_bound)]);
    }
    estimate.reverse();
    bound.reverse();
    let curve = |knots: Vec<_>| Curve::try_from(knots).map_err(|e| FitError::Invalid(e.into()));
    Ok((curve(estimate)?, curve(bound)?))
}

pub(super) fn round(value: f64, scale: f64) -> f64 {
    (value * scale).round() / scale
}

/// Four significant digits, so that the file stays small.
pub(super) fn four_digits(value: f64, direction: impl Fn(f64) -> f64) -> f64 {
    let unit = 10f64.powf(value.log10().floor() - 3.0);
    let text = format!("{:.3e}", direction(value / unit) * unit);
    text.parse().unwrap_or(value)
}
