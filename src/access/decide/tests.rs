//! What is granted and what is refused, condition by condition.

use proptest::prelude::*;

use super::*;
use crate::domain::{
    Admission, Day, Distance, Employee, EmployeeId, EmployeeStatus, Evidence, FaceId, Gate, GateId,
    GroupId, Hours, KeyId, LastCrossing, LastGate, LivenessScore, ModelId, Schedule, ScheduleId,
    Site, SiteId, Threshold, Validity, Zone, ZoneId,
};

/// A passage that is granted; each test breaks one thing of it.
pub(super) struct Scene {
    pub request: PassageRequest,
    pub attempt: Attempt,
    pub ground: Ground,
}

/// A schedule of these hours: days, from, until.
pub(super) fn schedule(hours: &[(&[Day], &str, &str)]) -> Schedule {
    let hours = hours.iter().map(|(days, from, until)| {
        Hours::new(days.to_vec(), from.parse().unwrap(), until.parse().unwrap()).unwrap()
    });
    Schedule {
        id: ScheduleId::generate(),
        name: "hours".parse().unwrap(),
        hours: hours.collect(),
        on_holidays: false,
        created_at: Utc::now(),
        updated_at: Utc::now(),
    }
}

/// Always.
fn always() -> Schedule {
    Schedule { on_holidays: true, ..schedule(&[(&Day::ALL, "00:00", "24:00")]) }
}

pub(super) fn admission(schedule: Schedule) -> Admission {
    Admission { group_id: GroupId::generate(), validity: Validity::default(), schedule }
}

/// A zone in Berlin that everybody may always enter.
pub(super) fn zone() -> ZoneGround {
    let (now, site_id) = (Utc::now(), SiteId::generate());
    ZoneGround {
        zone: Zone {
            id: ZoneId::generate(),
            site_id,
            name: "laboratory".parse().unwrap(),
            anti_passback: AntiPassback::Hard,
            anti_passback_reset_s: 3_600,
            created_at: now,
            updated_at: now,
        },
        site: Site {
            id: site_id,
            name: "Berlin".parse().unwrap(),
            time_zone: chrono_tz::Europe::Berlin,
            holidays: Vec::new(),
            created_at: now,
            updated_at: now,
        },
        admissions: vec![admission(always())],
        last_crossing: None,
    }
}

impl Scene {
    pub fn granted() -> Self {
        Self::granted_at(Utc::now())
    }

    pub fn granted_at(now: DateTime<Utc>) -> Self {
        let zone = zone();
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
                    calibration: None,
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
                policy_version: 0,
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
                        zone_id: Some(zone.zone.id),
                        direction: Direction::In,
                        debounce_ms: 10_000,
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
                zone: Some(zone),
                last_gate: None,
                since: None,
                now,
            },
        }
    }

    pub fn verdict(&self) -> Verdict {
        decide(TimeDelta::seconds(2), &self.request, &self.attempt, &self.ground)
    }

    pub fn employee(&mut self) -> &mut Employee {
        self.ground.employee.as_mut().unwrap()
    }

    fn zone(&mut self) -> &mut ZoneGround {
        self.ground.zone.as_mut().unwrap()
    }

    fn passed(&mut self, gate_id: GateId, ago: TimeDelta) {
        self.ground.last_gate = Some(LastGate { gate_id, at: self.ground.now - ago });
    }

    fn crossed(&mut self, direction: Direction, ago: TimeDelta) {
        let at = self.ground.now - ago;
        self.zone().last_crossing = Some(LastCrossing { direction, at });
    }
}

#[test]
fn everything_in_order_opens_the_gate_for_as_long_as_the_policy_says() {
    let verdict = Scene::granted().verdict();
    assert_eq!(verdict, Verdict { reason: Reason::Granted, open_ms: 3000, notice: None });
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
        (Reason::NoAccess, |s| s.zone().admissions.clear()),
        (Reason::NoAccess, |s| s.zone().admissions[0].validity.until = Some(s.ground.now)),
        (Reason::NoAccess, |s| {
            s.zone().admissions[0].validity.from = Some(s.ground.now + TimeDelta::seconds(1));
        }),
        (Reason::OutsideHours, |s| s.zone().admissions[0].schedule.hours.clear()),
        (Reason::AlreadyGranted, |s| s.passed(s.ground.gate.id, TimeDelta::seconds(9))),
        (Reason::PassedElsewhere, |s| s.passed(GateId::generate(), TimeDelta::seconds(9))),
        (Reason::AlreadyGranted, |s| s.ground.since = Some(s.ground.gate.id)),
        (Reason::PassedElsewhere, |s| s.ground.since = Some(GateId::generate())),
        (Reason::AntiPassback, |s| s.crossed(Direction::In, TimeDelta::seconds(3_599))),
        (Reason::AntiPassback, |s| {
            s.ground.gate.policy.direction = Direction::Out;
            s.crossed(Direction::Out, TimeDelta::seconds(3_599));
        }),
    ];
    for (number, (reason, break_it)) in cases.iter().enumerate() {
        let mut scene = Scene::granted();
        break_it(&mut scene);
        let expected = Verdict { reason: *reason, open_ms: 0, notice: None };
        assert_eq!(scene.verdict(), expected, "case {number}");
    }
}

/// What may look like a breach and is none.
#[test]
fn what_the_rules_allow_opens_the_gate() {
    type Change = fn(&mut Scene);
    let cases: &[Change] = &[
        |s| s.ground.zone = None,
        // One group that does not admit takes nothing from another that does.
        |s| s.zone().admissions.insert(0, admission(schedule(&[]))),
        // Whoever is inside may leave, whatever the hour and whatever became of the group.
        |s| {
            s.ground.gate.policy.direction = Direction::Out;
            s.zone().admissions.clear();
        },
        |s| s.passed(s.ground.gate.id, TimeDelta::seconds(10)),
        // At a gate that does not ask how often, an event may be repeated after the next.
        |s| {
            s.zone().zone.anti_passback = AntiPassback::Off;
            s.ground.since = Some(s.ground.gate.id);
        },
        |s| s.crossed(Direction::Out, TimeDelta::seconds(1)),
        |s| s.crossed(Direction::In, TimeDelta::seconds(3_600)),
        |s| {
            s.zone().zone.anti_passback = AntiPassback::Off;
            s.crossed(Direction::In, TimeDelta::seconds(60));
        },
    ];
    for (number, change) in cases.iter().enumerate() {
        let mut scene = Scene::granted();
        change(&mut scene);
        let granted = Verdict { reason: Reason::Granted, open_ms: 3000, notice: None };
        assert_eq!(scene.verdict(), granted, "case {number}");
    }
}

#[test]
fn soft_anti_passback_opens_and_reports() {
    let mut scene = Scene::granted();
    scene.zone().zone.anti_passback = AntiPassback::Soft;
    scene.crossed(Direction::In, TimeDelta::seconds(60));
    let notice = Some(Notice::AntiPassback);
    assert_eq!(scene.verdict(), Verdict { reason: Reason::Granted, open_ms: 3000, notice });
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
        (has_zone, is_member, in_hours, leads_out) in any::<(bool, bool, bool, bool)>(),
        last_gate in prop::option::of((any::<bool>(), 0i64..20)),
        crossed in prop::option::of((any::<bool>(), 0i64..7_200)),
        anti_passback in prop::sample::select(AntiPassback::ALL.to_vec()),
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
        let direction = if leads_out { Direction::Out } else { Direction::In };
        s.ground.gate.policy.direction = direction;
        s.zone().zone.anti_passback = anti_passback;
        if !is_member { s.zone().admissions[0].validity.until = Some(now); }
        if !in_hours { s.zone().admissions[0].schedule.hours.clear(); }
        if let Some((here, ago_s)) = last_gate {
            let gate = if here { s.ground.gate.id } else { GateId::generate() };
            s.passed(gate, TimeDelta::seconds(ago_s));
        }
        if let Some((same, ago_s)) = crossed {
            let way = if same == leads_out { Direction::Out } else { Direction::In };
            s.crossed(way, TimeDelta::seconds(ago_s));
        }
        if !has_zone { s.ground.zone = None; }
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
            && from_s.is_none_or(|v| v <= 0) && until_s.is_none_or(|v| v > 0)
            && (!has_zone || leads_out || (is_member && in_hours))
            && last_gate.is_none_or(|(_, ago_s)| ago_s >= 10)
            && !(has_zone && anti_passback == AntiPassback::Hard
                && crossed.is_some_and(|(same, ago_s)| same && ago_s < 3_600));
        prop_assert_eq!(s.verdict().reason == Reason::Granted, may_pass);
        prop_assert_eq!(s.verdict().open_ms > 0, may_pass);
    }
}
