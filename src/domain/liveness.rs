//! How sure the liveness network is.

use serde::{Deserialize, Serialize};

use super::OutOfRange;

/// How sure the liveness network is that the face is alive: 0 (an attack) to 1 (alive).
///
/// Also the type of the threshold, which a live face must reach.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(try_from = "f32", into = "f32")]
pub struct LivenessScore(f32);

impl LivenessScore {
    /// The number, 0 to 1.
    #[must_use]
    pub fn value(self) -> f32 {
        self.0
    }

    /// Alive? Only when the score reaches the threshold.
    #[must_use]
    pub fn is_live(self, threshold: Self) -> bool {
        self.0 >= threshold.0
    }
}

impl TryFrom<f32> for LivenessScore {
    type Error = OutOfRange;

    fn try_from(value: f32) -> Result<Self, OutOfRange> {
        if (0.0..=1.0).contains(&value) {
            Ok(Self(value))
        } else {
            Err(OutOfRange { what: "a liveness score", range: "0 to 1", value })
        }
    }
}

impl From<LivenessScore> for f32 {
    fn from(score: LivenessScore) -> f32 {
        score.0
    }
}
