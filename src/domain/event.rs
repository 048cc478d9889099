//! A passage as those hear of it who follow the trail.

use chrono::{DateTime, Utc};

use super::{Alarm, BadgeId, Direction, EmployeeId, GateId, Notice, PassageId, Reason, ZoneId};

/// A recorded passage, at its place in its gate's chain. Of one gate the positions have no gaps and are
/// committed in their order: whoever has seen one has missed nothing before it.
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

impl PassageEvent {
    /// The alarm that it raises in silence.
    #[must_use]
    pub fn alarm(&self) -> Option<Alarm> {
        self.reason.alarm()
    }
}
