//! P people with K photos each: what the triplets of a step are made of.
//!
//! Hermans, Beyer, Leibe: "In Defense of the Triplet Loss for Person Re-Identification", 2017, section 2.

use rand::Rng;
use rand::seq::{IteratorRandom, SliceRandom};

/// How many of what a batch has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct BatchShape {
    /// People of whom there are two photos or more.
    pub people: usize,
    /// Photos of each; fewer where there are fewer.
    pub photos: usize,
    /// People of whom one photo is taken, as negatives for the others.
    pub strangers: usize,
}

/// Whose photos there are to learn from.
#[derive(Clone, Debug)]
pub struct Sampler {
    /// People of whom there are two photos or more, and these.
    pairs: Vec<(u32, Vec<usize>)>,
    /// Who has one, and this.
    singles: Vec<(u32, usize)>,
}

/// Why there is nothing to learn from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SamplerError {
    /// Nobody has two photos.
    #[error(
        "nobody has two photos that show a face: to learn, or to measure, takes two of one person (a positive pair)"
    )]
    NoPositivePair,
    /// There is one person.
    #[error("there is one person: to learn, or to measure, takes two people")]
    OnePerson,
}

/// Photos and who is in each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// The photos' numbers.
    pub photos: Vec<usize>,
    /// Who is in each.
    pub people: Vec<u32>,
}

impl Sampler {
    /// Of photos of which `person[i]` says who is in photo `i`.
    ///
    /// # Errors
    /// When no triplet can be made of them.
    pub fn new(photos: impl IntoIterator<Item = (usize, u32)>) -> Result<Self, SamplerError> {
        let mut of: std::collections::BTreeMap<u32, Vec<usize>> = Default::default();
        for (photo, person) in photos {
            of.entry(person).or_default().push(photo);
        }
        let people = of.len();
        let (pairs, singles): (Vec<_>, Vec<_>) =
            of.into_iter().partition(|(_, photos)| photos.len() > 1);
        if pairs.is_empty() {
            return Err(SamplerError::NoPositivePair);
        }
        if people < 2 {
            return Err(SamplerError::OnePerson);
        }
        let singles = singles.into_iter().map(|(person, photos)| (person, photos[0])).collect();
        Ok(Self { pairs, singles })
    }

    /// Everybody who may be in a batch, in the order of their numbers.
    #[must_use]
    pub fn people(&self) -> Vec<u32> {
        let pairs = self.pairs.iter().map(|(person, _)| *person);
        let mut people: Vec<u32> =
            pairs.chain(self.singles.iter().map(|(person, _)| *person)).collect();
        people.sort_unstable();
        people
    }

    /// A batch by chance: at most as many people and photos as there are, and never less than two people.
    pub fn draw(&self, shape: BatchShape, random: &mut impl Rng) -> Batch {
        let (mut photos, mut people) = (Vec::new(), Vec::new());
        let mut chosen = (0..self.pairs.len()).choose_multiple(random, shape.people.max(1));
        chosen.shuffle(random);
        for at in chosen {
            let (person, all) = &self.pairs[at];
            let of = all.iter().copied().choose_multiple(random, shape.photos.max(2));
            people.extend(of.iter().map(|_| *person));
            photos.extend(of);
        }
        let strangers = if shape.people < 2 || self.pairs.len() < 2 {
            shape.strangers.max(1)
        } else {
            shape.strangers
        };
        for (person, photo) in self.singles.iter().copied().choose_multiple(random, strangers) {
            photos.push(photo);
            people.push(person);
        }
        Batch { photos, people }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::train::random;

    #[test]
    fn without_a_positive_pair_or_a_second_person_nothing_can_be_learnt() {
        let made = |people: &[u32]| Sampler::new(people.iter().copied().enumerate()).err();
        assert_eq!(made(&[0, 1, 2]), Some(SamplerError::NoPositivePair));
        assert_eq!(made(&[]), Some(SamplerError::NoPositivePair));
        assert_eq!(made(&[7, 7]), Some(SamplerError::OnePerson));
        assert_eq!(made(&[7, 7, 8]), None);
    }

    proptest! {
        #[test]
        fn a_batch_has_positive_pairs_negatives_and_no_photo_twice(
            people in prop::collection::vec(0u32..12, 4..60), shape in (1usize..8, 1usize..5, 0usize..6), seed: u64,
        ) {
            let Ok(sampler) = Sampler::new(people.iter().copied().enumerate()) else { return Ok(()) };
            let shape = BatchShape { people: shape.0, photos: shape.1, strangers: shape.2 };
            let batch = sampler.draw(shape, &mut random(seed, "batch", 0));
            prop_assert_eq!(batch.photos.len(), batch.people.len());
            let each: std::collections::BTreeSet<_> = batch.photos.iter().collect();
            prop_assert_eq!(each.len(), batch.photos.len());
            for (i, photo) in batch.photos.iter().enumerate() {
                for (j, other) in batch.photos.iter().enumerate() {
                    prop_assert_eq!(batch.people[i] == batch.people[j], people[*photo] == people[*other]);
                }
            }
            let count = |person| batch.people.iter().filter(|p| **p == person).count();
            prop_assert!(count(batch.people[0]) > 1, "the first is an anchor");
        }
    }
}
