//! The people who may pass.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization;

use super::EmployeeId;
use super::decision::codes;

/// Why a text cannot be a name or a code.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    /// Nothing, or white space only.
    #[error("{what} must not be empty")]
    Empty {
        /// What the text was meant for.
        what: &'static str,
    },
    /// More characters than the limit.
    #[error("{what} must not be longer than {max} characters, this has {chars}")]
    TooLong {
        /// What the text was meant for.
        what: &'static str,
        /// The limit in characters.
        max: usize,
        /// Its length in characters.
        chars: usize,
    },
    /// A character outside the allowed ones.
    #[error("{what} may only contain {allowed}")]
    Character {
        /// What the text was meant for.
        what: &'static str,
        /// The allowed characters, in words.
        allowed: &'static str,
    },
}

impl TextError {
    /// Checks that `text` has 1 to `max` characters, not all white space, none a control character.
    pub(super) fn check(what: &'static str, text: &str, max: usize) -> Result<(), Self> {
        if text.trim().is_empty() {
            return Err(Self::Empty { what });
        }
        let chars = text.chars().count();
        if chars > max {
            return Err(Self::TooLong { what, max, chars });
        }
        if text.chars().any(|c| c.is_control() || is_invisible(c)) {
            return Err(Self::Character { what, allowed: "printable characters" });
        }
        Ok(())
    }
}

/// A text as it is stored and compared: accented letters composed (Unicode's NFC; file systems of macOS
/// take them apart), white space as single spaces and none around.
pub fn in_one_form(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").nfc().collect()
}

/// Characters that change how a text looks without being seen: direction overrides, zero widths.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200B}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{2069}' | '\u{FEFF}')
}

macro_rules! text {
    ($(#[$doc:meta])* $name:ident, $what:literal, $max:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The text, in one form: composed letters, single spaces.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = TextError;

            fn from_str(text: &str) -> Result<Self, TextError> {
                TextError::check($what, text, $max)?;
                Ok(Self($crate::domain::in_one_form(text)))
            }
        }

        impl TryFrom<String> for $name {
            type Error = TextError;

            fn try_from(text: String) -> Result<Self, TextError> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(text: $name) -> String {
                text.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}
pub(super) use text;

text!(
    /// A person's name: 1 to 200 printable characters.
    EmployeeName, "a name", 200
);
text!(
    /// The code that the site's badges carry: 1 to 64 printable characters, unique to a person.
    BadgeId, "a badge id", 64
);

text!(
    /// Where a person works: 1 to 200 printable characters.
    Department, "a department", 200
);

codes! {
    /// What an administrator decided about an employee. The code is also the stored form.
    EmployeeStatus {
        /// May pass.
        Active = "active",
        /// May not pass for now.
        Suspended = "suspended",
        /// May not pass again unless an administrator changes it.
        Revoked = "revoked",
        /// On the blocklist: may not pass, whatever they show, and an alarm is raised in silence.
        Blocked = "blocked",
    }
}

/// From when until when an employee may pass.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Validity {
    /// The first moment; none: since ever.
    pub from: Option<DateTime<Utc>>,
    /// The first moment after; none: for ever.
    pub until: Option<DateTime<Utc>>,
}

impl Validity {
    /// Whether it has begun by `now` and not ended.
    #[must_use]
    pub fn contains(&self, now: DateTime<Utc>) -> bool {
        !self.begins_after(now) && !self.ended_by(now)
    }

    fn begins_after(&self, now: DateTime<Utc>) -> bool {
        self.from.is_some_and(|from| now < from)
    }

    fn ended_by(&self, now: DateTime<Utc>) -> bool {
        self.until.is_some_and(|until| now >= until)
    }
}

codes! {
    /// Whether an employee may pass at a given moment, and if not, why.
    Standing {
        /// May pass.
        Good = "good",
        /// Suspended by an administrator.
        Suspended = "suspended",
        /// Revoked by an administrator.
        Revoked = "revoked",
        /// On the blocklist.
        Blocked = "blocked",
        /// The validity has not begun.
        NotYetValid = "not_yet_valid",
        /// The validity has ended.
        Expired = "expired",
    }
}

/// A person who may be enrolled.
#[derive(Clone, Debug, PartialEq)]
pub struct Employee {
    /// Limen's id.
    pub id: EmployeeId,
    /// The site's id, where there is one.
    pub badge_id: Option<BadgeId>,
    /// How the person is called.
    pub name: EmployeeName,
    /// The department, where there is one.
    pub department: Option<Department>,
    /// Whatever else the site wants to keep: a JSON object.
    pub metadata: serde_json::Value,
    /// From when until when.
    pub validity: Validity,
    /// What an administrator decided.
    pub status: EmployeeStatus,
    /// Whether the face alone (1:N) does not open: it is too like somebody else's.
    pub badge_required: bool,
    /// When the person was created.
    pub created_at: DateTime<Utc>,
    /// When the person was last changed.
    pub updated_at: DateTime<Utc>,
}

impl Employee {
    /// Whether the employee may pass at `now`.
    #[must_use]
    pub fn standing(&self, now: DateTime<Utc>) -> Standing {
        match self.status {
            EmployeeStatus::Blocked => Standing::Blocked,
            EmployeeStatus::Revoked => Standing::Revoked,
            EmployeeStatus::Suspended => Standing::Suspended,
            EmployeeStatus::Active if self.validity.begins_after(now) => Standing::NotYetValid,
            EmployeeStatus::Active if self.validity.ended_by(now) => Standing::Expired,
            EmployeeStatus::Active => Standing::Good,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_the_same_however_it_is_composed_and_spaced() {
        let composed: EmployeeName = "Jos\u{e9} N\u{fa}\u{f1}ez".parse().unwrap();
        let apart: EmployeeName = " Jose\u{301}  Nu\u{301}n\u{303}ez ".parse().unwrap();
        assert_eq!(composed, apart);
        assert_eq!(apart.as_str(), "Jos\u{e9} N\u{fa}\u{f1}ez");
    }
}
