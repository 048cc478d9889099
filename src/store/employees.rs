//! The table `employees`.

use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::PgConnection;
use uuid::Uuid;

use super::ground::lock_access;
use super::{Store, StoreError};
use crate::domain::{
    Author, BadgeId, Department, Employee, EmployeeId, EmployeeName, EmployeeStatus, GroupId,
    Validity,
};

/// An employee to be created.
#[derive(Clone, Debug)]
pub struct NewEmployee {
    /// See [`Employee`].
    pub badge_id: Option<BadgeId>,
    /// See [`Employee`].
    pub name: EmployeeName,
    /// See [`Employee`].
    pub department: Option<Department>,
    /// A JSON object.
    pub metadata: Value,
    /// See [`Employee`].
    pub validity: Validity,
    /// See [`Employee`].
    pub status: EmployeeStatus,
    /// See [`Employee`].
    pub badge_required: bool,
}

/// A change of an employee: `None` leaves a value, `Some(None)` clears it.
#[derive(Clone, Debug, Default)]
pub struct EmployeeChange {
    /// See [`Employee`].
    pub badge_id: Option<Option<BadgeId>>,
    /// See [`Employee`].
    pub name: Option<EmployeeName>,
    /// See [`Employee`].
    pub department: Option<Option<Department>>,
    /// A JSON object that replaces the old one.
    pub metadata: Option<Value>,
    /// See [`Validity`].
    pub valid_from: Option<Option<DateTime<Utc>>>,
    /// See [`Validity`].
    pub valid_until: Option<Option<DateTime<Utc>>>,
    /// See [`Employee`].
    pub status: Option<EmployeeStatus>,
    /// See [`Employee`].
    pub badge_required: Option<bool>,
}

impl EmployeeChange {
    /// Whether it changes anything but the status.
    #[must_use]
    pub fn is_more_than_status(&self) -> bool {
        let Self {
            badge_id,
            badge_required,
            name,
            department,
            metadata,
            valid_from,
            valid_until,
            status: _,
        } = self;
        badge_id.is_some()
            || badge_required.is_some()
            || name.is_some()
            || department.is_some()
            || metadata.is_some()
            || valid_from.is_some()
            || valid_until.is_some()
    }
}

/// Which employees to list.
#[derive(Clone, Debug, Default)]
pub struct EmployeeFilter {
    /// Only the one with this badge.
    pub badge_id: Option<BadgeId>,
    /// Only those whose name contains this, in any case.
    pub name_contains: Option<String>,
    /// Only those whose name, badge or department contains this, in any case.
    pub contains: Option<String>,
    /// Only members of this group.
    pub group_id: Option<GroupId>,
    /// Only those with this status.
    pub status: Option<EmployeeStatus>,
    /// Only those whose face alone opens, or those whose does not.
    pub badge_required: Option<bool>,
}

impl EmployeeStatus {
    pub(super) fn from_stored(text: &str) -> Result<Self, StoreError> {
        Self::ALL
            .into_iter()
            .find(|status| status.code() == text)
            .ok_or_else(|| StoreError::corrupt(format!("employee status {text:?}")))
    }
}

/// A row of the table.
/// A statement that gives whole rows, from what stands before the columns and after them. They are named:
/// Postgres refuses to run a prepared `*` once a migration has added one, and a replica of before would
/// answer nothing until its connections end.
macro_rules! employee_row {
    ($before:literal, $after:literal $(, $value:expr)* $(,)?) => {
        sqlx::query_as!(
            $crate::store::employees::EmployeeRow,
            $before
                + "id, badge_id, name, department, metadata, valid_from, valid_until, status,\
             badge_required, created_at, updated_at"
                + $after
            $(, $value)*
        )
    };
}
pub(super) use employee_row;

pub(super) struct EmployeeRow {
    pub id: Uuid,
    pub badge_id: Option<String>,
    pub name: String,
    pub department: Option<String>,
    pub metadata: Value,
    pub valid_from: Option<DateTime<Utc>>,
    pub valid_until: Option<DateTime<Utc>>,
    pub status: String,
    pub badge_required: bool,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

impl TryFrom<EmployeeRow> for Employee {
    type Error = StoreError;

    fn try_from(row: EmployeeRow) -> Result<Self, StoreError> {
        Ok(Self {
            id: EmployeeId(row.id),
            badge_id: row
                .badge_id
                .map(BadgeId::try_from)
                .transpose()
                .map_err(StoreError::corrupt)?,
            name: row.name.try_into().map_err(StoreError::corrupt)?,
            department: row
                .department
                .map(Department::try_from)
                .transpose()
                .map_err(StoreError::corrupt)?,
            metadata: row.metadata,
            validity: Validity { from: row.valid_from, until: row.valid_until },
            status: EmployeeStatus::from_stored(&row.status)?,
            badge_required: row.badge_required,
            created_at: row.created_at,
            updated_at: row.updated_at,
        })
    }
}

impl Store {
    /// Which of these people are on the blocklist.
    ///
    /// # Errors
    /// When Postgres does not answer.
    pub async fn blocked_among(
        &self,
        people: &[EmployeeId],
    ) -> Result<Vec<EmployeeId>, StoreError> {
        let people: Vec<Uuid> = people.iter().map(|id| id.0).collect();
        let blocked = sqlx::query_scalar!(
            "select id from employees where id = any($1) and status = $2",
            &people,
            EmployeeStatus::Blocked.code(),
        );
        Ok(blocked.fetch_all(&self.pool).await?.into_iter().map(EmployeeId).collect())
    }

    /// Creates an employee.
    ///
    /// # Errors
    /// [`super::Conflict::BadgeTaken`] when another employee carries the badge.
    pub async fn create_employee(
        &self,
        author: &Author,
        new: NewEmployee,
    ) -> Result<Employee, StoreError> {
        let mut changing = self.changing(author).await?;
        let employee = employee_row!(
            "insert into employees
                 (id, badge_id, name, department, metadata, valid_from, valid_until, status,
                  badge_required)
             values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
             returning ",
            "",
            EmployeeId::generate().0,
            new.badge_id.as_ref().map(BadgeId::as_str),
            new.name.as_str(),
            new.department.as_ref().map(Department::as_str),
            new.metadata,
            new.validity.from,
            new.validity.until,
            new.status.code(),
            new.badge_required,
        )
        .fetch_one(&mut *changing)
        .await?
        .try_into()?;
        changing.commit().await?;
        Ok(employee)
    }

    /// The employee with this id.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when there is none.
    pub async fn employee(&self, id: EmployeeId) -> Result<Employee, StoreError> {
        employee_row!("select ", " from employees where id = $1", id.0)
            .fetch_optional(&self.pool)
            .await?
            .ok_or(StoreError::NotFound("employee"))?
            .try_into()
    }

    /// Those of these people who are there.
    ///
    /// # Errors
    /// When Postgres does not answer.
    pub async fn employees_among(
        &self,
        people: &[EmployeeId],
    ) -> Result<Vec<Employee>, StoreError> {
        let people: Vec<Uuid> = people.iter().map(|id| id.0).collect();
        let rows = employee_row!("select ", " from employees where id = any($1)", &people);
        rows.fetch_all(&self.pool).await?.into_iter().map(Employee::try_from).collect()
    }

    /// Who carries this badge, if anybody.
    ///
    /// # Errors
    /// When Postgres does not answer.
    pub async fn employee_by_badge(&self, badge: &BadgeId) -> Result<Option<Employee>, StoreError> {
        employee_row!("select ", " from employees where badge_id = $1", badge.as_str())
            .fetch_optional(&self.pool)
            .await?
            .map(Employee::try_from)
            .transpose()
    }

    /// Who has this name, however it is capitalised; at most `limit`.
    ///
    /// # Errors
    /// When Postgres does not answer.
    pub async fn employees_by_name(
        &self,
        name: &EmployeeName,
        limit: u32,
    ) -> Result<Vec<Employee>, StoreError> {
        employee_row!(
            "select ",
            " from employees where lower(name) = lower($1) order by id limit $2",
            name.as_str(),
            i64::from(limit),
        )
        .fetch_all(&self.pool)
        .await?
        .into_iter()
        .map(Employee::try_from)
        .collect()
    }

    /// At most `limit` employees in the order of their creation, beginning after `after`.
    ///
    /// # Errors
    /// When Postgres does not answer.
    pub async fn employees(
        &self,
        filter: &EmployeeFilter,
        after: Option<EmployeeId>,
        limit: u32,
    ) -> Result<Vec<Employee>, StoreError> {
        employee_row!(
            "select ",
            " from employees
             where ($1::uuid is null or id > $1)
               and ($2::text is null or badge_id = $2)
               and ($3::text is null or strpos(lower(name), lower($3)) > 0)
               and ($4::text is null or status = $4)
               and ($5::boolean is null or badge_required = $5)
               and ($6::text is null or strpos(lower(name), lower($6)) > 0
                   or strpos(lower(badge_id), lower($6)) > 0 or strpos(lower(department), lower($6)) > 0)
               and ($7::uuid is null or exists (
                   select from group_members m where m.group_id = $7 and m.employee_id = employees.id))
             order by id
             limit $8",
            after.map(|id| id.0),
            filter.badge_id.as_ref().map(BadgeId::as_str),
            filter.name_contains,
            filter.status.map(EmployeeStatus::code),
            filter.badge_required,
            filter.contains,
            filter.group_id.map(|id| id.0),
            i64::from(limit),
        )
        .fetch_all(&self.pool)
        .await?
        .into_iter()
        .map(Employee::try_from)
        .collect()
    }

    /// Changes an employee. Once this returns, no gate grants on what was true before: a grant
    /// in flight holds the row's lock, and this waits for it.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], or a [`StoreError::Conflict`] with the badge or the validity.
    pub async fn change_employee(
        &self,
        author: &Author,
        id: EmployeeId,
        change: EmployeeChange,
    ) -> Result<Employee, StoreError> {
        let mut changing = self.changing(author).await?;
        changing.guard(id).await?;
        let employee = employee_row!(
            "update employees set
                 badge_id = case when $2 then $3 else badge_id end,
                 name = coalesce($4, name),
                 department = case when $5 then $6 else department end,
                 metadata = coalesce($7, metadata),
                 valid_from = case when $8 then $9 else valid_from end,
                 valid_until = case when $10 then $11 else valid_until end,
                 status = coalesce($12, status),
                 badge_required = coalesce($13, badge_required),
                 updated_at = now()
             where id = $1
             returning ",
            "",
            id.0,
            change.badge_id.is_some(),
            change.badge_id.flatten().map(String::from),
            change.name.map(String::from),
            change.department.is_some(),
            change.department.flatten().map(String::from),
            change.metadata,
            change.valid_from.is_some(),
            change.valid_from.flatten(),
            change.valid_until.is_some(),
            change.valid_until.flatten(),
            change.status.map(EmployeeStatus::code),
            change.badge_required,
        )
        .fetch_optional(&mut *changing)
        .await?
        .ok_or(StoreError::NotFound("employee"))?
        .try_into()?;
        changing.commit().await?;
        Ok(employee)
    }

    /// Makes the face alone open no longer for these people; returns those for whom it did. Of those on the
    /// blocklist it opens for none.
    ///
    /// # Errors
    /// When Postgres does not answer.
    pub async fn require_badge(
        &self,
        author: &Author,
        people: &[EmployeeId],
    ) -> Result<Vec<(EmployeeId, String)>, StoreError> {
        let mut changing = self.changing(author).await?;
        let required = require_badge(&mut changing, people).await?;
        changing.commit().await?;
        Ok(required)
    }

    /// Removes an employee and every template of theirs; their passages stay.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when there is none.
    pub async fn delete_employee(&self, author: &Author, id: EmployeeId) -> Result<(), StoreError> {
        let mut changing = self.changing(author).await?;
        // Before the person, as a passage takes them: memberships go with them.
        lock_access(&mut changing).await?;
        changing.guard(id).await?;
        let deleted = sqlx::query!("delete from employees where id = $1", id.0)
            .execute(&mut *changing)
            .await?
            .rows_affected();
        if deleted == 0 {
            return Err(StoreError::NotFound("employee"));
        }
        changing.commit().await
    }
}

/// As [`Store::require_badge`], in a transaction. Those on the blocklist stay as they are: they never pass, and only
/// officers change them. Locks the people in the order of their ids, as whoever locks
/// several does, so that none waits for another who waits.
pub(super) async fn require_badge(
    connection: &mut PgConnection,
    people: &[EmployeeId],
) -> Result<Vec<(EmployeeId, String)>, StoreError> {
    let people: Vec<Uuid> = people.iter().map(|id| id.0).collect();
    let now_required = sqlx::query!(
        "with alone as (
             select id from employees
             where id = any($1) and not badge_required and status <> 'blocked'
             order by id for no key update)
         update employees e set badge_required = true, updated_at = now()
         from alone where e.id = alone.id
         returning e.id, e.name",
        &people,
    )
    .fetch_all(connection)
    .await?;
    Ok(now_required.into_iter().map(|row| (EmployeeId(row.id), row.name)).collect())
}
