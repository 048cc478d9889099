//! Whether a probability is one.

use crate::evaluate::metrics::{Bootstrap, Interval};

/// Bins of equal width.
const BINS: usize = 15;

/// What became of predictions about as sure as each other.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Bin {
    /// How many there were.
    pub count: usize,
    /// The sum of their probabilities.
    sum: f64,
    /// How many came true.
    hits: usize,
}

impl Bin {
    /// The mean of what was predicted, 0 to 1; none of none.
    #[must_use]
    pub fn predicted(&self) -> Option<f64> {
        (self.count > 0).then(|| self.sum / self.count as f64)
    }

    /// The share that came true, 0 to 1; none of none.
    #[must_use]
    pub fn came_true(&self) -> Option<f64> {
        (self.count > 0).then(|| self.hits as f64 / self.count as f64)
    }
}

fn bin_of(probability: f64) -> usize {
    ((probability * BINS as f64) as usize).min(BINS - 1)
}

/// Predicted probabilities, each with whether it came true, in 15 bins of equal width.
#[must_use]
pub fn reliability(predictions: &[(f64, bool)]) -> [Bin; BINS] {
    let mut bins = [Bin::default(); BINS];
    for (probability, is_true) in predictions {
        let bin = &mut bins[bin_of(*probability)];
        bin.count += 1;
        bin.sum += probability;
        bin.hits += usize::from(*is_true);
    }
    bins
}

/// The expected calibration error of predicted probabilities, each with whether it came true: the mean distance between
/// what a bin of them predicts and what comes true of it (Guo et al.: "On Calibration of Modern Neural Networks", ICML
/// 2017, equation 3, with 15 bins of equal width). 0 to 1; 0 of none.
#[must_use]
pub fn expected_calibration_error(predictions: &[(f64, bool)]) -> f64 {
    let bins = reliability(predictions);
    let apart = bins.iter().map(|bin| (bin.sum - bin.hits as f64).abs()).sum::<f64>();
    apart / predictions.len().max(1) as f64
}

/// The 95 % interval of the expected calibration error of predictions about two people each, or about one who is named
/// twice: the people, numbered from 0, are drawn anew, and a prediction counts as often as both of its people were drawn.
#[must_use]
pub fn calibration_error_interval(
    predictions: &[(f64, bool)],
    people: &[[u32; 2]],
    bootstrap: Bootstrap,
) -> Option<Interval> {
    let count = people.iter().flatten().max().map_or(0, |last| *last as usize + 1);
    let [interval] = bootstrap.intervals(count, |drawn| {
        let (mut apart, mut all) = ([0.0; BINS], 0.0);
        for ((probability, is_true), [left, right]) in predictions.iter().zip(people) {
            let [left_times, right_times] =
                [left, right].map(|one| f64::from(drawn[*one as usize]));
            let weight = if left == right { left_times } else { left_times * right_times };
            apart[bin_of(*probability)] += weight * (probability - f64::from(u8::from(*is_true)));
            all += weight;
        }
        [(all > 0.0).then(|| apart.iter().map(|bin| bin.abs()).sum::<f64>() / all)]
    });
    interval
}

/// `a` and `b` of the logistic curve `1 / (1 + exp(-(a x + b)))` that fits scores `x`, each with whether it came true,
/// best: maximum likelihood by Newton's method, towards the targets that keep a separable set finite (Platt:
/// "Probabilistic Outputs for Support Vector Machines", 1999, equation 12; Lin, Lin, Weng 2007). None without both kinds.
#[must_use]
pub fn logistic_curve(scores: &[(f64, bool)]) -> Option<[f64; 2]> {
    let hits = scores.iter().filter(|(_, is_true)| *is_true).count() as f64;
    let misses = scores.len() as f64 - hits;
    if hits == 0.0 || misses == 0.0 {
        return None;
    }
    let targets = [1.0 / (misses + 2.0), (hits + 1.0) / (hits + 2.0)];
    let loss = |[a, b]: [f64; 2]| -> f64 {
        let one = |(x, is_true): &(f64, bool)| {
            let (z, target) = (a * x + b, targets[usize::from(*is_true)]);
            // ln(1 + e^z) - t z, without overflow.
            z.max(0.0) + (-z.abs()).exp().ln_1p() - target * z
        };
        scores.iter().map(one).sum()
    };
    let mut found = [0.0, ((hits + 1.0) / (misses + 1.0)).ln()];
    let mut best = loss(found);
    for _ in 0..100 {
        let [a, b] = found;
        let (mut slope, mut curve) = ([0.0; 2], [1e-9, 0.0, 1e-9]);
        for (x, is_true) in scores {
            let p = 1.0 / (1.0 + (-(a * x + b)).exp());
            let (off, weight) = (p - targets[usize::from(*is_true)], p * (1.0 - p));
            slope = [slope[0] + off * x, slope[1] + off];
            curve = [curve[0] + weight * x * x, curve[1] + weight * x, curve[2] + weight];
        }
        let determinant = curve[0] * curve[2] - curve[1] * curve[1];
        let step = [
            (curve[2] * slope[0] - curve[1] * slope[1]) / determinant,
            (curve[0] * slope[1] - curve[1] * slope[0]) / determinant,
        ];
        // As far as it helps.
        let shorter = (0..40).map(|halvings| 0.5f64.powi(halvings));
        let next = shorter
            .map(|part| [a - part * step[0], b - part * step[1]])
            .find(|next| loss(*next) < best);
        let Some(next) = next else { break };
        let gained = best - loss(next);
        (found, best) = (next, loss(next));
        if gained < 1e-10 * best.abs() {
            break;
        }
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use rand::Rng;

    use super::*;
    use crate::train::random;

    /// Scores whose probability is a logistic curve.
    fn drawn(a: f64, b: f64) -> Vec<(f64, bool)> {
        let mut random = random(3, "scores", 0);
        let draw = |_| {
            let x = random.random_range(-2.0..2.0);
            (x, random.random::<f64>() < 1.0 / (1.0 + f64::exp(-(a * x + b))))
        };
        (0..20_000).map(draw).collect()
    }

    #[test]
    fn the_curve_that_scores_were_drawn_from_is_found_and_is_calibrated() {
        let scores = drawn(-3.0, 1.0);
        let [a, b] = logistic_curve(&scores).unwrap();
        assert!((a + 3.0).abs() < 0.15 && (b - 1.0).abs() < 0.1, "{a} {b}");
        let predicted = |a: f64, b: f64| -> Vec<(f64, bool)> {
            scores.iter().map(|(x, hit)| (1.0 / (1.0 + (-(a * x + b)).exp()), *hit)).collect()
        };
        assert!(expected_calibration_error(&predicted(a, b)) < 0.02);
        // Too sure of itself.
        assert!(expected_calibration_error(&predicted(4.0 * a, 4.0 * b)) > 0.05);
    }

    #[test]
    fn what_can_be_told_apart_wholly_gives_a_finite_curve() {
        let scores: Vec<_> = (0..50).map(|i| (f64::from(i), i > 25)).collect();
        let [a, b] = logistic_curve(&scores).unwrap();
        assert!(a.is_finite() && b.is_finite() && a > 0.0);
        assert_eq!(logistic_curve(&scores[..10]), None);
    }

    #[test]
    fn the_calibration_error_of_few_people_may_be_farther_off() {
        // Half of what is said to be 90 % likely: true for some people always, for others never.
        let width = |people: u32| {
            let (said, of): (Vec<_>, Vec<_>) = (0..400u32)
                .map(|n| ((0.9, (n % people).is_multiple_of(2)), [n % people; 2]))
                .unzip();
            let error = expected_calibration_error(&said);
            assert!((error - 0.4).abs() < 1e-9);
            let Interval { low, high } =
                calibration_error_interval(&said, &of, Bootstrap::default()).unwrap();
            assert!(low < error && error < high, "{low} {high}");
            high - low
        };
        assert!(width(10) > 2.0 * width(100), "{} {}", width(10), width(100));
        assert_eq!(calibration_error_interval(&[], &[], Bootstrap::default()), None);
    }

    #[test]
    fn a_bin_that_predicts_what_comes_true_of_it_has_no_error() {
        let halves = [(0.5, true), (0.5, false)];
        assert_eq!(expected_calibration_error(&halves), 0.0);
        assert_eq!(expected_calibration_error(&[(1.0, false), (0.0, true)]), 1.0);
        assert_eq!(expected_calibration_error(&[]), 0.0);
    }
}
