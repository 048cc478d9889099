//! Layers of frozen networks on x86-64, where libtorch loses most of its time to what lies between the
//! products: a pass over memory for each activation, layouts changed to and fro, weights packed anew
//! for every picture.
//!
//! Here weights are packed once, channels lie next to each other in memory, sums begin with the bias, and
//! activation and shortcut are applied while they are still at hand. 1x1 convolutions are matrix products, others
//! become one by copying what lies under the kernel, depthwise ones have a loop of their own. One
//! thread each: the workers are the parallelism.

mod bf16;
mod convolution;
mod depthwise;
mod element;
mod finish;
mod geometry;
mod lanes;
mod map;
mod matrix;
mod output;
mod panels;
mod picture;
mod pool;
mod processor;
mod rows;
mod run;
mod tiles;
mod trial;
mod vectors;

#[cfg(test)]
mod tests;

pub use convolution::Convolution;
pub use geometry::Geometry;
use map::{Map, filled};
pub use processor::Processor;
use run::{Run, Step};
use tch::{Kind, TchError, Tensor};

/// `[N, 3, height, width]`, channels last, of pictures of three bytes a pixel, rows from the top; blue is where red was
/// and red where blue was if `swapped`.
///
/// # Errors
/// When the bytes are no whole pictures, the kind is neither `Float` nor `BFloat16`, or libtorch has no memory.
pub fn pictures(
    bytes: &[u8],
    (width, height): (usize, usize),
    swapped: bool,
    kind: Kind,
) -> Result<Tensor, TchError> {
    let each = width * height * 3;
    if each == 0 || !bytes.len().is_multiple_of(each) {
        let len = bytes.len();
        return Err(TchError::Shape(format!("{len} bytes are no pictures of {width} x {height}")));
    }
    let size = [bytes.len() / each, height, width, 3];
    match kind {
        Kind::BFloat16 => filled::<half::bf16>(size, |out| picture::write(bytes, swapped, out)),
        Kind::Float => filled::<f32>(size, |out| picture::write(bytes, swapped, out)),
        other => Err(TchError::Shape(format!("pictures of {other:?}"))),
    }
}

/// `[N, C, H / 2, W / 2]`: of each channel of `xs` the largest number in every 2 x 2 places.
///
/// # Errors
/// When `xs` is no map, or libtorch has no memory.
pub fn halve(processor: Processor, xs: &Tensor) -> Result<Tensor, TchError> {
    fn halve<T: Run>(processor: Processor, xs: &Map) -> Result<Tensor, TchError> {
        let [images, height, width, channels] = xs.size;
        let size = [images, height / 2, width / 2, channels];
        filled(size, |out| T::run(processor, &Step::Halve, xs.numbers(), xs.size, out))
    }
    let xs = Map::of(xs)?;
    match xs.kind() {
        Kind::BFloat16 => halve::<half::bf16>(processor, &xs),
        _ => halve::<f32>(processor, &xs),
    }
}
