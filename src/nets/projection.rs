//! A linear projection that shortens an encoding.

use tch::nn::{Init, Path};
use tch::{TchError, Tensor};

use super::network::Network;
use super::parameter::Parameter;

/// `y = W x + b`, fitted by principal component analysis (Pearson 1901) on unit encodings.
///
/// Input `[N, inputs]`, each row of unit length. Four times fewer numbers make search four times
/// cheaper and cost almost no accuracy; the manifest says how this one was fitted.
#[derive(Clone, Debug)]
pub struct Projection {
    weight: Parameter,
    bias: Parameter,
    inputs: i64,
}

impl Projection {
    /// Declares the parameters under `path`.
    pub fn new(path: &Path, inputs: i64, outputs: i64) -> Self {
        Self {
            weight: path.var("weight", &[outputs, inputs], Init::Const(0.0)).into(),
            bias: path.var("bias", &[outputs], Init::Const(0.0)).into(),
            inputs,
        }
    }

    /// `[N, outputs]`, not normalised.
    ///
    /// # Errors
    /// When the input is not `[N, inputs]`.
    pub fn forward(&self, xs: &Tensor) -> Result<Tensor, TchError> {
        match xs.size()[..] {
            [_, inputs] if inputs == self.inputs => xs.f_linear(&self.weight, Some(&*self.bias)),
            ref found => {
                let wanted = self.inputs;
                Err(TchError::Shape(format!("expected [N, {wanted}], found {found:?}")))
            }
        }
    }
}

/// A matrix product and nothing to pack.
impl Network for Projection {}
