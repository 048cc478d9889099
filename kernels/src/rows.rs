//! The rows of a matrix product, block by block.

use aligned_vec::AVec;

use super::element::Element;
use super::geometry::{Geometry, Places};
use super::panels::Panels;

/// Where the rows of a product come from. No trait: a product would be compiled for each kind.
pub enum Rows<'a, T> {
    /// See [`Laid`].
    Laid(Laid<'a, T>),
    /// See [`Patches`].
    Patches(Patches<'a, T>),
}

impl<'a, T: Element> Rows<'a, T> {
    /// Of the map `xs`, `[N, H, W, C]`, for a product with `panels`.
    #[inline(always)]
    pub fn of(xs: &'a [T], size: [usize; 4], geometry: &Geometry, panels: &Panels<T>) -> Self {
        let len = panels.rows_padded;
        if geometry.is_pointwise() && panels.rows == len {
            return Self::Laid(Laid { numbers: xs, len });
        }
        Self::Patches(Patches::new(xs, size, geometry, len))
    }

    /// How many there are.
    #[inline(always)]
    pub fn count(&self) -> usize {
        match self {
            Self::Laid(rows) => rows.count(),
            Self::Patches(rows) => rows.count(),
        }
    }

    /// The rows `first..first + count`, and behind them whatever numbers make them `read` rows: as they lie there, or
    /// in `scratch`.
    #[inline(always)]
    pub fn block<'b>(
        &'b self,
        first: usize,
        count: usize,
        read: usize,
        scratch: &'b mut AVec<T>,
    ) -> &'b [T] {
        match self {
            Self::Laid(rows) => rows.block(first, count, read, scratch),
            Self::Patches(rows) => rows.block(first, count, read, scratch),
        }
    }
}

/// Rows that lie one after another, each a place of a map.
pub struct Laid<'a, T> {
    /// The numbers.
    pub numbers: &'a [T],
    /// How many each row has.
    pub len: usize,
}

impl<T: Element> Laid<'_, T> {
    #[inline(always)]
    fn count(&self) -> usize {
        self.numbers.len() / self.len
    }

    #[inline(always)]
    fn block<'a>(
        &'a self,
        first: usize,
        count: usize,
        read: usize,
        scratch: &'a mut AVec<T>,
    ) -> &'a [T] {
        let numbers = &self.numbers[first * self.len..][..count * self.len];
        if count == read {
            return numbers;
        }
        scratch.resize(read * self.len, T::default());
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

impl<T: Element> Patches<'_, T> {
    #[inline(always)]
    fn count(&self) -> usize {
        self.size[0] * self.rows.count * self.columns.count
    }

    #[inline(always)]
    fn block<'a>(
        &'a self,
        first: usize,
        count: usize,
        read: usize,
        scratch: &'a mut AVec<T>,
    ) -> &'a [T] {
        scratch.resize(read * self.len, T::default());
        let (line, mut x) = (first / self.columns.count, first % self.columns.count);
        let (mut image, mut y) = (line / self.rows.count, line % self.rows.count);
        let whole = self.columns.inner();
        let mut patches = &mut scratch[..count * self.len];
        while !patches.is_empty() {
            let overhangs = !self.rows.inner().contains(&y) || !whole.contains(&x);
            let end = if overhangs { x + 1 } else { whole.end };
            let next = patches.len().min((end - x) * self.len);
            let (these, others) = patches.split_at_mut(next);
            if overhangs {
                self.overhanging(image, y, x, these);
            } else {
                self.inside(image, y, x, these);
            }
            (patches, x) = (others, x + next / self.len);
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

impl<T: Element> Patches<'_, T> {
    /// Neighbours in a line, each inside the map as a whole.
    #[inline(always)]
    fn inside(&self, image: usize, y: usize, x: usize, patches: &mut [T]) {
        let [_, height, width, channels] = self.size;
        let span = self.columns.kernel * channels;
        let line = image * height + y * self.rows.stride - self.rows.padding;
        let column = x * self.columns.stride - self.columns.padding;
        for dy in 0..self.rows.kernel {
            let mut from = ((line + dy) * width + column) * channels;
            for patch in patches.chunks_exact_mut(self.len) {
                copy(&self.xs[from..from + span], &mut patch[dy * span..(dy + 1) * span]);
                from += self.columns.stride * channels;
            }
        }
    }

    /// One, as far as it is inside the map.
    #[inline(always)]
    fn overhanging(&self, image: usize, y: usize, x: usize, patch: &mut [T]) {
        let [_, height, width, channels] = self.size;
        let (top, down) = self.rows.covered(y);
        let (left, across) = self.columns.covered(x);
        let copied = across.len() * channels;
        patch.fill(T::default());
        for dy in down {
            let line = image * height + top + dy - self.rows.padding;
            let column = left + across.start - self.columns.padding;
            let from = &self.xs[(line * width + column) * channels..][..copied];
            let to = (dy * self.columns.kernel + across.start) * channels;
            patch[to..to + copied].copy_from_slice(from);
        }
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
