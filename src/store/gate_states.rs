//! How each gate fares: when it was last heard of, and what it decided of late.

use chrono::{DateTime, TimeDelta, Utc};
use tracing::error;
use uuid::Uuid;

use super::passages::ID_SLACK;
use super::{Store, StoreError};
use crate::domain::{GateId, GateName, PassageId, Reason};

/// How far back "of late" reaches.
const OF_LATE: TimeDelta = TimeDelta::hours(24);

/// Passages that a latency is measured of, the newest ones.
const LATENCY_PASSAGES_MAX: i64 = 200;

/// How a gate fares.
#[derive(Clone, Debug, PartialEq)]
pub struct GateState {
    /// Which.
    pub id: GateId,
    /// What people call it.
    pub name: GateName,
    /// Whether it is switched on.
    pub enabled: bool,
    /// When it last recorded anything, or a key that is bound to it was used, to the minute; none: never.
    pub last_contact_at: Option<DateTime<Utc>>,
    /// What its trail tells; none where that was not asked for.
    pub trail: Option<GateTrail>,
}

/// What the trail tells of a gate.
#[derive(Clone, Debug, PartialEq)]
pub struct GateTrail {
    /// Its last passage; none where there is none, or it cannot be read.
    pub last: Option<LastPassage>,
    /// What it decided within 24 hours.
    pub decisions: DecisionCounts,
    /// How long that took; none where there is nothing to tell it of.
    pub latency: Option<Latency>,
}

/// The last passage of a gate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LastPassage {
    /// Its id.
    pub id: PassageId,
    /// When it was decided.
    pub decided_at: DateTime<Utc>,
    /// Why so.
    pub reason: Reason,
}

/// How many passages were decided in which way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DecisionCounts {
    /// Opened.
    pub grant: u64,
    /// Stayed shut.
    pub deny: u64,
    /// Stayed shut, and another frame might have fared better.
    pub retry: u64,
}

/// From the capture of a passage's (oldest) frame, by the gate's clock, to its decision.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Latency {
    /// The median, in milliseconds; under 0 where the gate's clock runs ahead.
    pub p50_ms: f64,
    /// The 99th percentile.
    pub p99_ms: f64,
    /// Of how many passages.
    pub samples: u64,
}

struct StateRow {
    id: Uuid,
    name: String,
    enabled: bool,
    last_contact_at: Option<DateTime<Utc>>,
    last_id: Option<Uuid>,
    last_decided_at: Option<DateTime<Utc>>,
    last_reason: Option<String>,
    grants: i64,
    denials: i64,
    retries: i64,
    p50_ms: Option<f64>,
    p99_ms: Option<f64>,
    samples: i64,
}

impl StateRow {
    fn last(&self) -> Option<LastPassage> {
        let (id, decided_at) = (self.last_id?, self.last_decided_at?);
        match serde_json::from_value(self.last_reason.clone()?.into()) {
            Ok(reason) => Some(LastPassage { id: PassageId(id), decided_at, reason }),
            Err(error) => {
                error!(%error, passage = %id, "a gate's last passage cannot be read");
                None
            }
        }
    }

    fn read(self, with_trail: bool) -> Result<GateState, StoreError> {
        let trail = with_trail.then(|| GateTrail {
            last: self.last(),
            decisions: DecisionCounts {
                grant: self.grants.unsigned_abs(),
                deny: self.denials.unsigned_abs(),
                retry: self.retries.unsigned_abs(),
            },
            latency: Latency::of(self.p50_ms, self.p99_ms, self.samples),
        });
        Ok(GateState {
            id: GateId(self.id),
            name: self.name.try_into().map_err(StoreError::corrupt)?,
            enabled: self.enabled,
            last_contact_at: self.last_contact_at,
            trail,
        })
    }
}

impl Latency {
    fn of(p50_ms: Option<f64>, p99_ms: Option<f64>, samples: i64) -> Option<Self> {
        let (p50_ms, p99_ms) = (p50_ms?, p99_ms?);
        Some(Self { p50_ms, p99_ms, samples: samples.unsigned_abs() })
    }
}

/// Which gates to tell of.
enum Which {
    One(GateId),
    After(Option<GateId>),
}

impl Store {
    /// How a gate fares; what its trail tells only `with_trail`.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when there is none.
    pub async fn gate_state(&self, id: GateId, with_trail: bool) -> Result<GateState, StoreError> {
        let states = self.states(Which::One(id), with_trail, 1).await?;
        states.into_iter().next().ok_or(StoreError::NotFound("gate"))
    }

    /// How at most `limit` gates fare, in the order of their creation, beginning after `after`.
    ///
    /// # Errors
    /// When Postgres does not answer.
    pub async fn gate_states(
        &self,
        after: Option<GateId>,
        with_trail: bool,
        limit: u32,
    ) -> Result<Vec<GateState>, StoreError> {
        self.states(Which::After(after), with_trail, limit).await
    }

    /// What all gates decided within 24 hours.
    ///
    /// # Errors
    /// When Postgres does not answer.
    pub async fn decisions_of_late(&self) -> Result<DecisionCounts, StoreError> {
        // Gate by gate, in the index alone.
        let row = sqlx::query!(
            r#"select count(*) filter (where decision = 'grant') as "grants!",
                   count(*) filter (where decision = 'deny') as "denials!",
                   count(*) filter (where decision = 'retry') as "retries!"
               from gates g cross join lateral (
                   select decision from passages where gate_id = g.id and decided_at >= $1) p"#,
            self.now().await? - OF_LATE,
        );
        let row = row.fetch_one(&self.pool).await?;
        let [grant, deny, retry] = [row.grants, row.denials, row.retries].map(i64::unsigned_abs);
        Ok(DecisionCounts { grant, deny, retry })
    }

    /// How long the newest decisions of 24 hours took, whichever gate asked; none where there is nothing to tell it of.
    ///
    /// # Errors
    /// When Postgres does not answer.
    pub async fn latency_of_late(&self) -> Result<Option<Latency>, StoreError> {
        let since = self.now().await? - OF_LATE;
        let row = sqlx::query!(
            r#"select percentile_disc(0.5) within group (order by ms) as p50_ms,
                   percentile_disc(0.99) within group (order by ms) as p99_ms, count(*) as "samples!"
               from (
                   select extract(epoch from decided_at - captured_at)::float8 * 1000 as ms
                   from (
                       select decided_at, captured_at, replay_of, reason from passages
                       where id >= $2 order by id desc limit $3) newest
                   where decided_at >= $1 and decided_at < '10000-01-01' and captured_at > '-infinity'
                       and captured_at < '10000-01-01'
                       and replay_of is null and reason not in ('stale_frame', 'frame_from_future')) s"#,
            since,
            PassageId::earliest(since - ID_SLACK).map(|id| id.0),
            LATENCY_PASSAGES_MAX,
        );
        let row = row.fetch_one(&self.pool).await?;
        Ok(Latency::of(row.p50_ms, row.p99_ms, row.samples))
    }

    async fn states(
        &self,
        which: Which,
        with_trail: bool,
        limit: u32,
    ) -> Result<Vec<GateState>, StoreError> {
        let (one, after) = match which {
            Which::One(id) => (Some(id), None),
            Which::After(after) => (None, after),
        };
        let since = self.now().await? - OF_LATE;
        // An event that is repeated, and one whose frame was too old, say nothing of how long a decision takes.
        let rows = sqlx::query_as!(
            StateRow,
            r#"select g.id, g.name, g.enabled,
                   greatest(p.at, i.at, k.at) as "last_contact_at?",
                   p.id as "last_id?", p.at as "last_decided_at?", p.reason as "last_reason?",
                   coalesce(d.grants, 0) as "grants!", coalesce(d.denials, 0) as "denials!",
                   coalesce(d.retries, 0) as "retries!",
                   l.p50_ms as "p50_ms?", l.p99_ms as "p99_ms?", coalesce(l.samples, 0) as "samples!"
               from gates g
               left join lateral (
                   select id, reason,
                       case when decided_at > '-infinity' and decided_at < '10000-01-01' then decided_at end as at
                   from passages where gate_id = g.id order by id desc limit 1) p on true
               left join lateral (
                   select case when recorded_at > '-infinity' and recorded_at < '10000-01-01' then recorded_at end as at
                   from gate_inputs where gate_id = g.id order by id desc limit 1) i on true
               left join lateral (
                   select max(u.last_used_at) as at from api_keys a join api_key_uses u on u.key_id = a.id
                   where a.gate_id = g.id) k on true
               left join lateral (
                   select count(*) filter (where decision = 'grant') as grants,
                       count(*) filter (where decision = 'deny') as denials,
                       count(*) filter (where decision = 'retry') as retries
                   from passages where $1 and gate_id = g.id and decided_at >= $2) d on true
               left join lateral (
                   select percentile_disc(0.5) within group (order by ms) as p50_ms,
                       percentile_disc(0.99) within group (order by ms) as p99_ms, count(*) as samples
                   from (
                       select extract(epoch from decided_at - captured_at)::float8 * 1000 as ms
                       from (
                           select decided_at, captured_at, replay_of, reason from passages
                           where $1 and gate_id = g.id and id >= $3 order by id desc limit $4) newest
                       where decided_at >= $2 and decided_at < '10000-01-01' and captured_at > '-infinity'
                           and captured_at < '10000-01-01'
                           and replay_of is null and reason not in ('stale_frame', 'frame_from_future')) s) l on true
               where ($5::uuid is null or g.id = $5) and ($6::uuid is null or g.id > $6)
               order by g.id limit $7"#,
            with_trail,
            since,
            PassageId::earliest(since - ID_SLACK).map(|id| id.0),
            LATENCY_PASSAGES_MAX,
            one.map(|id| id.0),
            after.map(|id| id.0),
            i64::from(limit),
        )
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter().map(|row| row.read(with_trail)).collect()
    }
}
