//! The trail as those follow it who remember how far they are: the position of each gate.

use std::collections::HashMap;

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::postgres::PgListener;
use tracing::error;
use uuid::Uuid;

use super::gate_inputs::InputRow;
use super::{Store, StoreError};
use crate::domain::{
    Direction, EmployeeId, GateEvent, GateId, GateInput, PassageEvent, PassageId, PlacedInput,
    Stream, ZoneId,
};

/// The channel on which it is told that passages or inputs were recorded; the payload is empty.
const PASSAGES_CHANNEL: &str = "limen_passages";

/// How far somebody is: of each gate the position of the last record that was seen. Of a gate that is not
/// there, nothing was.
pub type Positions = HashMap<GateId, u64>;

/// From where on the trail is followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Since {
    /// From what comes from now on.
    Now,
    /// From after what was told up to this moment, or up to now where that is earlier; and before that from the first
    /// passage that was decided, or input that was recorded, within what may be committed late.
    Moment(DateTime<Utc>),
}

/// How much later than it was decided a passage may be committed. Who resumes by a moment goes back by this.
const LATE: TimeDelta = TimeDelta::minutes(1);

/// In which order what several gates have recorded is told, up to a limit; each gate's is in its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventOrder {
    /// By [`Told::moment`], so that it says how far somebody is.
    Moments,
    /// The first of each gate, then the second of each: none waits for what another has piled up.
    GatesInTurn,
}

/// A record that is told of, and the moment from which on everything that is told later by [`EventOrder::Moments`] was
/// decided or recorded, but for what was committed late.
#[derive(Clone, Debug, PartialEq)]
pub struct Told {
    /// The record.
    pub event: GateEvent,
    /// The latest moment among what was read of the gate up to here; never ahead of Postgres' clock.
    pub moment: DateTime<Utc>,
}

/// A passage, or an input where `input` is set.
struct EventRow {
    id: Uuid,
    gate_id: Uuid,
    position: i64,
    /// None where it lies beyond what a moment can be.
    recorded_at: Option<DateTime<Utc>>,
    reason: Option<String>,
    notice: Option<String>,
    zone_id: Option<Uuid>,
    direction: Option<String>,
    employee_id: Option<Uuid>,
    badge_id: Option<String>,
    open_ms: Option<i32>,
    replay_of: Option<Uuid>,
    input: Option<String>,
    event_id: Option<String>,
    passage_id: Option<Uuid>,
    happened_at: Option<DateTime<Utc>>,
    key_id: Option<Uuid>,
    moment: DateTime<Utc>,
}

impl From<EventRow> for Told {
    fn from(row: EventRow) -> Self {
        let (moment, gate_id, position) =
            (row.moment, GateId(row.gate_id), row.position.unsigned_abs());
        let read = if row.input.is_some() {
            input(row).map(|input| GateEvent::Input(PlacedInput { position, input }))
        } else {
            passage(row).map(GateEvent::Passage)
        };
        let event = read.unwrap_or_else(|error| {
            // Whoever altered a record, or a newer replica that knows more, keeps nobody from what comes after it.
            error!(%gate_id, position, %error, "those who follow the trail are told of a record that cannot be read");
            GateEvent::Unreadable { gate_id, position }
        });
        Self { event, moment }
    }
}

fn passage(row: EventRow) -> Result<PassageEvent, StoreError> {
    let corrupt =
        |error: &dyn std::fmt::Display| StoreError::corrupt(format!("passage {}: {error}", row.id));
    Ok(PassageEvent {
        gate_id: GateId(row.gate_id),
        position: row.position.unsigned_abs(),
        passage_id: PassageId(row.id),
        decided_at: row.recorded_at.ok_or_else(|| corrupt(&"its time"))?,
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
        open_ms: row.open_ms.unwrap_or_default().unsigned_abs(),
        replay_of: row.replay_of.map(PassageId),
    })
}

fn input(row: EventRow) -> Result<GateInput, StoreError> {
    let missing = || StoreError::corrupt(format!("input {}: a value is missing", row.id));
    InputRow {
        id: row.id,
        gate_id: row.gate_id,
        event_id: row.event_id.ok_or_else(missing)?,
        input: row.input.ok_or_else(missing)?,
        passage_id: row.passage_id,
        happened_at: row.happened_at.ok_or_else(missing)?,
        recorded_at: row.recorded_at.ok_or_else(missing)?,
        key_id: row.key_id.ok_or_else(missing)?,
    }
    .try_into()
}

impl Store {
    /// Where those stand who follow these gates, or all, from then on; and the moment up to which they were told, by
    /// Postgres' clock.
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
        let told = match since {
            Since::Now => None,
            // Nobody was told of what is to come.
            Since::Moment(moment) => Some(moment.min(now)),
        };
        let rows = sqlx::query!(
            // Of what was decided within a minute of the first: whatever was decided later has no lower position.
            // Asked for the least position alone, Postgres would walk through a gate's whole trail to it.
            r#"select stream, coalesce(
                   (select min(position) - 1 from (
                        select position from gate_records, (
                            select min(recorded_at) as first from gate_records
                            where gate_id = stream and recorded_at >= $3 and position is not null) as since
                        where gate_id = stream and recorded_at between first and first + interval '1 minute'
                        offset 0) as these),
                   length) as "position!"
               from chains
               where stream <> $1 and ($2::uuid[] is null or stream = any($2))"#,
            Stream::CHANGES.0,
            uuids(gates) as Option<Vec<Uuid>>,
            told.map(|moment| moment - LATE),
        )
        .fetch_all(&self.pool)
        .await?;
        let positions =
            rows.into_iter().map(|row| (GateId(row.stream), row.position.unsigned_abs())).collect();
        Ok((positions, told.unwrap_or(now)))
    }

    /// At most `limit` passages and inputs after the positions that were seen, of these gates or of all: each gate's
    /// in their order and without a gap, but for those that were purged.
    ///
    /// # Errors
    /// When Postgres does not answer.
    pub async fn events_after(
        &self,
        seen: &Positions,
        gates: Option<&[GateId]>,
        order: EventOrder,
        limit: u32,
    ) -> Result<Vec<Told>, StoreError> {
        let (streams, positions): (Vec<Uuid>, Vec<i64>) =
            seen.iter().map(|(gate, position)| (gate.0, position.cast_signed())).unzip();
        let rows = sqlx::query_as!(
            EventRow,
            // What a moment can be that is written as text (RFC 3339). One that is ahead of the clock, which was set back
            // or tampered with, says nothing of how far anybody is.
            r#"select id as "id!", gate_id as "gate_id!", found.position as "position!",
                   recorded_at, reason, notice, zone_id, direction, employee_id, badge_id,
                   open_ms, replay_of, input, event_id, passage_id, happened_at, key_id,
                   coalesce(max(recorded_at) filter (where recorded_at <= now())
                       over (partition by gate_id order by found.position), to_timestamp(0)) as "moment!"
               from chains
               left join unnest($1::uuid[], $2::bigint[]) as seen (of_gate, position) on of_gate = stream
               cross join lateral (
                   (select p.id, p.gate_id, p.position,
                        case when p.decided_at >= '0001-01-01 00:00Z BC' and p.decided_at < '10000-01-01 00:00Z'
                            then p.decided_at end as recorded_at,
                        reason, notice, zone_id,
                        direction, employee_id, badge_id, open_ms, replay_of, null as input, null as event_id,
                        null::uuid as passage_id, null::timestamptz as happened_at, null::uuid as key_id
                    from passages p
                    where p.gate_id = stream and p.position > coalesce(seen.position, 0)
                    order by p.position
                    limit $4)
                   union all
                   (select i.id, i.gate_id, i.position,
                        case when i.recorded_at >= '0001-01-01 00:00Z BC' and i.recorded_at < '10000-01-01 00:00Z'
                            then i.recorded_at end,
                        null, null, null, null, null, null, null, null, i.input, i.event_id, i.passage_id,
                        case when i.happened_at >= '0001-01-01 00:00Z BC' and i.happened_at < '10000-01-01 00:00Z'
                            then i.happened_at end,
                        i.key_id
                    from gate_inputs i
                    where i.gate_id = stream and i.position > coalesce(seen.position, 0)
                    order by i.position
                    limit $4)
                   order by position
                   limit $4
               ) as found
               where stream <> $5 and ($3::uuid[] is null or stream = any($3))
                   and length > coalesce(seen.position, 0)
               order by case when $6 then row_number() over (partition by gate_id order by found.position) end,
                   "moment!", gate_id, found.position
               limit $4"#,
            &streams,
            &positions,
            uuids(gates) as Option<Vec<Uuid>>,
            i64::from(limit),
            Stream::CHANGES.0,
            order == EventOrder::GatesInTurn,
        );
        Ok(rows.fetch_all(&self.pool).await?.into_iter().map(Told::from).collect())
    }

    /// Waits until this replica has recorded a passage or an input; at once, when it has since it was last waited.
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
