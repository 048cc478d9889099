//! `limen verify a.jpg b.jpg`

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use serde::Serialize;

use super::photo;
use crate::config::Config;

/// Exits with 0 when the photos show the same person, with 1 when they do not, with 2 when they cannot
/// be compared.
#[derive(Debug, Args)]
pub(super) struct VerifyArguments {
    /// A photo.
    left: PathBuf,
    /// Another photo.
    right: PathBuf,
    /// Refuse photos that are taken for a print or a screen; without it they are compared like any.
    #[arg(long)]
    liveness: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Verdict {
    outcome: &'static str,
    distance: f32,
    threshold: f32,
    model_id: String,
}

/// Exits with 0 when the photos show the same person, with 1 when they do not.
pub(super) fn run(config: &Config, arguments: &VerifyArguments) -> anyhow::Result<ExitCode> {
    let road = photo::open_road(config)?;
    let left = photo::face(config, &road, &arguments.left, arguments.liveness)?;
    let right = photo::face(config, &road, &arguments.right, arguments.liveness)?;
    let distance = left.encoding.distance(&right.encoding)?;
    let threshold = config.matching.risk(road.profile())?.verify().threshold;
    let same = distance.is_match(threshold);
    let verdict = Verdict {
        outcome: if same { "match" } else { "no_match" },
        distance: distance.value(),
        threshold: threshold.value(),
        model_id: road.model().to_string(),
    };
    if arguments.json {
        println!("{}", serde_json::to_string(&verdict)?);
    } else {
        println!("distance   {:.4}", verdict.distance);
        println!("threshold  {:.4}", verdict.threshold);
        println!("verdict    {}", if same { "same person" } else { "different people" });
    }
    Ok(if same { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
