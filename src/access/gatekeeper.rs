//! From the views of a passage's frames to the recorded decision.

use std::time::Instant;

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::future::try_join_all;

use super::{Attempt, Finding, Identity, Matcher, admit, decide};
use crate::domain::{
    Employee, Evidence, FaceSeen, Gate, LivenessScore, Passage, PassageRequest, Reason, Sighting,
    Stage, StageTimings, View,
};
use crate::gallery::SearchError;
use crate::store::{Recorded, Store, StoreError, Verdict};

/// Why there is no decision. The gate stays shut.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    /// The database did not do its part.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The face could not be compared.
    #[error(transparent)]
    Match(#[from] SearchError),
    /// The event id was used for other frames, or with another badge, before.
    #[error("the event id was used for other frames, or with another badge, before")]
    EventIdReused,
    /// A passage without frames.
    #[error("a passage needs at least one frame")]
    NoFrames,
}

/// A passage, and when it was decided, or decided again for an event that was repeated.
#[derive(Clone, Debug, PartialEq)]
pub struct Answered {
    /// As it is recorded, but that a repeated one opens for as long as its gate does now.
    pub passage: Passage,
    /// By Postgres' clock.
    pub decided_at: DateTime<Utc>,
}

/// Decides and records passages.
#[derive(Clone, Debug)]
pub struct Gatekeeper {
    store: Store,
    matcher: Matcher,
    clock_skew_max: TimeDelta,
}

impl Gatekeeper {
    /// A gatekeeper that compares by `matcher` and records in `store`. A gate's clock may run ahead of
    /// ours by `clock_skew_max`.
    #[must_use]
    pub fn new(store: Store, matcher: Matcher, clock_skew_max: TimeDelta) -> Self {
        Self { store, matcher, clock_skew_max }
    }

    /// Decides a passage and records it. `look` is called only when the frames matter: not for an
    /// event that was decided before, nor where the gate refuses whatever they show.
    ///
    /// A repeated event gets its recorded answer. A grant is answered again only while it would
    /// still be given: the frame is fresh and the employee may still pass.
    ///
    /// How long the comparison and the record took is given with it.
    ///
    /// # Errors
    /// What `look` fails with, or [`AccessError`].
    pub async fn pass<E: From<AccessError>>(
        &self,
        gate: &Gate,
        request: PassageRequest,
        look: impl AsyncFnOnce() -> Result<Vec<View<FaceSeen>>, E>,
    ) -> Result<(Answered, StageTimings), E> {
        let mut timings = StageTimings::default();
        let recorded = self.store.passage_of_event(request.gate_id, &request.event_id).await;
        if let Some(passage) = recorded.map_err(AccessError::from)? {
            return Ok((self.repeat(&request, passage).await?, timings));
        }
        let attempt = if admit(&gate.policy, self.clock_skew_max, &request, Utc::now()).is_ok() {
            let views = look().await?;
            let begun_at = Instant::now();
            let attempt = self.compare(gate, &request, views).await?;
            timings.push(Stage::Match, begun_at.elapsed());
            attempt
        } else {
            Attempt { finding: Finding::NotExamined, evidence: Evidence::default() }
        };
        let begun_at = Instant::now();
        let answered = self.record(request, attempt).await?;
        timings.push(Stage::Record, begun_at.elapsed());
        Ok((answered, timings))
    }

    /// Compares what the frames showed with the badge's owner or with everybody.
    async fn compare(
        &self,
        gate: &Gate,
        request: &PassageRequest,
        views: Vec<View<FaceSeen>>,
    ) -> Result<Attempt, AccessError> {
        let owner = match &request.badge_id {
            Some(badge) => Some(self.store.employee_by_badge(badge).await?),
            None => None,
        };
        let required = gate.policy.liveness_threshold;
        // At once, so that one pass over the gallery finds them all.
        let attempts =
            views.into_iter().map(|view| self.attempt(view.sighting, required, owner.as_ref()));
        Attempt::combine(try_join_all(attempts).await?).ok_or(AccessError::NoFrames)
    }

    /// Compares one frame. `owner` is the badge's owner where a badge was shown.
    async fn attempt(
        &self,
        sighting: Sighting<FaceSeen>,
        liveness_threshold: Option<LivenessScore>,
        owner: Option<&Option<Employee>>,
    ) -> Result<Attempt, AccessError> {
        let mut evidence = Evidence {
            model_id: Some(self.matcher.model().clone()),
            liveness_threshold,
            calibration: self.matcher.calibration(),
            ..Evidence::default()
        };
        let face = match sighting {
            Sighting::Face(face) => face,
            Sighting::NoFace => return Ok(Attempt::ended(Reason::NoFace, evidence)),
            Sighting::MultipleFaces => return Ok(Attempt::ended(Reason::MultipleFaces, evidence)),
            Sighting::LowQuality { issues, .. } => {
                let reason = issues.first().map_or(Reason::NoFace, |issue| Reason::from(*issue));
                return Ok(Attempt::ended(reason, evidence));
            }
            Sighting::Spoof { liveness } => {
                evidence.liveness = Some(liveness);
                return Ok(Attempt::ended(Reason::Spoof, evidence));
            }
        };
        evidence.liveness = face.liveness;
        let finding = match owner {
            Some(None) => Finding::Ended(Reason::UnknownBadge),
            Some(Some(owner)) => {
                evidence.employee_id = Some(owner.id);
                evidence.threshold = Some(self.matcher.verify_threshold());
                match self.matcher.claimed(owner.id, &face.encoding)? {
                    None => Finding::Ended(Reason::NotEnrolled),
                    Some(candidate) => {
                        evidence.distance = Some(candidate.distance);
                        evidence.face_ids = candidate.face_ids;
                        Finding::ComparedWithBadge
                    }
                }
            }
            None => {
                let found = self.matcher.search(face.encoding, 1).await?;
                evidence.threshold = Some(found.threshold);
                match found.identity {
                    Identity::Known(candidate) => {
                        evidence.distance = Some(candidate.distance);
                        evidence.employee_id = Some(candidate.employee_id);
                        evidence.face_ids = candidate.face_ids;
                        Finding::ComparedWithAll
                    }
                    Identity::Ambiguous(candidate) => {
                        evidence.distance = Some(candidate.distance);
                        Finding::Ended(Reason::AmbiguousPerson)
                    }
                    // Beyond the threshold the nearest person is as good as anybody.
                    Identity::Unknown(candidate) => {
                        evidence.distance = candidate.map(|candidate| candidate.distance);
                        Finding::ComparedWithAll
                    }
                }
            }
        };
        Ok(Attempt { finding, evidence })
    }

    async fn record(
        &self,
        request: PassageRequest,
        attempt: Attempt,
    ) -> Result<Answered, AccessError> {
        let evidence = attempt.evidence.clone();
        let recorded = self
            .store
            .record_passage(request.clone(), evidence, |ground| {
                decide(self.clock_skew_max, &request, &attempt, ground)
            })
            .await?;
        match recorded {
            Recorded::New(passage) => Ok(Answered { decided_at: passage.decided_at, passage }),
            Recorded::Existing(passage) => self.repeat(&request, passage).await,
        }
    }

    async fn repeat(
        &self,
        request: &PassageRequest,
        passage: Passage,
    ) -> Result<Answered, AccessError> {
        if passage.request.frames_sha256 != request.frames_sha256
            || passage.request.badge_id != request.badge_id
        {
            return Err(AccessError::EventIdReused);
        }
        if passage.reason != Reason::Granted {
            return Ok(Answered { decided_at: passage.decided_at, passage });
        }
        let finding = match passage.request.badge_id {
            Some(_) => Finding::ComparedWithBadge,
            None => Finding::ComparedWithAll,
        };
        let attempt = Attempt { finding, evidence: passage.evidence.clone() };
        let recorded = passage.request.clone();
        let way = (passage.zone_id, passage.direction);
        let (passage, decided_at) = self
            .store
            .confirm_passage(passage, request.key_id, |ground| {
                let policy = &ground.gate.policy;
                if way != (policy.zone_id, Some(policy.direction)) {
                    // The gate leads elsewhere than the trail says that the person went.
                    return Verdict { reason: Reason::StaleFrame, open_ms: 0, notice: None };
                }
                decide(self.clock_skew_max, &recorded, &attempt, ground)
            })
            .await?;
        Ok(Answered { passage, decided_at })
    }
}
