//! The numbers that a network has learnt.

use std::ops::Deref;

use tch::Tensor;

/// Numbers that a network has learnt. A clone is the same numbers, not a copy: nobody changes them once
/// they are loaded, so that any number of threads may share them.
#[derive(Debug)]
pub(super) struct Parameter(Tensor);

impl From<Tensor> for Parameter {
    fn from(tensor: Tensor) -> Self {
        Self(tensor)
    }
}

impl Clone for Parameter {
    fn clone(&self) -> Self {
        Self(self.0.shallow_clone())
    }
}

impl Deref for Parameter {
    type Target = Tensor;

    fn deref(&self) -> &Tensor {
        &self.0
    }
}
