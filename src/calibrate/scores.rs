//! Impostor distances, gathered in bounded memory.

use crate::domain::Distance;

/// Whose photo was compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Person {
    /// A number of this person only.
    pub index: u32,
    /// How many photos of this person are compared, at least 1.
    pub photos: u32,
}

/// Bins over the distances 0 to 4; far narrower (2e-4) than any tail's scale (about 0.05).
pub(super) const BINS: usize = 20_000;

/// Groups of people that the jackknife leaves out in turn.
pub(super) const GROUPS: usize = 20;

/// The lower edge of a bin; `BINS` gives the end.
pub(super) fn edge(bin: usize) -> f64 {
    bin as f64 * 4.0 / BINS as f64
}

/// The bin of a distance.
pub(super) fn bin(distance: Distance) -> usize {
    ((f64::from(distance.value()) / 4.0 * BINS as f64) as usize).min(BINS - 1)
}

/// Strangers' distances as histograms.
///
/// A pair of people weighs 1, however many photos they have: its pairs of photos share that. Else
/// the few people with hundreds of photos would decide how alike strangers are.
#[derive(Clone, Debug)]
pub struct ImpostorScores {
    pub(super) pairs: Vec<u64>,
    pub(super) weight: Vec<f64>,
    pub(super) weight_squared: Vec<f64>,
    /// For each group of people, the weight of the pairs that touch it.
    pub(super) touching: Vec<Vec<f64>>,
}

impl Default for ImpostorScores {
    fn default() -> Self {
        Self {
            pairs: vec![0; BINS],
            weight: vec![0.0; BINS],
            weight_squared: vec![0.0; BINS],
            touching: vec![vec![0.0; BINS]; GROUPS],
        }
    }
}

impl ImpostorScores {
    /// Takes in the distance between a photo of `left` and one of `right`, two people.
    pub fn push(&mut self, distance: Distance, left: Person, right: Person) {
        let bin = bin(distance);
        let weight = 1.0 / (f64::from(left.photos.max(1)) * f64::from(right.photos.max(1)));
        self.pairs[bin] += 1;
        self.weight[bin] += weight;
        self.weight_squared[bin] += weight * weight;
        let (a, b) = (left.index as usize % GROUPS, right.index as usize % GROUPS);
        self.touching[a][bin] += weight;
        if a != b {
            self.touching[b][bin] += weight;
        }
    }
}
