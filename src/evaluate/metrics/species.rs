//! What became of the attacks of each species.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::domain::LivenessScore;

use super::liveness::{Kind, Presentation};
use super::{Interval, share};

/// The figures of one species of attack instrument.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Species {
    /// Attacks, with those that got no response.
    pub attacks: u64,
    /// Attacks taken for live.
    pub accepted: u64,
    /// Attacks in which no face was found: refused.
    pub no_response: u64,
    /// Attack presentation classification error rate: `accepted / attacks`, 0 to 1.
    pub apcer: f64,
    /// Wilson's interval of `apcer`, as if all attacks were independent.
    pub apcer_interval: Option<Interval>,
    /// Attack presentation non-response rate: `no_response / attacks`, 0 to 1.
    pub apnrr: f64,
}

/// Counts what became of each species' attacks.
pub(super) fn tally(
    presentations: &[Presentation],
    threshold: LivenessScore,
) -> BTreeMap<String, Species> {
    let mut species: BTreeMap<String, [u64; 3]> = BTreeMap::new();
    for presentation in presentations {
        let Kind::Attack(name) = &presentation.kind else { continue };
        let [attacks, accepted, no_response] = species.entry(name.clone()).or_default();
        *attacks += 1;
        *accepted += u64::from(presentation.score.is_some_and(|score| score.is_live(threshold)));
        *no_response += u64::from(presentation.score.is_none());
    }
    let figures = |[attacks, accepted, no_response]: [u64; 3]| Species {
        attacks,
        accepted,
        no_response,
        apcer: share(accepted, attacks),
        apcer_interval: Interval::wilson(accepted, attacks),
        apnrr: share(no_response, attacks),
    };
    species.into_iter().map(|(name, counts)| (name, figures(counts))).collect()
}
