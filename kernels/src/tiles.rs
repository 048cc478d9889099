//! Depthwise kernels of 3 x 3 where registers are few: several places at once, channel by channel.
//!
//! Nine taps and the columns under them have no room in 16 registers, and what is laid aside in memory takes longer than
//! the sums. In a tile each tap is loaded once for all places of a line, and each number of the map once for all taps.

use super::element::Element;
use super::finish::Finish;
use super::geometry::Places;
use super::lanes::Lanes;

/// Places of a tile along a line. With two lines, where kernels move by one, that makes six sums at once.
const ACROSS: usize = 3;

/// A depthwise layer of 3 x 3 on one picture's map.
pub struct Tiled<'a, T> {
    pub map: &'a [T],
    pub rows: &'a Places,
    pub columns: &'a Places,
    pub channels: usize,
    /// Tap by tap: `[9, C]`.
    pub taps: &'a [f32],
    pub finish: &'a Finish,
}

/// Places next to each other along an axis, as much of whose kernels is inside the map.
struct Span {
    place: usize,
    count: usize,
    /// Where in the map the first kernel begins, and with which of its taps.
    from: usize,
    tap: usize,
    /// How many taps of each are inside.
    taps: usize,
}

/// The places of an axis, `most` together where kernels are inside as a whole: the last such span begins so much sooner
/// that it is full, and does some places again.
fn spans(axis: &Places, most: usize) -> Vec<Span> {
    let inner = axis.inner();
    let mut spans = Vec::with_capacity(axis.count);
    let mut next = 0;
    while next < axis.count {
        let full = inner.contains(&next) && inner.len() >= most;
        let count = if full { most } else { 1 };
        let place = if full { next.min(inner.end - most) } else { next };
        let (start, inside) = axis.covered(place);
        let from = start + inside.start - axis.padding;
        spans.push(Span { place, count, from, tap: inside.start, taps: inside.len() });
        next = place + count;
    }
    spans
}

impl<T: Element> Tiled<'_, T> {
    /// Whether every place has a tile.
    pub fn suits(rows: &Places, columns: &Places) -> bool {
        // Of an axis of one place a kernel would overhang both ends.
        let suits = |axis: &Places| axis.kernel == 3 && axis.padding <= 1 && axis.len >= 2;
        columns.stride <= 2 && suits(rows) && suits(columns)
    }

    /// Writes all places; the channels are a multiple of [`Lanes::WIDTH`].
    ///
    /// # Safety
    /// As [`Lanes`].
    #[inline(always)]
    pub unsafe fn write<V: Lanes>(&self, out: &mut [T]) {
        // SAFETY: the caller's.
        unsafe {
            if self.columns.stride == 1 {
                self.tiles::<V, 2, 1>(out);
            } else {
                self.tiles::<V, 1, 2>(out);
            }
        }
    }

    /// Tiles of `Y` lines where that many kernels are inside, which move by `S`.
    ///
    /// # Safety
    /// As [`Lanes`].
    #[inline(always)]
    unsafe fn tiles<V: Lanes, const Y: usize, const S: usize>(&self, out: &mut [T]) {
        let columns = spans(self.columns, ACROSS);
        for down in spans(self.rows, Y) {
            for across in &columns {
                let at = (&down, across);
                // SAFETY: the caller's; the sizes are those of the spans.
                unsafe {
                    match ((down.count, down.taps), (across.count, across.taps)) {
                        ((1, 2), (1, 2)) => self.tile::<V, 1, 2, 1, 2, S>(at, out),
                        ((1, 2), (1, 3)) => self.tile::<V, 1, 2, 1, 3, S>(at, out),
                        ((1, 2), _) => self.tile::<V, 1, 2, ACROSS, 3, S>(at, out),
                        ((1, 3), (1, 2)) => self.tile::<V, 1, 3, 1, 2, S>(at, out),
                        ((1, 3), (1, 3)) => self.tile::<V, 1, 3, 1, 3, S>(at, out),
                        ((1, 3), _) => self.tile::<V, 1, 3, ACROSS, 3, S>(at, out),
                        (_, (1, 2)) => self.tile::<V, Y, 3, 1, 2, S>(at, out),
                        (_, (1, 3)) => self.tile::<V, Y, 3, 1, 3, S>(at, out),
                        _ => self.tile::<V, Y, 3, ACROSS, 3, S>(at, out),
                    }
                }
            }
        }
    }

    /// `Y` lines of `X` places, of whose kernels `H` lines of `W` taps are inside the map.
    ///
    /// # Safety
    /// As [`Lanes`]; the spans are of these sizes.
    #[inline(always)]
    unsafe fn tile<
        V: Lanes,
        const Y: usize,
        const H: usize,
        const X: usize,
        const W: usize,
        const S: usize,
    >(
        &self,
        (down, across): (&Span, &Span),
        out: &mut [T],
    ) {
        debug_assert!(self.channels.is_multiple_of(V::WIDTH));
        debug_assert!((down.count, down.taps, across.count, across.taps) == (Y, H, X, W));
        let channels = self.channels;
        let [line, out_line] = [self.columns.len, self.columns.count].map(|len| len * channels);
        let (height, width) = ((Y - 1) * S + H, (X - 1) * S + W);
        let from = down.from * line + across.from * channels;
        let taps = (down.tap * 3 + across.tap) * channels;
        let to = down.place * out_line + across.place * channels;
        debug_assert!(from + (height - 1) * line + width * channels <= self.map.len());
        debug_assert!(taps + ((H - 1) * 3 + W) * channels <= self.taps.len());
        assert!(to + (Y - 1) * out_line + X * channels <= out.len());
        let mut channel = 0;
        // SAFETY: the spans are inside the map, so are the numbers under their kernels; `channel + WIDTH` is within the
        // channels.
        unsafe {
            let from = self.map.as_ptr().add(from);
            let taps = self.taps.as_ptr().add(taps);
            let to = out.as_mut_ptr().add(to);
            while channel < channels {
                let finish = self.finish.at::<V>(channel);
                let mut sums = [[finish.bias; X]; Y];
                for dy in 0..height {
                    // As many as the widest tile sees.
                    let mut numbers = [finish.bias; 2 * (ACROSS - 1) + 3];
                    for (dx, number) in numbers.iter_mut().enumerate().take(width) {
                        *number = T::load(from.add(dy * line + dx * channels + channel));
                    }
                    for (y, sums) in sums.iter_mut().enumerate() {
                        if dy < y * S || dy >= y * S + H {
                            continue;
                        }
                        for dx in 0..W {
                            let tap = ((dy - y * S) * 3 + dx) * channels + channel;
                            let tap = V::load(taps.add(tap));
                            for (x, sum) in sums.iter_mut().enumerate() {
                                *sum = numbers[x * S + dx].times_plus(tap, *sum);
                            }
                        }
                    }
                }
                for (y, sums) in sums.into_iter().enumerate() {
                    for (x, sum) in sums.into_iter().enumerate() {
                        let at = y * out_line + x * channels + channel;
                        T::store(finish.vector(sum), to.add(at));
                    }
                }
                channel += V::WIDTH;
            }
        }
    }
}
