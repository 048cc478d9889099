//! Whether the tiles of AMX may be trusted, tried before the first face is.

use half::bf16;

use super::convolution::{Filter, Packed};
use super::finish::Finish;
use super::geometry::Geometry;
use super::panels::Panels;
use super::run::{Step, run_pairs, run_tiles};

// The product that is tried has blocks that are full and such as are not, and sums of several steps.
const ROWS: usize = 45;
const INPUTS: usize = 96;
const OUTPUTS: usize = 40;

/// Whether tiles make what vectors make of the same product, as far as `bf16` tells: a hypervisor may offer
/// instructions that it does not carry out.
///
/// # Safety
/// The processor has AMX and AVX-512 BF16, and this process may use both.
pub unsafe fn tiles_multiply() -> bool {
    // Numbers from -1 to 1 that have no pattern (Knuth's multiplicative hashing).
    let number = |i: usize| (i as u32).wrapping_mul(2_654_435_761) as i32 as f32 / 2f32.powi(31);
    let weight = |row, column| number(row * OUTPUTS + column);
    let packed = Packed {
        geometry: Geometry { kernel: 1, stride: 1, padding: 0 },
        filter: Filter::Dense(Panels::new(INPUTS, OUTPUTS, weight)),
        finish: Finish::new((0..OUTPUTS).map(number).collect(), vec![0.25; OUTPUTS]),
    };
    let xs: Vec<_> = (0..ROWS * INPUTS).map(|i| bf16::from_f32(number(i))).collect();
    let (step, size) = (Step::Convolve(&packed, None), [1, ROWS, 1, INPUTS]);
    let [mut by_tiles, mut by_vectors] = [(); 2].map(|()| vec![bf16::ZERO; ROWS * OUTPUTS]);
    // SAFETY: the caller's.
    unsafe {
        run_tiles(&step, &xs, size, &mut by_tiles);
        run_pairs(&step, &xs, size, &mut by_vectors);
    }
    agree(&by_tiles, &by_vectors)
}

/// Whether all numbers are the same but for roundings.
fn agree(found: &[bf16], expected: &[bf16]) -> bool {
    let pairs = found.iter().zip(expected).map(|(a, b)| (a.to_f32(), b.to_f32()));
    found.len() == expected.len() && { pairs }.all(|(a, b)| (a - b).abs() <= (1.0 + b.abs()) / 64.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roundings_agree_and_nothing_else_does() {
        let numbers = |of: [f32; 3]| of.map(bf16::from_f32);
        let expected = numbers([0.0, 1.0, -8.0]);
        assert!(agree(&expected, &expected));
        assert!(agree(&numbers([0.004, 1.008, -8.03]), &expected));
        assert!(!agree(&numbers([0.0, 1.5, -8.0]), &expected));
        assert!(!agree(&numbers([0.0, f32::NAN, -8.0]), &expected));
        assert!(!agree(&expected[..2], &expected));
    }
}
