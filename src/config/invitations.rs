//! `[invitations]`

use std::time::Duration;

use garde::Validate;
use serde::Deserialize;

use crate::domain::PageUrl;

/// Links with which people photograph themselves.
#[derive(Clone, Debug, PartialEq, Deserialize, Validate)]
#[serde(default, deny_unknown_fields)]
pub struct InvitationsConfig {
    /// Seconds that an invitation holds where its creation does not say.
    #[garde(range(min = 60, max = self.lifetime_s_max))]
    pub lifetime_s: u32,
    /// The most seconds that one may hold.
    #[garde(range(min = 60, max = 31_536_000))]
    pub lifetime_s_max: u32,
    /// Photos that may be sent with one before it is over.
    #[garde(range(min = 1, max = 1_000))]
    pub attempts_max: u32,
    /// Where people can read what they agree to; absent: the page names its version alone.
    #[garde(skip)]
    pub consent_url: Option<PageUrl>,
}

impl Default for InvitationsConfig {
    fn default() -> Self {
        Self { lifetime_s: 604_800, lifetime_s_max: 2_592_000, attempts_max: 20, consent_url: None }
    }
}

impl InvitationsConfig {
    /// [`Self::lifetime_s`] as a duration.
    #[must_use]
    pub fn lifetime(&self) -> Duration {
        Duration::from_secs(self.lifetime_s.into())
    }

    /// [`Self::lifetime_s_max`] as a duration.
    #[must_use]
    pub fn lifetime_max(&self) -> Duration {
        Duration::from_secs(self.lifetime_s_max.into())
    }
}
