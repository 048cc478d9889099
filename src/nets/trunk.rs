//! What MobileFaceNet shares with the networks derived from it: everything but its last layers.
//!
//! Chen, Liu, Gao, Han: "MobileFaceNets: Efficient CNNs for Accurate Real-Time Face Verification on
//! Mobile Devices", CCBR 2018, table 1.

use tch::nn::Path;
use tch::{Kind, TchError, Tensor};

use super::bottleneck::Bottleneck;
use super::layers::Conv;

/// From a picture to 512 numbers: two convolutions, bottlenecks, a widening and a depthwise convolution
/// over the whole of what is left.
#[derive(Clone, Debug)]
pub(super) struct Trunk {
    stem: Conv,
    stem_depthwise: Conv,
    bottlenecks: Vec<Bottleneck>,
    widen: Conv,
    global_depthwise: Conv,
}

impl Trunk {
    /// Length of the output.
    pub const OUTPUT_SIZE: i64 = 512;

    /// `channels` of the picture, behind the stem and behind the bottlenecks, which leave a map of
    /// `side_left` x `side_left`.
    pub fn new(
        path: &Path,
        channels: [i64; 3],
        bottlenecks: Vec<Bottleneck>,
        side_left: i64,
    ) -> Self {
        let [picture, stem, last] = channels;
        let size = Self::OUTPUT_SIZE;
        let global_depthwise = path / "global_depthwise";
        Self {
            stem: Conv::prelu(&(path / "stem"), picture, stem, 3, 2),
            stem_depthwise: Conv::depthwise_prelu(&(path / "stem_depthwise"), stem, 3, 1),
            bottlenecks,
            widen: Conv::prelu(&(path / "widen"), last, size, 1, 1),
            global_depthwise: Conv::depthwise(&global_depthwise, size, side_left, 1, 0),
        }
    }

    /// `[N, 512, 1, 1]`.
    pub fn forward(&self, xs: &Tensor) -> Result<Tensor, TchError> {
        self.forward_behind(0, self.forward_as_far_as(0, xs)?)
    }

    /// The map behind the first so many bottlenecks.
    pub fn forward_as_far_as(&self, bottlenecks: usize, xs: &Tensor) -> Result<Tensor, TchError> {
        let mut xs = self.stem_depthwise.forward(&self.stem.forward(xs)?)?;
        for bottleneck in self.bottlenecks.iter().take(bottlenecks) {
            xs = bottleneck.forward(&xs)?;
        }
        Ok(xs)
    }

    /// `[N, 512, 1, 1]` out of that map.
    pub fn forward_behind(&self, bottlenecks: usize, map: Tensor) -> Result<Tensor, TchError> {
        let mut xs = map;
        for bottleneck in self.bottlenecks.iter().skip(bottlenecks) {
            xs = bottleneck.forward(&xs)?;
        }
        self.global_depthwise.forward(&self.widen.forward(&xs)?)
    }

    /// As if what it is shown had been mixed to one channel, by `shares`: see [`Conv::take_in`].
    pub fn take_in(&mut self, shares: &Tensor) -> Result<(), TchError> {
        self.stem.take_in(shares)
    }

    /// Its convolutions.
    pub fn layers(&mut self) -> Vec<&mut Conv> {
        let Self { stem, stem_depthwise, bottlenecks, widen, global_depthwise } = self;
        let mut layers = vec![stem, stem_depthwise, widen, global_depthwise];
        layers.extend(bottlenecks.iter_mut().flat_map(Bottleneck::layers));
        layers
    }

    /// Leaves out the channels that training has given up: see [`Conv::thin`].
    pub fn thin(&mut self, kind: Kind) -> Result<(), TchError> {
        if let Some(first) = self.bottlenecks.first_mut() {
            first.thin_before(&mut self.stem, &mut self.stem_depthwise, kind)?;
        }
        self.bottlenecks.iter_mut().try_for_each(|bottleneck| bottleneck.thin(kind))
    }
}
