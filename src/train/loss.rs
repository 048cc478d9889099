//! What a step makes smaller.

use tch::{Kind, TchError, Tensor};

use super::mining::Triplet;

/// A loss, and what the eye wants to see beside it.
#[derive(Debug)]
pub struct TripletLoss {
    /// The mean over the triplets: a scalar that gradients flow from.
    pub mean: Tensor,
    /// The share of the triplets that still teach something, 0 to 1.
    pub active: f64,
}

/// Rows of unit length (l2-normalised), `[N, D]`.
///
/// # Errors
/// When libtorch fails.
pub fn unit_rows(xs: &Tensor) -> Result<Tensor, TchError> {
    let norm = xs.f_square()?.f_sum_dim_intlist([1i64].as_slice(), true, None)?.f_sqrt()?;
    xs.f_div(&norm.f_clamp_min(1e-12)?)
}

/// The squared distance of every row of `xs` from every other, `[N, N]`, of unit rows.
///
/// # Errors
/// When libtorch fails.
pub fn squared_distances(xs: &Tensor) -> Result<Tensor, TchError> {
    // ‖a − b‖² = 2 − 2 a·b.
    xs.f_matmul(&xs.f_tr()?)?.f_mul_scalar(-2.0)?.f_add_scalar(2.0)?.f_clamp_min(0.0)
}

/// The triplet loss, the mean of `max(‖a − p‖² − ‖a − n‖² + α, 0)` (Schroff et al. 2015, equation 3), of
/// encodings `[N, D]` and the margin α.
///
/// # Errors
/// When there is no triplet, or libtorch fails.
pub fn triplet(
    encodings: &Tensor,
    triplets: &[Triplet],
    margin: f64,
) -> Result<TripletLoss, TchError> {
    if triplets.is_empty() {
        return Err(TchError::Shape("there is no triplet".to_owned()));
    }
    let rows = |of: fn(&Triplet) -> usize| {
        let numbers: Vec<i64> = triplets.iter().map(|triplet| of(triplet) as i64).collect();
        let numbers = Tensor::f_from_slice(&numbers)?.f_to_device(encodings.device())?;
        encodings.f_index_select(0, &numbers)
    };
    let (anchors, positives, negatives) =
        (rows(|t| t.anchor)?, rows(|t| t.positive)?, rows(|t| t.negative)?);
    let squared = |others: &Tensor| {
        let difference = anchors.f_sub(others)?;
        difference.f_square()?.f_sum_dim_intlist([1i64].as_slice(), false, None)
    };
    let losses =
        squared(&positives)?.f_sub(&squared(&negatives)?)?.f_add_scalar(margin)?.f_relu()?;
    let active = f64::try_from(losses.f_gt(0.0)?.f_to_kind(Kind::Double)?.f_mean(None)?)?;
    Ok(TripletLoss { mean: losses.f_mean(None)?, active })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::gradients::{assert_right, numbers};

    fn triplets() -> Vec<Triplet> {
        [(0, 1, 2), (1, 0, 3), (2, 3, 0), (3, 2, 1)]
            .map(|(anchor, positive, negative)| Triplet { anchor, positive, negative })
            .into()
    }

    #[test]
    fn the_triplet_loss_is_the_formula() {
        let at =
            |degrees: f64| [degrees.to_radians().cos() as f32, degrees.to_radians().sin() as f32];
        let rows = [at(0.0), at(60.0), at(90.0), at(180.0)].concat();
        let xs = Tensor::from_slice(&rows).view([4, 2]);
        let one = |anchor, positive, negative| {
            triplet(&xs, &[Triplet { anchor, positive, negative }], 0.2).unwrap()
        };
        // ‖a − b‖² = 2 − 2 cos: 1 at 60 degrees, 2 at 90, 4 at 180.
        let far = one(0, 1, 2);
        assert_eq!((f64::try_from(&far.mean).unwrap(), far.active), (0.0, 0.0));
        let near = one(0, 2, 1);
        assert!((f64::try_from(&near.mean).unwrap() - 1.2).abs() < 1e-6);
        assert_eq!(near.active, 1.0);
        assert!(triplet(&xs, &[], 0.2).is_err());
    }

    #[test]
    fn its_gradient_is_that_of_finite_differences_through_the_unit_rows_too() {
        // A margin that keeps every triplet away from the kink.
        assert_right(&numbers(&[4, 3], 1), |xs| {
            triplet(&unit_rows(xs)?, &triplets(), 3.9).map(|loss| loss.mean)
        });
    }

    #[test]
    fn squared_distances_are_those_of_every_two_rows() {
        let xs = unit_rows(&numbers(&[5, 8], 2)).unwrap();
        let all = squared_distances(&xs).unwrap();
        for i in 0..5 {
            for j in 0..5 {
                let apart =
                    f64::try_from((xs.get(i) - xs.get(j)).square().sum(Kind::Double)).unwrap();
                assert!((all.double_value(&[i, j]) - apart).abs() < 1e-9);
            }
        }
    }
}
