//! A liveness network, learning from pictures.

use rand::rngs::StdRng;
use tch::{Kind, TchError, Tensor};

use super::liveness_loss::{fourier_loss, liveness_loss};
use super::network_learner::channels_last;
use super::pictures::Pictures;
use super::presentation_sampler::PresentationBatch;
use super::spectrum::spectra;
use super::trainer::Parameters;
use super::variation::{Variation, vary};
use crate::nets::{FourierHead, LivenessMaps, MiniFasNet, Trainable};

/// A MiniFASNet, and the head by which its middle is taught where it is.
#[derive(Debug)]
pub struct LivenessLearner {
    pictures: Pictures,
    network: Trainable<MiniFasNet>,
    head: Option<Trainable<FourierHead>>,
    variations: Vec<Variation>,
    /// Of the maps while it learns.
    kind: Kind,
    parameters: Vec<(String, Tensor)>,
}

/// The losses of a batch, each a scalar that gradients flow from.
#[derive(Debug)]
pub struct LivenessLosses {
    /// Of live against attack.
    pub live: Tensor,
    /// Of the spectra, where there is a head.
    pub fourier: Option<Tensor>,
}

/// How the names of the parameters begin: of the network's, and the head's.
const NETWORK: &str = "liveness.";
pub(super) const HEAD: &str = "fourier.";

/// Pictures that are judged at a time when all are.
const JUDGED_AT_ONCE: usize = 128;

impl LivenessLearner {
    /// `pictures` are faces with their surroundings, 128 x 128; in training they are varied in some ways, and the maps are
    /// of `bf16` where precision is `mixed`.
    #[must_use]
    pub fn new(
        network: Trainable<MiniFasNet>,
        pictures: Pictures,
        variations: Vec<Variation>,
        mixed: bool,
    ) -> Self {
        let kind = if mixed { Kind::BFloat16 } else { Kind::Float };
        let parameters = named(NETWORK, network.parameters()).collect();
        Self { pictures, network, head: None, variations, kind, parameters }
    }

    /// Whose middle is to tell the pictures' spectra too.
    #[must_use]
    pub fn with_head(mut self, head: Trainable<FourierHead>) -> Self {
        self.parameters.extend(named(HEAD, head.parameters()));
        self.head = Some(head);
        self
    }

    /// What is learnt, and what is gathered beside it.
    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// The network.
    #[must_use]
    pub fn network(&self) -> &Trainable<MiniFasNet> {
        &self.network
    }

    /// The losses of a batch, its pictures varied.
    ///
    /// # Errors
    /// When libtorch fails.
    pub fn losses(
        &self,
        batch: &PresentationBatch,
        random: &mut StdRng,
    ) -> Result<LivenessLosses, TchError> {
        let pictures = vary(&self.pictures.of(&batch.photos)?, &self.variations, random)?;
        let input = channels_last(&pictures.f_to_kind(self.kind)?)?;
        let LivenessMaps { logits, middle } = self.network.forward_to_learn(&input)?;
        let live = liveness_loss(&logits.f_to_kind(Kind::Float)?, &batch.live)?;
        let fourier = match &self.head {
            None => None,
            Some(head) => {
                Some(fourier_loss(&head.forward_to_learn(&middle)?, &spectra(&pictures)?)?)
            }
        };
        Ok(LivenessLosses { live, fourier })
    }

    /// How live each of some pictures looks, 0 to 1, as the service sees them.
    ///
    /// # Errors
    /// When libtorch fails.
    pub fn judge(&self, photos: &[usize]) -> Result<Vec<f32>, TchError> {
        let part = |photos: &[usize]| {
            let input = channels_last(&self.pictures.of(photos)?)?;
            let live = self.network.forward(&input, false)?.f_select(1, MiniFasNet::LIVE_CLASS)?;
            Vec::<f32>::try_from(live.f_to_device(tch::Device::Cpu)?.f_contiguous()?)
        };
        tch::no_grad(|| {
            let parts = photos.chunks(JUDGED_AT_ONCE).map(part).collect::<Result<Vec<_>, _>>()?;
            Ok(parts.concat())
        })
    }
}

fn named(
    begin: &str,
    parameters: Vec<(String, Tensor)>,
) -> impl Iterator<Item = (String, Tensor)> + use<'_> {
    parameters.into_iter().map(move |(name, tensor)| (format!("{begin}{name}"), tensor))
}

#[cfg(test)]
mod tests {
    use rand::{Rng, SeedableRng};
    use tch::Device;

    use super::*;
    use crate::nets::{Learns, Manifest};
    use crate::train::random;

    fn pictures() -> Pictures {
        let mut random = StdRng::seed_from_u64(9);
        let side = MiniFasNet::SIDE as usize;
        let faces: Vec<Vec<u8>> =
            (0..4).map(|_| (0..side * side * 3).map(|_| random.random()).collect()).collect();
        Pictures::new(faces.iter().map(Vec::as_slice), side as u32, Device::Cpu).unwrap()
    }

    fn learner(mixed: bool) -> LivenessLearner {
        let manifest = Manifest::open(concat!(env!("CARGO_MANIFEST_DIR"), "/weights")).unwrap();
        let network =
            Trainable::liveness(&manifest, "minifasnet-v2-se", Device::Cpu, Learns::All).unwrap();
        let head = Trainable::new_fourier_head(Device::Cpu, &mut random(1, "head", 0)).unwrap();
        LivenessLearner::new(network, pictures(), Variation::ALL.to_vec(), mixed).with_head(head)
    }

    fn batch() -> PresentationBatch {
        PresentationBatch { photos: vec![0, 1, 2, 3], live: vec![true, true, false, false] }
    }

    #[test]
    fn a_step_is_the_same_under_the_same_seed_to_the_last_bit() {
        for mixed in [false, true] {
            let gradients = || {
                let learner = learner(mixed);
                let losses = learner.losses(&batch(), &mut random(1, "variation", 0)).unwrap();
                (losses.live + losses.fourier.unwrap()).backward();
                let learnt = learner.parameters().iter().filter(|(_, all)| all.requires_grad());
                learnt.map(|(_, tensor)| tensor.grad()).collect::<Vec<_>>()
            };
            let (one, other) = (gradients(), gradients());
            assert!(one.len() > 100 && one.iter().all(Tensor::defined));
            assert!(one.iter().zip(&other).all(|(one, other)| one == other), "{mixed}");
        }
    }

    #[test]
    fn what_the_head_gathers_is_kept_with_what_is_learnt_and_its_names_are_its_own() {
        let learner = learner(false);
        let names: Vec<&str> = learner.parameters().iter().map(|(name, _)| name.as_str()).collect();
        assert!(names.iter().any(|name| name.starts_with("liveness.stem.")));
        let gathered = |name: &&&str| name.starts_with(HEAD) && name.ends_with(".running_mean");
        assert_eq!(names.iter().filter(gathered).count(), 3, "{names:?}");
        assert_eq!(learner.judge(&[0, 1, 2, 3]).unwrap().len(), 4);
    }
}
