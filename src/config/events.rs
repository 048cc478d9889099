//! `[events]`

use std::time::Duration;

use garde::Validate;
use serde::Deserialize;

use crate::domain::WebhookHosts;

/// Those who follow the trail.
#[derive(Clone, Debug, PartialEq, Deserialize, Validate)]
#[serde(default, deny_unknown_fields)]
pub struct EventsConfig {
    /// Streams that are open at once, of this replica.
    #[garde(range(min = 1, max = 10_000))]
    pub streams_max: usize,
    /// Those of them that one key may have.
    #[garde(range(min = 1, max = 10_000))]
    pub streams_per_key_max: usize,
    /// Passages that one statement reads.
    #[garde(range(min = 1, max = 10_000))]
    pub rows_max: u32,
    /// Hosts that webhooks may be posted to; absent: any.
    #[garde(skip)]
    pub webhook_hosts: WebhookHosts,
    /// Milliseconds that a webhook's answer is awaited.
    #[garde(range(min = 100, max = 60_000))]
    pub webhook_timeout_ms: u64,
    /// How often an event is tried before it becomes a dead letter.
    #[garde(range(min = 1, max = 100))]
    pub webhook_attempts_max: u32,
    /// Milliseconds until the first retry; the wait doubles with each, and up to as much again is added at random.
    #[garde(range(min = 10, max = 60_000))]
    pub webhook_retry_ms_min: u64,
    /// Milliseconds of the longest wait.
    #[garde(range(min = 10, max = 86_400_000))]
    pub webhook_retry_ms_max: u64,
}

impl Default for EventsConfig {
    fn default() -> Self {
        Self {
            streams_max: 64,
            streams_per_key_max: 16,
            rows_max: 500,
            webhook_hosts: WebhookHosts::default(),
            webhook_timeout_ms: 5_000,
            webhook_attempts_max: 10,
            webhook_retry_ms_min: 1_000,
            webhook_retry_ms_max: 300_000,
        }
    }
}

impl EventsConfig {
    /// [`Self::webhook_timeout_ms`] as a duration.
    #[must_use]
    pub fn webhook_timeout(&self) -> Duration {
        Duration::from_millis(self.webhook_timeout_ms)
    }

    /// [`Self::webhook_retry_ms_min`] as a duration.
    #[must_use]
    pub fn webhook_retry_min(&self) -> Duration {
        Duration::from_millis(self.webhook_retry_ms_min)
    }

    /// [`Self::webhook_retry_ms_max`] as a duration.
    #[must_use]
    pub fn webhook_retry_max(&self) -> Duration {
        Duration::from_millis(self.webhook_retry_ms_max)
    }
}
