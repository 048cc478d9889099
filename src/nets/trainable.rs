//! Networks whose numbers can change.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rand::Rng;
use serde::{Deserialize, Serialize};
use tch::nn::{Path, VarStore};
use tch::{Device, TchError, Tensor};

use super::layers::Conv;
use super::load::{LoadError, expect_device, loose, wrong};
use super::manifest::{Architecture, Manifest};
use super::network::Network;
use super::{FourierHead, LivenessMaps, MiniFasNet, MobileFaceNet};

/// Which numbers of a network learn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Learns {
    /// Those of its last stage and of what comes behind it.
    Last,
    /// All.
    All,
}

/// A network whose numbers can change: one that is loaded, its batch normalisation folded into the convolutions for good,
/// or one that begins with nothing and has batch normalisation behind every convolution until its weights are asked for.
#[derive(Debug)]
pub struct Trainable<N> {
    network: N,
    store: VarStore,
    /// Shares its numbers with the network.
    layers: Vec<Conv>,
    /// Whether batch normalisation goes by the batch.
    learns: Arc<AtomicBool>,
}

/// Where the batch normalisations are that a network does not have of its own.
const NORMS: &str = "normalisation";

impl<N> Trainable<N> {
    /// Every number that changes: those that learn, which ask for gradients, and the statistics that batch normalisation
    /// gathers, which do not. By name, in the order of the names.
    pub fn parameters(&self) -> Vec<(String, Tensor)> {
        let changes =
            |name: &str, tensor: &Tensor| tensor.requires_grad() || self.is_gathered(name);
        let all: BTreeMap<_, _> = self.store.variables().into_iter().collect();
        all.into_iter().filter(|(name, tensor)| changes(name, tensor)).collect()
    }

    fn is_gathered(&self, name: &str) -> bool {
        let begun = self.layers.iter().any(Conv::has_norm);
        begun && (name.ends_with(".running_mean") || name.ends_with(".running_var"))
    }

    /// The weights as a file of this architecture keeps them, by name. Batch normalisation is folded into the convolutions:
    /// what the network says outside of training stays the same, and it learns no further.
    ///
    /// # Errors
    /// When libtorch fails.
    pub fn weights(&self) -> Result<BTreeMap<String, Tensor>, TchError> {
        self.layers.iter().try_for_each(Conv::fold)?;
        let all = self.store.variables().into_iter();
        let kept = all.filter(|(name, _)| !name.starts_with(NORMS));
        kept.map(|(name, tensor)| Ok((name, tensor.f_detach()?.copy()))).collect()
    }

    /// Where it computes.
    pub fn device(&self) -> Device {
        self.store.device()
    }

    /// What `forward` makes of pictures, batch normalisation going by the batch where `learns` says so.
    fn run<T>(
        &self,
        learns: bool,
        forward: impl FnOnce(&N) -> Result<T, TchError>,
    ) -> Result<T, TchError> {
        self.learns.store(learns, Ordering::Relaxed);
        forward(&self.network)
    }
}

/// Made of a frozen network, some of whose numbers then learn.
fn thawed<N: Network>((mut network, store): (N, VarStore), learns: Learns) -> Trainable<N> {
    for (name, tensor) in store.variables() {
        let is_statistic = name.ends_with(".running_mean") || name.ends_with(".running_var");
        let is_last = N::LAST.iter().any(|prefix| name.starts_with(prefix));
        let _ = tensor.set_requires_grad(!is_statistic && (learns == Learns::All || is_last));
    }
    let layers = network.layers().into_iter().map(|layer| layer.clone()).collect();
    Trainable { network, store, layers, learns: Arc::default() }
}

/// Made of nothing.
fn begun<N: Network>(
    device: Device,
    random: &mut impl Rng,
    build: impl FnOnce(&Path) -> N,
) -> Result<Trainable<N>, LoadError> {
    expect_device(device)?;
    let store = VarStore::new(device);
    let mut network = build(&store.root());
    let learns = Arc::new(AtomicBool::new(false));
    let norms = store.root() / NORMS;
    for (number, layer) in (0i64..).zip(network.layers()) {
        layer.begin(&(&norms / number), random)?;
        layer.norm().into_iter().for_each(|norm| norm.learn_when(&learns));
    }
    network.products().into_iter().try_for_each(|product| product.begin(random))?;
    for norm in network.norms() {
        norm.reset()?;
        norm.learn_when(&learns);
    }
    let layers = network.layers().into_iter().map(|layer| layer.clone()).collect();
    Ok(Trainable { network, store, layers, learns })
}

impl Trainable<MobileFaceNet> {
    /// The encoder `id` of a manifest.
    ///
    /// # Errors
    /// See [`LoadError`]; also where the encoder is of another architecture.
    pub fn encoder(
        manifest: &Manifest,
        id: &str,
        device: Device,
        learns: Learns,
    ) -> Result<Self, LoadError> {
        let entry = manifest.get(id)?;
        match entry.architecture {
            Architecture::MobileFaceNet => {
                Ok(thawed(loose(manifest, entry, device, MobileFaceNet::new)?, learns))
            }
            _ => Err(wrong(entry, "training an encoder")),
        }
    }

    /// One that knows nothing.
    ///
    /// # Errors
    /// When there is no such device, or libtorch fails.
    pub fn new_encoder(device: Device, random: &mut impl Rng) -> Result<Self, LoadError> {
        begun(device, random, MobileFaceNet::new)
    }

    /// See [`MobileFaceNet::forward`]; `learns`: batch normalisation goes by these pictures.
    ///
    /// # Errors
    /// When the input is not `[N, 3, 112, 112]`.
    pub fn forward(&self, xs: &Tensor, learns: bool) -> Result<Tensor, TchError> {
        self.run(learns, |network| network.forward(xs))
    }
}

impl Trainable<MiniFasNet> {
    /// The liveness network `id` of a manifest.
    ///
    /// # Errors
    /// See [`LoadError`].
    pub fn liveness(
        manifest: &Manifest,
        id: &str,
        device: Device,
        learns: Learns,
    ) -> Result<Self, LoadError> {
        let entry = manifest.get(id)?;
        match entry.architecture {
            Architecture::MiniFasNet => {
                Ok(thawed(loose(manifest, entry, device, MiniFasNet::new)?, learns))
            }
            _ => Err(wrong(entry, "training a liveness network")),
        }
    }

    /// One that knows nothing.
    ///
    /// # Errors
    /// When there is no such device, or libtorch fails.
    pub fn new_liveness(device: Device, random: &mut impl Rng) -> Result<Self, LoadError> {
        begun(device, random, MiniFasNet::new)
    }

    /// See [`MiniFasNet::forward`]; `learns`: batch normalisation goes by these pictures.
    ///
    /// # Errors
    /// When the input is not `[N, 3, 128, 128]`.
    pub fn forward(&self, xs: &Tensor, learns: bool) -> Result<Tensor, TchError> {
        self.run(learns, |network| network.forward(xs))
    }

    /// See [`MiniFasNet::forward_to_learn`]; batch normalisation goes by these pictures.
    ///
    /// # Errors
    /// When the input is not `[N, 3, 128, 128]`.
    pub fn forward_to_learn(&self, xs: &Tensor) -> Result<LivenessMaps, TchError> {
        self.run(true, |network| network.forward_to_learn(xs))
    }
}

impl Trainable<FourierHead> {
    /// One that knows nothing.
    ///
    /// # Errors
    /// When there is no such device, or libtorch fails.
    pub fn new_fourier_head(device: Device, random: &mut impl Rng) -> Result<Self, LoadError> {
        begun(device, random, FourierHead::new)
    }

    /// The spectrum `[N, 1, 16, 16]` that the middle of a MiniFASNet tells of; batch normalisation goes by these maps.
    ///
    /// # Errors
    /// When the input is not `[N, 128, 16, 16]`.
    pub fn forward_to_learn(&self, middle: &Tensor) -> Result<Tensor, TchError> {
        self.run(true, |head| head.forward(middle))
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand::rngs::StdRng;
    use tch::{Kind, no_grad};

    use super::*;

    fn faces(count: i64) -> Tensor {
        tch::manual_seed(3);
        Tensor::randn(
            [count, 3, MobileFaceNet::SIDE, MobileFaceNet::SIDE],
            (Kind::Float, Device::Cpu),
        )
    }

    fn shipped() -> Manifest {
        Manifest::open(concat!(env!("CARGO_MANIFEST_DIR"), "/weights")).unwrap()
    }

    fn largest(difference: Tensor) -> f64 {
        difference.abs().max().double_value(&[])
    }

    #[test]
    fn folded_a_network_says_what_it_said_with_batch_normalisation() {
        let network = Trainable::new_encoder(Device::Cpu, &mut StdRng::seed_from_u64(1)).unwrap();
        let xs = faces(6);
        // It gathers statistics of what it sees.
        let first = no_grad(|| network.forward(&xs, true)).unwrap();
        for _ in 0..20 {
            let _ = no_grad(|| network.forward(&xs, true)).unwrap();
        }
        let before = no_grad(|| network.forward(&xs, false)).unwrap();
        assert!(largest(&before - &first) > 1e-3);
        let weights = network.weights().unwrap();
        let after = no_grad(|| network.forward(&xs, false)).unwrap();
        let size = largest(before.shallow_clone());
        assert!(largest(&after - &before) < 1e-3 * size);

        // The file's names, all of them and no others.
        let manifest = shipped();
        let loaded =
            Trainable::encoder(&manifest, "mobilefacenet", Device::Cpu, Learns::All).unwrap();
        assert!(weights.keys().eq(loaded.weights().unwrap().keys()));
        for (name, tensor) in loaded.parameters() {
            no_grad(|| tensor.shallow_clone().copy_(&weights[&name]));
        }
        let loaded = no_grad(|| loaded.forward(&xs, false)).unwrap();
        assert!(largest(&loaded - &before) < 1e-3 * size);
    }

    #[test]
    fn what_learns_has_a_gradient_and_nothing_else_does() {
        let manifest = shipped();
        for (learns, all) in [(Learns::Last, false), (Learns::All, true)] {
            let network =
                Trainable::encoder(&manifest, "mobilefacenet", Device::Cpu, learns).unwrap();
            let loss = network.forward(&faces(2), true).unwrap().square().sum(Kind::Float);
            loss.backward();
            let parameters = network.parameters();
            assert!(parameters.iter().all(|(_, tensor)| tensor.grad().defined()));
            assert_eq!(parameters.iter().any(|(name, _)| name.starts_with("stem.")), all);
            assert!(parameters.iter().any(|(name, _)| name == "embedding.weight"));
        }
    }

    #[test]
    fn a_live_network_begins_and_learns_too() {
        let network = Trainable::new_liveness(Device::Cpu, &mut StdRng::seed_from_u64(1)).unwrap();
        tch::manual_seed(5);
        let xs =
            Tensor::rand([4, 3, MiniFasNet::SIDE, MiniFasNet::SIDE], (Kind::Float, Device::Cpu))
                * 255.0;
        let loss = network.forward(&xs, true).unwrap().select(1, 0).log().mean(Kind::Float);
        loss.backward();
        let (learns, gathered): (Vec<_>, Vec<_>) =
            network.parameters().into_iter().partition(|(_, tensor)| tensor.requires_grad());
        assert!(learns.iter().all(|(_, tensor)| tensor.grad().defined()));
        assert!(
            !gathered.is_empty() && gathered.iter().all(|(name, _)| name.contains(".running_"))
        );
        let manifest = shipped();
        let loaded =
            Trainable::liveness(&manifest, "minifasnet-v2-se", Device::Cpu, Learns::Last).unwrap();
        assert!(network.weights().unwrap().keys().eq(loaded.weights().unwrap().keys()));
    }

    #[test]
    fn a_live_network_is_taught_by_what_it_says_and_its_middle_by_a_head_of_its_own() {
        let manifest = shipped();
        let network =
            Trainable::liveness(&manifest, "minifasnet-v2-se", Device::Cpu, Learns::All).unwrap();
        tch::manual_seed(7);
        let xs =
            Tensor::rand([3, 3, MiniFasNet::SIDE, MiniFasNet::SIDE], (Kind::Float, Device::Cpu))
                * 255.0;
        let LivenessMaps { logits, middle } = network.forward_to_learn(&xs).unwrap();
        let said = network.forward(&xs, false).unwrap();
        assert!(largest(logits.softmax(1, Kind::Float) - said) < 1e-5);
        let head = Trainable::new_fourier_head(Device::Cpu, &mut StdRng::seed_from_u64(1)).unwrap();
        let spectrum = head.forward_to_learn(&middle).unwrap();
        assert_eq!(spectrum.size(), [3, 1, FourierHead::SIDE, FourierHead::SIDE]);
        spectrum.sum(Kind::Float).backward();
        // What lies behind the middle is not taught by the spectrum.
        let taught = |name: &str| {
            let parameters = network.parameters().into_iter();
            let mut of = parameters.filter(|(its, _)| its.starts_with(name));
            of.any(|(_, tensor)| tensor.grad().defined())
        };
        assert!(taught("stem.") && taught("stages.1.") && !taught("stages.2."));
        let names: Vec<_> = head.parameters().into_iter().map(|(name, _)| name).collect();
        assert!(names.iter().any(|name| name.ends_with(".running_mean")), "{names:?}");
    }
}
