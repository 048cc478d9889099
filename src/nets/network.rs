//! What is done to every network once its parameters are there.

use tch::{Kind, TchError};

use super::layers::{BatchNorm, Conv, Linear};

/// A stack of layers.
pub(super) trait Network {
    /// How the names of the parameters begin that `Learns::Last` is about.
    const LAST: &'static [&'static str] = &[];

    /// Leaves out or joins what changes no answer, for maps of `kind`.
    fn simplify(&mut self, _kind: Kind) -> Result<(), TchError> {
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
