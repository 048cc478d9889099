//! The frames of one passage speak together of the person whom they show.

use super::Attempt;
use crate::domain::{Ballot, EmployeeId, Evidence, ModelId, Threshold, VoteRules, vote};

/// Who is nearest to the face of a frame, by the model of its evidence: of everybody (1:N), or the badge's owner, where the
/// frame shows nobody else (1:1).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Nearest {
    /// Who.
    pub person: EmployeeId,
    /// How near.
    pub ballot: Ballot,
}

/// What the frames of a passage came to, once those that were compared have been heard together. Where the same person is
/// nearest in all of them, and one or more are under τ by themselves, the mean of their distances is what all of them say, as
/// long as it is under τ too: a frame that is over τ by itself does not shut out whom the others show. `rules` says by what
/// frames are held to show one person, by a model where the mean must stay under a τ.
///
/// Where a verifier decides, each frame stands for itself: how its probabilities are to be joined was not measured.
pub(super) fn hear_together(
    mut attempts: Vec<Attempt>,
    rules: impl Fn(&ModelId, Threshold) -> VoteRules,
) -> Vec<Attempt> {
    if let Some(said) = together(&attempts, rules) {
        for attempt in attempts.iter_mut().filter(|attempt| attempt.is_compared()) {
            let Evidence { liveness, liveness_threshold, .. } = attempt.evidence;
            attempt.evidence = Evidence { liveness, liveness_threshold, ..said.clone() };
        }
    }
    attempts
}

/// What all frames say that were compared, if they agree.
fn together(
    attempts: &[Attempt],
    rules: impl Fn(&ModelId, Threshold) -> VoteRules,
) -> Option<Evidence> {
    let compared: Vec<&Attempt> = attempts.iter().filter(|a| a.is_compared()).collect();
    if compared.len() < 2 {
        return None;
    }
    let shown = &compared.iter().find(|attempt| attempt.evidence.is_match())?.evidence;
    let (person, tau, model) = (shown.employee_id?, shown.threshold?, shown.model_id.as_ref()?);
    let ballot = |attempt: &&Attempt| {
        let nearest = attempt.nearest.filter(|nearest| nearest.person == person)?;
        let is_of_model = attempt.evidence.model_id.as_ref() == Some(model);
        is_of_model.then_some(nearest.ballot)
    };
    let ballots = compared.iter().map(ballot).collect::<Option<Vec<Ballot>>>()?;
    let mean = vote(&ballots, rules(model, tau)).filter(|mean| mean.is_match(tau))?;
    Some(Evidence { distance: Some(mean), ..shown.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::Finding;
    use crate::domain::{Distance, Reason};

    fn distance(value: f32) -> Distance {
        Distance::try_from(value).unwrap()
    }

    fn tau(value: f32) -> Threshold {
        Threshold::try_from(value).unwrap()
    }

    /// A frame to which `person` is nearest of all, and the second as near as `other`; τ is 1.
    fn frame(person: EmployeeId, near: f32, other: Option<f32>) -> Attempt {
        let ballot = Ballot { person: distance(near), other: other.map(distance) };
        let is_match = near < 1.0;
        let evidence = Evidence {
            employee_id: is_match.then_some(person),
            distance: Some(ballot.person),
            threshold: Some(tau(1.0)),
            model_id: Some(ModelId::new("a@1")),
            ..Evidence::default()
        };
        let nearest = Some(Nearest { person, ballot });
        let suspects = if is_match { vec![evidence.clone()] } else { Vec::new() };
        let attempt = Attempt::ended(Reason::UnknownPerson, evidence);
        Attempt { finding: Finding::ComparedWithAll, suspects, nearest, ..attempt }
    }

    fn heard(frames: Vec<Attempt>) -> Attempt {
        let rules = |_: &ModelId, _: Threshold| VoteRules { each: tau(1.5), margin: 0.1 };
        Attempt::combine(hear_together(frames, rules)).unwrap()
    }

    #[test]
    fn a_frame_over_the_threshold_counts_with_one_that_is_under_it() {
        let person = EmployeeId::generate();
        let said = heard(vec![frame(person, 0.5, Some(1.6)), frame(person, 1.25, Some(1.3))]);
        assert_eq!(said.evidence.employee_id, Some(person));
        assert_eq!(said.evidence.distance, Some(distance(0.875)));
        assert!(said.evidence.is_match() && said.suspects.len() == 1);
    }

    #[test]
    fn frames_that_are_not_of_one_person_or_too_far_disagree_as_they_did() {
        let [person, other] = [EmployeeId::generate(), EmployeeId::generate()];
        let near = || frame(person, 0.5, Some(1.6));
        for (why, more) in [
            ("somebody else is nearest", frame(other, 1.1, Some(1.15))),
            ("too far by itself", frame(person, 1.5, Some(1.6))),
            ("somebody else is about as near together", frame(person, 1.2, Some(0.2))),
        ] {
            let said = heard(vec![near(), more]);
            assert_eq!(said.finding, Finding::Ended(Reason::FramesDisagree), "{why}");
            assert_eq!(said.evidence.employee_id, None, "{why}");
        }
        let too_far = vec![frame(person, 0.9, Some(1.6)), frame(person, 1.3, Some(1.6))];
        assert_eq!(heard(too_far).finding, Finding::Ended(Reason::FramesDisagree));
        let mut of_another_model = frame(person, 1.1, Some(1.6));
        of_another_model.evidence.model_id = Some(ModelId::new("b@1"));
        let said = heard(vec![near(), of_another_model]);
        assert_eq!(said.finding, Finding::Ended(Reason::FramesDisagree));
    }

    #[test]
    fn whom_no_frame_shows_all_of_them_do_not_show() {
        let person = EmployeeId::generate();
        let said = heard(vec![frame(person, 1.1, Some(1.6)), frame(person, 1.05, Some(1.6))]);
        assert_eq!((said.finding, said.evidence.employee_id), (Finding::ComparedWithAll, None));
        assert!(!said.evidence.is_match());
    }

    #[test]
    fn a_spoof_and_a_frame_that_could_be_two_people_are_not_outvoted() {
        let person = EmployeeId::generate();
        for reason in [Reason::Spoof, Reason::AmbiguousPerson] {
            let ended = Attempt::ended(reason, Evidence::default());
            let said = heard(vec![frame(person, 0.3, None), ended, frame(person, 1.1, None)]);
            assert_eq!(said.finding, Finding::Ended(reason));
        }
    }
}
