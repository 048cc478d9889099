//! The table `passages`: the trail of every decision.

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use super::employees::employee_row;
use super::gates::gate_row;
use super::sites::site_row;
use super::zones::zone_row;
use super::{Store, StoreError};
use crate::domain::{
    Admission, AntiPassback, BadgeId, Decision, Direction, Distance, Employee, EmployeeId, EventId,
    Evidence, FaceId, Gate, GateId, GroupId, KeyId, LastCrossing, LastGate, LivenessScore, ModelId,
    Notice, Passage, PassageId, PassageRequest, Reason, Schedule, ScheduleId, Site, Threshold,
    Validity, Zone, ZoneId,
};

/// What is true in the database at the moment of decision, and stays true until the passage is written.
#[derive(Clone, Debug)]
pub struct Ground {
    /// Whether the key that asks was revoked meanwhile.
    pub key_revoked: bool,
    /// The gate, read again.
    pub gate: Gate,
    /// The employee whom the evidence names, read again; none when removed.
    pub employee: Option<Employee>,
    /// Whether the matched template still exists.
    pub faces_exist: bool,
    /// What is true of the gate's zone; none where the gate has none.
    pub zone: Option<ZoneGround>,
    /// The last gate that the employee was let through, within the gate's debounce.
    pub last_gate: Option<LastGate>,
    /// Where a passage is repeated: the gate that the employee was let through since.
    pub since: Option<GateId>,
    /// The moment of decision.
    pub now: DateTime<Utc>,
}

/// What is true of a zone and the employee at the moment of decision.
#[derive(Clone, Debug)]
pub struct ZoneGround {
    /// The zone.
    pub zone: Zone,
    /// Its site.
    pub site: Site,
    /// The rules of the employee's groups for the zone.
    pub admissions: Vec<Admission>,
    /// The last time that the employee was let through a gate of the zone; read only where the zone asks.
    pub last_crossing: Option<LastCrossing>,
}

/// What the policy made of the ground.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Why the gate opens or not.
    pub reason: Reason,
    /// How long it opens, in milliseconds; 0 unless granted.
    pub open_ms: u32,
    /// What a rule that only reports has to say.
    pub notice: Option<Notice>,
}

/// What became of a passage that was to be recorded.
#[derive(Clone, Debug, PartialEq)]
pub enum Recorded {
    /// It was written.
    New(Passage),
    /// The event had been recorded before; nothing was written.
    Existing(Passage),
}

/// Which passages to list.
#[derive(Clone, Debug, Default)]
pub struct PassageFilter {
    /// Only those of this gate.
    pub gate_id: Option<GateId>,
    /// Only those of the event that a gate calls so.
    pub event_id: Option<EventId>,
    /// Only those of this employee.
    pub employee_id: Option<EmployeeId>,
    /// Only those with this decision.
    pub decision: Option<Decision>,
    /// Only those with this reason.
    pub reason: Option<Reason>,
    /// Only those through gates of this zone, as they then were.
    pub zone_id: Option<ZoneId>,
    /// Only those of which a rule had this to say.
    pub notice: Option<Notice>,
    /// Only those decided at or after this moment.
    pub from: Option<DateTime<Utc>>,
    /// Only those decided before this moment.
    pub until: Option<DateTime<Utc>>,
}

/// A statement that gives whole rows, from what stands before the columns and after them. They are named:
/// Postgres refuses to run a prepared `*` once a migration has added one, and a replica of before would
/// answer nothing until its connections end.
macro_rules! passage_row {
    ($before:literal, $after:literal $(, $value:expr)* $(,)?) => {
        sqlx::query_as!(
            $crate::store::passages::PassageRow,
            $before
                + "id, gate_id, event_id, captured_at, decided_at, decision, reason, open_ms, employee_id,\
             face_ids, badge_id, distance, threshold, liveness, liveness_threshold, model_id, frames,\
             frames_sha256, key_id, replay_of, notice, zone_id, direction"
                + $after
            $(, $value)*
        )
    };
}

struct PassageRow {
    id: Uuid,
    gate_id: Uuid,
    event_id: String,
    captured_at: DateTime<Utc>,
    decided_at: DateTime<Utc>,
    decision: String,
    reason: String,
    open_ms: i32,
    employee_id: Option<Uuid>,
    face_ids: Vec<Uuid>,
    badge_id: Option<String>,
    distance: Option<f32>,
    threshold: Option<f32>,
    liveness: Option<f32>,
    liveness_threshold: Option<f32>,
    model_id: Option<String>,
    frames: i16,
    frames_sha256: Vec<u8>,
    key_id: Uuid,
    replay_of: Option<Uuid>,
    notice: Option<String>,
    zone_id: Option<Uuid>,
    direction: Option<String>,
}

impl TryFrom<PassageRow> for Passage {
    type Error = StoreError;

    fn try_from(row: PassageRow) -> Result<Self, StoreError> {
        let corrupt = |error: &dyn std::fmt::Display| {
            StoreError::corrupt(format!("passage {}: {error}", row.id))
        };
        let reason: Reason = serde_json::from_value(row.reason.into()).map_err(|e| corrupt(&e))?;
        if reason.decision().code() != row.decision {
            return Err(corrupt(&"the decision does not follow from the reason"));
        }
        let liveness = |value: Option<f32>| {
            value.map(LivenessScore::try_from).transpose().map_err(|e| corrupt(&e))
        };
        Ok(Self {
            id: PassageId(row.id),
            request: PassageRequest {
                gate_id: GateId(row.gate_id),
                event_id: row.event_id.parse().map_err(|e| corrupt(&e))?,
                captured_at: row.captured_at,
                badge_id: row
                    .badge_id
                    .map(BadgeId::try_from)
                    .transpose()
                    .map_err(|e| corrupt(&e))?,
                frames_sha256: row
                    .frames_sha256
                    .try_into()
                    .map_err(|_| corrupt(&"the frames' hash is not 32 bytes"))?,
                key_id: KeyId(row.key_id),
            },
            reason,
            evidence: Evidence {
                employee_id: row.employee_id.map(EmployeeId),
                face_ids: row.face_ids.into_iter().map(FaceId).collect(),
                distance: row
                    .distance
                    .map(Distance::try_from)
                    .transpose()
                    .map_err(|e| corrupt(&e))?,
                threshold: row
                    .threshold
                    .map(Threshold::try_from)
                    .transpose()
                    .map_err(|e| corrupt(&e))?,
                liveness: liveness(row.liveness)?,
                liveness_threshold: liveness(row.liveness_threshold)?,
                model_id: row.model_id.map(ModelId::new),
                frames: row.frames.unsigned_abs(),
            },
            open_ms: row.open_ms.unsigned_abs(),
            notice: row
                .notice
                .map(|code| serde_json::from_value(code.into()))
                .transpose()
                .map_err(|e| corrupt(&e))?,
            zone_id: row.zone_id.map(ZoneId),
            direction: row.direction.as_deref().map(Direction::from_stored).transpose()?,
            decided_at: row.decided_at,
            replay_of: row.replay_of.map(PassageId),
        })
    }
}

impl Store {
    /// Decides and records a passage in one transaction.
    ///
    /// The key, the gate with its zone, and the employee, template and access that `evidence` names are
    /// read again under locks that hold until the passage is committed, and `decide` judges what was read.
    /// So a change that was acknowledged before is seen, and one that comes later waits: a revocation that
    /// was acknowledged is never followed by a grant. Where it matters where the employee last passed, one
    /// passage of theirs is decided after another. All times are Postgres': the clocks of replicas differ.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when the gate is gone; [`StoreError::Unavailable`] when the
    /// commit is not certain: the caller must then deny.
    pub async fn record_passage(
        &self,
        request: PassageRequest,
        evidence: Evidence,
        decide: impl FnOnce(&Ground) -> Verdict,
    ) -> Result<Recorded, StoreError> {
        let mut transaction = self.pool.begin().await?;
        let ground = ground(&mut transaction, &request, &evidence, None).await?;
        let verdict = decide(&ground);
        let passage = Passage {
            id: PassageId::generate(),
            request,
            reason: verdict.reason,
            evidence,
            open_ms: verdict.open_ms,
            notice: verdict.notice,
            zone_id: ground.gate.policy.zone_id,
            direction: Some(ground.gate.policy.direction),
            decided_at: ground.now,
            replay_of: None,
        };
        if insert(&mut transaction, &passage).await? {
            transaction.commit().await?;
            return Ok(Recorded::New(passage));
        }
        transaction.rollback().await?;
        self.passage_of_event(passage.request.gate_id, &passage.request.event_id)
            .await?
            .map(Recorded::Existing)
            .ok_or(StoreError::NotFound("passage"))
    }

    /// Judges a recorded grant again because its event was repeated with the key `asking`, and says when.
    /// When it no longer holds, a passage of its own records the refusal, which is the answer from then on:
    /// the trail's last word on an event is what its gate was told last. Otherwise nothing is written, and it
    /// is answered for as long as the gate opens now.
    ///
    /// # Errors
    /// As [`Store::record_passage`].
    pub async fn confirm_passage(
        &self,
        passage: Passage,
        asking: KeyId,
        decide: impl FnOnce(&Ground) -> Verdict,
    ) -> Result<(Passage, DateTime<Utc>), StoreError> {
        let mut transaction = self.pool.begin().await?;
        let request = PassageRequest { key_id: asking, ..passage.request.clone() };
        let ground = ground(&mut transaction, &request, &passage.evidence, Some(&passage)).await?;
        let withdrawn = passage_row!(
            "select ",
            " from passages where replay_of = $1 order by id limit 1",
            passage.id.0,
        );
        if let Some(refusal) = withdrawn.fetch_optional(&mut *transaction).await? {
            return Ok((refusal.try_into()?, ground.now));
        }
        let verdict = decide(&ground);
        if verdict.reason == passage.reason {
            transaction.commit().await?;
            return Ok((Passage { open_ms: verdict.open_ms, ..passage }, ground.now));
        }
        let refusal = Passage {
            id: PassageId::generate(),
            reason: verdict.reason,
            open_ms: verdict.open_ms,
            notice: verdict.notice,
            zone_id: ground.gate.policy.zone_id,
            direction: Some(ground.gate.policy.direction),
            decided_at: ground.now,
            replay_of: Some(passage.id),
            request,
            ..passage
        };
        if insert(&mut transaction, &refusal).await? {
            transaction.commit().await?;
            return Ok((refusal, ground.now));
        }
        transaction.rollback().await?;
        let refusal = passage_row!(
            "select ",
            " from passages where replay_of = $1 and reason = $2",
            passage.id.0,
            refusal.reason.code(),
        )
        .fetch_one(&self.pool)
        .await?
        .try_into()?;
        Ok((refusal, ground.now))
    }

    /// The passage of this event, if it was recorded.
    ///
    /// # Errors
    /// When Postgres does not answer.
    pub async fn passage_of_event(
        &self,
        gate: GateId,
        event: &EventId,
    ) -> Result<Option<Passage>, StoreError> {
        passage_row!(
            "select ",
            " from passages where gate_id = $1 and event_id = $2 and replay_of is null",
            gate.0,
            event.as_str(),
        )
        .fetch_optional(&self.pool)
        .await?
        .map(Passage::try_from)
        .transpose()
    }

    /// One passage.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when there is none.
    pub async fn passage(&self, id: PassageId) -> Result<Passage, StoreError> {
        passage_row!("select ", " from passages where id = $1", id.0)
            .fetch_optional(&self.pool)
            .await?
            .ok_or(StoreError::NotFound("passage"))?
            .try_into()
    }

    /// At most `limit` passages, the newest first, beginning before `before`.
    ///
    /// # Errors
    /// When Postgres does not answer.
    pub async fn passages(
        &self,
        filter: &PassageFilter,
        before: Option<PassageId>,
        limit: u32,
    ) -> Result<Vec<Passage>, StoreError> {
        passage_row!(
            "select ",
            " from passages
             where ($1::uuid is null or id < $1)
               and ($2::uuid is null or gate_id = $2)
               and ($3::uuid is null or employee_id = $3)
               and ($4::text is null or decision = $4)
               and ($5::text is null or reason = $5)
               and ($6::timestamptz is null or decided_at >= $6)
               and ($7::timestamptz is null or decided_at < $7)
               and ($8::uuid is null or id >= $8)
               and ($9::uuid is null or id < $9)
               and ($10::text is null or event_id = $10)
               and ($11::uuid is null or zone_id = $11)
               and ($12::text is null or notice = $12)
             order by id desc
             limit $13",
            before.map(|id| id.0),
            filter.gate_id.map(|id| id.0),
            filter.employee_id.map(|id| id.0),
            filter.decision.map(Decision::code),
            filter.reason.map(Reason::code),
            filter.from,
            filter.until,
            filter.from.and_then(|from| PassageId::earliest(from - ID_SLACK)).map(|id| id.0),
            filter.until.and_then(|until| PassageId::earliest(until + ID_SLACK)).map(|id| id.0),
            filter.event_id.as_ref().map(EventId::as_str),
            filter.zone_id.map(|id| id.0),
            filter.notice.map(Notice::code),
            i64::from(limit),
        )
        .fetch_all(&self.pool)
        .await?
        .into_iter()
        .map(Passage::try_from)
        .collect()
    }
}

/// How far the time in a passage's id may lie from the time of its decision. The ids only bound the
/// part of the trail that is read; the times decide.
const ID_SLACK: TimeDelta = TimeDelta::minutes(1);

/// The advisory lock that every passage takes shared, and every change of a gate, a key, a site, a zone, a
/// schedule, a group or a membership exclusively, by a trigger: `migrations/0008_access_lock.sql`. Postgres
/// lets nobody overtake a change that waits for it; rows locked for share it would leave to starve.
const ACCESS_LOCK: i64 = 119_200_062_729_729;

/// Reads what the decision rests on, under locks that keep it true until the commit; as if the passage
/// `repeated` had not been.
async fn ground(
    connection: &mut PgConnection,
    request: &PassageRequest,
    evidence: &Evidence,
    repeated: Option<&Passage>,
) -> Result<Ground, StoreError> {
    // Before any row: a change takes it before its rows too.
    sqlx::query!("select pg_advisory_xact_lock_shared($1)", ACCESS_LOCK)
        .execute(&mut *connection)
        .await?;
    let gate: Gate = gate_row!("select ", " from gates where id = $1", request.gate_id.0)
        .fetch_optional(&mut *connection)
        .await?
        .ok_or(StoreError::NotFound("gate"))?
        .try_into()?;
    let key_revoked = sqlx::query_scalar!(
        r#"select revoked_at is not null as "revoked!" from api_keys where id = $1"#,
        request.key_id.0
    )
    .fetch_optional(&mut *connection)
    .await?
    .unwrap_or(true);
    let employee = employee_row!(
        "select ",
        " from employees where id = $1 for share",
        evidence.employee_id.map(|id| id.0),
    )
    .fetch_optional(&mut *connection)
    .await?
    .map(Employee::try_from)
    .transpose()?;
    let face_ids: Vec<Uuid> = evidence.face_ids.iter().map(|id| id.0).collect();
    let faces = sqlx::query_scalar!(
        "select id from face_encodings where id = any($1) and employee_id = $2 for share",
        &face_ids,
        evidence.employee_id.map(|id| id.0),
    )
    .fetch_all(&mut *connection)
    .await?;
    let faces_exist = !face_ids.is_empty() && faces.len() == face_ids.len();
    let zone = match gate.policy.zone_id {
        Some(zone) => Some(zone_ground(connection, zone, evidence.employee_id).await?),
        None => None,
    };
    let mut ground = Ground {
        key_revoked,
        gate,
        employee,
        faces_exist,
        zone,
        last_gate: None,
        since: None,
        now: DateTime::default(),
    };
    if let Some(employee) = evidence.employee_id {
        retrace(connection, &mut ground, employee, repeated).await?;
    }
    // Behind every lock that was waited for.
    ground.now = now(connection).await?;
    Ok(ground)
}

/// The time by the one clock that all replicas share.
async fn now(connection: &mut PgConnection) -> Result<DateTime<Utc>, StoreError> {
    let now = sqlx::query_scalar!(r#"select clock_timestamp() as "now!""#);
    Ok(now.fetch_one(connection).await?)
}

/// The zone, its site and what lets the employee in.
async fn zone_ground(
    connection: &mut PgConnection,
    zone: ZoneId,
    employee: Option<EmployeeId>,
) -> Result<ZoneGround, StoreError> {
    let zone: Zone = zone_row!("select ", " from zones where id = $1", zone.0)
        .fetch_one(&mut *connection)
        .await?
        .try_into()?;
    let site = site_row!("select ", " from sites where id = $1", zone.site_id.0)
        .fetch_one(&mut *connection)
        .await?
        .try_into()?;
    let rows = sqlx::query_as!(
        AdmissionRow,
        "select m.group_id, m.valid_from, m.valid_until, s.id as schedule_id, s.name, s.hours,
             s.on_holidays, s.created_at, s.updated_at
         from group_members m
         join access_rules r on r.group_id = m.group_id
         join schedules s on s.id = r.schedule_id
         where m.employee_id = $1 and r.zone_id = $2",
        employee.map(|id| id.0),
        zone.id.0,
    )
    .fetch_all(&mut *connection)
    .await?;
    let admissions = rows.into_iter().map(Admission::try_from).collect::<Result<_, _>>()?;
    Ok(ZoneGround { zone, site, admissions, last_crossing: None })
}

struct AdmissionRow {
    group_id: Uuid,
    valid_from: Option<DateTime<Utc>>,
    valid_until: Option<DateTime<Utc>>,
    schedule_id: Uuid,
    name: String,
    hours: serde_json::Value,
    on_holidays: bool,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl TryFrom<AdmissionRow> for Admission {
    type Error = StoreError;

    fn try_from(row: AdmissionRow) -> Result<Self, StoreError> {
        Ok(Self {
            group_id: GroupId(row.group_id),
            validity: Validity { from: row.valid_from, until: row.valid_until },
            schedule: Schedule {
                id: ScheduleId(row.schedule_id),
                name: row.name.try_into().map_err(StoreError::corrupt)?,
                hours: serde_json::from_value(row.hours).map_err(StoreError::corrupt)?,
                on_holidays: row.on_holidays,
                created_at: row.created_at,
                updated_at: row.updated_at,
            },
        })
    }
}

/// Reads where the employee last passed, where the policy asks for it or a passage is repeated. From then until
/// the commit every other passage of the employee's that asks for it waits.
async fn retrace(
    connection: &mut PgConnection,
    ground: &mut Ground,
    employee: EmployeeId,
    repeated: Option<&Passage>,
) -> Result<(), StoreError> {
    let debounce = TimeDelta::milliseconds(ground.gate.policy.debounce_ms.into());
    let guarded = ground.zone.as_mut().filter(|z| z.zone.anti_passback != AntiPassback::Off);
    if debounce.is_zero() && guarded.is_none() && repeated.is_none() {
        return Ok(());
    }
    // The random half of a UUIDv7.
    let lock = employee.0.as_u64_pair().1.cast_signed();
    sqlx::query!("select pg_advisory_xact_lock($1)", lock).execute(&mut *connection).await?;
    // What a passage that was waited for has done is seen by the statements after, and lies before now.
    let now = now(connection).await?;
    if let Some(repeated) = repeated {
        let last = last_grant(connection, employee, repeated.decided_at, repeated.id).await?;
        ground.since = last.map(|last| last.gate_id);
    }
    let except = repeated.map_or(PassageId(Uuid::nil()), |passage| passage.id);
    if !debounce.is_zero() {
        ground.last_gate = last_grant(connection, employee, now - debounce, except).await?;
    }
    if let Some(ZoneGround { zone, last_crossing, .. }) = guarded {
        let since = now - TimeDelta::seconds(zone.anti_passback_reset_s.into());
        let row = sqlx::query!(
            r#"select direction as "direction!", decided_at from passages
             where employee_id = $1 and decision = 'grant' and zone_id = $2 and id <> $3
               and id >= $4 and direction is not null
               and decided_at > greatest($5, (
                   select max(pardoned_at) from pardons where employee_id = $1 and zone_id = $2))
             order by decided_at desc limit 1"#,
            employee.0,
            zone.id.0,
            except.0,
            PassageId::earliest(since - ID_SLACK).map(|id| id.0),
            since,
        )
        .fetch_optional(&mut *connection)
        .await?;
        *last_crossing = row
            .map(|row| {
                let direction = Direction::from_stored(&row.direction)?;
                Ok::<_, StoreError>(LastCrossing { direction, at: row.decided_at })
            })
            .transpose()?;
    }
    Ok(())
}

/// The last gate that an employee was let through after a moment, but for one passage.
async fn last_grant(
    connection: &mut PgConnection,
    employee: EmployeeId,
    since: DateTime<Utc>,
    except: PassageId,
) -> Result<Option<LastGate>, StoreError> {
    let row = sqlx::query!(
        "select gate_id, decided_at from passages
         where employee_id = $1 and decision = 'grant' and id <> $2 and id >= $3 and decided_at > $4
         order by decided_at desc limit 1",
        employee.0,
        except.0,
        PassageId::earliest(since - ID_SLACK).map(|id| id.0),
        since,
    )
    .fetch_optional(connection)
    .await?;
    Ok(row.map(|row| LastGate { gate_id: GateId(row.gate_id), at: row.decided_at }))
}

/// Writes a passage; false when its event, or this refusal of a repeated one, was recorded before.
async fn insert(connection: &mut PgConnection, passage: &Passage) -> Result<bool, StoreError> {
    let Passage { request, evidence, .. } = passage;
    let inserted = sqlx::query!(
        "insert into passages
             (id, gate_id, event_id, captured_at, decided_at, decision, reason, open_ms,
              employee_id, face_ids, badge_id, distance, threshold, liveness, liveness_threshold,
              model_id, frames, frames_sha256, key_id, replay_of, notice, zone_id, direction)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18,
              $19, $20, $21, $22, $23)
         on conflict do nothing",
        passage.id.0,
        request.gate_id.0,
        request.event_id.as_str(),
        request.captured_at,
        passage.decided_at,
        passage.reason.decision().code(),
        passage.reason.code(),
        passage.open_ms as i32,
        evidence.employee_id.map(|id| id.0),
        &evidence.face_ids.iter().map(|id| id.0).collect::<Vec<_>>(),
        request.badge_id.as_ref().map(BadgeId::as_str),
        evidence.distance.map(Distance::value),
        evidence.threshold.map(Threshold::value),
        evidence.liveness.map(LivenessScore::value),
        evidence.liveness_threshold.map(LivenessScore::value),
        evidence.model_id.as_ref().map(ModelId::as_str),
        evidence.frames as i16,
        &request.frames_sha256,
        request.key_id.0,
        passage.replay_of.map(|id| id.0),
        passage.notice.map(Notice::code),
        passage.zone_id.map(|id| id.0),
        passage.direction.map(Direction::code),
    )
    .execute(connection)
    .await?;
    Ok(inserted.rows_affected() == 1)
}
