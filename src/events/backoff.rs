//! How long to wait before what failed is tried again.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};

/// Twice as long with each failure, and up to as much again at random.
#[derive(Clone, Copy, Debug)]
pub(super) struct Backoff {
    /// After the first failure.
    pub min: Duration,
    /// The longest.
    pub max: Duration,
}

impl Backoff {
    /// The wait after so many failures.
    pub fn after(self, failures: u32) -> Duration {
        let waits = ExponentialBuilder::default()
            .with_min_delay(self.min)
            .with_max_delay(self.max)
            .with_factor(2.0)
            .with_jitter()
            .without_max_times()
            .build();
        waits.take(failures as usize).last().unwrap_or(self.min)
    }
}
