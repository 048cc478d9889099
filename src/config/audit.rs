//! `[audit]`

use std::path::PathBuf;
use std::time::Duration;

use garde::Validate;
use serde::Deserialize;

/// How the trail's signed heads are kept.
#[derive(Clone, Debug, PartialEq, Deserialize, Validate)]
#[serde(default, deny_unknown_fields)]
pub struct AuditConfig {
    /// The file that they are appended to, a line of JSON each; absent: they are not kept.
    #[garde(skip)]
    pub heads_file: Option<PathBuf>,
    /// Seconds between two looks at them.
    #[garde(range(min = 1, max = 86_400))]
    pub heads_interval_s: u64,
}

impl Default for AuditConfig {
    fn default() -> Self {
        Self { heads_file: None, heads_interval_s: 60 }
    }
}

impl AuditConfig {
    /// [`Self::heads_interval_s`] as a duration.
    #[must_use]
    pub fn heads_interval(&self) -> Duration {
        Duration::from_secs(self.heads_interval_s)
    }
}
