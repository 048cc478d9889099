//! `limen evaluate`: how often it errs on labelled photos, through the road that serves.

mod answer;
mod calibration;
mod identification;
mod liveness;
mod lookalikes;
mod page;
pub(super) mod people;
pub(super) mod photos;
mod quality;
mod verification;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};

use crate::config::Config;

#[derive(Debug, Subcommand)]
pub(super) enum EvaluateCommand {
    /// One photo against another (1:1): listed pairs, or all pairs of a folder of people.
    Verification(verification::VerificationArguments),
    /// One photo against many people (1:N): a folder of people, the first photo of each enrolled.
    Identification(identification::IdentificationArguments),
    /// Whether the FPIR that a calibration promises holds on people whom it never saw.
    Calibration(calibration::CalibrationArguments),
    /// The closest pairs of enrolled people, from the database.
    Lookalikes(lookalikes::LookalikesArguments),
    /// What each measure of a picture's quality tells of errors: error versus discard.
    Quality(quality::QualityArguments),
    /// Live faces against presentation attacks.
    Liveness(liveness::LivenessArguments),
}

/// How photos are looked at.
#[derive(Debug, Args)]
pub(super) struct Source {
    /// The folder that the photos lie in.
    #[arg(long, value_name = "DIR")]
    pub images: PathBuf,
    /// Refuse photos as a gate would: several faces, or a picture that breaks the limits of
    /// [road.quality]. Otherwise every photo's nearest face counts.
    #[arg(long)]
    quality: bool,
    /// Leave out photos that are missing or cannot be read, and count them; without this they are an
    /// error.
    #[arg(long)]
    allow_missing: bool,
    /// Where encodings are kept between runs [default: limen/evaluate in the user's cache folder].
    /// The files hold biometric templates.
    #[arg(long, value_name = "DIR", conflicts_with = "no_cache")]
    cache: Option<PathBuf>,
    /// Keep no encodings.
    #[arg(long)]
    no_cache: bool,
}

/// What every evaluation takes.
#[derive(Debug, Args)]
struct Common {
    #[command(flatten)]
    source: Source,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// Write a page with curves, histograms and the worst photos. It shows faces.
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
}

/// Photos that are tight crops of faces leave the detector no room.
#[derive(Clone, Copy, Debug, Args)]
pub(super) struct Crop {
    /// Add a black border of this share of the longer side around every photo, for tight crops.
    #[arg(long, value_name = "SHARE", default_value_t = 0.0, value_parser = share)]
    pub crop_border: f32,
}

fn share(text: &str) -> Result<f32, String> {
    let share: f32 = text.parse().map_err(|error| format!("{error}"))?;
    if (0.0..=2.0).contains(&share) { Ok(share) } else { Err("must be 0 to 2".to_owned()) }
}

pub(super) fn run(config: &Config, command: &EvaluateCommand) -> anyhow::Result<ExitCode> {
    match command {
        EvaluateCommand::Verification(arguments) => verification::run(config, arguments)?,
        EvaluateCommand::Identification(arguments) => identification::run(config, arguments)?,
        EvaluateCommand::Calibration(arguments) => calibration::run(config, arguments)?,
        EvaluateCommand::Lookalikes(arguments) => lookalikes::run(config, arguments)?,
        EvaluateCommand::Quality(arguments) => quality::run(config, arguments)?,
        EvaluateCommand::Liveness(arguments) => liveness::run(config, arguments)?,
    }
    Ok(ExitCode::SUCCESS)
}
