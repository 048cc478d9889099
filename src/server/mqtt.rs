//! What the configuration says of the broker, with what its files hold.

use std::path::Path;

use anyhow::Context;
use tracing::warn;
use zeroize::Zeroizing;

use super::secret_file;
use crate::config::{Config, MqttConfig};
use crate::events::{Broker, MqttSettings, TlsSettings};

/// How events are published; none where no broker is named.
///
/// # Errors
/// When a file cannot be read; with the way out.
pub(super) fn settings(config: &Config) -> anyhow::Result<Option<MqttSettings>> {
    let mqtt = &config.mqtt;
    let Some(url) = mqtt.url.clone() else { return Ok(None) };
    if !url.has_tls() && !url.is_here() {
        warn!(%url, "mqtt: whoever is on the way to the broker reads who passes which gate: mqtts:// keeps it from them");
    }
    let broker = Broker {
        url,
        login: login(mqtt)?,
        client_id: mqtt.client_id.clone(),
        timeout: mqtt.timeout(),
    };
    Ok(Some(MqttSettings {
        broker,
        tls: tls(mqtt)?,
        topic: mqtt.topic.clone(),
        retry_min: mqtt.retry_min(),
        retry_max: mqtt.retry_max(),
        rows_max: config.events.rows_max,
    }))
}

fn login(mqtt: &MqttConfig) -> anyhow::Result<Option<(String, Zeroizing<String>)>> {
    let Some(username) = mqtt.username.clone() else { return Ok(None) };
    let password = match (&mqtt.password, &mqtt.password_file) {
        (Some(password), _) => Zeroizing::new(password.0.clone()),
        (None, Some(file)) => {
            let text = secret_file(file, "the password for the broker")
                .context("`password_file` in [mqtt] of config.toml")?;
            // The line's end is the editor's.
            Zeroizing::new(text.trim_end_matches(['\r', '\n']).to_owned())
        }
        (None, None) => Zeroizing::default(),
    };
    Ok(Some((username, password)))
}

fn tls(mqtt: &MqttConfig) -> anyhow::Result<TlsSettings> {
    let read = |file: &Path, setting: &str| {
        let said = || format!("`{setting}` in [mqtt] of config.toml: {}", file.display());
        std::fs::read(file).with_context(said)
    };
    let authorities = mqtt.ca_file.as_deref().map(|file| read(file, "ca_file")).transpose()?;
    let identity = match (&mqtt.client_cert_file, &mqtt.client_key_file) {
        (Some(certificate), Some(key)) => {
            let key = secret_file(key, "the key to Limen's certificate for the broker")
                .context("`client_key_file` in [mqtt] of config.toml")?;
            Some((read(certificate, "client_cert_file")?, key))
        }
        _ => None,
    };
    Ok(TlsSettings { authorities, identity })
}
