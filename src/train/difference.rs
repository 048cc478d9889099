//! In what two encodings differ, number by number, as tensors: what a logistic unit learns to weigh.

use tch::{TchError, Tensor};

use crate::domain::Difference;

/// Of the encodings `[N, size]` of both photos of N pairs, `[N, difference.size(size)]`. The same whichever comes first.
///
/// # Errors
/// When the shapes differ.
pub fn differences(
    difference: Difference,
    left: &Tensor,
    right: &Tensor,
) -> Result<Tensor, TchError> {
    match difference {
        Difference::Squared => left.f_sub(right)?.f_square(),
        Difference::Absolute => left.f_sub(right)?.f_abs(),
        Difference::ChiSquare => {
            let (left, right) = (both_signs(left)?, both_signs(right)?);
            let below = left.f_add(&right)?.f_add_scalar(f64::from(Difference::EPSILON))?;
            left.f_sub(&right)?.f_square()?.f_div(&below)
        }
    }
}

/// What is over 0, followed by what is under it, as positive numbers.
fn both_signs(xs: &Tensor) -> Result<Tensor, TchError> {
    Tensor::f_cat(&[xs.f_relu()?, xs.f_neg()?.f_relu()?], 1)
}

#[cfg(test)]
mod tests {
    use tch::Kind;

    use super::*;
    use crate::domain::{ModelId, Verifier};
    use crate::train::gradients::numbers;

    #[test]
    fn what_is_learnt_from_is_what_is_served() {
        let [left, right] = [1, 2].map(|seed| numbers(&[8, 6], seed).to_kind(Kind::Float));
        for difference in Difference::ALL {
            let size = difference.size(6);
            let weight = numbers(&[size as i64], 3).to_kind(Kind::Float);
            let learnt = differences(difference, &left, &right).unwrap().matmul(&weight);
            let learnt = Vec::<f32>::try_from(learnt).unwrap();
            let list = |xs: &Tensor| Vec::<f32>::try_from(xs.contiguous().view([-1])).unwrap();
            let served =
                Verifier::new(ModelId::new("test"), 6, difference, list(&weight), 0.0).unwrap();
            let (left, right) = (list(&left), list(&right));
            for ((left, right), learnt) in left.chunks(6).zip(right.chunks(6)).zip(learnt) {
                let there = served.logit_of(left, right).unwrap().value();
                let back = served.logit_of(right, left).unwrap().value();
                assert!((there - f64::from(learnt)).abs() < 1e-5, "{difference:?}");
                assert!((there - back).abs() < 1e-9);
            }
        }
    }
}
