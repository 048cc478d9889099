//! The nearest rows of a scan.

use crate::domain::Distance;

/// The nearest rows so far, the nearest first; of equal distances the one that was offered first.
#[derive(Debug)]
pub(super) struct Nearest {
    count: usize,
    rows: Vec<(Distance, usize)>,
}

impl Nearest {
    /// Room for `count` rows, at least 1.
    pub fn new(count: usize) -> Self {
        Self { count, rows: Vec::new() }
    }

    /// A row as far as this, or farther, is not among the nearest; over every distance while there is
    /// room.
    pub fn limit(&self) -> f32 {
        if self.rows.len() < self.count {
            f32::INFINITY
        } else {
            self.rows.last().map_or(f32::INFINITY, |(distance, _)| distance.value())
        }
    }

    /// Takes a row in if it is among the nearest.
    pub fn offer(&mut self, distance: Distance, row: usize) {
        if distance.value() < self.limit() {
            let at = self.rows.partition_point(|(other, _)| *other <= distance);
            self.rows.insert(at, (distance, row));
            self.rows.truncate(self.count);
        }
    }

    /// The nearest of both.
    pub fn merged(mut self, later: &Self) -> Self {
        later.rows().for_each(|(distance, row)| self.offer(distance, row));
        self
    }

    /// The rows and their distances, the nearest first.
    pub fn rows(&self) -> impl Iterator<Item = (Distance, usize)> + '_ {
        self.rows.iter().copied()
    }
}
