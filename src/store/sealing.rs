//! Templates at rest: sealed for their row, opened for it, and moved to another key.
//!
//! A row's key is in its bytes, and `key_id` repeats it. Whatever is not sealed is never read as a template:
//! whoever can write into the database cannot make a person known.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sqlx::{Connection, PgConnection};
use uuid::Uuid;
use zeroize::Zeroizing;

use super::chains::HeadSigner;
use super::{Store, StoreError, within};
use crate::domain::{Author, EmployeeId, Encoding, EncodingError, FaceId, ModelId};
use crate::secrets::{Context, KeyId, Keyring, OpenError, Purpose, SealError, Sealed};

/// Rows that are sealed anew in one statement: some 150 KB, and locked for some milliseconds, which a grant to
/// one of these people waits for.
const ROWS_AT_ONCE: i64 = 256;

/// How long the migration waits for those who still see templates as they were before.
const OLDER_SNAPSHOTS_WAIT: Duration = Duration::from_secs(10);

/// Why a stored template cannot be read.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum TemplateError {
    /// It was not written by Limen, or before templates were sealed.
    #[error("it is not sealed")]
    NotSealed,
    /// It does not open.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// What it holds is no encoding.
    #[error(transparent)]
    Encoding(#[from] EncodingError),
}

/// The row that a template belongs to. Its bytes open in no other.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row<'a> {
    pub employee: EmployeeId,
    pub face: FaceId,
    pub model: &'a ModelId,
    /// Numbers of the encoding.
    pub size: i32,
}

impl Row<'_> {
    fn context(&self) -> Context {
        Context::new("face encoding")
            .field(self.employee.0.as_bytes())
            .field(self.face.0.as_bytes())
            .field(self.model.as_str().as_bytes())
            .field(&self.size.to_be_bytes())
    }

    /// Seals the stored form of an encoding.
    pub fn seal(&self, keys: &Keyring, plain: &[u8]) -> Result<Sealed, SealError> {
        keys.seal(Purpose::Template, &self.context(), plain)
    }

    /// Opens what the row holds.
    pub fn open(&self, keys: &Keyring, stored: &[u8]) -> Result<Encoding, TemplateError> {
        let plain = self.plain(keys, stored)?;
        Ok(Encoding::from_le_bytes(&plain, self.model.clone())?)
    }

    /// The stored form of the encoding that the row holds.
    fn plain(&self, keys: &Keyring, stored: &[u8]) -> Result<Zeroizing<Vec<u8>>, TemplateError> {
        if usize::try_from(self.size).is_ok_and(|size| stored.len() == size * size_of::<f32>()) {
            return Err(TemplateError::NotSealed);
        }
        let sealed = Sealed::parse(stored.to_vec())?;
        Ok(keys.open(Purpose::Template, &self.context(), &sealed)?)
    }
}

/// What one step of a resealing did.
#[derive(Debug)]
pub struct Resealed {
    /// The last face that it looked at: the next step goes on after it.
    pub last: FaceId,
    /// How many faces are sealed under the first key now, which were not before.
    pub faces: u64,
    /// Those that do not open, and why.
    pub unopened: Vec<(EmployeeId, FaceId, TemplateError)>,
}

struct StoredRow {
    id: Uuid,
    employee_id: Uuid,
    model_id: String,
    size: i32,
    encoding: Vec<u8>,
}

impl Store {
    /// The same database with the keys that templates are sealed under and heads of chains are signed with.
    #[must_use]
    pub fn with_keyring(self, keyring: Arc<Keyring>) -> Self {
        let head_signer = Some(HeadSigner::new(&keyring));
        Self { keyring: Some(keyring), head_signer, ..self }
    }

    /// The keys that templates are sealed under.
    pub(super) fn keyring(&self) -> Result<&Arc<Keyring>, StoreError> {
        self.keyring.as_ref().ok_or(StoreError::NoKeyring)
    }

    /// How many templates are sealed under each key; under none where they are not sealed.
    ///
    /// # Errors
    /// When Postgres does not answer.
    pub async fn faces_by_key(&self) -> Result<Vec<(Option<KeyId>, u64)>, StoreError> {
        let counts = within(self.patience, async {
            let counts = sqlx::query!(
                r#"select key_id, count(*) as "count!" from face_encodings
                   group by key_id order by key_id"#
            );
            Ok(counts.fetch_all(&self.pool).await?)
        });
        let counts = counts.await?.into_iter();
        counts
            .map(|row| Ok((row.key_id.map(key_id).transpose()?, row.count.unsigned_abs())))
            .collect()
    }

    /// Whether every stored template is sealed under a key that is here; returns how many there are.
    ///
    /// # Errors
    /// [`StoreError::Unsealed`], [`StoreError::Planted`] or [`StoreError::UnknownKeys`] where they are not,
    /// with the way out.
    pub async fn check_sealed(&self) -> Result<u64, StoreError> {
        let keys = self.keyring()?;
        let counts = self.faces_by_key().await?;
        let count = |which: &dyn Fn(Option<KeyId>) -> bool| -> u64 {
            counts.iter().filter(|(key, _)| which(*key)).map(|(_, faces)| faces).sum()
        };
        let (all, unsealed) = (count(&|_| true), count(&|key| key.is_none()));
        if unsealed == all && all > 0 {
            return Err(StoreError::Unsealed { faces: all });
        }
        if unsealed > 0 {
            return Err(StoreError::Planted { faces: unsealed });
        }
        let unknown = |key: Option<KeyId>| key.is_some_and(|key| !keys.has(key));
        let missing: Vec<KeyId> =
            counts.iter().filter_map(|(key, _)| *key).filter(|key| !keys.has(*key)).collect();
        if !missing.is_empty() {
            let given = keys.ids().collect();
            return Err(StoreError::UnknownKeys { faces: count(&unknown), missing, given });
        }
        Ok(all)
    }

    /// Seals the next faces after `after` under the first key, if they are under another; none after the
    /// last. Waits for nobody: a row that somebody else holds is passed over. No replica is told, since
    /// nothing changes for one.
    ///
    /// # Errors
    /// When Postgres does not answer, or the system gives no random numbers.
    pub async fn reseal(&self, after: Option<FaceId>) -> Result<Option<Resealed>, StoreError> {
        let keys = self.keyring()?;
        let seals = keys.sealing_id();
        let mut transaction = self.pool.begin().await?;
        let rows = sqlx::query_as!(
            StoredRow,
            "select id, employee_id, model_id, size, encoding from face_encodings
             where key_id <> $1 and id > $2 order by id limit $3
             for no key update skip locked",
            seals.as_bytes(),
            after.map_or(Uuid::nil(), |face| face.0),
            ROWS_AT_ONCE,
        )
        .fetch_all(&mut *transaction)
        .await?;
        let Some(last) = rows.last().map(|row| FaceId(row.id)) else { return Ok(None) };
        let (mut ids, mut encodings, mut unopened) = (Vec::new(), Vec::new(), Vec::new());
        for StoredRow { id, employee_id, model_id, size, encoding } in rows {
            let (employee, face) = (EmployeeId(employee_id), FaceId(id));
            let row = Row { employee, face, model: &ModelId::new(model_id), size };
            match row.plain(keys, &encoding) {
                Ok(plain) => {
                    ids.push(id);
                    encodings.push(row.seal(keys, &plain)?.into_bytes());
                }
                Err(error) => unopened.push((employee, face, error)),
            }
        }
        let faces = put(&mut transaction, &ids, &encodings).await?;
        transaction.commit().await?;
        Ok(Some(Resealed { last, faces, unopened }))
    }

    /// Removes every template that is sealed under `key`, or is not sealed where there is none; returns how
    /// many.
    ///
    /// # Errors
    /// When Postgres does not answer.
    pub async fn delete_faces_of_key(
        &self,
        author: &Author,
        key: Option<KeyId>,
    ) -> Result<u64, StoreError> {
        let mut changing = self.changing(author).await?;
        let key = key.as_ref().map(|key| key.as_bytes().as_slice());
        let deleted = sqlx::query!(
            "delete from face_encodings where key_id is not distinct from $1",
            key as Option<&[u8]>,
        )
        .execute(&mut *changing)
        .await?;
        changing.commit().await?;
        Ok(deleted.rows_affected())
    }
}

/// Seals what is from before templates were sealed, all of it or nothing, and has Postgres write the table
/// anew, so that what was there before cannot be read in it; returns how many that were.
///
/// Done once in a database's life: what is unsealed afterwards, or beside what is sealed, Limen did not write.
pub(super) async fn seal_what_is_from_before(
    connection: &mut PgConnection,
    keys: &Keyring,
) -> Result<u64, StoreError> {
    let mut transaction = connection.begin().await?;
    // Nobody writes meanwhile; whoever reads goes on.
    sqlx::raw_sql("lock table face_encodings in share row exclusive mode")
        .execute(&mut *transaction)
        .await?;
    let state = sqlx::query!(
        r#"select count(*) - count(key_id) as "unsealed!", count(key_id) as "sealed!",
             coalesce((select convalidated from pg_constraint
                       where conname = 'face_encodings_sealed_check'
                         and conrelid = 'face_encodings'::regclass), true) as "done!"
           from face_encodings"#
    )
    .fetch_one(&mut *transaction)
    .await?;
    let unsealed = state.unsealed.unsigned_abs();
    if unsealed > 0 && (state.done || state.sealed > 0) {
        return Err(StoreError::Planted { faces: unsealed });
    }
    if state.done {
        return Ok(0);
    }
    // None or all of them: those that come after the last one are all to be sealed. A condition on the key would make
    // Postgres sort all that remain, for each page anew.
    let mut last = (unsealed > 0).then_some(Uuid::nil());
    while let Some(from) = last {
        let rows = sqlx::query_as!(
            StoredRow,
            "select id, employee_id, model_id, size, encoding from face_encodings
             where id > $1 order by id limit $2",
            from,
            ROWS_AT_ONCE,
        )
        .fetch_all(&mut *transaction)
        .await?;
        last = rows.last().map(|row| row.id);
        let (mut ids, mut encodings) = (Vec::new(), Vec::new());
        for StoredRow { id, employee_id, model_id, size, encoding } in rows {
            let (employee, model) = (EmployeeId(employee_id), ModelId::new(model_id));
            let row = Row { employee, face: FaceId(id), model: &model, size };
            ids.push(id);
            encodings.push(row.seal(keys, &encoding)?.into_bytes());
        }
        put(&mut transaction, &ids, &encodings).await?;
    }
    let sealing = sqlx::query_scalar!(r#"select pg_current_xact_id()::xid::text as "id!""#)
        .fetch_one(&mut *transaction)
        .await?;
    transaction.commit().await?;
    if unsealed + state.sealed.unsigned_abs() > 0 {
        wait_for_older_snapshots(connection, &sealing).await?;
        sqlx::raw_sql("vacuum full face_encodings").execute(&mut *connection).await?;
    }
    // Last, so that a run that was cut short before is made up for by the next.
    sqlx::raw_sql("alter table face_encodings validate constraint face_encodings_sealed_check")
        .execute(connection)
        .await?;
    Ok(unsealed)
}

/// Waits until nobody sees what was there before the transaction `sealing`, because Postgres writes into the new table
/// what somebody may still see; for so long and no longer, since whoever reads may do so for hours. Somebody is whoever
/// reads in this database, a standby, and, because a snapshot begins with the oldest transaction of the whole server,
/// whoever writes in any.
async fn wait_for_older_snapshots(
    connection: &mut PgConnection,
    sealing: &str,
) -> Result<(), StoreError> {
    let since = Instant::now();
    loop {
        let seen = sqlx::query_scalar!(
            r#"select max(age(oldest)) >= age($1::text::xid) as "seen!"
               from (select pg_snapshot_xmin(pg_current_snapshot())::xid as oldest
                     union all
                     select backend_xmin from pg_stat_activity
                     where coalesce(datname = current_database(), true) and pid <> pg_backend_pid()
                     union all
                     select xmin from pg_replication_slots) as snapshots"#,
            sealing,
        )
        .fetch_one(&mut *connection)
        .await?;
        if !seen {
            return Ok(());
        }
        if since.elapsed() > OLDER_SNAPSHOTS_WAIT {
            tracing::warn!(
                "somebody has been reading or writing for {OLDER_SNAPSHOTS_WAIT:?}: what was unsealed may stay in the \
                 table's file until `vacuum full face_encodings` is run once they are done"
            );
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn put(
    connection: &mut PgConnection,
    ids: &[Uuid],
    encodings: &[Vec<u8>],
) -> Result<u64, StoreError> {
    let updated = sqlx::query!(
        "update face_encodings set encoding = sealed.encoding
         from unnest($1::uuid[], $2::bytea[]) as sealed (id, encoding)
         where face_encodings.id = sealed.id",
        ids,
        encodings,
    )
    .execute(connection)
    .await?;
    Ok(updated.rows_affected())
}

pub(super) fn key_id(stored: Vec<u8>) -> Result<KeyId, StoreError> {
    let bytes = stored.try_into().map_err(|_| StoreError::corrupt("a key's id has 8 bytes"))?;
    Ok(KeyId::from_bytes(bytes))
}
