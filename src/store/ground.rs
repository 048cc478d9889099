//! What a decision rests on, read under locks that keep it true until the passage is written.

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use super::StoreError;
use super::employees::employee_row;
use super::gates::gate_row;
use super::passages::ID_SLACK;
use super::sites::site_row;
use super::zones::zone_row;
use crate::domain::{
    Admission, AntiPassback, Direction, Employee, EmployeeId, EmployeeStatus, Evidence, Gate,
    GateId, GroupId, KeyId, LastCrossing, LastGate, Passage, PassageId, PassageRequest, Schedule,
    ScheduleId, Site, Stream, Validity, Zone, ZoneId,
};

/// What is true in the database at the moment of decision, and stays true until the passage is written.
#[derive(Clone, Debug)]
pub struct Ground {
    /// Whether the key that asks was revoked meanwhile, or has ended.
    pub key_revoked: bool,
    /// The gate, read again.
    pub gate: Gate,
    /// The employee whom the evidence names, read again; none when removed.
    pub employee: Option<Employee>,
    /// Those of the suspects, the employee too, who are blocked.
    pub blocked: Vec<EmployeeId>,
    /// Whether the matched template still exists.
    pub faces_exist: bool,
    /// What is true of the gate's zone; none where the gate has none.
    pub zone: Option<ZoneGround>,
    /// The last gate that the employee was let through, within the longest debounce that there is.
    pub last_gate: Option<LastGate>,
    /// Where a passage is repeated: the gate that the employee was let through since.
    pub since: Option<LastGate>,
    /// Where a passage is repeated: the passage, if its gate has said what became of the grant.
    pub settled: Option<PassageId>,
    /// Where a passage is repeated: whether anybody may have come onto the blocklist since, or got a face there.
    pub blocked_since: bool,
    /// How many administrative changes there have been.
    pub policy_version: u64,
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

/// The advisory lock that every passage takes shared, and every change of a gate, a key, a site, a zone, a
/// schedule, a group or a membership exclusively, by a trigger: `migrations/0008_access_lock.sql`. Postgres
/// lets nobody overtake a change that waits for it; rows locked for share it would leave to starve.
pub(super) const ACCESS_LOCK: i64 = 119_200_062_729_729;

/// Longer than a change takes, whose rows say when it began.
const CHANGE_MAX: TimeDelta = TimeDelta::minutes(1);

/// The longest `debounce_ms` of a gate.
const DEBOUNCE_MAX: TimeDelta = TimeDelta::minutes(10);

/// Reads what the decision rests on, under locks that keep it true until the commit; as if the passage
/// `repeated` had not been.
pub(super) async fn ground(
    connection: &mut PgConnection,
    request: &PassageRequest,
    evidence: &Evidence,
    suspects: &[EmployeeId],
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
    let key_revoked = key_has_ended(connection, request.key_id).await?;
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
        blocked: Vec::new(),
        faces_exist,
        zone,
        last_gate: None,
        since: None,
        settled: None,
        blocked_since: false,
        policy_version: 0,
        now: DateTime::default(),
    };
    if let Some(employee) = evidence.employee_id {
        retrace(connection, &mut ground, employee, repeated).await?;
    }
    // Behind every lock that was waited for.
    ground.blocked = blocked(connection, ground.employee.as_ref(), suspects).await?;
    if let Some(passage) = repeated {
        ground.blocked_since = blocked_since(connection, passage.decided_at).await?;
    }
    let moment = sqlx::query!(
        r#"select clock_timestamp() as "now!", length as changes from chains where stream = $1"#,
        Stream::CHANGES.0,
    )
    .fetch_one(&mut *connection)
    .await?;
    (ground.now, ground.policy_version) = (moment.now, moment.changes.unsigned_abs());
    Ok(ground)
}

/// Waits for every passage that is under way, and keeps others and other changes out until the commit. What is read
/// after it is what the one before left: the triggers take the lock only once a statement has looked at its rows.
pub(super) async fn lock_access(connection: &mut PgConnection) -> Result<(), StoreError> {
    sqlx::query!("select pg_advisory_xact_lock($1)", ACCESS_LOCK).execute(connection).await?;
    Ok(())
}

/// Whether a key was revoked or has ended, or is gone.
pub(super) async fn key_has_ended(
    connection: &mut PgConnection,
    key: KeyId,
) -> Result<bool, StoreError> {
    let ended = sqlx::query_scalar!(
        r#"select revoked_at is not null or coalesce(expires_at <= clock_timestamp(), false) as "ended!"
           from api_keys where id = $1"#,
        key.0
    );
    Ok(ended.fetch_optional(connection).await?.unwrap_or(true))
}

/// From then until the commit whatever else asks where the employee last passed waits.
pub(super) async fn lock_person(
    connection: &mut PgConnection,
    employee: EmployeeId,
) -> Result<(), StoreError> {
    // The random half of a UUIDv7.
    let lock = employee.0.as_u64_pair().1.cast_signed();
    sqlx::query!("select pg_advisory_xact_lock($1)", lock).execute(connection).await?;
    Ok(())
}

/// The time by the one clock that all replicas share.
pub(super) async fn now(connection: &mut PgConnection) -> Result<DateTime<Utc>, StoreError> {
    let now = sqlx::query_scalar!(r#"select clock_timestamp() as "now!""#);
    Ok(now.fetch_one(connection).await?)
}

/// Which of the suspects are blocked. Only the employee's row is locked: on the others no grant can rest.
async fn blocked(
    connection: &mut PgConnection,
    employee: Option<&Employee>,
    suspects: &[EmployeeId],
) -> Result<Vec<EmployeeId>, StoreError> {
    let read = employee.filter(|employee| employee.status == EmployeeStatus::Blocked);
    let mut blocked: Vec<EmployeeId> = read.into_iter().map(|employee| employee.id).collect();
    let employee = employee.map(|employee| employee.id);
    let others = suspects.iter().filter(|id| Some(**id) != employee);
    let others: Vec<Uuid> = others.map(|id| id.0).collect();
    if !others.is_empty() {
        let rows = sqlx::query_scalar!(
            "select id from employees where id = any($1) and status = $2",
            &others,
            EmployeeStatus::Blocked.code(),
        );
        blocked.extend(rows.fetch_all(connection).await?.into_iter().map(EmployeeId));
    }
    Ok(blocked)
}

/// Whether anybody may have come onto the blocklist since, or got a face there.
async fn blocked_since(
    connection: &mut PgConnection,
    moment: DateTime<Utc>,
) -> Result<bool, StoreError> {
    let blocked = sqlx::query_scalar!(
        r#"select exists (
             select from employees e
             where e.status = $1 and (e.updated_at >= $2 or exists (
                 select from face_encodings f where f.employee_id = e.id and f.created_at >= $2))
         ) as "blocked!""#,
        EmployeeStatus::Blocked.code(),
        moment - CHANGE_MAX,
    );
    Ok(blocked.fetch_one(connection).await?)
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

/// Reads where the employee last passed. From then until the commit every other passage of the employee's waits.
async fn retrace(
    connection: &mut PgConnection,
    ground: &mut Ground,
    employee: EmployeeId,
    repeated: Option<&Passage>,
) -> Result<(), StoreError> {
    let guarded = ground.zone.as_mut().filter(|z| z.zone.anti_passback != AntiPassback::Off);
    lock_person(connection, employee).await?;
    // What a passage that was waited for has done is seen by the statements after, and lies before now.
    let now = now(connection).await?;
    if let Some(repeated) = repeated {
        ground.since = last_grant(connection, employee, repeated.decided_at, repeated.id).await?;
        let is_settled = sqlx::query_scalar!(
            r#"select exists (select from gate_inputs where passage_id = $1) as "settled!""#,
            repeated.id.0,
        )
        .fetch_one(&mut *connection)
        .await?;
        ground.settled = is_settled.then_some(repeated.id);
    }
    let except = repeated.map_or(PassageId(Uuid::nil()), |passage| passage.id);
    ground.last_gate = last_grant(connection, employee, now - DEBOUNCE_MAX, except).await?;
    if let Some(ZoneGround { zone, last_crossing, .. }) = guarded {
        let since = now - TimeDelta::seconds(zone.anti_passback_reset_s.into());
        let row = sqlx::query!(
            r#"select id, direction as "direction!", decided_at from passages
             where employee_id = $1 and decision = 'grant' and zone_id = $2 and id <> $3
               and id >= $4 and direction is not null
               and not exists (
                   select from gate_inputs i where i.passage_id = passages.id and input = 'grant_unused')
               and decided_at < '10000-01-01' and decided_at > greatest($5, (
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
                let passage_id = PassageId(row.id);
                Ok::<_, StoreError>(LastCrossing { passage_id, direction, at: row.decided_at })
            })
            .transpose()?;
    }
    Ok(())
}

/// The last gate that an employee was let through after a moment, but for one passage and those that are said not
/// to have been used.
async fn last_grant(
    connection: &mut PgConnection,
    employee: EmployeeId,
    since: DateTime<Utc>,
    except: PassageId,
) -> Result<Option<LastGate>, StoreError> {
    let row = sqlx::query!(
        "select passages.id, gate_id, decided_at, debounce_ms
         from passages join gates on gates.id = gate_id
         where employee_id = $1 and decision = 'grant' and passages.id <> $2 and passages.id >= $3
           and decided_at > $4 and decided_at < '10000-01-01' and not exists (
               select from gate_inputs i where i.passage_id = passages.id and input = 'grant_unused')
         order by decided_at desc limit 1",
        employee.0,
        except.0,
        PassageId::earliest(since - ID_SLACK).map(|id| id.0),
        since,
    )
    .fetch_optional(connection)
    .await?;
    Ok(row.map(|row| LastGate {
        passage_id: PassageId(row.id),
        gate_id: GateId(row.gate_id),
        at: row.decided_at,
        debounce_ms: row.debounce_ms.unsigned_abs(),
    }))
}
