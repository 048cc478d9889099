//! `[gates]`

use chrono::TimeDelta;
use garde::Validate;
use serde::Deserialize;

/// Every gate, and what a new one has where its creation does not say.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Validate)]
#[serde(default, deny_unknown_fields)]
pub struct GatesConfig {
    /// Milliseconds that a gate's clock may run ahead of ours; a frame from later than that is refused.
    #[garde(range(max = 600_000))]
    pub clock_skew_ms_max: u32,
    /// Milliseconds that a new gate opens for.
    #[garde(range(min = 100, max = 60_000))]
    pub open_ms: u32,
    /// Milliseconds that a frame of a new gate may be old.
    #[garde(range(min = 100, max = 600_000))]
    pub frame_age_ms_max: u32,
}

impl Default for GatesConfig {
    fn default() -> Self {
        Self { clock_skew_ms_max: 2_000, open_ms: 3_000, frame_age_ms_max: 5_000 }
    }
}

impl GatesConfig {
    /// [`Self::clock_skew_ms_max`] as a duration.
    #[must_use]
    pub fn clock_skew_max(&self) -> TimeDelta {
        TimeDelta::milliseconds(self.clock_skew_ms_max.into())
    }
}
