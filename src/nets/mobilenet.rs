//! MobileNet as a face encoder, of 9.6 million parameters.
//!
//! Howard et al.: "MobileNets: Efficient Convolutional Neural Networks for Mobile Vision Applications", 2017, table 1,
//! with PReLU for ReLU, without the first stride, and a layer over the whole map at the end.

use tch::nn::Path;
use tch::{Kind, TchError, Tensor};

use super::layers::{Conv, expect_pictures};
use super::network::Network;

/// The network behind the OpenCV Zoo's `face_recognition_sface_2021dec`, batch normalisation folded into the
/// convolutions.
///
/// Zhong, Deng, Hu, Zhao, Li, Wen: "SFace: Sigmoid-Constrained Hypersphere Loss for Robust Face Recognition", IEEE
/// Transactions on Image Processing 30, 2021.
///
/// Input `[N, 3, 112, 112]`, an aligned face in RGB, `(x - 127.5) / 128`.
#[derive(Clone, Debug)]
pub struct MobileNet {
    stem: Conv,
    blocks: Vec<[Conv; 2]>,
    embedding: Conv,
}

impl MobileNet {
    /// Side of the input in pixels.
    pub const SIDE: i64 = 112;
    /// Length of the output.
    pub const OUTPUT_SIZE: i64 = 128;
    /// Side of the map that the last layer sees.
    pub(super) const SIDE_LEFT: i64 = 7;

    const STEM: i64 = 32;
    /// (outputs, stride) of each block: a depthwise convolution, then one of 1x1.
    const BLOCKS: [(i64, i64); 13] = [
        (64, 1),
        (128, 2),
        (128, 1),
        (256, 2),
        (256, 1),
        (512, 2),
        (512, 1),
        (512, 1),
        (512, 1),
        (512, 1),
        (512, 1),
        (1024, 2),
        (1024, 1),
    ];

    /// Declares the parameters under `path`.
    pub fn new(path: &Path) -> Self {
        let mut inputs = Self::STEM;
        let blocks = Self::BLOCKS.iter().enumerate().map(|(block, &(outputs, stride))| {
            let path = path / "blocks" / block;
            let depthwise = Conv::depthwise_prelu(&(&path / "depthwise"), inputs, 3, stride);
            let pointwise = Conv::prelu(&(&path / "pointwise"), inputs, outputs, 1, 1);
            inputs = outputs;
            [depthwise, pointwise]
        });
        let blocks = blocks.collect();
        let embedding = path / "embedding";
        Self {
            stem: Conv::prelu(&(path / "stem"), 3, Self::STEM, 3, 1),
            blocks,
            embedding: Conv::new(&embedding, inputs, Self::OUTPUT_SIZE, Self::SIDE_LEFT, 1, 0),
        }
    }

    /// The parameter paths of the convolutions but the last, in the order in which a picture meets them.
    pub(super) fn convolution_names() -> Vec<String> {
        let of_block =
            |block| ["depthwise", "pointwise"].map(|layer| format!("blocks.{block}.{layer}"));
        let of_blocks = (0..Self::BLOCKS.len()).flat_map(of_block);
        std::iter::once("stem".to_owned()).chain(of_blocks).collect()
    }

    /// `[N, 128]`, not normalised, computed with the input's kind of numbers.
    ///
    /// # Errors
    /// When the input is not `[N, 3, 112, 112]`.
    pub fn forward(&self, xs: &Tensor) -> Result<Tensor, TchError> {
        expect_pictures(xs, "[N, 3, 112, 112]", |h, w| h == Self::SIDE && w == Self::SIDE)?;
        let mut xs = self.stem.forward(xs)?;
        for layer in self.blocks.as_flattened() {
            xs = layer.forward(&xs)?;
        }
        self.embedding.forward(&xs)?.f_flatten(1, 3)?.f_to_kind(Kind::Float)
    }
}

impl Network for MobileNet {
    fn layers(&mut self) -> Vec<&mut Conv> {
        let mut layers = vec![&mut self.stem, &mut self.embedding];
        layers.extend(self.blocks.as_flattened_mut());
        layers
    }
}
