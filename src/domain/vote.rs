//! What several frames of one passage say together.

use super::{Distance, Threshold};

/// How near the face of a frame is to somebody, and to whoever is nearest to it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ballot {
    /// To the person who is voted on.
    pub person: Distance,
    /// To the nearest person, who may be the same.
    pub nearest: Distance,
}

/// By what frames are held to show one person.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct VoteRules {
    /// What the distance of each frame must stay under.
    pub each: Threshold,
    /// By how much somebody else may not be nearer, a squared distance.
    pub margin: f32,
}

/// How near the frames of one passage are to a person together: the mean of their squared distances, which of encodings of
/// length 1 is the distance to the mean of these, less how far they lie apart. None where a frame shows somebody else, and of
/// no frames.
///
/// The mean is no nearer than the nearest frame: who gets in by it would have got in by that one alone. Wald's sequential
/// test ("Sequential Tests of Statistical Hypotheses", 1945) would sum what each frame says in the logarithm of the
/// likelihoods; but frames of one passage share pose and light, and are not independent.
#[must_use]
pub fn vote(ballots: &[Ballot], rules: VoteRules) -> Option<Distance> {
    let shows = |ballot: &Ballot| {
        let Ballot { person, nearest } = ballot;
        let is_elsewhere = nearest < person && person.value() - nearest.value() >= rules.margin;
        person.is_match(rules.each) && !is_elsewhere
    };
    if ballots.is_empty() || !ballots.iter().all(shows) {
        return None;
    }
    let sum: f64 = ballots.iter().map(|ballot| f64::from(ballot.person.value())).sum();
    Distance::try_from((sum / ballots.len() as f64) as f32).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ballot(person: f32, nearest: f32) -> Ballot {
        let [person, nearest] = [person, nearest].map(|value| Distance::try_from(value).unwrap());
        Ballot { person, nearest }
    }

    fn rules() -> VoteRules {
        VoteRules { each: Threshold::try_from(1.5).unwrap(), margin: 0.1 }
    }

    #[test]
    fn frames_of_one_person_count_by_their_mean_and_one_of_somebody_else_by_none() {
        let mean = |ballots: &[Ballot]| vote(ballots, rules()).map(Distance::value);
        assert_eq!(mean(&[ballot(0.5, 0.5), ballot(1.0, 1.0)]), Some(0.75));
        assert_eq!(mean(&[ballot(0.5, 0.5), ballot(1.0, 0.95)]), Some(0.75));
        assert_eq!(mean(&[ballot(0.5, 0.5), ballot(1.0, 0.75)]), None, "nearer to another");
        assert_eq!(mean(&[ballot(0.5, 0.5), ballot(1.5, 1.5)]), None, "too far by itself");
        assert_eq!(mean(&[]), None);
    }

    proptest! {
        #[test]
        fn frames_together_are_as_far_as_the_nearest_at_least_and_as_the_farthest_at_most(
            distances in proptest::collection::vec(0.0f32..1.5, 1..6),
        ) {
            let ballots: Vec<Ballot> = distances.iter().map(|d| ballot(*d, *d)).collect();
            let together = vote(&ballots, rules()).unwrap().value();
            let [least, most] = [f32::min, f32::max]
                .map(|of| distances.iter().copied().reduce(of).unwrap());
            prop_assert!((least..=most).contains(&together), "{together} {distances:?}");
        }
    }
}
