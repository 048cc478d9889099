//! YuNet, a face detector of 75 thousand parameters.
//!
//! Wu, Peng, Yu: "YuNet: A Tiny Millisecond-level Face Detector", Machine Intelligence Research 2023.

use tch::nn::Path;
use tch::{Kind, TchError, Tensor};

use super::layers::{Conv, expect_pictures, processor};
use super::network::Network;

/// YuNet as released in March 2023, batch normalisation folded into the convolutions.
///
/// Input `[N, 3, H, W]`, BGR, 0..255, H and W multiples of [`Yunet::SIDE_MULTIPLE`].
#[derive(Clone, Debug)]
pub struct Yunet {
    backbone: Backbone,
    neck: Neck,
    head: [Head; 3],
}

/// What the network says about a cell: 16 numbers, as they lie in [`Yunet::forward`]'s output.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct YunetCell {
    /// 0..1: how much the cell looks like a face.
    pub cls: f32,
    /// 0..1: how well the box is expected to overlap the face.
    pub obj: f32,
    /// Offset of the box's centre (x, y) from the cell's corner and logarithm of its width and height,
    /// in strides.
    pub bbox: [f32; 4],
    /// Offsets (x, y) of five landmarks from the cell's corner, in strides: the eye on the image's left,
    /// the other eye, the nose, the mouth corner on the image's left, the other.
    pub kps: [f32; 10],
}

impl From<[f32; Yunet::CELL_SIZE]> for YunetCell {
    fn from([cls, obj, x, y, width, height, kps @ ..]: [f32; Yunet::CELL_SIZE]) -> Self {
        Self { cls, obj, bbox: [x, y, width, height], kps }
    }
}

impl Yunet {
    /// Both sides of the input must be multiples of this, the coarsest stride.
    pub const SIDE_MULTIPLE: i64 = 32;
    /// Sides of the cells of the three levels, in pixels of the input, in the order in which `forward`
    /// returns them.
    pub const STRIDES: [i64; 3] = [8, 16, 32];
    /// How many numbers there are for a cell: see [`YunetCell`].
    pub const CELL_SIZE: usize = 16;

    /// Declares the parameters under `path`.
    pub fn new(path: &Path) -> Self {
        let head = path / "head";
        Self {
            backbone: Backbone::new(&(path / "backbone")),
            neck: Neck::new(&(path / "neck")),
            head: [0, 1, 2].map(|level| Head::new(&(&head / level))),
        }
    }

    /// `[N, cells, 16]`, a [`YunetCell`] for each cell: those of the finest level row by row, `H / stride`
    /// times `W / stride`, then those of the next.
    ///
    /// # Errors
    /// When the input is not `[N, 3, H, W]` with sides that are multiples of 32.
    pub fn forward(&self, xs: &Tensor) -> Result<Tensor, TchError> {
        let multiple = |side: i64| side > 0 && side % Self::SIDE_MULTIPLE == 0;
        expect_pictures(xs, "[N, 3, H, W] with sides that are multiples of 32", |h, w| {
            multiple(h) && multiple(w)
        })?;
        let maps = self.neck.forward(self.backbone.forward(xs)?)?;
        let levels = self.head.iter().zip(&maps).map(|(head, map)| head.forward(map));
        let cells = Tensor::f_cat(&levels.collect::<Result<Vec<_>, _>>()?, 1)?;
        // cls and obj.
        let _ = cells.f_narrow(2, 0, 2)?.f_sigmoid_()?;
        Ok(cells)
    }
}

impl Network for Yunet {
    /// Makes one layer of those of the heads that work side by side.
    fn simplify(&mut self, _kind: Kind) -> Result<(), TchError> {
        self.head.iter_mut().try_for_each(Head::unite)
    }

    fn layers(&mut self) -> Vec<&mut Conv> {
        let Backbone { stem, stem_separable, stages } = &mut self.backbone;
        let units = std::iter::once(stem_separable)
            .chain(stages.iter_mut().flatten())
            .chain(&mut self.neck.laterals)
            .chain(self.head.iter_mut().flat_map(Head::units));
        let mut layers = vec![stem];
        layers.extend(units.flat_map(|unit| [&mut unit.pointwise, &mut unit.depthwise]));
        layers
    }
}

/// Table 1 of the paper: a strided 3x3 convolution, then separable units between poolings.
#[derive(Clone, Debug)]
struct Backbone {
    stem: Conv,
    stem_separable: Separable,
    stages: [[Separable; 2]; 5],
}

impl Backbone {
    /// (input, output) channels of the stages; a stage widens in its second unit.
    const STAGES: [(i64, i64); 5] = [(16, 32), (32, 64), (64, 64), (64, 64), (64, 64)];

    fn new(path: &Path) -> Self {
        let stem = path / "stem";
        let stages = path / "stages";
        Self {
            stem: Conv::new(&(&stem / "conv"), 3, 16, 3, 2, 1).with_relu(),
            stem_separable: Separable::relu(&(&stem / "separable"), 16, 16),
            stages: std::array::from_fn(|i| {
                let stage = &stages / i;
                let (inputs, outputs) = Self::STAGES[i];
                [
                    Separable::relu(&(&stage / 0), inputs, inputs),
                    Separable::relu(&(&stage / 1), inputs, outputs),
                ]
            }),
        }
    }

    /// Feature maps at strides 8, 16 and 32, 64 channels each.
    fn forward(&self, xs: &Tensor) -> Result<[Tensor; 3], TchError> {
        let [stage_1, stage_2, stage_3, stage_4, stage_5] = &self.stages;
        let stem = self.stem.forward(xs)?;
        let stride_4 = halve(&self.stem_separable.forward(&stem)?)?;
        let stride_4 = run_stage(stage_2, &run_stage(stage_1, &stride_4)?)?;
        let stride_8 = run_stage(stage_3, &halve(&stride_4)?)?;
        let stride_16 = run_stage(stage_4, &halve(&stride_8)?)?;
        let stride_32 = run_stage(stage_5, &halve(&stride_16)?)?;
        Ok([stride_8, stride_16, stride_32])
    }
}

/// The tiny feature pyramid: the coarse map is smoothed, doubled and added to the finer one.
#[derive(Clone, Debug)]
struct Neck {
    laterals: [Separable; 3],
}

impl Neck {
    fn new(path: &Path) -> Self {
        let laterals = path / "laterals";
        Self { laterals: [0, 1, 2].map(|level| Separable::relu(&(&laterals / level), 64, 64)) }
    }

    fn forward(&self, [fine, middle, coarse]: [Tensor; 3]) -> Result<[Tensor; 3], TchError> {
        let [lateral_fine, lateral_middle, lateral_coarse] = &self.laterals;
        let coarse = lateral_coarse.forward(&coarse)?;
        let middle = lateral_middle.forward(&middle.f_add(&double(&coarse)?)?)?;
        let fine = lateral_fine.forward(&fine.f_add(&double(&middle)?)?)?;
        Ok([fine, middle, coarse])
    }
}

/// One separable unit for each kind of output: `cls`, `obj`, `bbox` and `kps`.
#[derive(Clone, Debug)]
enum Head {
    Apart(Vec<Separable>),
    /// The four as one, whose outputs lie one after another.
    United(Box<Separable>),
}

impl Head {
    const OUTPUTS: [(&'static str, i64); 4] = [("cls", 1), ("obj", 1), ("bbox", 4), ("kps", 10)];

    fn new(path: &Path) -> Self {
        let unit = |(name, outputs)| Separable::new(&(path / name), 64, outputs);
        Self::Apart(Self::OUTPUTS.map(unit).into())
    }

    fn unite(&mut self) -> Result<(), TchError> {
        if let Self::Apart(units) = self {
            let pointwise: Vec<&Conv> = units.iter().map(|unit| &unit.pointwise).collect();
            let depthwise: Vec<&Conv> = units.iter().map(|unit| &unit.depthwise).collect();
            *self = Self::United(Box::new(Separable {
                pointwise: Conv::side_by_side(&pointwise, true)?,
                depthwise: Conv::side_by_side(&depthwise, false)?,
            }));
        }
        Ok(())
    }

    fn units(&mut self) -> &mut [Separable] {
        match self {
            Self::Apart(units) => units,
            Self::United(unit) => std::slice::from_mut(unit),
        }
    }

    /// `[N, cells, 16]`.
    fn forward(&self, xs: &Tensor) -> Result<Tensor, TchError> {
        match self {
            Self::United(unit) => by_cell(&unit.forward(xs)?),
            Self::Apart(units) => {
                let outputs = units.iter().map(|unit| by_cell(&unit.forward(xs)?));
                Tensor::f_cat(&outputs.collect::<Result<Vec<_>, _>>()?, 2)
            }
        }
    }
}

/// The paper's DPUnit: a 1x1 convolution, then a depthwise 3x3 one.
#[derive(Clone, Debug)]
struct Separable {
    pointwise: Conv,
    depthwise: Conv,
}

impl Separable {
    fn new(path: &Path, inputs: i64, outputs: i64) -> Self {
        Self {
            pointwise: Conv::pointwise(&(path / "pointwise"), inputs, outputs),
            depthwise: Conv::depthwise(&(path / "depthwise"), outputs, 3, 1, 1),
        }
    }

    fn relu(path: &Path, inputs: i64, outputs: i64) -> Self {
        let Self { pointwise, depthwise } = Self::new(path, inputs, outputs);
        Self { pointwise, depthwise: depthwise.with_relu() }
    }

    fn forward(&self, xs: &Tensor) -> Result<Tensor, TchError> {
        self.depthwise.forward(&self.pointwise.forward(xs)?)
    }
}

fn run_stage([first, second]: &[Separable; 2], xs: &Tensor) -> Result<Tensor, TchError> {
    second.forward(&first.forward(xs)?)
}

fn halve(xs: &Tensor) -> Result<Tensor, TchError> {
    match processor(xs) {
        Some(processor) => limen_kernels::halve(processor, xs),
        None => xs.f_max_pool2d(2, 2, 0, 1, false),
    }
}

/// Twice the size by repeating every value (nearest neighbour).
fn double(xs: &Tensor) -> Result<Tensor, TchError> {
    let (_, _, height, width) = xs.size4()?;
    xs.f_upsample_nearest2d([2 * height, 2 * width], None, None)
}

/// `[N, C, H, W]` to `[N, H * W, C]`, whatever the network computes with in `f32`.
fn by_cell(xs: &Tensor) -> Result<Tensor, TchError> {
    xs.f_flatten(2, 3)?.f_transpose(1, 2)?.f_to_kind(Kind::Float)
}
