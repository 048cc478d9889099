//! The nearest face, found and measured: good enough to compare, or what is wrong with it.

use crate::domain::{Detection, Frame, Landmarks, Quality, QualityIssue, Shortfall, Sighting};
use crate::vision::align::{AlignedFace, Template, align};
use crate::vision::encode::{EncodeError, Encoded, FaceEncoder};

/// The nearest face, good enough to compare.
pub(super) struct Approached {
    pub frame: Frame,
    pub detection: Detection,
    /// Where the second network alone sees the landmarks.
    pub placed: Landmarks,
    /// Upright on the 112 x 112 template.
    pub face: AlignedFace,
    pub quality: Quality,
}

/// The nearest face, not good enough to compare.
pub(super) struct Flawed {
    pub quality: Quality,
    pub issues: Vec<QualityIssue>,
    pub shortfall: Option<Shortfall>,
}

impl Approached {
    /// The face on an encoder's template: it was measured on one whichever the encoder wants. None where the eyes coincide
    /// though the five landmarks do not.
    pub fn aligned_for(&self, template: Template) -> Option<AlignedFace> {
        if self.face.template() == template {
            return Some(self.face.clone());
        }
        align(&self.frame, &self.detection.landmarks, template)
    }

    /// What an encoder says of the face; none as in [`Self::aligned_for`].
    pub fn encoded_by(&self, encoder: &FaceEncoder) -> Result<Option<Encoded>, EncodeError> {
        let Some(face) = self.aligned_for(encoder.template) else { return Ok(None) };
        let again = || align(&self.frame, &self.placed, encoder.template);
        encoder.encode_one(face, self.quality.yaw, again).map(Some)
    }
}

impl<F> From<Flawed> for Sighting<F> {
    fn from(Flawed { quality, issues, shortfall }: Flawed) -> Self {
        Self::LowQuality { quality, issues, shortfall }
    }
}
