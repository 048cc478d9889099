//! Counts what becomes of those who come.

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

use super::visit::{Event, Outcome, Truth, Visit};
use crate::domain::Reason;

/// Times, in microseconds.
#[derive(Clone, Debug)]
pub(super) struct Times(Histogram<u64>);

impl Default for Times {
    fn default() -> Self {
        #[allow(clippy::expect_used, reason = "three digits are within the crate's 0 to 5")]
        Self(Histogram::new(3).expect("a histogram of three digits"))
    }
}

impl Times {
    pub fn note(&mut self, time: Duration) {
        // The histogram grows with what it is given, so that nothing is out of range.
        let _ = self.0.record(time.as_micros().try_into().unwrap_or(u64::MAX));
    }

    pub fn summary(&self) -> TimesMs {
        let ms = |micros: u64| micros as f64 / 1_000.0;
        let at = |quantile| ms(self.0.value_at_quantile(quantile));
        TimesMs { p50: at(0.5), p90: at(0.9), p99: at(0.99), max: ms(self.0.max()) }
    }
}

/// Times in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub(super) struct TimesMs {
    pub p50: f64,
    pub p90: f64,
    pub p99: f64,
    pub max: f64,
}

/// What became of those of whom the same is true.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct OfTruth {
    /// People who had their turn.
    pub people: u64,
    /// Whom a gate opened for.
    pub opened: u64,
    /// Whom it did not open for because of the face or its picture.
    pub not_recognised: u64,
    /// Whom it did not open for by a rule.
    pub withheld: u64,
    /// Who heard nothing.
    pub unanswered: u64,
    /// Who were let in, or would have been had the gate heard it, and should not; or as somebody else.
    pub false_accepts: u64,
    /// Who are enrolled and were not recognised.
    pub false_rejects: u64,
    /// What they left with, by its reason.
    pub reasons: BTreeMap<&'static str, u64>,
}

impl OfTruth {
    fn count(&mut self, visit: &Visit) {
        self.people += 1;
        let (number, reason) = match visit.outcome() {
            Outcome::Opened => (&mut self.opened, Some(Reason::Granted)),
            Outcome::NotRecognised(reason) => (&mut self.not_recognised, Some(reason)),
            Outcome::Withheld(reason) => (&mut self.withheld, Some(reason)),
            Outcome::Unanswered => (&mut self.unanswered, None),
        };
        *number += 1;
        *self.reasons.entry(reason.map_or("none", Reason::code)).or_default() += 1;
        self.false_accepts += u64::from(visit.is_falsely_accepted());
        self.false_rejects += u64::from(visit.is_falsely_rejected());
    }

    /// Those who were answered: of nobody else is there anything to say.
    pub fn answered(&self) -> u64 {
        self.people - self.unanswered
    }
}

/// What went over the network.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Traffic {
    /// Events of the gates: passages that were asked for.
    pub events: u64,
    /// Of these, with several frames.
    pub with_several_frames: u64,
    /// Of these, that were answered, whether the gate heard it or not.
    pub events_answered: u64,
    /// Of these, of which the gate heard.
    pub events_heard: u64,
    /// Requests that were answered with a decision.
    pub answers: u64,
    /// Of these, whose answer was thrown away on its way back.
    pub answers_lost: u64,
    /// Requests that were thrown away on their way there.
    pub requests_lost: u64,
    /// Requests that were sent anew under the same event because nothing was heard.
    pub repeated: u64,
    /// Requests for which the service was too busy.
    pub busy: u64,
    /// Requests of which nobody here knows what became.
    pub uncertain: u64,
    /// Why requests failed.
    pub failures: BTreeMap<String, u64>,
}

impl Traffic {
    fn count(&mut self, event: &Event) {
        self.events += 1;
        self.with_several_frames += u64::from(event.frames > 1);
        self.events_answered += u64::from(!event.answers.is_empty());
        self.events_heard += u64::from(event.heard().is_some());
        self.answers += event.answers.len() as u64;
        self.answers_lost += event.answers.iter().filter(|answer| !answer.heard).count() as u64;
        self.requests_lost += u64::from(event.lost_before);
        self.repeated += u64::from(event.repeated);
        self.busy += u64::from(event.busy);
        self.uncertain += u64::from(event.uncertain);
        for failure in &event.failures {
            *self.failures.entry(failure.clone()).or_default() += 1;
        }
    }
}

/// Requests that somebody who listened sent again as they were.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Eavesdropped {
    pub sent: u64,
    pub refused: u64,
    /// Answered with a decision: a fault of the service.
    pub answered: u64,
}

/// Everything that is counted.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    pub mated: OfTruth,
    pub stranger: OfTruth,
    pub attacks: BTreeMap<String, OfTruth>,
    pub traffic: Traffic,
    pub eavesdropped: Eavesdropped,
    /// From a request to its answer, of those that were heard.
    pub latency: Times,
    /// From the capture to the answer that was heard, what was lost in between included.
    pub decision: Times,
    /// In line before it was their turn.
    pub line: Times,
    /// To be held against the service's own books.
    pub events: Vec<Event>,
    /// People who have come, and had their turn or stand in line.
    pub came: u64,
}

impl Tally {
    pub fn count(&mut self, visit: Visit) {
        self.line.note(visit.waited);
        let of_truth = match &visit.truth {
            Truth::Mated(_) => &mut self.mated,
            Truth::Stranger => &mut self.stranger,
            Truth::Attack(kind) => self.attacks.entry(kind.clone()).or_default(),
        };
        of_truth.count(&visit);
        for event in visit.events {
            self.traffic.count(&event);
            event.latencies.iter().for_each(|time| self.latency.note(*time));
            event.took.iter().for_each(|time| self.decision.note(*time));
            self.events.push(event);
        }
    }

    /// All kinds, by their names.
    pub fn truths(&self) -> impl Iterator<Item = (String, &OfTruth)> {
        let attacks = self.attacks.iter().map(|(kind, of)| (format!("attack: {kind}"), of));
        let others = [("mated", &self.mated), ("stranger", &self.stranger)];
        others.into_iter().map(|(name, of)| (name.to_owned(), of)).chain(attacks)
    }

    pub fn served(&self) -> u64 {
        self.truths().map(|(_, of)| of.people).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::super::visit::tests::{event, told};
    use super::*;
    use crate::domain::EmployeeId;

    #[test]
    fn people_are_counted_by_what_is_true_of_them_and_requests_by_what_became_of_them() {
        let ada = EmployeeId::generate();
        let mut tally = Tally::default();
        let mut visit = |truth, events| {
            tally.count(Visit { truth, waited: Duration::from_millis(10), events });
        };
        let grant = told(Reason::Granted, Some(ada));
        let blurred = told(Reason::TooBlurred, None);
        visit(
            Truth::Mated(ada),
            vec![event("a", &[(blurred, true)]), event("b", &[(grant, false), (grant, true)])],
        );
        visit(Truth::Mated(ada), vec![event("c", &[(told(Reason::UnknownPerson, None), true)])]);
        visit(Truth::Stranger, vec![event("d", &[(grant, true)])]);
        let lost = Event { lost_before: 2, repeated: 1, ..event("e", &[]) };
        visit(Truth::Attack("print".to_owned()), vec![lost]);

        let OfTruth { people, opened, not_recognised, false_accepts, false_rejects, .. } =
            tally.mated;
        assert_eq!([people, opened, not_recognised, false_accepts, false_rejects], [2, 1, 1, 0, 1]);
        assert_eq!(tally.stranger.false_accepts, 1);
        assert_eq!((tally.attacks["print"].unanswered, tally.attacks["print"].answered()), (1, 0));
        let traffic = &tally.traffic;
        assert_eq!([traffic.events, traffic.events_answered, traffic.events_heard], [5, 4, 4]);
        assert_eq!([traffic.answers, traffic.answers_lost, traffic.requests_lost], [5, 1, 2]);
        assert_eq!(tally.served(), 4);
        assert!((tally.line.summary().max - 10.0).abs() < 0.1);
    }
}
