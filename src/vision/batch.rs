//! How frames travel over a GPU together.

use std::time::Duration;

use serde::Deserialize;

use crate::nets::Batching;

/// How frames travel over a GPU together. On the processor every worker computes for itself.
#[derive(Clone, Debug, PartialEq, Deserialize, garde::Validate)]
#[serde(default, deny_unknown_fields)]
pub struct BatchSettings {
    /// The most pictures that a network is shown at once; rounded up to a power of two.
    #[garde(range(min = 1, max = 1_024))]
    pub pictures_max: usize,
    /// Microseconds that the first of them waits for others, as long as other frames are under way; 0: a
    /// batch is what has come while the one before was computed, which has measured best.
    #[garde(range(max = 100_000))]
    pub wait_us: u64,
}

impl Default for BatchSettings {
    fn default() -> Self {
        Self { pictures_max: 64, wait_us: 0 }
    }
}

impl From<&BatchSettings> for Batching {
    fn from(settings: &BatchSettings) -> Self {
        Self {
            pictures_max: settings.pictures_max.next_power_of_two(),
            wait: Duration::from_micros(settings.wait_us),
        }
    }
}
