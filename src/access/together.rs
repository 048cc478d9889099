//! The frames of one passage speak together of the person whom they show.

use super::side_by_side::Probe;
use super::{Attempt, Matcher};
use crate::domain::{Ballot, Evidence, VoteRules, vote};
use crate::gallery::SearchError;

/// What one frame came to, and the face that was compared, if there was one.
#[derive(Clone, Debug)]
pub(super) struct Compared {
    /// What it came to.
    pub attempt: Attempt,
    /// The face.
    pub probe: Option<Probe>,
}

impl Matcher {
    /// What each frame of a passage came to, once those that were compared have been heard together. Where one or more of
    /// them show the same person, under τ, and the others might, the mean of their distances is what all of them say, as
    /// long as it is under τ too: a frame that is over τ by itself does not shut out whom the others show.
    ///
    /// Where a verifier decides, each frame stands for itself: how its probabilities are to be joined was not measured.
    ///
    /// # Errors
    /// When the encodings are of other models.
    pub(super) fn hear_together(&self, frames: Vec<Compared>) -> Result<Vec<Attempt>, SearchError> {
        let together = self.together(&frames)?;
        let attempts = frames.into_iter().map(|frame| frame.attempt);
        Ok(match together {
            None => attempts.collect(),
            Some(said) => attempts
                .map(|attempt| match attempt.is_compared() {
                    true => {
                        let Evidence { liveness, liveness_threshold, .. } = attempt.evidence;
                        let evidence = Evidence { liveness, liveness_threshold, ..said.clone() };
                        Attempt { evidence, ..attempt }
                    }
                    false => attempt,
                })
                .collect(),
        })
    }

    /// What all frames say that were compared, if they agree.
    fn together(&self, frames: &[Compared]) -> Result<Option<Evidence>, SearchError> {
        let compared: Vec<&Compared> =
            frames.iter().filter(|frame| frame.attempt.is_compared()).collect();
        let matches = compared.iter().map(|frame| &frame.attempt.evidence).find(|e| e.is_match());
        let (Some(shown), 2..) = (matches, compared.len()) else { return Ok(None) };
        let (Some(person), Some(tau), Some(model)) =
            (shown.employee_id, shown.threshold, shown.model_id.as_ref())
        else {
            return Ok(None);
        };
        let mut ballots = Vec::new();
        for Compared { attempt, probe } in compared {
            let Evidence { employee_id, distance: Some(distance), model_id, .. } =
                &attempt.evidence
            else {
                return Ok(None);
            };
            if model_id.as_ref() != Some(model) {
                return Ok(None);
            }
            ballots.push(match (employee_id, probe) {
                (Some(named), _) if *named == person => {
                    Ballot { person: *distance, nearest: *distance }
                }
                // Nobody was under τ: the distance is that to the nearest person.
                (None, Some(probe)) => match self.claim(person, probe)? {
                    Some(found) if found.scale.model == *model => {
                        Ballot { person: found.candidate.distance, nearest: *distance }
                    }
                    _ => return Ok(None),
                },
                _ => return Ok(None),
            });
        }
        let rules = VoteRules { each: self.tau_of_each(model, tau), margin: self.margin_of(model) };
        let mean = vote(&ballots, rules).filter(|mean| mean.is_match(tau));
        Ok(mean.map(|mean| Evidence { distance: Some(mean), ..shown.clone() }))
    }
}
