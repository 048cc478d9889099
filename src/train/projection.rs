//! From the numbers of a frozen encoder to fewer.

use std::collections::BTreeMap;

use rand::Rng;
use rand::rngs::StdRng;
use tch::{Device, Kind, TchError, Tensor};

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
    /// The encoder and the projection that there are.
    Weights,
    /// The encoder that there is, and the principal components of what it says of the training photos, each person
    /// weighing the same: more photos than numbers.
    Pca,
    /// Nothing: numbers by chance.
    Scratch,
}

/// `y = W x + b`, scaled to length 1, whose numbers learn.
#[derive(Debug)]
pub struct LinearMap {
    /// `[outputs, inputs]`
    weight: Tensor,
    /// `[outputs]`
    bias: Tensor,
}

impl LinearMap {
    /// Of a weight `[outputs, inputs]`, and no bias.
    ///
    /// # Errors
    /// When libtorch fails.
    pub fn of_weight(weight: Tensor) -> Result<Self, TchError> {
        let bias = Tensor::f_zeros([weight.size2()?.0], (Kind::Float, weight.device()))?;
        Self::of(weight, bias)
    }

    /// As a file keeps it.
    ///
    /// # Errors
    /// When it is no projection of `inputs` to `outputs` numbers.
    pub fn from_weights(
        weights: &Tensors,
        inputs: i64,
        outputs: i64,
        device: Device,
    ) -> Result<Self, TchError> {
        let named = |name: &str, shape: &[i64]| match weights.get(name) {
            Some(tensor) if tensor.size() == shape => tensor.f_to_device(device),
            _ => Err(TchError::Shape(format!("no projection's `{name}` of {shape:?}"))),
        };
        Self::of(named("weight", &[outputs, inputs])?, named("bias", &[outputs])?)
    }

    /// Numbers by chance.
    ///
    /// # Errors
    /// When libtorch fails.
    pub fn by_chance(
        inputs: i64,
        outputs: i64,
        device: Device,
        random: &mut impl Rng,
    ) -> Result<Self, TchError> {
        let spread = 1.0 / (inputs as f64).sqrt();
        let values: Vec<f32> =
            (0..outputs * inputs).map(|_| random.random_range(-spread..spread) as f32).collect();
        Self::of_weight(
            Tensor::f_from_slice(&values)?.f_view([outputs, inputs])?.f_to_device(device)?,
        )
    }

    fn of(weight: Tensor, bias: Tensor) -> Result<Self, TchError> {
        let learnt = |tensor: Tensor| tensor.f_detach()?.f_contiguous()?.f_set_requires_grad(true);
        Ok(Self { weight: learnt(weight)?, bias: learnt(bias)? })
    }

    /// How many numbers it gives.
    #[must_use]
    pub fn outputs(&self) -> i64 {
        self.weight.size()[0]
    }

    /// What it makes of rows `[N, inputs]`: unit rows `[N, outputs]`.
    ///
    /// # Errors
    /// When the rows are of another length.
    pub fn of_rows(&self, rows: &Tensor) -> Result<Tensor, TchError> {
        unit_rows(&self.forward(rows)?)
    }

    /// `W x + b` of rows `[N, inputs]`: `[N, outputs]`, of any length.
    ///
    /// # Errors
    /// When the rows are of another length.
    pub fn forward(&self, rows: &Tensor) -> Result<Tensor, TchError> {
        rows.f_linear(&self.weight, Some(&self.bias))
    }

    /// Its numbers, by the names that files give them.
    pub fn parameters(&self) -> [(&'static str, Tensor); 2] {
        [("weight", self.weight.shallow_clone()), ("bias", self.bias.shallow_clone())]
    }

    /// As a file keeps it.
    #[must_use]
    pub fn weights(&self) -> Tensors {
        self.parameters().map(|(name, tensor)| (name.to_owned(), tensor.detach())).into()
    }
}

/// A projection over encodings that were computed once.
#[derive(Debug)]
pub struct ProjectionLearner {
    /// Unit encodings of the photos, plain and mirrored: `[N, 2, inputs]`.
    features: Tensor,
    map: LinearMap,
    parameters: Vec<(String, Tensor)>,
}

impl ProjectionLearner {
    /// Over unit `features` `[N, 2, inputs]` of all photos.
    #[must_use]
    pub fn new(features: Tensor, map: LinearMap) -> Self {
        let parameters = map.parameters().map(|(name, tensor)| (name.to_owned(), tensor)).into();
        Self { features, map, parameters }
    }

    /// The projection.
    #[must_use]
    pub fn map(&self) -> &LinearMap {
        &self.map
    }
}

impl Learner for ProjectionLearner {
    fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    fn size(&self) -> i64 {
        self.map.outputs()
    }

    fn forward(&self, photos: &[usize], random: Option<&mut StdRng>) -> Result<Tensor, TchError> {
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
        self.map.forward(&xs)
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

/// `rows` `[N, inputs]` of the people who stand beside them, shortened so that each person weighs the same in
/// [`principal_components`], however many rows are theirs: of a few people's many photos what tells all people apart
/// would be learnt least.
///
/// # Errors
/// When there are not as many people as rows, or libtorch fails.
pub fn each_person_alike(rows: &Tensor, person: &[u32]) -> Result<Tensor, TchError> {
    let mut rows_of = BTreeMap::<u32, f32>::new();
    person.iter().for_each(|person| *rows_of.entry(*person).or_default() += 1.0);
    let weights: Vec<f32> = person.iter().map(|person| rows_of[person].sqrt().recip()).collect();
    let weights = Tensor::f_from_slice(&weights)?.f_to_device(rows.device())?;
    rows.f_mul(&weights.f_view([-1, 1])?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::random;

    #[test]
    fn whoever_has_many_photos_weighs_no_more_than_others() {
        let rows = [[1.0f32, 0.0], [1.0, 0.0], [1.0, 0.0], [0.0, 1.5]].concat();
        let rows = Tensor::from_slice(&rows).view([4, 2]);
        let first = |rows: &Tensor| {
            let found = principal_components(rows, 1).unwrap();
            let [x, y] = Vec::<f32>::try_from(found.view([-1])).unwrap()[..] else {
                panic!("{found}")
            };
            [x.abs(), y.abs()]
        };
        let near = |found: [f32; 2], expected: [f32; 2]| {
            found.iter().zip(expected).all(|(found, expected)| (found - expected).abs() < 1e-5)
        };
        assert!(near(first(&rows), [1.0, 0.0]));
        assert!(near(first(&each_person_alike(&rows, &[7, 7, 7, 9]).unwrap()), [0.0, 1.0]));
        assert!(each_person_alike(&rows, &[7, 9, 9]).is_err());
    }

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
        let map = LinearMap::by_chance(2, 2, Device::Cpu, &mut random(1, "start", 0)).unwrap();
        let learner = ProjectionLearner::new(features, map);
        let plain = learner.encode(&[0, 1], None).unwrap();
        let mut varied = 0;
        for step in 0..32 {
            let seen = learner.encode(&[0, 1], Some(&mut random(1, "view", step))).unwrap();
            varied += i32::from(!seen.allclose(&plain, 1e-6, 1e-6, false));
        }
        assert!((8..32).contains(&varied), "{varied}");
    }

    #[test]
    fn a_map_is_what_its_file_says_and_another_size_is_refused() {
        let map = LinearMap::by_chance(3, 2, Device::Cpu, &mut random(1, "start", 0)).unwrap();
        let back = LinearMap::from_weights(&map.weights(), 3, 2, Device::Cpu).unwrap();
        let rows = Tensor::from_slice(&[0.6f32, 0.8, 0.0]).view([1, 3]);
        assert_eq!(map.of_rows(&rows).unwrap(), back.of_rows(&rows).unwrap());
        let error = LinearMap::from_weights(&map.weights(), 4, 2, Device::Cpu).unwrap_err();
        assert!(error.to_string().contains("`weight` of [2, 4]"), "{error}");
    }
}
