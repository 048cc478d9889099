//! The table `changes`: what was administered, and by whom.

use std::ops::{Deref, DerefMut};

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, Postgres, Transaction};
use uuid::Uuid;

use super::listed::{Listed, ListedChange};
use super::{Conflict, Store, StoreError};
use crate::domain::{
    Action, Author, Blind, Change, ChangeId, EmployeeId, EmployeeStatus, Head, KeyId, Stream,
};

/// Changes that are chained in one statement.
const RECORDS_AT_ONCE: usize = 1_000;

/// Which changes to list.
#[derive(Clone, Debug, Default)]
pub struct ChangeFilter {
    /// Only those that this key asked for.
    pub key_id: Option<KeyId>,
    /// Only those of this thing.
    pub subject_id: Option<Uuid>,
    /// Only those that concern this person.
    pub employee_id: Option<EmployeeId>,
    /// Only those of this kind of thing: the table's name.
    pub kind: Option<String>,
    /// Only those made at or after this moment.
    pub from: Option<DateTime<Utc>>,
    /// Only those made before this moment.
    pub until: Option<DateTime<Utc>>,
}

/// A statement that gives whole rows, from what stands after the columns. A moment that cannot be decoded at all is
/// given as none.
macro_rules! change_row {
    ($after:literal $(, $value:expr)* $(,)?) => {
        sqlx::query_as!(
            $crate::store::changes::ChangeRow,
            "select id,
                 case when changed_at > '-infinity' and changed_at < '10000-01-01' then changed_at end as changed_at,
                 key_id, author, action, kind, subject_id, employee_id, details, by_limen
             from changes "
                + $after
            $(, $value)*
        )
    };
}
pub(super) use change_row;

pub(super) struct ChangeRow {
    pub id: Uuid,
    pub changed_at: Option<DateTime<Utc>>,
    pub key_id: Option<Uuid>,
    pub author: String,
    pub action: String,
    pub kind: String,
    pub subject_id: Uuid,
    pub employee_id: Option<Uuid>,
    pub details: Option<String>,
    pub by_limen: Option<bool>,
}

impl TryFrom<ChangeRow> for Change {
    type Error = StoreError;

    fn try_from(row: ChangeRow) -> Result<Self, StoreError> {
        let corrupt = |why: &dyn std::fmt::Display| {
            StoreError::unreadable(format_args!("change {}", row.id), why)
        };
        let action = Action::ALL.into_iter().find(|action| action.code() == row.action);
        Ok(Self {
            id: ChangeId(row.id),
            changed_at: row.changed_at.ok_or_else(|| corrupt(&"a moment is out of range"))?,
            key_id: row.key_id.map(KeyId),
            author: row.author,
            action: action.ok_or_else(|| corrupt(&format_args!("action {:?}", row.action)))?,
            kind: row.kind,
            subject_id: row.subject_id,
            employee_id: row.employee_id.map(EmployeeId),
            details: row.details,
            by_limen: row.by_limen.unwrap_or(false),
        })
    }
}

impl From<ChangeRow> for ListedChange {
    fn from(row: ChangeRow) -> Self {
        let id = ChangeId(row.id);
        Listed::of(row.try_into(), id)
    }
}

/// A transaction in which somebody changes something. Triggers note every changed row; the commit chains what
/// they noted, so that nothing is changed without its record.
#[derive(Debug)]
pub(super) struct Changing<'s> {
    store: &'s Store,
    author: Author,
    transaction: Transaction<'static, Postgres>,
}

impl Deref for Changing<'_> {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        &self.transaction
    }
}

impl DerefMut for Changing<'_> {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.transaction
    }
}

impl Changing<'_> {
    /// Whether somebody of this status may be changed by the author: only officers change the blocked. From here
    /// to the commit the status stays.
    pub async fn guard(&mut self, employee: EmployeeId) -> Result<EmployeeStatus, StoreError> {
        let status = sqlx::query_scalar!(
            "select status from employees where id = $1 for no key update",
            employee.0
        );
        let status = status.fetch_optional(&mut *self.transaction).await?;
        let status = EmployeeStatus::from_stored(&status.ok_or(StoreError::NotFound("employee"))?)?;
        if status == EmployeeStatus::Blocked && !self.author.may_block {
            return Err(StoreError::Conflict(Conflict::Blocked));
        }
        Ok(status)
    }

    /// Notes what is no change of a row that triggers see.
    pub async fn note(
        &mut self,
        action: Action,
        kind: &str,
        subject: Uuid,
        employee: Option<EmployeeId>,
        details: &str,
    ) -> Result<(), StoreError> {
        sqlx::query!(
            "insert into changes (id, key_id, author, action, kind, subject_id, employee_id, details)
             values ($1, $2, $3, $4, $5, $6, $7, $8)",
            Uuid::new_v4(),
            self.author.key_id.map(|key| key.0),
            self.author.name,
            action.code(),
            kind,
            subject,
            employee.map(|id| id.0),
            details,
        )
        .execute(&mut *self.transaction)
        .await?;
        Ok(())
    }

    /// Chains what was noted, and commits. The chain is locked last, and briefly.
    ///
    /// # Errors
    /// [`StoreError::KeyRevoked`] when the author's key opens nothing any more.
    pub async fn commit(mut self) -> Result<(), StoreError> {
        let mut end = self.store.lock(&mut self.transaction, Stream::CHANGES).await?;
        // Behind the lock: whoever revoked the key before is seen, whoever does later comes after this change.
        if let Some(key) = self.author.key_id {
            let valid = sqlx::query_scalar!(
                r#"select revoked_at is null and coalesce(expires_at > now(), true)
                       or xmin = pg_current_xact_id()::xid as "valid!"
                   from api_keys where id = $1"#,
                key.0,
            );
            if !valid.fetch_optional(&mut *self.transaction).await?.unwrap_or(false) {
                return Err(StoreError::KeyRevoked);
            }
        }
        // What another client of the database changed since is chained too, and said to be another's: nobody else
        // will. What it says of its author is its own word.
        let mut foreign = sqlx::query_as!(
            ChangeRow,
            "select id,
                 case when changed_at > '-infinity' and changed_at < '10000-01-01' then changed_at end as changed_at,
                 key_id, author, action, kind, subject_id, employee_id, details, false as by_limen
             from changes where position is null and xmin <> pg_current_xact_id()::xid
             order by changed_at, id limit $1",
            RECORDS_AT_ONCE as i64,
        )
        .fetch_all(&mut *self.transaction)
        .await?;
        for row in &mut foreign {
            (row.author, row.key_id) = (format!("another client, as {}", row.author), None);
        }
        // What cannot be read stays in no chain, for the audit to tell of.
        let mut noted: Vec<Change> = foreign
            .into_iter()
            .filter_map(|row| match ListedChange::from(row) {
                Listed::Read(change) => Some(change),
                Listed::Unreadable(_) => None,
            })
            .collect();
        let own = sqlx::query_as!(
            ChangeRow,
            r#"select id, changed_at as "changed_at?", key_id, author, action, kind, subject_id, employee_id, details,
                 true as by_limen
               from changes where position is null and xmin = pg_current_xact_id()::xid
               order by changes.changed_at, id"#,
        );
        for row in own.fetch_all(&mut *self.transaction).await? {
            noted.push(row.try_into()?);
        }
        if noted.is_empty() {
            return Ok(self.transaction.commit().await?);
        }
        for changes in noted.chunks(RECORDS_AT_ONCE) {
            end.head = chain(&mut self.transaction, end.head, changes).await?;
        }
        self.store.advance(&mut self.transaction, &end).await?;
        Ok(self.transaction.commit().await?)
    }
}

/// Gives changes their places in the chain; returns where it then ends.
async fn chain(
    connection: &mut PgConnection,
    mut head: Head,
    changes: &[Change],
) -> Result<Head, StoreError> {
    let (mut ids, mut positions, mut hashes) = (Vec::new(), Vec::new(), Vec::new());
    let (mut commitments, mut blinds) = (Vec::new(), Vec::new());
    for change in changes {
        let blind = Blind::generate();
        let commitment = blind.commit(change.details.as_deref().unwrap_or_default().as_bytes());
        head = head.with(&change.record(head.length + 1, commitment));
        ids.push(change.id.0);
        positions.push(head.length.cast_signed());
        hashes.push(head.hash.0.to_vec());
        commitments.push(commitment.0.to_vec());
        blinds.push(blind.0.to_vec());
    }
    let authors: Vec<String> = changes.iter().map(|change| change.author.clone()).collect();
    let keys: Vec<Option<Uuid>> = changes.iter().map(|change| change.key_id.map(|k| k.0)).collect();
    let by_limen: Vec<bool> = changes.iter().map(|change| change.by_limen).collect();
    sqlx::query!(
        "update changes c set position = n.position, hash = n.hash, commitment = n.commitment,
             blind = n.blind, author = n.author, key_id = n.key_id, by_limen = n.by_limen
         from unnest($1::uuid[], $2::int8[], $3::bytea[], $4::bytea[], $5::bytea[], $6::text[],
                  $7::uuid[], $8::bool[])
             as n (id, position, hash, commitment, blind, author, key_id, by_limen)
         where c.id = n.id",
        &ids,
        &positions,
        &hashes,
        &commitments,
        &blinds,
        &authors,
        &keys as &[Option<Uuid>],
        &by_limen,
    )
    .execute(connection)
    .await?;
    Ok(head)
}

impl Store {
    /// Notes that somebody `blocked` would have been, or was, enrolled as `employee`, where they are known.
    ///
    /// # Errors
    /// When Postgres does not answer.
    pub async fn note_blocked_face(
        &self,
        author: &Author,
        employee: Option<EmployeeId>,
        blocked: EmployeeId,
    ) -> Result<(), StoreError> {
        let mut changing = self.changing(author).await?;
        let details = r#"{"after": {"alarm": "blocked"}}"#;
        changing.note(Action::Created, "alarms", blocked.0, employee, details).await?;
        changing.commit().await
    }

    /// Begins to change something for `author`.
    pub(super) async fn changing(&self, author: &Author) -> Result<Changing<'_>, StoreError> {
        let mut transaction = self.pool.begin().await?;
        sqlx::query!(
            "select set_config('limen.author', $1, true) as author, set_config('limen.key_id', $2, true) as key",
            author.name,
            author.key_id.map_or_else(String::new, |id| id.to_string()),
        )
        .fetch_one(&mut *transaction)
        .await?;
        Ok(Changing { store: self, author: author.clone(), transaction })
    }

    /// At most `limit` changes, the newest first, beginning before the one called `before`; those that cannot be read
    /// too.
    ///
    /// # Errors
    /// When Postgres does not answer.
    pub async fn changes(
        &self,
        filter: &ChangeFilter,
        before: Option<ChangeId>,
        limit: u32,
    ) -> Result<Vec<ListedChange>, StoreError> {
        let rows = change_row!(
            "where position is not null
               and ($1::uuid is null or position < (select position from changes where id = $1))
               and ($2::uuid is null or key_id = $2)
               and ($3::uuid is null or subject_id = $3)
               and ($4::uuid is null or employee_id = $4)
               and ($5::text is null or kind = $5)
               and ($6::timestamptz is null or changed_at >= $6)
               and ($7::timestamptz is null or changed_at < $7)
             order by position desc
             limit $8",
            before.map(|id| id.0),
            filter.key_id.map(|id| id.0),
            filter.subject_id,
            filter.employee_id.map(|id| id.0),
            filter.kind,
            filter.from,
            filter.until,
            i64::from(limit),
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(rows.into_iter().map(ListedChange::from).collect())
    }
}
