//! The tables `consents`, `erasures` and `purges`: what people may ask for, and what time takes.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use super::chains::lock;
use super::{Store, StoreError};
use crate::domain::{
    Author, ChainHash, Consent, ConsentId, EmployeeId, Erasure, ErasureId, GateId, TextVersion,
};

/// Passages that are purged in one transaction, while their gate's chain is locked: some 10 ms.
const PASSAGES_AT_ONCE: i64 = 500;

struct ConsentRow {
    id: Uuid,
    employee_id: Uuid,
    text_version: String,
    given_at: DateTime<Utc>,
    withdrawn_at: Option<DateTime<Utc>>,
}

impl TryFrom<ConsentRow> for Consent {
    type Error = StoreError;

    fn try_from(row: ConsentRow) -> Result<Self, StoreError> {
        Ok(Self {
            id: ConsentId(row.id),
            employee_id: EmployeeId(row.employee_id),
            text_version: row.text_version.try_into().map_err(StoreError::corrupt)?,
            given_at: row.given_at,
            withdrawn_at: row.withdrawn_at,
        })
    }
}

impl Store {
    /// Records that a person agreed to a text; at this moment, where none is given.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when there is no such employee.
    pub async fn give_consent(
        &self,
        author: &Author,
        employee: EmployeeId,
        text_version: &TextVersion,
        given_at: Option<DateTime<Utc>>,
    ) -> Result<Consent, StoreError> {
        let mut changing = self.changing(author).await?;
        let consent = sqlx::query_as!(
            ConsentRow,
            "insert into consents (id, employee_id, text_version, given_at)
             values ($1, $2, $3, coalesce($4, now()))
             returning id, employee_id, text_version, given_at, withdrawn_at",
            ConsentId::generate().0,
            employee.0,
            text_version.as_str(),
            given_at,
        )
        .fetch_one(&mut *changing)
        .await?
        .try_into()?;
        changing.commit().await?;
        Ok(consent)
    }

    /// Records that a person takes a consent back, and removes the person's faces with it unless another
    /// consent holds; returns how many. Taking it back again changes nothing.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when the employee has no such consent.
    pub async fn withdraw_consent(
        &self,
        author: &Author,
        employee: EmployeeId,
        id: ConsentId,
    ) -> Result<u64, StoreError> {
        let mut changing = self.changing(author).await?;
        // Whoever enrols a face holds the same lock.
        let found = sqlx::query_scalar!(
            "select id from employees where id = $1 for no key update",
            employee.0
        );
        found.fetch_optional(&mut *changing).await?.ok_or(StoreError::NotFound("employee"))?;
        let withdrawn = sqlx::query!(
            "update consents set withdrawn_at = coalesce(withdrawn_at, greatest(now(), given_at))
             where id = $1 and employee_id = $2",
            id.0,
            employee.0,
        )
        .execute(&mut *changing)
        .await?;
        if withdrawn.rows_affected() == 0 {
            return Err(StoreError::NotFound("consent"));
        }
        let faces = if consents_hold(&mut changing, employee).await? {
            0
        } else {
            sqlx::query!("delete from face_encodings where employee_id = $1", employee.0)
                .execute(&mut *changing)
                .await?
                .rows_affected()
        };
        changing.commit().await?;
        Ok(faces)
    }

    /// What a person agreed to, oldest first, withdrawn consents too.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when there is no such employee.
    pub async fn consents(&self, employee: EmployeeId) -> Result<Vec<Consent>, StoreError> {
        let consents: Vec<Consent> = sqlx::query_as!(
            ConsentRow,
            "select id, employee_id, text_version, given_at, withdrawn_at from consents
             where employee_id = $1 order by given_at, id",
            employee.0,
        )
        .fetch_all(&self.pool)
        .await?
        .into_iter()
        .map(Consent::try_from)
        .collect::<Result<_, _>>()?;
        if consents.is_empty() {
            self.employee(employee).await?;
        }
        Ok(consents)
    }

    /// Erases a person: the employee with faces, groups, consents and pardons, and what passages and changes
    /// say of whom they are about. The chains stay whole: the erasure names the records that it touched.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when nothing is stored of such a person.
    pub async fn erase(
        &self,
        author: &Author,
        employee: EmployeeId,
    ) -> Result<Erasure, StoreError> {
        let mut changing = self.changing(author).await?;
        // Waits for passages of the person's that are being decided.
        let removed = sqlx::query!("delete from employees where id = $1", employee.0)
            .execute(&mut *changing)
            .await?
            .rows_affected();
        let passages = sqlx::query_scalar!(
            "update passages set employee_id = null, face_ids = '{}', badge_id = null, blind = null
             where employee_id = $1 returning id",
            employee.0,
        )
        .fetch_all(&mut *changing)
        .await?;
        // What this transaction noted of the removal is chained without details.
        let changes = sqlx::query!(
            r#"update changes set details = null, blind = null
               where employee_id = $1 and kind <> 'erasures' and details is not null
               returning id, position is not null as "chained!""#,
            employee.0,
        )
        .fetch_all(&mut *changing)
        .await?;
        if removed == 0 && passages.is_empty() && changes.is_empty() {
            return Err(StoreError::NotFound("employee"));
        }
        let counts = (passages.len() as u64, changes.len() as u64);
        let chained = changes.into_iter().filter(|change| change.chained).map(|change| change.id);
        let records: Vec<Uuid> = passages.into_iter().chain(chained).collect();
        let id = ErasureId::generate();
        let erased_at = sqlx::query_scalar!(
            "insert into erasures (id, employee_id, records) values ($1, $2, $3) returning erased_at",
            id.0,
            employee.0,
            &records,
        )
        .fetch_one(&mut *changing)
        .await?;
        changing.commit().await?;
        let (passages, changes) = counts;
        Ok(Erasure { id, employee_id: employee, passages, changes, erased_at })
    }

    /// People who were revoked, or whose validity ended, before a moment, and of whom nothing changed since; at
    /// most `limit`.
    ///
    /// # Errors
    /// When Postgres does not answer.
    pub async fn leavers(
        &self,
        before: DateTime<Utc>,
        limit: u32,
    ) -> Result<Vec<EmployeeId>, StoreError> {
        let people = sqlx::query_scalar!(
            "select id from employees
             where updated_at < $1 and (status = 'revoked' or valid_until < $1)
             order by id limit $2",
            before,
            i64::from(limit),
        );
        Ok(people.fetch_all(&self.pool).await?.into_iter().map(EmployeeId).collect())
    }

    /// Gates with passages from before a moment.
    ///
    /// # Errors
    /// When Postgres does not answer.
    pub async fn gates_with_passages_before(
        &self,
        before: DateTime<Utc>,
    ) -> Result<Vec<GateId>, StoreError> {
        let gates = sqlx::query_scalar!(
            "select id from gates g where exists (
                 select from passages where gate_id = g.id and decided_at < $1)
             order by id",
            before,
        );
        Ok(gates.fetch_all(&self.pool).await?.into_iter().map(GateId).collect())
    }

    /// Removes the oldest passages of a gate, if they are from before a moment; returns how many. The chain then
    /// begins after them, and its signed head says so. Called again until none is left.
    ///
    /// # Errors
    /// When Postgres does not answer.
    pub async fn purge_passages(
        &self,
        author: &Author,
        gate: GateId,
        before: DateTime<Utc>,
    ) -> Result<u64, StoreError> {
        let mut changing = self.changing(author).await?;
        let mut head = lock(&mut changing, gate.into()).await?.head;
        let unchained = sqlx::query!(
            "delete from passages where id in (
                 select id from passages where gate_id = $1 and position is null and decided_at < $2
                 order by id limit $3)",
            gate.0,
            before,
            PASSAGES_AT_ONCE,
        )
        .execute(&mut *changing)
        .await?
        .rows_affected();
        // From the chain's beginning as long as they are old: what follows a younger one stays with it.
        let last = sqlx::query!(
            r#"with oldest as (
                 select position, hash, decided_at from passages
                 where gate_id = $1 and position > $2 order by position limit $4)
               select position as "position!", hash as "hash!" from oldest
               where position < coalesce((select min(position) from oldest where decided_at >= $3), 9223372036854775807)
               order by position desc limit 1"#,
            gate.0,
            head.purged.cast_signed(),
            before,
            PASSAGES_AT_ONCE,
        )
        .fetch_optional(&mut *changing)
        .await?;
        let mut passages = unchained;
        if let Some(last) = &last {
            passages += sqlx::query!(
                "delete from passages where gate_id = $1 and position <= $2",
                gate.0,
                last.position,
            )
            .execute(&mut *changing)
            .await?
            .rows_affected();
            head.purged = last.position.unsigned_abs();
            head.purged_hash = ChainHash(super::chains::bytes(last.hash.clone())?);
        }
        if passages == 0 {
            return Ok(0);
        }
        head.unchained = head.unchained.saturating_sub(unchained);
        self.advance(&mut changing, &head).await?;
        sqlx::query!(
            "insert into purges (id, gate_id, purged_to, passages) values ($1, $2, $3, $4)",
            Uuid::now_v7(),
            gate.0,
            last.map(|last| last.position),
            passages.cast_signed(),
        )
        .execute(&mut *changing)
        .await?;
        changing.commit().await?;
        Ok(passages)
    }
}

/// Whether a consent of the person's holds now.
pub(super) async fn consents_hold(
    connection: &mut PgConnection,
    employee: EmployeeId,
) -> Result<bool, StoreError> {
    Ok(sqlx::query_scalar!(
        r#"select exists (select from consents
           where employee_id = $1 and given_at <= now() and withdrawn_at is null) as "holds!""#,
        employee.0,
    )
    .fetch_one(connection)
    .await?)
}
