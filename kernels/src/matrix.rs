//! Matrix products in blocks of 32 rows and 32 columns.

use aligned_vec::AVec;

use super::element::Element;
use super::finish::Finish;
use super::lanes::Lanes;
use super::output::{Output, SIDE};
use super::panels::Panels;
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
        for (panel, first) in panels.iter().zip((0..columns).step_by(SIDE)) {
            let width = SIDE.min(columns - first);
            to.go_to(row, first, (height, width));
            // SAFETY: the caller vouches for the instructions; the rows that are read, and a panel, of `len` each.
            unsafe { M::multiply(rows, panel, len, &mut to) };
        }
    }
    // SAFETY: the caller's.
    unsafe { M::end() };
}
