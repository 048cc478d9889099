//! What a sum begins with, its bias, and what follows it: activation, shortcut.

use super::element::Element;
use super::lanes::Lanes;
use super::output::SIDE;

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

/// Calls a macro, which has a loop, with what comes of a sum, its slope and its place: a loop for each way, for what is
/// asked for each vector takes as long as what is done there; and no closure, which would be compiled without the
/// instructions.
macro_rules! either_way {
    ($linear:expr, $shortcut:expr, $write:ident) => {
        match ($linear, $shortcut) {
            (true, None) => $write!(|sum, _slope, at| sum),
            (true, Some(more)) => $write!(|sum, _slope, at| sum.plus(T::load(more.add(at)))),
            (false, None) => $write!(|sum, slope, at| sum.bent(slope)),
            (false, Some(more)) => {
                $write!(|sum, slope, at| sum.bent(slope).plus(T::load(more.add(at))));
            }
        }
    };
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

    /// Writes sums that are in registers: `R` rows of `C` vectors, the first of which is of `channel`, to `out`, where a row
    /// has `stride` numbers, as a row of `shortcut` has, which is added.
    ///
    /// # Safety
    /// As [`Lanes`]; the channels end within the last block, and what is written and added within its memory.
    #[inline(always)]
    pub unsafe fn vectors<T: Element, V: Lanes, const R: usize, const C: usize>(
        &self,
        sums: [[V; C]; R],
        channel: usize,
        shortcut: Option<*const T>,
        (out, stride): (*mut T, usize),
    ) {
        debug_assert!(channel + C * V::WIDTH <= self.slope.len());
        // SAFETY: the caller's.
        unsafe {
            let mut slopes = [V::splat(1.0); C];
            for (i, slope) in slopes.iter_mut().enumerate() {
                *slope = V::load(self.slope.as_ptr().add(channel + i * V::WIDTH));
            }
            macro_rules! write {
                (|$sum:ident, $slope:ident, $at:ident| $value:expr) => {
                    for row in 0..R {
                        for vector in 0..C {
                            let ($sum, $slope) = (sums[row][vector], slopes[vector]);
                            let $at = row * stride + vector * V::WIDTH;
                            T::store($value, out.add($at));
                        }
                    }
                };
            }
            either_way!(self.linear, shortcut, write);
        }
    }

    /// Writes sums that are in memory: a vector of each of the rows of a block, `height` of them, the first at `sums`.
    ///
    /// # Safety
    /// As [`Finish::vectors`]; the rows are within the block.
    #[inline(always)]
    pub unsafe fn column<T: Element, V: Lanes>(
        &self,
        sums: *const f32,
        height: usize,
        channel: usize,
        shortcut: Option<*const T>,
        (out, stride): (*mut T, usize),
    ) {
        // SAFETY: the caller's.
        unsafe {
            let slope = self.at::<V>(channel).slope;
            macro_rules! write {
                (|$sum:ident, $slope:ident, $at:ident| $value:expr) => {
                    for row in 0..height {
                        let ($sum, $slope) = (V::load(sums.add(row * SIDE)), slope);
                        let $at = row * stride;
                        T::store($value, out.add($at));
                    }
                };
            }
            either_way!(self.linear, shortcut, write);
        }
    }
}
