//! Where the sums of a matrix product go, block by block.

use super::element::Element;
use super::finish::Finish;
use super::lanes::Lanes;

/// Rows and columns of a block.
pub const SIDE: usize = 32;

/// A block of sums before they are finished, row by row.
#[repr(align(64))]
pub struct Block(pub [f32; SIDE * SIDE]);

/// The output of a product, at one of its blocks.
pub struct Output<'a, T> {
    finish: &'a Finish,
    shortcut: Option<&'a [T]>,
    out: &'a mut [T],
    /// Numbers of a row.
    stride: usize,
    /// Where the block begins in `out`, and the column of that.
    at: usize,
    column: usize,
    /// Rows and columns of the block.
    height: usize,
    width: usize,
    /// Sums that are not written as they are made.
    pub block: Block,
}

impl<'a, T: Element> Output<'a, T> {
    /// Of `stride` columns, finished as `finish` says, `shortcut` added.
    pub fn new(
        finish: &'a Finish,
        shortcut: Option<&'a [T]>,
        out: &'a mut [T],
        stride: usize,
    ) -> Self {
        assert!(finish.bias.len() >= stride && shortcut.is_none_or(|more| more.len() == out.len()));
        let block = Block([0.0; SIDE * SIDE]);
        Self { finish, shortcut, out, stride, at: 0, column: 0, height: 0, width: 0, block }
    }

    /// Moves on to a block of `height` rows and `width` columns, at least one, each at most [`SIDE`].
    #[inline(always)]
    pub fn go_to(&mut self, row: usize, column: usize, (height, width): (usize, usize)) {
        (self.at, self.column) = (row * self.stride + column, column);
        (self.height, self.width) = (height, width);
        assert!(height <= SIDE && width <= SIDE && column + width <= self.stride);
        assert!(self.at + (height - 1) * self.stride + width <= self.out.len());
    }

    /// Rows and columns of the block.
    #[inline(always)]
    pub fn size(&self) -> (usize, usize) {
        (self.height, self.width)
    }

    /// What the sums of the block's columns begin with, [`SIDE`] numbers.
    #[inline(always)]
    pub fn bias(&self) -> &[f32] {
        &self.finish.bias[self.column..][..SIDE]
    }

    /// Takes sums of `R` rows of the block from `row` on and `C` vectors from `column` on; what is not written at once,
    /// because columns are beyond the width, is kept until [`Output::write_from`].
    ///
    /// # Safety
    /// As [`Lanes`]; the rows are within the height, the vectors within [`SIDE`].
    #[inline(always)]
    pub unsafe fn put<V: Lanes, const R: usize, const C: usize>(
        &mut self,
        row: usize,
        column: usize,
        sums: [[V; C]; R],
    ) {
        debug_assert!(row + R <= self.height && column + C * V::WIDTH <= SIDE);
        // SAFETY: rows and columns are within the block, which is within `out` and the shortcut.
        unsafe {
            if column + C * V::WIDTH <= self.width {
                let at = self.at + row * self.stride + column;
                let shortcut = self.shortcut.map(|more| more.as_ptr().add(at));
                let out = (self.out.as_mut_ptr().add(at), self.stride);
                self.finish.vectors(sums, self.column + column, shortcut, out);
                return;
            }
            let block = self.block.0.as_mut_ptr().add(row * SIDE + column);
            for (i, sums) in sums.into_iter().enumerate() {
                for (j, sum) in sums.into_iter().enumerate() {
                    sum.store(block.add(i * SIDE + j * V::WIDTH));
                }
            }
        }
    }

    /// Writes what the block keeps from `column` on.
    ///
    /// # Safety
    /// As [`Lanes`].
    #[inline(always)]
    pub unsafe fn write_from<V: Lanes>(&mut self, column: usize) {
        let whole = column + self.width.saturating_sub(column) / V::WIDTH * V::WIDTH;
        for column in (column..whole).step_by(V::WIDTH) {
            let at = self.at + column;
            // SAFETY: the rows and the column are within the block, which is within `out` and the shortcut.
            unsafe {
                let sums = self.block.0.as_ptr().add(column);
                let shortcut = self.shortcut.map(|more| more.as_ptr().add(at));
                let out = (self.out.as_mut_ptr().add(at), self.stride);
                let channel = self.column + column;
                self.finish.column::<T, V>(sums, self.height, channel, shortcut, out);
            }
        }
        for row in 0..self.height {
            let at = self.at + row * self.stride;
            for column in whole..self.width {
                let shortcut = self.shortcut.map_or(0.0, |more| more[at + column].to_f32());
                let sum = self.block.0[row * SIDE + column];
                self.out[at + column] =
                    T::from_f32(self.finish.one(sum, self.column + column) + shortcut);
            }
        }
    }
}
