//! What those hear of who follow the trail.

use chrono::{DateTime, Utc};

use super::{
    BadgeId, Decision, Direction, EmployeeId, GateId, GateInput, Notice, PassageId, Reason, ZoneId,
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
    /// A record that this version cannot read: a newer one wrote it, or somebody altered it.
    Unreadable {
        /// The gate.
        gate_id: GateId,
        /// Its place in the gate's chain, from 1.
        position: u64,
    },
}

impl GateEvent {
    /// The gate.
    #[must_use]
    pub fn gate_id(&self) -> GateId {
        match self {
            Self::Passage(passage) => passage.gate_id,
            Self::Input(placed) => placed.input.report.gate_id,
            Self::Unreadable { gate_id, .. } => *gate_id,
        }
    }

    /// Its place in the gate's chain, from 1.
    #[must_use]
    pub fn position(&self) -> u64 {
        match self {
            Self::Passage(passage) => passage.position,
            Self::Input(placed) => placed.position,
            Self::Unreadable { position, .. } => *position,
        }
    }

    /// Whether it is, or may be, a passage with one of these decisions.
    #[must_use]
    pub fn may_be_decided(&self, decisions: &[Decision]) -> bool {
        match self {
            Self::Passage(passage) => decisions.contains(&passage.reason.decision()),
            Self::Input(_) => false,
            Self::Unreadable { .. } => true,
        }
    }

    /// Whether somebody must hear of it at once: also of what nobody can read, which may have raised an alarm.
    #[must_use]
    pub fn is_alarm(&self) -> bool {
        match self {
            Self::Passage(passage) => {
                passage.reason.alarm().or(passage.notice.and_then(Notice::alarm)).is_some()
            }
            Self::Input(placed) => placed.input.report.kind.alarm().is_some(),
            Self::Unreadable { .. } => true,
        }
    }
}
