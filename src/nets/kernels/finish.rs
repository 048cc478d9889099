//! What follows a sum: bias, activation, shortcut.

use super::element::Element;
use super::lanes::Lanes;
use super::matrix::SIDE;

/// Bias and activation of every output channel, padded to whole blocks.
pub struct Finish {
    bias: Vec<f32>,
    /// What a negative sum is multiplied by: 1 changes nothing, 0 is ReLU, the others PReLU.
    slope: Vec<f32>,
}

/// Bias and slope of some channels.
#[derive(Clone, Copy)]
pub struct FinishAt<V> {
    bias: V,
    slope: V,
}

impl<V: Lanes> FinishAt<V> {
    /// # Safety
    /// As [`Lanes`].
    #[inline(always)]
    pub unsafe fn vector(self, sums: V) -> V {
        // SAFETY: the caller's.
        unsafe { sums.plus(self.bias).bent(self.slope) }
    }
}

impl Finish {
    pub fn new(mut bias: Vec<f32>, mut slope: Vec<f32>) -> Self {
        let padded = bias.len().next_multiple_of(SIDE);
        bias.resize(padded, 0.0);
        slope.resize(padded, 1.0);
        Self { bias, slope }
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

    /// The output of one channel.
    #[inline(always)]
    pub fn one(&self, sum: f32, channel: usize) -> f32 {
        let sum = sum + self.bias[channel];
        if sum < 0.0 { sum * self.slope[channel] } else { sum }
    }

    /// Writes as many channels as `out` has, from `first` on, of a row of a block.
    ///
    /// # Safety
    /// As [`Lanes`]; `shortcut`, where there is one, is as long as `out`, at most [`SIDE`].
    #[inline(always)]
    pub unsafe fn row<T: Element, V: Lanes>(
        &self,
        sums: &[f32; SIDE],
        first: usize,
        shortcut: Option<&[T]>,
        out: &mut [T],
    ) {
        let whole = out.len() / V::WIDTH * V::WIDTH;
        for i in (0..whole).step_by(V::WIDTH) {
            // SAFETY: `i + WIDTH` is within the row, `out` and the shortcut.
            unsafe {
                let mut values = self.at::<V>(first + i).vector(V::load(sums.as_ptr().add(i)));
                if let Some(shortcut) = shortcut {
                    values = values.plus(T::load(shortcut.as_ptr().add(i)));
                }
                T::store(values, out.as_mut_ptr().add(i));
            }
        }
        for i in whole..out.len() {
            let shortcut = shortcut.map_or(0.0, |numbers| numbers[i].to_f32());
            out[i] = T::from_f32(self.one(sums[i], first + i) + shortcut);
        }
    }
}
