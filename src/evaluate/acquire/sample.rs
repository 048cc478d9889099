//! What a photo gives: something to compare, or the reason why there is nothing.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{ImageFormat, RgbImage};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::domain::{FaceSeen, LivenessScore, Quality, QualityIssue, Sighting, View};
use crate::vision::liveness::Surroundings;
use crate::vision::{LookError, LookSettings, Road};

/// What a photo gives.
pub type Sample<T> = Result<T, Failure>;

/// Why a photo gives nothing to compare: a failure to acquire (ISO/IEC 19795-1).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Failure {
    /// No face was found.
    NoFace,
    /// Two or more faces are about equally near.
    MultipleFaces,
    /// The picture is not good enough.
    LowQuality(Vec<QualityIssue>),
    /// The file cannot be read or decoded.
    Unreadable(String),
}

/// `f(x)` of a photo's face, and what was measured of its picture.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Template {
    /// The numbers of the encoding, whose squares sum to 1.
    #[serde(serialize_with = "to_base64", deserialize_with = "from_base64")]
    pub values: Box<[f32]>,
    /// What was measured.
    pub quality: Quality,
    /// The length of what the encoder said of the face before it was scaled to 1.
    pub feature_norm: f32,
}

impl Template {
    /// Travels the road as far as the encoding.
    ///
    /// # Errors
    /// When a network fails.
    pub fn look(road: &Road, bytes: &[u8], border_share: f32) -> Result<Sample<Self>, LookError> {
        let sample = acquired(road.look_at_crop(bytes, border_share, &SETTINGS))?;
        Ok(sample.map(|FaceSeen { encoding, quality, feature_norm, .. }| Self {
            values: encoding.values().into(),
            quality,
            feature_norm,
        }))
    }
}

/// `f(x)` of a photo's face and of its mirror image: what can be learnt from without the photo.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BothSides {
    /// The numbers of the encoding, whose squares sum to 1.
    #[serde(serialize_with = "to_base64", deserialize_with = "from_base64")]
    pub plain: Box<[f32]>,
    /// The same, of the mirror image.
    #[serde(serialize_with = "to_base64", deserialize_with = "from_base64")]
    pub mirrored: Box<[f32]>,
}

impl BothSides {
    /// Travels the road as far as the encodings.
    ///
    /// # Errors
    /// When a network fails.
    pub fn look(road: &Road, bytes: &[u8], border_share: f32) -> Result<Sample<Self>, LookError> {
        let sample = acquired(road.look_at_both_sides(bytes, border_share, &SETTINGS))?;
        Ok(sample.map(|both| {
            let [plain, mirrored] = both.map(|encoding| encoding.values().into());
            Self { plain, mirrored }
        }))
    }
}

/// What a network is shown of a photo: what can be learnt from, with the photo itself no longer at hand.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Picture {
    /// RGB, square.
    #[serde(serialize_with = "to_png", deserialize_with = "from_png")]
    pixels: RgbImage,
}

impl Picture {
    /// Travels the road as far as the face as the encoder is shown it.
    ///
    /// # Errors
    /// When a network fails.
    pub fn aligned(
        road: &Road,
        bytes: &[u8],
        border_share: f32,
    ) -> Result<Sample<Self>, LookError> {
        let sample = acquired(road.look_at_aligned(bytes, border_share, &SETTINGS))?;
        Ok(sample.and_then(|face| Self::new(face.side(), face.rgb())))
    }

    /// Travels the road as far as the face with its surroundings as the liveness network is shown it.
    ///
    /// # Errors
    /// When a network fails.
    pub fn surroundings(
        road: &Road,
        bytes: &[u8],
        border_share: f32,
    ) -> Result<Sample<Self>, LookError> {
        let sample = acquired(road.look_at_surroundings(bytes, border_share, &SETTINGS))?;
        Ok(sample.and_then(|seen| Self::new(Surroundings::SIDE, seen.rgb())))
    }

    fn new(side: u32, rgb: &[u8]) -> Sample<Self> {
        let pixels = RgbImage::from_raw(side, side, rgb.to_vec());
        let pixels = pixels.ok_or_else(|| Failure::Unreadable("it is not square".to_owned()))?;
        Ok(Self { pixels })
    }

    /// Its side in pixels.
    #[must_use]
    pub fn side(&self) -> u32 {
        self.pixels.width()
    }

    /// RGB bytes, rows from the top.
    #[must_use]
    pub fn rgb(&self) -> &[u8] {
        self.pixels.as_raw()
    }
}

/// Shows the size only: a face must never reach a log.
impl fmt::Debug for Picture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Picture({0} x {0})", self.side())
    }
}

/// Travels the road as far as liveness.
///
/// # Errors
/// When a network fails.
pub fn liveness_score(road: &Road, bytes: &[u8]) -> Result<Sample<f32>, LookError> {
    let view = road.look_alive(bytes, None, SETTINGS.pupil_distance_px_min, Default::default());
    Ok(acquired(view)?.map(LivenessScore::value))
}

/// A photo of a test set has no turnstile before it: faces of any size count, unless the road's own
/// limits say otherwise.
const SETTINGS: LookSettings =
    LookSettings { liveness_threshold: None, pupil_distance_px_min: 0.0, picture: false };

fn acquired<F>(view: Result<View<F>, LookError>) -> Result<Sample<F>, LookError> {
    let view = match view {
        Ok(view) => view,
        Err(LookError::Decode(error)) => return Ok(Err(Failure::Unreadable(error.to_string()))),
        Err(error) => return Err(error),
    };
    Ok(match view.sighting {
        Sighting::Face(face) => Ok(face),
        Sighting::NoFace | Sighting::Spoof { .. } => Err(Failure::NoFace),
        Sighting::MultipleFaces => Err(Failure::MultipleFaces),
        Sighting::LowQuality { issues, .. } => Err(Failure::LowQuality(issues)),
    })
}

fn to_png<S: Serializer>(pixels: &RgbImage, to: S) -> Result<S::Ok, S::Error> {
    use serde::ser::Error;

    let mut png = Vec::new();
    let encoder = PngEncoder::new_with_quality(&mut png, CompressionType::Fast, FilterType::Up);
    pixels.write_with_encoder(encoder).map_err(S::Error::custom)?;
    to.serialize_str(&STANDARD_NO_PAD.encode(png))
}

fn from_png<'de, D: Deserializer<'de>>(from: D) -> Result<RgbImage, D::Error> {
    use serde::de::Error;

    let png = STANDARD_NO_PAD.decode(String::deserialize(from)?).map_err(D::Error::custom)?;
    let picture = image::load_from_memory_with_format(&png, ImageFormat::Png);
    Ok(picture.map_err(D::Error::custom)?.into_rgb8())
}

fn to_base64<S: Serializer>(values: &[f32], to: S) -> Result<S::Ok, S::Error> {
    let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    to.serialize_str(&STANDARD_NO_PAD.encode(bytes))
}

fn from_base64<'de, D: Deserializer<'de>>(from: D) -> Result<Box<[f32]>, D::Error> {
    use serde::de::Error;

    let bytes = STANDARD_NO_PAD.decode(String::deserialize(from)?).map_err(D::Error::custom)?;
    let (values, rest) = bytes.as_chunks::<4>();
    if values.is_empty() || !rest.is_empty() {
        return Err(D::Error::custom("not a whole number of f32"));
    }
    Ok(values.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_picture_is_the_photos_fault_and_a_network_that_fails_is_not() {
        let failed = LookError::Torch(tch::TchError::Torch("out of memory".to_owned()));
        assert!(acquired::<()>(Err(failed)).is_err());
        let broken = LookError::Decode(crate::vision::DecodeError::Empty);
        assert!(matches!(acquired::<()>(Err(broken)), Ok(Err(Failure::Unreadable(_)))));
    }

    #[test]
    fn a_picture_is_kept_to_the_last_bit() {
        let rgb: Vec<u8> = (0..16 * 16 * 3).map(|i| (i * 37 % 251) as u8).collect();
        let picture = Picture::new(16, &rgb).unwrap();
        let text = serde_json::to_string(&picture).unwrap();
        let back: Picture = serde_json::from_str(&text).unwrap();
        assert_eq!((back.side(), back.rgb()), (16, &rgb[..]));
        assert!(Picture::new(16, &rgb[1..]).is_err());
    }
}
