//! Matrix products in blocks of 32 rows and 32 columns.

use aligned_vec::{AVec, avec};

use super::element::Element;
use super::finish::Finish;
use super::lanes::Lanes;
use super::output::{Output, SIDE};
use super::rows::Rows;

/// How a processor multiplies.
pub trait Multiply<T> {
    /// The vectors in which other layers are computed.
    type Lanes: Lanes;

    /// Prepares the thread for products.
    ///
    /// # Safety
    /// The processor has the instructions.
    #[inline(always)]
    unsafe fn begin() {}

    /// Gives back what `begin` took.
    ///
    /// # Safety
    /// The processor has the instructions.
    #[inline(always)]
    unsafe fn end() {}

    /// How many rows are read where `height` are multiplied, at most 32.
    fn rows_read(height: usize) -> usize {
        height
    }

    /// Writes a block, the finish of `bias + rows x panel`. `rows` holds as many as are read; each, and each column of
    /// `panel`, has `len` numbers, a multiple of [`Element::STEP`].
    ///
    /// # Safety
    /// As `begin`, which was called; the rows and the panel are as long as said.
    unsafe fn multiply(rows: &[T], panel: &[T], len: usize, to: &mut Output<T>);
}

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

/// `finish(bias + rows x panels)`: one row of `out` for each of `rows`.
///
/// # Safety
/// The processor has the instructions of `M`.
#[inline(always)]
pub unsafe fn multiply<T: Element, M: Multiply<T>>(
    rows: &Rows<T>,
    panels: &Panels<T>,
    finish: &Finish,
    shortcut: Option<&[T]>,
    out: &mut [T],
) {
    let (len, columns) = (panels.rows_padded, panels.columns);
    let mut to = Output::new(finish, shortcut, out, columns);
    let mut scratch = AVec::new(0);
    // SAFETY: the caller's.
    unsafe { M::begin() };
    // 32 rows stay in the first cache while all panels pass by.
    for row in (0..rows.count()).step_by(SIDE) {
        let height = SIDE.min(rows.count() - row);
        let read = M::rows_read(height);
        let rows = rows.block(row, height, read, &mut scratch);
        assert!(len > 0 && rows.len() >= read * len, "a block has its rows");
        let panels = panels.numbers.chunks_exact(len * SIDE);
        for (panel, first) in panels.zip((0..columns).step_by(SIDE)) {
            let width = SIDE.min(columns - first);
            to.go_to(row, first, (height, width));
            // SAFETY: the caller vouches for the instructions; the rows that are read, and a panel, of `len` each.
            unsafe { M::multiply(rows, panel, len, &mut to) };
        }
    }
    // SAFETY: the caller's.
    unsafe { M::end() };
}
