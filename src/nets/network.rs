//! What is done to every network once its parameters are there.

use tch::TchError;

use super::layers::Conv;

/// A network that is loaded to be used, not to learn.
pub(super) trait Network {
    /// Leaves out or joins what changes no answer.
    fn simplify(&mut self) -> Result<(), TchError> {
        Ok(())
    }

    /// Its convolutions, to be packed for the processor.
    fn layers(&mut self) -> Vec<&mut Conv> {
        Vec::new()
    }
}
