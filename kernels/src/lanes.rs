//! Vectors of sums, of the width that the processor has.

use std::arch::x86_64::{
    __m256, __m256bh, __m256i, __m512, _CMP_LT_OQ, _mm256_add_ps, _mm256_blendv_ps,
    _mm256_fmadd_ps, _mm256_loadu_ps, _mm256_loadu_si256, _mm256_max_ps, _mm256_mul_ps,
    _mm256_set1_ps, _mm256_storeu_ps, _mm256_storeu_si256, _mm512_add_ps, _mm512_castsi512_ps,
    _mm512_cmp_ps_mask, _mm512_cvtepu16_epi32, _mm512_cvtneps_pbh, _mm512_fmadd_ps,
    _mm512_loadu_ps, _mm512_mask_mul_ps, _mm512_max_ps, _mm512_set1_ps, _mm512_setzero_ps,
    _mm512_slli_epi32, _mm512_storeu_ps,
};
use std::mem::transmute;

use half::bf16;

/// A vector of 32-bit floats.
///
/// # Safety
/// Of every function: the processor has the instructions (AVX2 and FMA, or AVX-512 with BF16, where alone
/// numbers may be `bf16`), and a pointer leads to `WIDTH` numbers.
pub trait Lanes: Copy {
    const WIDTH: usize;
    /// How many of them the processor has room for.
    const REGISTERS: usize;

    unsafe fn splat(value: f32) -> Self;
    unsafe fn load(from: *const f32) -> Self;
    unsafe fn store(self, to: *mut f32);
    unsafe fn widen(from: *const bf16) -> Self;
    /// To the nearest, halves to even.
    unsafe fn narrow(self, to: *mut bf16);
    unsafe fn plus(self, other: Self) -> Self;
    unsafe fn larger(self, other: Self) -> Self;
    /// `self * factor + sum`, rounded once.
    unsafe fn times_plus(self, factor: Self, sum: Self) -> Self;
    /// What is under 0 is multiplied. NaN stays.
    unsafe fn bent(self, slope: Self) -> Self;
}

impl Lanes for __m256 {
    const WIDTH: usize = 8;
    const REGISTERS: usize = 16;

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        unsafe { _mm256_set1_ps(value) }
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        unsafe { _mm256_loadu_ps(from) }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        unsafe { _mm256_storeu_ps(to, self) }
    }

    unsafe fn widen(_: *const bf16) -> Self {
        unreachable!("bf16 comes with AVX-512")
    }

    unsafe fn narrow(self, _: *mut bf16) {
        unreachable!("bf16 comes with AVX-512")
    }

    #[inline(always)]
    unsafe fn plus(self, other: Self) -> Self {
        unsafe { _mm256_add_ps(self, other) }
    }

    #[inline(always)]
    unsafe fn larger(self, other: Self) -> Self {
        unsafe { _mm256_max_ps(self, other) }
    }

    #[inline(always)]
    unsafe fn times_plus(self, factor: Self, sum: Self) -> Self {
        unsafe { _mm256_fmadd_ps(self, factor, sum) }
    }

    #[inline(always)]
    unsafe fn bent(self, slope: Self) -> Self {
        unsafe {
            // The sign of each number says which is taken.
            _mm256_blendv_ps(self, _mm256_mul_ps(self, slope), self)
        }
    }
}

impl Lanes for __m512 {
    const WIDTH: usize = 16;
    const REGISTERS: usize = 32;

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        unsafe { _mm512_set1_ps(value) }
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        unsafe { _mm512_loadu_ps(from) }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        unsafe { _mm512_storeu_ps(to, self) }
    }

    #[inline(always)]
    unsafe fn widen(from: *const bf16) -> Self {
        unsafe {
            let numbers = _mm512_cvtepu16_epi32(_mm256_loadu_si256(from.cast()));
            _mm512_castsi512_ps(_mm512_slli_epi32::<16>(numbers))
        }
    }

    #[inline(always)]
    unsafe fn narrow(self, to: *mut bf16) {
        unsafe {
            _mm256_storeu_si256(to.cast(), transmute::<__m256bh, __m256i>(_mm512_cvtneps_pbh(self)))
        }
    }

    #[inline(always)]
    unsafe fn plus(self, other: Self) -> Self {
        unsafe { _mm512_add_ps(self, other) }
    }

    #[inline(always)]
    unsafe fn larger(self, other: Self) -> Self {
        unsafe { _mm512_max_ps(self, other) }
    }

    #[inline(always)]
    unsafe fn times_plus(self, factor: Self, sum: Self) -> Self {
        unsafe { _mm512_fmadd_ps(self, factor, sum) }
    }

    #[inline(always)]
    unsafe fn bent(self, slope: Self) -> Self {
        unsafe {
            let negative = _mm512_cmp_ps_mask::<_CMP_LT_OQ>(self, _mm512_setzero_ps());
            _mm512_mask_mul_ps(self, negative, self, slope)
        }
    }
}
