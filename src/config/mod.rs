//! `config.toml`, overridden by environment variables, as typed sections that are checked at start.
//!
//! A variable `LIMEN_SECTION__KEY` overrides `key` of `[section]`, `LIMEN_ROAD__FRAME__BYTES_MAX`
//! one of `[road.frame]`; `DATABASE_URL` overrides `url` of `[database]`.

mod audit;
mod console;
mod database;
mod enrolment;
mod events;
mod gates;
mod inference;
mod invitations;
mod load;
mod log;
mod matching;
mod mqtt;
mod networks;
mod oidc;
mod photos;
mod previous;
mod privacy;
mod secrets;
mod server;

pub use audit::AuditConfig;
pub use console::ConsoleConfig;
pub use database::{DatabaseConfig, DatabaseUrl};
pub use enrolment::EnrolmentConfig;
pub use events::EventsConfig;
pub use gates::GatesConfig;
pub use inference::InferenceConfig;
pub use invitations::InvitationsConfig;
pub use load::ConfigError;
pub use log::LogConfig;
pub use matching::{MatchingConfig, VerifyBy};
pub use mqtt::{MqttConfig, PasswordText};
pub use oidc::OidcConfig;
pub use photos::PhotosConfig;
pub use previous::PreviousConfig;
pub use privacy::PrivacyConfig;
pub use secrets::{KeysText, SecretsConfig};
pub use server::ServerConfig;

use crate::domain::{Direction, GateMode, GatePolicy};
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
    /// `[previous]`
    pub previous: PreviousConfig,
    /// `[matching]`
    pub matching: MatchingConfig,
    /// `[gates]`
    pub gates: GatesConfig,
    /// `[enrolment]`
    pub enrolment: EnrolmentConfig,
    /// `[invitations]`
    pub invitations: InvitationsConfig,
    /// `[photos]`
    pub photos: PhotosConfig,
    /// `[audit]`
    pub audit: AuditConfig,
    /// `[events]`
    pub events: EventsConfig,
    /// `[mqtt]`
    pub mqtt: MqttConfig,
    /// `[privacy]`
    pub privacy: PrivacyConfig,
    /// `[console]`
    pub console: ConsoleConfig,
    /// `[oidc]`
    pub oidc: OidcConfig,
    /// `[log]`
    pub log: LogConfig,
}

/// `debounce_ms` of a new gate: nobody needs less from one gate to the next, and a face before two is two people's.
const DEBOUNCE_MS: u32 = 2_000;

impl Config {
    /// What a new gate demands where its creation does not say.
    #[must_use]
    pub fn new_gate(&self) -> GatePolicy {
        GatePolicy {
            enabled: true,
            open_ms: self.gates.open_ms,
            frame_age_ms_max: self.gates.frame_age_ms_max,
            pupil_distance_px_min: self.matching.pupil_distance_px_min,
            mode: GateMode::BadgeOrFace,
            liveness_threshold: Some(self.matching.liveness_threshold),
            zone_id: None,
            direction: Direction::In,
            debounce_ms: DEBOUNCE_MS,
            signed_requests: false,
        }
    }
}
