//! Pairs of photos: of one person, and of two. Whoever has many photos decides no more than whoever has two.

use std::collections::BTreeMap;

use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;

use super::batch::SamplerError;
use super::encoder_task::People;

/// Two photos, by their numbers.
pub type PhotoPair = [usize; 2];

/// The pairs that there are of some people.
#[derive(Clone, Debug)]
pub struct Pairs {
    /// The photos of each person.
    people: Vec<Vec<usize>>,
    /// Whose are two or more, by their place among the people.
    in_pairs: Vec<usize>,
}

/// Pairs with whether each is genuine.
#[derive(Clone, Debug, Default)]
pub struct Labelled {
    /// The pairs.
    pub pairs: Vec<PhotoPair>,
    /// Whether both photos show one person.
    pub same: Vec<bool>,
}

impl Pairs {
    /// # Errors
    /// When there is no pair of one person, or none of two.
    pub fn new(people: &People) -> Result<Self, SamplerError> {
        let mut of = BTreeMap::<u32, Vec<usize>>::new();
        for (photo, person) in people.photos.iter().zip(&people.person) {
            of.entry(*person).or_default().push(*photo);
        }
        let people: Vec<Vec<usize>> = of.into_values().collect();
        let in_pairs: Vec<usize> = (0..people.len()).filter(|at| people[*at].len() > 1).collect();
        if in_pairs.is_empty() {
            return Err(SamplerError::NoPositivePair);
        }
        if people.len() < 2 {
            return Err(SamplerError::OnePerson);
        }
        Ok(Self { people, in_pairs })
    }

    /// Two photos of one person, every person as likely as another.
    fn genuine(&self, random: &mut impl Rng) -> PhotoPair {
        let person = self.in_pairs[random.random_range(0..self.in_pairs.len())];
        self.people[person].choose_multiple_array(random).expect("two photos or more")
    }

    /// A photo each of two people, every two as likely as others.
    fn impostor(&self, random: &mut impl Rng) -> PhotoPair {
        let two: [&Vec<usize>; 2] = self.two(random);
        two.map(|photos| photos[random.random_range(0..photos.len())])
    }

    fn two(&self, random: &mut impl Rng) -> [&Vec<usize>; 2] {
        let first = random.random_range(0..self.people.len());
        let second = random.random_range(0..self.people.len() - 1);
        [&self.people[first], &self.people[second + usize::from(second >= first)]]
    }

    /// `count` pairs of one person by chance, then as many of two.
    pub fn draw(&self, count: usize, random: &mut StdRng) -> Labelled {
        let genuine = (0..count).map(|_| self.genuine(random));
        let mut pairs: Vec<PhotoPair> = genuine.collect();
        pairs.extend((0..count).map(|_| self.impostor(random)));
        Labelled { pairs, same: [vec![true; count], vec![false; count]].concat() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::random;

    #[test]
    fn everybody_is_in_as_many_pairs_however_many_photos_they_have() {
        // One with ten photos, nine with two, ten with one.
        let many = std::iter::repeat_n(0, 10);
        let person: Vec<u32> = many.chain((1..10).flat_map(|p| [p, p])).chain(10..20).collect();
        let photos: Vec<usize> = (100..100 + person.len()).collect();
        let pairs = Pairs::new(&People { photos, person: person.clone() }).unwrap();
        let count = 20_000;
        let Labelled { pairs, same } = pairs.draw(count, &mut random(1, "pairs", 0));
        let (mut genuine, mut impostor) = ([0; 20], [0; 20]);
        for ([a, b], same) in pairs.iter().zip(&same) {
            let [left, right] = [a, b].map(|photo| person[photo - 100] as usize);
            assert!((left == right) == *same && a != b);
            if *same {
                genuine[left] += 1;
            } else {
                impostor[left] += 1;
                impostor[right] += 1;
            }
        }
        assert!(genuine[..10].iter().all(|n| (1_800..2_200).contains(n)), "{genuine:?}");
        assert!(impostor.iter().all(|n| (1_800..2_200).contains(n)), "{impostor:?}");
    }

    #[test]
    fn without_two_photos_of_one_person_and_a_second_person_there_are_no_pairs() {
        let made = |person: &[u32]| {
            let photos = (0..person.len()).collect();
            Pairs::new(&People { photos, person: person.to_vec() }).err()
        };
        assert_eq!(made(&[1, 2]), Some(SamplerError::NoPositivePair));
        assert_eq!(made(&[1, 1]), Some(SamplerError::OnePerson));
        assert_eq!(made(&[1, 1, 2]), None);
    }
}
