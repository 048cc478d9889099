//! The few layers that the networks are built of.
//!
//! `tch`'s own layers unwrap inside `forward`; these answer with an error instead, so that a bad
//! input can never bring an inference thread down.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use limen_kernels::{Convolution, Geometry, Processor};
use rand::Rng;
use tch::nn::{Init, Path};
use tch::{Device, Kind, TchError, Tensor, no_grad};

use super::parameter::Parameter;
use super::products;

/// Parameters are overwritten by strict loading, so random initial values would be wasted work.
const UNLOADED: Init = Init::Const(0.0);

/// A square 2-D convolution with a bias and its activation; any batch normalisation is folded in, but for a network that
/// began with nothing and learns still.
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
    /// Between the sums and the activation while the network learns from nothing; folded away afterwards.
    norm: Option<BatchNorm>,
    activation: Activation,
}

#[derive(Clone, Debug)]
enum Activation {
    None,
    Relu,
    /// PReLU with one slope per channel (He et al. 2015, eq. 1).
    Prelu(Parameter),
}

impl Parameters {
    /// Whether they are of a network that learns, which is given maps of `kind`.
    fn learn(&self, kind: Kind) -> bool {
        self.norm.is_some() || self.weight.requires_grad() || self.weight.kind() != kind
    }
}

impl Activation {
    fn apply(&self, xs: Tensor) -> Result<Tensor, TchError> {
        match self {
            Self::None => Ok(xs),
            Self::Relu => xs.f_relu(),
            Self::Prelu(slope) => xs.f_prelu(&slope.f_to_kind(xs.kind())?),
        }
    }

    /// As `apply`, to the last bit, where gradients may be asked for. On the processor libtorch computes PReLU's gradient
    /// number by number, which took four tenths of a step in `bf16`; that of relu(x) - slope * relu(-x) is vectorised
    /// and the same but at 0, where there is none.
    fn apply_to_learn(&self, xs: Tensor) -> Result<Tensor, TchError> {
        match self {
            Self::Prelu(slope) if xs.device() == Device::Cpu && xs.requires_grad() => {
                let slope = slope.f_to_kind(xs.kind())?.f_view([-1, 1, 1])?;
                let below = xs.f_neg()?.f_relu_()?;
                xs.f_relu()?.f_addcmul(&below, &slope.f_neg()?)
            }
            _ => self.apply(xs),
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
            norm: None,
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
        let Parameters { weight, bias, activation, .. } = match &self.numbers {
            Numbers::Packed(convolution) => return convolution.forward(xs, shortcut),
            Numbers::Loose(parameters) if parameters.learn(xs.kind()) => {
                return self.learn(parameters, xs, shortcut);
            }
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

    /// As libtorch computes gradients, in `xs`'s kind of numbers whatever the parameters' is: they stay exact while the
    /// maps are rounded (Micikevicius et al.: "Mixed Precision Training", ICLR 2018, section 3.1).
    fn learn(
        &self,
        Parameters { weight, bias, norm, activation }: &Parameters,
        xs: &Tensor,
        shortcut: Option<&Tensor>,
    ) -> Result<Tensor, TchError> {
        let weight = weight.f_to_kind(xs.kind())?;
        // Normalisation by the batch takes away what is the same everywhere; beside it the bias is 0 and stays so, until
        // `fold` ends the learning.
        let is_idle = norm.as_ref().is_some_and(BatchNorm::goes_by_the_batch);
        let bias = if is_idle { None } else { Some(bias.f_to_kind(xs.kind())?) };
        let sums =
            xs.f_conv2d(&weight, bias.as_ref(), self.stride, self.padding, 1, self.groups)?;
        let sums = match norm {
            Some(norm) => norm.forward(&sums)?,
            None => sums,
        };
        let ys = activation.apply_to_learn(sums)?;
        match shortcut {
            Some(shortcut) => ys.f_add(shortcut),
            None => Ok(ys),
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
        let Numbers::Loose(Parameters { weight, bias, activation, .. }) = &self.numbers else {
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
            norm: None,
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
    /// channels to what the kernels' products take at a step: 32 of `bf16`, 16 of `f32`.
    pub fn thin(
        &mut self,
        producer: &mut Self,
        consumer: &mut Self,
        kind: Kind,
    ) -> Result<(), TchError> {
        let step = if kind == Kind::BFloat16 { 32 } else { 16 };
        let own = self.parameters()?;
        let channels = own.bias.size1()?;
        let alive = own.weight.f_view([channels, -1])?.f_ne(0.0)?.f_any_dim(1, false)?;
        let constant = own.activation.apply(own.bias.f_unsqueeze(0)?)?.f_squeeze_dim(0)?;
        let constant = constant.f_masked_fill(&alive, 0.0)?;
        let alive = alive.f_nonzero()?.f_view([-1])?;
        let count = alive.size1()?;
        let silent = count.unsigned_abs().max(1).next_multiple_of(step) as i64 - count;
        let kept = |tensor: &Tensor| -> Result<Parameter, TchError> {
            let mut padding = vec![0; tensor.dim() * 2];
            padding[tensor.dim() * 2 - 1] = silent;
            Ok(tensor.f_index_select(0, &alive)?.f_constant_pad_nd(padding)?.into())
        };

        for layer in [producer, self] {
            let Parameters { weight, bias, activation, .. } = layer.parameters_mut()?;
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

    /// Takes in what goes before: a mixture, by `shares`, of the channels that the layer is shown from now on.
    pub fn take_in(&mut self, shares: &Tensor) -> Result<(), TchError> {
        let Parameters { weight, .. } = self.parameters_mut()?;
        let shares = shares.f_to_kind(weight.kind())?.f_view([1, -1, 1, 1])?;
        *weight = weight.f_mul(&shares)?.into();
        Ok(())
    }

    /// Puts batch normalisation, declared under `path`, behind the sums, and lets the layer begin with numbers by chance:
    /// such that sums vary as much as what they are made of (He et al. 2015, equation 15).
    pub fn begin(&mut self, path: &Path, random: &mut impl Rng) -> Result<(), TchError> {
        let parameters = self.parameters_mut()?;
        let channels = parameters.bias.size1()?;
        let norm = BatchNorm::new(path, channels);
        norm.reset()?;
        parameters.norm = Some(norm);
        by_chance(&parameters.weight, random)?;
        // Its place is taken by the normalisation's.
        let _ = parameters.bias.set_requires_grad(false);
        if let Activation::Prelu(slope) = &parameters.activation {
            let _ = no_grad(|| slope.shallow_clone().f_fill_(SLOPE))?;
        }
        Ok(())
    }

    /// Takes the batch normalisation into the weights and the bias: afterwards it changes nothing.
    pub fn fold(&self) -> Result<(), TchError> {
        let Parameters { weight, bias, norm: Some(norm), .. } = self.parameters()? else {
            return Ok(());
        };
        no_grad(|| {
            let [scale, shift] = norm.as_line()?;
            let _ = weight.shallow_clone().f_mul_(&scale.f_view([-1, 1, 1, 1])?)?;
            let mut bias = bias.shallow_clone();
            let folded = bias.f_mul(&scale)?.f_add(&shift)?;
            bias.f_copy_(&folded)?;
            norm.reset()
        })
    }

    /// Whether there is batch normalisation behind the sums.
    pub fn has_norm(&self) -> bool {
        self.parameters().is_ok_and(|parameters| parameters.norm.is_some())
    }

    /// Its batch normalisation.
    pub fn norm(&mut self) -> Option<&mut BatchNorm> {
        self.parameters_mut().ok()?.norm.as_mut()
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

    /// Lets it begin with numbers by chance.
    pub fn begin(&self, random: &mut impl Rng) -> Result<(), TchError> {
        by_chance(&self.weight, random)
    }

    pub fn forward(&self, xs: &Tensor) -> Result<Tensor, TchError> {
        xs.f_to_kind(self.weight.kind())?.f_linear(&self.weight, self.bias.as_deref())
    }
}

/// Batch normalisation (Ioffe and Szegedy 2015), with the statistics that were gathered unless it is told to learn.
#[derive(Clone, Debug)]
pub(super) struct BatchNorm {
    weight: Parameter,
    bias: Parameter,
    running_mean: Parameter,
    running_var: Parameter,
    /// Whether it goes by the batch's own statistics, and gathers them.
    learns: Arc<AtomicBool>,
}

impl BatchNorm {
    const EPSILON: f64 = 1e-5;
    /// The share that a batch has in what is gathered.
    const MOMENTUM: f64 = 0.1;

    pub fn new(path: &Path, channels: i64) -> Self {
        Self {
            weight: path.var("weight", &[channels], UNLOADED).into(),
            bias: path.var("bias", &[channels], UNLOADED).into(),
            running_mean: path.zeros_no_train("running_mean", &[channels]).into(),
            running_var: path.zeros_no_train("running_var", &[channels]).into(),
            learns: Arc::default(),
        }
    }

    pub fn forward(&self, xs: &Tensor) -> Result<Tensor, TchError> {
        xs.f_batch_norm(
            Some(&*self.weight),
            Some(&*self.bias),
            Some(&*self.running_mean),
            Some(&*self.running_var),
            self.goes_by_the_batch(),
            Self::MOMENTUM,
            Self::EPSILON,
            true,
        )
    }

    fn goes_by_the_batch(&self) -> bool {
        self.learns.load(Ordering::Relaxed)
    }

    /// Learns whenever `learns` is set.
    pub fn learn_when(&mut self, learns: &Arc<AtomicBool>) {
        self.learns = Arc::clone(learns);
    }

    /// Lets it change nothing.
    pub fn reset(&self) -> Result<(), TchError> {
        let numbers = [&self.weight, &self.bias, &self.running_mean, &self.running_var];
        no_grad(|| {
            for (number, value) in numbers.into_iter().zip([1.0, 0.0, 0.0, 1.0 - Self::EPSILON]) {
                let _ = number.shallow_clone().f_fill_(value)?;
            }
            Ok(())
        })
    }

    /// The scale and the shift that it comes to with what was gathered.
    fn as_line(&self) -> Result<[Tensor; 2], TchError> {
        let scale = self.running_var.f_add_scalar(Self::EPSILON)?.f_rsqrt()?.f_mul(&self.weight)?;
        let shift = self.bias.f_sub(&self.running_mean.f_mul(&scale)?)?;
        Ok([scale, shift])
    }
}

/// What PReLU begins with (He et al. 2015).
const SLOPE: f64 = 0.25;

/// Fills weights `[outputs, inputs, ..]` with even numbers of the spread that keeps the variance of what goes through them
/// and PReLU (He et al. 2015, equation 15).
fn by_chance(weight: &Tensor, random: &mut impl Rng) -> Result<(), TchError> {
    let inputs: i64 = weight.size()[1..].iter().product();
    let spread = (6.0 / ((1.0 + SLOPE * SLOPE) * inputs as f64)).sqrt() as f32;
    let numbers: Vec<f32> =
        (0..weight.numel()).map(|_| random.random_range(-spread..spread)).collect();
    let numbers = Tensor::f_from_slice(&numbers)?.f_view_as(weight)?;
    no_grad(|| weight.shallow_clone().f_copy_(&numbers))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prelu_that_learns_says_what_prelu_says_and_has_its_gradients() {
        tch::manual_seed(7);
        for (kind, tolerance) in [(Kind::Double, 1e-12), (Kind::BFloat16, 2e-2)] {
            // `bf16` by chance has zeros, where PReLU has no gradient.
            let random = |size: &[i64]| {
                let numbers = Tensor::randn(size, (kind, Device::Cpu));
                numbers.masked_fill(&numbers.eq(0.0), 1.0)
            };
            let (xs, slope, weights) = (random(&[3, 5, 4, 4]), random(&[5]), random(&[3, 5, 4, 4]));
            let outcome = |run: &dyn Fn(&Activation, Tensor) -> Result<Tensor, TchError>| {
                let [xs, slope] = [&xs, &slope].map(|leaf| leaf.copy().set_requires_grad(true));
                let activation = Activation::Prelu(slope.shallow_clone().into());
                let ys = run(&activation, xs.shallow_clone()).unwrap();
                (&ys * &weights).sum(Kind::Double).backward();
                (ys.detach(), [xs.grad(), slope.grad()])
            };
            let (expected, gradients) = outcome(&Activation::apply);
            let (found, others) = outcome(&Activation::apply_to_learn);
            assert_eq!(found, expected);
            for (found, expected) in others.iter().zip(&gradients) {
                assert!(found.allclose(expected, tolerance, tolerance, false), "{kind:?}");
            }
        }
    }
}
