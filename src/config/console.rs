//! `[console]`

use std::time::Duration;

use garde::Validate;
use serde::Deserialize;

/// Who is signed in to the console, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Validate)]
#[serde(default, deny_unknown_fields)]
pub struct ConsoleConfig {
    /// Seconds that a session lasts, however much it is used.
    #[garde(range(min = 60, max = 2_592_000))]
    pub session_s_max: u32,
    /// Seconds that a session lasts that is not used.
    #[garde(range(min = 60, max = self.session_s_max))]
    pub session_idle_s_max: u32,
}

impl Default for ConsoleConfig {
    fn default() -> Self {
        Self { session_s_max: 43_200, session_idle_s_max: 3_600 }
    }
}

impl ConsoleConfig {
    /// [`Self::session_s_max`] as a duration.
    #[must_use]
    pub fn session_lifetime(&self) -> Duration {
        Duration::from_secs(self.session_s_max.into())
    }

    /// [`Self::session_idle_s_max`] as a duration.
    #[must_use]
    pub fn session_idle_max(&self) -> Duration {
        Duration::from_secs(self.session_idle_s_max.into())
    }
}
