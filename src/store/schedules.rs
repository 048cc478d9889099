//! The table `schedules`.

use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::types::Json;
use uuid::Uuid;

use super::{Conflict, Store, StoreError};
use crate::domain::{Author, Hours, Schedule, ScheduleId, ScheduleName};

/// A schedule to be created.
#[derive(Clone, Debug)]
pub struct NewSchedule {
    /// See [`Schedule`].
    pub name: ScheduleName,
    /// See [`Schedule`].
    pub hours: Vec<Hours>,
    /// See [`Schedule`].
    pub on_holidays: bool,
}

/// A change of a schedule: `None` leaves a value.
#[derive(Clone, Debug, Default)]
pub struct ScheduleChange {
    /// See [`Schedule`].
    pub name: Option<ScheduleName>,
    /// The hours that replace the old ones.
    pub hours: Option<Vec<Hours>>,
    /// See [`Schedule`].
    pub on_holidays: Option<bool>,
}

/// A statement that gives whole rows, from what stands before the columns and after them. They are named:
/// Postgres refuses to run a prepared `*` once a migration has added one, and a replica of before would
/// answer nothing until its connections end.
macro_rules! schedule_row {
    ($before:literal, $after:literal $(, $value:expr)* $(,)?) => {
        sqlx::query_as!(
            $crate::store::schedules::ScheduleRow,
            $before
                + "id, name, hours, on_holidays, created_at, updated_at"
                + $after
            $(, $value)*
        )
    };
}

struct ScheduleRow {
    id: Uuid,
    name: String,
    hours: Value,
    on_holidays: bool,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl TryFrom<ScheduleRow> for Schedule {
    type Error = StoreError;

    fn try_from(row: ScheduleRow) -> Result<Self, StoreError> {
        Ok(Self {
            id: ScheduleId(row.id),
            name: row.name.try_into().map_err(StoreError::corrupt)?,
            hours: serde_json::from_value(row.hours).map_err(StoreError::corrupt)?,
            on_holidays: row.on_holidays,
            created_at: row.created_at,
            updated_at: row.updated_at,
        })
    }
}

impl Store {
    /// Creates a schedule.
    ///
    /// # Errors
    /// [`Conflict::ScheduleNameTaken`].
    pub async fn create_schedule(
        &self,
        author: &Author,
        new: NewSchedule,
    ) -> Result<Schedule, StoreError> {
        let mut changing = self.changing(author).await?;
        let schedule = schedule_row!(
            "insert into schedules (id, name, hours, on_holidays)
             values ($1, $2, $3, $4)
             returning ",
            "",
            ScheduleId::generate().0,
            new.name.as_str(),
            Json(&new.hours) as _,
            new.on_holidays,
        )
        .fetch_one(&mut *changing)
        .await?
        .try_into()?;
        changing.commit().await?;
        Ok(schedule)
    }

    /// The schedule with this id.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when there is none.
    pub async fn schedule(&self, id: ScheduleId) -> Result<Schedule, StoreError> {
        schedule_row!("select ", " from schedules where id = $1", id.0)
            .fetch_optional(&self.pool)
            .await?
            .ok_or(StoreError::NotFound("schedule"))?
            .try_into()
    }

    /// At most `limit` schedules in the order of their creation, beginning after `after`.
    ///
    /// # Errors
    /// When Postgres does not answer.
    pub async fn schedules(
        &self,
        after: Option<ScheduleId>,
        limit: u32,
    ) -> Result<Vec<Schedule>, StoreError> {
        schedule_row!(
            "select ",
            " from schedules where ($1::uuid is null or id > $1) order by id limit $2",
            after.map(|id| id.0),
            i64::from(limit),
        )
        .fetch_all(&self.pool)
        .await?
        .into_iter()
        .map(Schedule::try_from)
        .collect()
    }

    /// Changes a schedule. Once this returns, no gate grants by the hours of before: a grant in flight
    /// holds the row's lock, and this waits for it.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`Conflict::ScheduleNameTaken`].
    pub async fn change_schedule(
        &self,
        author: &Author,
        id: ScheduleId,
        change: ScheduleChange,
    ) -> Result<Schedule, StoreError> {
        let mut changing = self.changing(author).await?;
        let schedule = schedule_row!(
            "update schedules set
                 name = coalesce($2, name),
                 hours = coalesce($3, hours),
                 on_holidays = coalesce($4, on_holidays),
                 updated_at = now()
             where id = $1
             returning ",
            "",
            id.0,
            change.name.map(String::from),
            change.hours.map(Json) as _,
            change.on_holidays,
        )
        .fetch_optional(&mut *changing)
        .await?
        .ok_or(StoreError::NotFound("schedule"))?
        .try_into()?;
        changing.commit().await?;
        Ok(schedule)
    }

    /// Removes a schedule that no group names.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`Conflict::ScheduleInUse`].
    pub async fn delete_schedule(&self, author: &Author, id: ScheduleId) -> Result<(), StoreError> {
        let mut changing = self.changing(author).await?;
        let deleted = sqlx::query!("delete from schedules where id = $1", id.0)
            .execute(&mut *changing)
            .await
            .map_err(|error| StoreError::of_removal(error, Conflict::ScheduleInUse))?
            .rows_affected();
        if deleted == 0 {
            return Err(StoreError::NotFound("schedule"));
        }
        changing.commit().await
    }
}
