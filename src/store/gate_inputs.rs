//! The table `gate_inputs`: what firmware reports beside passages.

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use super::ground::{ACCESS_LOCK, key_has_ended, lock_person, now};
use super::listed::{Listed, ListedInput, OfGate};
use super::passages::ID_SLACK;
use super::{Conflict, Store, StoreError};
use crate::domain::{
    EmployeeId, EventId, GateId, GateInput, GateInputId, Head, InputKind, InputReport, KeyId,
    PassageId,
};

/// Which inputs to list.
#[derive(Clone, Copy, Debug, Default)]
pub struct InputFilter {
    /// Only those of this gate.
    pub gate_id: Option<GateId>,
    /// Only those of this kind.
    pub kind: Option<InputKind>,
    /// Only that which says what became of this grant.
    pub passage_id: Option<PassageId>,
    /// Only those recorded at or after this moment.
    pub from: Option<DateTime<Utc>>,
    /// Only those recorded before this moment.
    pub until: Option<DateTime<Utc>>,
}

/// A statement that gives whole rows, from what stands after the columns. Moments that cannot be decoded at all are
/// given as none.
macro_rules! input_row {
    ($after:literal $(, $value:expr)* $(,)?) => {
        sqlx::query_as!(
            $crate::store::gate_inputs::StoredInput,
            "select id, gate_id, event_id, input, passage_id,
                 case when happened_at > '-infinity' and happened_at < '10000-01-01' then happened_at end as happened_at,
                 case when recorded_at > '-infinity' and recorded_at < '10000-01-01' then recorded_at end as recorded_at,
                 key_id
             from gate_inputs "
                + $after
            $(, $value)*
        )
    };
}
pub(super) use input_row;

pub(super) struct StoredInput {
    pub id: Uuid,
    pub gate_id: Uuid,
    pub event_id: String,
    pub input: String,
    pub passage_id: Option<Uuid>,
    pub happened_at: Option<DateTime<Utc>>,
    pub recorded_at: Option<DateTime<Utc>>,
    pub key_id: Uuid,
}

/// A row whose moments were read.
pub(super) struct InputRow {
    pub id: Uuid,
    pub gate_id: Uuid,
    pub event_id: String,
    pub input: String,
    pub passage_id: Option<Uuid>,
    pub happened_at: DateTime<Utc>,
    pub recorded_at: DateTime<Utc>,
    pub key_id: Uuid,
}

impl TryFrom<StoredInput> for GateInput {
    type Error = StoreError;

    fn try_from(row: StoredInput) -> Result<Self, StoreError> {
        let not_a_moment =
            || StoreError::unreadable(format_args!("input {}", row.id), "a moment is out of range");
        InputRow {
            id: row.id,
            gate_id: row.gate_id,
            happened_at: row.happened_at.ok_or_else(not_a_moment)?,
            recorded_at: row.recorded_at.ok_or_else(not_a_moment)?,
            event_id: row.event_id,
            input: row.input,
            passage_id: row.passage_id,
            key_id: row.key_id,
        }
        .try_into()
    }
}

impl From<StoredInput> for ListedInput {
    fn from(row: StoredInput) -> Self {
        let known = OfGate { id: GateInputId(row.id), gate_id: GateId(row.gate_id) };
        Listed::of(row.try_into(), known)
    }
}

impl TryFrom<InputRow> for GateInput {
    type Error = StoreError;

    fn try_from(row: InputRow) -> Result<Self, StoreError> {
        let corrupt = |error: &dyn std::fmt::Display| {
            StoreError::unreadable(format_args!("input {}", row.id), error)
        };
        Ok(Self {
            id: GateInputId(row.id),
            report: InputReport {
                gate_id: GateId(row.gate_id),
                event_id: row.event_id.parse().map_err(|e| corrupt(&e))?,
                kind: serde_json::from_value(row.input.into()).map_err(|e| corrupt(&e))?,
                passage_id: row.passage_id.map(PassageId),
                happened_at: row.happened_at,
                key_id: KeyId(row.key_id),
            },
            recorded_at: row.recorded_at,
        })
    }
}

impl Store {
    /// Records what a gate reports, at the end of its chain; none where its event was recorded before, which
    /// [`input_of_event`](Self::input_of_event) then gives.
    ///
    /// A grant that is said to be unused counts as no passage of its person's from the commit on; so it must be
    /// `grant_lifetime` old, and no turnstile open on it any more.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when the gate is gone; [`Conflict::NotAGrant`] when the report settles what is no
    /// grant of the gate's, [`Conflict::GrantNotOver`], [`Conflict::GrantSettled`] when another report did before;
    /// [`StoreError::KeyRevoked`].
    pub async fn record_input(
        &self,
        report: &InputReport,
        grant_lifetime: TimeDelta,
    ) -> Result<Option<GateInput>, StoreError> {
        let mut transaction = self.pool.begin().await?;
        // As a passage does: a key that was revoked and acknowledged reports nothing more.
        sqlx::query!("select pg_advisory_xact_lock_shared($1)", ACCESS_LOCK)
            .execute(&mut *transaction)
            .await?;
        if key_has_ended(&mut transaction, report.key_id).await? {
            return Err(StoreError::KeyRevoked);
        }
        if let Some(passage) = report.passage_id {
            let grant = granted(&mut transaction, report.gate_id, passage).await?;
            // Their next passage is decided before this is recorded, or knows of it.
            if let Some(person) = grant.person {
                lock_person(&mut transaction, person).await?;
            }
            let over_at = grant.decided_at + grant_lifetime;
            if report.kind == InputKind::GrantUnused && now(&mut transaction).await? < over_at {
                return Err(StoreError::Conflict(Conflict::GrantNotOver));
            }
        }
        let mut end = self.lock(&mut transaction, report.gate_id.into()).await?;
        let recorded_at = now(&mut transaction).await?;
        let input = GateInput { id: GateInputId::generate(), report: report.clone(), recorded_at };
        end.head = end.head.with(&input.record(end.head.length + 1));
        if !insert(&mut transaction, &input, &end.head).await? {
            return Ok(None);
        }
        self.advance(&mut transaction, &end).await?;
        transaction.commit().await?;
        self.recorded.notify_one();
        Ok(Some(input))
    }

    /// The input of this event, if it was recorded.
    ///
    /// # Errors
    /// When Postgres does not answer.
    pub async fn input_of_event(
        &self,
        gate: GateId,
        event: &EventId,
    ) -> Result<Option<GateInput>, StoreError> {
        let row = input_row!("where gate_id = $1 and event_id = $2", gate.0, event.as_str());
        row.fetch_optional(&self.pool).await?.map(GateInput::try_from).transpose()
    }

    /// At most `limit` inputs, the newest first, beginning before `before`; those that cannot be read too.
    ///
    /// # Errors
    /// When Postgres does not answer.
    pub async fn inputs(
        &self,
        filter: &InputFilter,
        before: Option<GateInputId>,
        limit: u32,
    ) -> Result<Vec<ListedInput>, StoreError> {
        let earliest =
            |moment: Option<DateTime<Utc>>| moment.and_then(GateInputId::earliest).map(|id| id.0);
        let rows = input_row!(
            "where ($1::uuid is null or id < $1)
               and ($2::uuid is null or gate_id = $2)
               and ($3::text is null or input = $3)
               and ($4::uuid is null or passage_id = $4)
               and ($5::timestamptz is null or recorded_at >= $5)
               and ($6::timestamptz is null or recorded_at < $6)
               and ($7::uuid is null or id >= $7)
               and ($8::uuid is null or id < $8)
             order by id desc
             limit $9",
            before.map(|id| id.0),
            filter.gate_id.map(|id| id.0),
            filter.kind.map(InputKind::code),
            filter.passage_id.map(|id| id.0),
            filter.from,
            filter.until,
            earliest(filter.from.map(|from| from - ID_SLACK)),
            earliest(filter.until.map(|until| until + ID_SLACK)),
            i64::from(limit),
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(rows.into_iter().map(ListedInput::from).collect())
    }

    /// What became of a person's grants, at most `limit`, the newest first; what cannot be read too.
    ///
    /// # Errors
    /// When Postgres does not answer.
    pub async fn inputs_of(
        &self,
        employee: EmployeeId,
        limit: u32,
    ) -> Result<Vec<ListedInput>, StoreError> {
        let rows = input_row!(
            "where passage_id in (select id from passages where employee_id = $1 and decision = 'grant')
             order by id desc limit $2",
            employee.0,
            i64::from(limit),
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(rows.into_iter().map(ListedInput::from).collect())
    }
}

/// A grant of a gate's.
struct Grant {
    /// Whom it let through; none once the person was erased.
    person: Option<EmployeeId>,
    decided_at: DateTime<Utc>,
}

async fn granted(
    connection: &mut PgConnection,
    gate: GateId,
    passage: PassageId,
) -> Result<Grant, StoreError> {
    let row = sqlx::query!(
        "select employee_id,
             case when decided_at > '-infinity' and decided_at < '10000-01-01' then decided_at end as decided_at
         from passages where id = $1 and gate_id = $2 and decision = 'grant'",
        passage.0,
        gate.0,
    );
    let row = row.fetch_optional(connection).await?;
    let row = row.ok_or(StoreError::Conflict(Conflict::NotAGrant))?;
    let decided_at = row.decided_at.ok_or_else(|| {
        StoreError::unreadable(format_args!("passage {passage}"), "a moment is out of range")
    })?;
    Ok(Grant { person: row.employee_id.map(EmployeeId), decided_at })
}

/// Writes an input at the end of its gate's chain; false when its event was recorded before.
async fn insert(
    connection: &mut PgConnection,
    GateInput { id, report, recorded_at }: &GateInput,
    head: &Head,
) -> Result<bool, StoreError> {
    let inserted = sqlx::query!(
        "insert into gate_inputs
             (id, gate_id, event_id, input, passage_id, happened_at, recorded_at, key_id, position, hash)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
         on conflict (gate_id, event_id) do nothing",
        id.0,
        report.gate_id.0,
        report.event_id.as_str(),
        report.kind.code(),
        report.passage_id.map(|id| id.0),
        report.happened_at,
        recorded_at,
        report.key_id.0,
        head.length.cast_signed(),
        &head.hash.0,
    )
    .execute(connection)
    .await?;
    Ok(inserted.rows_affected() == 1)
}
