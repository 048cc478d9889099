//! Learning people by name: a softmax over the training people, with a margin.

use rand::Rng;
use serde::{Deserialize, Serialize};
use tch::{Device, Kind, Reduction, TchError, Tensor};

use super::loss::unit_rows;

/// How a person is made harder to tell from the others than they are.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Margin {
    /// An angle, in radians: `cos(θ + m)` (Deng, Guo, Xue, Zafeiriou: "ArcFace", CVPR 2019, equation 3).
    Angle(f64),
    /// A cosine: `cos θ − m` (Wang et al.: "CosFace", CVPR 2018, equation 4).
    Cosine(f64),
}

/// A direction for each person who is learnt, to which their photos are drawn; nothing of it is left in the end.
#[derive(Debug)]
pub struct Centres {
    weight: Tensor,
}

impl Centres {
    /// For so many people, and encodings of `size` numbers, by chance.
    ///
    /// # Errors
    /// When libtorch fails.
    pub fn new(
        people: usize,
        size: i64,
        device: Device,
        random: &mut impl Rng,
    ) -> Result<Self, TchError> {
        let values: Vec<f32> =
            (0..people as i64 * size).map(|_| random.random_range(-1f32..1.0)).collect();
        let weight = unit_rows(&Tensor::f_from_slice(&values)?.f_view([-1, size])?)?;
        let weight = weight.f_to_device(device)?.f_detach()?.f_set_requires_grad(true)?;
        Ok(Self { weight })
    }

    /// The numbers `[people, size]`.
    pub fn weight(&self) -> Tensor {
        self.weight.shallow_clone()
    }

    /// The cosines of unit encodings `[N, size]` with each centre, `[N, people]`.
    ///
    /// # Errors
    /// When the encodings are of another size.
    pub fn cosines(&self, encodings: &Tensor) -> Result<Tensor, TchError> {
        encodings.f_matmul(&unit_rows(&self.weight)?.f_tr()?)
    }
}

/// The cross-entropy of `scale` times the `cosines` `[N, people]`, those of who is in each photo (`person`) made smaller by
/// the margin.
///
/// # Errors
/// When libtorch fails.
pub fn margin_softmax(
    cosines: &Tensor,
    person: &[i64],
    margin: Margin,
    scale: f64,
) -> Result<Tensor, TchError> {
    let person = Tensor::f_from_slice(person)?.f_to_device(cosines.device())?;
    let column = person.f_unsqueeze(1)?;
    let own = cosines.f_gather(1, &column, false)?;
    let harder = match margin {
        Margin::Cosine(margin) => own.f_sub_scalar(margin)?,
        Margin::Angle(margin) => {
            // cos(θ + m) = cos θ cos m − sin θ sin m, as long as θ + m stays under half a turn; beyond it the cosine would
            // rise again, and a line goes on instead, as the authors have it.
            let sine = own.f_square()?.f_neg()?.f_add_scalar(1.0)?.f_clamp_min(1e-9)?.f_sqrt()?;
            let turned =
                own.f_mul_scalar(margin.cos())?.f_sub(&sine.f_mul_scalar(margin.sin())?)?;
            let line = own.f_sub_scalar(margin * margin.sin())?;
            turned.f_where_self(&own.f_gt(-margin.cos())?, &line)?
        }
    };
    let logits = cosines.f_scatter(1, &column, &harder)?.f_mul_scalar(scale)?;
    logits.f_cross_entropy_loss::<Tensor>(&person, None, Reduction::Mean, -100, 0.0)
}

/// The share of the photos that are nearest to the centre of who is in them.
///
/// # Errors
/// When libtorch fails.
pub fn accuracy(cosines: &Tensor, person: &[i64]) -> Result<f64, TchError> {
    let person = Tensor::f_from_slice(person)?.f_to_device(cosines.device())?;
    let right = cosines.f_argmax(1, false)?.f_eq_tensor(&person)?;
    f64::try_from(right.f_to_kind(Kind::Double)?.f_mean(None)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::gradients::{assert_right, numbers};
    use crate::train::random;

    const MARGINS: [Margin; 3] = [Margin::Angle(0.5), Margin::Cosine(0.35), Margin::Cosine(0.0)];

    #[test]
    fn their_gradients_are_those_of_finite_differences() {
        let centres = unit_rows(&numbers(&[5, 4], 3)).unwrap();
        for margin in MARGINS {
            assert_right(&numbers(&[3, 4], 1), |xs| {
                let cosines = unit_rows(xs)?.f_matmul(&centres.f_tr()?)?;
                margin_softmax(&cosines, &[0, 4, 2], margin, 8.0)
            });
        }
    }

    #[test]
    fn they_are_the_formulas() {
        let cosines = Tensor::from_slice(&[0.5f64, -0.2]).view([1, 2]);
        let loss =
            |margin| f64::try_from(margin_softmax(&cosines, &[0], margin, 2.0).unwrap()).unwrap();
        let expected = |own: f64| (1.0 + (2.0 * (-0.2 - own)).exp()).ln();
        assert!((loss(Margin::Cosine(0.0)) - expected(0.5)).abs() < 1e-12);
        assert!((loss(Margin::Cosine(0.35)) - expected(0.15)).abs() < 1e-12);
        let turned = (0.5f64.acos() + 0.5).cos();
        assert!((loss(Margin::Angle(0.5)) - expected(turned)).abs() < 1e-12);
        // Farther than half a turn less the margin the loss still falls towards the centre.
        let behind = |cosine: f64| {
            let cosines = Tensor::from_slice(&[cosine, 0.0]).view([1, 2]);
            f64::try_from(margin_softmax(&cosines, &[0], Margin::Angle(0.5), 2.0).unwrap()).unwrap()
        };
        assert!(behind(-0.99) > behind(-0.95) && behind(-0.95) > behind(-0.8));
    }

    #[test]
    fn a_photo_is_right_where_its_own_centre_is_nearest() {
        let centres = Centres::new(3, 4, Device::Cpu, &mut random(1, "centres", 0)).unwrap();
        let cosines = centres.cosines(&unit_rows(&centres.weight()).unwrap()).unwrap();
        assert_eq!(accuracy(&cosines, &[0, 1, 2]).unwrap(), 1.0);
        assert_eq!(accuracy(&cosines, &[1, 2, 2]).unwrap(), 1.0 / 3.0);
    }
}
