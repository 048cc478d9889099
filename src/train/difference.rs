//! In what two encodings differ, number by number: what a logistic unit weighs.

use serde::{Deserialize, Serialize};
use tch::{TchError, Tensor};

/// What is taken of two encodings `a` and `b`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Difference {
    /// `|a_k - b_k|` (Taigman et al.: "DeepFace", CVPR 2014, section 4.2, have it weighted as here).
    Absolute,
    /// `(a_k - b_k)² / (a_k + b_k)` (there, equation 4). It asks for numbers that are not negative, which those of an
    /// encoding are not: each is taken as two, what is over 0 and what is under it, so that there are twice as many. And
    /// it is not defined where both are 0: ε is added below, so small beside an encoding's numbers (of the order
    /// `1/√size`) that it matters there alone, where both variants say 0.
    ChiSquare,
}

/// What is added below the chi-square's line.
const EPSILON: f64 = 1e-4;

impl Difference {
    /// How many numbers it makes of two encodings of `size` numbers each.
    #[must_use]
    pub fn size(self, size: i64) -> i64 {
        match self {
            Self::Absolute => size,
            Self::ChiSquare => 2 * size,
        }
    }

    /// Of the encodings `[N, size]` of both photos of N pairs, `[N, self.size(size)]`. The same whichever comes first.
    ///
    /// # Errors
    /// When the shapes differ.
    pub fn of(self, left: &Tensor, right: &Tensor) -> Result<Tensor, TchError> {
        match self {
            Self::Absolute => left.f_sub(right)?.f_abs(),
            Self::ChiSquare => {
                let (left, right) = (both_signs(left)?, both_signs(right)?);
                let below = left.f_add(&right)?.f_add_scalar(EPSILON)?;
                left.f_sub(&right)?.f_square()?.f_div(&below)
            }
        }
    }
}

/// What is over 0, followed by what is under it, as positive numbers.
fn both_signs(xs: &Tensor) -> Result<Tensor, TchError> {
    Tensor::f_cat(&[xs.f_relu()?, xs.f_neg()?.f_relu()?], 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(difference: Difference, left: [f32; 2], right: [f32; 2]) -> Vec<f32> {
        let row = |numbers: [f32; 2]| Tensor::from_slice(&numbers).view([1, 2]);
        let found = difference.of(&row(left), &row(right)).unwrap();
        Vec::try_from(found.view([-1])).unwrap()
    }

    #[test]
    fn the_absolute_difference_is_taken_number_by_number() {
        assert_eq!(of(Difference::Absolute, [0.5, -0.25], [0.25, 0.5]), [0.25, 0.75]);
    }

    #[test]
    fn the_chi_square_is_defined_everywhere_and_the_same_both_ways() {
        // (0.5 - 0.25)² / 0.75, nothing under 0 of the first; nothing over 0 of the second but 0.5, under it 0.25.
        let found = of(Difference::ChiSquare, [0.5, -0.25], [0.25, 0.5]);
        let expected = [0.0625 / 0.75, 0.5, 0.0, 0.25];
        assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-3), "{found:?}");
        assert_eq!(found, of(Difference::ChiSquare, [0.25, 0.5], [0.5, -0.25]));
        assert_eq!(of(Difference::ChiSquare, [0.0, 0.0], [0.0, 0.0]), [0.0; 4]);
    }
}
