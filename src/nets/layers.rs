//! The few layers that the networks are built of.
//!
//! `tch`'s own layers unwrap inside `forward`; these answer with an error instead, so that a bad
//! input can never bring an inference thread down.

use tch::nn::{Init, Path};
use tch::{TchError, Tensor};

/// Parameters are overwritten by strict loading, so random initial values would be wasted work.
const UNLOADED: Init = Init::Const(0.0);

/// A square 2-D convolution with a bias.
#[derive(Debug)]
pub(super) struct Conv {
    weight: Tensor,
    bias: Tensor,
    stride: i64,
    padding: i64,
    groups: i64,
}

impl Conv {
    /// `kernel` x `kernel` from `inputs` to `outputs` channels, with a stride and a zero padding.
    pub fn new(
        path: &Path,
        inputs: i64,
        outputs: i64,
        kernel: i64,
        stride: i64,
        padding: i64,
    ) -> Self {
        Self::grouped(path, [inputs, outputs], kernel, stride, padding, 1)
    }

    /// 1x1: mixes channels, leaves places alone.
    pub fn pointwise(path: &Path, inputs: i64, outputs: i64) -> Self {
        Self::new(path, inputs, outputs, 1, 1, 0)
    }

    /// One kernel per channel: mixes places, leaves channels alone.
    pub fn depthwise(path: &Path, channels: i64, kernel: i64, stride: i64, padding: i64) -> Self {
        Self::grouped(path, [channels, channels], kernel, stride, padding, channels)
    }

    fn grouped(
        path: &Path,
        [inputs, outputs]: [i64; 2],
        kernel: i64,
        stride: i64,
        padding: i64,
        groups: i64,
    ) -> Self {
        Self {
            weight: path.var("weight", &[outputs, inputs / groups, kernel, kernel], UNLOADED),
            bias: path.var("bias", &[outputs], UNLOADED),
            stride,
            padding,
            groups,
        }
    }

    pub fn forward(&self, xs: &Tensor) -> Result<Tensor, TchError> {
        xs.f_conv2d(&self.weight, Some(&self.bias), self.stride, self.padding, 1, self.groups)
    }
}

/// PReLU with one slope per channel (He et al. 2015, eq. 1).
#[derive(Debug)]
pub(super) struct Prelu {
    weight: Tensor,
}

impl Prelu {
    pub fn new(path: &Path, channels: i64) -> Self {
        Self { weight: path.var("weight", &[channels], UNLOADED) }
    }

    pub fn forward(&self, xs: &Tensor) -> Result<Tensor, TchError> {
        xs.f_prelu(&self.weight)
    }
}

/// A convolution and its PReLU; any batch normalisation is folded into the convolution.
#[derive(Debug)]
pub(super) struct ConvPrelu {
    conv: Conv,
    prelu: Prelu,
}

impl ConvPrelu {
    pub fn new(path: &Path, inputs: i64, outputs: i64, kernel: i64, stride: i64) -> Self {
        Self {
            conv: Conv::new(&(path / "conv"), inputs, outputs, kernel, stride, kernel / 2),
            prelu: Prelu::new(&(path / "prelu"), outputs),
        }
    }

    pub fn depthwise(path: &Path, channels: i64, kernel: i64, stride: i64) -> Self {
        Self {
            conv: Conv::depthwise(&(path / "conv"), channels, kernel, stride, kernel / 2),
            prelu: Prelu::new(&(path / "prelu"), channels),
        }
    }

    pub fn forward(&self, xs: &Tensor) -> Result<Tensor, TchError> {
        self.prelu.forward(&self.conv.forward(xs)?)
    }
}

/// A matrix product: `[N, inputs]` to `[N, outputs]`.
#[derive(Debug)]
pub(super) struct Linear {
    weight: Tensor,
    bias: Option<Tensor>,
}

impl Linear {
    /// Without a bias.
    pub fn new(path: &Path, inputs: i64, outputs: i64) -> Self {
        Self { weight: path.var("weight", &[outputs, inputs], UNLOADED), bias: None }
    }

    pub fn with_bias(path: &Path, inputs: i64, outputs: i64) -> Self {
        let bias = Some(path.var("bias", &[outputs], UNLOADED));
        Self { bias, ..Self::new(path, inputs, outputs) }
    }

    pub fn forward(&self, xs: &Tensor) -> Result<Tensor, TchError> {
        xs.f_linear(&self.weight, self.bias.as_ref())
    }
}

/// Batch normalisation with frozen statistics (Ioffe and Szegedy 2015).
#[derive(Debug)]
pub(super) struct BatchNorm {
    weight: Tensor,
    bias: Tensor,
    running_mean: Tensor,
    running_var: Tensor,
}

impl BatchNorm {
    const EPSILON: f64 = 1e-5;

    pub fn new(path: &Path, channels: i64) -> Self {
        Self {
            weight: path.var("weight", &[channels], UNLOADED),
            bias: path.var("bias", &[channels], UNLOADED),
            running_mean: path.zeros_no_train("running_mean", &[channels]),
            running_var: path.zeros_no_train("running_var", &[channels]),
        }
    }

    pub fn forward(&self, xs: &Tensor) -> Result<Tensor, TchError> {
        xs.f_batch_norm(
            Some(&self.weight),
            Some(&self.bias),
            Some(&self.running_mean),
            Some(&self.running_var),
            false,
            0.0,
            Self::EPSILON,
            false,
        )
    }
}

/// Refuses anything but `[N, 3, height, width]` with sides that `fits` accepts.
///
/// A larger picture would travel through a fully convolutional net and come out as nonsense.
pub(super) fn expect_pictures(
    xs: &Tensor,
    wanted: &str,
    fits: impl Fn(i64, i64) -> bool,
) -> Result<(), TchError> {
    match xs.size()[..] {
        [_, 3, height, width] if fits(height, width) => Ok(()),
        ref found => Err(TchError::Shape(format!("expected {wanted}, found {found:?}"))),
    }
}
