//! The table `passages`: the trail of every decision.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use super::ground::{Ground, ground};
use super::listed::{Listed, ListedPassage, OfGate};
use super::{Store, StoreError};
use crate::domain::{
    BadgeId, Blind, Commitment, Decision, Direction, Distance, EmployeeId, EventId, Evidence,
    FaceId, GateId, GateMode, Head, KeyId, Likelihood, LivenessScore, ModelId, Notice, Passage,
    PassageId, PassageRequest, Reason, RunnerUp, Shortfall, Threshold, ZoneId,
};

/// What the policy made of the ground.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// Why the gate opens or not.
    pub reason: Reason,
    /// How long it opens, in milliseconds; 0 unless granted.
    pub open_ms: u32,
    /// What a rule that only reports has to say.
    pub notice: Option<Notice>,
    /// What it rests on.
    pub evidence: Evidence,
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
/// answer nothing until its connections end. Values that cannot be decoded at all are given as none: infinite moments
/// and those beyond the years that Limen writes, and arrays of another shape.
macro_rules! passage_row {
    ($before:literal, $after:literal $(, $value:expr)* $(,)?) => {
        sqlx::query_as!(
            $crate::store::passages::PassageRow,
            $before
                + "id, gate_id, event_id,\
             case when captured_at > '-infinity' and captured_at < '10000-01-01' then captured_at end as captured_at,\
             case when decided_at > '-infinity' and decided_at < '10000-01-01' then decided_at end as decided_at,\
             decision, reason, open_ms, employee_id,\
             case when coalesce(array_ndims(face_ids), 1) = 1 \
                 then case when array_position(face_ids, null) is null then face_ids end end as face_ids,\
             badge_id, distance, threshold, liveness, liveness_threshold, model_id, frames,\
             frames_sha256, key_id, replay_of, notice, zone_id, direction, mode, calibration,\
             policy_version, second_distance, margin, quality_figure, quality_value, quality_limit,\
             earlier_passage_id, probability, probability_min"
                + $after
            $(, $value)*
        )
    };
}
pub(super) use passage_row;

pub(super) struct PassageRow {
    pub id: Uuid,
    pub gate_id: Uuid,
    pub event_id: String,
    pub captured_at: Option<DateTime<Utc>>,
    pub decided_at: Option<DateTime<Utc>>,
    pub decision: String,
    pub reason: String,
    pub open_ms: i32,
    pub employee_id: Option<Uuid>,
    pub face_ids: Option<Vec<Uuid>>,
    pub badge_id: Option<String>,
    pub distance: Option<f32>,
    pub threshold: Option<f32>,
    pub liveness: Option<f32>,
    pub liveness_threshold: Option<f32>,
    pub model_id: Option<String>,
    pub frames: i16,
    pub frames_sha256: Vec<u8>,
    pub key_id: Uuid,
    pub replay_of: Option<Uuid>,
    pub notice: Option<String>,
    pub zone_id: Option<Uuid>,
    pub direction: Option<String>,
    pub calibration: Option<String>,
    pub policy_version: Option<i64>,
    pub mode: Option<String>,
    pub second_distance: Option<f32>,
    pub margin: Option<f32>,
    pub quality_figure: Option<String>,
    pub quality_value: Option<f32>,
    pub quality_limit: Option<f32>,
    pub earlier_passage_id: Option<Uuid>,
    pub probability: Option<f32>,
    pub probability_min: Option<f32>,
}

impl TryFrom<PassageRow> for Passage {
    type Error = StoreError;

    fn try_from(row: PassageRow) -> Result<Self, StoreError> {
        let corrupt = |error: &dyn std::fmt::Display| {
            StoreError::unreadable(format_args!("passage {}", row.id), error)
        };
        let not_a_moment = || corrupt(&"a moment is out of range");
        let reason: Reason = serde_json::from_value(row.reason.into()).map_err(|e| corrupt(&e))?;
        if reason.decision().code() != row.decision {
            return Err(corrupt(&"the decision does not follow from the reason"));
        }
        // The chain covers numbers without a sign: with one they are not what was written.
        let negative = |_| corrupt(&"a number is negative");
        let liveness = |value: Option<f32>| {
            value.map(LivenessScore::try_from).transpose().map_err(|e| corrupt(&e))
        };
        let runner_up = match (row.second_distance, row.margin) {
            (None, None) => None,
            (Some(distance), Some(margin)) => Some(
                RunnerUp::new(distance.try_into().map_err(|e| corrupt(&e))?, margin)
                    .ok_or_else(|| corrupt(&"the margin is no number"))?,
            ),
            _ => return Err(corrupt(&"a second distance and its margin come together")),
        };
        let likelihood = match (row.probability, row.probability_min) {
            (None, None) => None,
            (Some(probability), Some(minimum)) => Some(Likelihood {
                probability: probability.try_into().map_err(|e| corrupt(&e))?,
                minimum: minimum.try_into().map_err(|e| corrupt(&e))?,
            }),
            _ => return Err(corrupt(&"a probability and its minimum come together")),
        };
        let shortfall = match (row.quality_figure, row.quality_value, row.quality_limit) {
            (None, None, None) => None,
            (Some(figure), Some(value), Some(limit)) => {
                let figure = serde_json::from_value(figure.into()).map_err(|e| corrupt(&e))?;
                let shortfall = Shortfall::new(figure, value, limit);
                Some(shortfall.ok_or_else(|| corrupt(&"a figure of quality is no number"))?)
            }
            _ => {
                return Err(corrupt(&"a figure of quality, its value and its limit come together"));
            }
        };
        Ok(Self {
            id: PassageId(row.id),
            request: PassageRequest {
                gate_id: GateId(row.gate_id),
                event_id: row.event_id.parse().map_err(|e| corrupt(&e))?,
                captured_at: row.captured_at.ok_or_else(not_a_moment)?,
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
                face_ids: row
                    .face_ids
                    .ok_or_else(|| corrupt(&"the faces are no list of ids"))?
                    .into_iter()
                    .map(FaceId)
                    .collect(),
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
                likelihood,
                runner_up,
                shortfall,
                liveness: liveness(row.liveness)?,
                liveness_threshold: liveness(row.liveness_threshold)?,
                model_id: row.model_id.map(ModelId::new),
                calibration: row.calibration.map(Arc::from),
                frames: row.frames.try_into().map_err(negative)?,
                earlier_passage_id: row.earlier_passage_id.map(PassageId),
            },
            open_ms: row.open_ms.try_into().map_err(negative)?,
            notice: row
                .notice
                .map(|code| serde_json::from_value(code.into()))
                .transpose()
                .map_err(|e| corrupt(&e))?,
            zone_id: row.zone_id.map(ZoneId),
            direction: row
                .direction
                .as_deref()
                .map(Direction::from_stored)
                .transpose()
                .map_err(|e| corrupt(&e))?,
            policy_version: row.policy_version.map(u64::try_from).transpose().map_err(negative)?,
            mode: row
                .mode
                .as_deref()
                .map(GateMode::from_stored)
                .transpose()
                .map_err(|e| corrupt(&e))?,
            decided_at: row.decided_at.ok_or_else(not_a_moment)?,
            replay_of: row.replay_of.map(PassageId),
        })
    }
}

impl From<PassageRow> for ListedPassage {
    fn from(row: PassageRow) -> Self {
        let known = OfGate { id: PassageId(row.id), gate_id: GateId(row.gate_id) };
        Listed::of(row.try_into(), known)
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
    /// Which of the `suspects`, whom the frames may show as well, are blocked is read too.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when the gate is gone; [`StoreError::Unavailable`] when the
    /// commit is not certain: the caller must then deny.
    pub async fn record_passage(
        &self,
        request: PassageRequest,
        evidence: &Evidence,
        suspects: &[EmployeeId],
        decide: impl FnOnce(&Ground) -> Verdict,
    ) -> Result<Recorded, StoreError> {
        let mut transaction = self.pool.begin().await?;
        let ground = ground(&mut transaction, &request, evidence, suspects, None).await?;
        let verdict = decide(&ground);
        let passage = Passage {
            id: PassageId::generate(),
            request,
            reason: verdict.reason,
            evidence: verdict.evidence,
            open_ms: verdict.open_ms,
            notice: verdict.notice,
            zone_id: ground.gate.policy.zone_id,
            direction: Some(ground.gate.policy.direction),
            policy_version: Some(ground.policy_version),
            mode: Some(ground.gate.policy.mode),
            decided_at: ground.now,
            replay_of: None,
        };
        if self.append(&mut transaction, &passage).await? {
            transaction.commit().await?;
            self.recorded.notify_one();
            return Ok(Recorded::New(passage));
        }
        transaction.rollback().await?;
        self.passage_of_event(passage.request.gate_id, &passage.request.event_id)
            .await?
            .map(Recorded::Existing)
            .ok_or(StoreError::NotFound("passage"))
    }

    /// What `decide` would make of a passage now: on the ground, and under the locks, of
    /// [`record_passage`](Self::record_passage), and nothing is written.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when the gate is gone.
    pub async fn rehearse_passage(
        &self,
        request: &PassageRequest,
        evidence: &Evidence,
        suspects: &[EmployeeId],
        decide: impl FnOnce(&Ground) -> Verdict,
    ) -> Result<Verdict, StoreError> {
        let mut transaction = self.pool.begin().await?;
        let ground = ground(&mut transaction, request, evidence, suspects, None).await?;
        transaction.rollback().await?;
        Ok(decide(&ground))
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
        let evidence = &passage.evidence;
        let ground = ground(&mut transaction, &request, evidence, &[], Some(&passage)).await?;
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
            policy_version: Some(ground.policy_version),
            mode: Some(ground.gate.policy.mode),
            decided_at: ground.now,
            replay_of: Some(passage.id),
            evidence: verdict.evidence,
            request,
        };
        // Nobody else has: a person's repeated passages are judged one after another.
        self.append(&mut transaction, &refusal).await?;
        transaction.commit().await?;
        self.recorded.notify_one();
        Ok((refusal, ground.now))
    }

    /// Appends a passage to the trail and to its gate's chain, which is locked last, and briefly; false when its
    /// event, or this refusal of a repeated one, was recorded before.
    async fn append(
        &self,
        connection: &mut PgConnection,
        passage: &Passage,
    ) -> Result<bool, StoreError> {
        let mut end = self.lock(connection, passage.request.gate_id.into()).await?;
        let blind = Blind::generate();
        let commitment = blind.commit(&passage.personal());
        end.head = end.head.with(&passage.record(end.head.length + 1, commitment));
        if !insert(connection, passage, &end.head, (blind, commitment)).await? {
            return Ok(false);
        }
        self.advance(connection, &end).await?;
        Ok(true)
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
    /// [`StoreError::NotFound`] when there is none, [`StoreError::Unreadable`].
    pub async fn passage(&self, id: PassageId) -> Result<Passage, StoreError> {
        passage_row!("select ", " from passages where id = $1", id.0)
            .fetch_optional(&self.pool)
            .await?
            .ok_or(StoreError::NotFound("passage"))?
            .try_into()
    }

    /// At most `limit` passages, the newest first, beginning before `before`; those that cannot be read too.
    ///
    /// # Errors
    /// When Postgres does not answer.
    pub async fn passages(
        &self,
        filter: &PassageFilter,
        before: Option<PassageId>,
        limit: u32,
    ) -> Result<Vec<ListedPassage>, StoreError> {
        let rows = passage_row!(
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
        .await?;
        Ok(rows.into_iter().map(ListedPassage::from).collect())
    }
}

/// How far the time in a passage's id may lie from the time of its decision. The ids only bound the
/// part of the trail that is read; the times decide.
pub(super) const ID_SLACK: TimeDelta = TimeDelta::minutes(1);

/// Writes a passage at the end of its gate's chain; false when its event, or this refusal of a repeated one,
/// was recorded before.
async fn insert(
    connection: &mut PgConnection,
    passage: &Passage,
    head: &Head,
    (blind, commitment): (Blind, Commitment),
) -> Result<bool, StoreError> {
    let Passage { request, evidence, .. } = passage;
    let inserted = sqlx::query!(
        "insert into passages
             (id, gate_id, event_id, captured_at, decided_at, decision, reason, open_ms,
              employee_id, face_ids, badge_id, distance, threshold, liveness, liveness_threshold,
              model_id, frames, frames_sha256, key_id, replay_of, notice, zone_id, direction,
              mode, calibration, policy_version, position, hash, commitment, blind, second_distance,
              margin, quality_figure, quality_value, quality_limit, earlier_passage_id,
              probability, probability_min)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18,
              $19, $20, $21, $22, $23, $24, $25, $26, $27, $28, $29, $30, $31, $32, $33, $34, $35, $36, $37,
              $38)
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
        passage.mode.map(GateMode::code),
        evidence.calibration.as_deref(),
        passage.policy_version.map(u64::cast_signed),
        head.length.cast_signed(),
        &head.hash.0,
        &commitment.0,
        &blind.0,
        evidence.runner_up.map(|second| second.distance().value()),
        evidence.runner_up.map(RunnerUp::margin),
        evidence.shortfall.map(|shortfall| shortfall.figure().code()),
        evidence.shortfall.map(Shortfall::value),
        evidence.shortfall.map(Shortfall::limit),
        evidence.earlier_passage_id.map(|id| id.0),
        evidence.likelihood.map(|likelihood| likelihood.probability.value()),
        evidence.likelihood.map(|likelihood| likelihood.minimum.value()),
    )
    .execute(connection)
    .await?;
    Ok(inserted.rows_affected() == 1)
}
