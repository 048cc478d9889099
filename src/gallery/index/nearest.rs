//! The nearest rows of a scan.

/// The nearest rows so far, the nearest first; of equal distances the one that was offered first.
#[derive(Clone, Debug)]
pub(super) struct Nearest {
    count: usize,
    rows: Vec<(f32, usize)>,
}

impl Nearest {
    /// Room for `count` rows, at least 1.
    pub fn new(count: usize) -> Self {
        Self { count, rows: Vec::new() }
    }

    /// For how many rows there is room.
    pub fn count(&self) -> usize {
        self.count
    }

    /// A row as far as this, or farther, is not among the nearest; over every distance while there is
    /// room.
    pub fn limit(&self) -> f32 {
        if self.rows.len() < self.count {
            f32::INFINITY
        } else {
            self.rows.last().map_or(f32::INFINITY, |(distance, _)| *distance)
        }
    }

    /// Takes a row in if it is among the nearest.
    pub fn offer(&mut self, distance: f32, row: usize) {
        if distance < self.limit() {
            let at = self.rows.partition_point(|(other, _)| *other <= distance);
            self.rows.insert(at, (distance, row));
            self.rows.truncate(self.count);
        }
    }

    /// The nearest of both.
    pub fn merged(mut self, later: &Self) -> Self {
        later.rows.iter().for_each(|(distance, row)| self.offer(*distance, *row));
        self
    }

    /// The rows, the nearest first.
    pub fn rows(&self) -> impl Iterator<Item = usize> + '_ {
        self.rows.iter().map(|(_, row)| *row)
    }
}
