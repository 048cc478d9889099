//! The comparisons that went most wrong, for a person to look at.

/// Two photos, as numbers, and how far apart they are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct WorstPair {
    /// The squared distance.
    pub distance: f32,
    /// A photo.
    pub left: usize,
    /// Another photo.
    pub right: usize,
}

/// The worst pairs of those that were offered, in bounded memory.
#[derive(Clone, Debug)]
pub struct Worst {
    count: usize,
    /// 1 where large distances are the bad ones, -1 where small ones are.
    sign: f32,
    pairs: Vec<WorstPair>,
    /// What a pair must exceed to be among the worst.
    bar: f32,
}

impl Worst {
    /// Keeps the `count` genuine pairs that are farthest apart.
    #[must_use]
    pub fn genuine(count: usize) -> Self {
        Self { count, sign: 1.0, pairs: Vec::new(), bar: f32::NEG_INFINITY }
    }

    /// Keeps the `count` impostor pairs that are nearest.
    #[must_use]
    pub fn impostor(count: usize) -> Self {
        Self { sign: -1.0, ..Self::genuine(count) }
    }

    /// Takes note of a pair.
    pub fn offer(&mut self, distance: f32, left: usize, right: usize) {
        if distance * self.sign > self.bar {
            self.pairs.push(WorstPair { distance, left, right });
            if self.pairs.len() >= 2 * self.count.max(1) {
                self.keep_worst();
            }
        }
    }

    /// The worst pairs, the worst first.
    #[must_use]
    pub fn into_pairs(mut self) -> Vec<WorstPair> {
        self.keep_worst();
        self.pairs
    }

    fn keep_worst(&mut self) {
        let badness = |pair: &WorstPair| pair.distance * self.sign;
        self.pairs.sort_by(|a, b| badness(b).total_cmp(&badness(a)));
        self.pairs.truncate(self.count);
        if self.pairs.len() == self.count {
            self.bar = self.pairs.last().map_or(f32::INFINITY, badness);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_worst_are_those_that_sorting_everything_gives(
            distances in proptest::collection::vec(0.0f32..4.0, 0..200), count in 0usize..9
        ) {
            let kept = |mut worst: Worst| -> Vec<f32> {
                for (i, distance) in distances.iter().enumerate() {
                    worst.offer(*distance, i, i);
                }
                worst.into_pairs().iter().map(|pair| pair.distance).collect()
            };
            let mut sorted = distances.clone();
            sorted.sort_by(f32::total_cmp);
            let nearest: Vec<f32> = sorted.iter().copied().take(count).collect();
            let farthest: Vec<f32> = sorted.iter().rev().copied().take(count).collect();
            prop_assert_eq!(kept(Worst::impostor(count)), nearest);
            prop_assert_eq!(kept(Worst::genuine(count)), farthest);
        }
    }
}
