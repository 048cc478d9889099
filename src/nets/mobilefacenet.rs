//! MobileFaceNet, a face encoder of 1.2 million parameters.
//!
//! Chen, Liu, Gao, Han: "MobileFaceNets: Efficient CNNs for Accurate Real-Time Face Verification on
//! Mobile Devices", CCBR 2018, table 1.

use tch::nn::Path;
use tch::{Kind, TchError, Tensor};

use super::bottleneck::Bottleneck;
use super::layers::{Conv, expect_pictures};

/// MobileFaceNet with 512 outputs, batch normalisation folded into the convolutions.
///
/// Input `[N, 3, 112, 112]`, an aligned face in BGR, `(x - 127) / 128`.
#[derive(Debug)]
pub struct MobileFaceNet {
    stem: Conv,
    stem_depthwise: Conv,
    bottlenecks: Vec<Bottleneck>,
    widen: Conv,
    global_depthwise: Conv,
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
        Self {
            stem: Conv::prelu(&(path / "stem"), 3, 64, 3, 2),
            stem_depthwise: Conv::depthwise_prelu(&(path / "stem_depthwise"), 64, 3, 1),
            bottlenecks: Bottleneck::stages(&(path / "stages"), 64, &Self::STAGES),
            widen: Conv::prelu(&(path / "widen"), 128, 512, 1, 1),
            global_depthwise: Conv::depthwise(&(path / "global_depthwise"), 512, 7, 1, 0),
            embedding: Conv::pointwise(&(path / "embedding"), 512, Self::OUTPUT_SIZE),
        }
    }

    /// Its convolutions.
    pub(super) fn layers(&mut self) -> Vec<&mut Conv> {
        let mut layers = vec![
            &mut self.stem,
            &mut self.stem_depthwise,
            &mut self.widen,
            &mut self.global_depthwise,
            &mut self.embedding,
        ];
        layers.extend(self.bottlenecks.iter_mut().flat_map(Bottleneck::layers));
        layers
    }

    /// Leaves out the channels that training has given up.
    pub(super) fn thin(&mut self) -> Result<(), TchError> {
        if let Some(first) = self.bottlenecks.first_mut() {
            first.thin_before(&mut self.stem, &mut self.stem_depthwise)?;
        }
        self.bottlenecks.iter_mut().try_for_each(Bottleneck::thin)
    }

    /// `[N, 512]`, not normalised, computed with the input's kind of numbers.
    ///
    /// # Errors
    /// When the input is not `[N, 3, 112, 112]`.
    pub fn forward(&self, xs: &Tensor) -> Result<Tensor, TchError> {
        expect_pictures(xs, "[N, 3, 112, 112]", |h, w| h == Self::SIDE && w == Self::SIDE)?;
        let mut xs = self.stem_depthwise.forward(&self.stem.forward(xs)?)?;
        for bottleneck in &self.bottlenecks {
            xs = bottleneck.forward(&xs)?;
        }
        let xs = self.global_depthwise.forward(&self.widen.forward(&xs)?)?;
        self.embedding.forward(&xs)?.f_flatten(1, 3)?.f_to_kind(Kind::Float)
    }
}
