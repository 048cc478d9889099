//! What is granted and what is refused, condition by condition.

use proptest::prelude::*;

use super::*;
use crate::domain::{
    Admission, Day, Distance, Employee, EmployeeId, EmployeeStatus, Evidence, FaceId, Gate, GateId,
    GateMode, GroupId, Hours, KeyId, LastCrossing, LastGate, Likelihood, LivenessScore, ModelId,
    Schedule, ScheduleId, Site, SiteId, Threshold, Validity, Zone, ZoneId,
};

/// The passage that the same person passed before.
pub(super) const EARLIER: PassageId = PassageId(uuid::Uuid::from_u128(7));

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
                    ..Evidence::default()
                },
                suspects: Vec::new(),
                resembled: Vec::new(),
                nearest: None,
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
                        mode: GateMode::BadgeAndFace,
                        liveness_threshold: Some(LivenessScore::try_from(0.5).unwrap()),
                        zone_id: Some(zone.zone.id),
                        direction: Direction::In,
                        debounce_ms: 10_000,
                        signed_requests: false,
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
                    badge_required: false,
                    created_at: now,
                    updated_at: now,
                }),
                blocked: Vec::new(),
                faces_exist: true,
                zone: Some(zone),
                last_gate: None,
                since: None,
                settled: None,
                blocked_since: false,
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

    /// The face and the badge's owner, compared by a verifier.
    fn likely(&mut self, probability: f32, minimum: f32) {
        let [probability, minimum] = [probability, minimum].map(|p| p.try_into().unwrap());
        self.attempt.evidence.threshold = None;
        self.attempt.evidence.likelihood = Some(Likelihood { probability, minimum });
    }

    /// The face alone, compared with everybody.
    fn alone(&mut self) {
        self.ground.gate.policy.mode = GateMode::BadgeOrFace;
        self.request.badge_id = None;
        self.attempt.finding = Finding::ComparedWithAll;
    }

    /// A frame shows somebody else as well, who is blocked as far as the gallery knows; returns who.
    fn suspect(&mut self) -> Evidence {
        let suspect = Evidence {
            employee_id: Some(EmployeeId::generate()),
            distance: Some(Distance::try_from(0.25).unwrap()),
            ..self.attempt.evidence.clone()
        };
        self.attempt.suspects.push(suspect.clone());
        suspect
    }

    /// As [`suspect`](Self::suspect), and so says the database.
    fn suspect_blocked(&mut self) -> Evidence {
        let suspect = self.suspect();
        self.ground.blocked.extend(suspect.employee_id);
        suspect
    }

    /// A refusal that rests on what was compared.
    fn refused(&self, reason: Reason) -> Verdict {
        use Reason::{AlreadyGranted, AntiPassback, PassedElsewhere};
        let one_too_many = matches!(reason, AlreadyGranted | AntiPassback | PassedElsewhere);
        let earlier_passage_id = one_too_many.then_some(EARLIER);
        let evidence = Evidence { earlier_passage_id, ..self.attempt.evidence.clone() };
        Verdict { reason, open_ms: 0, notice: None, evidence }
    }

    fn opened(&self, notice: Option<Notice>) -> Verdict {
        let earlier_passage_id =
            notice.filter(|said| *said == Notice::AntiPassback).map(|_| EARLIER);
        let evidence = Evidence { earlier_passage_id, ..self.attempt.evidence.clone() };
        Verdict { reason: Reason::Granted, open_ms: 3000, notice, evidence }
    }

    fn zone(&mut self) -> &mut ZoneGround {
        self.ground.zone.as_mut().unwrap()
    }

    fn passed(&mut self, gate_id: GateId, ago: TimeDelta) {
        let at = self.ground.now - ago;
        self.ground.last_gate = Some(LastGate { passage_id: EARLIER, gate_id, at, debounce_ms: 0 });
    }

    fn crossed(&mut self, direction: Direction, ago: TimeDelta) {
        let at = self.ground.now - ago;
        self.zone().last_crossing = Some(LastCrossing { passage_id: EARLIER, direction, at });
    }

    /// The passage is repeated, and the person was let through `gate_id` since.
    fn passed_since(&mut self, gate_id: GateId) {
        self.ground.since =
            Some(LastGate { passage_id: EARLIER, gate_id, at: self.ground.now, debounce_ms: 0 });
    }
}

#[test]
fn everything_in_order_opens_the_gate_for_as_long_as_the_policy_says() {
    let scene = Scene::granted();
    assert_eq!(scene.verdict(), scene.opened(None));
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
        // The gate's mode was another when the frames came.
        (Reason::StaleFrame, |s| s.ground.gate.policy.mode = GateMode::Face),
        (Reason::StaleFrame, |s| s.attempt.finding = Finding::ComparedWithAll),
        (Reason::StaleFrame, |s| {
            s.alone();
            s.attempt.finding = Finding::ComparedWithBadge;
        }),
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
        (Reason::FaceDoesNotMatchBadge, |s| s.likely(0.89, 0.9)),
        (Reason::FaceDoesNotMatchBadge, |s| {
            s.likely(0.95, 0.9);
            s.attempt.evidence.distance = None;
        }),
        // By a verifier or by τ: not by either.
        (Reason::FaceDoesNotMatchBadge, |s| {
            s.likely(0.95, 0.9);
            s.attempt.evidence.threshold = Some(Threshold::try_from(1.0).unwrap());
        }),
        (Reason::UnknownPerson, |s| {
            s.alone();
            s.likely(0.95, 0.9);
        }),
        (Reason::UnknownPerson, |s| {
            s.alone();
            s.attempt.evidence.distance = Some(Distance::try_from(1.9).unwrap());
        }),
        (Reason::TemplateRemoved, |s| s.ground.employee = None),
        (Reason::TemplateRemoved, |s| s.ground.faces_exist = false),
        (Reason::TemplateRemoved, |s| {
            s.attempt.evidence.employee_id = Some(EmployeeId::generate());
        }),
        (Reason::UnknownBadge, |s| s.employee().badge_id = None),
        (Reason::BadgeRequired, |s| {
            s.alone();
            s.employee().badge_required = true;
        }),
        // At a gate that does not look at badges a look-alike cannot pass at all.
        (Reason::BadgeRequired, |s| {
            s.ground.gate.policy.mode = GateMode::Face;
            s.attempt.finding = Finding::ComparedWithAll;
            s.employee().badge_required = true;
        }),
        // Who it is is not certain, so nothing is said of how they stand.
        (Reason::BadgeRequired, |s| {
            s.alone();
            s.employee().badge_required = true;
            s.employee().status = EmployeeStatus::Suspended;
        }),
        (Reason::Blocked, |s| s.employee().status = EmployeeStatus::Blocked),
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
        (Reason::AlreadyGranted, |s| s.passed_since(s.ground.gate.id)),
        (Reason::AlreadyGranted, |s| {
            s.zone().zone.anti_passback = AntiPassback::Off;
            s.ground.settled = Some(EARLIER);
        }),
        (Reason::PassedElsewhere, |s| s.passed_since(GateId::generate())),
        (Reason::AntiPassback, |s| s.crossed(Direction::In, TimeDelta::seconds(3_599))),
        (Reason::AntiPassback, |s| {
            s.ground.gate.policy.direction = Direction::Out;
            s.crossed(Direction::Out, TimeDelta::seconds(3_599));
        }),
    ];
    for (number, (reason, break_it)) in cases.iter().enumerate() {
        let mut scene = Scene::granted();
        break_it(&mut scene);
        assert_eq!(scene.verdict(), scene.refused(*reason), "case {number}");
    }
}

/// Whatever else there is to say of a passage, somebody must hear of who is blocked, and the trail names them.
#[test]
fn a_blocked_person_decides_whatever_the_comparison_came_to() {
    type Change = fn(&mut Scene);
    let cases: &[Change] = &[
        |_| {},
        // A badge that is stolen, unknown or not enrolled.
        |s| s.attempt.evidence.distance = Some(Distance::try_from(1.9).unwrap()),
        |s| s.attempt.finding = Finding::Ended(Reason::UnknownBadge),
        |s| s.attempt.finding = Finding::Ended(Reason::NotEnrolled),
        |s| s.attempt.finding = Finding::Ended(Reason::AmbiguousPerson),
        |s| s.attempt.finding = Finding::Ended(Reason::FramesDisagree),
        |s| s.alone(),
        |s| {
            s.alone();
            s.employee().badge_required = true;
        },
        |s| s.ground.employee = None,
        |s| s.employee().status = EmployeeStatus::Revoked,
        |s| s.zone().admissions.clear(),
        |s| s.passed(s.ground.gate.id, TimeDelta::seconds(1)),
    ];
    for (number, change) in cases.iter().enumerate() {
        let mut scene = Scene::granted();
        change(&mut scene);
        let innocent = scene.suspect();
        let before = scene.verdict();
        assert_ne!(before.reason, Reason::Blocked, "case {number}: the gallery lagged behind");
        let evidence = scene.suspect_blocked();
        let blocked = Verdict { evidence, ..scene.refused(Reason::Blocked) };
        assert_eq!(scene.verdict(), blocked, "case {number}");
        // Taken from the blocklist while the frame travelled.
        scene.ground.blocked = innocent.employee_id.into_iter().collect();
        assert_eq!(scene.verdict(), Verdict { evidence: innocent, ..blocked }, "case {number}");
        scene.ground.blocked.clear();
        assert_eq!(scene.verdict(), before, "case {number}");
    }
}

/// What may look like a breach and is none.
#[test]
fn what_the_rules_allow_opens_the_gate() {
    type Change = fn(&mut Scene);
    let cases: &[Change] = &[
        |s| s.ground.zone = None,
        |s| s.ground.gate.policy.mode = GateMode::BadgeOrFace,
        |s| s.alone(),
        |s| {
            s.alone();
            s.ground.gate.policy.mode = GateMode::Face;
        },
        // A badge that comes along is not looked at: neither whose it is nor whether it is anybody's.
        |s| {
            s.ground.gate.policy.mode = GateMode::Face;
            s.attempt.finding = Finding::ComparedWithAll;
            s.employee().badge_id = None;
        },
        // With the badge a look-alike is who they say.
        |s| s.employee().badge_required = true,
        // Nobody whom the face shows is blocked.
        |s| {
            s.suspect();
            s.ground.blocked.push(EmployeeId::generate());
        },
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
            s.passed_since(s.ground.gate.id);
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
        assert_eq!(scene.verdict(), scene.opened(None), "case {number}");
    }
}

#[test]
fn soft_anti_passback_opens_and_reports() {
    let mut scene = Scene::granted();
    scene.zone().zone.anti_passback = AntiPassback::Soft;
    scene.crossed(Direction::In, TimeDelta::seconds(60));
    assert_eq!(scene.verdict(), scene.opened(Some(Notice::AntiPassback)));
}

/// The badge says who they are; somebody hears of it all the same, and what else there is to report keeps its ground.
#[test]
fn who_looks_like_somebody_blocked_passes_by_their_badge_and_is_told_of() {
    let mut scene = Scene::granted();
    let other = EmployeeId::generate();
    scene.attempt.resembled.push(other);
    assert_eq!(scene.verdict(), scene.opened(None), "a look-alike of somebody who is not blocked");
    scene.ground.blocked.push(other);
    assert_eq!(scene.verdict(), scene.opened(Some(Notice::LikeBlocked)));
    scene.zone().zone.anti_passback = AntiPassback::Soft;
    scene.crossed(Direction::In, TimeDelta::seconds(60));
    let verdict = scene.verdict();
    assert_eq!(verdict.notice, Some(Notice::LikeBlocked));
    assert_eq!(verdict.evidence.earlier_passage_id, Some(EARLIER));
}

/// Nobody is at two gates at once; but a long debounce on the way in shuts no way out.
#[test]
fn a_longer_debounce_of_another_gate_counts_for_two_seconds() {
    let at = |own: u32, theirs: u32, ago_ms: i64| {
        let mut scene = Scene::granted();
        scene.ground.gate.policy.debounce_ms = own;
        scene.passed(GateId::generate(), TimeDelta::milliseconds(ago_ms));
        scene.ground.last_gate.as_mut().unwrap().debounce_ms = theirs;
        scene.verdict().reason
    };
    assert_eq!(at(0, 600_000, 1_999), Reason::PassedElsewhere);
    assert_eq!(at(0, 600_000, 2_000), Reason::Granted);
    assert_eq!(at(0, 500, 1_000), Reason::Granted);
    assert_eq!(at(5_000, 0, 4_999), Reason::PassedElsewhere);
}

proptest! {
    /// Looks for a grant that some condition forbids, in any mixture of conditions.
    #[test]
    fn a_grant_implies_every_condition(
        enabled: bool, mode in prop::sample::select(GateMode::ALL.to_vec()),
        (shows_badge, same_badge, badge_required) in any::<(bool, bool, bool)>(),
        age_ms in -10_000i64..20_000, exists: bool, faces_exist: bool,
        status in prop::sample::select(EmployeeStatus::ALL.to_vec()),
        (suspected, blocked) in any::<(bool, bool)>(),
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
        settled: bool,
    ) {
        let mut s = Scene::granted();
        let now = s.ground.now;
        s.ground.gate.policy.enabled = enabled;
        s.ground.gate.policy.mode = mode;
        if suspected { s.suspect(); }
        if blocked { s.suspect_blocked(); }
        s.employee().badge_required = badge_required;
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
        s.ground.settled = settled.then_some(EARLIER);
        s.attempt.finding = finding;
        s.attempt.evidence.distance = Some(Distance::try_from(distance).unwrap());
        s.attempt.evidence.threshold = Some(Threshold::try_from(threshold).unwrap());
        s.attempt.evidence.liveness = liveness.map(|v| LivenessScore::try_from(v).unwrap());

        // With whom the gate compares; in the mode `badge_and_face` nobody is let in without a badge.
        let asked = match (mode, shows_badge) {
            (GateMode::Face, _) | (GateMode::BadgeOrFace, false) => Some(Finding::ComparedWithAll),
            (GateMode::BadgeAndFace | GateMode::BadgeOrFace, true) => Some(Finding::ComparedWithBadge),
            (GateMode::BadgeAndFace, false) => None,
        };
        let may_pass = enabled
            && (-2_000..=5_000).contains(&age_ms)
            && asked == Some(finding)
            && (finding == Finding::ComparedWithAll || same_badge)
            && (finding == Finding::ComparedWithBadge || !badge_required)
            && !blocked
            && required.is_none_or(|r| liveness.is_some_and(|l| l >= r))
            && distance < threshold
            && exists && faces_exist
            && status == EmployeeStatus::Active
            && from_s.is_none_or(|v| v <= 0) && until_s.is_none_or(|v| v > 0)
            && (!has_zone || leads_out || (is_member && in_hours))
            && !settled && last_gate.is_none_or(|(_, ago_s)| ago_s >= 10)
            && !(has_zone && anti_passback == AntiPassback::Hard
                && crossed.is_some_and(|(same, ago_s)| same && ago_s < 3_600));
        prop_assert_eq!(s.verdict().reason == Reason::Granted, may_pass);
        prop_assert_eq!(s.verdict().open_ms > 0, may_pass);
    }
}
