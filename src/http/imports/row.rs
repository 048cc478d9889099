//! What a row says of a person.

use bytes::Bytes;
use chrono::{DateTime, Utc};
use serde::Deserialize;

use crate::domain::{
    BadgeId, Department, EmployeeId, EmployeeName, GroupName, TextVersion, in_one_form,
};
use crate::http::Problem;
use crate::http::moment::Moment;

/// Characters of what a row calls a person by that are kept, whatever it is.
const LABEL_CHARS_MAX: usize = 200;

/// Groups that one row may name.
const GROUPS_MAX: usize = 100;

/// A row as text, as a CSV or a JSON object has it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Fields {
    pub employee_id: Option<String>,
    pub badge_id: Option<String>,
    pub name: Option<String>,
    pub department: Option<String>,
    pub groups: Vec<String>,
    pub valid_from: Option<String>,
    pub valid_until: Option<String>,
    pub consent_version: Option<String>,
    /// The name of the photo, or the photo itself in base64.
    pub photo: Option<String>,
}

/// Whom a row is about, and what it says of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Person {
    pub employee_id: Option<EmployeeId>,
    pub badge_id: Option<BadgeId>,
    pub name: Option<EmployeeName>,
    pub department: Option<Department>,
    pub groups: Vec<GroupName>,
    pub valid_from: Option<DateTime<Utc>>,
    pub valid_until: Option<DateTime<Utc>>,
    pub consent_version: Option<TextVersion>,
}

/// A row and its photo.
#[derive(Debug)]
pub(super) struct Row {
    /// Where it stands: from 1.
    pub line: u64,
    /// What it calls the person by.
    pub label: String,
    pub person: Result<Person, Problem>,
    pub photo: Photo,
}

/// What came as a row's photo.
#[derive(Clone, Debug)]
pub(super) enum Photo {
    /// The row has none.
    None,
    /// An encoded picture, or so it says.
    Here(Bytes),
    /// None that could be looked at.
    Refused(Problem),
}

impl Photo {
    /// One that has more bytes than a photo may have.
    pub fn too_large(bytes_max: usize) -> Self {
        let detail = format!("the photo is larger than the allowed {bytes_max} bytes");
        Self::Refused(Problem::too_large("frame_too_large", detail))
    }
}

impl Fields {
    /// What the row calls the person by: the badge, the employee's id or the name, in the form in which they are
    /// stored, so that whoever is erased is found.
    pub fn label(&self) -> String {
        let id = self
            .employee_id
            .as_ref()
            .map(|id| id.parse::<EmployeeId>().map_or_else(|_| id.clone(), |id| id.to_string()));
        let names = [&self.badge_id, &id, &self.name];
        let name = names.into_iter().flatten().next().map_or("", String::as_str);
        in_one_form(name).chars().filter(|c| !c.is_control()).take(LABEL_CHARS_MAX).collect()
    }

    /// What it says of the person, if all of it can be said of one.
    pub fn person(&self) -> Result<Person, Problem> {
        let groups = self.groups.iter().map(|name| parsed("groups", name));
        let person = Person {
            employee_id: field("employee_id", self.employee_id.as_deref())?,
            badge_id: field("badge_id", self.badge_id.as_deref())?,
            name: field("name", self.name.as_deref())?,
            department: field("department", self.department.as_deref())?,
            groups: groups.collect::<Result<_, _>>()?,
            valid_from: moment("valid_from", self.valid_from.as_deref())?,
            valid_until: moment("valid_until", self.valid_until.as_deref())?,
            consent_version: field("consent_version", self.consent_version.as_deref())?,
        };
        if person.groups.len() > GROUPS_MAX {
            return Err(bad("groups", format!("at most {GROUPS_MAX} may be named")));
        }
        if person.employee_id.is_none() && person.badge_id.is_none() && person.name.is_none() {
            let detail = "a row needs a badge_id, a name or an employee_id";
            return Err(Problem::unprocessable("bad_value", detail));
        }
        Ok(person)
    }
}

fn field<T>(name: &str, text: Option<&str>) -> Result<Option<T>, Problem>
where
    T: std::str::FromStr<Err: std::fmt::Display>,
{
    text.map(|text| parsed(name, text)).transpose()
}

/// Not in the words of [`Moment`], which quote what may be a name in the wrong column.
fn moment(name: &str, text: Option<&str>) -> Result<Option<DateTime<Utc>>, Problem> {
    let read = |text: &str| text.parse::<Moment>().map(|moment| moment.0);
    let wrong = |_| bad(name, "no moment such as 2026-12-25T08:00:00Z");
    text.map(|text| read(text).map_err(wrong)).transpose()
}

fn parsed<T>(name: &str, text: &str) -> Result<T, Problem>
where
    T: std::str::FromStr<Err: std::fmt::Display>,
{
    text.parse().map_err(|error| bad(name, error))
}

fn bad(name: &str, why: impl std::fmt::Display) -> Problem {
    Problem::unprocessable("bad_value", format!("{name}: {why}"))
}
