//! The table `gates`.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::chains::ChainEnd;
use super::{Store, StoreError};
use crate::domain::{
    Author, Direction, Gate, GateId, GateMode, GateName, GatePolicy, Head, LivenessScore, ZoneId,
};

/// A gate to be created.
#[derive(Clone, Debug)]
pub struct NewGate {
    /// See [`Gate`].
    pub name: GateName,
    /// See [`Gate`].
    pub policy: GatePolicy,
}

/// A change of a gate: `None` leaves a value.
#[derive(Clone, Debug, Default)]
pub struct GateChange {
    /// See [`Gate`].
    pub name: Option<GateName>,
    /// See [`GatePolicy`].
    pub enabled: Option<bool>,
    /// See [`GatePolicy`].
    pub open_ms: Option<u32>,
    /// See [`GatePolicy`].
    pub frame_age_ms_max: Option<u32>,
    /// See [`GatePolicy`].
    pub pupil_distance_px_min: Option<f32>,
    /// See [`GatePolicy`].
    pub mode: Option<GateMode>,
    /// `Some(None)` switches liveness off.
    pub liveness_threshold: Option<Option<LivenessScore>>,
    /// `Some(None)` takes the gate out of its zone.
    pub zone_id: Option<Option<ZoneId>>,
    /// See [`GatePolicy`].
    pub direction: Option<Direction>,
    /// See [`GatePolicy`].
    pub debounce_ms: Option<u32>,
    /// See [`GatePolicy`].
    pub signed_requests: Option<bool>,
}

impl Direction {
    pub(super) fn from_stored(text: &str) -> Result<Self, StoreError> {
        Self::ALL
            .into_iter()
            .find(|direction| direction.code() == text)
            .ok_or_else(|| StoreError::corrupt(format!("direction {text:?}")))
    }
}

impl GateMode {
    pub(super) fn from_stored(text: &str) -> Result<Self, StoreError> {
        Self::ALL
            .into_iter()
            .find(|mode| mode.code() == text)
            .ok_or_else(|| StoreError::corrupt(format!("gate mode {text:?}")))
    }
}

/// A statement that gives whole rows, from what stands before the columns and after them. They are named:
/// Postgres refuses to run a prepared `*` once a migration has added one, and a replica of before would
/// answer nothing until its connections end.
macro_rules! gate_row {
    ($before:literal, $after:literal $(, $value:expr)* $(,)?) => {
        sqlx::query_as!(
            $crate::store::gates::GateRow,
            $before
                + "id, name, enabled, open_ms, frame_age_ms_max, pupil_distance_px_min, mode,\
             liveness_threshold, zone_id, direction, debounce_ms, signed_requests,\
             created_at, updated_at"
                + $after
            $(, $value)*
        )
    };
}
pub(super) use gate_row;

pub(super) struct GateRow {
    pub id: Uuid,
    pub name: String,
    pub enabled: bool,
    pub open_ms: i32,
    pub frame_age_ms_max: i32,
    pub pupil_distance_px_min: f32,
    pub mode: String,
    pub liveness_threshold: Option<f32>,
    pub zone_id: Option<Uuid>,
    pub direction: String,
    pub debounce_ms: i32,
    pub signed_requests: bool,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

impl TryFrom<GateRow> for Gate {
    type Error = StoreError;

    fn try_from(row: GateRow) -> Result<Self, StoreError> {
        Ok(Self {
            id: GateId(row.id),
            name: row.name.try_into().map_err(StoreError::corrupt)?,
            policy: GatePolicy {
                enabled: row.enabled,
                open_ms: row.open_ms.unsigned_abs(),
                frame_age_ms_max: row.frame_age_ms_max.unsigned_abs(),
                pupil_distance_px_min: row.pupil_distance_px_min,
                mode: GateMode::from_stored(&row.mode)?,
                liveness_threshold: row
                    .liveness_threshold
                    .map(LivenessScore::try_from)
                    .transpose()
                    .map_err(StoreError::corrupt)?,
                zone_id: row.zone_id.map(ZoneId),
                direction: Direction::from_stored(&row.direction)?,
                debounce_ms: row.debounce_ms.unsigned_abs(),
                signed_requests: row.signed_requests,
            },
            created_at: row.created_at,
            updated_at: row.updated_at,
        })
    }
}

impl Store {
    /// Creates a gate.
    ///
    /// # Errors
    /// [`super::Conflict::GateNameTaken`]; [`StoreError::NotFound`] when the zone is gone.
    pub async fn create_gate(&self, author: &Author, new: NewGate) -> Result<Gate, StoreError> {
        let mut changing = self.changing(author).await?;
        let gate: Gate = gate_row!(
            "insert into gates
                 (id, name, enabled, open_ms, frame_age_ms_max, pupil_distance_px_min,
                  mode, liveness_threshold, zone_id, direction, debounce_ms, signed_requests)
             values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
             returning ",
            "",
            GateId::generate().0,
            new.name.as_str(),
            new.policy.enabled,
            new.policy.open_ms as i32,
            new.policy.frame_age_ms_max as i32,
            new.policy.pupil_distance_px_min,
            new.policy.mode.code(),
            new.policy.liveness_threshold.map(LivenessScore::value),
            new.policy.zone_id.map(|id| id.0),
            new.policy.direction.code(),
            new.policy.debounce_ms as i32,
            new.policy.signed_requests,
        )
        .fetch_one(&mut *changing)
        .await?
        .try_into()?;
        // The chain begins signed: one that is set back to its beginning does not pass for new.
        let head = Head::new(gate.id.into());
        self.advance(&mut changing, &ChainEnd { head, sound: true }).await?;
        changing.commit().await?;
        Ok(gate)
    }

    /// The gate with this id.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when there is none.
    pub async fn gate(&self, id: GateId) -> Result<Gate, StoreError> {
        gate_row!("select ", " from gates where id = $1", id.0)
            .fetch_optional(&self.pool)
            .await?
            .ok_or(StoreError::NotFound("gate"))?
            .try_into()
    }

    /// At most `limit` gates in the order of their creation, beginning after `after`.
    ///
    /// # Errors
    /// When Postgres does not answer.
    pub async fn gates(&self, after: Option<GateId>, limit: u32) -> Result<Vec<Gate>, StoreError> {
        gate_row!(
            "select ",
            " from gates where ($1::uuid is null or id > $1) order by id limit $2",
            after.map(|id| id.0),
            i64::from(limit),
        )
        .fetch_all(&self.pool)
        .await?
        .into_iter()
        .map(Gate::try_from)
        .collect()
    }

    /// Changes a gate.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`super::Conflict::GateNameTaken`].
    pub async fn change_gate(
        &self,
        author: &Author,
        id: GateId,
        change: GateChange,
    ) -> Result<Gate, StoreError> {
        let mut changing = self.changing(author).await?;
        let gate = gate_row!(
            "update gates set
                 name = coalesce($2, name),
                 enabled = coalesce($3, enabled),
                 open_ms = coalesce($4, open_ms),
                 frame_age_ms_max = coalesce($5, frame_age_ms_max),
                 pupil_distance_px_min = coalesce($6, pupil_distance_px_min),
                 mode = coalesce($7, mode),
                 liveness_threshold = case when $8 then $9 else liveness_threshold end,
                 zone_id = case when $10 then $11 else zone_id end,
                 direction = coalesce($12, direction),
                 debounce_ms = coalesce($13, debounce_ms),
                 signed_requests = coalesce($14, signed_requests),
                 updated_at = now()
             where id = $1
             returning ",
            "",
            id.0,
            change.name.map(String::from),
            change.enabled,
            change.open_ms.map(|ms| ms as i32),
            change.frame_age_ms_max.map(|ms| ms as i32),
            change.pupil_distance_px_min,
            change.mode.map(GateMode::code),
            change.liveness_threshold.is_some(),
            change.liveness_threshold.flatten().map(LivenessScore::value),
            change.zone_id.is_some(),
            change.zone_id.flatten().map(|id| id.0),
            change.direction.map(Direction::code),
            change.debounce_ms.map(|ms| ms as i32),
            change.signed_requests,
        )
        .fetch_optional(&mut *changing)
        .await?
        .ok_or(StoreError::NotFound("gate"))?
        .try_into()?;
        changing.commit().await?;
        Ok(gate)
    }

    /// Removes a gate that has no passages, with the keys bound to it.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`super::Conflict::GateHasPassages`].
    pub async fn delete_gate(&self, author: &Author, id: GateId) -> Result<(), StoreError> {
        let mut changing = self.changing(author).await?;
        let deleted = sqlx::query!("delete from gates where id = $1", id.0)
            .execute(&mut *changing)
            .await?
            .rows_affected();
        if deleted == 0 {
            return Err(StoreError::NotFound("gate"));
        }
        changing.commit().await
    }
}
