//! What those hear of who follow the trail.

use chrono::{DateTime, Utc};

use super::{
    Alarm, BadgeId, Decision, Direction, EmployeeId, GateId, GateInput, Notice, PassageId, Reason,
    ZoneId,
};

/// A recorded passage, at its place in its gate's chain.
#[derive(Clone, Debug, PartialEq)]
pub struct PassageEvent {
    /// The gate.
    pub gate_id: GateId,
    /// Its place in the gate's chain, from 1.
    pub position: u64,
    /// The passage.
    pub passage_id: PassageId,
    /// When it was decided.
    pub decided_at: DateTime<Utc>,
    /// Why the gate opened or not; the decision follows from it.
    pub reason: Reason,
    /// What a rule that only reports had to say.
    pub notice: Option<Notice>,
    /// The zone that the gate led into or out of.
    pub zone_id: Option<ZoneId>,
    /// Which way it led.
    pub direction: Option<Direction>,
    /// The employee, where one was identified and not erased since.
    pub employee_id: Option<EmployeeId>,
    /// The badge that was shown, unless its owner was erased since.
    pub badge_id: Option<BadgeId>,
    /// How long the gate was told to open, in milliseconds.
    pub open_ms: u32,
    /// The passage whose grant was withdrawn, where a repeated event lost it.
    pub replay_of: Option<PassageId>,
}

/// A recorded input, at its place in its gate's chain.
#[derive(Clone, Debug, PartialEq)]
pub struct PlacedInput {
    /// Its place, from 1.
    pub position: u64,
    /// The input.
    pub input: GateInput,
}

/// A record of a gate's chain as those hear of it who follow the trail. Of one gate the positions have no gaps and
/// are committed in their order: whoever has seen one has missed nothing before it.
#[derive(Clone, Debug, PartialEq)]
pub enum GateEvent {
    /// The gate was asked to open.
    Passage(PassageEvent),
    /// The gate noticed something.
    Input(PlacedInput),
}

impl GateEvent {
    /// The gate.
    #[must_use]
    pub fn gate_id(&self) -> GateId {
        match self {
            Self::Passage(passage) => passage.gate_id,
            Self::Input(placed) => placed.input.report.gate_id,
        }
    }

    /// Its place in the gate's chain, from 1.
    #[must_use]
    pub fn position(&self) -> u64 {
        match self {
            Self::Passage(passage) => passage.position,
            Self::Input(placed) => placed.position,
        }
    }

    /// What was decided, where anything was.
    #[must_use]
    pub fn decision(&self) -> Option<Decision> {
        match self {
            Self::Passage(passage) => Some(passage.reason.decision()),
            Self::Input(_) => None,
        }
    }

    /// The alarm that it raises.
    #[must_use]
    pub fn alarm(&self) -> Option<Alarm> {
        match self {
            Self::Passage(passage) => passage.reason.alarm(),
            Self::Input(placed) => placed.input.report.kind.alarm(),
        }
    }
}
