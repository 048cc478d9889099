//! What a recorded passage would have come to by another threshold or policy.
//!
//! The decision is [`decide`]'s, on what the trail says. Where that does not say enough the answer is that it does not:
//! frames are not kept, of a stranger the nearest person is not named, and what comes after a refusal was never asked.

use chrono::TimeDelta;

use super::{Attempt, Finding, admit, decide};
use crate::domain::{
    Direction, Employee, EmployeeStatus, Gate, GateMode, GatePolicy, LivenessScore, ModelId,
    Passage, QualityFigure, Reason, Threshold, Validity,
};
use crate::store::Ground;

/// What is to be other than it was; what is none stays.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct WhatIf {
    /// τ of 1:N.
    pub recognize_threshold: Option<Threshold>,
    /// τ of 1:1.
    pub verify_threshold: Option<Threshold>,
    /// The model whose distances these are for.
    pub model: Option<ModelId>,
    /// The liveness that a face must reach.
    pub liveness_threshold: Option<LivenessScore>,
    /// The smallest face, in pixels between the pupils.
    pub pupil_distance_px_min: Option<f32>,
    /// Whom faces are compared with.
    pub mode: Option<GateMode>,
    /// How old a frame may be, in milliseconds.
    pub frame_age_ms_max: Option<u32>,
}

/// What a passage would have come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retrial {
    /// What it came to.
    Same,
    /// Something else.
    Other(Reason),
    /// What the trail does not tell.
    Untold(Untold),
}

/// Why the trail does not tell what a passage would have come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Untold {
    /// The gate refused whatever the frames show, and would no longer: nobody looked at them.
    NotLookedAt,
    /// What it failed by it no longer would; what comes after that was not asked.
    WhatFollows,
    /// The nearest person would match; who that is, and whether a second is as near, is recorded of matches alone.
    WhoIsNearest,
    /// The face would be compared with somebody else: there is no distance to them.
    OtherComparison,
    /// The distances are another model's.
    OtherModel,
    /// A figure was not measured, or is recorded only where it failed.
    NotMeasured,
    /// Of several frames not each is recorded.
    OtherFrames,
    /// It rests on an earlier passage that would itself have come to something else.
    Earlier,
    /// Whom it was about was erased, and with them their badge and whom the face was compared with.
    Erased,
}

impl Untold {
    /// In words.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::NotLookedAt => "the frames were not looked at",
            Self::WhatFollows => {
                "it would no longer fail by that, and what comes after was not asked"
            }
            Self::WhoIsNearest => "somebody would match, and the trail names no one who did not",
            Self::OtherComparison => "the face was not compared with whom it would be",
            Self::OtherModel => "the distance is of another model",
            Self::NotMeasured => {
                "the figure was not measured, or is not recorded where it sufficed"
            }
            Self::OtherFrames => "of several frames not each is recorded",
            Self::Earlier => "it rests on an earlier passage that would change",
            Self::Erased => "whom it was about was erased",
        }
    }
}

impl WhatIf {
    /// Judges a passage of `gate` again. What the gate demands now stands for what it demanded then where the trail
    /// does not say: the smallest face.
    #[must_use]
    pub fn judge(&self, gate: &Gate, passage: &Passage) -> Retrial {
        match self.retry(gate, passage) {
            Ok(reason) if reason == passage.reason => Retrial::Same,
            Ok(reason) => Retrial::Other(reason),
            Err(untold) => Retrial::Untold(untold),
        }
    }

    fn retry(&self, gate: &Gate, passage: &Passage) -> Result<Reason, Untold> {
        let recorded = passage.reason;
        let is_stale = recorded == Reason::StaleFrame;
        // These come before everything that could be other.
        if matches!(recorded, Reason::KeyRevoked | Reason::GateDisabled | Reason::FrameFromFuture)
            || (is_stale && self.frame_age_ms_max.is_none())
        {
            return Ok(recorded);
        }
        if is_erased(passage) {
            return Err(Untold::Erased);
        }
        let mode = passage.mode.unwrap_or(GateMode::BadgeOrFace);
        let policy = GatePolicy {
            enabled: true,
            mode: self.mode.unwrap_or(mode),
            // Where nothing else is asked every other frame was fresh enough.
            frame_age_ms_max: self.frame_age_ms_max.unwrap_or(u32::MAX),
            liveness_threshold: self.liveness_threshold.or(passage.evidence.liveness_threshold),
            zone_id: None,
            direction: Direction::In,
            debounce_ms: 0,
            ..gate.policy
        };
        if let Err(reason) = admit(&policy, TimeDelta::MAX, &passage.request, passage.decided_at) {
            return Ok(reason);
        }
        if is_stale || passage.evidence.frames == 0 {
            return Err(Untold::NotLookedAt);
        }
        let attempt = self.attempt(&gate.policy, passage, policy.mode)?;
        if recorded == Reason::Blocked && attempt.finding != Finding::Ended(Reason::Spoof) {
            let is_match = attempt.evidence.is_match();
            return if is_match { Ok(recorded) } else { Err(Untold::WhatFollows) };
        }
        let ground = ground(gate, policy, passage);
        match decide(TimeDelta::MAX, &passage.request, &attempt, &ground).reason {
            // Everything that could be other is passed: what came after stays as it was.
            Reason::Granted if recorded == Reason::Granted || is_after_the_match(passage) => {
                Ok(recorded)
            }
            Reason::Granted => Err(Untold::WhatFollows),
            Reason::TemplateRemoved => Err(Untold::WhoIsNearest),
            reason => Ok(reason),
        }
    }

    /// What the frames come to by the other thresholds.
    fn attempt(
        &self,
        then: &GatePolicy,
        passage: &Passage,
        mode: GateMode,
    ) -> Result<Attempt, Untold> {
        let mut evidence = passage.evidence.clone();
        self.by_pupil_distance(then, passage)?;
        if !self.by_liveness(passage)? {
            return Ok(Attempt::ended(Reason::Spoof, evidence));
        }
        let by_badge = mode.badge(passage.request.badge_id.as_ref()).is_some();
        let mut finding = finding(passage);
        let is_same_comparison = match finding {
            Finding::Ended(Reason::UnknownBadge | Reason::NotEnrolled) => by_badge,
            Finding::Ended(Reason::AmbiguousPerson) => !by_badge,
            Finding::Ended(reason) if reason != Reason::FramesDisagree => true,
            _ => by_badge == passage.by_badge(),
        };
        if !is_same_comparison {
            return Err(Untold::OtherComparison);
        }
        let threshold = if by_badge { self.verify_threshold } else { self.recognize_threshold };
        if let (Some(then), Some(threshold)) = (evidence.threshold, threshold) {
            if evidence.model_id != self.model {
                return Err(Untold::OtherModel);
            }
            evidence.threshold = Some(threshold);
            match finding {
                // One by each of two models.
                Finding::Ended(Reason::AmbiguousPerson) if evidence.runner_up.is_none() => {
                    return Err(Untold::NotMeasured);
                }
                // Who is as near does not depend on τ; but under a stricter one nobody may be near enough.
                Finding::Ended(Reason::AmbiguousPerson) if !evidence.is_match() => {
                    finding = Finding::ComparedWithAll;
                }
                Finding::Ended(Reason::FramesDisagree) if threshold > then => {
                    return Err(Untold::OtherFrames);
                }
                // Of several frames the mean is recorded, or the worst: by a laxer τ another may count. By a stricter one
                // who got in by the mean does not, though the frames may be said to disagree.
                Finding::ComparedWithAll | Finding::ComparedWithBadge
                    if evidence.frames > 1 && threshold > then =>
                {
                    return Err(Untold::OtherFrames);
                }
                _ => {}
            }
        }
        Ok(Attempt { finding, ..Attempt::ended(passage.reason, evidence) })
    }

    /// Whether the smallest face is other and makes a difference.
    fn by_pupil_distance(&self, then: &GatePolicy, passage: &Passage) -> Result<(), Untold> {
        let Some(smallest) = self.pupil_distance_px_min else { return Ok(()) };
        let is_pupils = |figure| figure == QualityFigure::PupilDistance;
        match (passage.reason, passage.evidence.shortfall) {
            (Reason::NoFace | Reason::MultipleFaces, _) => Ok(()),
            (Reason::TooSmall, Some(short)) if is_pupils(short.figure()) => {
                if short.value() < smallest { Ok(()) } else { Err(Untold::WhatFollows) }
            }
            (Reason::TooSmall, _) => Err(Untold::NotMeasured),
            // It sufficed then, and so suffices for less.
            _ if smallest <= then.pupil_distance_px_min => Ok(()),
            _ => Err(Untold::NotMeasured),
        }
    }

    /// Whether the face would be taken for a live one.
    fn by_liveness(&self, passage: &Passage) -> Result<bool, Untold> {
        let evidence = &passage.evidence;
        let Some(required) = self.liveness_threshold else {
            return Ok(passage.reason != Reason::Spoof);
        };
        let is_live = evidence.liveness.map(|liveness| liveness.is_live(required));
        match (passage.reason, is_live) {
            (Reason::Spoof, Some(true)) => Err(Untold::WhatFollows),
            (Reason::Spoof, Some(false)) => Ok(false),
            (Reason::Spoof, None) => Err(Untold::NotMeasured),
            // The road ended before it was asked.
            (reason, _) if reason.is_of_the_picture() => Ok(true),
            // Whoever sufficed then suffices for less.
            _ if evidence.liveness_threshold.is_some_and(|then| required <= then) => Ok(true),
            (_, Some(false)) => Ok(false),
            (_, Some(true)) if evidence.frames <= 1 => Ok(true),
            (_, Some(true)) => Err(Untold::OtherFrames),
            (_, None) => Err(Untold::NotMeasured),
        }
    }
}

/// What the frames came to, as far as the trail tells it.
fn finding(passage: &Passage) -> Finding {
    let evidence = &passage.evidence;
    let is_compared = evidence.threshold.is_some() || evidence.likelihood.is_some();
    match passage.reason {
        reason if ends_the_road(reason) => Finding::Ended(reason),
        // The badge went to somebody else meanwhile, if there was a comparison.
        Reason::UnknownBadge if !is_compared => Finding::Ended(Reason::UnknownBadge),
        _ if passage.by_badge() => Finding::ComparedWithBadge,
        _ => Finding::ComparedWithAll,
    }
}

/// Reasons that the frames alone give, without a comparison that could go otherwise by another τ; and those of
/// several people.
fn ends_the_road(reason: Reason) -> bool {
    reason.is_of_the_picture()
        || matches!(
            reason,
            Reason::Spoof
                | Reason::Unclear
                | Reason::NotEnrolled
                | Reason::AmbiguousPerson
                | Reason::FramesDisagree
        )
}

/// Whether the trail knows no longer who matched, or which badge came along.
fn is_erased(passage: &Passage) -> bool {
    let matched = passage.reason == Reason::Granted || is_after_the_match(passage);
    let by_badge = passage.mode == Some(GateMode::BadgeAndFace) && passage.evidence.frames > 0;
    (matched && passage.evidence.employee_id.is_none())
        || (by_badge && passage.request.badge_id.is_none())
}

/// Whether a passage was refused by what comes after the match: how the person stands, where and when they may pass.
fn is_after_the_match(passage: &Passage) -> bool {
    use Reason as R;
    match passage.reason {
        R::TemplateRemoved | R::Suspended | R::Revoked | R::NotYetValid | R::Expired => true,
        R::NoAccess | R::OutsideHours | R::AlreadyGranted | R::PassedElsewhere => true,
        R::AntiPassback => true,
        R::BadgeRequired | R::UnknownBadge => passage.evidence.is_match(),
        _ => false,
    }
}

/// The ground on which nothing but the frames and the gate's own demands refuses: what else did then is known by the
/// reason that is recorded.
fn ground(gate: &Gate, policy: GatePolicy, passage: &Passage) -> Ground {
    let now = passage.decided_at;
    let employee = passage.evidence.employee_id.and_then(|id| {
        Some(Employee {
            id,
            badge_id: passage.request.badge_id.clone(),
            name: "recorded".parse().ok()?,
            department: None,
            metadata: serde_json::Value::Null,
            validity: Validity::default(),
            status: EmployeeStatus::Active,
            badge_required: false,
            created_at: now,
            updated_at: now,
        })
    });
    Ground {
        key_revoked: false,
        gate: Gate { policy, ..gate.clone() },
        employee,
        blocked: Vec::new(),
        faces_exist: true,
        zone: None,
        last_gate: None,
        since: None,
        settled: None,
        blocked_since: false,
        policy_version: 0,
        now,
    }
}

#[cfg(test)]
mod tests {
    use chrono::Utc;

    use super::*;
    use crate::domain::{
        Distance, EmployeeId, Evidence, FaceId, GateId, KeyId, PassageId, PassageRequest, RunnerUp,
        Shortfall,
    };

    const MODEL: &str = "model";

    fn tau(value: f32) -> Option<Threshold> {
        Threshold::try_from(value).ok()
    }

    fn liveness(value: f32) -> Option<LivenessScore> {
        LivenessScore::try_from(value).ok()
    }

    fn gate() -> Gate {
        let policy = GatePolicy {
            enabled: true,
            open_ms: 3_000,
            frame_age_ms_max: 5_000,
            pupil_distance_px_min: 24.0,
            mode: GateMode::BadgeOrFace,
            liveness_threshold: liveness(0.5),
            zone_id: None,
            direction: Direction::In,
            debounce_ms: 2_000,
            signed_requests: false,
        };
        let now = Utc::now();
        let name = "north".parse().unwrap();
        Gate { id: GateId::generate(), name, policy, created_at: now, updated_at: now }
    }

    /// A passage as the gatekeeper records it for that reason: τ 1, one frame of 800 ms ago, liveness 0.9.
    fn recorded(reason: Reason) -> Passage {
        use Reason as R;
        let compared = Evidence {
            employee_id: Some(EmployeeId::generate()),
            face_ids: [FaceId::generate()].into(),
            distance: Distance::try_from(0.8).ok(),
            threshold: tau(1.0),
            liveness: liveness(0.9),
            liveness_threshold: liveness(0.5),
            model_id: Some(ModelId::new(MODEL)),
            frames: 1,
            ..Evidence::default()
        };
        let nobody = Evidence { employee_id: None, face_ids: [].into(), ..compared.clone() };
        let apart = |distance| Distance::try_from(distance).ok();
        let seen = Evidence { distance: None, threshold: None, ..nobody.clone() };
        let unseen = Evidence { liveness: None, ..seen.clone() };
        let evidence = match reason {
            R::StaleFrame | R::FrameFromFuture | R::GateDisabled => {
                Evidence { frames: 0, ..unseen }
            }
            R::TooSmall => Evidence {
                shortfall: Shortfall::new(QualityFigure::PupilDistance, 20.0, 24.0),
                ..unseen
            },
            R::Spoof => Evidence { liveness: liveness(0.3), ..seen },
            R::UnknownBadge => seen,
            R::NotEnrolled => Evidence { distance: None, ..compared },
            R::UnknownPerson => Evidence { distance: apart(1.2), ..nobody },
            R::FramesDisagree => Evidence { distance: apart(1.1), frames: 2, ..nobody },
            R::AmbiguousPerson => {
                Evidence { runner_up: RunnerUp::new(apart(0.85).unwrap(), 0.1), ..nobody }
            }
            R::FaceDoesNotMatchBadge => Evidence { distance: apart(1.2), ..compared },
            reason if reason.is_of_the_picture() || reason == R::Unclear => unseen,
            _ => compared,
        };
        let by_badge =
            matches!(reason, R::UnknownBadge | R::NotEnrolled | R::FaceDoesNotMatchBadge);
        let now = Utc::now();
        Passage {
            id: PassageId::generate(),
            request: PassageRequest {
                gate_id: GateId::generate(),
                event_id: "event".parse().unwrap(),
                captured_at: now - TimeDelta::milliseconds(800),
                badge_id: by_badge.then(|| "B-17".parse().unwrap()),
                frames_sha256: [0; 32],
                key_id: KeyId::generate(),
            },
            reason,
            evidence,
            open_ms: 0,
            notice: None,
            zone_id: None,
            direction: Some(Direction::In),
            policy_version: Some(1),
            mode: Some(GateMode::BadgeOrFace),
            decided_at: now,
            replay_of: None,
        }
    }

    fn by_tau(value: f32) -> WhatIf {
        WhatIf {
            recognize_threshold: tau(value),
            verify_threshold: tau(value),
            model: Some(ModelId::new(MODEL)),
            ..WhatIf::default()
        }
    }

    #[test]
    fn where_nothing_is_other_every_passage_stays_and_so_by_the_same_figures() {
        let same = WhatIf {
            liveness_threshold: liveness(0.5),
            pupil_distance_px_min: Some(24.0),
            mode: Some(GateMode::BadgeOrFace),
            ..by_tau(1.0)
        };
        for reason in Reason::ALL {
            let passage = recorded(reason);
            assert_eq!(WhatIf::default().judge(&gate(), &passage), Retrial::Same, "{reason:?}");
            assert_eq!(same.judge(&gate(), &passage), Retrial::Same, "{reason:?}");
        }
    }

    #[test]
    fn under_a_stricter_threshold_whoever_is_farther_is_unknown_whatever_came_after() {
        let judge = |passage: &Passage| by_tau(0.7).judge(&gate(), passage);
        for reason in [
            Reason::Granted,
            Reason::Suspended,
            Reason::AlreadyGranted,
            Reason::AntiPassback,
            Reason::AmbiguousPerson,
            Reason::BadgeRequired,
        ] {
            let retrial = judge(&recorded(reason));
            assert_eq!(retrial, Retrial::Other(Reason::UnknownPerson), "{reason:?}");
        }
        let mut with_badge = recorded(Reason::Granted);
        with_badge.request.badge_id = Some("B-17".parse().unwrap());
        assert_eq!(judge(&with_badge), Retrial::Other(Reason::FaceDoesNotMatchBadge));
        assert_eq!(judge(&recorded(Reason::UnknownPerson)), Retrial::Same);
        assert_eq!(judge(&recorded(Reason::Blocked)), Retrial::Untold(Untold::WhatFollows));
    }

    #[test]
    fn under_a_laxer_threshold_grants_stay_and_of_strangers_the_trail_does_not_say_enough() {
        let judge = |reason| by_tau(1.3).judge(&gate(), &recorded(reason));
        for (reason, retrial) in [
            (Reason::Granted, Retrial::Same),
            (Reason::Suspended, Retrial::Same),
            (Reason::AmbiguousPerson, Retrial::Same),
            (Reason::NoFace, Retrial::Same),
            (Reason::UnknownPerson, Retrial::Untold(Untold::WhoIsNearest)),
            (Reason::FaceDoesNotMatchBadge, Retrial::Untold(Untold::WhatFollows)),
            (Reason::FramesDisagree, Retrial::Untold(Untold::OtherFrames)),
        ] {
            assert_eq!(judge(reason), retrial, "{reason:?}");
        }
        assert_eq!(by_tau(1.1).judge(&gate(), &recorded(Reason::UnknownPerson)), Retrial::Same);
    }

    #[test]
    fn of_several_frames_the_trail_says_too_little_for_a_laxer_threshold() {
        let judge = |tau, reason| {
            let mut several = recorded(reason);
            several.evidence.frames = 3;
            by_tau(tau).judge(&gate(), &several)
        };
        let untold = Retrial::Untold(Untold::OtherFrames);
        for reason in [Reason::Granted, Reason::UnknownPerson, Reason::FaceDoesNotMatchBadge] {
            assert_eq!(judge(1.3, reason), untold, "{reason:?}");
        }
        assert_eq!(judge(0.01, Reason::Granted), Retrial::Other(Reason::UnknownPerson));
        assert_eq!(judge(0.01, Reason::UnknownPerson), Retrial::Same);
    }

    #[test]
    fn distances_of_another_model_are_not_judged() {
        let other = WhatIf { model: Some(ModelId::new("other")), ..by_tau(0.1) };
        let judge = |reason| other.judge(&gate(), &recorded(reason));
        assert_eq!(judge(Reason::Granted), Retrial::Untold(Untold::OtherModel));
        assert_eq!(judge(Reason::Spoof), Retrial::Same);
    }

    #[test]
    fn another_liveness_makes_spoofs_of_whoever_misses_it_and_tells_nothing_of_former_ones() {
        let judge = |required, passage: &Passage| {
            let what_if = WhatIf { liveness_threshold: liveness(required), ..WhatIf::default() };
            what_if.judge(&gate(), passage)
        };
        let granted = recorded(Reason::Granted);
        assert_eq!(judge(0.95, &granted), Retrial::Other(Reason::Spoof));
        assert_eq!(judge(0.85, &granted), Retrial::Same);
        let mut several = granted.clone();
        several.evidence.frames = 3;
        assert_eq!(judge(0.85, &several), Retrial::Untold(Untold::OtherFrames));
        assert_eq!(judge(0.95, &several), Retrial::Other(Reason::Spoof));
        let mut unmeasured = granted;
        (unmeasured.evidence.liveness, unmeasured.evidence.liveness_threshold) = (None, None);
        assert_eq!(judge(0.5, &unmeasured), Retrial::Untold(Untold::NotMeasured));
        assert_eq!(judge(0.2, &recorded(Reason::Spoof)), Retrial::Untold(Untold::WhatFollows));
        assert_eq!(judge(0.4, &recorded(Reason::Spoof)), Retrial::Same);
        assert_eq!(judge(0.95, &recorded(Reason::Blocked)), Retrial::Other(Reason::Spoof));
    }

    #[test]
    fn another_mode_asks_for_badges_and_compares_nobody_anew() {
        let judge = |mode, passage: &Passage| {
            WhatIf { mode: Some(mode), ..WhatIf::default() }.judge(&gate(), passage)
        };
        let granted = recorded(Reason::Granted);
        assert_eq!(judge(GateMode::BadgeAndFace, &granted), Retrial::Other(Reason::BadgeRequired));
        assert_eq!(judge(GateMode::Face, &granted), Retrial::Same);
        let with_badge = recorded(Reason::FaceDoesNotMatchBadge);
        assert_eq!(judge(GateMode::BadgeAndFace, &with_badge), Retrial::Same);
        let other = Retrial::Untold(Untold::OtherComparison);
        assert_eq!(judge(GateMode::Face, &with_badge), other);
        assert_eq!(judge(GateMode::Face, &recorded(Reason::UnknownBadge)), other);
        let mut required = recorded(Reason::BadgeRequired);
        required.mode = Some(GateMode::BadgeAndFace);
        required.evidence = Evidence::default();
        assert_eq!(judge(GateMode::BadgeAndFace, &required), Retrial::Same);
        assert_eq!(judge(GateMode::Face, &required), Retrial::Untold(Untold::NotLookedAt));
    }

    #[test]
    fn frames_may_be_older_or_younger_and_faces_larger_or_smaller() {
        let aged = |age, reason| {
            let what_if = WhatIf { frame_age_ms_max: Some(age), ..WhatIf::default() };
            what_if.judge(&gate(), &recorded(reason))
        };
        assert_eq!(aged(500, Reason::Granted), Retrial::Other(Reason::StaleFrame));
        assert_eq!(aged(900, Reason::Granted), Retrial::Same);
        assert_eq!(aged(500, Reason::StaleFrame), Retrial::Same);
        assert_eq!(aged(900, Reason::StaleFrame), Retrial::Untold(Untold::NotLookedAt));
        let sized = |px, reason| {
            let what_if = WhatIf { pupil_distance_px_min: Some(px), ..WhatIf::default() };
            what_if.judge(&gate(), &recorded(reason))
        };
        assert_eq!(sized(22.0, Reason::TooSmall), Retrial::Same);
        assert_eq!(sized(18.0, Reason::TooSmall), Retrial::Untold(Untold::WhatFollows));
        assert_eq!(sized(18.0, Reason::Granted), Retrial::Same);
        assert_eq!(sized(30.0, Reason::Granted), Retrial::Untold(Untold::NotMeasured));
        assert_eq!(sized(30.0, Reason::NoFace), Retrial::Same);
    }

    #[test]
    fn of_whom_was_erased_nothing_is_said() {
        let mut passage = recorded(Reason::Granted);
        passage.evidence.employee_id = None;
        assert_eq!(by_tau(0.1).judge(&gate(), &passage), Retrial::Untold(Untold::Erased));
    }
}
