//! An event as it is sent.

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::{
    BadgeId, Decision, Direction, EmployeeId, GateEvent, GateId, GateInputId, InputKind, Notice,
    PassageId, PlacedInput, Reason, ZoneId,
};

/// What was recorded: others may follow, and are to be passed over by who does not know them.
#[derive(Debug, Serialize, ToSchema)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum EventView {
    /// A gate was asked to open.
    Passage(PassageEventView),
    /// A gate noticed something.
    Input(InputEventView),
    /// Something that this version cannot read.
    Unreadable(UnreadableEventView),
}

impl EventView {
    /// Its `event`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Passage(_) => "passage",
            Self::Input(_) => "input",
            Self::Unreadable(_) => "unreadable",
        }
    }
}

/// A record that cannot be read: a newer version of Limen wrote it, or somebody altered it, which `limen audit
/// verify` tells.
#[derive(Debug, Serialize, ToSchema)]
pub struct UnreadableEventView {
    #[schema(value_type = Uuid)]
    gate_id: GateId,
    /// Its place in the gate's trail: an event that comes again has the same.
    position: u64,
    /// True: nobody knows whether it is one.
    alarm: bool,
}

/// An input that was recorded.
#[derive(Debug, Serialize, ToSchema)]
pub struct InputEventView {
    #[schema(value_type = Uuid)]
    gate_id: GateId,
    /// Its place in the gate's trail: an event that comes again has the same.
    position: u64,
    #[schema(value_type = Uuid)]
    input_id: GateInputId,
    /// What the gate noticed: `door_held`, `door_forced`, `door_closed`, `request_to_exit`, `rotation_done` or
    /// `grant_unused`.
    #[schema(value_type = String)]
    input: InputKind,
    /// The grant that it settles, where it does.
    #[schema(value_type = Option<Uuid>)]
    passage_id: Option<PassageId>,
    /// When, by the gate's clock.
    happened_at: DateTime<Utc>,
    recorded_at: DateTime<Utc>,
    /// Whether somebody must hear of it at once.
    alarm: bool,
}

/// A passage that was recorded.
#[derive(Debug, Serialize, ToSchema)]
pub struct PassageEventView {
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

impl From<GateEvent> for EventView {
    fn from(event: GateEvent) -> Self {
        let alarm = event.is_alarm();
        match event {
            GateEvent::Passage(passage) => Self::Passage(PassageEventView {
                gate_id: passage.gate_id,
                position: passage.position,
                passage_id: passage.passage_id,
                decided_at: passage.decided_at,
                decision: passage.reason.decision(),
                reason: passage.reason,
                notice: passage.notice,
                zone_id: passage.zone_id,
                direction: passage.direction,
                employee_id: passage.employee_id,
                badge_id: passage.badge_id,
                open_ms: passage.open_ms,
                replay_of: passage.replay_of,
                alarm,
            }),
            GateEvent::Input(PlacedInput { position, input }) => Self::Input(InputEventView {
                gate_id: input.report.gate_id,
                position,
                input_id: input.id,
                input: input.report.kind,
                passage_id: input.report.passage_id,
                happened_at: input.report.happened_at,
                recorded_at: input.recorded_at,
                alarm,
            }),
            GateEvent::Unreadable { gate_id, position } => {
                Self::Unreadable(UnreadableEventView { gate_id, position, alarm })
            }
        }
    }
}
