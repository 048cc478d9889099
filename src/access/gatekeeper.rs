//! From the views of a passage's frames to the recorded decision.

use std::time::Instant;

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::future::try_join_all;
use tracing::{Instrument, warn};

use super::together::{Nearest, hear_together};
use super::{
    Alarms, Attempt, Finding, Found, Matcher, Probe, ReEnrolment, Scale, Whom, admit, decide,
};
use crate::domain::{
    Alarm, Ballot, Distance, Employee, Evidence, FaceSeen, Gate, LivenessScore, ModelId, Notice,
    Passage, PassageRequest, Reason, Sighting, Stage, StageTimings, View,
};
use crate::gallery::SearchError;
use crate::store::{Ground, Recorded, Store, StoreError, Verdict};

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
    /// What was under way broke down.
    #[error("the decision was not finished: {0}")]
    Unfinished(#[from] tokio::task::JoinError),
}

/// A passage, and when it was decided, or decided again for an event that was repeated.
#[derive(Clone, Debug, PartialEq)]
pub struct Answered {
    /// As it is recorded, but that a repeated one opens for as long as its gate does now.
    pub passage: Passage,
    /// By Postgres' clock.
    pub decided_at: DateTime<Utc>,
}

/// An answer, and what it raises: once, however often the event is repeated.
type Judged = (Answered, Option<Alarm>);

/// Decides and records passages.
#[derive(Clone, Debug)]
pub struct Gatekeeper {
    store: Store,
    matcher: Matcher,
    clock_skew_max: TimeDelta,
    alarms: Alarms,
    re_enrolment: Option<ReEnrolment>,
}

impl Gatekeeper {
    /// A gatekeeper that compares by `matcher` and records in `store`. A gate's clock may run ahead of
    /// ours by `clock_skew_max`.
    #[must_use]
    pub fn new(store: Store, matcher: Matcher, clock_skew_max: TimeDelta, alarms: Alarms) -> Self {
        Self { store, matcher, clock_skew_max, alarms, re_enrolment: None }
    }

    /// The same gatekeeper, after whose grants people are enrolled with the current model.
    #[must_use]
    pub fn with_re_enrolment(self, re_enrolment: Option<ReEnrolment>) -> Self {
        Self { re_enrolment, ..self }
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
            let answered = self.finish(|keeper| keeper.repeat(request, passage)).await?;
            return Ok((answered, timings));
        }
        let mut successor = None;
        let look = async || {
            let views = look().await?;
            successor = self.re_enrolment.as_ref().and_then(|one| Some((one, one.best(&views)?)));
            Ok::<_, E>(views)
        };
        let attempt = self.examine(gate, &request, look, &mut timings).await?;
        let begun_at = Instant::now();
        let answered = self.finish(|keeper| keeper.record(request, attempt)).await?;
        timings.push(Stage::Record, begun_at.elapsed());
        if let Some((re_enrolment, face)) = successor {
            re_enrolment.consider(&answered.passage, face);
        }
        Ok((answered, timings))
    }

    /// What would be made of a passage now: looked at, compared and decided as [`pass`](Self::pass) does, and neither
    /// recorded nor told of to anybody else. No gate opens on it.
    ///
    /// # Errors
    /// As [`pass`](Self::pass).
    pub async fn rehearse<E: From<AccessError>>(
        &self,
        gate: &Gate,
        request: &PassageRequest,
        look: impl AsyncFnOnce() -> Result<Vec<View<FaceSeen>>, E>,
    ) -> Result<(Verdict, StageTimings), E> {
        let mut timings = StageTimings::default();
        let attempt = self.examine(gate, request, look, &mut timings).await?;
        let decide = |ground: &Ground| decide(self.clock_skew_max, request, &attempt, ground);
        let verdict = self
            .store
            .rehearse_passage(request, &attempt.evidence, &attempt.people(), decide)
            .await
            .map_err(AccessError::from)?;
        Ok((verdict, timings))
    }

    /// What the frames come to, which are looked at only where the gate may open.
    async fn examine<E: From<AccessError>>(
        &self,
        gate: &Gate,
        request: &PassageRequest,
        look: impl AsyncFnOnce() -> Result<Vec<View<FaceSeen>>, E>,
        timings: &mut StageTimings,
    ) -> Result<Attempt, E> {
        if !self.is_worth_a_look(gate, request).await? {
            let attempt = Attempt::ended(Reason::NoFace, Evidence::default());
            return Ok(Attempt { finding: Finding::NotExamined, ..attempt });
        }
        let views = look().await?;
        let begun_at = Instant::now();
        let attempt = self.compare(gate, request, views).await?;
        timings.push(Stage::Match, begun_at.elapsed());
        Ok(attempt)
    }

    /// Whether the gate may open at all. What is late by this machine's clock may not be by Postgres', which all
    /// replicas share.
    async fn is_worth_a_look(
        &self,
        gate: &Gate,
        request: &PassageRequest,
    ) -> Result<bool, AccessError> {
        let admit = |now| admit(&gate.policy, self.clock_skew_max, request, now);
        Ok(match admit(Utc::now()) {
            Ok(()) => true,
            Err(Reason::StaleFrame | Reason::FrameFromFuture) => {
                admit(self.store.now().await?).is_ok()
            }
            Err(_) => false,
        })
    }

    /// Compares what the frames showed with the badge's owner or with everybody.
    async fn compare(
        &self,
        gate: &Gate,
        request: &PassageRequest,
        views: Vec<View<FaceSeen>>,
    ) -> Result<Attempt, AccessError> {
        let owner = match gate.policy.mode.badge(request.badge_id.as_ref()) {
            Some(badge) => Some(self.store.employee_by_badge(badge).await?),
            None => None,
        };
        let required = gate.policy.liveness_threshold;
        // At once, so that one pass over the gallery finds them all.
        let attempts =
            views.into_iter().map(|view| self.attempt(view.sighting, required, owner.as_ref()));
        let rules = |model: &ModelId, tau| self.matcher.vote_rules(model, tau);
        let attempts = hear_together(try_join_all(attempts).await?, rules);
        Attempt::combine(attempts).ok_or(AccessError::NoFrames)
    }

    /// Compares one frame. `owner` is the badge's owner where a badge counts.
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
            Sighting::LowQuality { issues, shortfall, .. } => {
                evidence.shortfall = shortfall;
                let reason = issues.first().map_or(Reason::NoFace, |issue| Reason::from(*issue));
                return Ok(Attempt::ended(reason, evidence));
            }
            Sighting::Spoof { liveness } => {
                evidence.liveness = Some(liveness);
                return Ok(Attempt::ended(Reason::Spoof, evidence));
            }
        };
        evidence.liveness = face.liveness;
        let probe = Probe::from(&face);
        let Some(owner) = owner else {
            return self.search(&probe, evidence).await;
        };
        let mut attempt = self.claim(owner.as_ref(), &probe, evidence.clone())?;
        if attempt.suspects.is_empty() {
            // It is not the badge's owner: it may be somebody blocked, with another's badge.
            attempt.suspects = self.search(&probe, evidence).await?.suspects;
        } else {
            attempt = self.look_beside(attempt, &probe).await?;
        }
        // What shows somebody else says nothing of the owner beside other frames.
        if attempt.suspects.iter().any(|one| one.employee_id != attempt.evidence.employee_id) {
            attempt.nearest = None;
        }
        Ok(attempt)
    }

    /// Looks whom else a face may show that matched its badge: somebody blocked may have been entered anew, under
    /// another name. Whoever is nearer than the badge's owner, by the margin, is suspected, as without the badge; by
    /// the other model, of which nobody knows what is nearer, whoever is under its τ.
    async fn look_beside(
        &self,
        mut attempt: Attempt,
        probe: &Probe,
    ) -> Result<Attempt, AccessError> {
        let owner = attempt.evidence.clone();
        let own = owner.distance.map_or(f32::INFINITY, Distance::value);
        for other in self.matcher.all_under_threshold(probe).await? {
            let Found { candidate, scale, .. } = &other;
            if Some(candidate.employee_id) == owner.employee_id {
                continue;
            }
            let is_comparable = owner.model_id.as_ref() == Some(&scale.model);
            let distance = candidate.distance.value();
            if !is_comparable || distance + self.matcher.margin_of(&scale.model) <= own {
                attempt.suspects.push(named(other, &owner));
            } else {
                attempt.resembled.push(candidate.employee_id);
            }
        }
        Ok(attempt)
    }

    /// Compares a face with the badge's owner (1:1).
    fn claim(
        &self,
        owner: Option<&Employee>,
        probe: &Probe,
        mut evidence: Evidence,
    ) -> Result<Attempt, AccessError> {
        let Some(owner) = owner else {
            return Ok(Attempt::ended(Reason::UnknownBadge, evidence));
        };
        evidence.employee_id = Some(owner.id);
        evidence.calibration = self.matcher.verify_calibration();
        evidence.threshold = match self.matcher.verifier() {
            None => Some(self.matcher.verify_threshold()),
            Some(_) => None,
        };
        let Some(found) = self.matcher.claim(owner.id, probe)? else {
            return Ok(Attempt::ended(Reason::NotEnrolled, evidence));
        };
        let ballot = Ballot { person: found.candidate.distance, other: None };
        let mut attempt = Attempt::found(Finding::ComparedWithBadge, named(found, &evidence));
        attempt.nearest = Some(Nearest { person: owner.id, ballot });
        attempt.suspects.retain(Evidence::is_match);
        Ok(attempt)
    }

    /// Compares a face with everybody (1:N).
    async fn search(&self, probe: &Probe, evidence: Evidence) -> Result<Attempt, AccessError> {
        let found = self.matcher.find(probe, 1).await?;
        // Beyond the threshold the nearest person is as good as anybody.
        let nearest = Evidence {
            distance: found.nearest.first().map(|nearest| nearest.distance),
            ..judged(evidence.clone(), found.scale)
        };
        let first = found.nearest.first().map(|first| Nearest {
            person: first.employee_id,
            ballot: Ballot {
                person: first.distance,
                other: found.nearest.get(1).map(|second| second.distance),
            },
        });
        let attempt = match found.whom {
            Whom::Known(person) => {
                Attempt::found(Finding::ComparedWithAll, named(person, &evidence))
            }
            Whom::Ambiguous(people) => Attempt {
                suspects: people.into_iter().map(|person| named(person, &evidence)).collect(),
                ..Attempt::ended(
                    Reason::AmbiguousPerson,
                    Evidence { runner_up: found.runner_up, ..nearest },
                )
            },
            Whom::Unknown => Attempt {
                finding: Finding::ComparedWithAll,
                ..Attempt::ended(Reason::UnknownPerson, nearest)
            },
        };
        Ok(Attempt { nearest: first, ..attempt })
    }

    /// Does something to its end, also when whoever asked hangs up meanwhile: what is recorded then still raises its
    /// alarm.
    async fn finish<F>(&self, what: impl FnOnce(Self) -> F) -> Result<Answered, AccessError>
    where
        F: Future<Output = Result<Judged, AccessError>> + Send + 'static,
    {
        let (alarms, judged) = (self.alarms.clone(), what(self.clone()));
        let task = async move {
            let (answered, alarm) = judged.await?;
            if let Some(alarm) = alarm {
                alarms.raise(alarm, &answered.passage);
            }
            Ok(answered)
        };
        // The log tells of it under the request's id.
        tokio::spawn(task.in_current_span()).await?
    }

    async fn record(
        self,
        request: PassageRequest,
        attempt: Attempt,
    ) -> Result<Judged, AccessError> {
        let suspects = attempt.people();
        let mut blocked = None;
        let recorded = self
            .store
            .record_passage(request.clone(), &attempt.evidence, &suspects, |ground| {
                blocked = attempt.resembled.iter().find(|id| ground.blocked.contains(id)).copied();
                decide(self.clock_skew_max, &request, &attempt, ground)
            })
            .await?;
        match recorded {
            Recorded::New(passage) => {
                if let Some(blocked) =
                    blocked.filter(|_| passage.notice == Some(Notice::LikeBlocked))
                {
                    warn!(passage = %passage.id, %blocked, "who passed by a badge looks like somebody blocked");
                }
                let alarm = passage.alarm();
                Ok((Answered { decided_at: passage.decided_at, passage }, alarm))
            }
            Recorded::Existing(passage) => self.repeat(request, passage).await,
        }
    }

    async fn repeat(
        self,
        request: PassageRequest,
        passage: Passage,
    ) -> Result<Judged, AccessError> {
        if passage.request.frames_sha256 != request.frames_sha256
            || passage.request.badge_id != request.badge_id
        {
            return Err(AccessError::EventIdReused);
        }
        if passage.reason != Reason::Granted {
            return Ok((Answered { decided_at: passage.decided_at, passage }, None));
        }
        let finding = match passage.by_badge() {
            true => Finding::ComparedWithBadge,
            false => Finding::ComparedWithAll,
        };
        // What came before it then says nothing of whether it still holds.
        let evidence = Evidence { earlier_passage_id: None, ..passage.evidence.clone() };
        let attempt = Attempt::found(finding, evidence);
        let recorded = passage.request.clone();
        let way = (passage.zone_id, passage.direction);
        let (passage, decided_at) = self
            .store
            .confirm_passage(passage, request.key_id, |ground| {
                let policy = &ground.gate.policy;
                let stale = || {
                    let (reason, evidence) = (Reason::StaleFrame, attempt.evidence.clone());
                    Verdict { reason, open_ms: 0, notice: None, evidence }
                };
                if way != (policy.zone_id, Some(policy.direction)) {
                    // The gate leads elsewhere than the trail says that the person went.
                    return stale();
                }
                let verdict = decide(self.clock_skew_max, &recorded, &attempt, ground);
                let granted_by_badge =
                    verdict.reason == Reason::Granted && finding == Finding::ComparedWithBadge;
                if granted_by_badge && ground.blocked_since {
                    // The trail does not say whom the face was like beside the badge's owner.
                    return stale();
                }
                verdict
            })
            .await?;
        // Not a refusal that was recorded when the event was repeated before.
        let alarm = passage.alarm().filter(|_| passage.decided_at == decided_at);
        Ok((Answered { passage, decided_at }, alarm))
    }
}

/// What a distance rests on, with what it was measured by.
fn judged(evidence: Evidence, scale: Scale) -> Evidence {
    Evidence {
        model_id: Some(scale.model),
        calibration: scale.calibration,
        threshold: Some(scale.threshold),
        likelihood: None,
        ..evidence
    }
}

/// What it rests on that a face is somebody's.
fn named(Found { candidate, scale, likelihood }: Found, evidence: &Evidence) -> Evidence {
    let judged = judged(evidence.clone(), scale);
    Evidence {
        employee_id: Some(candidate.employee_id),
        face_ids: candidate.face_ids,
        distance: Some(candidate.distance),
        threshold: judged.threshold.filter(|_| likelihood.is_none()),
        likelihood,
        ..judged
    }
}
