//! `[photos]`

use chrono::TimeDelta;
use garde::Validate;
use serde::Deserialize;

/// Whether photos are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize, Validate)]
#[serde(default, deny_unknown_fields)]
pub struct PhotosConfig {
    /// Whether the picture of an enrolled face is kept, sealed, so that another encoder can encode it anew.
    #[garde(skip)]
    pub keep: bool,
    /// Days after which it is purged; absent: it stays as long as the face.
    #[garde(range(min = 1, max = 36_500))]
    pub retention_days: Option<u32>,
}

impl PhotosConfig {
    /// How long photos are kept: no time where none are; none: as long as their faces.
    #[must_use]
    pub fn kept(&self) -> Option<TimeDelta> {
        if self.keep {
            self.retention_days.map(|days| TimeDelta::days(days.into()))
        } else {
            Some(TimeDelta::zero())
        }
    }
}
