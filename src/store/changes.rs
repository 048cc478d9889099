//! The table `changes`: what was administered, and by whom.

use std::ops::{Deref, DerefMut};

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, Postgres, Transaction};
use uuid::Uuid;

use super::chains::lock;
use super::{Store, StoreError};
use crate::domain::{Action, Author, Blind, Change, ChangeId, EmployeeId, KeyId, Stream};

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

/// A statement that gives whole rows, from what stands after the columns.
macro_rules! change_row {
    ($after:literal $(, $value:expr)* $(,)?) => {
        sqlx::query_as!(
            $crate::store::changes::ChangeRow,
            "select id, changed_at, key_id, author, action, kind, subject_id, employee_id, details from changes "
                + $after
            $(, $value)*
        )
    };
}
pub(super) use change_row;

pub(super) struct ChangeRow {
    pub id: Uuid,
    pub changed_at: DateTime<Utc>,
    pub key_id: Option<Uuid>,
    pub author: String,
    pub action: String,
    pub kind: String,
    pub subject_id: Uuid,
    pub employee_id: Option<Uuid>,
    pub details: Option<String>,
}

impl TryFrom<ChangeRow> for Change {
    type Error = StoreError;

    fn try_from(row: ChangeRow) -> Result<Self, StoreError> {
        let action = Action::ALL.into_iter().find(|action| action.code() == row.action);
        Ok(Self {
            id: ChangeId(row.id),
            changed_at: row.changed_at,
            key_id: row.key_id.map(KeyId),
            author: row.author,
            action: action
                .ok_or_else(|| StoreError::corrupt(format!("action {:?}", row.action)))?,
            kind: row.kind,
            subject_id: row.subject_id,
            employee_id: row.employee_id.map(EmployeeId),
            details: row.details,
        })
    }
}

/// A transaction in which somebody changes something. Triggers note every changed row; the commit chains what
/// they noted, so that nothing is changed without its record.
#[derive(Debug)]
pub(super) struct Changing<'s> {
    store: &'s Store,
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
    /// Chains what was noted, and commits. The chain is locked last, and briefly.
    pub async fn commit(mut self) -> Result<(), StoreError> {
        let mut head = lock(&mut self, Stream::CHANGES).await?.head;
        // What another client of the database changed since is chained too: nobody else will.
        let noted = change_row!("where position is null order by changed_at, id")
            .fetch_all(&mut *self.transaction)
            .await?;
        if noted.is_empty() {
            return Ok(self.transaction.commit().await?);
        }
        for row in noted {
            let change = Change::try_from(row)?;
            let blind = Blind::generate();
            let details = change.details.as_deref().unwrap_or_default();
            let commitment = blind.commit(details.as_bytes());
            head = head.with(&change.record(head.length + 1, commitment));
            sqlx::query!(
                "update changes set position = $2, hash = $3, commitment = $4, blind = $5
                 where id = $1",
                change.id.0,
                head.length.cast_signed(),
                &head.hash.0,
                &commitment.0,
                &blind.0,
            )
            .execute(&mut *self.transaction)
            .await?;
        }
        self.store.advance(&mut self.transaction, &head).await?;
        Ok(self.transaction.commit().await?)
    }
}

impl Store {
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
        Ok(Changing { store: self, transaction })
    }

    /// At most `limit` changes, the newest first, beginning before the one called `before`.
    ///
    /// # Errors
    /// When Postgres does not answer.
    pub async fn changes(
        &self,
        filter: &ChangeFilter,
        before: Option<ChangeId>,
        limit: u32,
    ) -> Result<Vec<Change>, StoreError> {
        change_row!(
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
        .await?
        .into_iter()
        .map(Change::try_from)
        .collect()
    }
}
