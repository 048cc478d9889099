//! An event as it is sent.

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::{
    BadgeId, Decision, Direction, EmployeeId, GateId, Notice, PassageEvent, PassageId, Reason,
    ZoneId,
};

/// A passage that was recorded.
#[derive(Debug, Serialize, ToSchema)]
pub struct EventView {
    /// `passage`: others may follow, and are to be passed over by who does not know them.
    event: &'static str,
    #[schema(value_type = Uuid)]
    gate_id: GateId,
    /// Its place in the gate's trail: an event that comes again has the same.
    position: u64,
    #[schema(value_type = Uuid)]
    passage_id: PassageId,
    decided_at: DateTime<Utc>,
    /// `grant`, `deny` or `retry`.
    #[schema(value_type = String)]
    decision: Decision,
    /// Why, as the trail has it.
    #[schema(value_type = String)]
    reason: Reason,
    /// What a rule that only reports had to say.
    #[schema(value_type = Option<String>)]
    notice: Option<Notice>,
    /// The zone that the gate led into or out of.
    #[schema(value_type = Option<Uuid>)]
    zone_id: Option<ZoneId>,
    #[schema(value_type = Option<String>)]
    direction: Option<Direction>,
    /// The employee; null where none was identified, or the person was erased.
    #[schema(value_type = Option<Uuid>)]
    employee_id: Option<EmployeeId>,
    #[schema(value_type = Option<String>)]
    badge_id: Option<BadgeId>,
    open_ms: u32,
    /// Set where a repeated event lost its grant: the passage that was repeated.
    #[schema(value_type = Option<Uuid>)]
    replay_of: Option<PassageId>,
    /// Whether somebody must hear of it at once; the gate was told nothing of it.
    alarm: bool,
}

impl From<PassageEvent> for EventView {
    fn from(event: PassageEvent) -> Self {
        Self {
            event: "passage",
            gate_id: event.gate_id,
            position: event.position,
            passage_id: event.passage_id,
            decided_at: event.decided_at,
            decision: event.reason.decision(),
            reason: event.reason,
            notice: event.notice,
            zone_id: event.zone_id,
            direction: event.direction,
            employee_id: event.employee_id,
            alarm: event.alarm().is_some(),
            badge_id: event.badge_id,
            open_ms: event.open_ms,
            replay_of: event.replay_of,
        }
    }
}
