//! What people agreed to, and what they were erased out of.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::employee::text;
use super::{ConsentId, EmployeeId, TextError};

text!(
    /// Which text a person agreed to, as the site names its versions: 1 to 100 printable characters.
    TextVersion, "a text's version", 100
);

/// That a person agreed to be recognized.
#[derive(Clone, Debug, PartialEq)]
pub struct Consent {
    /// Limen's id.
    pub id: ConsentId,
    /// Who.
    pub employee_id: EmployeeId,
    /// To which text.
    pub text_version: TextVersion,
    /// When.
    pub given_at: DateTime<Utc>,
    /// When it was taken back; none: it holds.
    pub withdrawn_at: Option<DateTime<Utc>>,
}

/// What a person was erased out of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Erased {
    /// Passages that do not say any more whose they were.
    pub passages: u64,
    /// Changes that do not say any more what they were.
    pub changes: u64,
}
