//! `[secrets]`

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use garde::Validate;
use serde::Deserialize;

/// The text of a ring of keys; it must never reach a log.
#[derive(Clone, PartialEq, Deserialize)]
#[serde(transparent)]
pub struct KeysText(pub String);

impl fmt::Debug for KeysText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeysText(..)")
    }
}

/// Where the keys are that templates are sealed under: one of three places.
#[derive(Clone, Debug, PartialEq, Deserialize, Validate)]
#[serde(default, deny_unknown_fields)]
pub struct SecretsConfig {
    /// The keys themselves, for the variable `LIMEN_SECRETS__KEYS`.
    #[garde(custom(at_most_one_place(&self.keys_file, &self.keys_command)))]
    pub keys: Option<KeysText>,
    /// The file with the keys.
    #[garde(skip)]
    pub keys_file: Option<PathBuf>,
    /// A command line for `sh` that prints the keys.
    #[garde(skip)]
    pub keys_command: Option<String>,
    /// Milliseconds that it may take.
    #[garde(range(min = 100, max = 600_000))]
    pub keys_command_timeout_ms: u64,
}

impl Default for SecretsConfig {
    fn default() -> Self {
        Self { keys: None, keys_file: None, keys_command: None, keys_command_timeout_ms: 10_000 }
    }
}

impl SecretsConfig {
    /// How long the command may take.
    #[must_use]
    pub fn keys_command_timeout(&self) -> Duration {
        Duration::from_millis(self.keys_command_timeout_ms)
    }
}

/// Of two places nobody could say which one counts.
fn at_most_one_place<'a>(
    file: &'a Option<PathBuf>,
    command: &'a Option<String>,
) -> impl FnOnce(&Option<KeysText>, &()) -> garde::Result + 'a {
    move |keys, ()| {
        let places = [
            ("keys", keys.is_some()),
            ("keys_file", file.is_some()),
            ("keys_command", command.is_some()),
        ];
        let named: Vec<_> = places.iter().filter(|(_, set)| *set).map(|(name, _)| *name).collect();
        if named.len() < 2 {
            return Ok(());
        }
        Err(garde::Error::new(format!(
            "{} are both set: the keys come from one place",
            named.join(" and ")
        )))
    }
}
