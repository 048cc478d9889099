//! The decision: a pure function of what was found, what is stored and the policy.

use chrono::{DateTime, TimeDelta, Utc};

use super::{Attempt, Finding};
use crate::domain::{
    AntiPassback, Direction, EmployeeId, Evidence, GateMode, GatePolicy, LastGate, Notice,
    PassageId, PassageRequest, Reason, Standing,
};
use crate::store::{Ground, Verdict, ZoneGround};

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
    if policy.mode == GateMode::BadgeAndFace && request.badge_id.is_none() {
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
    let mut verdict = judge(clock_skew_max, request, attempt, ground);
    verdict.evidence.earlier_passage_id = earlier(&verdict, ground);
    verdict
}

/// The earlier passage of the person's that a verdict rests on.
fn earlier(verdict: &Verdict, ground: &Ground) -> Option<PassageId> {
    match verdict.reason {
        Reason::AlreadyGranted | Reason::PassedElsewhere => {
            ground.settled.or(in_the_way(ground).map(|last| last.passage_id))
        }
        // Where soft anti-passback reports it, also if the notice tells of an alarm instead.
        Reason::AntiPassback | Reason::Granted => {
            let zone = ground.zone.as_ref()?;
            let passed_back = pass_back(zone, ground.gate.policy.direction, ground.now);
            let crossing = zone.last_crossing.filter(|_| passed_back != Ok(None))?;
            Some(crossing.passage_id)
        }
        _ => None,
    }
}

fn judge(
    clock_skew_max: TimeDelta,
    request: &PassageRequest,
    attempt: &Attempt,
    ground: &Ground,
) -> Verdict {
    let evidence = attempt.evidence.clone();
    match grant(clock_skew_max, request, attempt, ground) {
        Ok(notice) => {
            let is_blocked = |other: &EmployeeId| ground.blocked.contains(other);
            let resembles = attempt.resembled.iter().any(is_blocked);
            let notice = if resembles { Some(Notice::LikeBlocked) } else { notice };
            let open_ms = ground.gate.policy.open_ms;
            Verdict { reason: Reason::Granted, open_ms, notice, evidence }
        }
        Err(reason) => {
            let blocked = blocked(attempt, ground).filter(|_| reason == Reason::Blocked);
            let evidence = blocked.cloned().unwrap_or(evidence);
            Verdict { reason, open_ms: 0, notice: None, evidence }
        }
    }
}

/// The first of the suspects who is blocked.
fn blocked<'a>(attempt: &'a Attempt, ground: &Ground) -> Option<&'a Evidence> {
    let is_blocked = |suspect: &&Evidence| {
        suspect.employee_id.is_some_and(|employee| ground.blocked.contains(&employee))
    };
    attempt.suspects.iter().find(is_blocked)
}

fn grant(
    clock_skew_max: TimeDelta,
    request: &PassageRequest,
    attempt: &Attempt,
    ground: &Ground,
) -> Result<Option<Notice>, Reason> {
    let policy = &ground.gate.policy;
    if ground.key_revoked {
        return Err(Reason::KeyRevoked);
    }
    admit(policy, clock_skew_max, request, ground.now)?;
    // Whatever else would keep the gate shut: somebody must hear of it.
    if blocked(attempt, ground).is_some() {
        return Err(Reason::Blocked);
    }
    let evidence = &attempt.evidence;
    let by_badge = policy.mode.badge(request.badge_id.as_ref()).is_some();
    let no_match = match attempt.finding {
        Finding::Ended(reason) => return Err(reason),
        Finding::ComparedWithBadge if by_badge => Reason::FaceDoesNotMatchBadge,
        Finding::ComparedWithAll if !by_badge => Reason::UnknownPerson,
        // When the frames came the gate refused, or asked for another comparison: they can be sent again.
        Finding::NotExamined | Finding::ComparedWithBadge | Finding::ComparedWithAll => {
            return Err(Reason::StaleFrame);
        }
    };
    if let Some(required) = policy.liveness_threshold
        && !evidence.liveness.is_some_and(|liveness| liveness.is_live(required))
    {
        return Err(Reason::Spoof);
    }
    // A verifier compares with one person, never with everybody.
    if !evidence.is_match() || (evidence.likelihood.is_some() && !by_badge) {
        return Err(no_match);
    }
    let employee = ground.employee.as_ref().ok_or(Reason::TemplateRemoved)?;
    if evidence.employee_id != Some(employee.id) || !ground.faces_exist {
        return Err(Reason::TemplateRemoved);
    }
    // The badge may have been given to another person since it was looked up.
    if by_badge && request.badge_id != employee.badge_id {
        return Err(Reason::UnknownBadge);
    }
    // Of look-alikes the face alone does not say who it is, and so nothing of how they stand.
    if employee.badge_required && !by_badge {
        return Err(Reason::BadgeRequired);
    }
    match employee.standing(ground.now) {
        Standing::Good => {}
        Standing::Blocked => return Err(Reason::Blocked),
        Standing::Suspended => return Err(Reason::Suspended),
        Standing::Revoked => return Err(Reason::Revoked),
        Standing::NotYetValid => return Err(Reason::NotYetValid),
        Standing::Expired => return Err(Reason::Expired),
    }
    if let Some(zone) = &ground.zone
        && policy.direction == Direction::In
    {
        enter(zone, ground.now)?;
    }
    debounce(ground)?;
    match &ground.zone {
        Some(zone) => pass_back(zone, policy.direction, ground.now),
        None => Ok(None),
    }
}

/// Whether a group of the employee's may enter the zone now. Whoever is inside may leave at any hour.
fn enter(ground: &ZoneGround, now: DateTime<Utc>) -> Result<(), Reason> {
    let mut reason = Reason::NoAccess;
    for admission in ground.admissions.iter().filter(|admission| admission.is_valid(now)) {
        if admission.schedule.covers(now, ground.site.time_zone, &ground.site.holidays) {
            return Ok(());
        }
        reason = Reason::OutsideHours;
    }
    Err(reason)
}

/// A person who was let through a gate a moment ago is still in it, and nowhere else; one who was let through
/// since the passage that is repeated has left that one behind.
fn debounce(ground: &Ground) -> Result<(), Reason> {
    if ground.settled.is_some() {
        // Its grant was used, or is over: who still stands there asks anew.
        return Err(Reason::AlreadyGranted);
    }
    match in_the_way(ground) {
        None => Ok(()),
        Some(last) if last.gate_id == ground.gate.id => Err(Reason::AlreadyGranted),
        Some(_) => Err(Reason::PassedElsewhere),
    }
}

/// For so long at most the debounce of one gate counts at another that asks for less.
const ELSEWHERE_MS_MAX: u32 = 2_000;

/// The passage after which the person may not be let through yet.
fn in_the_way(ground: &Ground) -> Option<LastGate> {
    let own = ground.gate.policy.debounce_ms;
    // Elsewhere a long one of theirs counts only as far as nobody walks: else it would shut the way out.
    let window = |last: &LastGate| {
        TimeDelta::milliseconds(own.max(last.debounce_ms.min(ELSEWHERE_MS_MAX)).into())
    };
    let last = ground.last_gate.filter(|last| ground.now - last.at < window(last));
    // Where nobody asks how often a person passes, the same gate may be passed again and again.
    let guarded = ground.zone.as_ref().is_some_and(|z| z.zone.anti_passback != AntiPassback::Off);
    let since = ground.since.filter(|since| guarded || since.gate_id != ground.gate.id);
    since.or(last)
}

/// Whether the person goes through the zone's gates by turns.
fn pass_back(
    ground: &ZoneGround,
    direction: Direction,
    now: DateTime<Utc>,
) -> Result<Option<Notice>, Reason> {
    let passed_back = ground.zone.is_passed_back(ground.last_crossing, direction, now);
    match ground.zone.anti_passback {
        AntiPassback::Hard if passed_back => Err(Reason::AntiPassback),
        AntiPassback::Soft if passed_back => Ok(Some(Notice::AntiPassback)),
        AntiPassback::Off | AntiPassback::Soft | AntiPassback::Hard => Ok(None),
    }
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod week;
