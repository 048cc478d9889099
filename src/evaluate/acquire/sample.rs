//! What a photo gives: something to compare, or the reason why there is nothing.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::domain::{FaceSeen, LivenessScore, Quality, QualityIssue, Sighting, View};
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
    pub fn look(road: &Road, bytes: &[u8], border_share: f32) -> Sample<Self> {
        let view = road.look_at_crop(bytes, border_share, &SETTINGS);
        acquired(view).map(|FaceSeen { encoding, quality, feature_norm, .. }| Self {
            values: encoding.values().into(),
            quality,
            feature_norm,
        })
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
    pub fn look(road: &Road, bytes: &[u8], border_share: f32) -> Sample<Self> {
        let view = road.look_at_both_sides(bytes, border_share, &SETTINGS);
        let [plain, mirrored] = acquired(view)?.map(|encoding| encoding.values().into());
        Ok(Self { plain, mirrored })
    }
}

/// Travels the road as far as liveness.
pub fn liveness_score(road: &Road, bytes: &[u8]) -> Sample<f32> {
    let view = road.look_alive(bytes, None, SETTINGS.pupil_distance_px_min, Default::default());
    acquired(view).map(LivenessScore::value)
}

/// A photo of a test set has no turnstile before it: faces of any size count, unless the road's own
/// limits say otherwise.
const SETTINGS: LookSettings =
    LookSettings { liveness_threshold: None, pupil_distance_px_min: 0.0, picture: false };

fn acquired<F>(view: Result<View<F>, LookError>) -> Sample<F> {
    match view {
        Err(error) => Err(Failure::Unreadable(error.to_string())),
        Ok(view) => match view.sighting {
            Sighting::Face(face) => Ok(face),
            Sighting::NoFace | Sighting::Spoof { .. } => Err(Failure::NoFace),
            Sighting::MultipleFaces => Err(Failure::MultipleFaces),
            Sighting::LowQuality { issues, .. } => Err(Failure::LowQuality(issues)),
        },
    }
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
