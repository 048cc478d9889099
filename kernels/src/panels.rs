//! Matrices as products read them.

use aligned_vec::{AVec, avec};

use super::element::Element;
use super::output::SIDE;

/// Columns of a panel whose numbers lie one after another.
pub const HALF: usize = SIDE / 2;

/// A matrix `[K, N]` cut into panels of 32 columns, each laid out as the products read it: no vector of it crosses two
/// lines of the cache.
pub struct Panels<T> {
    numbers: AVec<T>,
    /// K.
    pub rows: usize,
    /// K, padded with zeros to a multiple of [`Element::STEP`].
    pub rows_padded: usize,
    /// N.
    pub columns: usize,
}

impl<T: Element> Panels<T> {
    /// The matrix whose number in a row and a column is `at(row, column)`.
    pub fn new(rows: usize, columns: usize, at: impl Fn(usize, usize) -> f32) -> Self {
        let rows_padded = rows.next_multiple_of(T::STEP);
        let len = columns.div_ceil(SIDE) * rows_padded * SIDE;
        let mut numbers = avec![T::default(); len];
        for (index, panel) in numbers.chunks_exact_mut(rows_padded * SIDE).enumerate() {
            for row in 0..rows {
                for column in 0..SIDE.min(columns - index * SIDE) {
                    let value = at(row, index * SIDE + column);
                    panel[Self::place(row, column, rows_padded)] = T::from_f32(value);
                }
            }
        }
        Self { numbers, rows, rows_padded, columns }
    }

    /// The panels, from the first columns on.
    #[inline(always)]
    pub fn iter(&self) -> impl Iterator<Item = &[T]> {
        self.numbers.chunks_exact(self.rows_padded * SIDE)
    }

    /// Where a number lies in its panel of `rows`: two halves of 16 columns, row by row, for `f32`; for `bf16` what a tile
    /// of AMX wants: steps of 32 rows in two halves, in which two rows alternate.
    fn place(row: usize, column: usize, rows: usize) -> usize {
        let (half, column) = (column / HALF, column % HALF);
        if T::STEP == 1 {
            return (half * rows + row) * HALF + column;
        }
        let (step, row) = (row / T::STEP, row % T::STEP);
        step * T::STEP * SIDE + half * T::STEP * HALF + row / 2 * SIDE + column * 2 + row % 2
    }
}
