//! What is done to every network once its parameters are there.

use tch::TchError;

use super::layers::{BatchNorm, Conv, Linear};

/// A stack of layers.
pub(super) trait Network {
    /// How the names of the parameters begin that `Learns::Last` is about.
    const LAST: &'static [&'static str] = &[];

    /// Leaves out or joins what changes no answer.
    fn simplify(&mut self) -> Result<(), TchError> {
        Ok(())
    }

    /// Its convolutions, to be packed for the processor.
    fn layers(&mut self) -> Vec<&mut Conv> {
        Vec::new()
    }

    /// Its matrix products.
    fn products(&self) -> Vec<&Linear> {
        Vec::new()
    }

    /// The batch normalisations that it has of its own.
    fn norms(&mut self) -> Vec<&mut BatchNorm> {
        Vec::new()
    }
}
