//! How a kernel moves over a map.

use std::ops::Range;

/// The square kernel of a convolution and how it moves.
#[derive(Clone, Copy, Debug)]
pub struct Geometry {
    /// Its side.
    pub kernel: usize,
    /// Places that it moves on by.
    pub stride: usize,
    /// Zeros around the map.
    pub padding: usize,
}

impl Geometry {
    /// Whether every place is a matter of its own.
    pub fn is_pointwise(&self) -> bool {
        (self.kernel, self.stride, self.padding) == (1, 1, 0)
    }

    /// The places of an output along an axis of `len` places, at least `kernel - 2 * padding`.
    pub fn places(&self, len: usize) -> Places {
        let Self { kernel, stride, padding } = *self;
        Places { len, kernel, stride, padding, count: (len + 2 * padding - kernel) / stride + 1 }
    }
}

/// The places of an output along one axis.
pub struct Places {
    pub len: usize,
    pub kernel: usize,
    pub stride: usize,
    pub padding: usize,
    pub count: usize,
}

impl Places {
    /// Where the kernel starts, counted from the padding's start, and its part inside the map.
    #[inline(always)]
    pub fn covered(&self, place: usize) -> (usize, Range<usize>) {
        let start = place * self.stride;
        let inside = self.padding.saturating_sub(start);
        (start, inside..self.kernel.min(self.len + self.padding - start))
    }

    /// The places whose kernel is inside the map as a whole.
    #[inline(always)]
    pub fn inner(&self) -> Range<usize> {
        let start = self.padding.div_ceil(self.stride).min(self.count);
        let last = (self.len + self.padding).checked_sub(self.kernel);
        let end = last.map_or(0, |last| last / self.stride + 1);
        start..end.clamp(start, self.count)
    }
}
