//! What happened, and what must not have.

use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use serde::Deserialize;
use uuid::Uuid;

use crate::faults::Fault;
use crate::world::World;

/// How long before and after a violation its story is told.
const AROUND: Duration = Duration::from_secs(3);

/// By what somebody was to pass.
#[derive(Clone, Copy)]
pub struct Access {
    pub person: usize,
    pub gate: Uuid,
    pub key: Uuid,
    pub by_badge: bool,
}

/// A passage that was asked for once.
pub struct Attempt {
    pub access: Access,
    pub event: Uuid,
    pub replica: usize,
    pub sent_at: Instant,
    pub ended_at: Instant,
    /// None when there was no decision.
    pub answer: Option<Answer>,
}

#[derive(Debug, Deserialize)]
pub struct Answer {
    pub passage_id: Uuid,
    pub decision: String,
    pub reason: String,
}

/// What a revocation took away.
#[derive(Clone, Copy, Debug)]
pub enum Lost {
    /// To pass at all.
    Standing,
    Badge,
    Gate(Uuid),
    /// For ever: a person gets another.
    Key(Uuid),
}

/// A right that was taken away, up to when it began to be given back.
pub struct Revocation {
    pub person: usize,
    pub lost: Lost,
    pub sent_at: Instant,
    pub acknowledged_at: Instant,
    /// By Postgres, read after.
    pub acknowledged_clock: DateTime<Utc>,
    pub ended_at: Instant,
    /// By Postgres, read before.
    pub ended_clock: DateTime<Utc>,
}

impl Revocation {
    fn forbids(&self, access: Access) -> bool {
        self.person == access.person
            && match self.lost {
                Lost::Standing => true,
                Lost::Badge => access.by_badge,
                Lost::Gate(gate) => gate == access.gate,
                Lost::Key(key) => key == access.key,
            }
    }

    fn is_for_ever(&self) -> bool {
        matches!(self.lost, Lost::Key(_))
    }

    /// Whether all of the attempt lies between the acknowledgement and the reinstatement, and needs what was lost.
    fn covers(&self, attempt: &Attempt) -> bool {
        let before_end = self.is_for_ever() || attempt.ended_at < self.ended_at;
        self.forbids(attempt.access) && attempt.sent_at > self.acknowledged_at && before_end
    }

    /// The same of a row of the trail.
    fn covers_row(&self, row: &Row) -> bool {
        let before_end = self.is_for_ever() || row.decided_at < self.ended_clock;
        self.forbids(row.access) && row.decided_at > self.acknowledged_clock && before_end
    }
}

/// A row of the trail.
struct Row {
    id: Uuid,
    event: String,
    access: Access,
    granted: bool,
    decided_at: DateTime<Utc>,
}

#[derive(Default)]
pub struct History {
    pub attempts: Vec<Attempt>,
    pub revocations: Vec<Revocation>,
    /// With the replica, where it is one's.
    pub faults: Vec<(Fault, usize, Instant, Instant)>,
}

/// Whether nothing happened that must not, and enough did. Says what, otherwise.
pub async fn assert_held(world: &World, time: Duration) {
    let rows = trail(world).await;
    let history = world.history.lock();
    let mut violations = history.grants_after_revocations();
    violations.extend(history.late_rows(&rows));
    violations.extend(history.answers_without_rows(&rows));
    violations.extend(doubles(&rows));
    println!("{}", history.summary(&rows));
    assert!(violations.is_empty(), "{}", violations.join("\n"));
    assert_eq!(history.lacks(time), None);
    let happened: HashSet<Fault> = history.faults.iter().map(|fault| fault.0).collect();
    assert_eq!(happened.len(), Fault::ALL.len(), "only {happened:?}");
}

impl History {
    /// Passages that were granted though all of them lies after an acknowledged revocation.
    fn grants_after_revocations(&self) -> Vec<String> {
        let mut violations = Vec::new();
        for attempt in self.attempts.iter().filter(|attempt| attempt.is_granted()) {
            for revocation in self.revocations.iter().filter(|it| it.covers(attempt)) {
                let event = attempt.event;
                let what = format!("the event {event} was granted after a revocation");
                violations.push(self.story(&what, revocation));
            }
        }
        violations
    }

    /// Grants in the trail that were decided after an acknowledged revocation.
    fn late_rows(&self, rows: &[Row]) -> Vec<String> {
        let mut violations = Vec::new();
        for row in rows.iter().filter(|row| row.granted) {
            for revocation in self.revocations.iter().filter(|it| it.covers_row(row)) {
                let late = row.decided_at - revocation.acknowledged_clock;
                let what = format!(
                    "the event {} has a grant in the trail, {} ms after the acknowledgement",
                    row.event,
                    late.num_milliseconds()
                );
                violations.push(self.story(&what, revocation));
            }
        }
        violations
    }

    /// Decisions that were answered and are not in the trail, or another is.
    fn answers_without_rows(&self, rows: &[Row]) -> Vec<String> {
        let written: HashMap<Uuid, bool> = rows.iter().map(|row| (row.id, row.granted)).collect();
        let answers = self.attempts.iter().filter_map(|attempt| attempt.answer.as_ref());
        answers
            .filter(|answer| written.get(&answer.passage_id) != Some(&answer.is_grant()))
            .map(|answer| format!("answered, and not so in the trail: {answer:?}"))
            .collect()
    }

    fn summary(&self, rows: &[Row]) -> String {
        let answered = self.attempts.iter().filter(|it| it.answer.is_some()).count();
        let granted = self.attempts.iter().filter(|it| it.is_granted()).count();
        format!(
            "{} attempts: {answered} answered, {granted} granted, {} after a revocation; {} rows, {} granted; \
             {} revocations; {} faults",
            self.attempts.len(),
            self.forbidden(),
            rows.len(),
            rows.iter().filter(|row| row.granted).count(),
            self.revocations.len(),
            self.faults.len(),
        )
    }

    /// Attempts that were answered and had to be refused.
    fn forbidden(&self) -> usize {
        let answered = self.attempts.iter().filter(|attempt| attempt.answer.is_some());
        answered.filter(|it| self.revocations.iter().any(|other| other.covers(it))).count()
    }

    /// What there is too little of for so long a test: one in which nothing goes on would hold always.
    pub fn lacks(&self, time: Duration) -> Option<String> {
        let seconds = time.as_secs() as usize;
        let granted = self.attempts.iter().filter(|attempt| attempt.is_granted()).count();
        let counts = [
            (granted, seconds / 2, "grants"),
            (self.revocations.len(), seconds / 4, "revocations"),
            (self.forbidden(), seconds / 4, "passages after a revocation"),
        ];
        let lack = counts.into_iter().find(|(count, least, _)| count < least);
        lack.map(|(count, least, what)| {
            format!("only {count} {what}, and at least {least} are due")
        })
    }

    /// What went on around a revocation that did not hold.
    fn story(&self, what: &str, revocation: &Revocation) -> String {
        let (from, until) = (revocation.acknowledged_at - AROUND, revocation.ended_at + AROUND);
        let person = revocation.person;
        let mut lines = Vec::new();
        for it in self.attempts.iter().filter(|attempt| attempt.access.person == person) {
            let Access { gate, by_badge, .. } = it.access;
            let reason = it.answer.as_ref().map_or("no answer", |answer| &answer.reason);
            let text = format!(
                "replica {} event {} gate {gate} badge {by_badge}: {reason}",
                it.replica, it.event
            );
            lines.push((it.sent_at, it.ended_at, text));
        }
        for it in self.revocations.iter().filter(|it| it.person == person) {
            lines.push((it.sent_at, it.acknowledged_at, format!("REVOKED {:?}", it.lost)));
            lines.push((it.ended_at, it.ended_at, "REINSTATED from here on".to_owned()));
        }
        for (fault, replica, begun_at, ended_at) in &self.faults {
            lines.push((*begun_at, *ended_at, format!("FAULT {fault:?} (replica {replica})")));
        }
        lines.retain(|(begun_at, ended_at, _)| *ended_at > from && *begun_at < until);
        lines.sort_by_key(|(begun_at, ..)| *begun_at);
        let mut story = format!("{what}; person {person}, ms since the acknowledgement:\n");
        let ms = |at: Instant| {
            let zero = revocation.acknowledged_at;
            let after = at.saturating_duration_since(zero).as_millis() as i64;
            after - zero.saturating_duration_since(at).as_millis() as i64
        };
        for (begun_at, ended_at, text) in lines {
            let _ = writeln!(story, "{:>7} ..{:>7} {text}", ms(begun_at), ms(ended_at));
        }
        story
    }
}

impl Attempt {
    pub fn is_granted(&self) -> bool {
        self.answer.as_ref().is_some_and(Answer::is_grant)
    }
}

impl Answer {
    fn is_grant(&self) -> bool {
        self.decision == "grant"
    }
}

/// Events that were granted twice.
fn doubles(rows: &[Row]) -> Vec<String> {
    let mut seen = HashSet::new();
    let granted = rows.iter().filter(|row| row.granted);
    granted
        .filter(|row| !seen.insert((row.access.gate, &row.event)))
        .map(|row| format!("the event {} has two grants in the trail", row.event))
        .collect()
}

/// The trail, but for what is about nobody.
async fn trail(world: &World) -> Vec<Row> {
    type Columns = (Uuid, String, Uuid, Uuid, Option<String>, Option<Uuid>, String, DateTime<Utc>);
    let rows: Vec<Columns> = sqlx::query_as(
        "select id, event_id, gate_id, key_id, badge_id, employee_id, decision, decided_at from passages",
    )
    .fetch_all(&world.direct)
    .await
    .unwrap();
    let people = world.people.iter().enumerate();
    let people: HashMap<Uuid, usize> = people.map(|(at, person)| (person.employee, at)).collect();
    rows.into_iter()
        .map(|(id, event, gate, key, badge, employee, decision, decided_at)| {
            // Nobody's, where the face was nobody's: no grant.
            let person = employee.map_or(usize::MAX, |employee| people[&employee]);
            let access = Access { person, gate, key, by_badge: badge.is_some() };
            Row { id, event, access, granted: decision == "grant", decided_at }
        })
        .collect()
}
