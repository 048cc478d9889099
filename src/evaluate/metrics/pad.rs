//! A liveness threshold swept over presentations.

use serde::Serialize;

use super::crossing::crossing;
use super::share;

/// A presentation that is ready to be swept over.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scored {
    /// 0 to 1; none: no face was found, so there is no response.
    pub score: Option<f32>,
    /// 0 for a live one, else 1 and up for each species of attack.
    pub class: usize,
    /// How often it counts.
    pub weight: u64,
}

/// The class of live presentations.
pub(super) const LIVE: usize = 0;

/// A point of the liveness DET curve.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct PadPoint {
    /// The largest liveness threshold that gives these rates, 0 to 1.
    pub threshold: f32,
    /// APCER of the worst species, 0 to 1.
    pub apcer: f64,
    /// BPCER, 0 to 1.
    pub bpcer: f64,
}

/// How many presentations of a class there are, and what became of them.
#[derive(Clone, Debug, Default)]
struct Tally {
    all: u64,
    accepted: u64,
}

/// The rates from the most lenient threshold to the strictest; a point for each that differs. None
/// when no live presentation had a response, or there is no attack.
///
/// A species none of whose attacks counts (weight 0) has no APCER and is left out.
pub(super) fn points(sorted: &[Scored], classes: usize) -> Option<Vec<PadPoint>> {
    let mut tallies = vec![Tally::default(); classes];
    for sample in sorted {
        let tally = &mut tallies[sample.class];
        let responded = sample.score.is_some();
        // A live presentation without a response is told apart (BPNRR), an attack is refused.
        tally.all += if responded || sample.class != LIVE { sample.weight } else { 0 };
        tally.accepted += if responded { sample.weight } else { 0 };
    }
    if tallies[LIVE].all == 0 || tallies[LIVE + 1..].iter().all(|species| species.all == 0) {
        return None;
    }
    let responses = sorted.iter().filter_map(|s| Some((s.score?, s.class, s.weight)));
    let responses: Vec<_> = responses.filter(|(.., weight)| *weight > 0).collect();
    let mut points = Vec::with_capacity(responses.len());
    // The threshold that a score equals still accepts it.
    for equal in responses.chunk_by(|left, right| left.0 >= right.0) {
        points.push(point(equal[0].0, &tallies));
        for (_, class, weight) in equal {
            tallies[*class].accepted -= weight;
        }
    }
    if responses.last().is_none_or(|(score, ..)| *score < 1.0) {
        points.push(point(1.0, &tallies));
    }
    Some(points)
}

fn point(threshold: f32, tallies: &[Tally]) -> PadPoint {
    let live = &tallies[LIVE];
    let species = tallies[LIVE + 1..].iter().filter(|species| species.all > 0);
    let apcer = species.map(|species| share(species.accepted, species.all)).fold(0.0, f64::max);
    PadPoint { threshold, apcer, bpcer: share(live.all - live.accepted, live.all) }
}

/// The rates at `threshold`: those of the first point whose threshold reaches it.
pub(super) fn at_threshold(points: &[PadPoint], threshold: f32) -> Option<PadPoint> {
    points.iter().find(|point| point.threshold >= threshold).or(points.last()).copied()
}

/// The detection equal error rate: the mean of both where they meet.
pub(super) fn eer(points: &[PadPoint]) -> Option<f64> {
    let at = crossing(points.iter().copied(), |point| (point.bpcer, point.apcer))?;
    Some(at.bpcer.midpoint(at.apcer))
}

/// The most lenient point whose APCER does not exceed `apcer`; none: some attack scores 1.
pub(super) fn at_apcer(points: &[PadPoint], apcer: f64) -> Option<PadPoint> {
    points.iter().find(|point| point.apcer <= apcer).copied()
}
