//! `[log]`

use garde::Validate;
use serde::Deserialize;

use crate::telemetry::{self, LogFormat};

/// The log.
#[derive(Clone, Debug, PartialEq, Deserialize, Validate)]
#[serde(default, deny_unknown_fields)]
pub struct LogConfig {
    /// What is logged, in `tracing`'s form.
    #[garde(length(min = 1, max = 1_000), custom(is_filter))]
    pub filter: String,
    /// `text` or `json`.
    #[garde(skip)]
    pub format: LogFormat,
}

fn is_filter(filter: &str, (): &()) -> garde::Result {
    telemetry::check_filter(filter).map_err(garde::Error::new)
}

impl Default for LogConfig {
    fn default() -> Self {
        Self { filter: "info,sqlx=warn,rumqttc=error".to_owned(), format: LogFormat::Text }
    }
}
