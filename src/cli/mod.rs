//! The command line; one file a subcommand.

mod audit;
mod calibrate;
mod dataset;
mod enroll;
mod evaluate;
mod gallery;
mod gate;
mod grant_key;
mod key;
mod load;
mod migrate;
mod photo;
mod recognize;
mod reencode;
mod secrets;
mod serve;
mod simulate;
mod threshold;
mod train;
mod verify;
mod weights;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Parser, Subcommand};

use crate::config::Config;
use crate::domain::Author;
use crate::server::keyring;
use crate::store::Store;
use crate::telemetry;

/// Decides whether a turnstile opens for a face.
#[derive(Debug, Parser)]
#[command(name = "limen", version)]
pub struct Arguments {
    /// The configuration [default: config.toml, where there is one].
    #[arg(long, env = "LIMEN_CONFIG", global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve the HTTP API.
    Serve,
    /// Bring the database's schema up to date.
    Migrate,
    /// Enrol people from a folder of photos or a CSV.
    Enroll(enroll::EnrollArguments),
    /// Move the enrolled faces to the configured encoder from the photos that are kept; say how far that has come.
    Reencode(reencode::ReencodeArguments),
    /// Compare two photos (1:1), without a database.
    Verify(verify::VerifyArguments),
    /// Find whom a photo shows (1:N).
    Recognize(recognize::RecognizeArguments),
    /// Measure error rates on labelled photos, without a database (but for lookalikes).
    #[command(subcommand)]
    Evaluate(evaluate::EvaluateCommand),
    /// Make a calibration, from which τ follows, from labelled photos.
    Calibrate(calibrate::CalibrateArguments),
    /// Look for what is wrong with labelled photos.
    #[command(subcommand)]
    Dataset(dataset::DatasetCommand),
    /// Learn from labelled photos: an encoder, a verifier of two encodings, or liveness.
    #[command(subcommand)]
    Train(train::TrainCommand),
    /// Say which τ follows from a risk and a gallery's size, and what it costs.
    Threshold(threshold::ThresholdArguments),
    /// List, check or import the networks' weights.
    #[command(subcommand)]
    Weights(weights::WeightsCommand),
    /// Load a running service with real frames and measure how fast it answers.
    Load(load::LoadArguments),
    /// Run a fleet of software turnstiles against a running service; judge recorded passages again.
    Simulate(Box<simulate::SimulateArguments>),
    /// See which encoders made the enrolled faces; remove those of another than the configured one.
    #[command(subcommand)]
    Gallery(gallery::GalleryCommand),
    /// Find out whether the trail is as it was written; keep its signed heads.
    #[command(subcommand)]
    Audit(audit::AuditCommand),
    /// Create gates, and the secrets that they sign their requests with.
    #[command(subcommand)]
    Gate(gate::GateCommand),
    /// Create, list or revoke API keys.
    #[command(subcommand)]
    Key(key::KeyCommand),
    /// Make and rotate the keys that templates are sealed under.
    #[command(subcommand)]
    Secrets(secrets::SecretsCommand),
    /// Make the key that grants are signed with, or show its public half.
    #[command(subcommand)]
    GrantKey(grant_key::GrantKeyCommand),
}

/// The exit status of a command that could not do its work; 1 means that it did and says no.
const FAILED: u8 = 2;

/// Runs a command to its end.
#[must_use]
pub fn run(arguments: Arguments) -> ExitCode {
    match dispatch(arguments) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("limen: {}", told_once(&error));
            ExitCode::from(FAILED)
        }
    }
}

/// An error and its causes, without those that the one before names already.
fn told_once(error: &anyhow::Error) -> String {
    let mut told: Vec<String> = Vec::new();
    for cause in error.chain().map(ToString::to_string) {
        if told.last().is_none_or(|last| !last.contains(&cause)) {
            told.push(cause);
        }
    }
    told.join(": ")
}

fn dispatch(arguments: Arguments) -> anyhow::Result<ExitCode> {
    if !matches!(arguments.command, Command::Serve) {
        // Whoever reads the first lines alone (`| head`) ends a command; a client who hangs up never ends the service.
        sigpipe::reset();
    }
    let config = Config::load(arguments.config.as_deref())?;
    telemetry::init(&config.log.filter, config.log.format)?;
    match arguments.command {
        Command::Verify(arguments) => return verify::run(&config, &arguments),
        Command::Evaluate(command) => return evaluate::run(&config, &command),
        Command::Calibrate(arguments) => return calibrate::run(&config, &arguments),
        Command::Threshold(arguments) => return threshold::run(&config, &arguments),
        Command::Train(command) => return train::run(&config, &command),
        Command::Dataset(command) => return dataset::run(&config, &command),
        Command::Weights(command) => return weights::run(&config, &command),
        Command::GrantKey(command) => return grant_key::run(&command),
        _ => {}
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        match arguments.command {
            Command::Serve => serve::run(&config).await,
            Command::Migrate => migrate::run(&config).await,
            Command::Enroll(arguments) => enroll::run(&config, &arguments).await,
            Command::Reencode(arguments) => reencode::run(&config, &arguments).await,
            Command::Recognize(arguments) => recognize::run(&config, &arguments).await,
            Command::Load(arguments) => load::run(&arguments).await,
            Command::Simulate(arguments) => simulate::run(&config, &arguments).await,
            Command::Gallery(command) => gallery::run(&config, command).await,
            Command::Audit(command) => audit::run(&config, command).await,
            Command::Gate(command) => gate::run(&config, command).await,
            Command::Key(command) => key::run(&config, command).await,
            Command::Secrets(command) => secrets::run(&config, command).await,
            Command::Verify(arguments) => verify::run(&config, &arguments),
            Command::Evaluate(command) => evaluate::run(&config, &command),
            Command::Calibrate(arguments) => calibrate::run(&config, &arguments),
            Command::Threshold(arguments) => threshold::run(&config, &arguments),
            Command::Train(command) => train::run(&config, &command),
            Command::Dataset(command) => dataset::run(&config, &command),
            Command::Weights(command) => weights::run(&config, &command),
            Command::GrantKey(command) => grant_key::run(&command),
        }
    })
}

/// As whom a command changes something.
fn author(command: &str) -> Author {
    let user = ["USER", "LOGNAME"].into_iter().find_map(|name| std::env::var(name).ok());
    let user = user.filter(|user| !user.is_empty()).unwrap_or_else(|| "somebody".to_owned());
    Author::command(command, &user)
}

/// Connects to a database whose schema is up to date, with the keys that what is written into it is sealed and
/// signed with.
async fn connect(config: &Config) -> anyhow::Result<Store> {
    let store = connect_whatever_signed(config).await?;
    store.check_signers().await?;
    Ok(store)
}

/// As [`connect`], also where the trail was signed with other keys.
async fn connect_whatever_signed(config: &Config) -> anyhow::Result<Store> {
    let keys = keyring(&config.secrets).await?;
    let store = reach(config).await?.with_keyring(keys);
    store.check_schema().await?;
    Ok(store)
}

/// Connects to a database whose templates can be read: all are sealed, under keys that are here.
async fn connect_to_templates(config: &Config) -> anyhow::Result<Store> {
    let store = connect_whatever_signed(config).await?;
    store.check_sealed().await?;
    store.check_signers().await?;
    Ok(store)
}

/// Connects to a database, whatever its schema.
async fn reach(config: &Config) -> anyhow::Result<Store> {
    Store::connect(&config.database.store()).await.context(
        "Postgres cannot be reached; DATABASE_URL or `url` in [database] of config.toml says where \
         it is (in a checkout: eval \"$(./dev env)\")",
    )
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn no_two_options_of_a_command_have_one_name() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn a_cause_that_was_named_is_not_named_again() {
        let error = anyhow::anyhow!("refused").context("no answer: refused").context("unreachable");
        assert_eq!(told_once(&error), "unreachable: no answer: refused");
    }
}
