//! MiniFASNetV2-SE, a presentation-attack detector of half a million parameters.
//!
//! The pruned MobileFaceNet of Minivision's "Silent Face Anti-Spoofing" (2020), with squeeze and
//! excitation in the last block of every stage.

use tch::nn::Path;
use tch::{Kind, TchError, Tensor};

use super::bottleneck::Bottleneck;
use super::layers::{BatchNorm, Conv, Linear, expect_pictures};
use super::network::Network;
use super::trunk::Trunk;

/// MiniFASNetV2-SE, batch normalisation folded into the convolutions but for the last.
///
/// Input `[N, 3, 128, 128]`, the face with its surroundings in BGR, 0..255.
#[derive(Clone, Debug)]
pub struct MiniFasNet {
    trunk: Trunk,
    embedding: Linear,
    norm: BatchNorm,
    classifier: Linear,
}

/// What a MiniFASNet makes of pictures on its way.
#[derive(Debug)]
pub struct LivenessMaps {
    /// `[N, 3]`: what the softmax makes probabilities of.
    pub logits: Tensor,
    /// `[N, 128, 16, 16]`: the map behind the second stage.
    pub middle: Tensor,
}

impl MiniFasNet {
    /// Side of the input in pixels.
    pub const SIDE: i64 = 128;
    /// Number of classes.
    pub const OUTPUT_SIZE: i64 = 3;
    /// The class of a live face; the others are attacks.
    pub const LIVE_CLASS: i64 = 0;

    /// Channels of the map behind the second stage.
    pub(super) const MIDDLE_CHANNELS: i64 = Self::STAGES[1].0;
    /// Bottlenecks of the first two stages.
    const MIDDLE: usize = Self::STAGES[0].1.len() + Self::STAGES[1].1.len();

    /// One row per stage: output channels, then the expansion of each block as pruning left it. The
    /// first block has stride 2 and no shortcut, the last has squeeze and excitation.
    const STAGES: [(i64, &'static [i64]); 3] = [
        (64, &[103, 13, 13, 13, 13]),
        (128, &[231, 231, 52, 26, 77, 26, 26]),
        (128, &[308, 26, 26]),
    ];

    /// Declares the parameters under `path`.
    pub fn new(path: &Path) -> Self {
        Self {
            trunk: Trunk::new(path, [3, 32, 128], bottlenecks(&(path / "stages")), 8),
            embedding: Linear::new(&(path / "embedding"), Trunk::OUTPUT_SIZE, 128),
            norm: BatchNorm::new(&(path / "norm"), 128),
            classifier: Linear::new(&(path / "classifier"), 128, Self::OUTPUT_SIZE),
        }
    }

    /// `[N, 3]`, its convolutions computed with the input's kind of numbers, softmax: the probability of each class, [`MiniFasNet::LIVE_CLASS`] among them.
    ///
    /// # Errors
    /// When the input is not `[N, 3, 128, 128]`.
    pub fn forward(&self, xs: &Tensor) -> Result<Tensor, TchError> {
        expect_own_pictures(xs)?;
        self.classify(&self.trunk.forward(xs)?)?.f_softmax(1, Kind::Float)
    }

    /// What the network is taught by: the softmax left out, and the map of its middle.
    ///
    /// # Errors
    /// When the input is not `[N, 3, 128, 128]`.
    pub fn forward_to_learn(&self, xs: &Tensor) -> Result<LivenessMaps, TchError> {
        expect_own_pictures(xs)?;
        let middle = self.trunk.forward_as_far_as(Self::MIDDLE, xs)?;
        let behind = self.trunk.forward_behind(Self::MIDDLE, middle.shallow_clone())?;
        let logits = self.classify(&behind)?;
        Ok(LivenessMaps { logits, middle })
    }

    /// `[N, 3]` out of the trunk's `[N, 512, 1, 1]`.
    fn classify(&self, xs: &Tensor) -> Result<Tensor, TchError> {
        let embedding = self.norm.forward(&self.embedding.forward(&xs.f_flatten(1, 3)?)?)?;
        self.classifier.forward(&embedding)
    }
}

impl Network for MiniFasNet {
    const LAST: &'static [&'static str] =
        &["stages.2.", "widen.", "global_depthwise.", "embedding.", "norm.", "classifier."];

    fn simplify(&mut self, kind: Kind) -> Result<(), TchError> {
        self.trunk.thin(kind)
    }

    fn layers(&mut self) -> Vec<&mut Conv> {
        self.trunk.layers()
    }

    fn products(&self) -> Vec<&Linear> {
        vec![&self.embedding, &self.classifier]
    }

    fn norms(&mut self) -> Vec<&mut BatchNorm> {
        vec![&mut self.norm]
    }
}

fn expect_own_pictures(xs: &Tensor) -> Result<(), TchError> {
    let side = MiniFasNet::SIDE;
    expect_pictures(xs, "[N, 3, 128, 128]", |height, width| height == side && width == side)
}

fn bottlenecks(path: &Path) -> Vec<Bottleneck> {
    let mut inputs = 32;
    let mut bottlenecks = Vec::new();
    for (stage, (outputs, expansions)) in MiniFasNet::STAGES.into_iter().enumerate() {
        let path = path / stage;
        for (block, &expansion) in expansions.iter().enumerate() {
            let path = &path / block;
            bottlenecks.push(if block == 0 {
                Bottleneck::halving(&path, inputs, expansion, outputs)
            } else if block + 1 == expansions.len() {
                Bottleneck::residual_excited(&path, outputs, expansion)
            } else {
                Bottleneck::residual(&path, outputs, expansion)
            });
        }
        inputs = outputs;
    }
    bottlenecks
}
