//! The auxiliary head by which a liveness network is taught, and which is left behind when it has learnt.
//!
//! After the `FTGenerator` of Minivision's "Silent Face Anti-Spoofing" (2020): a print and a screen leave traces in a
//! picture's spectrum, and a network whose middle must tell the spectrum has to see them.

use tch::nn::Path;
use tch::{TchError, Tensor};

use super::MiniFasNet;
use super::layers::Conv;
use super::network::Network;

/// Three convolutions of 3x3, to 128 channels, 64 and one, with batch normalisation and ReLU behind each.
///
/// Input `[N, 128, 16, 16]`, the map behind a MiniFASNet's second stage.
#[derive(Clone, Debug)]
pub struct FourierHead {
    layers: Vec<Conv>,
}

impl FourierHead {
    /// Side of the output.
    pub const SIDE: i64 = MiniFasNet::SIDE / 8;

    /// Declares the parameters under `path`.
    pub(super) fn new(path: &Path) -> Self {
        let channels = [MiniFasNet::MIDDLE_CHANNELS, 128, 64, 1];
        let layer = |(number, sides): (usize, &[i64])| {
            Conv::new(&(path / number), sides[0], sides[1], 3, 1, 1).with_relu()
        };
        Self { layers: channels.windows(2).enumerate().map(layer).collect() }
    }

    /// `[N, 1, 16, 16]`, not negative: the spectrum that the map tells of.
    pub(super) fn forward(&self, map: &Tensor) -> Result<Tensor, TchError> {
        self.layers.iter().try_fold(map.shallow_clone(), |map, layer| layer.forward(&map))
    }
}

impl Network for FourierHead {
    fn layers(&mut self) -> Vec<&mut Conv> {
        self.layers.iter_mut().collect()
    }
}
