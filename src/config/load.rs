//! From the file and the environment to checked sections, with everything that is wrong at once.

use std::path::Path;

use figment::Figment;
use figment::providers::{Env, Format, Serialized, Toml};
use figment::value::Value;
use garde::Validate;
use serde::de::DeserializeOwned;

use super::{Config, PreviousConfig};
use crate::inference::EngineSettings;
use crate::vision::Device;

/// Workers for each core where a GPU computes.
const WORKERS_PER_CORE_GPU: usize = 4;

/// Everything that is wrong with the configuration, at once.
#[derive(Debug, thiserror::Error)]
#[error("the configuration is not valid:\n{}", .0.iter().map(|e| format!("  - {e}")).collect::<Vec<_>>().join("\n"))]
pub struct ConfigError(pub Vec<String>);

impl Config {
    const SECTIONS: &[&'static str] = &[
        "server",
        "database",
        "secrets",
        "inference",
        "road",
        "previous",
        "matching",
        "gates",
        "enrolment",
        "invitations",
        "photos",
        "audit",
        "events",
        "mqtt",
        "privacy",
        "console",
        "oidc",
        "log",
    ];

    /// Reads `file` (a missing one only when it was not named explicitly: `None` means
    /// `config.toml` if there is one) and the environment.
    ///
    /// # Errors
    /// [`ConfigError`] with everything that is wrong.
    pub fn load(file: Option<&Path>) -> Result<Self, ConfigError> {
        let path = file.unwrap_or(Path::new("config.toml"));
        if file.is_some() && !path.is_file() {
            return Err(ConfigError(vec![format!("{} does not exist", path.display())]));
        }
        let file =
            if path.is_file() { Figment::from(Toml::file_exact(path)) } else { Figment::new() };
        let figment = file.merge(environment());
        let figment = match std::env::var("DATABASE_URL") {
            Ok(url) if !url.is_empty() => figment.merge(Serialized::default("database.url", url)),
            _ => figment,
        };
        // A name that is not UTF-8 is none of ours.
        let names = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
        Self::from_figment(&figment, names.filter_map(|name| misspelling(&name)).collect())
    }

    /// `errors`: what is known to be wrong already.
    fn from_figment(figment: &Figment, mut errors: Vec<String>) -> Result<Self, ConfigError> {
        match figment.extract::<figment::value::Dict>() {
            Ok(sections) => errors.extend(
                sections
                    .keys()
                    .filter(|key| !Self::SECTIONS.contains(&key.as_str()))
                    .map(|key| format!("there is no section [{key}]")),
            ),
            // The file itself does not parse: its sections would all say so again.
            Err(error) => {
                errors.extend(error.into_iter().map(|e| e.to_string()));
                return Err(ConfigError(errors));
            }
        }
        let config = Self {
            server: section(figment, "server", &mut errors),
            database: section(figment, "database", &mut errors),
            secrets: section(figment, "secrets", &mut errors),
            inference: section(figment, "inference", &mut errors),
            road: section(figment, "road", &mut errors),
            previous: section(figment, "previous", &mut errors),
            matching: section(figment, "matching", &mut errors),
            gates: section(figment, "gates", &mut errors),
            enrolment: section(figment, "enrolment", &mut errors),
            invitations: section(figment, "invitations", &mut errors),
            photos: section(figment, "photos", &mut errors),
            audit: section(figment, "audit", &mut errors),
            events: section(figment, "events", &mut errors),
            mqtt: section(figment, "mqtt", &mut errors),
            privacy: section(figment, "privacy", &mut errors),
            console: section(figment, "console", &mut errors),
            oidc: section(figment, "oidc", &mut errors),
            log: section(figment, "log", &mut errors),
        };
        let frames =
            config.server.frames_per_passage_max.saturating_mul(config.road.frame.bytes_max);
        let passage = frames.saturating_add(config.server.form_bytes_max);
        if config.server.frame_bytes_in_flight_max < passage {
            errors.push(format!(
                "server.frame_bytes_in_flight_max: the largest passage, frames_per_passage_max times \
                 road.frame.bytes_max and form_bytes_max around them, has {passage} bytes"
            ));
        }
        if config.previous.encoder.is_none() && config.previous != PreviousConfig::default() {
            errors.push("previous.encoder: it must say which encoder the rest is about".to_owned());
        }
        if config.oidc.issuer.is_some() {
            errors.extend(config.oidc.amiss(&config.server));
        }
        for (wait, min, max) in [
            (
                "events.webhook_retry_ms",
                config.events.webhook_retry_ms_min,
                config.events.webhook_retry_ms_max,
            ),
            ("mqtt.retry_ms", config.mqtt.retry_ms_min, config.mqtt.retry_ms_max),
        ] {
            if min > max {
                errors.push(format!("{wait}_min: {min} is more than {wait}_max, which is {max}"));
            }
        }
        if errors.is_empty() { Ok(config) } else { Err(ConfigError(errors)) }
    }

    /// How the inference engine runs.
    #[must_use]
    pub fn engine(&self) -> EngineSettings {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let or = |value: usize, default: usize| if value == 0 { default } else { value };
        // On a GPU a worker mostly waits, and a batch is made of what several bring.
        let each_core = if self.road.device == Device::Cpu { 1 } else { WORKERS_PER_CORE_GPU };
        let workers = or(self.inference.workers, cores * each_core);
        EngineSettings {
            weights_dir: self.inference.weights_dir.clone(),
            road: self.road.clone(),
            previous: self.previous_encoder(),
            workers,
            queue_max: or(self.inference.queue_max, workers),
        }
    }
}

/// What is wrong with the name of a variable that means a section and does not reach it.
fn misspelling(name: &str) -> Option<String> {
    let rest = name.strip_prefix("LIMEN_")?;
    let section = Config::SECTIONS.iter().find(|section| {
        let after = rest.strip_prefix(&section.to_uppercase());
        after.is_some_and(|after| after.is_empty() || after.starts_with('_'))
    })?;
    let prefix = format!("LIMEN_{}__", section.to_uppercase());
    (!name.starts_with(&prefix)).then(|| format!("{name} sets nothing: write {prefix}KEY"))
}

/// `LIMEN_SECTION__KEY`; a variable without `__` (`LIMEN_CONFIG`, ...) is none of ours.
fn environment() -> Env {
    Env::prefixed("LIMEN_").filter(|key| key.as_str().contains("__")).split("__")
}

/// One section, checked; what is wrong with it goes to `errors`. A key that does not fit is told of
/// and left out, so that the next one is looked at too.
fn section<T>(figment: &Figment, name: &str, errors: &mut Vec<String>) -> T
where
    T: DeserializeOwned + Default + Validate<Context = ()>,
{
    let Ok(mut value) = figment.find_value(name) else { return T::default() };
    loop {
        let error = match value.deserialize::<T>() {
            Ok(section) => {
                if let Err(report) = section.validate() {
                    errors.extend(report.iter().map(|(path, e)| format!("{name}.{path}: {e}")));
                }
                return section;
            }
            Err(error) => error,
        };
        errors.push(located(name, &error));
        if !remove(&mut value, &error.path) {
            return T::default();
        }
    }
}

/// Removes the key at `path`; false when there is none.
fn remove(value: &mut Value, path: &[String]) -> bool {
    match (value, path) {
        (Value::Dict(_, keys), [key]) => keys.remove(key).is_some(),
        (Value::Dict(_, keys), [key, rest @ ..]) => {
            keys.get_mut(key).is_some_and(|value| remove(value, rest))
        }
        _ => false,
    }
}

/// An error with the key it is about, as it would be written: `road.frame.bytes_max: ...`.
fn located(section: &str, error: &figment::Error) -> String {
    let key = [vec![section.to_owned()], error.path.clone()].concat().join(".");
    format!("{key}: {}", error.kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(toml: &str) -> Result<Config, ConfigError> {
        Config::from_figment(&Figment::new().merge(Toml::string(toml)), Vec::new())
    }

    #[test]
    fn a_variable_that_misses_its_section_is_an_error_and_other_variables_are_not() {
        for wrong in ["LIMEN_SERVER_BIND", "LIMEN_ROAD", "LIMEN_LOG_FILTER"] {
            assert!(misspelling(wrong).is_some(), "{wrong}");
        }
        for right in ["LIMEN_SERVER__BIND", "LIMEN_CONFIG", "LIMEN_SERVICE_HOST", "LIMEN_ROADS_X"] {
            assert_eq!(misspelling(right), None, "{right}");
        }
    }

    #[test]
    fn limits_that_contradict_each_other_are_refused() {
        let quality = load("[road.quality]\nbrightness_min = 230.0").unwrap_err().to_string();
        assert!(quality.contains("brightness_max"), "{quality}");
        let memory =
            load("[server]\nframe_bytes_in_flight_max = 52445183").unwrap_err().to_string();
        assert!(memory.contains("52445184"), "{memory}");
        let sides = load("[road.detect]\nside_px_min = 2000").unwrap_err().to_string();
        assert!(sides.contains("side_px_min"), "{sides}");
    }

    #[test]
    fn the_committed_file_states_exactly_the_defaults() {
        let config = load(include_str!("../../config.toml")).unwrap();
        assert_eq!(format!("{config:?}"), format!("{:?}", Config::default()));
    }

    #[test]
    fn all_errors_are_told_at_once() {
        let error = load(
            "[server]\nconnections_max = 0\nbind = \"here\"\n\
             [matching]\nverify_threshold = 5.0\n[log]\ncolour = true\n[sever]\nbind = 1",
        )
        .unwrap_err()
        .to_string();
        for part in ["connections_max", "bind", "verify_threshold", "colour", "[sever]"] {
            assert!(error.contains(part), "{part} is missing in: {error}");
        }
    }

    #[test]
    fn misspelt_variables_and_a_url_of_another_database_are_told_with_the_rest() {
        let text = "[database]\nurl = \"mysql://u:secret@h/d\"\n[server]\nconnections_max = 0";
        let figment = Figment::new().merge(Toml::string(text));
        let error = Config::from_figment(&figment, vec!["LIMEN_SERVER_BIND sets nothing".into()]);
        let error = error.unwrap_err().to_string();
        for part in ["LIMEN_SERVER_BIND", "database.url", "postgres://", "connections_max"] {
            assert!(error.contains(part), "{part} is missing in: {error}");
        }
        assert!(!error.contains("secret"), "{error}");
    }

    #[test]
    fn a_number_out_of_range_is_refused_with_its_name_and_the_limit() {
        let error = load("[inference]\nqueue_max = 10001").unwrap_err().to_string();
        assert!(error.contains("inference.queue_max") && error.contains("10000"), "{error}");
    }

    #[test]
    fn keys_from_two_places_are_refused_and_do_not_reach_the_debug_output() {
        let keys = "[secrets]\nkeys = \"SECRET\"\n";
        assert!(!format!("{:?}", load(keys).unwrap()).contains("SECRET"));
        for other in ["keys_file = \"limen.keys\"", "keys_command = \"pass limen\""] {
            let error = load(&format!("{keys}{other}")).unwrap_err().to_string();
            assert!(error.contains("keys and keys_") && !error.contains("SECRET"), "{error}");
        }
        load("[secrets]\nkeys_file = \"limen.keys\"").unwrap();
    }

    #[test]
    fn a_brokers_password_is_sent_in_the_clear_to_nobody_and_stays_out_of_the_debug_output() {
        let broker = |url: &str, more: &str| {
            load(&format!(
                "[mqtt]\nurl = \"{url}\"\nusername = \"limen\"\npassword = \"SECRET\"\n{more}"
            ))
        };
        for url in ["mqtts://broker.example.org", "mqtt://127.0.0.1:1884"] {
            assert!(!format!("{:?}", broker(url, "").unwrap()).contains("SECRET"));
        }
        for (url, more, part) in [
            ("mqtt://broker.example.org", "", "in the clear"),
            ("mqtt://limen:SECRET@broker.example.org", "", "password_file"),
            ("mqtts://broker.example.org", "password_file = \"password\"", "one place"),
            ("mqtts://broker.example.org", "client_cert_file = \"limen.pem\"", "go together"),
            ("mqtts://broker.example.org", "topic = \"limen/#\"", "mqtt.topic"),
            ("mqtt://127.0.0.1", "ca_file = \"ca.pem\"", "mqtts"),
        ] {
            let error = broker(url, more).unwrap_err().to_string();
            assert!(error.contains(part) && !error.contains("SECRET"), "{error}");
        }
    }

    #[test]
    fn a_provider_that_nobody_could_sign_in_by_or_that_would_be_asked_in_the_clear_is_refused() {
        let provider = |issuer: &str, more: &str, base: &str, roles: &str| {
            load(&format!(
                "[oidc]\nissuer = \"{issuer}\"\nclient_secret = \"SECRET\"\n{more}\n\
                 [server]\n{base}\n[oidc.roles]\n{roles}"
            ))
        };
        let base = "base_url = \"https://limen.example.org\"";
        let desk = "desk = [\"officer\", \"enroller\"]";
        for issuer in ["https://login.example.org/realms/staff", "http://localhost:9400"] {
            let config = provider(issuer, "", base, desk).unwrap();
            assert_eq!(config.oidc.issuer.as_deref(), Some(issuer), "letter by letter");
            assert!(!format!("{config:?}").contains("SECRET"));
        }
        let https = "https://login.example.org";
        for (issuer, more, base, roles, part) in [
            ("http://login.example.org", "", base, desk, "https alone"),
            ("login.example.org", "", base, desk, "not a URL"),
            ("https://login.example.org/?realm=staff", "", base, desk, "a query"),
            (https, "client_secret_file = \"oidc.secret\"", base, desk, "one place"),
            (https, "roles_claim = \"/\"", base, desk, "JSON pointer"),
            (https, "", "", desk, "`base_url` of [server]"),
            (https, "", "base_url = \"http://limen.lan\"", desk, "an https address"),
            (https, "", "base_url = \"https://example.org/limen\"", desk, "without a path"),
            (https, "timeout_ms = 10000", base, desk, "request_timeout_ms"),
            (https, "", base, "", "nobody could sign in"),
            (https, "", base, "desk = []", "may nothing"),
            (https, "", base, "desk = [\"gate\"]", "is for machines"),
            (https, "", base, "desk = [\"boss\"]", "oidc.roles.desk"),
        ] {
            let error = provider(issuer, more, base, roles).unwrap_err().to_string();
            assert!(error.contains(part) && !error.contains("SECRET"), "{part}: {error}");
        }
    }

    #[test]
    fn a_previous_encoder_is_named_or_nothing_is_said_of_it() {
        let error = load("[previous]\nre_enrol_at_gate = true").unwrap_err().to_string();
        assert!(error.contains("previous.encoder"), "{error}");
        let named = "[previous]\nencoder = \"mobilefacenet\"\nencoding_size = 512\n";
        let previous = load(named).unwrap().previous_encoder().unwrap();
        assert_eq!((previous.encoding_size, previous.weights_dir), (512, "weights".into()));
        assert_eq!(load("").unwrap().previous_encoder(), None);
    }

    #[test]
    fn the_first_wait_is_no_longer_than_the_longest() {
        for (section, wait) in [("mqtt", "retry_ms"), ("events", "webhook_retry_ms")] {
            let waits =
                |min, max| load(&format!("[{section}]\n{wait}_min = {min}\n{wait}_max = {max}\n"));
            assert!(waits(200, 200).is_ok());
            let error = waits(201, 200).unwrap_err().to_string();
            let expected = format!("{section}.{wait}_min: 201 is more than {section}.{wait}_max");
            assert!(error.contains(&expected), "{error}");
        }
    }

    #[test]
    fn a_password_does_not_reach_the_debug_output() {
        let config = load("[database]\nurl = \"postgres://u:PASSWORD@h/d\"").unwrap();
        assert!(!format!("{config:?}").contains("PASSWORD"));
    }
}
