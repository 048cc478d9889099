//! Distances counted in cells.

use serde::Serialize;

use crate::domain::Distance;

/// Cells to a unit of distance: 2^18, so that every edge is exactly an `f32`.
const CELLS_PER_UNIT: f32 = 262_144.0;
/// Cells over [0, 4).
const CELLS: usize = 1 << 20;

/// How many comparisons gave which distance: 2^20 cells over [0, 4), each 2^-18 (3.8e-6) wide, and
/// one for 4 itself; 8 MiB however many comparisons are counted.
///
/// At a τ on a cell's edge the counts are exact. A τ within a cell counts the whole cell as matching
/// where a false match is counted and as not matching where a false non-match is, so that neither
/// rate is ever understated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DistanceCounts {
    cells: Box<[u64]>,
    total: u64,
    failures: u64,
}

impl Default for DistanceCounts {
    fn default() -> Self {
        Self { cells: vec![0; CELLS + 1].into(), total: 0, failures: 0 }
    }
}

impl DistanceCounts {
    /// Counts a comparison; none: a photo had no face, so it matches at no threshold.
    pub fn add(&mut self, distance: Option<Distance>) {
        match distance {
            Some(distance) => {
                self.cells[cell(distance)] += 1;
                self.total += 1;
            }
            None => self.add_failures(1),
        }
    }

    /// Counts `comparisons` that could not be made because a photo had no face.
    pub fn add_failures(&mut self, comparisons: u64) {
        self.failures += comparisons;
        self.total += comparisons;
    }

    /// How many comparisons were counted, with those that could not be made.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.total
    }

    /// How many comparisons could not be made.
    #[must_use]
    pub fn failures(&self) -> u64 {
        self.failures
    }

    /// The same counts in `bins` equal bins over [0, 4], for a plot; at least 1, at most 2^20.
    #[must_use]
    pub fn histogram(&self, bins: usize) -> Histogram {
        let bins = bins.clamp(1, CELLS);
        let mut counts = vec![0; bins];
        for (i, count) in self.cells.iter().enumerate() {
            counts[(i * bins / CELLS).min(bins - 1)] += count;
        }
        #[allow(clippy::cast_precision_loss, reason = "at most 2^20")]
        let width = 4.0 / bins as f64;
        Histogram { width, counts }
    }

    /// The cells that hold something: the lower edge, the upper edge, and the counts here and there.
    pub(super) fn occupied<'a>(
        &'a self,
        other: &'a Self,
    ) -> impl Iterator<Item = (f32, f32, u64, u64)> + 'a {
        self.cells
            .iter()
            .zip(&other.cells)
            .zip(0u32..)
            .filter(|((here, there), _)| **here + **there > 0)
            .map(|((here, there), i)| (edge(i), edge(i + 1), *here, *there))
    }
}

/// Counts over [0, 4] for a plot.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Histogram {
    /// How wide a bin is, as a squared distance.
    pub width: f64,
    /// Comparisons in each bin from 0 on; those that could not be made are in none.
    pub counts: Vec<u64>,
}

/// The lower edge of cell `i`; exact, as is every multiple of 2^-18 up to 2^20 of them.
#[allow(clippy::cast_precision_loss, reason = "i is at most 2^20 + 1")]
fn edge(i: u32) -> f32 {
    i as f32 / CELLS_PER_UNIT
}

/// The cell that `distance` falls into.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 4 by its type")]
fn cell(distance: Distance) -> usize {
    ((distance.value() * CELLS_PER_UNIT) as usize).min(CELLS)
}

#[cfg(test)]
mod tests;
