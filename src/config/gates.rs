//! `[gates]`

use std::path::PathBuf;
use std::time::Duration;

use chrono::TimeDelta;
use garde::Validate;
use serde::Deserialize;

/// Every gate, and what a new one has where its creation does not say.
#[derive(Clone, Debug, PartialEq, Deserialize, Validate)]
#[serde(default, deny_unknown_fields)]
pub struct GatesConfig {
    /// Milliseconds that a gate's clock may run ahead of ours; a frame from later than that is refused.
    #[garde(range(max = 600_000))]
    pub clock_skew_ms_max: u32,
    /// Milliseconds since a gate signed a request, after which it is refused.
    #[garde(range(min = 100, max = 600_000))]
    pub request_age_ms_max: u32,
    /// Milliseconds that a new gate opens for.
    #[garde(range(min = 100, max = 60_000))]
    pub open_ms: u32,
    /// Milliseconds that a frame of a new gate may be old.
    #[garde(range(min = 100, max = 600_000))]
    pub frame_age_ms_max: u32,
    /// The file with the key that grants are signed with; absent: they are not signed.
    #[garde(skip)]
    pub grant_key_file: Option<PathBuf>,
    /// Milliseconds that a signed grant holds; what is left to 5,000 is how far a gate's clock may be behind.
    #[garde(range(min = 100, max = 4_500))]
    pub grant_token_ms: u32,
}

impl Default for GatesConfig {
    fn default() -> Self {
        Self {
            clock_skew_ms_max: 2_000,
            request_age_ms_max: 5_000,
            open_ms: 3_000,
            frame_age_ms_max: 5_000,
            grant_key_file: None,
            grant_token_ms: 3_000,
        }
    }
}

impl GatesConfig {
    /// [`Self::clock_skew_ms_max`] as a duration.
    #[must_use]
    pub fn clock_skew_max(&self) -> TimeDelta {
        TimeDelta::milliseconds(self.clock_skew_ms_max.into())
    }

    /// [`Self::request_age_ms_max`] as a duration.
    #[must_use]
    pub fn request_age_max(&self) -> Duration {
        Duration::from_millis(self.request_age_ms_max.into())
    }

    /// [`Self::grant_token_ms`] as a duration.
    #[must_use]
    pub fn grant_token_lifetime(&self) -> TimeDelta {
        TimeDelta::milliseconds(self.grant_token_ms.into())
    }
}
