//! What the frames of one passage came to, before the policy judges.

use super::together::Nearest;
use crate::domain::{EmployeeId, Evidence, Reason};

/// What one frame (or all of them together) came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finding {
    /// The frames were not looked at: the gate refuses whatever they show.
    NotExamined,
    /// The road ended before a comparison: no face, poor quality, a spoof, an unknown badge, ...
    Ended(Reason),
    /// The face was compared with the badge's owner (1:1).
    ComparedWithBadge,
    /// The face was compared with everybody (1:N).
    ComparedWithAll,
}

/// A finding with the figures that it rests on.
#[derive(Clone, Debug, PartialEq)]
pub struct Attempt {
    /// What it came to.
    pub finding: Finding,
    /// The figures.
    pub evidence: Evidence,
    /// Everybody whom a frame may show, under τ, each with the figures that say so. Of none may the gate open
    /// if one of them is blocked.
    pub suspects: Vec<Evidence>,
    /// Whom else a face may show that matched the badge it came with. Where one of them is blocked the gate opens, for
    /// look-alikes show by their badges who they are, and somebody hears of it.
    pub resembled: Vec<EmployeeId>,
    /// Who is nearest to the face, where that counts beside other frames.
    pub nearest: Option<Nearest>,
}

impl Attempt {
    /// A road that ended before a comparison.
    #[must_use]
    pub fn ended(reason: Reason, evidence: Evidence) -> Self {
        Self {
            finding: Finding::Ended(reason),
            evidence,
            suspects: Vec::new(),
            resembled: Vec::new(),
            nearest: None,
        }
    }

    /// A comparison that found whom the evidence names.
    #[must_use]
    pub fn found(finding: Finding, evidence: Evidence) -> Self {
        let suspects = vec![evidence.clone()];
        Self { finding, evidence, suspects, resembled: Vec::new(), nearest: None }
    }

    /// Everybody whom the frames may show, suspected or resembled.
    #[must_use]
    pub fn people(&self) -> Vec<EmployeeId> {
        let suspects = self.suspects.iter().filter_map(|suspect| suspect.employee_id);
        suspects.chain(self.resembled.iter().copied()).collect()
    }

    /// How far the face is from whom it was compared with: the less likely, where a verifier compared them.
    fn apart(&self) -> f32 {
        let Evidence { distance, likelihood, .. } = &self.evidence;
        match likelihood {
            Some(likelihood) => 1.0 - likelihood.probability.value(),
            None => distance.map_or(f32::INFINITY, |distance| distance.value()),
        }
    }

    /// A comparison, as opposed to a road that ended before.
    pub(super) fn is_compared(&self) -> bool {
        matches!(self.finding, Finding::ComparedWithBadge | Finding::ComparedWithAll)
    }

    /// Makes one attempt of the frames of a passage, which have been heard together:
    ///
    /// - any frame that ends in a denial (a spoof) decides, else any that could be two people;
    /// - frames in which nothing could be compared are passed over when another was;
    /// - the compared ones must agree on the person, and the worst distance counts, of equal ones that of the least live
    ///   frame: once they were heard together all have one; on the model, too, for distances of two models say nothing of
    ///   each other;
    /// - whom any of them may show is suspected, unless one is a spoof: who holds up a picture is asked for, not
    ///   who is in it.
    ///
    /// None when there are no frames.
    #[must_use]
    pub fn combine(mut attempts: Vec<Self>) -> Option<Self> {
        use crate::domain::Decision;

        let frames = attempts.len() as u16;
        let ended = |why: fn(Reason) -> bool| {
            attempts.iter().position(|a| matches!(a.finding, Finding::Ended(reason) if why(reason)))
        };
        let decides = ended(|reason| reason == Reason::Spoof)
            .or_else(|| ended(|reason| reason.decision() == Decision::Deny))
            .or_else(|| ended(|reason| reason == Reason::AmbiguousPerson));
        let suspects = attempts.iter().flat_map(|attempt| attempt.suspects.clone()).collect();
        let resembled = attempts.iter().flat_map(|attempt| attempt.resembled.clone()).collect();
        let mut combined = if let Some(decides) = decides {
            attempts.swap_remove(decides)
        } else if attempts.iter().any(Self::is_compared) {
            attempts.retain(Self::is_compared);
            let Evidence { employee_id: person, model_id: model, .. } =
                attempts[0].evidence.clone();
            let of_model = |a: &Self| a.evidence.model_id == model;
            let agree = attempts.iter().all(|a| a.evidence.employee_id == person && of_model(a));
            attempts.retain(of_model);
            let live = |a: &Self| a.evidence.liveness.map_or(f32::INFINITY, |score| score.value());
            let mut worst = attempts
                .into_iter()
                .max_by(|a, b| a.apart().total_cmp(&b.apart()).then(live(b).total_cmp(&live(a))))?;
            if !agree {
                worst.finding = Finding::Ended(Reason::FramesDisagree);
                (worst.evidence.employee_id, worst.evidence.face_ids) = (None, [].into());
            }
            worst
        } else {
            attempts.into_iter().next()?
        };
        if combined.finding != Finding::Ended(Reason::Spoof) {
            (combined.suspects, combined.resembled) = (suspects, resembled);
        }
        combined.evidence.frames = frames;
        combined.suspects.iter_mut().for_each(|suspect| suspect.frames = frames);
        Some(combined)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Distance, Likelihood};

    fn compared(person: Option<EmployeeId>, distance: f32) -> Attempt {
        let distance = Some(Distance::try_from(distance).unwrap());
        let evidence = Evidence { employee_id: person, distance, frames: 1, ..Evidence::default() };
        match person {
            Some(_) => Attempt::found(Finding::ComparedWithAll, evidence),
            None => {
                let attempt = Attempt::ended(Reason::UnknownPerson, evidence);
                Attempt { finding: Finding::ComparedWithAll, ..attempt }
            }
        }
    }

    fn ended(reason: Reason) -> Attempt {
        Attempt::ended(reason, Evidence::default())
    }

    #[test]
    fn a_spoof_among_good_frames_decides() {
        let person = Some(EmployeeId::generate());
        let frames = vec![compared(person, 0.3), ended(Reason::Spoof), compared(person, 0.3)];
        let combined = Attempt::combine(frames).unwrap();
        assert_eq!(combined.finding, Finding::Ended(Reason::Spoof));
        assert_eq!(combined.evidence.frames, 3);
    }

    #[test]
    fn a_frame_that_could_be_two_people_is_not_outvoted() {
        let person = Some(EmployeeId::generate());
        let frames = vec![compared(person, 0.3), ended(Reason::AmbiguousPerson)];
        let finding = Attempt::combine(frames.clone()).unwrap().finding;
        assert_eq!(finding, Finding::Ended(Reason::AmbiguousPerson));
        let spoof = [frames, vec![ended(Reason::Spoof)]].concat();
        assert_eq!(Attempt::combine(spoof).unwrap().finding, Finding::Ended(Reason::Spoof));
    }

    #[test]
    fn the_worst_of_the_compared_frames_counts() {
        let person = Some(EmployeeId::generate());
        let frames = vec![ended(Reason::NoFace), compared(person, 0.3), compared(person, 0.9)];
        let combined = Attempt::combine(frames).unwrap();
        assert_eq!(combined.finding, Finding::ComparedWithAll);
        assert_eq!(combined.evidence.distance.unwrap().value(), 0.9);
    }

    #[test]
    fn the_least_likely_of_the_compared_frames_counts_however_near_it_is() {
        let person = Some(EmployeeId::generate());
        let frames = [(0.9, 0.95f32), (0.3, 0.85), (0.5, 0.99)].map(|(distance, probability)| {
            let [probability, minimum] = [probability, 0.9].map(|p| p.try_into().unwrap());
            let mut attempt = compared(person, distance);
            attempt.evidence.likelihood = Some(Likelihood { probability, minimum });
            attempt
        });
        let combined = Attempt::combine(frames.into()).unwrap();
        assert!(!combined.evidence.likelihood.unwrap().is_match());
    }

    #[test]
    fn frames_of_different_people_open_for_neither() {
        let frames = vec![
            compared(Some(EmployeeId::generate()), 0.3),
            compared(Some(EmployeeId::generate()), 0.2),
        ];
        let combined = Attempt::combine(frames).unwrap();
        assert_eq!(combined.finding, Finding::Ended(Reason::FramesDisagree));
        assert_eq!(combined.evidence.employee_id, None);
    }

    #[test]
    fn distances_of_two_models_are_not_held_against_each_other() {
        use crate::domain::ModelId;

        let person = Some(EmployeeId::generate());
        let by = |model: &str, distance: f32| {
            let mut attempt = compared(person, distance);
            attempt.evidence.model_id = Some(ModelId::new(model));
            attempt
        };
        let combined =
            Attempt::combine(vec![by("new", 0.3), by("old", 0.9), by("new", 0.4)]).unwrap();
        assert_eq!(combined.finding, Finding::Ended(Reason::FramesDisagree));
        assert_eq!(combined.evidence.distance.unwrap().value(), 0.4);
        let combined = Attempt::combine(vec![by("old", 0.3), by("old", 0.9)]).unwrap();
        assert_eq!(combined.finding, Finding::ComparedWithAll);
    }

    #[test]
    fn whom_any_frame_shows_is_suspected_but_beside_a_spoof() {
        let people = [EmployeeId::generate(), EmployeeId::generate()];
        let frames: Vec<Attempt> = people.map(|person| compared(Some(person), 0.3)).into();
        let suspected = |more: &[Attempt]| {
            let combined = Attempt::combine([&frames, more].concat()).unwrap();
            assert!(combined.suspects.iter().all(|s| usize::from(s.frames) == 2 + more.len()));
            combined.suspects.iter().map(|s| s.employee_id.unwrap()).collect::<Vec<_>>()
        };
        assert_eq!(suspected(&[]), people, "frames that disagree");
        assert_eq!(suspected(&[ended(Reason::AmbiguousPerson)]), people);
        assert_eq!(suspected(&[ended(Reason::NoFace)]), people);
        assert_eq!(suspected(&[ended(Reason::Spoof)]), []);
    }

    #[test]
    fn frames_that_all_ask_for_a_retry_ask_for_the_first() {
        let frames = vec![ended(Reason::TooDark), ended(Reason::NoFace)];
        assert_eq!(Attempt::combine(frames).unwrap().finding, Finding::Ended(Reason::TooDark));
    }

    #[test]
    fn no_frames_make_no_attempt() {
        assert_eq!(Attempt::combine(Vec::new()), None);
    }
}
