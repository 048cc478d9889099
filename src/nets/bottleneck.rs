//! The inverted bottleneck that MobileFaceNet and MiniFASNet are stacks of.
//!
//! Sandler et al.: "MobileNetV2: Inverted Residuals and Linear Bottlenecks", CVPR 2018, with PReLU
//! for ReLU6; squeeze and excitation after Hu et al.: "Squeeze-and-Excitation Networks", CVPR 2018.

use tch::nn::Path;
use tch::{Kind, TchError, Tensor};

use super::layers::Conv;

/// Expand with 1x1, filter with a depthwise 3x3, project with a linear 1x1.
#[derive(Clone, Debug)]
pub(super) struct Bottleneck {
    expand: Conv,
    depthwise: Conv,
    project: Conv,
    squeeze_excite: Option<SqueezeExcite>,
    shortcut: bool,
}

impl Bottleneck {
    /// The body of a MobileFaceNet behind `inputs` channels. One row per stage: (outputs, expansion
    /// of the first block, of the others, blocks); the first block halves, the others are residual.
    pub fn stages(path: &Path, mut inputs: i64, stages: &[(i64, i64, i64, usize)]) -> Vec<Self> {
        let mut bottlenecks = Vec::new();
        for (stage, &(outputs, first, others, blocks)) in stages.iter().enumerate() {
            let path = path / stage;
            bottlenecks.push(Self::halving(&(&path / 0), inputs, first, outputs));
            for block in 1..blocks {
                bottlenecks.push(Self::residual(&(&path / block), outputs, others));
            }
            inputs = outputs;
        }
        bottlenecks
    }

    /// Stride 2, no shortcut.
    pub fn halving(path: &Path, inputs: i64, expansion: i64, outputs: i64) -> Self {
        Self::new(path, [inputs, expansion, outputs], 2)
    }

    /// Stride 1, the input is added to the output.
    pub fn residual(path: &Path, channels: i64, expansion: i64) -> Self {
        Self { shortcut: true, ..Self::new(path, [channels, expansion, channels], 1) }
    }

    /// As `residual`, with the branch reweighted by squeeze and excitation before the sum.
    pub fn residual_excited(path: &Path, channels: i64, expansion: i64) -> Self {
        Self {
            squeeze_excite: Some(SqueezeExcite::new(&(path / "squeeze_excite"), channels)),
            ..Self::residual(path, channels, expansion)
        }
    }

    fn new(path: &Path, [inputs, expansion, outputs]: [i64; 3], stride: i64) -> Self {
        Self {
            expand: Conv::prelu(&(path / "expand"), inputs, expansion, 1, 1),
            depthwise: Conv::depthwise_prelu(&(path / "depthwise"), expansion, 3, stride),
            project: Conv::pointwise(&(path / "project"), expansion, outputs),
            squeeze_excite: None,
            shortcut: false,
        }
    }

    /// Its convolutions.
    pub fn layers(&mut self) -> Vec<&mut Conv> {
        let mut layers = vec![&mut self.expand, &mut self.depthwise, &mut self.project];
        if let Some(SqueezeExcite { reduce, expand }) = &mut self.squeeze_excite {
            layers.extend([reduce, expand]);
        }
        layers
    }

    /// Without the channels that training has given up: see [`Conv::thin`].
    pub fn thin(&mut self, kind: Kind) -> Result<(), TchError> {
        self.depthwise.thin(&mut self.expand, &mut self.project, kind)
    }

    /// The same for two layers in front of this one, of which the second is depthwise.
    pub fn thin_before(
        &mut self,
        first: &mut Conv,
        depthwise: &mut Conv,
        kind: Kind,
    ) -> Result<(), TchError> {
        depthwise.thin(first, &mut self.expand, kind)
    }

    pub fn forward(&self, xs: &Tensor) -> Result<Tensor, TchError> {
        let filtered = self.depthwise.forward(&self.expand.forward(xs)?)?;
        match (&self.squeeze_excite, self.shortcut) {
            (None, true) => self.project.forward_beside(&filtered, xs),
            (None, false) => self.project.forward(&filtered),
            (Some(excite), true) => xs.f_add(&excite.forward(&self.project.forward(&filtered)?)?),
            (Some(excite), false) => excite.forward(&self.project.forward(&filtered)?),
        }
    }
}

/// Weighs each channel by what the whole picture says about it.
#[derive(Clone, Debug)]
struct SqueezeExcite {
    reduce: Conv,
    expand: Conv,
}

impl SqueezeExcite {
    const REDUCTION: i64 = 4;

    fn new(path: &Path, channels: i64) -> Self {
        let reduced = channels / Self::REDUCTION;
        Self {
            reduce: Conv::pointwise(&(path / "reduce"), channels, reduced).with_relu(),
            expand: Conv::pointwise(&(path / "expand"), reduced, channels),
        }
    }

    fn forward(&self, xs: &Tensor) -> Result<Tensor, TchError> {
        let squeezed = xs.f_adaptive_avg_pool2d([1, 1])?;
        let reduced = self.reduce.forward(&squeezed)?;
        xs.f_mul(&self.expand.forward(&reduced)?.f_sigmoid()?)
    }
}
