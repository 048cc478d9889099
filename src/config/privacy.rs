//! `[privacy]`

use std::time::Duration;

use chrono::TimeDelta;
use garde::Validate;
use serde::Deserialize;

/// What is asked before a face is enrolled, and how long things are kept.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Validate)]
#[serde(default, deny_unknown_fields)]
pub struct PrivacyConfig {
    /// Whether a face is enrolled only where a consent of the person's is on record.
    #[garde(skip)]
    pub consent_required: bool,
    /// Days after which passages are purged; absent: never. More than anti-passback looks back.
    #[garde(range(min = 31, max = 36_500))]
    pub passages_days: Option<u32>,
    /// Days after which people who were revoked, or whose validity ended, are erased; absent: never.
    #[garde(range(min = 1, max = 36_500))]
    pub leavers_days: Option<u32>,
    /// Days after which imports that ended are removed, with what became of their rows.
    #[garde(range(min = 1, max = 36_500))]
    pub imports_days: u32,
    /// Seconds between two looks for what is to go.
    #[garde(range(min = 1, max = 604_800))]
    pub retention_interval_s: u64,
}

impl Default for PrivacyConfig {
    fn default() -> Self {
        Self {
            consent_required: false,
            passages_days: None,
            leavers_days: None,
            imports_days: 30,
            retention_interval_s: 3_600,
        }
    }
}

impl PrivacyConfig {
    /// [`Self::retention_interval_s`] as a duration.
    #[must_use]
    pub fn retention_interval(&self) -> Duration {
        Duration::from_secs(self.retention_interval_s)
    }

    /// How long passages are kept.
    #[must_use]
    pub fn passages_kept(&self) -> Option<TimeDelta> {
        self.passages_days.map(|days| TimeDelta::days(days.into()))
    }

    /// How long imports are kept.
    #[must_use]
    pub fn imports_kept(&self) -> TimeDelta {
        TimeDelta::days(self.imports_days.into())
    }

    /// How long leavers are kept.
    #[must_use]
    pub fn leavers_kept(&self) -> Option<TimeDelta> {
        self.leavers_days.map(|days| TimeDelta::days(days.into()))
    }
}
