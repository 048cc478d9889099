//! Where a network stands to be asked: with each thread of its own accord on the processor, or in one
//! thread for all on a GPU, which answers what several have brought at once.

mod crowd;
mod cuda;
mod gpu;
mod pictures;
mod pinned;
mod plan;

#[cfg(test)]
mod tests;

use std::fmt;
use std::time::Duration;

pub use crowd::Crowd;
use gpu::Gpu;
pub use pictures::{Pictures, Planes};
use pictures::{floats, tensor};
use tch::{Device, TchError, Tensor};

use super::Compute;

/// A network with what turns pictures into its input and its output into rows of numbers.
pub trait Model: Clone + Send + 'static {
    /// What to call it.
    const NAME: &'static str;

    /// The order of the colour planes that it wants.
    fn planes(&self) -> Planes;

    /// Width and height, in pixels, of the pictures that it is shown, where these are always the same.
    fn size(&self) -> Option<(u32, u32)>;

    /// For each of `[N, 3, height, width]`, in 0..255 and the kind of numbers that the station computes
    /// with, a row of as many numbers as any other's: `[N, ...]` of `f32`.
    ///
    /// # Errors
    /// When the pictures are of a size that it does not take, or libtorch fails.
    fn answer(&self, pictures: &Tensor) -> Result<Tensor, TchError>;
}

/// How pictures of several threads travel over a GPU together.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Batching {
    /// The most pictures at once; a power of two.
    pub pictures_max: usize,
    /// How long the first of them waits for others that may still come.
    pub wait: Duration,
}

/// A network where it stands. Clones share its numbers.
#[derive(Clone)]
pub struct Station<M>(Place<M>);

#[derive(Clone)]
enum Place<M> {
    Here(M, Compute),
    Gpu(Gpu),
}

impl<M> fmt::Debug for Station<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Place::Here(..) => "Station(here)",
            Place::Gpu(_) => "Station(GPU)",
        })
    }
}

impl<M: Model> Station<M> {
    /// Each thread that asks computes for itself.
    #[must_use]
    pub fn here(model: M, compute: Compute) -> Self {
        Self(Place::Here(model, compute))
    }

    /// Where `compute` says: on a GPU in a thread of its own, in batches of what the `crowd` brings.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn new(
        model: M,
        compute: Compute,
        batching: Batching,
        crowd: &Crowd,
    ) -> Result<Self, std::io::Error> {
        match compute.device {
            Device::Cuda(_) => {
                let gpu = Gpu::start(model, compute, batching, crowd.clone())?;
                Ok(Self(Place::Gpu(gpu)))
            }
            _ => Ok(Self::here(model, compute)),
        }
    }

    /// Whether the thread that asks computes.
    #[must_use]
    pub fn is_here(&self) -> bool {
        matches!(self.0, Place::Here(..))
    }

    /// One row of numbers for each picture, one after another.
    ///
    /// # Errors
    /// As [`Model::answer`].
    pub fn ask(&self, pictures: Pictures<'_>) -> Result<Vec<f32>, TchError> {
        match &self.0 {
            Place::Here(model, compute) => {
                let pictures = tensor(pictures, model.planes(), *compute)?;
                floats(&tch::no_grad(|| model.answer(&pictures))?)
            }
            Place::Gpu(gpu) => gpu.ask(pictures),
        }
    }
}
