//! `[database]`

use std::fmt;
use std::time::Duration;

use garde::Validate;
use serde::Deserialize;

use crate::store::StoreSettings;

/// A connection string; its password must never reach a log.
#[derive(Clone, PartialEq, Deserialize)]
#[serde(transparent)]
pub struct DatabaseUrl(pub String);

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DatabaseUrl(..)")
    }
}

/// Postgres.
#[derive(Clone, Debug, PartialEq, Deserialize, Validate)]
#[serde(default, deny_unknown_fields)]
pub struct DatabaseConfig {
    /// `postgres://user:password@host:port/database`.
    #[garde(custom(names_a_database))]
    pub url: DatabaseUrl,
    /// Connections for requests; three more hear of changes and of passages, and keep the right to deliver webhooks, and a
    /// fourth the right to publish to a broker, where there is one.
    #[garde(range(min = 2, max = 1_000))]
    pub connections_max: u32,
    /// Milliseconds that a request waits for a connection.
    #[garde(range(min = 10, max = 60_000))]
    pub acquire_timeout_ms: u64,
    /// Milliseconds that Postgres may work on one statement.
    #[garde(range(min = 10, max = 600_000))]
    pub statement_timeout_ms: u64,
    /// People that one statement reads when the gallery is loaded.
    #[garde(range(min = 1, max = 1_000_000))]
    pub gallery_page_people: u32,
    /// Seconds after which the gallery is loaded whole again, whatever was heard.
    #[garde(range(min = 1, max = 86_400))]
    pub resync_interval_s: u64,
    /// Milliseconds until that is tried again after a failure.
    #[garde(range(min = 10, max = 600_000))]
    pub resync_retry_ms: u64,
}

impl Default for DatabaseConfig {
    fn default() -> Self {
        Self {
            url: DatabaseUrl("postgres://localhost/limen".to_owned()),
            connections_max: 10,
            acquire_timeout_ms: 2_000,
            statement_timeout_ms: 5_000,
            gallery_page_people: 8192,
            resync_interval_s: 600,
            resync_retry_ms: 1_000,
        }
    }
}

impl DatabaseConfig {
    /// How the store reaches Postgres.
    #[must_use]
    pub fn store(&self) -> StoreSettings {
        StoreSettings {
            url: self.url.0.clone(),
            connections_max: self.connections_max,
            acquire_timeout: Duration::from_millis(self.acquire_timeout_ms),
            statement_timeout: Duration::from_millis(self.statement_timeout_ms),
            gallery_page_people: self.gallery_page_people,
        }
    }
}

/// The message does not repeat the URL, which may hold a password.
fn names_a_database(url: &DatabaseUrl, (): &()) -> garde::Result {
    if StoreSettings::is_url(&url.0) {
        return Ok(());
    }
    Err(garde::Error::new("must be postgres://user:password@host:port/database"))
}
