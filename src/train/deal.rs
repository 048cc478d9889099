//! The subjects of presentations are dealt out: each part gets live faces and attacks, however few subjects there are.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use super::split::{Part, Split};

/// Of what a subject shows something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Shows {
    /// The subject, live.
    pub live: bool,
    /// Attacks with the subject's face.
    pub attack: bool,
}

/// Deals subjects out by the shares of the split, in an order that its seed chooses: the subjects of whom there is live and
/// attack, then those with one of both, each sort by itself, and each part has one of a sort before another has two.
///
/// Where everybody's part followed from a hash of their name alone, as with the many people of an encoder, three parts of a
/// few subjects would often lack one class. So a further subject may move others.
#[must_use]
pub fn deal<'a>(subjects: &BTreeMap<&'a str, Shows>, split: &Split) -> BTreeMap<&'a str, Part> {
    let mut sorts: BTreeMap<Shows, Vec<&str>> = BTreeMap::new();
    for (subject, shows) in subjects {
        sorts.entry(*shows).or_default().push(*subject);
    }
    let training = 1.0 - split.validation - split.test;
    // To learn from comes last: it has most, and is the last to want.
    let shares = [
        (Part::Test, split.test),
        (Part::Validation, split.validation),
        (Part::Training, training),
    ];
    let mut dealt = BTreeMap::new();
    for mut sort in sorts.into_values() {
        sort.sort_by_key(|subject| hash(split.seed, subject));
        let mut counts = [0usize; 3];
        for subject in &sort {
            let wants =
                |part: usize| (sort.len() as f64).mul_add(shares[part].1, -(counts[part] as f64));
            let empty = (0..3).find(|part| counts[*part] == 0);
            let part = empty.unwrap_or_else(|| {
                (0..3).max_by(|a, b| wants(*a).total_cmp(&wants(*b))).unwrap_or_default()
            });
            counts[part] += 1;
            dealt.insert(*subject, shares[part].0);
        }
    }
    dealt
}

fn hash(seed: u64, subject: &str) -> [u8; 32] {
    Sha256::new().chain_update(seed.to_be_bytes()).chain_update(subject).finalize().into()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BOTH: Shows = Shows { live: true, attack: true };
    const LIVE: Shows = Shows { live: true, attack: false };
    const ATTACK: Shows = Shows { live: false, attack: true };

    #[test]
    fn nine_subjects_are_dealt_by_the_shares_and_another_seed_deals_otherwise() {
        let names: Vec<String> = (1..=9).map(|number| format!("{number:04}")).collect();
        let subjects = names.iter().map(|name| (name.as_str(), BOTH)).collect();
        let dealt = |seed| deal(&subjects, &Split { seed, validation: 0.15, test: 0.35 });
        let count = |part| dealt(1).values().filter(|its| **its == part).count();
        assert_eq!([Part::Test, Part::Validation, Part::Training].map(count), [3, 1, 5]);
        assert_eq!(dealt(1), dealt(1));
        assert!((2..6).any(|seed| dealt(seed) != dealt(1)));
    }

    proptest! {
        #[test]
        fn each_part_has_both_classes_where_three_subjects_of_each_class_allow_it(
            kinds in prop::collection::vec(0usize..3, 1..30), seed: u64,
        ) {
            let names: Vec<String> = (0..kinds.len()).map(|number| number.to_string()).collect();
            let subjects: BTreeMap<&str, Shows> =
                names.iter().zip(&kinds).map(|(name, kind)| (name.as_str(), [BOTH, LIVE, ATTACK][*kind])).collect();
            let dealt = deal(&subjects, &Split { seed, validation: 0.15, test: 0.35 });
            prop_assert_eq!(dealt.len(), subjects.len());
            let of = |kind| kinds.iter().filter(|its| **its == kind).count();
            if of(0) >= 3 || of(1) >= 3 && of(2) >= 3 {
                for part in [Part::Test, Part::Validation, Part::Training] {
                    let within = || dealt.iter().filter(|(_, its)| **its == part).map(|(name, _)| subjects[name]);
                    prop_assert!(within().any(|shows| shows.live) && within().any(|shows| shows.attack));
                }
            }
        }
    }
}
