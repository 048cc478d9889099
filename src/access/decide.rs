//! The decision: a pure function of what was found, what is stored and the policy.

use chrono::{DateTime, TimeDelta, Utc};

use super::{Attempt, Finding};
use crate::domain::{GatePolicy, PassageRequest, Reason, Standing};
use crate::store::{Ground, Verdict};

/// What the gate demands before it looks at a frame at all; its clock may run ahead of ours by
/// `clock_skew_max`.
///
/// # Errors
/// The reason for which it refuses.
pub fn admit(
    policy: &GatePolicy,
    clock_skew_max: TimeDelta,
    request: &PassageRequest,
    now: DateTime<Utc>,
) -> Result<(), Reason> {
    if !policy.enabled {
        return Err(Reason::GateDisabled);
    }
    let age = now.signed_duration_since(request.captured_at);
    if age > TimeDelta::milliseconds(policy.frame_age_ms_max.into()) {
        return Err(Reason::StaleFrame);
    }
    if age < -clock_skew_max {
        return Err(Reason::FrameFromFuture);
    }
    if policy.badge_required && request.badge_id.is_none() {
        return Err(Reason::BadgeRequired);
    }
    Ok(())
}

/// Judges an attempt on the ground that the transaction read. Grants only when every condition
/// holds; whatever is absent refuses.
#[must_use]
pub fn decide(
    clock_skew_max: TimeDelta,
    request: &PassageRequest,
    attempt: &Attempt,
    ground: &Ground,
) -> Verdict {
    match grant(clock_skew_max, request, attempt, ground) {
        Ok(()) => Verdict { reason: Reason::Granted, open_ms: ground.gate.policy.open_ms },
        Err(reason) => Verdict { reason, open_ms: 0 },
    }
}

fn grant(
    clock_skew_max: TimeDelta,
    request: &PassageRequest,
    attempt: &Attempt,
    ground: &Ground,
) -> Result<(), Reason> {
    let policy = &ground.gate.policy;
    if ground.key_revoked {
        return Err(Reason::KeyRevoked);
    }
    admit(policy, clock_skew_max, request, ground.now)?;
    let evidence = &attempt.evidence;
    let no_match = match attempt.finding {
        Finding::Ended(reason) => return Err(reason),
        // The gate refused when the frames came and would not now: they can be sent again.
        Finding::NotExamined => return Err(Reason::StaleFrame),
        Finding::ComparedWithBadge => Reason::FaceDoesNotMatchBadge,
        Finding::ComparedWithAll => Reason::UnknownPerson,
    };
    if let Some(required) = policy.liveness_threshold
        && !evidence.liveness.is_some_and(|liveness| liveness.is_live(required))
    {
        return Err(Reason::Spoof);
    }
    match (evidence.distance, evidence.threshold) {
        (Some(distance), Some(threshold)) if distance.is_match(threshold) => {}
        _ => return Err(no_match),
    }
    let employee = ground.employee.as_ref().ok_or(Reason::TemplateRemoved)?;
    if evidence.employee_id != Some(employee.id) || !ground.faces_exist {
        return Err(Reason::TemplateRemoved);
    }
    // The badge may have been given to another person since it was looked up.
    if request.badge_id.is_some() && request.badge_id != employee.badge_id {
        return Err(Reason::UnknownBadge);
    }
    match employee.standing(ground.now) {
        Standing::Good => Ok(()),
        Standing::Suspended => Err(Reason::Suspended),
        Standing::Revoked => Err(Reason::Revoked),
        Standing::NotYetValid => Err(Reason::NotYetValid),
        Standing::Expired => Err(Reason::Expired),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::{
        Distance, Employee, EmployeeId, EmployeeStatus, Evidence, FaceId, Gate, GateId, KeyId,
        LivenessScore, ModelId, Threshold, Validity,
    };

    /// A passage that is granted; each test breaks one thing of it.
    struct Scene {
        request: PassageRequest,
        attempt: Attempt,
        ground: Ground,
    }

    impl Scene {
        fn granted() -> Self {
            let now = Utc::now();
            let (gate_id, employee_id) = (GateId::generate(), EmployeeId::generate());
            let badge_id = Some("B-17".parse().unwrap());
            let live = LivenessScore::try_from(0.9).unwrap();
            Self {
                request: PassageRequest {
                    gate_id,
                    event_id: "event-1".parse().unwrap(),
                    captured_at: now - TimeDelta::milliseconds(500),
                    badge_id: badge_id.clone(),
                    frames_sha256: [0; 32],
                    key_id: KeyId::generate(),
                },
                attempt: Attempt {
                    finding: Finding::ComparedWithBadge,
                    evidence: Evidence {
                        employee_id: Some(employee_id),
                        face_ids: [FaceId::generate()].into(),
                        distance: Some(Distance::try_from(0.5).unwrap()),
                        threshold: Some(Threshold::try_from(1.0).unwrap()),
                        liveness: Some(live),
                        liveness_threshold: Some(LivenessScore::try_from(0.5).unwrap()),
                        model_id: Some(ModelId::new("test")),
                        frames: 1,
                    },
                },
                ground: Ground {
                    key_revoked: false,
                    gate: Gate {
                        id: gate_id,
                        name: "North".parse().unwrap(),
                        policy: GatePolicy {
                            enabled: true,
                            open_ms: 3000,
                            frame_age_ms_max: 5000,
                            pupil_distance_px_min: 24.0,
                            badge_required: true,
                            liveness_threshold: Some(LivenessScore::try_from(0.5).unwrap()),
                        },
                        created_at: now,
                        updated_at: now,
                    },
                    employee: Some(Employee {
                        id: employee_id,
                        badge_id,
                        name: "Ada".parse().unwrap(),
                        department: None,
                        metadata: serde_json::json!({}),
                        validity: Validity::default(),
                        status: EmployeeStatus::Active,
                        created_at: now,
                        updated_at: now,
                    }),
                    faces_exist: true,
                    now,
                },
            }
        }

        fn verdict(&self) -> Verdict {
            decide(TimeDelta::seconds(2), &self.request, &self.attempt, &self.ground)
        }

        fn employee(&mut self) -> &mut Employee {
            self.ground.employee.as_mut().unwrap()
        }
    }

    #[test]
    fn everything_in_order_opens_the_gate_for_as_long_as_the_policy_says() {
        let verdict = Scene::granted().verdict();
        assert_eq!(verdict, Verdict { reason: Reason::Granted, open_ms: 3000 });
    }

    /// One case for each condition: what breaks it, and the reason that must follow.
    #[test]
    fn each_broken_condition_refuses_for_its_own_reason() {
        type Break = fn(&mut Scene);
        let cases: &[(Reason, Break)] = &[
            (Reason::KeyRevoked, |s| s.ground.key_revoked = true),
            (Reason::GateDisabled, |s| s.ground.gate.policy.enabled = false),
            (Reason::StaleFrame, |s| s.request.captured_at -= TimeDelta::seconds(60)),
            (Reason::FrameFromFuture, |s| s.request.captured_at += TimeDelta::seconds(60)),
            (Reason::BadgeRequired, |s| s.request.badge_id = None),
            (Reason::StaleFrame, |s| s.attempt.finding = Finding::NotExamined),
            (Reason::NoFace, |s| s.attempt.finding = Finding::Ended(Reason::NoFace)),
            (Reason::Spoof, |s| s.attempt.evidence.liveness = None),
            (Reason::Spoof, |s| {
                s.attempt.evidence.liveness = Some(LivenessScore::try_from(0.49).unwrap());
            }),
            (Reason::FaceDoesNotMatchBadge, |s| {
                s.attempt.evidence.distance = Some(Distance::try_from(1.0).unwrap());
            }),
            (Reason::FaceDoesNotMatchBadge, |s| s.attempt.evidence.distance = None),
            (Reason::FaceDoesNotMatchBadge, |s| s.attempt.evidence.threshold = None),
            (Reason::UnknownPerson, |s| {
                s.attempt.finding = Finding::ComparedWithAll;
                s.attempt.evidence.distance = Some(Distance::try_from(1.9).unwrap());
            }),
            (Reason::TemplateRemoved, |s| s.ground.employee = None),
            (Reason::TemplateRemoved, |s| s.ground.faces_exist = false),
            (Reason::TemplateRemoved, |s| {
                s.attempt.evidence.employee_id = Some(EmployeeId::generate());
            }),
            (Reason::UnknownBadge, |s| s.employee().badge_id = None),
            (Reason::Suspended, |s| s.employee().status = EmployeeStatus::Suspended),
            (Reason::Revoked, |s| s.employee().status = EmployeeStatus::Revoked),
            (Reason::NotYetValid, |s| {
                s.employee().validity.from = Some(Utc::now() + TimeDelta::hours(1));
            }),
            (Reason::Expired, |s| s.employee().validity.until = Some(s.ground.now)),
        ];
        for (number, (reason, break_it)) in cases.iter().enumerate() {
            let mut scene = Scene::granted();
            break_it(&mut scene);
            let expected = Verdict { reason: *reason, open_ms: 0 };
            assert_eq!(scene.verdict(), expected, "case {number}");
        }
    }

    proptest! {
        /// Looks for a grant that some condition forbids, in any mixture of conditions.
        #[test]
        fn a_grant_implies_every_condition(
            enabled: bool, badge_required: bool, shows_badge: bool, same_badge: bool,
            age_ms in -10_000i64..20_000, exists: bool, faces_exist: bool,
            status in prop::sample::select(vec![
                EmployeeStatus::Active, EmployeeStatus::Suspended, EmployeeStatus::Revoked]),
            from_s in prop::option::of(-100i64..100), until_s in prop::option::of(-100i64..100),
            distance in 0f32..=4.0, threshold in 0.01f32..=4.0,
            liveness in prop::option::of(0f32..=1.0), required in prop::option::of(0f32..=1.0),
            finding in prop::sample::select(vec![
                Finding::NotExamined, Finding::Ended(Reason::NoFace),
                Finding::ComparedWithAll, Finding::ComparedWithBadge]),
        ) {
            let mut s = Scene::granted();
            let now = s.ground.now;
            s.ground.gate.policy.enabled = enabled;
            s.ground.gate.policy.badge_required = badge_required;
            s.ground.gate.policy.liveness_threshold =
                required.map(|v| LivenessScore::try_from(v).unwrap());
            s.request.captured_at = now - TimeDelta::milliseconds(age_ms);
            if !shows_badge { s.request.badge_id = None; }
            if !same_badge { s.employee().badge_id = Some("other".parse().unwrap()); }
            s.employee().status = status;
            s.employee().validity = Validity {
                from: from_s.map(|v| now + TimeDelta::seconds(v)),
                until: until_s.map(|v| now + TimeDelta::seconds(v)),
            };
            if !exists { s.ground.employee = None; }
            s.ground.faces_exist = faces_exist;
            s.attempt.finding = finding;
            s.attempt.evidence.distance = Some(Distance::try_from(distance).unwrap());
            s.attempt.evidence.threshold = Some(Threshold::try_from(threshold).unwrap());
            s.attempt.evidence.liveness = liveness.map(|v| LivenessScore::try_from(v).unwrap());

            let may_pass = enabled
                && (-2_000..=5_000).contains(&age_ms)
                && (shows_badge || !badge_required)
                && (same_badge || !shows_badge)
                && matches!(finding, Finding::ComparedWithAll | Finding::ComparedWithBadge)
                && required.is_none_or(|r| liveness.is_some_and(|l| l >= r))
                && distance < threshold
                && exists && faces_exist
                && status == EmployeeStatus::Active
                && from_s.is_none_or(|v| v <= 0) && until_s.is_none_or(|v| v > 0);
            prop_assert_eq!(s.verdict().reason == Reason::Granted, may_pass);
            prop_assert_eq!(s.verdict().open_ms > 0, may_pass);
        }
    }
}
