//! Presentation attack detection (ISO/IEC 30107-3).

use std::collections::BTreeMap;

use serde::Serialize;

use crate::domain::LivenessScore;

use super::bootstrap::numbered;
use super::pad::{LIVE, PadPoint, Scored, at_apcer, at_threshold, eer, points};
use super::species::{Species, tally};
use super::{APCERS, Bootstrap, Interval, MetricError, named, share};

/// What was presented.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A live person, as the person is: bona fide.
    Live,
    /// An attack with the instrument species named, e.g. `print`.
    Attack(String),
}

/// One presentation to the camera.
#[derive(Clone, Debug, PartialEq)]
pub struct Presentation {
    /// What was presented.
    pub kind: Kind,
    /// Whose face it shows, where that is known.
    pub subject: Option<String>,
    /// How live it looked; none: no face was found, so there was no response.
    pub score: Option<LivenessScore>,
}

/// The figures of liveness detection, with 95 % bootstrap intervals.
///
/// They describe the presentations that were evaluated and nothing else: they are no certification
/// and no level of one, which takes an accredited laboratory and its own attacks.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Liveness {
    /// The liveness that a face had to reach, 0 to 1.
    pub threshold: LivenessScore,
    /// Bona fide presentations, with those that got no response.
    pub live: u64,
    /// Bona fide presentations in which no face was found; apart from `bpcer`.
    pub live_no_response: u64,
    /// Attacks of all species.
    pub attacks: u64,
    /// Each species of attack instrument.
    pub species: BTreeMap<String, Species>,
    /// The species with the highest APCER (of equals the first by name).
    pub apcer_worst_species: String,
    /// Its APCER: what ISO/IEC 30107-3 has reported, since attackers choose the instrument.
    pub apcer_worst: f64,
    /// Where `apcer_worst` lies; Wilson's interval where resampling shows no spread.
    pub apcer_worst_interval: Option<Interval>,
    /// Bona fide presentation classification error rate: the share of bona fide presentations with
    /// a response that are taken for attacks, 0 to 1.
    pub bpcer: f64,
    /// Where `bpcer` lies; Wilson's interval where resampling shows no spread.
    pub bpcer_interval: Option<Interval>,
    /// Bona fide presentation non-response rate: `live_no_response / live`, 0 to 1.
    pub bpnrr: f64,
    /// Average classification error rate: the mean of the worst APCER and BPCER. The published
    /// ISO/IEC 30107-3 dropped it from its drafts; the literature still compares by it.
    pub acer: f64,
    /// Where `acer` lies.
    pub acer_interval: Option<Interval>,
    /// Detection equal error rate, where the worst APCER and BPCER meet, 0 to 1.
    pub eer: f64,
    /// Where `eer` lies.
    pub eer_interval: Option<Interval>,
    /// The lowest BPCER at which no species' APCER exceeds those of [`APCERS`] (BPCER100 at 1 %,
    /// BPCER20 at 5 %); none where attacks with a score of 1 exceed it at every threshold.
    pub bpcer_at_apcer: BTreeMap<String, Option<f64>>,
    /// Where each of them lies.
    pub bpcer_at_apcer_interval: BTreeMap<String, Option<Interval>>,
    /// The largest liveness threshold that gives each of them.
    pub threshold_at_apcer: BTreeMap<String, Option<f32>>,
    /// What a resample draws: `subject` (all presentations of one) or `presentation`.
    pub resampled: &'static str,
    /// How the intervals were drawn.
    pub bootstrap: Bootstrap,
    /// The rates over the threshold, from lenient to strict; for a plot.
    #[serde(skip)]
    pub curve: Vec<PadPoint>,
}

/// Evaluates presentations at `threshold` and over all thresholds. A score that equals the threshold
/// is taken for live.
///
/// Resamples draw subjects where every presentation names one, else presentations.
///
/// # Errors
/// Without attacks, or without a bona fide presentation in which a face was found.
pub fn liveness(
    presentations: &[Presentation],
    threshold: LivenessScore,
    bootstrap: Bootstrap,
) -> Result<Liveness, MetricError> {
    let missing = |what, rate| MetricError::Missing { what, rate };
    let species = tally(presentations, threshold);
    let Some(worst) = species.iter().reduce(|a, b| if b.1.apcer > a.1.apcer { b } else { a })
    else {
        return Err(missing("attack presentations", "APCER"));
    };
    let classes: BTreeMap<&str, usize> = species.keys().map(String::as_str).zip(1..).collect();
    let (units, unit_count, resampled) = resampling_units(presentations);
    let scored = presentations.iter().map(|p| Scored {
        score: p.score.map(LivenessScore::value),
        class: match &p.kind {
            Kind::Live => LIVE,
            Kind::Attack(name) => classes[name.as_str()],
        },
        weight: 1,
    });
    let mut sorted: Vec<(Scored, usize)> = scored.zip(units).collect();
    sorted.sort_by(|(a, _), (b, _)| {
        let value = |s: &Scored| s.score.unwrap_or(f32::INFINITY);
        value(a).total_cmp(&value(b))
    });

    let draw = |drawn: &[u32]| {
        let weighted = sorted.iter().map(|(s, unit)| Scored { weight: drawn[*unit].into(), ..*s });
        let curve = points(&weighted.collect::<Vec<_>>(), classes.len() + 1)?;
        Some((at_threshold(&curve, threshold.value())?, eer(&curve)?, curve))
    };
    let (at, eer, curve) = draw(&vec![1; unit_count])
        .ok_or(missing("bona fide presentations with a face", "BPCER"))?;
    let [apcer_worst_interval, bpcer_interval, acer_interval, eer_interval, bpcer_intervals @ ..] =
        bootstrap.intervals::<{ 4 + APCERS.len() }>(unit_count, |drawn| {
            let Some((at, eer, curve)) = draw(drawn) else { return [None; _] };
            let [a, b] = APCERS.map(|(_, apcer)| Some(at_apcer(&curve, apcer)?.bpcer));
            [Some(at.apcer), Some(at.bpcer), Some(at.apcer.midpoint(at.bpcer)), Some(eer), a, b]
        });
    let shown = APCERS.map(|(_, apcer)| at_apcer(&curve, apcer));
    let bpcer_intervals = bpcer_intervals.into_iter().zip(shown);

    let live = || presentations.iter().filter(|p| p.kind == Kind::Live);
    let responded = live().filter(|p| p.score.is_some()).count() as u64;
    let is_rejected = |p: &&Presentation| p.score.is_some_and(|score| !score.is_live(threshold));
    let rejected = live().filter(is_rejected).count() as u64;
    let live_no_response = live().filter(|p| p.score.is_none()).count() as u64;
    Ok(Liveness {
        threshold,
        live: live().count() as u64,
        live_no_response,
        attacks: species.values().map(|species| species.attacks).sum(),
        apcer_worst_species: worst.0.clone(),
        apcer_worst: worst.1.apcer,
        apcer_worst_interval: apcer_worst_interval.or(worst.1.apcer_interval),
        bpcer: at.bpcer,
        bpcer_interval: bpcer_interval.or_else(|| Interval::wilson(rejected, responded)),
        bpnrr: share(live_no_response, live().count() as u64),
        acer: worst.1.apcer.midpoint(at.bpcer),
        acer_interval,
        eer,
        eer_interval,
        bpcer_at_apcer: named(&APCERS, shown.map(|point| Some(point?.bpcer))),
        bpcer_at_apcer_interval: named(
            &APCERS,
            bpcer_intervals.map(|(interval, shown)| interval.filter(|_| shown.is_some())),
        ),
        threshold_at_apcer: named(&APCERS, shown.map(|point| Some(point?.threshold))),
        resampled,
        bootstrap,
        species,
        curve,
    })
}

/// The unit that each presentation hangs on, how many there are, and their name.
fn resampling_units(presentations: &[Presentation]) -> (Vec<usize>, usize, &'static str) {
    let subjects: Option<Vec<&str>> = presentations.iter().map(|p| p.subject.as_deref()).collect();
    match subjects.map(numbered) {
        Some((units, count)) => (units, count, "subject"),
        None => ((0..presentations.len()).collect(), presentations.len(), "presentation"),
    }
}

#[cfg(test)]
mod tests;
