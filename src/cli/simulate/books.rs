//! Whether the gates, Postgres and the metrics say the same of a run.

use std::collections::{BTreeMap, HashMap, HashSet};

use anyhow::Context;
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use super::visit::Event;
use crate::domain::{GateId, PassageId, Reason};

/// Differences that are told at most; the rest are counted.
const DIFFERENCES_TOLD_MAX: usize = 20;

/// Numbers by reason, as a gate is told them: what raises an alarm in silence counts as what the gate hears.
pub(super) type ByReason = BTreeMap<&'static str, i64>;

/// A passage as `GET /v1/passages` shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Row {
    pub passage_id: PassageId,
    pub gate_id: GateId,
    pub event_id: String,
    pub reason: Reason,
}

impl Row {
    pub fn of(item: &Value) -> anyhow::Result<Self> {
        let text =
            |name: &str| item[name].as_str().with_context(|| format!("a passage without {name}"));
        Ok(Self {
            passage_id: PassageId(text("passage_id")?.parse()?),
            gate_id: GateId(text("gate_id")?.parse()?),
            event_id: text("event_id")?.to_owned(),
            reason: serde_json::from_value(item["reason"].clone())?,
        })
    }

    /// The reason that its gate was told, as every gate here compares with everybody.
    fn told(&self) -> &'static str {
        told(self.reason)
    }
}

fn told(reason: Reason) -> &'static str {
    reason.told(false).code()
}

/// `limen_passages_total` of a text of metrics, by reason.
pub(super) fn answers_counted(metrics: &str) -> anyhow::Result<ByReason> {
    let mut counted = ByReason::new();
    for line in metrics.lines().filter_map(|line| line.strip_prefix("limen_passages_total{")) {
        let wrong = || format!("a metric cannot be read: {line}");
        let (labels, value) = line.split_once("} ").with_context(wrong)?;
        let reason = labels.split("reason=\"").nth(1).and_then(|rest| rest.split('"').next());
        let reason: Reason = serde_json::from_value(reason.with_context(wrong)?.into())?;
        let value: i64 = value.trim().parse().with_context(wrong)?;
        *counted.entry(told(reason)).or_default() += value;
    }
    anyhow::ensure!(!counted.is_empty(), "the metrics hold no limen_passages_total");
    Ok(counted)
}

/// The newest passage of all gates, at moments of a run.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Newest {
    /// Before and after the metrics were first read.
    pub edge: Option<PassageId>,
    pub first: Option<PassageId>,
    /// Before they were read again.
    pub last: Option<PassageId>,
}

/// What the trail holds since a run began.
#[derive(Debug, Default)]
pub(super) struct Trail {
    /// The run's own.
    pub rows: Vec<Row>,
    /// Of other gates, while the metrics were sure to count them.
    pub others: ByReason,
    /// Whether other gates passed anybody, before or after these too.
    pub are_others: bool,
    /// Passages of other gates that cannot be read.
    pub unread: u64,
}

impl Trail {
    /// Takes a passage as it is listed; one of the run's own gates must be readable.
    pub fn take(
        &mut self,
        item: &Value,
        prefix: &str,
        own: &HashSet<GateId>,
        newest: Newest,
    ) -> anyhow::Result<()> {
        let id = |name: &str| item[name].as_str().and_then(|text| text.parse::<Uuid>().ok());
        let gate_id = GateId(id("gate_id").context("a passage without gate_id")?);
        let read = if item["unreadable"] == true {
            Err(anyhow::anyhow!("a passage of this run cannot be read: limen audit verify"))
        } else {
            Row::of(item)
        };
        match read {
            Err(error) if own.contains(&gate_id) => return Err(error),
            Err(_) => {
                self.unread += 1;
                self.are_others |=
                    id("passage_id").is_none_or(|id| Some(PassageId(id)) > newest.edge);
            }
            Ok(row) if row.event_id.starts_with(prefix) => self.rows.push(row),
            Ok(row) => {
                let passage = Some(row.passage_id);
                self.are_others |= passage > newest.edge;
                if passage > newest.first && passage <= newest.last {
                    *self.others.entry(row.told()).or_default() += 1;
                }
            }
        }
        Ok(())
    }
}

/// What is held against what.
pub(super) struct Books<'a> {
    pub events: &'a [Event],
    /// The trail of this run's gates.
    pub trail: &'a [Row],
    /// What the metrics counted meanwhile; none where they were not asked.
    pub metrics: Option<&'a ByReason>,
    /// Passages of other gates meanwhile.
    pub others: &'a ByReason,
    /// Whether other gates passed anybody, before or after these passages too.
    pub are_others: bool,
}

/// One reason in all books.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Line {
    /// Answers that the gates were given, heard or not.
    pub answers: i64,
    /// Of these, that said again what was said of the same passage.
    pub repeated: i64,
    /// Passages in the trail.
    pub trail: i64,
    /// Answers that the metrics counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metrics: Option<i64>,
    /// Passages of other gates, which the metrics count too.
    pub others: i64,
}

/// What came of holding the books against each other.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Reconciliation {
    pub adds_up: bool,
    /// Whether the metrics can tell: what other gates repeat they count, too, and the trail has it once.
    pub metrics_judged: bool,
    pub reasons: BTreeMap<&'static str, Line>,
    /// What does not add up, the first of it.
    pub differences: Vec<String>,
    pub differences_count: u64,
    /// What does, but only because it may.
    pub remarks: Vec<String>,
}

impl Books<'_> {
    /// Every answer must be a row of the trail with the same reason and event, every row an answer's or, where a
    /// request's fate is not known, that request's; and the metrics must have counted each answer.
    pub fn reconcile(&self) -> Reconciliation {
        let mut found = Reconciliation {
            adds_up: true,
            metrics_judged: self.metrics.is_some() && !self.are_others,
            reasons: BTreeMap::new(),
            differences: Vec::new(),
            differences_count: 0,
            remarks: Vec::new(),
        };
        self.answers_against_trail(&mut found);
        self.trail_against_answers(&mut found);
        for (reason, count) in self.others {
            found.reasons.entry(reason).or_default().others = *count;
        }
        if let Some(metrics) = self.metrics {
            self.against_metrics(metrics, &mut found);
        }
        found.reasons.retain(|_, line| {
            *line != Line { metrics: self.metrics.map(|_| 0), ..Line::default() }
        });
        found.adds_up = found.differences_count == 0;
        found
    }

    fn answers_against_trail(&self, found: &mut Reconciliation) {
        let rows: HashMap<PassageId, &Row> =
            self.trail.iter().map(|row| (row.passage_id, row)).collect();
        for event in self.events {
            let mut passages = HashSet::new();
            for answer in event.answers.iter().map(|answer| answer.told) {
                let line = found.reasons.entry(told(answer.reason)).or_default();
                line.answers += 1;
                line.repeated += i64::from(!passages.insert(answer.passage_id));
                let (id, reason) = (answer.passage_id, told(answer.reason));
                match rows.get(&id) {
                    None => {
                        found.differ(format!("passage {id} was answered and is not in the trail"))
                    }
                    Some(row) if row.event_id != event.id || row.gate_id != event.gate_id => {
                        found.differ(format!("passage {id} is another event's in the trail"));
                    }
                    Some(row) if row.told() != reason => found.differ(format!(
                        "passage {id} was answered {reason}, and is {} in the trail",
                        row.told()
                    )),
                    Some(_) => {}
                }
            }
        }
    }

    fn trail_against_answers(&self, found: &mut Reconciliation) {
        let events: HashMap<&str, &Event> =
            self.events.iter().map(|event| (event.id.as_str(), event)).collect();
        let mut unheard = 0;
        for row in self.trail {
            found.reasons.entry(row.told()).or_default().trail += 1;
            let Some(event) = events.get(row.event_id.as_str()) else {
                let Row { passage_id, event_id, .. } = row;
                found.differ(format!(
                    "passage {passage_id} is of the event {event_id}, which no gate had"
                ));
                continue;
            };
            let answered = |id| event.answers.iter().any(|answer| answer.told.passage_id == id);
            if answered(row.passage_id) {
                continue;
            }
            if event.uncertain > 0 {
                unheard += 1;
            } else {
                found.differ(format!(
                    "passage {} is in the trail and was never answered",
                    row.passage_id
                ));
            }
        }
        if unheard > 0 {
            found.remarks.push(format!(
                "{unheard} passages were recorded whose answers never came: their requests were cut off"
            ));
        }
    }

    /// Of a request that was cut off, and of an event that another gate repeats, the metrics may count one more.
    fn against_metrics(&self, metrics: &ByReason, found: &mut Reconciliation) {
        let mut more = 0;
        let reasons: HashSet<&'static str> =
            metrics.keys().chain(found.reasons.keys()).copied().collect();
        for reason in reasons {
            let line = found.reasons.entry(reason).or_default();
            let counted = metrics.get(reason).copied().unwrap_or_default();
            line.metrics = Some(counted);
            let surplus = counted - line.answers - line.others;
            let told = format!(
                "{reason}: the metrics counted {counted}, the gates were answered {} and others passed {}",
                line.answers, line.others
            );
            if surplus < 0 {
                found.differ(told);
            }
            more += surplus.max(0);
        }
        let uncertain: i64 = self.events.iter().map(|event| i64::from(event.uncertain)).sum();
        if more > uncertain && !self.are_others {
            found.differ(format!(
                "the metrics counted {more} answers more than the gates were given, and {uncertain} requests were cut off"
            ));
        } else if more > 0 {
            let whose =
                if self.are_others { "of other gates, or of requests" } else { "of requests" };
            found.remarks.push(format!(
                "the metrics counted {more} answers more: {whose} that were cut off"
            ));
        }
    }
}

impl Reconciliation {
    fn differ(&mut self, difference: String) {
        self.differences_count += 1;
        if self.differences.len() < DIFFERENCES_TOLD_MAX {
            self.differences.push(difference);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::turnstile::Told;
    use super::super::visit::tests::{event, told};
    use super::*;

    fn row(event: &Event, told: Told) -> Row {
        Row {
            passage_id: told.passage_id,
            gate_id: event.gate_id,
            event_id: event.id.clone(),
            reason: told.reason,
        }
    }

    fn by_reason(counts: &[(Reason, i64)]) -> ByReason {
        counts.iter().map(|(reason, count)| (reason.code(), *count)).collect()
    }

    /// Three events: a grant that was said twice, a grant that was withdrawn when it was repeated, a denial.
    fn run() -> (Vec<Event>, Vec<Row>, ByReason) {
        let [first, second] = [told(Reason::Granted, None), told(Reason::Granted, None)];
        let (withdrawn, denied) =
            (told(Reason::PassedElsewhere, None), told(Reason::UnknownPerson, None));
        let events = vec![
            event("a", &[(first, false), (first, true)]),
            event("b", &[(second, false), (withdrawn, true)]),
            event("c", &[(denied, true)]),
        ];
        let rows = vec![
            row(&events[0], first),
            row(&events[1], second),
            row(&events[1], withdrawn),
            // Somebody blocked: the gate hears what a stranger would.
            Row { reason: Reason::Blocked, ..row(&events[2], denied) },
        ];
        let metrics = by_reason(&[
            (Reason::Granted, 3),
            (Reason::PassedElsewhere, 1),
            (Reason::UnknownPerson, 1),
            (Reason::Spoof, 0),
        ]);
        (events, rows, metrics)
    }

    fn reconcile(
        events: &[Event],
        trail: &[Row],
        metrics: &ByReason,
        others: &ByReason,
    ) -> Reconciliation {
        let are_others = !others.is_empty();
        Books { events, trail, metrics: Some(metrics), others, are_others }.reconcile()
    }

    #[test]
    fn a_run_adds_up_where_each_answer_is_a_passage_and_was_counted() {
        let (events, rows, metrics) = run();
        let found = reconcile(&events, &rows, &metrics, &ByReason::new());
        assert!(found.adds_up && found.metrics_judged, "{found:?}");
        let granted = Line { answers: 3, repeated: 1, trail: 2, metrics: Some(3), others: 0 };
        assert_eq!(found.reasons["granted"], granted);
        assert_eq!(found.reasons.len(), 3, "{found:?}");
        assert!(found.remarks.is_empty());
    }

    #[test]
    fn whatever_is_missing_or_too_much_is_told() {
        let (events, rows, metrics) = run();
        let none = ByReason::new();
        let differs = |trail: &[Row], metrics: &ByReason, others: &ByReason, what: &str| {
            let found = reconcile(&events, trail, metrics, others);
            assert!(
                !found.adds_up && found.differences.iter().any(|d| d.contains(what)),
                "{found:?}"
            );
        };
        differs(&rows[1..], &metrics, &none, "is not in the trail");
        let mut more = rows.clone();
        more.push(Row { passage_id: PassageId::generate(), ..rows[0].clone() });
        differs(&more, &metrics, &none, "never answered");
        more[4].event_id = "x".to_owned();
        differs(&more, &metrics, &none, "which no gate had");
        let mut other = rows.clone();
        other[0].reason = Reason::Spoof;
        differs(&other, &metrics, &none, "was answered granted, and is spoof");
        let mut fewer = metrics.clone();
        fewer.insert("granted", 2);
        differs(&rows, &fewer, &none, "granted: the metrics counted 2");
        let mut surplus = metrics.clone();
        surplus.insert("spoof", 4);
        differs(&rows, &surplus, &none, "counted 4 answers more");
        differs(&rows, &metrics, &by_reason(&[(Reason::Spoof, 1)]), "others passed 1");
    }

    #[test]
    fn what_others_pass_is_taken_off_and_what_was_cut_off_may_be_either() {
        let (mut events, rows, mut metrics) = run();
        metrics.insert("spoof", 4);
        let found = reconcile(&events, &rows, &metrics, &by_reason(&[(Reason::Spoof, 4)]));
        assert!(found.adds_up && found.remarks.is_empty(), "{found:?}");
        // Three of the four may be repetitions of another gate's, or counted wrongly.
        let found = reconcile(&events, &rows, &metrics, &by_reason(&[(Reason::Spoof, 1)]));
        assert!(!found.metrics_judged, "{found:?}");
        assert!(found.adds_up && found.remarks[0].contains("3 answers more"), "{found:?}");

        metrics.insert("spoof", 1);
        let none = ByReason::new();
        assert!(!reconcile(&events, &rows, &metrics, &none).adds_up);
        events.push(Event { uncertain: 1, ..event("d", &[]) });
        let mut trail = rows.clone();
        trail.push(row(&events[3], told(Reason::Spoof, None)));
        let found = reconcile(&events, &trail, &metrics, &none);
        assert!(found.adds_up && found.remarks.len() == 2, "{found:?}");
    }

    #[test]
    fn what_cannot_be_read_is_a_fault_of_the_runs_own_gates_alone() {
        let [own, other] = [1, 2].map(|id| GateId(Uuid::from_u128(id)));
        let item = |gate: GateId, event: &str, reason: &str| {
            let passage = PassageId::generate().to_string();
            json!({"passage_id": passage, "gate_id": gate.to_string(), "event_id": event, "reason": reason})
        };
        let mut trail = Trail::default();
        let last = Some(PassageId(Uuid::max()));
        let mut take = |item: &Value| {
            let newest = Newest { last, ..Newest::default() };
            trail.take(item, "sim-a-", &HashSet::from([own]), newest)
        };
        let mut unreadable = item(other, "x", "granted");
        unreadable["unreadable"] = true.into();
        take(&item(own, "sim-a-1", "granted")).unwrap();
        take(&item(other, "x", "spoof")).unwrap();
        take(&unreadable).unwrap();
        take(&item(other, "x", "of_a_later_version")).unwrap();
        unreadable["gate_id"] = own.to_string().into();
        assert!(take(&unreadable).is_err());
        assert!(take(&item(own, "sim-a-2", "of_a_later_version")).is_err());
        assert_eq!((trail.rows.len(), trail.unread, trail.are_others), (1, 2, true));
        assert_eq!(trail.others, by_reason(&[(Reason::Spoof, 1)]));
    }

    #[test]
    fn the_metrics_are_read_by_reason() {
        let text = "# HELP limen_passages x\nlimen_passages_total{decision=\"deny\",reason=\"blocked\"} 2\n\
                    limen_passages_total{decision=\"deny\",reason=\"unknown_person\"} 3\nlimen_ready 1\n";
        assert_eq!(answers_counted(text).unwrap(), by_reason(&[(Reason::UnknownPerson, 5)]));
        assert!(answers_counted("limen_ready 1").is_err());
    }
}
