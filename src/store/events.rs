//! The trail as those follow it who remember how far they are: the position of each gate.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use sqlx::postgres::PgListener;
use uuid::Uuid;

use super::{Store, StoreError};
use crate::domain::{Direction, EmployeeId, GateId, PassageEvent, PassageId, Stream, ZoneId};

/// The channel on which it is told that passages were recorded; the payload is empty.
const PASSAGES_CHANNEL: &str = "limen_passages";

/// How far somebody is: of each gate the position of the last passage that was seen. Of a gate that is not
/// there, nothing was.
pub type Positions = HashMap<GateId, u64>;

/// From where on the trail is followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Since {
    /// From what comes from now on.
    Now,
    /// From the first passage that was decided at this moment or later.
    Moment(DateTime<Utc>),
}

/// A passage that is told of, and the moment from which on everything that is told later was decided, but for
/// what was committed late.
#[derive(Clone, Debug, PartialEq)]
pub struct Told {
    /// The passage.
    pub event: PassageEvent,
    /// The latest moment of decision among what was read of the gate up to here.
    pub moment: DateTime<Utc>,
}

struct EventRow {
    passage_id: Uuid,
    gate_id: Uuid,
    position: i64,
    decided_at: DateTime<Utc>,
    reason: String,
    notice: Option<String>,
    zone_id: Option<Uuid>,
    direction: Option<String>,
    employee_id: Option<Uuid>,
    badge_id: Option<String>,
    open_ms: i32,
    replay_of: Option<Uuid>,
    moment: DateTime<Utc>,
}

impl TryFrom<EventRow> for Told {
    type Error = StoreError;

    fn try_from(row: EventRow) -> Result<Self, StoreError> {
        let corrupt = |error: &dyn std::fmt::Display| {
            StoreError::corrupt(format!("passage {}: {error}", row.passage_id))
        };
        let event = PassageEvent {
            gate_id: GateId(row.gate_id),
            position: row.position.unsigned_abs(),
            passage_id: PassageId(row.passage_id),
            decided_at: row.decided_at,
            reason: serde_json::from_value(row.reason.into()).map_err(|e| corrupt(&e))?,
            notice: row
                .notice
                .map(|code| serde_json::from_value(code.into()))
                .transpose()
                .map_err(|e| corrupt(&e))?,
            zone_id: row.zone_id.map(ZoneId),
            direction: row.direction.as_deref().map(Direction::from_stored).transpose()?,
            employee_id: row.employee_id.map(EmployeeId),
            badge_id: row.badge_id.map(TryInto::try_into).transpose().map_err(|e| corrupt(&e))?,
            open_ms: row.open_ms.unsigned_abs(),
            replay_of: row.replay_of.map(PassageId),
        };
        Ok(Self { event, moment: row.moment })
    }
}

impl Store {
    /// Where those stand who follow these gates, or all, from then on; and Postgres' time.
    ///
    /// # Errors
    /// When Postgres does not answer.
    pub async fn positions(
        &self,
        gates: Option<&[GateId]>,
        since: Since,
    ) -> Result<(Positions, DateTime<Utc>), StoreError> {
        // Before the positions, so that what they leave out is not older.
        let now = sqlx::query_scalar!(r#"select now() as "now!""#).fetch_one(&self.pool).await?;
        let moment = match since {
            Since::Now => None,
            Since::Moment(moment) => Some(moment),
        };
        let rows = sqlx::query!(
            // Of what was decided within a minute of the first: whatever was decided later has no lower position.
            // Asked for the least position alone, Postgres would walk through a gate's whole trail to it.
            r#"select stream, coalesce(
                   (select min(position) - 1 from (
                        select position from passages, (
                            select min(decided_at) as first from passages
                            where gate_id = stream and decided_at >= $3 and position is not null) as since
                        where gate_id = stream and decided_at between first and first + interval '1 minute'
                        offset 0) as these),
                   length) as "position!"
               from chains
               where stream <> $1 and ($2::uuid[] is null or stream = any($2))"#,
            Stream::CHANGES.0,
            uuids(gates) as Option<Vec<Uuid>>,
            moment,
        )
        .fetch_all(&self.pool)
        .await?;
        let positions =
            rows.into_iter().map(|row| (GateId(row.stream), row.position.unsigned_abs())).collect();
        Ok((positions, now))
    }

    /// At most `limit` passages after the positions that were seen, of these gates or of all: each gate's in their
    /// order and without a gap, but for those that were purged.
    ///
    /// # Errors
    /// When Postgres does not answer.
    pub async fn events_after(
        &self,
        seen: &Positions,
        gates: Option<&[GateId]>,
        limit: u32,
    ) -> Result<Vec<Told>, StoreError> {
        let (streams, positions): (Vec<Uuid>, Vec<i64>) =
            seen.iter().map(|(gate, position)| (gate.0, position.cast_signed())).unzip();
        sqlx::query_as!(
            EventRow,
            r#"select found.id as "passage_id!", found.gate_id as "gate_id!", found.position as "position!",
                   found.decided_at as "decided_at!", found.reason as "reason!", found.notice, found.zone_id,
                   found.direction, found.employee_id, found.badge_id, found.open_ms as "open_ms!",
                   found.replay_of,
                   max(found.decided_at) over (partition by found.gate_id order by found.position) as "moment!"
               from chains
               left join unnest($1::uuid[], $2::bigint[]) as seen (gate_id, position)
                   on seen.gate_id = stream
               cross join lateral (
                   select id, passages.gate_id, passages.position, decided_at, reason, notice, zone_id,
                       direction, employee_id, badge_id, open_ms, replay_of
                   from passages
                   where passages.gate_id = stream and passages.position > coalesce(seen.position, 0)
                   order by passages.position
                   limit $4
               ) as found
               where stream <> $5 and ($3::uuid[] is null or stream = any($3))
                   and length > coalesce(seen.position, 0)
               order by "moment!", found.gate_id, found.position
               limit $4"#,
            &streams,
            &positions,
            uuids(gates) as Option<Vec<Uuid>>,
            i64::from(limit),
            Stream::CHANGES.0,
        )
        .fetch_all(&self.pool)
        .await?
        .into_iter()
        .map(Told::try_from)
        .collect()
    }

    /// Waits until this replica has recorded a passage; at once, when it has since it was last waited.
    pub async fn passage_was_recorded(&self) {
        self.recorded.notified().await;
    }

    /// Tells every replica that passages were recorded.
    ///
    /// # Errors
    /// When Postgres does not answer.
    pub async fn tell_of_passages(&self) -> Result<(), StoreError> {
        sqlx::query!(r#"select pg_notify($1, '') as "told!: String""#, PASSAGES_CHANNEL)
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// Hears of passages, on a connection beside those of `connections_max`.
    ///
    /// # Errors
    /// When Postgres does not answer.
    pub async fn listen_passages(&self) -> Result<PassageListener, StoreError> {
        Ok(PassageListener(self.listen(PASSAGES_CHANNEL).await?))
    }
}

/// Hears of passages.
#[derive(Debug)]
pub struct PassageListener(PgListener);

impl PassageListener {
    /// Waits until there may be new ones.
    ///
    /// # Errors
    /// When the connection is lost and cannot be made again.
    pub async fn next(&mut self) -> Result<(), StoreError> {
        self.0.try_recv().await?;
        Ok(())
    }
}

fn uuids(gates: Option<&[GateId]>) -> Option<Vec<Uuid>> {
    gates.map(|gates| gates.iter().map(|gate| gate.0).collect())
}
