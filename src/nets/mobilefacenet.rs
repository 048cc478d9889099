//! MobileFaceNet, a face encoder of 1.2 million parameters.
//!
//! Chen, Liu, Gao, Han: "MobileFaceNets: Efficient CNNs for Accurate Real-Time Face Verification on
//! Mobile Devices", CCBR 2018, table 1.

use tch::nn::Path;
use tch::{Kind, TchError, Tensor};

use super::bottleneck::Bottleneck;
use super::layers::{Conv, expect_pictures};
use super::network::Network;
use super::trunk::Trunk;

/// MobileFaceNet with 512 outputs, batch normalisation folded into the convolutions.
///
/// Input `[N, 3, 112, 112]`, an aligned face in BGR, `(x - 127) / 128`.
#[derive(Clone, Debug)]
pub struct MobileFaceNet {
    trunk: Trunk,
    embedding: Conv,
}

impl MobileFaceNet {
    /// Side of the input in pixels.
    pub const SIDE: i64 = 112;
    /// Length of the output.
    pub const OUTPUT_SIZE: i64 = 512;

    /// See [`Bottleneck::stages`].
    const STAGES: [(i64, i64, i64, usize); 3] =
        [(64, 128, 128, 5), (128, 256, 256, 7), (128, 512, 256, 3)];

    /// Declares the parameters under `path`.
    pub fn new(path: &Path) -> Self {
        let bottlenecks = Bottleneck::stages(&(path / "stages"), 64, &Self::STAGES);
        Self {
            trunk: Trunk::new(path, [3, 64, 128], bottlenecks, 7),
            embedding: Conv::pointwise(
                &(path / "embedding"),
                Trunk::OUTPUT_SIZE,
                Self::OUTPUT_SIZE,
            ),
        }
    }

    /// `[N, 512]`, not normalised, computed with the input's kind of numbers.
    ///
    /// # Errors
    /// When the input is not `[N, 3, 112, 112]`.
    pub fn forward(&self, xs: &Tensor) -> Result<Tensor, TchError> {
        expect_pictures(xs, "[N, 3, 112, 112]", |h, w| h == Self::SIDE && w == Self::SIDE)?;
        let xs = self.trunk.forward(xs)?;
        self.embedding.forward(&xs)?.f_flatten(1, 3)?.f_to_kind(Kind::Float)
    }
}

impl Network for MobileFaceNet {
    const LAST: &'static [&'static str] =
        &["stages.2.", "widen.", "global_depthwise.", "embedding."];

    fn simplify(&mut self, kind: Kind) -> Result<(), TchError> {
        self.trunk.thin(kind)
    }

    fn layers(&mut self) -> Vec<&mut Conv> {
        let mut layers = self.trunk.layers();
        layers.push(&mut self.embedding);
        layers
    }
}
