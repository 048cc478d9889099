//! The turnstiles and their policy.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::decision::codes;
use super::employee::text;
use super::{BadgeId, Direction, GateId, LivenessScore, TextError, ZoneId};
use std::fmt;
use std::str::FromStr;

text!(
    /// What people call a turnstile: 1 to 100 printable characters, unique.
    GateName, "a gate's name", 100
);

codes! {
    /// Whom a gate compares a face with. The face is always compared: no badge opens alone.
    GateMode {
        /// With everybody (1:N), whatever badge comes along.
        Face = "face",
        /// With the owner of the badge (1:1), which must come along.
        BadgeAndFace = "badge_and_face",
        /// With the owner of the badge (1:1) where one comes along, else with everybody (1:N).
        BadgeOrFace = "badge_or_face",
    }
}

impl GateMode {
    /// The badge whose owner the face is compared with (1:1), of what was shown; none: with everybody (1:N).
    #[must_use]
    pub fn badge(self, shown: Option<&BadgeId>) -> Option<&BadgeId> {
        shown.filter(|_| self != Self::Face)
    }
}

/// What a gate demands before it opens.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GatePolicy {
    /// A gate that is not enabled denies everybody.
    pub enabled: bool,
    /// How long it stays open after a grant, in milliseconds.
    pub open_ms: u32,
    /// The oldest frame it accepts, in milliseconds since its capture.
    pub frame_age_ms_max: u32,
    /// The smallest face it accepts, in pixels between the pupils.
    pub pupil_distance_px_min: f32,
    /// Whom it compares a face with.
    pub mode: GateMode,
    /// The liveness that a face must reach; none: liveness is not checked.
    pub liveness_threshold: Option<LivenessScore>,
    /// The zone that it leads into or out of; none: it opens for every employee of good standing.
    pub zone_id: Option<ZoneId>,
    /// Which way it leads.
    pub direction: Direction,
    /// For so many milliseconds after a person was let through this gate or another, this one stays shut to them; and
    /// for two seconds of them at most every other does.
    pub debounce_ms: u32,
    /// Whether it must sign its requests; an API key alone then asks in vain.
    pub signed_requests: bool,
}

/// A turnstile.
#[derive(Clone, Debug, PartialEq)]
pub struct Gate {
    /// Limen's id.
    pub id: GateId,
    /// What people call it.
    pub name: GateName,
    /// What it demands.
    pub policy: GatePolicy,
    /// When it was created.
    pub created_at: DateTime<Utc>,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
}
