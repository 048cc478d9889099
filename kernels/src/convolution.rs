//! A convolution with its weights packed.

use std::fmt;
use std::sync::Arc;

use tch::{Kind, TchError, Tensor};

use super::depthwise::Taps;
use super::finish::Finish;
use super::geometry::Geometry;
use super::map::{Map, filled};
use super::panels::Panels;
use super::processor::Processor;
use super::run::{Run, Step};

/// The weights of a convolution, packed for one kind of numbers, and what follows its sums. Clones share
/// them.
#[derive(Clone)]
pub struct Convolution {
    numbers: Numbers,
    processor: Processor,
}

#[derive(Clone)]
enum Numbers {
    F32(Arc<Packed<f32>>),
    Bf16(Arc<Packed<half::bf16>>),
}

/// See [`Convolution`].
pub struct Packed<T> {
    pub geometry: Geometry,
    pub filter: Filter<T>,
    pub finish: Finish,
}

/// The weights.
pub enum Filter<T> {
    /// Every output sees every input.
    Dense(Panels<T>),
    /// Every output sees the input of its channel.
    Depthwise(Taps),
}

impl fmt::Debug for Convolution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.numbers {
            Numbers::F32(_) => "Convolution of f32",
            Numbers::Bf16(_) => "Convolution of bf16",
        })
    }
}

impl Convolution {
    /// Packs `[outputs, inputs, kernel, kernel]` (depthwise: `[channels, 1, kernel, kernel]`), the bias
    /// and what negative sums are multiplied by, one each for every output, for maps of `kind`.
    ///
    /// # Errors
    /// When the weights are no such tensors, or the geometry has no stride or more padding than kernel.
    pub fn new(
        processor: Processor,
        kind: Kind,
        weight: &Tensor,
        bias: &Tensor,
        slope: Vec<f32>,
        geometry: Geometry,
        depthwise: bool,
    ) -> Result<Self, TchError> {
        let (outputs, inputs, height, width) = weight.size4()?;
        let side = geometry.kernel as i64;
        let each = [bias.numel(), slope.len()].map(|len| len as i64);
        if (height, width) != (side, side) || each != [outputs; 2] || (depthwise && inputs != 1) {
            return Err(TchError::Shape(format!(
                "weights {:?}, bias and slope of {each:?} for a kernel of {side}, depthwise {depthwise}",
                weight.size(),
            )));
        }
        if geometry.stride == 0 || geometry.padding >= geometry.kernel {
            return Err(TchError::Shape(format!(
                "{geometry:?}: the kernel must move, and cover some of the map wherever it is"
            )));
        }
        let finish = Finish::new(floats(bias)?, slope);
        let numbers = if kind == Kind::BFloat16 {
            Numbers::Bf16(Packed::new(weight, geometry, depthwise, finish)?.into())
        } else {
            Numbers::F32(Packed::new(weight, geometry, depthwise, finish)?.into())
        };
        Ok(Self { numbers, processor })
    }

    /// `[N, outputs, H', W']`, channels last, of `[N, inputs, H, W]`, and `shortcut` added to it.
    ///
    /// # Errors
    /// When the map has another kind of numbers or other sides than the weights, or libtorch no memory.
    pub fn forward(&self, xs: &Tensor, shortcut: Option<&Tensor>) -> Result<Tensor, TchError> {
        match &self.numbers {
            Numbers::F32(packed) => packed.forward(self.processor, xs, shortcut),
            Numbers::Bf16(packed) => packed.forward(self.processor, xs, shortcut),
        }
    }
}

impl<T: Run> Packed<T> {
    fn new(
        weight: &Tensor,
        geometry: Geometry,
        depthwise: bool,
        finish: Finish,
    ) -> Result<Self, TchError> {
        let (outputs, inputs, _, _) = weight.size4()?;
        let (outputs, inputs) = (outputs as usize, inputs as usize);
        let taps = geometry.kernel * geometry.kernel;
        let numbers = floats(weight)?;
        let at = |output, input, tap| numbers[(output * inputs + input) * taps + tap];
        let filter = if depthwise {
            Filter::Depthwise(Taps::new(outputs, taps, |tap, channel| at(channel, 0, tap)))
        } else {
            // A row for each number under the kernel, channels running fastest as in a map.
            let by_row = |row, output| at(output, row % inputs, row / inputs);
            Filter::Dense(Panels::new(taps * inputs, outputs, by_row))
        };
        Ok(Self { geometry, filter, finish })
    }

    fn forward(
        &self,
        processor: Processor,
        xs: &Tensor,
        shortcut: Option<&Tensor>,
    ) -> Result<Tensor, TchError> {
        let xs = Map::of(xs)?;
        let [images, height, width, channels] = xs.size;
        let Geometry { kernel, padding, .. } = self.geometry;
        let (inputs, outputs) = match &self.filter {
            Filter::Dense(panels) => (panels.rows / (kernel * kernel), panels.columns),
            Filter::Depthwise(taps) => (taps.channels(), taps.channels()),
        };
        let side_min = kernel.saturating_sub(2 * padding).max(1);
        if shortcut.is_some() && matches!(self.filter, Filter::Depthwise(_)) {
            return Err(TchError::Shape("a shortcut beside a depthwise layer".to_owned()));
        }
        if channels != inputs || height.min(width) < side_min || xs.kind() != T::KIND {
            return Err(TchError::Shape(format!(
                "expected {inputs} channels of {:?} with sides of {side_min} or more, found {:?} of {:?}",
                T::KIND,
                xs.size,
                xs.kind(),
            )));
        }
        let (rows, columns) = (self.geometry.places(height), self.geometry.places(width));
        let size = [images, rows.count, columns.count, outputs];
        let shortcut = shortcut.map(Map::of).transpose()?;
        if let Some(other) = shortcut.as_ref().filter(|s| s.size != size || s.kind() != T::KIND) {
            let (kind, other) = (other.kind(), other.size);
            return Err(TchError::Shape(format!("a shortcut of {other:?}, {kind:?}, to {size:?}")));
        }
        let step = Step::Convolve(self, shortcut.as_ref().map(Map::numbers));
        filled(size, |out| T::run(processor, &step, xs.numbers(), xs.size, out))
    }
}

fn floats(tensor: &Tensor) -> Result<Vec<f32>, TchError> {
    Vec::try_from(tensor.f_to_kind(Kind::Float)?.f_flatten(0, -1)?)
}
