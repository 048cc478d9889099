//! dlib's face encoder: a ResNet of 29 convolutions.
//!
//! He, Zhang, Ren, Sun: "Deep Residual Learning for Image Recognition", CVPR 2016, the 34-layer
//! network of table 1 with a few layers removed and half the filters (King 2017, dlib 19.3).

use tch::nn::{Init, Path};
use tch::{Kind, TchError, Tensor};

use super::layers::{Conv, Linear, expect_pictures};
use super::network::Network;
use super::parameter::Parameter;

/// The network behind `dlib_face_recognition_resnet_model_v1`.
///
/// Input `[N, 3, 150, 150]`, a face aligned by its eyes in RGB, 0..255, of which the network sees
/// `(x - (122.782, 117.001, 104.298)) / 256`.
#[derive(Clone, Debug)]
pub struct DlibResnet {
    mean: Parameter,
    stem: ConvAffine,
    blocks: Vec<Block>,
    embedding: Linear,
}

impl DlibResnet {
    /// Side of the input in pixels.
    pub const SIDE: i64 = 150;
    /// Length of the output.
    pub const OUTPUT_SIZE: i64 = 128;

    /// (channels, blocks) of each stage. Every stage but the first opens with a halving block.
    const STAGES: [(i64, usize); 5] = [(32, 3), (64, 4), (128, 3), (256, 3), (256, 1)];

    /// Red, green and blue of the mean of the pictures that it was trained with.
    const MEAN: [f32; 3] = [122.782, 117.001, 104.298];

    /// Declares the parameters under `path`.
    pub fn new(path: &Path) -> Self {
        let mean = Tensor::from_slice(&Self::MEAN).view([1, 3, 1, 1]).to_device(path.device());
        Self {
            mean: mean.into(),
            stem: ConvAffine::new(&(path / "stem"), [3, 32], 7, 2, 0),
            blocks: blocks(&(path / "stages")),
            embedding: Linear::new(&(path / "embedding"), 256, Self::OUTPUT_SIZE),
        }
    }

    /// The parameter paths of the convolutions, in the order in which a picture meets them.
    pub(super) fn convolution_names() -> Vec<String> {
        let mut names = vec!["stem".to_owned()];
        for (stage, (_, blocks)) in Self::STAGES.into_iter().enumerate() {
            for block in 0..blocks {
                names.push(format!("stages.{stage}.{block}.first"));
                names.push(format!("stages.{stage}.{block}.second"));
            }
        }
        names
    }

    /// `[N, 128]`, not normalised.
    ///
    /// # Errors
    /// When the input is not `[N, 3, 150, 150]`.
    pub fn forward(&self, xs: &Tensor) -> Result<Tensor, TchError> {
        expect_pictures(xs, "[N, 3, 150, 150]", |h, w| h == Self::SIDE && w == Self::SIDE)?;
        let xs = xs.f_sub(&self.mean)?.f_div_scalar(256.0)?;
        let xs = self.stem.forward(&xs)?.f_relu_()?;
        let mut xs = xs.f_max_pool2d(3, 2, 0, 1, false)?;
        for block in &self.blocks {
            xs = block.forward(&xs)?;
        }
        self.embedding.forward(&xs.f_mean_dim([2, 3].as_slice(), false, Kind::Float)?)
    }
}

impl Network for DlibResnet {
    fn layers(&mut self) -> Vec<&mut Conv> {
        let blocks = self.blocks.iter_mut();
        let of_blocks = blocks.flat_map(|block| [&mut block.first.conv, &mut block.second.conv]);
        std::iter::once(&mut self.stem.conv).chain(of_blocks).collect()
    }
}

fn blocks(path: &Path) -> Vec<Block> {
    let mut inputs = 32;
    let mut blocks = Vec::new();
    for (stage, (outputs, count)) in DlibResnet::STAGES.into_iter().enumerate() {
        let path = path / stage;
        for block in 0..count {
            let path = &path / block;
            blocks.push(if stage > 0 && block == 0 {
                Block::halving(&path, inputs, outputs)
            } else {
                Block::plain(&path, outputs)
            });
        }
        inputs = outputs;
    }
    blocks
}

/// Two 3x3 convolutions beside a shortcut without parameters.
#[derive(Clone, Debug)]
struct Block {
    first: ConvAffine,
    second: ConvAffine,
    halves: bool,
}

impl Block {
    fn plain(path: &Path, channels: i64) -> Self {
        Self {
            first: ConvAffine::new(&(path / "first"), [channels, channels], 3, 1, 1),
            second: ConvAffine::new(&(path / "second"), [channels, channels], 3, 1, 1),
            halves: false,
        }
    }

    fn halving(path: &Path, inputs: i64, outputs: i64) -> Self {
        Self {
            first: ConvAffine::new(&(path / "first"), [inputs, outputs], 3, 2, 0),
            second: ConvAffine::new(&(path / "second"), [outputs, outputs], 3, 1, 1),
            halves: true,
        }
    }

    fn forward(&self, xs: &Tensor) -> Result<Tensor, TchError> {
        let ys = self.second.forward(&self.first.forward(xs)?.f_relu_()?)?;
        if self.halves {
            let shortcut = xs.f_avg_pool2d(2, 2, 0, false, true, None)?;
            padded_sum(&ys, &shortcut)?.f_relu_()
        } else {
            ys.f_add(xs)?.f_relu_()
        }
    }
}

/// The sum of two maps, each extended with zeros to the larger channel count, height and width.
fn padded_sum(a: &Tensor, b: &Tensor) -> Result<Tensor, TchError> {
    let (a_size, b_size) = (a.size4()?, b.size4()?);
    let channels = a_size.1.max(b_size.1);
    let height = a_size.2.max(b_size.2);
    let width = a_size.3.max(b_size.3);
    let pad = |xs: &Tensor, (_, c, h, w): (i64, i64, i64, i64)| {
        xs.f_constant_pad_nd([0, width - w, 0, height - h, 0, channels - c])
    };
    pad(a, a_size)?.f_add(&pad(b, b_size)?)
}

/// A convolution, then `y = gamma x + beta` per channel: what batch normalisation leaves behind.
#[derive(Clone, Debug)]
struct ConvAffine {
    conv: Conv,
    gamma: Parameter,
    beta: Parameter,
}

impl ConvAffine {
    fn new(path: &Path, channels: [i64; 2], kernel: i64, stride: i64, padding: i64) -> Self {
        let [inputs, outputs] = channels;
        let affine = path / "affine";
        Self {
            conv: Conv::new(&(path / "conv"), inputs, outputs, kernel, stride, padding),
            gamma: affine.var("gamma", &[outputs, 1, 1], Init::Const(0.0)).into(),
            beta: affine.var("beta", &[outputs, 1, 1], Init::Const(0.0)).into(),
        }
    }

    fn forward(&self, xs: &Tensor) -> Result<Tensor, TchError> {
        self.conv.forward(xs)?.f_mul(&self.gamma)?.f_add(&self.beta)
    }
}
