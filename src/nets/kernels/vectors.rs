//! Products of `f32` with vectors.

use std::arch::x86_64::{__m256, __m512};

use super::lanes::Lanes;
use super::matrix::{Block, Multiply, SIDE};

/// Vectors of 8 numbers, 16 registers: 4 rows by 16 columns at a time.
pub struct Avx2;

/// Vectors of 16 numbers, 32 registers: 8 rows by 32 columns at a time, or 16 by 16.
pub struct Avx512;

impl Multiply<f32> for Avx2 {
    type Lanes = __m256;

    #[inline(always)]
    unsafe fn multiply(
        rows: &[f32],
        (height, width): (usize, usize),
        panel: &[f32],
        len: usize,
        bias: &[f32],
        block: &mut Block,
    ) {
        for column in (0..width).step_by(16) {
            // SAFETY: the caller's.
            unsafe { columns::<__m256, 4, 2>(rows, height, panel, column, len, bias, block) };
        }
    }
}

impl Multiply<f32> for Avx512 {
    type Lanes = __m512;

    #[inline(always)]
    unsafe fn multiply(
        rows: &[f32],
        (height, width): (usize, usize),
        panel: &[f32],
        len: usize,
        bias: &[f32],
        block: &mut Block,
    ) {
        // SAFETY: the caller's.
        unsafe {
            if width > 16 {
                columns::<__m512, 8, 2>(rows, height, panel, 0, len, bias, block);
            } else {
                columns::<__m512, 16, 1>(rows, height, panel, 0, len, bias, block);
            }
        }
    }
}

/// `C` vectors of columns from `column` on, `R` rows at a time: the sums stay in registers while rows and
/// columns are read once.
///
/// # Safety
/// As [`Multiply::multiply`]; the columns are within the panel.
#[inline(always)]
unsafe fn columns<V: Lanes, const R: usize, const C: usize>(
    rows: &[f32],
    height: usize,
    panel: &[f32],
    column: usize,
    len: usize,
    bias: &[f32],
    block: &mut Block,
) {
    debug_assert!(rows.len() >= SIDE * len && panel.len() >= len * SIDE && bias.len() >= SIDE);
    for row in (0..height).step_by(R) {
        // SAFETY: `row` and `column` stay within the block, `k` within the rows and the panel.
        unsafe {
            let rows = rows.as_ptr().add(row * len);
            let panel = panel.as_ptr().add(column);
            let mut begin = [V::splat(0.0); C];
            for (i, begin) in begin.iter_mut().enumerate() {
                *begin = V::load(bias.as_ptr().add(column + i * V::WIDTH));
            }
            let mut sums = [begin; R];
            for k in 0..len {
                let mut numbers = [V::splat(0.0); C];
                for (i, numbers) in numbers.iter_mut().enumerate() {
                    *numbers = V::load(panel.add(k * SIDE + i * V::WIDTH));
                }
                for (i, sums) in sums.iter_mut().enumerate() {
                    let factor = V::splat(*rows.add(i * len + k));
                    for (sum, numbers) in sums.iter_mut().zip(numbers) {
                        *sum = factor.times_plus(numbers, *sum);
                    }
                }
            }
            for (i, sums) in sums.into_iter().enumerate() {
                let at = block.0.as_mut_ptr().add((row + i) * SIDE + column);
                for (i, sum) in sums.into_iter().enumerate() {
                    sum.store(at.add(i * V::WIDTH));
                }
            }
        }
    }
}
