//! Identifiers: a type each, so that a gate's id can never be passed for an employee's.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::TextError;

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl $name {
            /// A fresh id; UUIDv7, so that ids sort by the time they were made.
            #[must_use]
            pub fn generate() -> Self {
                Self(Uuid::now_v7())
            }

            /// The smallest id that is made at `moment` or later; none before 1970.
            #[must_use]
            pub fn earliest(moment: DateTime<Utc>) -> Option<Self> {
                let milliseconds = u64::try_from(moment.timestamp_millis()).ok()?;
                Some(Self(uuid::Builder::from_unix_timestamp_millis(milliseconds, &[0; 10]).into_uuid()))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse().map(Self)
            }
        }
    };
}

uuid_id!(
    /// An employee, as Limen names them.
    EmployeeId
);
uuid_id!(
    /// One enrolled face (template) of an employee.
    FaceId
);
uuid_id!(
    /// A turnstile.
    GateId
);
uuid_id!(
    /// One decision of a gate, as recorded.
    PassageId
);
uuid_id!(
    /// What a gate reported, as recorded.
    GateInputId
);
uuid_id!(
    /// The public half of an API key.
    KeyId
);
uuid_id!(
    /// A site.
    SiteId
);
uuid_id!(
    /// A part of a site.
    ZoneId
);
uuid_id!(
    /// Weekly hours.
    ScheduleId
);
uuid_id!(
    /// A group of people with the same access.
    GroupId
);
uuid_id!(
    /// An officer's pardon.
    PardonId
);
uuid_id!(
    /// One administrative change.
    ChangeId
);
uuid_id!(
    /// That a person agreed to be recognized.
    ConsentId
);
uuid_id!(
    /// A link with which a person photographs themself.
    InvitationId
);

uuid_id!(
    /// Who is told of passages without asking.
    WebhookId
);
uuid_id!(
    /// An event that a webhook did not take.
    DeadLetterId
);
uuid_id!(
    /// Many people and photos in one upload.
    ImportId
);

/// The firmware's name for one event: the idempotency key of a passage.
///
/// 1 to 64 characters out of `A-Z a-z 0-9 . _ -`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(try_from = "String")]
pub struct EventId(String);

impl EventId {
    /// The longest event id, in characters.
    pub const CHARS_MAX: usize = 64;

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for EventId {
    type Error = TextError;

    fn try_from(text: String) -> Result<Self, TextError> {
        text.parse()
    }
}

impl FromStr for EventId {
    type Err = TextError;

    fn from_str(text: &str) -> Result<Self, TextError> {
        TextError::check("event id", text, Self::CHARS_MAX)?;
        if text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b)) {
            Ok(Self(text.to_owned()))
        } else {
            Err(TextError::Character { what: "event id", allowed: "A-Z a-z 0-9 . _ -" })
        }
    }
}
