//! What a sum begins with, its bias, and what follows it: activation, shortcut.

use super::element::Element;
use super::lanes::Lanes;
use super::matrix::SIDE;

/// Bias and activation of every output channel, padded to whole blocks.
pub struct Finish {
    /// What sums begin with.
    pub bias: Vec<f32>,
    /// What a negative sum is multiplied by: 1 changes nothing, 0 is ReLU, the others PReLU.
    slope: Vec<f32>,
    /// Whether all of them are 1.
    linear: bool,
}

/// Bias and slope of some channels.
#[derive(Clone, Copy)]
pub struct FinishAt<V> {
    /// What their sums begin with.
    pub bias: V,
    slope: V,
}

impl<V: Lanes> FinishAt<V> {
    /// What comes of sums that began with the bias.
    ///
    /// # Safety
    /// As [`Lanes`].
    #[inline(always)]
    pub unsafe fn vector(self, sums: V) -> V {
        // SAFETY: the caller's.
        unsafe { sums.bent(self.slope) }
    }
}

impl Finish {
    pub fn new(mut bias: Vec<f32>, mut slope: Vec<f32>) -> Self {
        let linear = slope.iter().all(|&slope| slope == 1.0);
        let padded = bias.len().next_multiple_of(SIDE);
        bias.resize(padded, 0.0);
        slope.resize(padded, 1.0);
        Self { bias, slope, linear }
    }

    /// What is done to the channels from `channel` on.
    ///
    /// # Safety
    /// As [`Lanes`]; the channels end within the last block.
    #[inline(always)]
    pub unsafe fn at<V: Lanes>(&self, channel: usize) -> FinishAt<V> {
        debug_assert!(channel + V::WIDTH <= self.bias.len());
        // SAFETY: the caller's.
        unsafe {
            FinishAt {
                bias: V::load(self.bias.as_ptr().add(channel)),
                slope: V::load(self.slope.as_ptr().add(channel)),
            }
        }
    }

    /// What comes of one channel's sum that began with the bias.
    #[inline(always)]
    pub fn one(&self, sum: f32, channel: usize) -> f32 {
        if sum < 0.0 { sum * self.slope[channel] } else { sum }
    }

    /// Writes a block of sums, as many of its rows and channels as `size` says, at least one, to `out`, where a row has
    /// `stride` numbers; its first channel is `first`.
    ///
    /// # Safety
    /// As [`Lanes`].
    #[inline(always)]
    pub unsafe fn block<T: Element, V: Lanes>(
        &self,
        sums: &[f32; SIDE * SIDE],
        (height, width): (usize, usize),
        first: usize,
        shortcut: Option<&[T]>,
        (out, stride): (&mut [T], usize),
    ) {
        let len = (height - 1) * stride + width;
        assert!(height <= SIDE && width <= SIDE && out.len() >= len);
        assert!(first + width <= self.bias.len());
        assert!(shortcut.is_none_or(|shortcut| shortcut.len() >= len));
        let whole = width / V::WIDTH * V::WIDTH;
        for channel in (0..whole).step_by(V::WIDTH) {
            // SAFETY: `channel + WIDTH` is within the width, and the rows are within the block, `out` and the shortcut.
            unsafe {
                let finish = self.at::<V>(first + channel);
                let from = sums.as_ptr().add(channel);
                let to = out.as_mut_ptr().add(channel);
                // Four loops, for what is asked in each row takes as long as what is done there.
                match (self.linear, shortcut.map(|numbers| numbers.as_ptr().add(channel))) {
                    (true, None) => {
                        for row in 0..height {
                            T::store(V::load(from.add(row * SIDE)), to.add(row * stride));
                        }
                    }
                    (true, Some(shortcut)) => {
                        for row in 0..height {
                            let values = V::load(from.add(row * SIDE));
                            let values = values.plus(T::load(shortcut.add(row * stride)));
                            T::store(values, to.add(row * stride));
                        }
                    }
                    (false, None) => {
                        for row in 0..height {
                            let values = finish.vector(V::load(from.add(row * SIDE)));
                            T::store(values, to.add(row * stride));
                        }
                    }
                    (false, Some(shortcut)) => {
                        for row in 0..height {
                            let values = finish.vector(V::load(from.add(row * SIDE)));
                            let values = values.plus(T::load(shortcut.add(row * stride)));
                            T::store(values, to.add(row * stride));
                        }
                    }
                }
            }
        }
        for channel in whole..width {
            for row in 0..height {
                let at = row * stride + channel;
                let shortcut = shortcut.map_or(0.0, |numbers| numbers[at].to_f32());
                let sum = sums[row * SIDE + channel];
                out[at] = T::from_f32(self.one(sum, first + channel) + shortcut);
            }
        }
    }
}
