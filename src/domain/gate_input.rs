//! What firmware reports beside passages.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::decision::codes;
use super::{Alarm, EventId, GateId, GateInputId, KeyId, PassageId};

codes! {
    /// What a gate noticed.
    InputKind {
        /// The door is open for longer than it may be.
        DoorHeld = "door_held",
        /// The door opened, and nothing had let it.
        DoorForced = "door_forced",
        /// The door is shut again.
        DoorClosed = "door_closed",
        /// The button or the sensor inside opened the door.
        RequestToExit = "request_to_exit",
        /// Somebody went through on a grant.
        RotationDone = "rotation_done",
        /// Nobody went through on a grant, and nobody can any more.
        GrantUnused = "grant_unused",
    }
}

impl InputKind {
    /// Whether it tells what became of a grant, and so names one.
    #[must_use]
    pub fn settles_a_grant(self) -> bool {
        matches!(self, Self::RotationDone | Self::GrantUnused)
    }

    /// The alarm that it raises.
    #[must_use]
    pub fn alarm(self) -> Option<Alarm> {
        match self {
            Self::DoorHeld => Some(Alarm::DoorHeld),
            Self::DoorForced => Some(Alarm::DoorForced),
            Self::DoorClosed | Self::RequestToExit | Self::RotationDone | Self::GrantUnused => None,
        }
    }
}

/// What a gate says that it noticed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputReport {
    /// The gate.
    pub gate_id: GateId,
    /// The firmware's name for the event.
    pub event_id: EventId,
    /// What it was.
    pub kind: InputKind,
    /// The grant that it settles, where it does.
    pub passage_id: Option<PassageId>,
    /// When it was, by the gate's clock.
    pub happened_at: DateTime<Utc>,
    /// The API key that reports it.
    pub key_id: KeyId,
}

impl InputReport {
    /// Whether another report says the same, whoever sent it.
    #[must_use]
    pub fn says_the_same(&self, other: &Self) -> bool {
        Self { key_id: self.key_id, ..other.clone() } == *self
    }
}

/// A report, as recorded; never changed afterwards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GateInput {
    /// Limen's id.
    pub id: GateInputId,
    /// What was reported.
    pub report: InputReport,
    /// When it was recorded.
    pub recorded_at: DateTime<Utc>,
}
