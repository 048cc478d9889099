//! What became of one person at a gate, beside what is true of them.

use std::time::Duration;

use super::turnstile::Told;
use crate::domain::{Decision, EmployeeId, GateId, Reason};

/// What is true of whoever stands at a gate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Truth {
    /// They are enrolled as this employee.
    Mated(EmployeeId),
    /// They are not enrolled.
    Stranger,
    /// It is a presentation attack of this kind.
    Attack(String),
}

impl Truth {
    /// The name that the report has for it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Mated(_) => "mated",
            Self::Stranger => "stranger",
            Self::Attack(_) => "attack",
        }
    }
}

/// An answer of the service's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Answered {
    pub told: Told,
    /// False where it got lost on its way to the gate.
    pub heard: bool,
}

/// One event of a gate: frames that were sent, once or, where an answer got lost, again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Event {
    pub id: String,
    pub gate_id: GateId,
    pub frames: usize,
    /// In the order in which they were given.
    pub answers: Vec<Answered>,
    /// Requests that got lost before the service had them, in the simulation.
    pub lost_before: u32,
    /// Requests of which nobody here knows whether the service decided.
    pub uncertain: u32,
    /// Requests that were sent anew because nothing was heard.
    pub repeated: u32,
    /// Requests for which the service was too busy.
    pub busy: u32,
    /// Why requests were not taken, or not answered in earnest.
    pub failures: Vec<String>,
    /// From the capture to the answer that was heard.
    pub took: Option<Duration>,
    /// What each answer took, of those that were heard.
    pub latencies: Vec<Duration>,
}

impl Event {
    pub fn new(id: String, gate_id: GateId, frames: usize) -> Self {
        Self {
            id,
            gate_id,
            frames,
            answers: Vec::new(),
            lost_before: 0,
            uncertain: 0,
            repeated: 0,
            busy: 0,
            failures: Vec::new(),
            took: None,
            latencies: Vec::new(),
        }
    }

    /// What the gate heard.
    pub fn heard(&self) -> Option<Told> {
        self.answers.iter().rev().find(|answer| answer.heard).map(|answer| answer.told)
    }
}

/// What somebody left a gate with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It opened.
    Opened,
    /// It stayed shut, for a reason of the face or its picture.
    NotRecognised(Reason),
    /// It stayed shut by a rule: hours, order, time.
    Withheld(Reason),
    /// Nothing was heard.
    Unanswered,
}

/// One person at a gate, until they went through or away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Visit {
    pub truth: Truth,
    /// In line before it was their turn.
    pub waited: Duration,
    /// Each with frames of its own.
    pub events: Vec<Event>,
}

impl Visit {
    pub fn outcome(&self) -> Outcome {
        let heard = self.events.iter().rev().find_map(Event::heard);
        match heard {
            None => Outcome::Unanswered,
            Some(told) if told.decision == Decision::Grant => Outcome::Opened,
            Some(told) if is_of_the_face(told.reason) => Outcome::NotRecognised(told.reason),
            Some(told) => Outcome::Withheld(told.reason),
        }
    }

    /// Whether a gate was told to open that should not have been, or for somebody else; heard or not.
    pub fn is_falsely_accepted(&self) -> bool {
        let grants = self.answers().filter(|told| told.decision == Decision::Grant);
        grants.into_iter().any(|told| match self.truth {
            Truth::Mated(employee) => told.employee_id != Some(employee),
            Truth::Stranger | Truth::Attack(_) => true,
        })
    }

    /// Whether the one who is enrolled was not recognised.
    pub fn is_falsely_rejected(&self) -> bool {
        let is_mated = matches!(self.truth, Truth::Mated(_));
        is_mated && matches!(self.outcome(), Outcome::NotRecognised(_))
    }

    fn answers(&self) -> impl Iterator<Item = Told> {
        self.events.iter().flat_map(|event| &event.answers).map(|answer| answer.told)
    }
}

/// Whether a gate stays shut for what the frames show, rather than by a rule.
pub(super) fn is_of_the_face(reason: Reason) -> bool {
    use Reason as R;
    reason.is_of_the_picture()
        || matches!(
            reason,
            R::Unclear
                | R::AmbiguousPerson
                | R::Spoof
                | R::UnknownPerson
                | R::FramesDisagree
                | R::FaceDoesNotMatchBadge
        )
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::domain::PassageId;

    /// An event that was answered so, each heard or not.
    pub fn event(id: &str, answers: &[(Told, bool)]) -> Event {
        let answers = answers.iter().map(|&(told, heard)| Answered { told, heard }).collect();
        Event { answers, ..Event::new(id.to_owned(), GateId(uuid::Uuid::from_u128(1)), 1) }
    }

    pub fn told(reason: Reason, employee_id: Option<EmployeeId>) -> Told {
        let passage_id = PassageId::generate();
        Told { decision: reason.decision(), reason, employee_id, passage_id }
    }

    fn visit(truth: &Truth, answers: &[(Told, bool)]) -> Visit {
        let (truth, waited) = (truth.clone(), Duration::ZERO);
        Visit { truth, waited, events: vec![event("e", answers)] }
    }

    #[test]
    fn a_grant_is_false_to_whoever_is_not_enrolled_and_as_somebody_else() {
        let (ada, bob) = (EmployeeId::generate(), EmployeeId::generate());
        let grant = |employee| told(Reason::Granted, Some(employee));
        let (mated, attack) = (Truth::Mated(ada), Truth::Attack("print".to_owned()));
        for (truth, answer, is_false) in [
            (&mated, grant(ada), false),
            (&mated, grant(bob), true),
            (&Truth::Stranger, grant(ada), true),
            (&attack, grant(ada), true),
            (&attack, told(Reason::Spoof, None), false),
        ] {
            // Also where the answer got lost: the service had said it.
            for heard in [true, false] {
                let visit = visit(truth, &[(answer, heard)]);
                assert_eq!(visit.is_falsely_accepted(), is_false, "{truth:?} {answer:?}");
            }
        }
    }

    #[test]
    fn a_rejection_is_false_where_it_is_the_face_that_was_not_recognised() {
        let mated = Truth::Mated(EmployeeId::generate());
        let unknown = told(Reason::UnknownPerson, None);
        assert!(visit(&mated, &[(unknown, true)]).is_falsely_rejected());
        assert!(!visit(&Truth::Stranger, &[(unknown, true)]).is_falsely_rejected());
        let elsewhere = visit(&mated, &[(told(Reason::PassedElsewhere, None), true)]);
        assert!(!elsewhere.is_falsely_rejected());
        assert_eq!(elsewhere.outcome(), Outcome::Withheld(Reason::PassedElsewhere));
        assert_eq!(visit(&mated, &[(unknown, false)]).outcome(), Outcome::Unanswered);
    }
}
