//! Which triplets a step learns from.
//!
//! Schroff, Kalenichenko, Philbin: "FaceNet: A Unified Embedding for Face Recognition and Clustering", CVPR 2015,
//! section 3.2; Hermans, Beyer, Leibe 2017, equation 5 ("batch hard").

use rand::Rng;
use rand::seq::IndexedRandom;
use serde::{Deserialize, Serialize};

/// How triplets are chosen out of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Mining {
    /// Every positive pair with a negative by chance: most teach nothing once training is under way.
    Random,
    /// Every positive pair with the nearest negative that is farther than the positive; where none is, the farthest
    /// of all.
    SemiHard,
    /// Every anchor with its farthest positive and its nearest negative: learns fast from clean labels, and
    /// collapses or learns the labels' errors where it begins from nothing.
    Hard,
}

/// The numbers of an anchor, a positive and a negative in their batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Triplet {
    /// A photo,
    pub anchor: usize,
    /// another of the same person,
    pub positive: usize,
    /// and one of another.
    pub negative: usize,
}

impl Mining {
    /// Chooses triplets out of a batch of which `person[i]` is who is in photo `i`, and `distance[i * n + j]` the
    /// squared distance of photos `i` and `j`.
    #[must_use]
    pub fn choose(self, person: &[u32], distance: &[f32], random: &mut impl Rng) -> Vec<Triplet> {
        let n = person.len();
        let far = |i: usize, j: usize| distance[i * n + j];
        let mut triplets = Vec::new();
        for anchor in 0..n {
            let (same, others): (Vec<usize>, Vec<usize>) =
                (0..n).filter(|i| *i != anchor).partition(|i| person[*i] == person[anchor]);
            if same.is_empty() || others.is_empty() {
                continue;
            }
            let by_distance = |i: &usize, j: &usize| far(anchor, *i).total_cmp(&far(anchor, *j));
            let nearest = |of: &mut dyn Iterator<Item = usize>| of.min_by(by_distance);
            let farthest = |of: &[usize]| of.iter().copied().max_by(by_distance);
            if self == Self::Hard {
                let chosen = farthest(&same).zip(nearest(&mut others.iter().copied()));
                triplets.extend(chosen.map(|(positive, negative)| Triplet {
                    anchor,
                    positive,
                    negative,
                }));
                continue;
            }
            for positive in same {
                let beyond = |i: &usize| far(anchor, *i) > far(anchor, positive);
                let negative = match self {
                    Self::Random => others.choose(random).copied(),
                    _ => nearest(&mut others.iter().copied().filter(beyond))
                        .or_else(|| farthest(&others)),
                };
                triplets.extend(negative.map(|negative| Triplet { anchor, positive, negative }));
            }
        }
        triplets
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::random;

    /// Photos on a line: 0 and 1 of one person, 2, 3 and 4 of others.
    const PLACES: [f32; 5] = [0.0, 1.0, 0.5, 1.2, 4.0];
    const PEOPLE: [u32; 5] = [7, 7, 1, 2, 3];

    fn chosen(mining: Mining) -> Vec<(usize, usize, usize)> {
        let distance: Vec<f32> =
            PLACES.iter().flat_map(|a| PLACES.iter().map(move |b| (a - b) * (a - b))).collect();
        let triplets = mining.choose(&PEOPLE, &distance, &mut random(1, "triplets", 0));
        triplets.iter().map(|t| (t.anchor, t.positive, t.negative)).collect()
    }

    #[test]
    fn hard_takes_the_nearest_negative_and_semi_hard_the_nearest_beyond_the_positive() {
        assert_eq!(chosen(Mining::Hard), [(0, 1, 2), (1, 0, 3)]);
        // Of 1 the positive is at 1.0: photo 4 alone lies beyond it.
        assert_eq!(chosen(Mining::SemiHard), [(0, 1, 3), (1, 0, 4)]);
    }

    #[test]
    fn where_no_negative_lies_beyond_the_positive_semi_hard_takes_the_farthest() {
        let triplets = Mining::SemiHard.choose(
            &[1, 1, 2, 3],
            &[0.0, 9.0, 1.0, 2.0, 9.0, 0.0, 3.0, 4.0, 1.0, 3.0, 0.0, 5.0, 2.0, 4.0, 5.0, 0.0],
            &mut random(1, "triplets", 0),
        );
        assert_eq!(
            triplets,
            [
                Triplet { anchor: 0, positive: 1, negative: 3 },
                Triplet { anchor: 1, positive: 0, negative: 3 },
            ]
        );
    }

    #[test]
    fn random_makes_a_triplet_of_every_positive_pair_and_never_of_one_person() {
        let triplets = chosen(Mining::Random);
        assert_eq!(triplets.len(), 2);
        assert!(
            triplets.iter().all(|(a, p, n)| PEOPLE[*a] == PEOPLE[*p] && PEOPLE[*a] != PEOPLE[*n])
        );
    }
}
