//! A rotation after which the numbers of every template are about alike in size.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// Random signs, then the Walsh-Hadamard transform over `√n`: orthogonal, so that it changes no
/// distance, in `n log n` steps. The numbers of a rotated unit vector are about normal with a
/// variance of `1 / n`, whichever of them were large before (Ailon and Chazelle 2009, "The fast
/// Johnson-Lindenstrauss transform").
#[derive(Debug)]
pub(super) struct Rotation {
    signs: Vec<f32>,
}

impl Rotation {
    /// For vectors of `size` numbers. Any two rotations of a size are the same.
    pub fn new(size: usize) -> Self {
        let padded = size.next_power_of_two().max(super::code::Code::NUMBERS);
        let mut random = StdRng::seed_from_u64(0);
        let mut sign = || if random.random() { 1.0 } else { -1.0 };
        let signs = (0..padded).map(|_| sign()).collect();
        Self { signs }
    }

    /// The vector with zeros appended, rotated: a power of two of numbers.
    pub fn apply(&self, vector: &[f32]) -> Vec<f32> {
        let padded = vector.iter().copied().chain(std::iter::repeat(0.0));
        let mut rotated: Vec<f32> = self.signs.iter().zip(padded).map(|(s, v)| s * v).collect();
        let mut half = 1;
        while half < rotated.len() {
            for pair in rotated.chunks_exact_mut(2 * half) {
                let (left, right) = pair.split_at_mut(half);
                for (a, b) in left.iter_mut().zip(right) {
                    (*a, *b) = (*a + *b, *a - *b);
                }
            }
            half *= 2;
        }
        let scale = 1.0 / (rotated.len() as f32).sqrt();
        rotated.iter_mut().for_each(|v| *v *= scale);
        rotated
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn dot(a: &[f32], b: &[f32]) -> f32 {
        a.iter().zip(b).map(|(x, y)| x * y).sum()
    }

    #[test]
    fn one_large_number_is_spread_over_all() {
        let rotated = Rotation::new(128).apply(&[1.0]);
        assert!(rotated.iter().all(|v| (v.abs() - 1.0 / 128f32.sqrt()).abs() < 1e-6));
    }

    proptest! {
        #[test]
        fn a_rotation_keeps_every_angle(
            a in prop::collection::vec(-1f32..1.0, 100),
            b in prop::collection::vec(-1f32..1.0, 100),
        ) {
            let rotation = Rotation::new(100);
            let rotated = dot(&rotation.apply(&a), &rotation.apply(&b));
            prop_assert!((rotated - dot(&a, &b)).abs() < 1e-4);
        }
    }
}
