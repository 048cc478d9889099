//! encode: `f(x)`, the aligned face as a point on the unit sphere.

use tch::{Kind, TchError, Tensor};

use super::align::{AlignedFace, Template};
use super::tensor::{Planes, floats, pictures};
use crate::domain::{Encoding, EncodingError, ModelId};
use crate::nets::{self, Compute, Projection};

/// Why faces could not be encoded.
#[derive(Debug, thiserror::Error)]
pub enum EncodeError {
    /// A face was aligned for another network.
    #[error("a face on the template {found:?} was given to an encoder that wants {wanted:?}")]
    Template {
        /// The encoder's template.
        wanted: Template,
        /// The face's.
        found: Template,
    },
    /// The network put out numbers that are no encoding.
    #[error(transparent)]
    Encoding(#[from] EncodingError),
    /// libtorch failed, e.g. out of memory.
    #[error("libtorch: {0}")]
    Torch(#[from] TchError),
}

/// An encoder with everything around its network: the template it wants, how its input is scaled,
/// the projection behind it and the id that its encodings carry.
#[derive(Debug)]
pub struct FaceEncoder {
    /// The network.
    pub network: nets::Encoder,
    /// Shortens what the network says.
    pub projection: Option<Projection>,
    /// Whether the mirrored face is encoded too and the two are averaged: twice the time.
    pub mirror: bool,
    /// The id of the projection, or of the network where there is none.
    pub model: ModelId,
    /// Where the network lives and with which numbers it computes.
    pub compute: Compute,
}

/// `f(x)` of a face, and how much the network made of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Encoded {
    /// `f(x)`.
    pub encoding: Encoding,
    /// The length of what the network said before it was scaled to 1.
    pub feature_norm: f32,
}

impl FaceEncoder {
    /// How faces must be aligned for it.
    #[must_use]
    pub fn template(&self) -> Template {
        match self.network {
            nets::Encoder::MobileFaceNet(_) => Template::FivePoints112,
            nets::Encoder::DlibResnet(_) => Template::Eyes150,
        }
    }

    /// One encoding for each face, in their order.
    ///
    /// # Errors
    /// When a face is on another template or the network fails.
    pub fn encode(&self, faces: &[AlignedFace]) -> Result<Vec<Encoded>, EncodeError> {
        if faces.is_empty() {
            return Ok(Vec::new());
        }
        let (numbers, norms) = self.forward(&self.input(faces)?)?;
        let (numbers, norms) = (floats(&numbers)?, floats(&norms)?);
        let rows = numbers.chunks_exact(numbers.len() / faces.len()).zip(norms);
        rows.map(|(row, feature_norm)| {
            let encoding = Encoding::normalised(row.to_vec(), self.model.clone())?;
            Ok(Encoded { encoding, feature_norm })
        })
        .collect()
    }

    /// `[N, 3, side, side]`, scaled as the network was trained.
    fn input(&self, faces: &[AlignedFace]) -> Result<Tensor, EncodeError> {
        let wanted = self.template();
        if let Some(face) = faces.iter().find(|face| face.template() != wanted) {
            return Err(EncodeError::Template { wanted, found: face.template() });
        }
        let rgb: Vec<u8> = faces.iter().flat_map(|face| face.rgb()).copied().collect();
        let size = (wanted.side(), wanted.side());
        let scaled = match self.network {
            // Exact in bf16 too: bytes are whole numbers of eight bits.
            nets::Encoder::MobileFaceNet(_) => pictures(&rgb, size, Planes::Bgr, self.compute)?
                .f_sub_scalar(127.0)?
                .f_div_scalar(128.0),
            nets::Encoder::DlibResnet(_) => {
                let mean = Tensor::f_from_slice(&[122.782f32, 117.001, 104.298])?;
                let mean = mean.f_view([1, 3, 1, 1])?.f_to_device(self.compute.device)?;
                pictures(&rgb, size, Planes::Rgb, self.compute.device.into())?
                    .f_sub(&mean)?
                    .f_div_scalar(256.0)
            }
        };
        Ok(scaled?)
    }

    /// `[N, size]`, not normalised, and the lengths `[N, 1]` of what the network said of the faces as
    /// they are.
    fn forward(&self, input: &Tensor) -> Result<(Tensor, Tensor), TchError> {
        let mut output = self.network.forward(input)?;
        let norms = norms(&output)?;
        if self.mirror {
            output = output.f_add(&self.network.forward(&input.f_flip([3])?)?)?;
        }
        match &self.projection {
            Some(projection) => Ok((projection.forward(&unit_rows(&output)?)?, norms)),
            None => Ok((output, norms)),
        }
    }
}

/// Each row scaled to unit length; a row of zeros stays one.
fn unit_rows(rows: &Tensor) -> Result<Tensor, TchError> {
    rows.f_div(&norms(rows)?.f_clamp_min(f64::from(f32::MIN_POSITIVE))?)
}

/// The length of each row.
fn norms(rows: &Tensor) -> Result<Tensor, TchError> {
    rows.f_square()?.f_sum_dim_intlist([1].as_slice(), true, Kind::Float)?.f_sqrt()
}
