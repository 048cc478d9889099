//! Sites, their zones, and the groups of people who may enter them.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use super::decision::codes;
use super::employee::text;
use super::{
    Alarm, GateId, GroupId, PassageId, Schedule, ScheduleId, SiteId, TextError, Validity, ZoneId,
};

text!(
    /// What people call a site: 1 to 100 printable characters, unique.
    SiteName, "a site's name", 100
);
text!(
    /// What people call a zone: 1 to 100 printable characters, unique in its site.
    ZoneName, "a zone's name", 100
);
text!(
    /// What people call an access group: 1 to 100 printable characters, unique.
    GroupName, "a group's name", 100
);

/// A place with clocks and a calendar of its own.
#[derive(Clone, Debug, PartialEq)]
pub struct Site {
    /// Limen's id.
    pub id: SiteId,
    /// What people call it.
    pub name: SiteName,
    /// By whose clocks its schedules are read.
    pub time_zone: Tz,
    /// Days of its calendar on which only those schedules hold that say so, sorted.
    pub holidays: Vec<NaiveDate>,
    /// When it was created.
    pub created_at: DateTime<Utc>,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
}

codes! {
    /// What becomes of one who enters a zone twice without leaving it, or leaves it twice.
    AntiPassback {
        /// Nothing.
        Off = "off",
        /// It is reported.
        Soft = "soft",
        /// The gate stays shut.
        Hard = "hard",
    }
}

/// A part of a site, entered and left through gates.
#[derive(Clone, Debug, PartialEq)]
pub struct Zone {
    /// Limen's id.
    pub id: ZoneId,
    /// Where it lies.
    pub site_id: SiteId,
    /// What people call it.
    pub name: ZoneName,
    /// What becomes of one who enters twice.
    pub anti_passback: AntiPassback,
    /// After so many seconds nobody knows any more whether a person is inside.
    pub anti_passback_reset_s: u32,
    /// When it was created.
    pub created_at: DateTime<Utc>,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
}

codes! {
    /// Which way a gate leads.
    Direction {
        /// Into its zone.
        In = "in",
        /// Out of its zone.
        Out = "out",
    }
}

/// People who may enter the same zones at the same times.
#[derive(Clone, Debug, PartialEq)]
pub struct AccessGroup {
    /// Limen's id.
    pub id: GroupId,
    /// What people call it.
    pub name: GroupName,
    /// Which zones its members may enter, and when.
    pub rules: Vec<AccessRule>,
    /// When it was created.
    pub created_at: DateTime<Utc>,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
}

/// Members of a group may enter a zone during a schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccessRule {
    /// The zone.
    pub zone_id: ZoneId,
    /// When.
    pub schedule_id: ScheduleId,
}

/// A rule that lets one person into one zone.
#[derive(Clone, Debug, PartialEq)]
pub struct Admission {
    /// The group through which.
    pub group_id: GroupId,
    /// From when until when the person belongs to it.
    pub validity: Validity,
    /// During which hours.
    pub schedule: Schedule,
}

impl Admission {
    /// Whether the person belongs to the group at `now`.
    #[must_use]
    pub fn is_valid(&self, now: DateTime<Utc>) -> bool {
        self.validity.contains(now)
    }
}

/// The last gate that a person was let through.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LastGate {
    /// The passage.
    pub passage_id: PassageId,
    /// The gate.
    pub gate_id: GateId,
    /// When it was granted.
    pub at: DateTime<Utc>,
    /// The gate's `debounce_ms`.
    pub debounce_ms: u32,
}

/// The last time that a person was let through a gate of a zone, since any pardon.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LastCrossing {
    /// The passage.
    pub passage_id: PassageId,
    /// Which way the gate led.
    pub direction: Direction,
    /// When it was granted.
    pub at: DateTime<Utc>,
}

codes! {
    /// What a rule that only reports had to say of a passage.
    Notice {
        /// The person went the same way through the zone's gates a second time.
        AntiPassback = "anti_passback",
        /// The face cannot be told from that of somebody on the blocklist; the badge says that it is another's.
        LikeBlocked = "like_blocked",
    }
}

impl Notice {
    /// The alarm that it raises in silence, if any.
    #[must_use]
    pub fn alarm(self) -> Option<Alarm> {
        (self == Self::LikeBlocked).then_some(Alarm::Blocked)
    }
}

impl Zone {
    /// Whether one who last crossed its border so would go the same way a second time, as far as is known.
    #[must_use]
    pub fn is_passed_back(
        &self,
        last: Option<LastCrossing>,
        direction: Direction,
        now: DateTime<Utc>,
    ) -> bool {
        let reset = TimeDelta::seconds(self.anti_passback_reset_s.into());
        last.is_some_and(|last| last.direction == direction && now - last.at < reset)
    }
}
