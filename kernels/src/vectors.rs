//! Products of `f32` with vectors.

use std::arch::x86_64::{__m256, __m512};

use super::lanes::Lanes;
use super::matrix::{Block, Multiply, SIDE};

/// Vectors of 8 numbers, 16 registers: 6 rows by 16 columns at a time.
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
            unsafe { columns::<__m256, 6, 2>(rows, height, panel, column, len, bias, block) };
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

/// `C` vectors of columns from `column` on, at most `R` rows at a time, and all about as many: a few rows alone have
/// too few sums for the processor to have one to go on with while it waits for another.
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
    debug_assert!(rows.len() >= height * len && panel.len() >= len * SIDE && bias.len() >= SIDE);
    // SAFETY: the rows stay within the block and `rows`, the columns within the block, the panel and the bias.
    unsafe {
        let (panel, bias) = (panel.as_ptr().add(column), bias.as_ptr().add(column));
        let (rows, block) = (rows.as_ptr(), block.0.as_mut_ptr().add(column));
        let mut row = 0;
        while row < height {
            let left = height - row;
            let next = left.div_ceil(left.div_ceil(R));
            let (from, to) = (rows.add(row * len), block.add(row * SIDE));
            // The strip of as many rows as `next` says.
            macro_rules! strip {
                ($($rows:literal)*) => {
                    match next {
                        $($rows if $rows <= R => strip::<V, $rows, C>(from, panel, len, bias, to),)*
                        _ => unreachable!("strips of {R} rows"),
                    }
                };
            }
            strip!(1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16);
            row += next;
        }
    }
}

/// `R` rows: the sums stay in registers while rows and columns are read once.
///
/// # Safety
/// As [`columns`], of a part of each.
#[inline(always)]
unsafe fn strip<V: Lanes, const R: usize, const C: usize>(
    rows: *const f32,
    panel: *const f32,
    len: usize,
    bias: *const f32,
    block: *mut f32,
) {
    // SAFETY: the caller's; `k` stays under `len`.
    unsafe {
        let mut begin = [V::splat(0.0); C];
        for (i, begin) in begin.iter_mut().enumerate() {
            *begin = V::load(bias.add(i * V::WIDTH));
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
            for (j, sum) in sums.into_iter().enumerate() {
                sum.store(block.add(i * SIDE + j * V::WIDTH));
            }
        }
    }
}
