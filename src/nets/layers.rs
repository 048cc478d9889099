//! The few layers that the networks are built of.
//!
//! `tch`'s own layers unwrap inside `forward`; these answer with an error instead, so that a bad
//! input can never bring an inference thread down.

use tch::nn::{Init, Path};
use tch::{Device, Kind, TchError, Tensor};

use super::kernels::{Convolution, Geometry, Processor};
use super::parameter::Parameter;
use super::products;

/// Parameters are overwritten by strict loading, so random initial values would be wasted work.
const UNLOADED: Init = Init::Const(0.0);

/// A square 2-D convolution with a bias and its activation; any batch normalisation is folded in.
#[derive(Clone, Debug)]
pub(super) struct Conv {
    numbers: Numbers,
    stride: i64,
    padding: i64,
    groups: i64,
}

#[derive(Clone, Debug)]
enum Numbers {
    /// As loaded; libtorch computes, and could learn.
    Loose(Parameters),
    /// As the kernels of this processor want them.
    Packed(Convolution),
}

#[derive(Clone, Debug)]
struct Parameters {
    weight: Parameter,
    bias: Parameter,
    activation: Activation,
}

#[derive(Clone, Debug)]
enum Activation {
    None,
    Relu,
    /// PReLU with one slope per channel (He et al. 2015, eq. 1).
    Prelu(Parameter),
}

impl Activation {
    fn apply(&self, xs: Tensor) -> Result<Tensor, TchError> {
        match self {
            Self::None => Ok(xs),
            Self::Relu => xs.f_relu(),
            Self::Prelu(slope) => xs.f_prelu(slope),
        }
    }
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

    /// A convolution that keeps the size but for the stride, and its PReLU.
    pub fn prelu(path: &Path, inputs: i64, outputs: i64, kernel: i64, stride: i64) -> Self {
        Self::new(&(path / "conv"), inputs, outputs, kernel, stride, kernel / 2)
            .with_prelu(&(path / "prelu"), outputs)
    }

    /// As [`Conv::prelu`], one kernel per channel.
    pub fn depthwise_prelu(path: &Path, channels: i64, kernel: i64, stride: i64) -> Self {
        Self::depthwise(&(path / "conv"), channels, kernel, stride, kernel / 2)
            .with_prelu(&(path / "prelu"), channels)
    }

    fn grouped(
        path: &Path,
        [inputs, outputs]: [i64; 2],
        kernel: i64,
        stride: i64,
        padding: i64,
        groups: i64,
    ) -> Self {
        let parameters = Parameters {
            weight: path
                .var("weight", &[outputs, inputs / groups, kernel, kernel], UNLOADED)
                .into(),
            bias: path.var("bias", &[outputs], UNLOADED).into(),
            activation: Activation::None,
        };
        Self { numbers: Numbers::Loose(parameters), stride, padding, groups }
    }

    /// With ReLU behind it.
    pub fn with_relu(self) -> Self {
        self.with(Activation::Relu)
    }

    fn with_prelu(self, path: &Path, channels: i64) -> Self {
        self.with(Activation::Prelu(path.var("weight", &[channels], UNLOADED).into()))
    }

    fn with(mut self, activation: Activation) -> Self {
        if let Numbers::Loose(parameters) = &mut self.numbers {
            parameters.activation = activation;
        }
        self
    }

    /// The map that the layer makes of `xs`, in `xs`'s kind of numbers.
    pub fn forward(&self, xs: &Tensor) -> Result<Tensor, TchError> {
        self.run(xs, None)
    }

    /// As `forward`, with `shortcut` added behind the activation.
    pub fn forward_beside(&self, xs: &Tensor, shortcut: &Tensor) -> Result<Tensor, TchError> {
        self.run(xs, Some(shortcut))
    }

    fn run(&self, xs: &Tensor, shortcut: Option<&Tensor>) -> Result<Tensor, TchError> {
        let Parameters { weight, bias, activation } = match &self.numbers {
            Numbers::Packed(convolution) => return convolution.forward(xs, shortcut),
            Numbers::Loose(parameters) => parameters,
        };
        let (on_gpu, is_dense) = (xs.device().is_cuda(), self.groups == 1);
        let is_linear = matches!(activation, Activation::None);
        let within = shortcut.filter(|_| on_gpu && is_dense && is_linear);
        let sums = if !on_gpu {
            xs.f_conv2d(weight, Some(&**bias), self.stride, self.padding, 1, self.groups)?
        } else if is_dense {
            products::dense(xs, weight, bias, self.geometry(weight)?, within)?
        } else {
            products::depthwise(xs, weight, bias, self.geometry(weight)?)?
        };
        let ys = activation.apply(sums)?;
        match shortcut {
            Some(shortcut) if within.is_none() => ys.f_add(shortcut),
            _ => Ok(ys),
        }
    }

    fn geometry(&self, weight: &Tensor) -> Result<Geometry, TchError> {
        Ok(Geometry {
            kernel: weight.size4()?.3 as usize,
            stride: self.stride as usize,
            padding: self.padding as usize,
        })
    }

    /// Packs the parameters for the processor's kernels, once and for all: from then on the layer takes
    /// maps of `kind` only.
    pub fn pack(&mut self, processor: Processor, kind: Kind) -> Result<(), TchError> {
        let Numbers::Loose(Parameters { weight, bias, activation }) = &self.numbers else {
            return Ok(());
        };
        let slope = match activation {
            Activation::None => vec![1.0; bias.numel()],
            Activation::Relu => vec![0.0; bias.numel()],
            Activation::Prelu(slope) => Vec::try_from(&**slope)?,
        };
        let geometry = self.geometry(weight)?;
        let depthwise = self.groups > 1;
        let packed = Convolution::new(processor, kind, weight, bias, slope, geometry, depthwise)?;
        self.numbers = Numbers::Packed(packed);
        Ok(())
    }

    /// One layer that does what `layers`, all of one geometry and without activation, do side by side:
    /// on the same map (`shared`), or depthwise on the maps that those before them make.
    pub fn side_by_side(layers: &[&Self], shared: bool) -> Result<Self, TchError> {
        let all = layers.iter().map(|layer| layer.parameters()).collect::<Result<Vec<_>, _>>()?;
        let weights: Vec<&Tensor> = all.iter().map(|one| &*one.weight).collect();
        let biases: Vec<&Tensor> = all.iter().map(|one| &*one.bias).collect();
        let parameters = Parameters {
            weight: Tensor::f_cat(&weights, 0)?.into(),
            bias: Tensor::f_cat(&biases, 0)?.into(),
            activation: Activation::None,
        };
        Ok(Self {
            numbers: Numbers::Loose(parameters),
            stride: layers[0].stride,
            padding: layers[0].padding,
            groups: if shared { 1 } else { layers.iter().map(|layer| layer.groups).sum() },
        })
    }

    /// Takes out of `self`, a depthwise layer, the channels whose weights are all zero: training has
    /// given them up, and what they say is one number everywhere, which the bias of `consumer`, a 1x1
    /// convolution, takes on. `producer` no longer makes them. What is left is filled up with silent
    /// channels to a multiple of 32, the step of every processor's widest instructions.
    pub fn thin(&mut self, producer: &mut Self, consumer: &mut Self) -> Result<(), TchError> {
        let own = self.parameters()?;
        let channels = own.bias.size1()?;
        let alive = own.weight.f_view([channels, -1])?.f_ne(0.0)?.f_any_dim(1, false)?;
        let constant = own.activation.apply(own.bias.f_unsqueeze(0)?)?.f_squeeze_dim(0)?;
        let constant = constant.f_masked_fill(&alive, 0.0)?;
        let alive = alive.f_nonzero()?.f_view([-1])?;
        let count = alive.size1()?;
        let silent = count.unsigned_abs().max(1).next_multiple_of(32) as i64 - count;
        let kept = |tensor: &Tensor| -> Result<Parameter, TchError> {
            let mut padding = vec![0; tensor.dim() * 2];
            padding[tensor.dim() * 2 - 1] = silent;
            Ok(tensor.f_index_select(0, &alive)?.f_constant_pad_nd(padding)?.into())
        };

        for layer in [producer, self] {
            let Parameters { weight, bias, activation } = layer.parameters_mut()?;
            *weight = kept(weight)?;
            *bias = kept(bias)?;
            if let Activation::Prelu(slope) = activation {
                *slope = kept(slope)?;
            }
            if layer.groups > 1 {
                layer.groups = count + silent;
            }
        }
        let Parameters { weight, bias, .. } = consumer.parameters_mut()?;
        *bias = bias.f_add(&weight.f_view([-1, channels])?.f_mv(&constant)?)?.into();
        *weight = kept(&weight.f_transpose(0, 1)?)?.f_transpose(0, 1)?.f_contiguous()?.into();
        Ok(())
    }

    fn parameters(&self) -> Result<&Parameters, TchError> {
        match &self.numbers {
            Numbers::Loose(parameters) => Ok(parameters),
            Numbers::Packed(_) => Err(packed()),
        }
    }

    fn parameters_mut(&mut self) -> Result<&mut Parameters, TchError> {
        match &mut self.numbers {
            Numbers::Loose(parameters) => Ok(parameters),
            Numbers::Packed(_) => Err(packed()),
        }
    }
}

fn packed() -> TchError {
    TchError::Shape("the parameters of a layer are packed for good".to_owned())
}

/// A matrix product: `[N, inputs]` to `[N, outputs]`.
#[derive(Clone, Debug)]
pub(super) struct Linear {
    weight: Parameter,
    bias: Option<Parameter>,
}

impl Linear {
    /// Without a bias.
    pub fn new(path: &Path, inputs: i64, outputs: i64) -> Self {
        Self { weight: path.var("weight", &[outputs, inputs], UNLOADED).into(), bias: None }
    }

    pub fn with_bias(path: &Path, inputs: i64, outputs: i64) -> Self {
        let bias = Some(path.var("bias", &[outputs], UNLOADED).into());
        Self { bias, ..Self::new(path, inputs, outputs) }
    }

    pub fn forward(&self, xs: &Tensor) -> Result<Tensor, TchError> {
        xs.f_to_kind(self.weight.kind())?.f_linear(&self.weight, self.bias.as_deref())
    }
}

/// Batch normalisation with frozen statistics (Ioffe and Szegedy 2015).
#[derive(Clone, Debug)]
pub(super) struct BatchNorm {
    weight: Parameter,
    bias: Parameter,
    running_mean: Parameter,
    running_var: Parameter,
}

impl BatchNorm {
    const EPSILON: f64 = 1e-5;

    pub fn new(path: &Path, channels: i64) -> Self {
        Self {
            weight: path.var("weight", &[channels], UNLOADED).into(),
            bias: path.var("bias", &[channels], UNLOADED).into(),
            running_mean: path.zeros_no_train("running_mean", &[channels]).into(),
            running_var: path.zeros_no_train("running_var", &[channels]).into(),
        }
    }

    pub fn forward(&self, xs: &Tensor) -> Result<Tensor, TchError> {
        xs.f_to_kind(self.weight.kind())?.f_batch_norm(
            Some(&*self.weight),
            Some(&*self.bias),
            Some(&*self.running_mean),
            Some(&*self.running_var),
            false,
            0.0,
            Self::EPSILON,
            false,
        )
    }
}

/// The processor whose kernels take this map: no gradient is asked for.
pub(super) fn processor(xs: &Tensor) -> Option<Processor> {
    let plain = xs.device() == Device::Cpu && !xs.requires_grad();
    Processor::here().filter(|processor| plain && processor.knows(xs.kind()))
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
