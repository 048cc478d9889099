//! The tables `consents`, `erasures` and `purges`: what people may ask for, and what time takes.

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use super::changes::Changing;
use super::ground::lock_access;
use super::listed::ListedPassage;
use super::passages::passage_row;
use super::{Store, StoreError};
use crate::domain::{
    Action, Author, ChainHash, Consent, ConsentId, EmployeeId, Erased, GateId, TextVersion,
};

/// Passages and inputs that are purged in one transaction, while their gate's chain is locked: some 10 ms.
const PURGED_AT_ONCE: i64 = 500;

/// Records that a person is erased out of in one transaction.
const RECORDS_AT_ONCE: i64 = 2_000;

/// What was purged of a gate's chain.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Purged {
    /// Passages.
    pub passages: u64,
    /// Inputs.
    pub inputs: u64,
}

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
        changing.guard(employee).await?;
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
        changing.guard(employee).await?;
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
        let faces = if standing(&mut changing, employee).await? == Standing::Holds {
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

    /// Erases a person, also one who was removed before: the employee with faces, groups, consents and pardons, and
    /// what passages and changes say of whom they are about, those with the person's badge and no other employee
    /// included. The chains stay whole: each erasure names the records that it touched, and not the person.
    ///
    /// One transaction after another, so that gates wait for none of them for long; what was cut short is made
    /// good by erasing again.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when nothing is stored of such a person.
    pub async fn erase(&self, author: &Author, employee: EmployeeId) -> Result<Erased, StoreError> {
        // While the changes still tell of them.
        let badges = self.badges(employee).await?;
        let removed = match self.delete_employee(author, employee).await {
            Ok(()) => true,
            Err(StoreError::NotFound(_)) => false,
            Err(error) => return Err(error),
        };
        let erased = self.erase_from_trail(author, employee, &badges).await?;
        let nothing = !removed && erased == Erased::default();
        if nothing { Err(StoreError::NotFound("employee")) } else { Ok(erased) }
    }

    async fn erase_from_trail(
        &self,
        author: &Author,
        employee: EmployeeId,
        badges: &[String],
    ) -> Result<Erased, StoreError> {
        let mut erased = Erased::default();
        // The changes last: the badges and the names are known by them.
        self.erase_from_imports(employee, badges).await?;
        while let records @ 1.. = self.erase_passages(author, employee, badges).await? {
            erased.passages += records;
        }
        while let records @ 1.. = self.erase_changes(author, employee).await? {
            erased.changes += records;
        }
        Ok(erased)
    }

    /// Every badge that a person has had.
    async fn badges(&self, employee: EmployeeId) -> Result<Vec<String>, StoreError> {
        let mut badges = sqlx::query_scalar!(
            r#"select badge_id as "badge!" from employees where id = $1 and badge_id is not null"#,
            employee.0,
        )
        .fetch_all(&self.pool)
        .await?;
        let changes = sqlx::query_scalar!(
            r#"select details as "details!" from changes
               where employee_id = $1 and kind = 'employees' and by_limen and details is not null"#,
            employee.0,
        );
        for details in changes.fetch_all(&self.pool).await? {
            // What somebody altered so that it is no JSON tells of no badge.
            let details: serde_json::Value = serde_json::from_str(&details).unwrap_or_default();
            let told = ["before", "after"].map(|then| details[then]["badge_id"].as_str());
            badges.extend(told.into_iter().flatten().map(str::to_owned));
        }
        badges.sort();
        badges.dedup();
        Ok(badges)
    }

    /// Puts down among the changes that somebody takes out everything that is stored about a person, also of one who
    /// was removed.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when nothing is stored of such a person.
    pub async fn note_export(
        &self,
        author: &Author,
        employee: EmployeeId,
    ) -> Result<(), StoreError> {
        let mut changing = self.changing(author).await?;
        let is_stored = sqlx::query_scalar!(
            r#"select exists (select from employees where id = $1)
                   or exists (select from changes where employee_id = $1)
                   or exists (select from passages where employee_id = $1) as "is_stored!""#,
            employee.0,
        );
        if !is_stored.fetch_one(&mut *changing).await? {
            return Err(StoreError::NotFound("employee"));
        }
        changing.note(Action::Created, "exports", employee.0, Some(employee), "{}").await?;
        changing.commit().await
    }

    /// At most `limit` of the passages that an [erasure](Self::erase) would take a person out of, the newest first.
    ///
    /// # Errors
    /// When Postgres does not answer.
    pub async fn passages_about(
        &self,
        employee: EmployeeId,
        limit: u32,
    ) -> Result<Vec<ListedPassage>, StoreError> {
        let badges = self.badges(employee).await?;
        let mut connection = self.pool.acquire().await?;
        let ids = about(&mut connection, employee, &badges, limit.into()).await?;
        let rows =
            passage_row!("select ", " from passages where id = any($1) order by id desc", &ids)
                .fetch_all(&mut *connection)
                .await?;
        Ok(rows.into_iter().map(ListedPassage::from).collect())
    }

    async fn erase_passages(
        &self,
        author: &Author,
        employee: EmployeeId,
        badges: &[String],
    ) -> Result<u64, StoreError> {
        let mut changing = self.changing(author).await?;
        let passages = about(&mut changing, employee, badges, RECORDS_AT_ONCE).await?;
        let records = sqlx::query_scalar!(
            "update passages set employee_id = null, face_ids = '{}', badge_id = null, earlier_passage_id = null,
                 blind = null
             where id = any($1)
             returning id",
            &passages,
        )
        .fetch_all(&mut *changing)
        .await?;
        note_erasure(changing, records).await
    }

    async fn erase_changes(
        &self,
        author: &Author,
        employee: EmployeeId,
    ) -> Result<u64, StoreError> {
        let mut changing = self.changing(author).await?;
        let records = sqlx::query_scalar!(
            "update changes set details = null, blind = null
             where id in (
                 select id from changes
                 where employee_id = $1 and details is not null and position is not null
                 limit $2)
             returning id",
            employee.0,
            RECORDS_AT_ONCE,
        )
        .fetch_all(&mut *changing)
        .await?;
        note_erasure(changing, records).await
    }

    /// The moment so long ago, by Postgres' clock.
    ///
    /// # Errors
    /// When Postgres does not answer.
    pub async fn ago(&self, time: TimeDelta) -> Result<DateTime<Utc>, StoreError> {
        let seconds = time.num_seconds() as f64;
        let moment =
            sqlx::query_scalar!(r#"select now() - make_interval(secs => $1) as "at!""#, seconds);
        Ok(moment.fetch_one(&self.pool).await?)
    }

    /// People who were revoked, or whose validity ended, before a moment, and of whom nothing changed since; at
    /// most `limit`, after one. The blocked stay.
    ///
    /// # Errors
    /// When Postgres does not answer.
    pub async fn leavers(
        &self,
        before: DateTime<Utc>,
        after: Option<EmployeeId>,
        limit: u32,
    ) -> Result<Vec<EmployeeId>, StoreError> {
        let people = sqlx::query_scalar!(
            "select id from employees
             where updated_at < $1 and status <> 'blocked' and (status = 'revoked' or valid_until < $1)
               and ($2::uuid is null or id > $2)
             order by id limit $3",
            before,
            after.map(|id| id.0),
            i64::from(limit),
        );
        Ok(people.fetch_all(&self.pool).await?.into_iter().map(EmployeeId).collect())
    }

    /// Erases a person if they are still one of the [`leavers`](Self::leavers); false where they are not.
    ///
    /// # Errors
    /// When Postgres does not answer.
    pub async fn erase_leaver(
        &self,
        author: &Author,
        employee: EmployeeId,
        before: DateTime<Utc>,
    ) -> Result<bool, StoreError> {
        let badges = self.badges(employee).await?;
        let mut changing = self.changing(author).await?;
        // Before the person, as a passage takes them: memberships go with them.
        lock_access(&mut changing).await?;
        let removed = sqlx::query!(
            "delete from employees
             where id = $1 and updated_at < $2 and status <> 'blocked'
               and (status = 'revoked' or valid_until < $2)",
            employee.0,
            before,
        )
        .execute(&mut *changing)
        .await?;
        changing.commit().await?;
        if removed.rows_affected() == 0 {
            return Ok(false);
        }
        self.erase_from_trail(author, employee, &badges).await?;
        Ok(true)
    }

    /// Gates with passages or inputs from before a moment.
    ///
    /// # Errors
    /// When Postgres does not answer.
    pub async fn gates_with_records_before(
        &self,
        before: DateTime<Utc>,
    ) -> Result<Vec<GateId>, StoreError> {
        let gates = sqlx::query_scalar!(
            "select id from gates g
             where exists (select from passages where gate_id = g.id and decided_at < $1)
                or exists (select from gate_inputs where gate_id = g.id and recorded_at < $1)
             order by id",
            before,
        );
        Ok(gates.fetch_all(&self.pool).await?.into_iter().map(GateId).collect())
    }

    /// Removes the oldest passages and inputs of a gate, if they are from before a moment; returns how many. The
    /// chain then begins after them, and its signed head says so. Called again until none is left.
    ///
    /// # Errors
    /// When Postgres does not answer.
    pub async fn purge_records(
        &self,
        author: &Author,
        gate: GateId,
        before: DateTime<Utc>,
    ) -> Result<Purged, StoreError> {
        let mut changing = self.changing(author).await?;
        let mut end = self.lock(&mut changing, gate.into()).await?;
        let head = &mut end.head;
        let unchained = sqlx::query!(
            "delete from passages where id in (
                 select id from passages where gate_id = $1 and position is null and decided_at < $2
                 order by id limit $3)",
            gate.0,
            before,
            PURGED_AT_ONCE,
        )
        .execute(&mut *changing)
        .await?
        .rows_affected();
        // From the chain's beginning as long as they are old: what follows a younger one stays with it.
        let last = sqlx::query!(
            r#"with oldest as (
                 select position, hash, recorded_at from gate_records
                 where gate_id = $1 and position > $2 order by position limit $4)
               select position as "position!", hash as "hash!" from oldest
               where position < coalesce((select min(position) from oldest where recorded_at >= $3), 9223372036854775807)
               order by position desc limit 1"#,
            gate.0,
            head.purged.cast_signed(),
            before,
            PURGED_AT_ONCE,
        )
        .fetch_optional(&mut *changing)
        .await?;
        let mut purged = Purged { passages: unchained, inputs: 0 };
        if let Some(last) = &last {
            let passages = sqlx::query!(
                "delete from passages where gate_id = $1 and position <= $2",
                gate.0,
                last.position,
            );
            purged.passages += passages.execute(&mut *changing).await?.rows_affected();
            let inputs = sqlx::query!(
                "delete from gate_inputs where gate_id = $1 and position <= $2",
                gate.0,
                last.position,
            );
            purged.inputs = inputs.execute(&mut *changing).await?.rows_affected();
            head.purged = last.position.unsigned_abs();
            head.purged_hash = ChainHash(super::chains::bytes(last.hash.clone())?);
        }
        if purged == Purged::default() {
            return Ok(purged);
        }
        head.unchained = head.unchained.saturating_sub(unchained);
        self.advance(&mut changing, &end).await?;
        sqlx::query!(
            "insert into purges (id, gate_id, purged_to, passages, inputs) values ($1, $2, $3, $4, $5)",
            Uuid::now_v7(),
            gate.0,
            last.map(|last| last.position),
            purged.passages.cast_signed(),
            purged.inputs.cast_signed(),
        )
        .execute(&mut *changing)
        .await?;
        changing.commit().await?;
        Ok(purged)
    }
}

/// How a person stands to being enrolled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// Nothing is on record.
    Unasked,
    /// A consent holds now.
    Holds,
    /// Whatever they agreed to, they took back.
    Withdrawn,
}

pub(super) async fn standing(
    connection: &mut PgConnection,
    employee: EmployeeId,
) -> Result<Standing, StoreError> {
    let holds = sqlx::query_scalar!(
        r#"select bool_or(withdrawn_at is null) from consents where employee_id = $1 and given_at <= now()"#,
        employee.0,
    );
    Ok(match holds.fetch_one(connection).await? {
        None => Standing::Unasked,
        Some(true) => Standing::Holds,
        Some(false) => Standing::Withdrawn,
    })
}

/// The newest passages that are about a person, at most `limit`: theirs, and those for which one of the badges was
/// shown that they have had and nobody was identified.
async fn about(
    connection: &mut PgConnection,
    employee: EmployeeId,
    badges: &[String],
    limit: i64,
) -> Result<Vec<Uuid>, StoreError> {
    let passages = sqlx::query_scalar!(
        r#"select id as "id!" from (
               select id from passages where employee_id = $1
               union all
               select id from passages where employee_id is null and badge_id = any($2)) as these
           order by id desc limit $3"#,
        employee.0,
        badges,
        limit,
    );
    Ok(passages.fetch_all(connection).await?)
}

/// Puts down which records a person was taken out of, and commits; returns how many.
async fn note_erasure(mut changing: Changing<'_>, records: Vec<Uuid>) -> Result<u64, StoreError> {
    if records.is_empty() {
        return Ok(0);
    }
    sqlx::query!("insert into erasures (id, records) values ($1, $2)", Uuid::now_v7(), &records)
        .execute(&mut *changing)
        .await?;
    changing.commit().await?;
    Ok(records.len() as u64)
}
