//! `[mqtt]`

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use garde::Validate;
use serde::Deserialize;

use crate::domain::BrokerUrl;

/// A password; it must never reach a log.
#[derive(Clone, PartialEq, Deserialize)]
#[serde(transparent)]
pub struct PasswordText(pub String);

impl fmt::Debug for PasswordText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordText(..)")
    }
}

/// The broker that events are published to.
#[derive(Clone, Debug, PartialEq, Deserialize, Validate)]
#[serde(default, deny_unknown_fields)]
pub struct MqttConfig {
    /// `mqtts://host:port`; absent: nothing is published.
    #[garde(custom(keeps_secrets(self)))]
    pub url: Option<BrokerUrl>,
    /// Who Limen is to the broker.
    #[garde(custom(has_one_password(self)))]
    pub username: Option<String>,
    /// The password itself, for the variable `LIMEN_MQTT__PASSWORD`.
    #[garde(skip)]
    pub password: Option<PasswordText>,
    /// The file with the password.
    #[garde(skip)]
    pub password_file: Option<PathBuf>,
    /// The authorities that the broker's certificate may come from, as PEM; absent: those of the system.
    #[garde(skip)]
    pub ca_file: Option<PathBuf>,
    /// The certificate that Limen shows to the broker, as PEM,
    #[garde(custom(has_its_key(&self.client_key_file)))]
    pub client_cert_file: Option<PathBuf>,
    /// and the key to it.
    #[garde(skip)]
    pub client_key_file: Option<PathBuf>,
    /// What every topic begins with.
    #[garde(custom(is_a_topic))]
    pub topic: String,
    /// The name of the connection, which no other client of the broker may have.
    #[garde(length(bytes, min = 1, max = 100))]
    pub client_id: String,
    /// Milliseconds that the broker may take to acknowledge anything.
    #[garde(range(min = 1_000, max = 60_000))]
    pub timeout_ms: u64,
    /// Milliseconds until what failed is tried again; the wait doubles with each failure, and up to as much again is
    /// added at random.
    #[garde(range(min = 10, max = 60_000))]
    pub retry_ms_min: u64,
    /// Milliseconds of the longest wait.
    #[garde(range(min = 10, max = 86_400_000))]
    pub retry_ms_max: u64,
}

impl Default for MqttConfig {
    fn default() -> Self {
        Self {
            url: None,
            username: None,
            password: None,
            password_file: None,
            ca_file: None,
            client_cert_file: None,
            client_key_file: None,
            topic: "limen".to_owned(),
            client_id: "limen".to_owned(),
            timeout_ms: 10_000,
            retry_ms_min: 1_000,
            retry_ms_max: 60_000,
        }
    }
}

impl MqttConfig {
    /// [`Self::timeout_ms`] as a duration.
    #[must_use]
    pub fn timeout(&self) -> Duration {
        Duration::from_millis(self.timeout_ms)
    }

    /// [`Self::retry_ms_min`] as a duration.
    #[must_use]
    pub fn retry_min(&self) -> Duration {
        Duration::from_millis(self.retry_ms_min)
    }

    /// [`Self::retry_ms_max`] as a duration.
    #[must_use]
    pub fn retry_max(&self) -> Duration {
        Duration::from_millis(self.retry_ms_max)
    }

    fn has_password(&self) -> bool {
        self.password.is_some() || self.password_file.is_some()
    }
}

/// What is meant to be secret does not travel in the clear, and what needs TLS is not left unused.
fn keeps_secrets(config: &MqttConfig) -> impl FnOnce(&Option<BrokerUrl>, &()) -> garde::Result {
    move |url, ()| {
        let Some(url) = url.as_ref().filter(|url| !url.has_tls()) else { return Ok(()) };
        if config.has_password() && !url.is_here() {
            return Err(garde::Error::new(
                "the password would travel in the clear: mqtts://, or no password",
            ));
        }
        if config.ca_file.is_some() || config.client_cert_file.is_some() {
            return Err(garde::Error::new(
                "ca_file and client_cert_file are for mqtts://, which this is not",
            ));
        }
        Ok(())
    }
}

fn has_one_password(config: &MqttConfig) -> impl FnOnce(&Option<String>, &()) -> garde::Result {
    move |username, ()| {
        if config.password.is_some() && config.password_file.is_some() {
            return Err(garde::Error::new(
                "password and password_file are both set: the password comes from one place",
            ));
        }
        if username.is_none() && config.has_password() {
            return Err(garde::Error::new("a password is set, and not whose it is"));
        }
        Ok(())
    }
}

fn has_its_key(key: &Option<PathBuf>) -> impl FnOnce(&Option<PathBuf>, &()) -> garde::Result {
    move |certificate, ()| {
        if certificate.is_some() == key.is_some() {
            return Ok(());
        }
        Err(garde::Error::new("client_cert_file and client_key_file go together"))
    }
}

/// One that may be published under, with room for what follows it.
fn is_a_topic(topic: &str, (): &()) -> garde::Result {
    let sound = (1..=200).contains(&topic.len())
        && !topic.starts_with(['/', '$'])
        && !topic.ends_with('/')
        && !topic.contains(|c: char| matches!(c, '+' | '#') || c.is_control());
    if sound {
        return Ok(());
    }
    Err(garde::Error::new(
        "a topic has 1 to 200 bytes without +, # and control characters, and begins with neither / nor $",
    ))
}
