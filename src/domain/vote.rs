//! What several frames of one passage say together.

use super::{Distance, Threshold};

/// How near the face of a frame is to the nearest person, and to the next.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ballot {
    /// To the nearest person.
    pub person: Distance,
    /// To the second-nearest; none where there is nobody else, or nobody else is asked about.
    pub other: Option<Distance>,
}

/// By what frames are held to show one person.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct VoteRules {
    /// What the distance of each frame must stay under.
    pub each: Threshold,
    /// By how much anybody else must be farther in the mean, a squared distance.
    pub margin: f32,
}

/// How near the frames of one passage are together to the person who is nearest in all of them: the mean of their squared
/// distances. None where one is too far by itself, where somebody else is about as near in the mean, and of no frames.
///
/// The mean is no nearer than the nearest frame: whoever gets in by it would have got in by that one alone. Wald's
/// sequential test ("Sequential Tests of Statistical Hypotheses", 1945) would sum what each frame says in the logarithm of
/// the likelihoods; but frames of one passage share pose and light, and are not independent.
#[must_use]
pub fn vote(ballots: &[Ballot], rules: VoteRules) -> Option<Distance> {
    if ballots.is_empty() || !ballots.iter().all(|ballot| ballot.person.is_match(rules.each)) {
        return None;
    }
    let mean =
        |of: &dyn Fn(&Ballot) -> f64| ballots.iter().map(of).sum::<f64>() / ballots.len() as f64;
    let person = mean(&|ballot| f64::from(ballot.person.value()));
    // Whoever it is in each: nobody is nearer in all of them.
    let other = mean(&|ballot| ballot.other.map_or(FARTHEST, |other| f64::from(other.value())));
    // Said as what must hold, so that a NaN is none.
    let is_clear = other - person >= f64::from(rules.margin);
    Distance::try_from(person as f32).ok().filter(|_| is_clear)
}

/// Of unit vectors.
const FARTHEST: f64 = 4.0;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ballot(person: f32, other: Option<f32>) -> Ballot {
        let distance = |value| Distance::try_from(value).unwrap();
        Ballot { person: distance(person), other: other.map(distance) }
    }

    fn rules() -> VoteRules {
        VoteRules { each: Threshold::try_from(1.5).unwrap(), margin: 0.1 }
    }

    #[test]
    fn frames_of_one_person_count_by_their_mean_and_one_that_is_too_far_by_none() {
        let mean = |ballots: &[Ballot]| vote(ballots, rules()).map(Distance::value);
        assert_eq!(mean(&[ballot(0.5, None), ballot(1.0, Some(1.02))]), Some(0.75));
        assert_eq!(mean(&[ballot(0.5, Some(0.58)), ballot(1.0, Some(1.1))]), None, "not clear");
        assert_eq!(mean(&[ballot(0.5, None), ballot(1.5, None)]), None, "too far by itself");
        assert_eq!(mean(&[]), None);
    }

    proptest! {
        #[test]
        fn frames_together_are_as_far_as_the_nearest_at_least_and_as_the_farthest_at_most(
            distances in proptest::collection::vec(0.0f32..1.5, 1..6),
        ) {
            let ballots: Vec<Ballot> = distances.iter().map(|d| ballot(*d, None)).collect();
            let together = vote(&ballots, rules()).unwrap().value();
            let [least, most] = [f32::min, f32::max]
                .map(|of| distances.iter().copied().reduce(of).unwrap());
            prop_assert!((least..=most).contains(&together), "{together} {distances:?}");
        }
    }
}
