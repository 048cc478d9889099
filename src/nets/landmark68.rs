//! A regressor of 68 facial landmarks, of 289 thousand parameters.
//!
//! A narrow MobileFaceNet (Chen et al., CCBR 2018) whose last layer names places instead of a person.

use tch::nn::Path;
use tch::{Kind, TchError, Tensor};

use super::bottleneck::Bottleneck;
use super::layers::{BatchNorm, Conv, Linear, expect_pictures};
use super::network::Network;
use super::parameter::Parameter;
use super::trunk::Trunk;

/// The 68 landmarks of a face in the order of iBUG 300-W (Sagonas et al., ICCVW 2013): jaw, brows,
/// nose, eyes, mouth.
///
/// Input `[N, 3, 64, 64]`, an upright face in RGB, 0..255, which the network sees in grey.
#[derive(Clone, Debug)]
pub struct Landmark68 {
    /// What grey is mixed of; none once the first layer does it.
    grey: Option<Parameter>,
    trunk: Trunk,
    places: Linear,
    norm: BatchNorm,
}

impl Landmark68 {
    /// Side of the input in pixels.
    pub const SIDE: i64 = 64;
    /// Length of the output: x and y of each landmark.
    pub const OUTPUT_SIZE: i64 = 136;

    /// See [`Bottleneck::stages`].
    const STAGES: [(i64, i64, i64, usize); 3] =
        [(32, 64, 64, 4), (64, 128, 128, 5), (64, 256, 128, 3)];

    /// Red, green and blue in grey (ITU-R BT.601), over the 256 levels.
    const GREY: [f32; 3] = [0.299 / 256.0, 0.587 / 256.0, 0.114 / 256.0];

    /// Declares the parameters under `path`.
    pub fn new(path: &Path) -> Self {
        let bottlenecks = Bottleneck::stages(&(path / "stages"), 32, &Self::STAGES);
        Self {
            grey: Some(
                Tensor::from_slice(&Self::GREY).view([1, 3, 1, 1]).to_device(path.device()).into(),
            ),
            trunk: Trunk::new(path, [1, 32, 64], bottlenecks, 4),
            places: Linear::with_bias(&(path / "places"), Trunk::OUTPUT_SIZE, Self::OUTPUT_SIZE),
            norm: BatchNorm::new(&(path / "norm"), Self::OUTPUT_SIZE),
        }
    }

    /// `[N, 68, 2]`: x and y as shares of the picture's side, from its top left corner.
    ///
    /// # Errors
    /// When the input is not `[N, 3, 64, 64]`.
    pub fn forward(&self, xs: &Tensor) -> Result<Tensor, TchError> {
        expect_pictures(xs, "[N, 3, 64, 64]", |h, w| h == Self::SIDE && w == Self::SIDE)?;
        let xs = match &self.grey {
            None => self.trunk.forward(xs)?,
            Some(shares) => {
                let mixed = xs.f_mul(shares)?;
                let grey = mixed.f_sum_dim_intlist([1].as_slice(), true, Kind::Float)?;
                self.trunk.forward(&grey.f_to_kind(xs.kind())?)?
            }
        };
        let places = self.places.forward(&xs.f_flatten(1, 3)?)?;
        self.norm.forward(&places)?.f_view([-1, Self::OUTPUT_SIZE / 2, 2])
    }
}

impl Network for Landmark68 {
    fn simplify(&mut self, kind: Kind) -> Result<(), TchError> {
        if let Some(shares) = self.grey.take() {
            self.trunk.take_in(&shares)?;
        }
        self.trunk.thin(kind)
    }

    fn layers(&mut self) -> Vec<&mut Conv> {
        self.trunk.layers()
    }
}
