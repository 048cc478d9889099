//! One kernel for each channel.

use super::element::Element;
use super::finish::Finish;
use super::geometry::{Geometry, Places};
use super::lanes::Lanes;
use super::tiles::Tiled;

/// The kernels, tap by tap: `[kernel * kernel, C]`.
pub struct Taps {
    numbers: Vec<f32>,
    channels: usize,
}

impl Taps {
    pub fn new(channels: usize, taps: usize, at: impl Fn(usize, usize) -> f32) -> Self {
        let number = |i: usize| at(i / channels, i % channels);
        Self { numbers: (0..taps * channels).map(number).collect(), channels }
    }

    pub fn channels(&self) -> usize {
        self.channels
    }
}

/// One row of outputs, or two, and the part of the map that lies under their kernels.
struct Row<'a, T> {
    /// The map's rows under the kernels, as far as they are inside the map.
    lines: &'a [T],
    /// How many numbers a row of the map has.
    line_len: usize,
    /// The taps of those rows.
    taps: &'a [f32],
    columns: &'a Places,
    channels: usize,
    finish: &'a Finish,
}

/// Writes `[N, H', W', C]` of the map `xs`.
///
/// # Safety
/// As [`Lanes`].
#[inline(always)]
pub unsafe fn depthwise<T: Element, V: Lanes>(
    xs: &[T],
    size: [usize; 4],
    geometry: &Geometry,
    taps: &Taps,
    finish: &Finish,
    out: &mut [T],
) {
    let [_, height, width, channels] = size;
    let (rows, columns) = (geometry.places(height), geometry.places(width));
    let line_len = width * channels;
    let images = xs.chunks_exact(height * line_len);
    let outs = out.chunks_exact_mut(rows.count * columns.count * channels);
    let (out_len, inner) = (columns.count * channels, rows.inner());
    let may_be_two = geometry.kernel == 3 && geometry.stride == 1;
    let in_tiles = V::REGISTERS < 32
        && channels.is_multiple_of(V::WIDTH)
        && Tiled::<T>::suits(&rows, &columns);
    for (image, mut out) in images.zip(outs) {
        if in_tiles {
            let (rows, columns, taps) = (&rows, &columns, taps.numbers.as_slice());
            let tiled = Tiled { map: image, rows, columns, channels, taps, finish };
            // SAFETY: the caller's.
            unsafe { tiled.write::<V>(out) };
            continue;
        }
        let mut y = 0;
        while y < rows.count {
            let (top, down) = rows.covered(y);
            let first = (top + down.start - rows.padding) * line_len;
            // Two rows share what lies under both.
            let count = 1 + usize::from(may_be_two && y >= inner.start && y + 1 < inner.end);
            let row = Row {
                lines: &image[first..first + (down.len() + count - 1) * line_len],
                line_len,
                taps: &taps.numbers[down.start * geometry.kernel * channels..],
                columns: &columns,
                channels,
                finish,
            };
            let (these, others) = out.split_at_mut(count * out_len);
            // SAFETY: the caller's.
            unsafe {
                if count == 2 {
                    row.write_two::<V>(these);
                } else {
                    row.write::<V>(down.len(), these);
                }
            }
            (out, y) = (others, y + count);
        }
    }
}

impl<T: Element> Row<'_, T> {
    /// # Safety
    /// As [`Lanes`].
    #[inline(always)]
    unsafe fn write<V: Lanes>(&self, height: usize, out: &mut [T]) {
        let whole = self.channels / V::WIDTH * V::WIDTH;
        let mut channel = 0;
        while channel < whole {
            // SAFETY: the caller's; `channel + N * WIDTH` is within the channels.
            channel += unsafe {
                match (self.columns.kernel, height, self.columns.stride) {
                    (3, 3, 1) => self.vectors::<V, 3, 1>(channel, out),
                    (3, 2, 1) => self.vectors::<V, 2, 1>(channel, out),
                    (3, 3, 2) => self.vectors::<V, 3, 2>(channel, out),
                    (3, 2, 2) => self.vectors::<V, 2, 2>(channel, out),
                    _ if channel + 4 * V::WIDTH <= whole => {
                        self.anywhere::<V, 4>(height, channel, out)
                    }
                    _ => self.anywhere::<V, 1>(height, channel, out),
                }
            };
        }
        self.write_rest(height, whole, out);
    }

    /// The channels from `whole` on, which fill no vector.
    #[inline(always)]
    fn write_rest(&self, height: usize, whole: usize, out: &mut [T]) {
        for channel in whole..self.channels {
            for place in 0..self.columns.count {
                out[place * self.channels + channel] =
                    T::from_f32(self.one(height, place, channel));
            }
        }
    }

    /// Two rows of outputs, each with all of a kernel of 3 x 3 that moves by one.
    ///
    /// # Safety
    /// As [`Lanes`].
    #[inline(always)]
    unsafe fn write_two<V: Lanes>(&self, out: &mut [T]) {
        let whole = self.channels / V::WIDTH * V::WIDTH;
        for channel in (0..whole).step_by(V::WIDTH) {
            // SAFETY: the caller's; `channel + WIDTH` is within the channels.
            unsafe { self.vectors_of_two::<V>(channel, out) };
        }
        if whole < self.channels {
            let (first, second) = out.split_at_mut(out.len() / 2);
            for (lines, out) in [(0, first), (self.line_len, second)] {
                let row = Row { lines: &self.lines[lines..], ..*self };
                row.write_rest(3, whole, out);
            }
        }
    }

    /// All places of two rows, one sum each: a column is loaded once for both, and once for three places.
    ///
    /// # Safety
    /// As [`Lanes`]; the vector is within the channels.
    #[inline(always)]
    unsafe fn vectors_of_two<V: Lanes>(&self, channel: usize, out: &mut [T]) {
        let (channels, out_len) = (self.channels, out.len() / 2);
        debug_assert!(self.lines.len() == 4 * self.line_len && self.columns.kernel == 3);
        // SAFETY: as in `vectors`.
        unsafe {
            let taps = self.taps_of::<V, 3>(channel);
            let finish = self.finish.at::<V>(channel);
            let mut first = self.column::<V, 4>(0, channel);
            let mut second = self.column::<V, 4>(1, channel);
            for place in 0..self.columns.count {
                let third = self.column::<V, 4>(place + 2, channel);
                let mut sums = [finish.bias; 2];
                for dy in 0..3 {
                    for (y, sum) in sums.iter_mut().enumerate() {
                        *sum = first[y + dy].times_plus(taps[dy][0], *sum);
                        *sum = second[y + dy].times_plus(taps[dy][1], *sum);
                        *sum = third[y + dy].times_plus(taps[dy][2], *sum);
                    }
                }
                for (y, sum) in sums.into_iter().enumerate() {
                    let to = y * out_len + place * channels + channel;
                    debug_assert!(to + V::WIDTH <= out.len());
                    T::store(finish.vector(sum), out.as_mut_ptr().add(to));
                }
                (first, second) = (second, third);
            }
        }
    }

    /// All places, of `H` rows and three columns each, `S` columns apart: what two neighbours share is loaded once. How many
    /// channels were written.
    ///
    /// # Safety
    /// As [`Lanes`].
    #[inline(always)]
    unsafe fn vectors<V: Lanes, const H: usize, const S: usize>(
        &self,
        channel: usize,
        out: &mut [T],
    ) -> usize {
        let channels = self.channels;
        debug_assert!(self.lines.len() == H * self.line_len && self.columns.kernel == 3);
        // SAFETY: columns outside the map are not loaded; the caller's for the channels and the places.
        unsafe {
            let taps = self.taps_of::<V, H>(channel);
            let finish = self.finish.at::<V>(channel);
            let mut first = self.column::<V, H>(0, channel);
            let mut next = self.column::<V, H>(1, channel);
            for place in 0..self.columns.count {
                let second =
                    if S == 1 { next } else { self.column::<V, H>(place * S + 1, channel) };
                let third = self.column::<V, H>(place * S + 2, channel);
                // A sum for each row, so that none waits for long.
                let mut sums = [V::splat(0.0); H];
                sums[0] = finish.bias;
                for (dy, (sum, taps)) in sums.iter_mut().zip(taps).enumerate() {
                    *sum = first[dy].times_plus(taps[0], *sum);
                    *sum = second[dy].times_plus(taps[1], *sum);
                    *sum = third[dy].times_plus(taps[2], *sum);
                }
                let mut sum = sums[0];
                for more in &sums[1..] {
                    sum = sum.plus(*more);
                }
                let to = place * channels + channel;
                debug_assert!(to + V::WIDTH <= out.len());
                T::store(finish.vector(sum), out.as_mut_ptr().add(to));
                (first, next) = if S == 1 { (second, third) } else { (third, third) };
            }
        }
        V::WIDTH
    }

    /// The taps of `H` rows of three columns.
    ///
    /// # Safety
    /// As [`Lanes`]; the vector is within the channels.
    #[inline(always)]
    unsafe fn taps_of<V: Lanes, const H: usize>(&self, channel: usize) -> [[V; 3]; H] {
        debug_assert!(self.taps.len() >= H * 3 * self.channels);
        // SAFETY: the caller's.
        unsafe {
            let mut taps = [[V::splat(0.0); 3]; H];
            for (dy, taps) in taps.iter_mut().enumerate() {
                for (dx, tap) in taps.iter_mut().enumerate() {
                    let at = (dy * 3 + dx) * self.channels + channel;
                    *tap = V::load(self.taps.as_ptr().add(at));
                }
            }
            taps
        }
    }

    /// What lies in a column, counted from where the padding begins: zeros outside the map, which taps that are
    /// no numbers would show.
    ///
    /// # Safety
    /// As [`Lanes`]; the vector is within the channels.
    #[inline(always)]
    unsafe fn column<V: Lanes, const H: usize>(&self, index: usize, channel: usize) -> [V; H] {
        // SAFETY: the caller's, and the column is inside the map where it is loaded.
        unsafe {
            let mut numbers = [V::splat(0.0); H];
            let column = index.wrapping_sub(self.columns.padding);
            if column < self.columns.len {
                for (dy, numbers) in numbers.iter_mut().enumerate() {
                    *numbers = self.load(dy * self.line_len + column * self.channels + channel);
                }
            }
            numbers
        }
    }

    /// # Safety
    /// As [`Lanes`]; the vector is within the lines.
    #[inline(always)]
    unsafe fn load<V: Lanes>(&self, at: usize) -> V {
        debug_assert!(at + V::WIDTH <= self.lines.len());
        // SAFETY: the caller's.
        unsafe { T::load(self.lines.as_ptr().add(at)) }
    }

    /// All places of `N` vectors, whatever the kernel: taps are far from each other, so whole lines of the cache are read.
    /// How many channels were written.
    ///
    /// # Safety
    /// As [`Lanes`]; the vectors are within the channels.
    #[inline(always)]
    unsafe fn anywhere<V: Lanes, const N: usize>(
        &self,
        height: usize,
        channel: usize,
        out: &mut [T],
    ) -> usize {
        debug_assert!(channel + N * V::WIDTH <= self.channels);
        for place in 0..self.columns.count {
            let (left, across) = self.columns.covered(place);
            // SAFETY: `covered` names columns inside the map; the caller's for the channels.
            unsafe {
                let mut sums = [V::splat(0.0); N];
                for (i, sum) in sums.iter_mut().enumerate() {
                    *sum = self.finish.at::<V>(channel + i * V::WIDTH).bias;
                }
                for dy in 0..height {
                    for dx in across.clone() {
                        let column = left + dx - self.columns.padding;
                        let at = dy * self.line_len + column * self.channels + channel;
                        let tap = (dy * self.columns.kernel + dx) * self.channels + channel;
                        for (i, sum) in sums.iter_mut().enumerate() {
                            let tap = V::load(self.taps.as_ptr().add(tap + i * V::WIDTH));
                            *sum = self.load::<V>(at + i * V::WIDTH).times_plus(tap, *sum);
                        }
                    }
                }
                for (i, sum) in sums.into_iter().enumerate() {
                    let channel = channel + i * V::WIDTH;
                    let to = out.as_mut_ptr().add(place * self.channels + channel);
                    T::store(self.finish.at::<V>(channel).vector(sum), to);
                }
            }
        }
        N * V::WIDTH
    }

    fn one(&self, height: usize, place: usize, channel: usize) -> f32 {
        let (left, across) = self.columns.covered(place);
        let mut sum = self.finish.bias[channel];
        for dy in 0..height {
            for dx in across.clone() {
                let column = left + dx - self.columns.padding;
                let number = self.lines[dy * self.line_len + column * self.channels + channel];
                let tap = self.taps[(dy * self.columns.kernel + dx) * self.channels + channel];
                sum += number.to_f32() * tap;
            }
        }
        self.finish.one(sum, channel)
    }
}
