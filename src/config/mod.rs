//! `config.toml`, overridden by environment variables, as typed sections that are checked at start.
//!
//! A variable `LIMEN_SECTION__KEY` overrides `key` of `[section]`, `LIMEN_ROAD__FRAME__BYTES_MAX`
//! one of `[road.frame]`; `DATABASE_URL` overrides `url` of `[database]`.

mod database;
mod enrolment;
mod events;
mod gates;
mod inference;
mod load;
mod log;
mod matching;
mod networks;
mod privacy;
mod secrets;
mod server;

pub use database::{DatabaseConfig, DatabaseUrl};
pub use enrolment::EnrolmentConfig;
pub use events::EventsConfig;
pub use gates::GatesConfig;
pub use inference::InferenceConfig;
pub use load::ConfigError;
pub use log::LogConfig;
pub use matching::MatchingConfig;
pub use privacy::PrivacyConfig;
pub use secrets::{KeysText, SecretsConfig};
pub use server::ServerConfig;

use crate::vision::RoadSettings;

/// Everything that can be configured.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// `[server]`
    pub server: ServerConfig,
    /// `[database]`
    pub database: DatabaseConfig,
    /// `[secrets]`
    pub secrets: SecretsConfig,
    /// `[inference]`
    pub inference: InferenceConfig,
    /// `[road]`
    pub road: RoadSettings,
    /// `[matching]`
    pub matching: MatchingConfig,
    /// `[gates]`
    pub gates: GatesConfig,
    /// `[enrolment]`
    pub enrolment: EnrolmentConfig,
    /// `[events]`
    pub events: EventsConfig,
    /// `[privacy]`
    pub privacy: PrivacyConfig,
    /// `[log]`
    pub log: LogConfig,
}
