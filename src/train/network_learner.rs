//! An encoder's own layers, learning from pictures.

use rand::Rng;
use rand::rngs::StdRng;
use tch::{Device, Kind, TchError, Tensor};

use super::learner::Learner;
use super::loss::unit_rows;
use super::parameters::Tensors;
use super::pictures::Pictures;
use super::projection::principal_components;
use super::trainer::Parameters;
use super::variation::{Variation, vary};
use crate::nets::{MobileFaceNet, Trainable};

/// A MobileFaceNet, and a projection of what it says where fewer numbers are wanted.
#[derive(Debug)]
pub struct NetworkLearner {
    pictures: Pictures,
    network: Trainable<MobileFaceNet>,
    /// `[size, 512]`
    projection: Option<Tensor>,
    variations: Vec<Variation>,
    /// Of the maps while it learns.
    kind: Kind,
    parameters: Vec<(String, Tensor)>,
}

/// How the names of the parameters begin: of the network's, and the projection's.
const NETWORK: &str = "encoder.";
const PROJECTION: &str = "projection.weight";

impl NetworkLearner {
    /// That says all that the network does. `pictures` are aligned faces of 112 x 112; in training they are varied in some
    /// ways, and the network's maps are of `bf16` where precision is `mixed`.
    #[must_use]
    pub fn new(
        network: Trainable<MobileFaceNet>,
        pictures: Pictures,
        variations: Vec<Variation>,
        mixed: bool,
    ) -> Self {
        let kind = if mixed { Kind::BFloat16 } else { Kind::Float };
        let parameters = network.parameters().into_iter();
        let parameters =
            parameters.map(|(name, tensor)| (format!("{NETWORK}{name}"), tensor)).collect();
        Self { pictures, network, projection: None, variations, kind, parameters }
    }

    /// With a projection to `size` numbers that learns too, and begins with the principal components of what the network
    /// says of `photos`.
    ///
    /// # Errors
    /// When there are fewer numbers than that, or libtorch fails.
    pub fn project_by_components(self, size: i64, photos: &[usize]) -> Result<Self, TchError> {
        let all = self.encode_all(photos)?;
        let weight = principal_components(&all, size)?;
        self.with(weight)
    }

    /// The same, beginning with numbers by chance.
    ///
    /// # Errors
    /// When libtorch fails.
    pub fn project_by_chance(self, size: i64, random: &mut impl Rng) -> Result<Self, TchError> {
        let spread = 1.0 / (MobileFaceNet::OUTPUT_SIZE as f64).sqrt();
        let count = size * MobileFaceNet::OUTPUT_SIZE;
        let values: Vec<f32> =
            (0..count).map(|_| random.random_range(-spread..spread) as f32).collect();
        let weight = Tensor::f_from_slice(&values)?.f_view([size, MobileFaceNet::OUTPUT_SIZE])?;
        self.with(weight)
    }

    fn with(mut self, weight: Tensor) -> Result<Self, TchError> {
        let weight = weight.f_to_device(self.network.device())?.f_detach()?;
        let weight = weight.f_set_requires_grad(true)?;
        self.parameters.push((PROJECTION.to_owned(), weight.shallow_clone()));
        self.projection = Some(weight);
        Ok(self)
    }

    /// The network.
    #[must_use]
    pub fn network(&self) -> &Trainable<MobileFaceNet> {
        &self.network
    }

    /// The projection as a file keeps it, where there is one.
    ///
    /// # Errors
    /// When libtorch fails.
    pub fn projection_weights(&self) -> Result<Option<Tensors>, TchError> {
        let Some(weight) = &self.projection else { return Ok(None) };
        let bias = Tensor::f_zeros([self.size()], (Kind::Float, weight.device()))?;
        let weights = [("weight".to_owned(), weight.f_detach()?), ("bias".to_owned(), bias)];
        Ok(Some(weights.into()))
    }
}

impl Learner for NetworkLearner {
    fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    fn size(&self) -> i64 {
        self.projection.as_ref().map_or(MobileFaceNet::OUTPUT_SIZE, |weight| weight.size()[0])
    }

    fn encode(&self, photos: &[usize], random: Option<&mut StdRng>) -> Result<Tensor, TchError> {
        let mut pictures = self.pictures.of(photos)?;
        let learns = random.is_some();
        if let Some(random) = random {
            pictures = vary(&pictures, &self.variations, random)?;
        }
        // As `vision::encode` has it.
        let mut input = pictures.f_sub_scalar(127.0)?.f_div_scalar(128.0)?;
        if learns {
            input = input.f_to_kind(self.kind)?;
        }
        let said = unit_rows(&self.network.forward(&channels_last(&input)?, learns)?)?;
        match &self.projection {
            None => Ok(said),
            Some(weight) => unit_rows(&said.f_linear(weight, None::<Tensor>)?),
        }
    }
}

/// The same pictures with the planes of each pixel beside each other: convolutions on the processor take half the time.
pub(super) fn channels_last(xs: &Tensor) -> Result<Tensor, TchError> {
    if xs.device() != Device::Cpu {
        return Ok(xs.shallow_clone());
    }
    xs.f_permute([0, 2, 3, 1])?.f_contiguous()?.f_permute([0, 3, 1, 2])
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;
    use crate::nets::{Learns, Manifest};
    use crate::train::random;

    fn learner(variations: Vec<Variation>) -> NetworkLearner {
        let manifest = Manifest::open(concat!(env!("CARGO_MANIFEST_DIR"), "/weights")).unwrap();
        let network =
            Trainable::encoder(&manifest, "mobilefacenet", Device::Cpu, Learns::All).unwrap();
        let mut random = StdRng::seed_from_u64(9);
        let side = MobileFaceNet::SIDE as usize;
        let faces: Vec<Vec<u8>> =
            (0..4).map(|_| (0..side * side * 3).map(|_| random.random()).collect()).collect();
        let pictures =
            Pictures::new(faces.iter().map(Vec::as_slice), side as u32, Device::Cpu).unwrap();
        NetworkLearner::new(network, pictures, variations, false)
    }

    #[test]
    fn it_says_unit_encodings_of_the_size_that_was_asked_for() {
        let learner = learner(vec![]);
        assert_eq!(learner.size(), 512);
        let all = learner.encode_all(&[0, 1, 2, 3]).unwrap();
        let learner = learner.project_by_components(3, &[0, 1, 2, 3]).unwrap();
        let short = learner.encode_all(&[0, 1, 2, 3]).unwrap();
        assert_eq!((all.size(), short.size()), (vec![4, 512], vec![4, 3]));
        let norms = short.square().sum_dim_intlist([1i64].as_slice(), false, Kind::Float);
        assert!(norms.allclose(&Tensor::ones([4], (Kind::Float, Device::Cpu)), 1e-4, 1e-4, false));
    }

    #[test]
    fn a_step_is_the_same_under_the_same_seed_to_the_last_bit() {
        let gradients = || {
            let learner = learner(Variation::ALL.to_vec());
            let encodings =
                learner.encode(&[0, 1, 2, 3], Some(&mut random(1, "variation", 0))).unwrap();
            encodings.matmul(&encodings.tr()).sum(Kind::Float).backward();
            let learnt = learner.parameters().iter().map(|(_, tensor)| tensor.grad());
            learnt.collect::<Vec<_>>()
        };
        let (one, other) = (gradients(), gradients());
        assert!(one.len() > 100 && one.iter().all(Tensor::defined));
        assert!(one.iter().zip(&other).all(|(one, other)| one == other));
    }
}
