//! The trail as an auditor reads it: every record with what its chain says of it, as of one moment.

use std::collections::HashMap;

use sqlx::{Postgres, Transaction};
use uuid::Uuid;

use super::chains::head_row;
use super::changes::change_row;
use super::gate_inputs::input_row;
use super::passages::passage_row;
use super::{SignedHead, Store, StoreError};
use crate::domain::{Blind, ChainHash, Change, Commitment, GateInput, Passage, Stream};

/// Records that one statement reads.
const PAGE_RECORDS: i64 = 1_000;

/// What a chain says of one record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// Its position, from 1.
    pub position: u64,
    /// The hash of the record and of all before it.
    pub hash: ChainHash,
    /// The commitment to what is personal in it; an input is about nobody, and has none.
    pub commitment: Option<Commitment>,
    /// What the commitment was made with; none once the person was erased.
    pub blind: Option<Blind>,
}

/// A record as it is stored, and what its chain says of it.
#[derive(Debug)]
pub struct Audited<T> {
    /// Its id.
    pub id: Uuid,
    /// The record, or why it cannot be read.
    pub record: Result<T, StoreError>,
    /// Its link.
    pub link: Link,
}

/// A record of a gate's chain.
#[derive(Debug)]
pub enum GateRecord {
    /// It was asked to open.
    Passage(Box<Passage>),
    /// It noticed something.
    Input(GateInput),
}

/// The trail as of one moment.
#[derive(Debug)]
pub struct Snapshot {
    transaction: Transaction<'static, Postgres>,
}

struct LinkRow {
    kind: String,
    id: Uuid,
    position: i64,
    hash: Option<Vec<u8>>,
    commitment: Option<Vec<u8>>,
    blind: Option<Vec<u8>>,
}

/// Whatever somebody made of a record must not keep the others from being read: what is no hash is none that was
/// ever made.
impl From<&LinkRow> for Link {
    fn from(row: &LinkRow) -> Self {
        Self {
            position: row.position.unsigned_abs(),
            hash: ChainHash(exactly(row.hash.as_ref()).unwrap_or_default()),
            commitment: exactly(row.commitment.as_ref()).map(Commitment),
            blind: exactly(row.blind.as_ref()).map(Blind),
        }
    }
}

fn exactly<const N: usize>(stored: Option<&Vec<u8>>) -> Option<[u8; N]> {
    stored.and_then(|bytes| bytes.as_slice().try_into().ok())
}

impl Store {
    /// Begins to read the trail as it is now, whatever is appended meanwhile.
    ///
    /// # Errors
    /// When Postgres does not answer.
    pub async fn snapshot(&self) -> Result<Snapshot, StoreError> {
        let begin = "begin isolation level repeatable read read only";
        let mut transaction = self.pool.begin_with(begin).await?;
        // Reading all of it takes what it takes; the auditor watches and may end it.
        sqlx::raw_sql("set local statement_timeout = 0").execute(&mut *transaction).await?;
        Ok(Snapshot { transaction })
    }
}

impl Snapshot {
    /// Where every chain ends: that of the changes first.
    ///
    /// # Errors
    /// When Postgres does not answer.
    pub async fn heads(&mut self) -> Result<Vec<SignedHead>, StoreError> {
        let rows = head_row!("order by stream").fetch_all(&mut *self.transaction).await?;
        rows.into_iter().map(SignedHead::try_from).collect()
    }

    /// The next passages and inputs of a gate's chain after a position and an id; empty after the last.
    ///
    /// # Errors
    /// When Postgres does not answer.
    pub async fn gate_records(
        &mut self,
        stream: Stream,
        (after, id): (u64, Uuid),
    ) -> Result<Vec<Audited<GateRecord>>, StoreError> {
        let links = sqlx::query_as!(
            LinkRow,
            r#"select kind as "kind!", id as "id!", position as "position!", hash, commitment, blind
               from gate_records where gate_id = $1 and (position, id) > ($2, $3)
               order by position, id limit $4"#,
            stream.0,
            after.cast_signed(),
            id,
            PAGE_RECORDS,
        )
        .fetch_all(&mut *self.transaction)
        .await?;
        let ids: Vec<Uuid> = links.iter().map(|link| link.id).collect();
        let passages = passage_row!("select ", " from passages where id = any($1)", &ids)
            .fetch_all(&mut *self.transaction)
            .await?;
        let inputs =
            input_row!("where id = any($1)", &ids).fetch_all(&mut *self.transaction).await?;
        let passages = passages.into_iter().map(|row| {
            (("passages", row.id), Passage::try_from(row).map(Box::new).map(GateRecord::Passage))
        });
        let inputs = inputs
            .into_iter()
            .map(|row| (("gate_inputs", row.id), GateInput::try_from(row).map(GateRecord::Input)));
        Ok(audited(links, passages.chain(inputs)))
    }

    /// The next changes after a position and an id; empty after the last.
    ///
    /// # Errors
    /// When Postgres does not answer.
    pub async fn changes(
        &mut self,
        (after, id): (u64, Uuid),
    ) -> Result<Vec<Audited<Change>>, StoreError> {
        let links = sqlx::query_as!(
            LinkRow,
            r#"select 'changes' as "kind!", id, position as "position!", hash, commitment, blind
               from changes where (position, id) > ($1, $2) order by position, id limit $3"#,
            after.cast_signed(),
            id,
            PAGE_RECORDS,
        )
        .fetch_all(&mut *self.transaction)
        .await?;
        let ids: Vec<Uuid> = links.iter().map(|link| link.id).collect();
        let rows = change_row!("where id = any($1) and by_limen is not null", &ids,)
            .fetch_all(&mut *self.transaction)
            .await?;
        Ok(audited(links, rows.into_iter().map(|row| (("changes", row.id), Change::try_from(row)))))
    }

    /// The record at a position of a chain and the hash that is stored of it; none where there is no such record.
    ///
    /// # Errors
    /// When Postgres does not answer.
    pub async fn hash_at(
        &mut self,
        stream: Stream,
        position: u64,
    ) -> Result<Option<(Uuid, ChainHash)>, StoreError> {
        let row = sqlx::query!(
            r#"select id as "id!", hash from gate_records where gate_id = $1 and position = $2
               union all select id, hash from changes where $1 = $3 and position = $2 limit 1"#,
            stream.0,
            position.cast_signed(),
            Stream::CHANGES.0,
        );
        let row = row.fetch_optional(&mut *self.transaction).await?;
        Ok(row.map(|row| (row.id, ChainHash(exactly(row.hash.as_ref()).unwrap_or_default()))))
    }

    /// How many passages of each gate are in no chain.
    ///
    /// # Errors
    /// When Postgres does not answer.
    pub async fn unchained_passages(&mut self) -> Result<HashMap<Stream, u64>, StoreError> {
        let rows = sqlx::query!(
            r#"select gate_id, count(*) as "passages!" from passages where position is null
               group by gate_id"#
        );
        let rows = rows.fetch_all(&mut *self.transaction).await?;
        Ok(rows.into_iter().map(|r| (Stream(r.gate_id), r.passages.unsigned_abs())).collect())
    }

    /// Records whose position lies before the beginning of their chain, and those of gates without one: id, stream
    /// and position.
    ///
    /// # Errors
    /// When Postgres does not answer.
    pub async fn out_of_place(&mut self) -> Result<Vec<(Uuid, Stream, i64)>, StoreError> {
        let rows = sqlx::query!(
            r#"select r.id as "id!", r.gate_id as "stream!", r.position as "position!" from gate_records r
               left join chains c on c.stream = r.gate_id
               where r.position is not null and (c.stream is null or r.position <= c.purged)
               union all
               select id, '00000000-0000-0000-0000-000000000000', position from changes where position <= 0"#
        );
        let rows = rows.fetch_all(&mut *self.transaction).await?;
        Ok(rows.into_iter().map(|row| (row.id, Stream(row.stream), row.position)).collect())
    }

    /// Changes that are in no chain: another client of the database made them since Limen last changed
    /// anything.
    ///
    /// # Errors
    /// When Postgres does not answer.
    pub async fn unchained_changes(&mut self) -> Result<Vec<Uuid>, StoreError> {
        let ids = sqlx::query_scalar!("select id from changes where position is null order by id");
        Ok(ids.fetch_all(&mut *self.transaction).await?)
    }

    /// Every gate.
    ///
    /// # Errors
    /// When Postgres does not answer.
    pub async fn gates(&mut self) -> Result<Vec<Uuid>, StoreError> {
        let ids = sqlx::query_scalar!("select id from gates order by id");
        Ok(ids.fetch_all(&mut *self.transaction).await?)
    }
}

/// Where records are.
const TABLES: [&str; 3] = ["passages", "gate_inputs", "changes"];

/// Each link with its record, which is known by its table and its id.
fn audited<T>(
    links: Vec<LinkRow>,
    records: impl Iterator<Item = ((&'static str, Uuid), Result<T, StoreError>)>,
) -> Vec<Audited<T>> {
    let mut records: HashMap<_, _> = records.collect();
    let audited = links.into_iter().map(|row| {
        let table = TABLES.into_iter().find(|table| *table == row.kind);
        let record = table.and_then(|table| records.remove(&(table, row.id)));
        let unreadable = || Err(StoreError::corrupt("a value is none that Limen writes"));
        Audited { id: row.id, link: Link::from(&row), record: record.unwrap_or_else(unreadable) }
    });
    audited.collect()
}
