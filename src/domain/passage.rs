//! A gate's decision as it is recorded.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::{
    Alarm, BadgeId, Direction, Distance, EmployeeId, EventId, FaceId, GateId, GateMode, KeyId,
    Likelihood, LivenessScore, ModelId, Notice, PassageId, Reason, RunnerUp, Shortfall, Threshold,
    ZoneId,
};

/// What a gate asked: the part of a passage that is known before anything is decided.
#[derive(Clone, Debug, PartialEq)]
pub struct PassageRequest {
    /// The gate that asks.
    pub gate_id: GateId,
    /// The firmware's name for the event.
    pub event_id: EventId,
    /// When the (oldest) frame was captured.
    pub captured_at: DateTime<Utc>,
    /// The badge that was shown.
    pub badge_id: Option<BadgeId>,
    /// SHA-256 over the frames, so that an event id cannot be reused for another picture.
    pub frames_sha256: [u8; 32],
    /// The API key that asks.
    pub key_id: KeyId,
}

/// The figures that a decision rests on; those that were not reached are absent.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Evidence {
    /// The employee whose face matched (1:N), or who owns the badge; or who is blocked.
    pub employee_id: Option<EmployeeId>,
    /// The faces that the employee's template was fused of; empty where there is no employee.
    pub face_ids: Arc<[FaceId]>,
    /// The distance to the nearest person, whoever it is; where several frames were heard together, the mean of theirs.
    pub distance: Option<Distance>,
    /// The τ that the distance had to stay under; none where the likelihood decides.
    pub threshold: Option<Threshold>,
    /// Where a verifier compared the face with the badge's owner: how likely it is theirs, and had to be.
    pub likelihood: Option<Likelihood>,
    /// Where the nearest person could not be told from the next: how near that one is.
    pub runner_up: Option<RunnerUp>,
    /// Where the face's picture was not good enough: by how much.
    pub shortfall: Option<Shortfall>,
    /// The face's liveness.
    pub liveness: Option<LivenessScore>,
    /// The liveness that it had to reach.
    pub liveness_threshold: Option<LivenessScore>,
    /// The encoder.
    pub model_id: Option<ModelId>,
    /// The calibration that τ followed from, or the least likelihood; none where τ is fixed, or nothing was compared.
    pub calibration: Option<Arc<str>>,
    /// How many frames were sent.
    pub frames: u16,
    /// The passage of the same person after which this one is one too many.
    pub earlier_passage_id: Option<PassageId>,
}

impl Evidence {
    /// Whether the face matches whom it was compared with: by its distance, or by a verifier. Whatever else the figures
    /// are, it does not.
    #[must_use]
    pub fn is_match(&self) -> bool {
        match (self.distance, self.threshold, self.likelihood) {
            (Some(distance), Some(threshold), None) => distance.is_match(threshold),
            (Some(_), None, Some(likelihood)) => likelihood.is_match(),
            _ => false,
        }
    }
}

/// A decision of a gate, as recorded; never changed afterwards.
#[derive(Clone, Debug, PartialEq)]
pub struct Passage {
    /// Limen's id.
    pub id: PassageId,
    /// What the gate asked.
    pub request: PassageRequest,
    /// Why it opened or not; the decision follows from it.
    pub reason: Reason,
    /// What that rests on.
    pub evidence: Evidence,
    /// How long the gate was told to open, in milliseconds; 0 unless granted.
    pub open_ms: u32,
    /// What a rule that only reports had to say.
    pub notice: Option<Notice>,
    /// The zone that the gate led into or out of.
    pub zone_id: Option<ZoneId>,
    /// Which way it led; none for passages from before gates had a direction.
    pub direction: Option<Direction>,
    /// How many administrative changes the policy that decided rested on; none for passages from before
    /// changes were counted.
    pub policy_version: Option<u64>,
    /// Whom the gate compared faces with; none for passages from before gates had a mode.
    pub mode: Option<GateMode>,
    /// When it was decided.
    pub decided_at: DateTime<Utc>,
    /// The passage whose repetition this is, when a repeated event lost its grant.
    pub replay_of: Option<PassageId>,
}

impl Passage {
    /// Whether the face was compared with the owner of the badge (1:1).
    #[must_use]
    pub fn by_badge(&self) -> bool {
        // Before gates had a mode a badge that came along always counted.
        let mode = self.mode.unwrap_or(GateMode::BadgeOrFace);
        mode.badge(self.request.badge_id.as_ref()).is_some()
    }

    /// The alarm that it raises in silence, if any.
    #[must_use]
    pub fn alarm(&self) -> Option<Alarm> {
        self.reason.alarm().or(self.notice.and_then(Notice::alarm))
    }

    /// The reason that the gate is told.
    #[must_use]
    pub fn told(&self) -> Reason {
        self.reason.told(self.by_badge())
    }
}
