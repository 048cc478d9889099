//! From the numbers of a frozen encoder to fewer.

use rand::Rng;
use rand::rngs::StdRng;
use tch::{Kind, TchError, Tensor};

use super::learner::Learner;
use super::loss::unit_rows;
use super::parameters::Tensors;
use super::trainer::Parameters;

/// What learning begins with.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, clap::ValueEnum,
)]
#[serde(rename_all = "kebab-case")]
pub enum Start {
    /// What there is without labels: the encoder as it ships, and the principal components of what it says of the training
    /// photos.
    Weights,
    /// Nothing: numbers by chance.
    Scratch,
}

/// `y = W x + b` over encodings that were computed once.
#[derive(Debug)]
pub struct ProjectionLearner {
    /// Unit encodings of the photos, plain and mirrored: `[N, 2, inputs]`.
    features: Tensor,
    parameters: Vec<(String, Tensor)>,
}

impl ProjectionLearner {
    /// Over unit `features` `[N, 2, inputs]` of all photos; the numbers in `training` are those to learn from.
    ///
    /// # Errors
    /// When libtorch fails.
    pub fn new(
        features: Tensor,
        training: &[usize],
        outputs: i64,
        start: Start,
        random: &mut StdRng,
    ) -> Result<Self, TchError> {
        let inputs = features.size3()?.2;
        let weight = match start {
            Start::Weights => {
                principal_components(&chosen(&features, training)?.f_view([-1, inputs])?, outputs)?
            }
            Start::Scratch => {
                let spread = 1.0 / (inputs as f64).sqrt();
                let values: Vec<f32> = (0..outputs * inputs)
                    .map(|_| random.random_range(-spread..spread) as f32)
                    .collect();
                Tensor::f_from_slice(&values)?.f_view([outputs, inputs])?
            }
        };
        let bias = Tensor::f_zeros([outputs], (Kind::Float, features.device()))?;
        let learnt = |tensor: Tensor| tensor.f_detach()?.f_contiguous()?.f_set_requires_grad(true);
        let parameters =
            vec![("weight".to_owned(), learnt(weight)?), ("bias".to_owned(), learnt(bias)?)];
        Ok(Self { features, parameters })
    }

    /// The projection as a file keeps it.
    #[must_use]
    pub fn weights(&self) -> Tensors {
        let parameters = self.parameters.iter();
        parameters.map(|(name, tensor)| (name.clone(), tensor.detach())).collect()
    }
}

impl Learner for ProjectionLearner {
    fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    fn size(&self) -> i64 {
        self.parameters[0].1.size()[0]
    }

    fn encode(&self, photos: &[usize], random: Option<&mut StdRng>) -> Result<Tensor, TchError> {
        let views = chosen(&self.features, photos)?;
        let xs = match random {
            // The plain photo or its mirror image.
            Some(random) => {
                let sides: Vec<i64> = photos.iter().map(|_| random.random_range(0..2)).collect();
                let sides = Tensor::f_from_slice(&sides)?
                    .f_view([-1, 1, 1])?
                    .f_to_device(views.device())?;
                views.f_take_along_dim(&sides, 1)?.f_squeeze_dim(1)?
            }
            None => views.f_select(1, 0)?,
        };
        unit_rows(&xs.f_linear(&self.parameters[0].1, Some(&self.parameters[1].1))?)
    }
}

fn chosen(features: &Tensor, photos: &[usize]) -> Result<Tensor, TchError> {
    let numbers: Vec<i64> = photos.iter().map(|photo| *photo as i64).collect();
    features.f_index_select(0, &Tensor::f_from_slice(&numbers)?.f_to_device(features.device())?)
}

/// The directions of most variance of `rows` `[N, inputs]` about zero, `[outputs, inputs]`: principal component
/// analysis without centring (Pearson 1901), as the projection that ships was fitted.
///
/// # Errors
/// When there are fewer inputs than outputs, or libtorch fails.
pub fn principal_components(rows: &Tensor, outputs: i64) -> Result<Tensor, TchError> {
    let rows = rows.f_to_kind(Kind::Double)?;
    let moments = rows.f_tr()?.f_matmul(&rows)?;
    // Ascending.
    let (_, vectors) = moments.f_linalg_eigh("L")?;
    let inputs = vectors.size2()?.1;
    if outputs > inputs {
        return Err(TchError::Shape(format!("{outputs} numbers out of {inputs}")));
    }
    let vectors = vectors.f_narrow(1, inputs - outputs, outputs)?.f_flip([1])?.f_tr()?;
    vectors.f_to_kind(Kind::Float)?.f_contiguous()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::random;

    #[test]
    fn principal_components_are_the_directions_of_most_variance() {
        // Along (3, 4), and a little along (-4, 3).
        let rows = [[3.0f32, 4.0, 0.0], [-6.0, -8.0, 0.0], [-0.4, 0.3, 0.0]].concat();
        let found = principal_components(&Tensor::from_slice(&rows).view([3, 3]), 2).unwrap();
        let row = |i: i64| Vec::<f32>::try_from(found.get(i)).unwrap();
        assert!(
            (row(0)[0].abs() - 0.6).abs() < 1e-3 && (row(0)[1].abs() - 0.8).abs() < 1e-3,
            "{found}"
        );
        assert!((row(1)[0].abs() - 0.8).abs() < 1e-3 && row(1)[2].abs() < 1e-3, "{found}");
        assert!(principal_components(&Tensor::from_slice(&rows).view([3, 3]), 4).is_err());
    }

    #[test]
    fn it_sees_the_plain_photo_and_in_training_its_mirror_image_too() {
        let features =
            Tensor::from_slice(&[1.0f32, 0.0, 0.0, 1.0, 0.6, 0.8, 0.8, 0.6]).view([2, 2, 2]);
        let mut numbers = random(1, "start", 0);
        let learner =
            ProjectionLearner::new(features, &[0, 1], 2, Start::Scratch, &mut numbers).unwrap();
        let plain = learner.encode(&[0, 1], None).unwrap();
        let mut varied = 0;
        for step in 0..32 {
            let seen = learner.encode(&[0, 1], Some(&mut random(1, "view", step))).unwrap();
            varied += i32::from(!seen.allclose(&plain, 1e-6, 1e-6, false));
        }
        assert!((8..32).contains(&varied), "{varied}");
    }
}
