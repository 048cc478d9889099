//! Whom a row means, and what is changed of them.

use chrono::{DateTime, Utc};

use super::row::Person;
use crate::domain::{Consent, Employee, EmployeeStatus, GroupId, TextVersion, Validity};
use crate::http::Problem;
use crate::store::{EmployeeChange, NewEmployee, Store};

/// Whom a row means, if they are known: by their id, else by the badge, else by the name.
///
/// A badge whose owner has another name than the row says is refused: a mistake in a list must not put one person's
/// face on another's badge.
pub(super) async fn find(store: &Store, person: &Person) -> Result<Option<Employee>, Problem> {
    if let Some(id) = person.employee_id {
        return Ok(Some(store.employee(id).await?));
    }
    let Some(badge) = &person.badge_id else {
        let Some(name) = &person.name else { return Ok(None) };
        let mut same = store.employees_by_name(name, 2).await?;
        if same.len() > 1 {
            let detail =
                "several employees have this name: say who it is by badge_id or employee_id";
            return Err(Problem::conflict("ambiguous_name", detail));
        }
        return Ok(same.pop());
    };
    let owner = store.employee_by_badge(badge).await?;
    if let (Some(owner), Some(name)) = (&owner, &person.name)
        && owner.name.as_str().to_lowercase() != name.as_str().to_lowercase()
    {
        let detail =
            "the badge's owner has another name; to rename them give their employee_id too";
        return Err(Problem::conflict("another_name", detail));
    }
    Ok(owner)
}

/// The person, to be created.
pub(super) fn new(person: &Person) -> Result<NewEmployee, Problem> {
    let name = person.name.clone().ok_or_else(|| {
        let detail = "name: nobody has this badge, and a new person needs a name";
        Problem::unprocessable("bad_value", detail)
    })?;
    Ok(NewEmployee {
        badge_id: person.badge_id.clone(),
        name,
        department: person.department.clone(),
        metadata: serde_json::json!({}),
        validity: Validity { from: person.valid_from, until: person.valid_until },
        status: EmployeeStatus::Active,
        badge_required: false,
    })
}

/// What the row says otherwise than is stored; what it does not say stays. Badge and name are changed of those alone
/// whom it names by their id.
pub(super) fn change(person: &Person, known: &Employee) -> EmployeeChange {
    fn other<T: Clone + PartialEq>(said: Option<&T>, stored: Option<&T>) -> Option<Option<T>> {
        said.filter(|_| said != stored).map(|said| Some(said.clone()))
    }
    let moment = |said: &Option<DateTime<Utc>>, stored: &Option<DateTime<Utc>>| {
        other(said.as_ref(), stored.as_ref())
    };
    let by_id = person.employee_id.is_some();
    EmployeeChange {
        badge_id: other(person.badge_id.as_ref().filter(|_| by_id), known.badge_id.as_ref()),
        name: person.name.clone().filter(|name| by_id && *name != known.name),
        department: other(person.department.as_ref(), known.department.as_ref()),
        valid_from: moment(&person.valid_from, &known.validity.from),
        valid_until: moment(&person.valid_until, &known.validity.until),
        ..EmployeeChange::default()
    }
}

/// Refuses a row that names somebody by the name alone, as one before did, and says what that one did not: it may be
/// another person of that name.
pub(super) fn same(person: &Person, before: &Person) -> Result<(), Problem> {
    fn other<T: PartialEq>(said: Option<&T>, before: Option<&T>) -> bool {
        said.is_some() && said != before
    }
    let is_other = other(person.department.as_ref(), before.department.as_ref())
        || other(person.valid_from.as_ref(), before.valid_from.as_ref())
        || other(person.valid_until.as_ref(), before.valid_until.as_ref())
        || person.groups.iter().any(|group| !before.groups.contains(group));
    if is_other {
        let detail = "a row before gives this name alone too, and says otherwise of its department, validity or \
                      groups: give badge_id or employee_id";
        return Err(Problem::conflict("ambiguous_name", detail));
    }
    Ok(())
}

/// The text whose consent is to be recorded, if that is not yet.
///
/// One that was taken back is not given again by a file that was written before: whoever agrees anew does so by
/// `POST /v1/employees/E/consents`, or to another version.
pub(super) fn consent<'p>(
    person: &'p Person,
    recorded: &[Consent],
) -> Result<Option<&'p TextVersion>, Problem> {
    let Some(version) = &person.consent_version else { return Ok(None) };
    let mut same = recorded.iter().filter(|consent| consent.text_version == *version).peekable();
    if same.peek().is_none() {
        return Ok(Some(version));
    }
    if same.any(|consent| consent.withdrawn_at.is_none()) {
        return Ok(None);
    }
    let detail = "the consent to this consent_version was withdrawn; who agrees again does so by POST \
                  /v1/employees/E/consents";
    Err(Problem::conflict("consent_withdrawn", detail))
}

/// The groups that the row names.
pub(super) async fn groups(store: &Store, person: &Person) -> Result<Vec<GroupId>, Problem> {
    let mut groups = Vec::with_capacity(person.groups.len());
    for name in &person.groups {
        let group = store.group_by_name(name).await?;
        groups.push(group.ok_or_else(|| {
            Problem::unprocessable("unknown_group", format!("groups: there is no group \"{name}\""))
        })?);
    }
    Ok(groups)
}
