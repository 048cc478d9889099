//! The two kinds of numbers that a feature map is kept in; sums are always 32-bit.

use half::bf16;
use tch::Kind;

use super::lanes::Lanes;

/// A number of a feature map.
pub trait Element: Copy + Default {
    /// The same in libtorch.
    const KIND: Kind;
    /// Numbers that one step of a product takes from a row; rows are padded to a multiple of it.
    const STEP: usize;

    fn from_f32(value: f32) -> Self;
    fn to_f32(self) -> f32;

    /// # Safety
    /// As [`Lanes::load`].
    unsafe fn load<V: Lanes>(from: *const Self) -> V;

    /// # Safety
    /// As [`Lanes::store`].
    unsafe fn store<V: Lanes>(values: V, to: *mut Self);
}

impl Element for f32 {
    const KIND: Kind = Kind::Float;
    const STEP: usize = 1;

    #[inline(always)]
    fn from_f32(value: f32) -> Self {
        value
    }

    #[inline(always)]
    fn to_f32(self) -> f32 {
        self
    }

    #[inline(always)]
    unsafe fn load<V: Lanes>(from: *const Self) -> V {
        unsafe { V::load(from) }
    }

    #[inline(always)]
    unsafe fn store<V: Lanes>(values: V, to: *mut Self) {
        unsafe { values.store(to) }
    }
}

impl Element for bf16 {
    const KIND: Kind = Kind::BFloat16;
    /// A row of an AMX tile.
    const STEP: usize = 32;

    #[inline(always)]
    fn from_f32(value: f32) -> Self {
        bf16::from_f32(value)
    }

    #[inline(always)]
    fn to_f32(self) -> f32 {
        bf16::to_f32(self)
    }

    #[inline(always)]
    unsafe fn load<V: Lanes>(from: *const Self) -> V {
        unsafe { V::widen(from) }
    }

    #[inline(always)]
    unsafe fn store<V: Lanes>(values: V, to: *mut Self) {
        unsafe { values.narrow(to) }
    }
}
