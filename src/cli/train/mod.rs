//! `limen train`: learns from labelled photos, through the road that serves.

mod calibration;
mod data;
mod encoder;
mod encoder_card;
mod liveness;
mod liveness_card;
mod pace;
mod presentations;
mod verifier;
mod watch;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde::Serialize;
use serde::de::DeserializeOwned;

use self::watch::Watch;
use super::evaluate::{Crop, Source};
use crate::config::Config;
use crate::evaluate::metrics::Interval;
use crate::evaluate::report::Value;
use crate::train::{
    Checkpoint, Ending, Figures, ModelCard, Pace, Run, RunError, Split, Standing, Task, Trained,
    restore, train,
};

#[derive(Debug, Subcommand)]
pub(super) enum TrainCommand {
    /// Learn to encode faces from labelled photos, by triplets or by a softmax with a margin.
    Encoder(encoder::EncoderArguments),
    /// Learn to tell live faces from attacks, from photos that a list labels.
    Liveness(liveness::LivenessArguments),
    /// Learn to say how likely it is that two photos show one person.
    Verifier(verifier::VerifierArguments),
}

/// What a training takes that learns people by their photos.
#[derive(Debug, Args)]
struct Common {
    #[command(flatten)]
    source: Source,
    #[command(flatten)]
    crop: Crop,
    /// A CSV with the columns path, below --images, and person. Without it --images holds a folder for each person.
    #[arg(long, value_name = "FILE")]
    labels: Option<PathBuf>,
    #[command(flatten)]
    run: RunArguments,
}

/// Where a run is kept, and how those are split whom it is about.
#[derive(Debug, Args)]
struct RunArguments {
    /// The folder of the run: its settings, metrics, checkpoints and what it comes to.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Go on with the run in --out, from its last checkpoint.
    #[arg(long)]
    resume: bool,
    /// The share of the people by whom the best step is chosen.
    #[arg(long, value_name = "SHARE", default_value_t = 0.15, value_parser = share)]
    validation: f64,
    /// The share of the people whom the result is measured with, at the end alone.
    #[arg(long, value_name = "SHARE", default_value_t = 0.35, value_parser = share)]
    test: f64,
    /// Where all random numbers begin: the split, the batches, the start.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

impl RunArguments {
    /// The folder of the run, and where it stands if it goes on.
    fn open<S: Serialize + DeserializeOwned + PartialEq>(
        &self,
        settings: &S,
    ) -> Result<(Run, Option<Checkpoint>), RunError> {
        if self.resume {
            Run::resume(&self.out, settings)
        } else {
            Ok((Run::begin(&self.out, settings)?, None))
        }
    }

    fn split(&self) -> Split {
        Split { seed: self.seed, validation: self.validation, test: self.test }
    }
}

/// Trains to the end, before the eyes of whoever waits for it, and puts the numbers of the best look back; the step of
/// that look, and none where somebody interrupted it.
fn learn(
    task: &mut dyn Task,
    pace: &Pace,
    run: &mut Run,
    kept: Option<Checkpoint>,
) -> anyhow::Result<Option<u64>> {
    let taken = kept.as_ref().map_or(0, |kept| kept.standing.step);
    let mut watch = Watch::begin(pace.schedule.steps, taken)?;
    let ended = train(task, pace, run, kept, &mut watch);
    watch.end();
    let Trained { standing, ending, best } = ended?;
    let Standing { step, looks_since, best: best_look } = standing;
    match ending {
        Ending::Complete => {}
        Ending::Stopped => {
            println!(
                "nothing has become better for {looks_since} looks: stopped after step {step}"
            );
        }
        Ending::Interrupted => {
            println!("stopped after step {step}; --resume goes on with it");
            return Ok(None);
        }
    }
    restore(task.parameters(), &best)?;
    Ok(Some(best_look.map_or(0, |(step, _)| step)))
}

/// The figures of a card.
fn table(card: &ModelCard) -> comfy_table::Table {
    let mut table = comfy_table::Table::new();
    table.set_header(std::iter::once("").chain(card.columns.iter().map(String::as_str)));
    for (name, values) in &card.figures {
        table.add_row(std::iter::once(name).chain(values));
    }
    table
}

/// A rate with its interval, as a cell of a card.
fn percent(rate: f64, interval: Option<Interval>) -> String {
    let value = Value::Percent(rate);
    match interval {
        Some(Interval { low, high }) => {
            format!("{} ({})", value.shown(), value.shown_interval((low, high)))
        }
        None => value.shown(),
    }
}

/// An equal error rate, as a cell of a card.
fn eer(figures: &Figures) -> String {
    percent(figures.rates.eer, figures.intervals.as_ref().and_then(|all| all.eer_interval))
}

/// A true accept rate, as a cell of a card.
fn tar(figures: &Figures, fmr: &str) -> String {
    let intervals = figures.intervals.as_ref();
    let interval = intervals.and_then(|all| all.tar_at_fmr_interval.get(fmr).copied().flatten());
    let tar = figures.rates.tar_at_fmr.get(fmr).copied().flatten();
    tar.map_or_else(|| "too few comparisons".to_owned(), |tar| percent(tar, interval))
}

fn rate(text: &str) -> Result<f64, String> {
    within(text, 1e-8, 10.0)
}

fn within(text: &str, low: f64, high: f64) -> Result<f64, String> {
    let value: f64 = text.parse().map_err(|error| format!("{error}"))?;
    if (low..=high).contains(&value) { Ok(value) } else { Err(format!("must be {low} to {high}")) }
}

fn share(text: &str) -> Result<f64, String> {
    within(text, 0.05, 0.45)
}

pub(super) fn run(config: &Config, command: &TrainCommand) -> anyhow::Result<ExitCode> {
    match command {
        TrainCommand::Encoder(arguments) => encoder::run(config, arguments),
        TrainCommand::Liveness(arguments) => liveness::run(config, arguments),
        TrainCommand::Verifier(arguments) => verifier::run(config, arguments),
    }
}
