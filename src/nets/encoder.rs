//! The encoders that a configuration may choose between.

use tch::{TchError, Tensor};

use super::layers::processor;
use super::{DlibResnet, MobileFaceNet, MobileNet};

/// A network that turns aligned faces into numbers.
///
/// Each has its own alignment and its own range of input: see the variant's type.
#[derive(Clone, Debug)]
pub enum Encoder {
    /// The default.
    MobileFaceNet(Box<MobileFaceNet>),
    /// The more accurate and slower one.
    MobileNet(Box<MobileNet>),
    /// The CC0 one.
    DlibResnet(Box<DlibResnet>),
}

impl Encoder {
    /// Side of the input in pixels.
    pub fn side(&self) -> i64 {
        match self {
            Self::MobileFaceNet(_) => MobileFaceNet::SIDE,
            Self::MobileNet(_) => MobileNet::SIDE,
            Self::DlibResnet(_) => DlibResnet::SIDE,
        }
    }

    /// Length of the output.
    pub fn output_size(&self) -> i64 {
        match self {
            Self::MobileFaceNet(_) => MobileFaceNet::OUTPUT_SIZE,
            Self::MobileNet(_) => MobileNet::OUTPUT_SIZE,
            Self::DlibResnet(_) => DlibResnet::OUTPUT_SIZE,
        }
    }

    /// `[N, output_size]`, not normalised.
    ///
    /// # Errors
    /// When the input is not `[N, 3, side, side]`.
    pub fn forward(&self, xs: &Tensor) -> Result<Tensor, TchError> {
        match self {
            Self::MobileFaceNet(network) => one_by_one(xs, |face| network.forward(face)),
            Self::MobileNet(network) => one_by_one(xs, |face| network.forward(face)),
            Self::DlibResnet(network) => network.forward(xs),
        }
    }
}

/// On the processor one face after another, on a GPU all at once: the maps of one face fit the second cache, those of
/// several do not. MobileFaceNet took 1.7 times as long a face among 32 as alone.
fn one_by_one(
    xs: &Tensor,
    forward: impl Fn(&Tensor) -> Result<Tensor, TchError>,
) -> Result<Tensor, TchError> {
    if processor(xs).is_none() {
        return forward(xs);
    }
    let faces = xs.f_split(1, 0)?;
    let rows: Vec<Tensor> = faces.iter().map(forward).collect::<Result<_, _>>()?;
    Tensor::f_cat(&rows, 0)
}
