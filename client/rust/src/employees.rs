//! The people.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::operations::{
    CHANGE_EMPLOYEE, CREATE_EMPLOYEE, DELETE_EMPLOYEE, LIST_EMPLOYEES, READ_EMPLOYEE,
};
use crate::{EmployeeStatus, Error, Limen, Rows, answer};

/// An employee.
#[derive(Clone, Debug, Deserialize)]
#[non_exhaustive]
pub struct Employee {
    /// The id.
    pub employee_id: Uuid,
    /// The code on the person's badge.
    pub badge_id: Option<String>,
    /// How the person is called.
    pub name: String,
    /// The department.
    pub department: Option<String>,
    /// Whatever the site keeps.
    pub metadata: Value,
    /// The first moment the person may pass.
    pub valid_from: Option<DateTime<Utc>>,
    /// The first moment the person may no longer pass.
    pub valid_until: Option<DateTime<Utc>>,
    /// What an administrator decided.
    pub status: EmployeeStatus,
    /// Whether the face alone does not open.
    pub badge_required: bool,
    /// When the person was entered.
    pub created_at: DateTime<Utc>,
    /// When the person was last changed.
    pub updated_at: DateTime<Utc>,
}

/// An employee to be created.
#[derive(Clone, Debug, Default, Serialize)]
pub struct NewEmployee {
    /// 1 to 200 characters.
    pub name: String,
    /// 1 to 64 characters; no other employee may have it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub badge_id: Option<String>,
    /// 1 to 200 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub department: Option<String>,
    /// Whatever the site keeps.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub metadata: Map<String, Value>,
    /// The first moment the person may pass.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub valid_from: Option<DateTime<Utc>>,
    /// The first moment the person may no longer pass.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub valid_until: Option<DateTime<Utc>>,
    /// Active where it is not said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<EmployeeStatus>,
    /// Whether the face alone does not open.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub badge_required: Option<bool>,
}

impl NewEmployee {
    /// Somebody of whom nothing but the name is known.
    #[must_use]
    pub fn named(name: impl Into<String>) -> Self {
        Self { name: name.into(), ..Self::default() }
    }
}

/// A change: what is none stays; `Some(None)` clears.
#[derive(Clone, Debug, Default, Serialize)]
pub struct ChangeEmployee {
    /// Another name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Another badge, or none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub badge_id: Option<Option<String>>,
    /// Another department, or none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub department: Option<Option<String>>,
    /// Replaces the old object.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Map<String, Value>>,
    /// The first moment the person may pass, or since ever.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub valid_from: Option<Option<DateTime<Utc>>>,
    /// The first moment the person may no longer pass, or for ever.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub valid_until: Option<Option<DateTime<Utc>>>,
    /// Once answered, no gate grants on the old status.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<EmployeeStatus>,
    /// Whether the face alone does not open.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub badge_required: Option<bool>,
}

impl ChangeEmployee {
    /// The status alone.
    #[must_use]
    pub fn to(status: EmployeeStatus) -> Self {
        Self { status: Some(status), ..Self::default() }
    }
}

/// Which employees are listed.
#[derive(Clone, Debug, Default, Serialize)]
pub struct EmployeeFilter {
    /// Only the one with this badge.
    pub badge_id: Option<String>,
    /// Only those whose name contains this, in any case.
    pub name: Option<String>,
    /// Only those with this status.
    pub status: Option<EmployeeStatus>,
    /// Only those who need a badge, or those who do not.
    pub badge_required: Option<bool>,
}

impl Limen {
    /// Creates an employee.
    ///
    /// # Errors
    /// When the service refuses or is not reached.
    pub async fn create_employee(&self, new: &NewEmployee) -> Result<Employee, Error> {
        answer::read(self.send(CREATE_EMPLOYEE, &[], new)?).await
    }

    /// Shows an employee.
    ///
    /// # Errors
    /// When the service refuses or is not reached.
    pub async fn employee(&self, id: Uuid) -> Result<Employee, Error> {
        answer::read(self.request(READ_EMPLOYEE, &[id])).await
    }

    /// Changes an employee; suspends, revokes and blocks.
    ///
    /// # Errors
    /// When the service refuses or is not reached.
    pub async fn change_employee(
        &self,
        id: Uuid,
        change: &ChangeEmployee,
    ) -> Result<Employee, Error> {
        answer::read(self.send(CHANGE_EMPLOYEE, &[id], change)?).await
    }

    /// Removes an employee with every face of theirs; the trail keeps their passages.
    ///
    /// # Errors
    /// When the service refuses or is not reached.
    pub async fn delete_employee(&self, id: Uuid) -> Result<(), Error> {
        answer::done(self.request(DELETE_EMPLOYEE, &[id])).await
    }

    /// Lists employees in the order of their creation.
    #[must_use]
    pub fn employees(&self, filter: EmployeeFilter) -> Rows<Employee> {
        self.rows(LIST_EMPLOYEES, &[], filter)
    }
}
