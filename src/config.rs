//! `config.toml`, overridden by environment variables, as typed sections that are checked at start.
//!
//! A variable `LIMEN_SECTION__KEY` overrides `key` of `[section]`, `LIMEN_ROAD__FRAME__BYTES_MAX`
//! one of `[road.frame]`; `DATABASE_URL` overrides `url` of `[database]`.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use figment::Figment;
use figment::providers::{Env, Format, Serialized, Toml};
use figment::value::Value;
use garde::Validate;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::domain::risk::{AcceptedRisk, Calibration, RiskPolicy};
use crate::domain::{LivenessScore, ModelId, Threshold};
use crate::inference::EngineSettings;
use crate::store::StoreSettings;
use crate::telemetry::{self, LogFormat};
use crate::vision::{EncoderProfile, RoadSettings};

/// Everything that can be configured.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// `[server]`
    pub server: ServerConfig,
    /// `[database]`
    pub database: DatabaseConfig,
    /// `[inference]`
    pub inference: InferenceConfig,
    /// `[road]`
    pub road: RoadSettings,
    /// `[matching]`
    pub matching: MatchingConfig,
    /// `[enrolment]`
    pub enrolment: EnrolmentConfig,
    /// `[log]`
    pub log: LogConfig,
}

/// The HTTP server and its limits.
#[derive(Clone, Debug, PartialEq, Deserialize, Validate)]
#[serde(default, deny_unknown_fields)]
pub struct ServerConfig {
    /// The address and port to listen on.
    #[garde(skip)]
    pub bind: SocketAddr,
    /// Connections at once; a further one waits to be accepted.
    #[garde(range(min = 1, max = 100_000))]
    pub connections_max: usize,
    /// Connections at once from one address; a further one is closed. Behind a proxy every client has
    /// the proxy's address.
    #[garde(range(min = 1, max = 100_000))]
    pub connections_per_address_max: usize,
    /// Requests that are answered at once; one more gets 429. A pool of ten connections to Postgres
    /// serves a few hundred within `acquire_timeout_ms`.
    #[garde(range(min = 1, max = 10_000))]
    pub requests_max: usize,
    /// Requests with frames that are read or looked at at once; one more is answered with 429.
    #[garde(range(min = 1, max = 10_000))]
    pub frame_requests_max: usize,
    /// Frames in one passage.
    #[garde(range(min = 1, max = 16))]
    pub frames_per_passage_max: usize,
    /// Bytes of a JSON body.
    #[garde(range(min = 1_024, max = 16_777_216))]
    pub json_bytes_max: usize,
    /// Rows that one page of a list holds at most.
    #[garde(range(min = 1, max = 10_000))]
    pub page_rows_max: u32,
    /// Milliseconds that the head of a request may take to arrive.
    #[garde(range(min = 100, max = 600_000))]
    pub header_timeout_ms: u64,
    /// Milliseconds that a client may leave an answer unread before its connection is closed.
    #[garde(range(min = 100, max = 600_000))]
    pub write_timeout_ms: u64,
    /// Milliseconds from a request's head to its answer.
    #[garde(range(min = 100, max = 600_000))]
    pub request_timeout_ms: u64,
    /// Milliseconds that accepted requests are given after the signal to stop.
    #[garde(range(min = 0, max = 600_000))]
    pub shutdown_grace_ms: u64,
    /// Whether `/metrics` is open to anybody; otherwise it needs a key with the scope `metrics`.
    #[garde(skip)]
    pub metrics_public: bool,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            bind: SocketAddr::from(([127, 0, 0, 1], 8080)),
            connections_max: 1024,
            connections_per_address_max: 256,
            requests_max: 256,
            frame_requests_max: 64,
            frames_per_passage_max: 5,
            json_bytes_max: 65_536,
            page_rows_max: 500,
            header_timeout_ms: 5_000,
            write_timeout_ms: 10_000,
            request_timeout_ms: 10_000,
            shutdown_grace_ms: 15_000,
            metrics_public: false,
        }
    }
}

impl ServerConfig {
    /// [`Self::request_timeout_ms`] as a duration.
    #[must_use]
    pub fn request_timeout(&self) -> Duration {
        Duration::from_millis(self.request_timeout_ms)
    }
}

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
    #[garde(skip)]
    pub url: DatabaseUrl,
    /// Connections of the pool.
    #[garde(range(min = 2, max = 1_000))]
    pub connections_max: u32,
    /// Milliseconds that a request waits for a connection.
    #[garde(range(min = 10, max = 60_000))]
    pub acquire_timeout_ms: u64,
    /// Milliseconds that Postgres may work on one statement.
    #[garde(range(min = 10, max = 600_000))]
    pub statement_timeout_ms: u64,
    /// Seconds after which the gallery is loaded whole again, whatever was heard.
    #[garde(range(min = 1, max = 86_400))]
    pub resync_interval_s: u64,
}

impl Default for DatabaseConfig {
    fn default() -> Self {
        Self {
            url: DatabaseUrl("postgres://localhost/limen".to_owned()),
            connections_max: 10,
            acquire_timeout_ms: 2_000,
            statement_timeout_ms: 5_000,
            resync_interval_s: 600,
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
        }
    }

    /// [`Self::resync_interval_s`] as a duration.
    #[must_use]
    pub fn resync_interval(&self) -> Duration {
        Duration::from_secs(self.resync_interval_s)
    }
}

/// The inference engine.
#[derive(Clone, Debug, PartialEq, Deserialize, Validate)]
#[serde(default, deny_unknown_fields)]
pub struct InferenceConfig {
    /// The folder with the weights and their manifest.
    #[garde(skip)]
    pub weights_dir: PathBuf,
    /// Threads that each own the networks; 0: one for each core.
    #[garde(range(max = 256))]
    pub workers: usize,
    /// Frames that may wait for a worker; one more is answered with 429.
    #[garde(range(min = 1, max = 10_000))]
    pub queue_max: usize,
}

impl Default for InferenceConfig {
    fn default() -> Self {
        Self { weights_dir: PathBuf::from("weights"), workers: 0, queue_max: 32 }
    }
}

/// The thresholds (τ) of comparisons and of liveness.
#[derive(Clone, Debug, PartialEq, Deserialize, Validate)]
#[serde(default, deny_unknown_fields)]
pub struct MatchingConfig {
    /// 1:1: the highest chance that a stranger with somebody's badge matches its owner. τ follows.
    #[garde(range(min = 1e-9, max = 0.5))]
    pub max_fmr: f64,
    /// 1:N: the highest chance that a stranger matches anybody. τ follows from it and the gallery.
    #[garde(range(min = 1e-9, max = 0.5))]
    pub max_fpir: f64,
    /// The calibration that τ is derived from; absent: the one of the weights folder.
    #[garde(skip)]
    pub calibration: Option<PathBuf>,
    /// A fixed τ of 1:1, over 0 and at most 4, whatever the risk.
    #[garde(skip)]
    pub verify_threshold: Option<Threshold>,
    /// A fixed τ of 1:N, over 0 and at most 4, whatever the risk.
    #[garde(skip)]
    pub recognize_threshold: Option<Threshold>,
    /// 1:N: how much farther than the nearest person the second-nearest must be, as a squared
    /// distance, 0 to 4. Between two as near as that a face alone cannot tell.
    #[garde(range(min = 0.0, max = 4.0))]
    pub margin: f32,
    /// The liveness that verify, recognize, liveness and new gates ask for, 0 to 1.
    #[garde(skip)]
    pub liveness_threshold: LivenessScore,
    /// The smallest face that verify and recognize accept, in pixels between the pupils.
    #[garde(range(min = 8.0, max = 1_000.0))]
    pub pupil_distance_px_min: f32,
    /// Candidates that a recognition may list.
    #[garde(range(min = 1, max = 1_000))]
    pub candidates_max: usize,
}

impl Default for MatchingConfig {
    fn default() -> Self {
        Self {
            max_fmr: 1e-4,
            max_fpir: 0.01,
            calibration: None,
            verify_threshold: None,
            recognize_threshold: None,
            margin: 0.1,
            liveness_threshold: LivenessScore::try_from(0.5).expect("a constant in range"),
            pupil_distance_px_min: 24.0,
            candidates_max: 20,
        }
    }
}

impl MatchingConfig {
    /// The calibration that is configured, else the encoder's own, if there is one.
    ///
    /// # Errors
    /// When the configured one cannot be read or is another model's.
    pub fn calibration(&self, encoder: &EncoderProfile) -> anyhow::Result<Option<Calibration>> {
        match &self.calibration {
            None => Ok(encoder.calibration.clone()),
            Some(file) => Ok(Some(read_calibration(file, &encoder.model)?)),
        }
    }

    /// The accepted risk with the calibration that is configured, else the encoder's own.
    ///
    /// # Errors
    /// When the calibration cannot be read or is another model's, or there is none and τ is not
    /// fixed.
    pub fn risk(&self, encoder: &EncoderProfile) -> anyhow::Result<RiskPolicy> {
        let calibration = self.calibration(encoder)?;
        let risk = AcceptedRisk {
            max_fmr: self.max_fmr,
            max_fpir: self.max_fpir,
            verify_threshold: self.verify_threshold,
            recognize_threshold: self.recognize_threshold,
        };
        RiskPolicy::new(risk, calibration).with_context(|| format!("no τ for {}", encoder.model))
    }
}

fn read_calibration(file: &Path, model: &ModelId) -> anyhow::Result<Calibration> {
    let named = || format!("`calibration` of [matching], {}", file.display());
    let text = std::fs::read_to_string(file).with_context(named)?;
    let calibration = Calibration::from_toml(&text).with_context(named)?;
    calibration.check_model(model).with_context(named)?;
    Ok(calibration)
}

/// What a photo must be to be enrolled.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Validate)]
#[serde(default, deny_unknown_fields)]
pub struct EnrolmentConfig {
    /// Faces that one person may have.
    #[garde(range(min = 1, max = 100))]
    pub faces_max: u32,
    /// The smallest face, in pixels between the pupils.
    #[garde(range(min = 8.0, max = 1_000.0))]
    pub pupil_distance_px_min: f32,
    /// Whether a photo must look alive. Off: badge photos are often scans of prints.
    #[garde(skip)]
    pub liveness: bool,
}

impl Default for EnrolmentConfig {
    fn default() -> Self {
        Self { faces_max: 8, pupil_distance_px_min: 32.0, liveness: false }
    }
}

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
        Self { filter: "info,sqlx=warn".to_owned(), format: LogFormat::Text }
    }
}

/// Everything that is wrong with the configuration, at once.
#[derive(Debug, thiserror::Error)]
#[error("the configuration is not valid:\n{}", .0.iter().map(|e| format!("  - {e}")).collect::<Vec<_>>().join("\n"))]
pub struct ConfigError(pub Vec<String>);

impl Config {
    const SECTIONS: [&'static str; 7] =
        ["server", "database", "inference", "road", "matching", "enrolment", "log"];

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
        let misspelt: Vec<_> =
            std::env::vars().filter_map(|(name, _)| misspelling(&name)).collect();
        if !misspelt.is_empty() {
            return Err(ConfigError(misspelt));
        }
        let file =
            if path.is_file() { Figment::from(Toml::file_exact(path)) } else { Figment::new() };
        let figment = file.merge(environment());
        Self::from_figment(&match std::env::var("DATABASE_URL") {
            Ok(url) if !url.is_empty() => figment.merge(Serialized::default("database.url", url)),
            _ => figment,
        })
    }

    fn from_figment(figment: &Figment) -> Result<Self, ConfigError> {
        let mut errors = Vec::new();
        match figment.extract::<figment::value::Dict>() {
            Ok(sections) => errors.extend(
                sections
                    .keys()
                    .filter(|key| !Self::SECTIONS.contains(&key.as_str()))
                    .map(|key| format!("there is no section [{key}]")),
            ),
            // The file itself does not parse: its sections would all say so again.
            Err(error) => {
                return Err(ConfigError(error.into_iter().map(|e| e.to_string()).collect()));
            }
        }
        let config = Self {
            server: section(figment, "server", &mut errors),
            database: section(figment, "database", &mut errors),
            inference: section(figment, "inference", &mut errors),
            road: section(figment, "road", &mut errors),
            matching: section(figment, "matching", &mut errors),
            enrolment: section(figment, "enrolment", &mut errors),
            log: section(figment, "log", &mut errors),
        };
        if errors.is_empty() { Ok(config) } else { Err(ConfigError(errors)) }
    }

    /// How the inference engine runs.
    #[must_use]
    pub fn engine(&self) -> EngineSettings {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        EngineSettings {
            weights_dir: self.inference.weights_dir.clone(),
            road: self.road.clone(),
            workers: if self.inference.workers == 0 { cores } else { self.inference.workers },
            queue_max: self.inference.queue_max,
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
        Config::from_figment(&Figment::new().merge(Toml::string(toml)))
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
        let sides = load("[road.detect]\nside_px_min = 2000").unwrap_err().to_string();
        assert!(sides.contains("side_px_min"), "{sides}");
    }

    #[test]
    fn the_committed_file_states_exactly_the_defaults() {
        let config = load(include_str!("../config.toml")).unwrap();
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
    fn a_number_out_of_range_is_refused_with_its_name_and_the_limit() {
        let error = load("[inference]\nqueue_max = 0").unwrap_err().to_string();
        assert!(error.contains("inference.queue_max") && error.contains('1'), "{error}");
    }

    #[test]
    fn a_password_does_not_reach_the_debug_output() {
        let config = load("[database]\nurl = \"postgres://u:secret@h/d\"").unwrap();
        assert!(!format!("{config:?}").contains("secret"));
    }
}
