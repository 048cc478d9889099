//! By how much a face's picture was not good enough.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::decision::codes;

codes! {
    /// A figure of a face's picture that has a limit.
    QualityFigure {
        /// Pixels between the pupils.
        PupilDistance = "pupil_distance_px",
        /// Mean luma of the face.
        Brightness = "brightness",
        /// Variance of the Laplacian.
        Sharpness = "sharpness",
        /// How far the head is turned to a side.
        Yaw = "yaw",
        /// How far the head is bent down or up.
        Pitch = "pitch",
        /// How far the head is tilted, in degrees.
        Roll = "roll_degrees",
        /// How much the encoder makes of the face.
        FeatureNorm = "feature_norm",
    }
}

/// A figure of a face's picture that missed its limit, whether it is too small or too large; both numbers are finite.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shortfall {
    figure: QualityFigure,
    value: f32,
    limit: f32,
}

impl fmt::Display for Shortfall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { figure, value, limit } = self;
        write!(f, "{} {value:.2}, the limit is {limit:.2}", figure.code())
    }
}

impl Shortfall {
    /// What was measured, and what it had to reach or not to exceed; none where either is not even a number, which
    /// nothing that is recorded could say.
    #[must_use]
    pub fn new(figure: QualityFigure, value: f32, limit: f32) -> Option<Self> {
        (value.is_finite() && limit.is_finite()).then_some(Self { figure, value, limit })
    }

    /// Which figure.
    #[must_use]
    pub fn figure(self) -> QualityFigure {
        self.figure
    }

    /// What was measured.
    #[must_use]
    pub fn value(self) -> f32 {
        self.value
    }

    /// What it had to reach, or not to exceed; of angles, to either side.
    #[must_use]
    pub fn limit(self) -> f32 {
        self.limit
    }
}
