//! What one frame showed: an outcome each, none of them an error.

use std::fmt;
use std::time::Duration;

use zeroize::Zeroizing;

use super::{Detection, Encoding, LivenessScore, Quality, QualityIssue, Shortfall};

/// What a frame showed, as far as the road was travelled: `F` is what a usable face gave.
#[derive(Clone, Debug, PartialEq)]
pub enum Sighting<F> {
    /// No face was found.
    NoFace,
    /// Two or more faces are about equally near, so none is chosen.
    MultipleFaces,
    /// The nearest face's picture is not good enough to compare.
    LowQuality {
        /// What was measured.
        quality: Quality,
        /// Everything that is wrong with it; never empty.
        issues: Vec<QualityIssue>,
        /// By how much the first of them; none where the figure is no number.
        shortfall: Option<Shortfall>,
    },
    /// The nearest face is taken for a presentation attack.
    Spoof {
        /// Its liveness, under the threshold.
        liveness: LivenessScore,
    },
    /// A face that may be compared.
    Face(F),
}

/// The picture of a face with some room around it, as JPEG, where it is to be kept.
#[derive(Clone, PartialEq, Eq)]
pub struct FacePicture(Zeroizing<Vec<u8>>);

impl FacePicture {
    /// Takes the bytes of a JPEG.
    #[must_use]
    pub fn new(jpeg: Vec<u8>) -> Self {
        Self(Zeroizing::new(jpeg))
    }

    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Shows the size only: a picture must never reach a log.
impl fmt::Debug for FacePicture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FacePicture({} bytes)", self.0.len())
    }
}

/// A face that passed quality and, where asked for, liveness, and was encoded.
#[derive(Clone, Debug, PartialEq)]
pub struct FaceSeen {
    /// `f(x)`.
    pub encoding: Encoding,
    /// `f(x)` by the model that people move away from; none where none is served.
    pub previous: Option<Encoding>,
    /// Its liveness; none when liveness was not asked for.
    pub liveness: Option<LivenessScore>,
    /// What was measured of its picture.
    pub quality: Quality,
    /// The length of what the encoder said of it before it was scaled to 1: small where there was
    /// little to see.
    pub feature_norm: f32,
    /// Its picture, where that was asked for.
    pub picture: Option<FacePicture>,
}

/// A frame that was looked at.
#[derive(Clone, Debug, PartialEq)]
pub struct View<F> {
    /// What it showed.
    pub sighting: Sighting<F>,
    /// How many faces the detector reported.
    pub faces: usize,
    /// The nearest one as the detector placed it, in pixels of the picture as it was sent; none where none was chosen.
    pub nearest: Option<Detection>,
    /// Width and height of the picture as it was sent, to within what it was reduced by.
    pub size_px: [u32; 2],
    /// How long each step took.
    pub timings: StageTimings,
}

impl View<FaceSeen> {
    /// What was measured of the nearest face's picture, where the road came so far and did not end at liveness.
    #[must_use]
    pub fn quality(&self) -> Option<&Quality> {
        match &self.sighting {
            Sighting::Face(FaceSeen { quality, .. }) | Sighting::LowQuality { quality, .. } => {
                Some(quality)
            }
            Sighting::NoFace | Sighting::MultipleFaces | Sighting::Spoof { .. } => None,
        }
    }
}

/// A step of the road, from the queue to the record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stage {
    /// Waiting for a free worker.
    Queue,
    /// Bytes to pixels.
    Decode,
    /// Finding the faces.
    Detect,
    /// Measuring the nearest face's picture.
    Quality,
    /// Placing the nearest face's landmarks again and turning it upright onto the template.
    Align,
    /// Telling a live face from an attack; where another thread did so while the face was encoded, the wait for it.
    Liveness,
    /// `f(x)`.
    Encode,
    /// Comparing with the gallery, all frames of a passage together.
    Match,
    /// Deciding and recording a passage in one transaction.
    Record,
}

impl Stage {
    /// The stable name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Queue => "queue",
            Self::Decode => "decode",
            Self::Detect => "detect",
            Self::Quality => "quality",
            Self::Align => "align",
            Self::Liveness => "liveness",
            Self::Encode => "encode",
            Self::Match => "match",
            Self::Record => "record",
        }
    }
}

/// How long each stage took that was travelled.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StageTimings(Vec<(Stage, Duration)>);

impl StageTimings {
    /// Notes that `stage` took `duration`, the more where it was travelled before.
    pub fn push(&mut self, stage: Stage, duration: Duration) {
        match self.0.iter_mut().find(|(travelled, _)| *travelled == stage) {
            Some((_, sum)) => *sum += duration,
            None => self.0.push((stage, duration)),
        }
    }

    /// Notes what `other` took as well.
    pub fn add(&mut self, other: &Self) {
        other.iter().for_each(|(stage, duration)| self.push(stage, duration));
    }

    /// The stages in the order they were travelled.
    pub fn iter(&self) -> impl Iterator<Item = (Stage, Duration)> + '_ {
        self.0.iter().copied()
    }
}
