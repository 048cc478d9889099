//! Products of `f32` with vectors.

use std::arch::x86_64::{__m256, __m512};

use super::lanes::Lanes;
use super::matrix::Multiply;
use super::output::{Output, SIDE};
use super::panels::HALF;

/// Vectors of 8 numbers, 16 registers: 6 rows by 16 columns at a time.
pub struct Avx2;

/// Vectors of 16 numbers, 32 registers: 8 rows by 32 columns at a time, or 16 by 16.
pub struct Avx512;

impl Multiply<f32> for Avx2 {
    type Lanes = __m256;

    #[inline(always)]
    unsafe fn multiply(rows: &[f32], panel: &[f32], len: usize, to: &mut Output<f32>) {
        for column in (0..to.size().1).step_by(16) {
            // SAFETY: the caller's.
            unsafe { columns_avx2(rows, panel, column, len, to) };
        }
    }
}

impl Multiply<f32> for Avx512 {
    type Lanes = __m512;

    #[inline(always)]
    unsafe fn multiply(rows: &[f32], panel: &[f32], len: usize, to: &mut Output<f32>) {
        // SAFETY: the caller's.
        unsafe {
            if to.size().1 > 16 {
                columns_avx512(rows, panel, 0, len, to);
            } else {
                narrow_avx512(rows, panel, 0, len, to);
            }
        }
    }
}

/// A function for `$vectors` vectors of columns from `column` on, at most `$most` rows at a time, the last of `$rows`, and all
/// about as many: a few rows alone have too few sums for the processor to have one to go on with while it waits for
/// another. No generic function, which would be compiled with strips of 16 rows whatever the most is.
macro_rules! columns {
    ($name:ident: $vectors:literal of $lanes:ty, at most $most:literal of $($rows:literal)*) => {
        /// # Safety
        /// As [`Multiply::multiply`]; the columns are within the panel.
        #[inline(always)]
        unsafe fn $name(
            rows: &[f32],
            panel: &[f32],
            column: usize,
            len: usize,
            to: &mut Output<f32>,
        ) {
            let (height, width) = to.size();
            debug_assert!(rows.len() >= height * len && panel.len() >= len * SIDE);
            // SAFETY: the rows stay within the block and `rows`, the columns within the panel and the bias.
            unsafe {
                let (panel, bias) = (panel.as_ptr().add(column * len), to.bias().as_ptr().add(column));
                let mut row = 0;
                while row < height {
                    let left = height - row;
                    let next = left.div_ceil(left.div_ceil($most));
                    let from = rows.as_ptr().add(row * len);
                    match next {
                        $($rows => {
                            let sums = strip::<$lanes, $rows, $vectors>(from, panel, len, bias);
                            to.put(row, column, sums);
                        })*
                        _ => unreachable!("strips of at most {} rows", $most),
                    }
                    row += next;
                }
                if column + $vectors * <$lanes>::WIDTH > width {
                    to.write_from::<$lanes>(column);
                }
            }
        }
    };
}

columns!(columns_avx2: 2 of __m256, at most 6 of 1 2 3 4 5 6);
columns!(columns_avx512: 2 of __m512, at most 8 of 1 2 3 4 5 6 7 8);
columns!(narrow_avx512: 1 of __m512, at most 16 of 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16);

/// `R` rows: the sums stay in registers while rows and columns are read once.
///
/// # Safety
/// As [`Multiply::multiply`], of a part of each.
#[inline(always)]
unsafe fn strip<V: Lanes, const R: usize, const C: usize>(
    rows: *const f32,
    panel: *const f32,
    len: usize,
    bias: *const f32,
) -> [[V; C]; R] {
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
                let (half, column) = (i * V::WIDTH / HALF, i * V::WIDTH % HALF);
                *numbers = V::load(panel.add((half * len + k) * HALF + column));
            }
            for (i, sums) in sums.iter_mut().enumerate() {
                let factor = V::splat(*rows.add(i * len + k));
                for (sum, numbers) in sums.iter_mut().zip(numbers) {
                    *sum = factor.times_plus(numbers, *sum);
                }
            }
        }
        sums
    }
}
