//! The numbers of a verifier.

use tch::TchError;
use tch::nn::{Init, Path};

use super::network::Network;
use super::parameter::Parameter;

/// The weights of a [`Verifier`](crate::domain::Verifier), and what is added to their sum.
#[derive(Clone, Debug)]
pub(super) struct LogisticUnit {
    weight: Parameter,
    bias: Parameter,
}

impl LogisticUnit {
    /// Declares the parameters under `path`.
    pub fn new(path: &Path, inputs: i64) -> Self {
        Self {
            weight: path.var("weight", &[1, inputs], Init::Const(0.0)).into(),
            bias: path.var("bias", &[1], Init::Const(0.0)).into(),
        }
    }

    /// The weights and what is added.
    ///
    /// # Errors
    /// When libtorch fails.
    pub fn numbers(&self) -> Result<(Vec<f32>, f32), TchError> {
        Ok((Vec::try_from(self.weight.f_view([-1i64])?)?, f32::try_from(&*self.bias)?))
    }
}

/// A sum of products, which the processor does without libtorch.
impl Network for LogisticUnit {}
