//! An encoder's own layers, learning from pictures.

use rand::rngs::StdRng;
use tch::{Device, Kind, TchError, Tensor};

use super::learner::Learner;
use super::loss::unit_rows;
use super::pictures::Pictures;
use super::projection::LinearMap;
use super::trainer::Parameters;
use super::variation::{Variation, vary};
use crate::nets::{MobileFaceNet, Trainable};

/// A MobileFaceNet, and a projection of what it says where fewer numbers are wanted.
#[derive(Debug)]
pub struct NetworkLearner {
    pictures: Pictures,
    network: Trainable<MobileFaceNet>,
    projection: Option<LinearMap>,
    variations: Vec<Variation>,
    /// Of the maps while it learns.
    kind: Kind,
    parameters: Vec<(String, Tensor)>,
}

/// How the names of the parameters begin: of the network's, and the projection's.
const NETWORK: &str = "encoder.";
const PROJECTION: &str = "projection.";

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

    /// With a projection of what the network says, which learns too.
    #[must_use]
    pub fn with_projection(mut self, projection: LinearMap) -> Self {
        let named = projection.parameters();
        self.parameters.extend(named.map(|(name, tensor)| (format!("{PROJECTION}{name}"), tensor)));
        self.projection = Some(projection);
        self
    }

    /// The network.
    #[must_use]
    pub fn network(&self) -> &Trainable<MobileFaceNet> {
        &self.network
    }

    /// The projection, where there is one.
    #[must_use]
    pub fn projection(&self) -> Option<&LinearMap> {
        self.projection.as_ref()
    }
}

impl Learner for NetworkLearner {
    fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    fn size(&self) -> i64 {
        self.projection.as_ref().map_or(MobileFaceNet::OUTPUT_SIZE, LinearMap::outputs)
    }

    fn forward(&self, photos: &[usize], random: Option<&mut StdRng>) -> Result<Tensor, TchError> {
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
        let said = self.network.forward(&channels_last(&input)?, learns)?;
        match &self.projection {
            None => Ok(said),
            Some(projection) => projection.forward(&unit_rows(&said)?),
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
    use rand::{Rng, SeedableRng};

    use super::*;
    use crate::nets::{Learns, Manifest};
    use crate::train::{principal_components, random};

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
        let map = LinearMap::of_weight(principal_components(&all, 3).unwrap()).unwrap();
        let learner = learner.with_projection(map);
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

    #[test]
    fn mixed_precision_says_nearly_the_same_and_learns_exact_numbers() {
        let exact = learner(vec![]);
        let mixed = NetworkLearner { kind: Kind::BFloat16, ..learner(vec![]) };
        let [one, other] = [&exact, &mixed]
            .map(|learner| learner.encode(&[0, 1], Some(&mut random(1, "", 0))).unwrap());
        let cosines = (&one * &other).sum_dim_intlist([1i64].as_slice(), false, Kind::Float);
        assert!(cosines.min().double_value(&[]) > 0.99, "{cosines:?}");
        assert_ne!(one, other);
        other.sum(Kind::Float).backward();
        assert!(mixed.parameters().iter().all(|(_, tensor)| tensor.grad().kind() == Kind::Float));
    }
}
