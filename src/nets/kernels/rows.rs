//! The rows of a matrix product, 32 at a time.

use super::element::Element;
use super::geometry::{Geometry, Places};
use super::matrix::SIDE;

/// Where the rows of a product come from.
pub trait Rows<T> {
    /// How many there are.
    fn count(&self) -> usize;

    /// At least the rows `first..first + count`, and 32 of `len` numbers in all: as they lie there, or
    /// in `scratch`, which has room for them.
    fn block<'a>(&'a self, first: usize, count: usize, scratch: &'a mut [T]) -> &'a [T];
}

/// Rows that lie one after another, each a place of a map.
pub struct Laid<'a, T> {
    /// The numbers.
    pub numbers: &'a [T],
    /// How many each row has.
    pub len: usize,
}

impl<T: Element> Rows<T> for Laid<'_, T> {
    #[inline(always)]
    fn count(&self) -> usize {
        self.numbers.len() / self.len
    }

    #[inline(always)]
    fn block<'a>(&'a self, first: usize, count: usize, scratch: &'a mut [T]) -> &'a [T] {
        let numbers = &self.numbers[first * self.len..][..count * self.len];
        if count == SIDE {
            return numbers;
        }
        scratch[..numbers.len()].copy_from_slice(numbers);
        scratch
    }
}

/// For each place of an output the numbers under the kernel, zeros where it overhangs the map, and zeros
/// behind them.
pub struct Patches<'a, T> {
    xs: &'a [T],
    size: [usize; 4],
    rows: Places,
    columns: Places,
    len: usize,
}

impl<'a, T: Element> Patches<'a, T> {
    /// Of the map `xs`, `[N, H, W, C]`, `len` numbers each.
    pub fn new(xs: &'a [T], size: [usize; 4], geometry: &Geometry, len: usize) -> Self {
        let [_, height, width, _] = size;
        Self { xs, size, rows: geometry.places(height), columns: geometry.places(width), len }
    }
}

impl<T: Element> Rows<T> for Patches<'_, T> {
    #[inline(always)]
    fn count(&self) -> usize {
        self.size[0] * self.rows.count * self.columns.count
    }

    #[inline(always)]
    fn block<'a>(&'a self, first: usize, count: usize, scratch: &'a mut [T]) -> &'a [T] {
        let [_, height, width, channels] = self.size;
        let (line, mut x) = (first / self.columns.count, first % self.columns.count);
        let (mut image, mut y) = (line / self.rows.count, line % self.rows.count);
        let (whole_rows, whole_columns) = (self.rows.inner(), self.columns.inner());
        let (line_len, span) = (width * channels, self.columns.kernel * channels);
        for patch in scratch.chunks_exact_mut(self.len).take(count) {
            if whole_rows.contains(&y) && whole_columns.contains(&x) {
                let line = image * height + y * self.rows.stride - self.rows.padding;
                let column = x * self.columns.stride - self.columns.padding;
                let mut from = (line * width + column) * channels;
                for to in patch[..self.rows.kernel * span].chunks_exact_mut(span) {
                    copy(&self.xs[from..from + span], to);
                    from += line_len;
                }
            } else {
                let (top, down) = self.rows.covered(y);
                let (left, across) = self.columns.covered(x);
                let copied = across.len() * channels;
                patch.fill(T::default());
                for dy in down {
                    let line = image * height + top + dy - self.rows.padding;
                    let column = left + across.start - self.columns.padding;
                    let from = &self.xs[(line * width + column) * channels..][..copied];
                    let to = dy * span + across.start * channels;
                    patch[to..to + copied].copy_from_slice(from);
                }
            }
            x += 1;
            if x == self.columns.count {
                (y, x) = (y + 1, 0);
            }
            if y == self.rows.count {
                (image, y) = (image + 1, 0);
            }
        }
        scratch
    }
}

#[inline(always)]
fn copy<T: Element>(from: &[T], to: &mut [T]) {
    // Three pixels of three colours, the first layer of every network, need no call.
    match (<&mut [T; 9]>::try_from(&mut *to), <&[T; 9]>::try_from(from)) {
        (Ok(to), Ok(from)) => *to = *from,
        _ => to.copy_from_slice(from),
    }
}
