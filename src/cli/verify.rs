//! `limen verify a.jpg b.jpg`

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use serde::Serialize;

use super::photo;
use crate::config::Config;
use crate::domain::{Likelihood, Threshold};

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
    /// None where a verifier decides.
    #[serde(skip_serializing_if = "Option::is_none")]
    threshold: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    probability: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    probability_min: Option<f32>,
    model_id: String,
}

/// Exits with 0 when the photos show the same person, with 1 when they do not.
pub(super) fn run(config: &Config, arguments: &VerifyArguments) -> anyhow::Result<ExitCode> {
    let road = photo::open_road(config)?;
    let left = photo::face(config, &road, &arguments.left, arguments.liveness)?;
    let right = photo::face(config, &road, &arguments.right, arguments.liveness)?;
    let distance = left.encoding.distance(&right.encoding)?;
    let verifier = config.matching.verifier(&config.inference.weights_dir, &config.road)?;
    let likelihood = match &verifier {
        None => None,
        Some(verifier) => Some(verifier.judge(&left.encoding, right.encoding.values())?),
    };
    let threshold = match likelihood {
        None => Some(config.matching.risk(road.profile())?.verify().threshold),
        Some(_) => None,
    };
    let near = threshold.is_some_and(|threshold| distance.is_match(threshold));
    let same = likelihood.map_or(near, Likelihood::is_match);
    let verdict = Verdict {
        outcome: if same { "match" } else { "no_match" },
        distance: distance.value(),
        threshold: threshold.map(Threshold::value),
        probability: likelihood.map(|likelihood| likelihood.probability.value()),
        probability_min: likelihood.map(|likelihood| likelihood.minimum.value()),
        model_id: road.model().to_string(),
    };
    if arguments.json {
        println!("{}", serde_json::to_string(&verdict)?);
    } else {
        let figures = [
            ("distance", Some(verdict.distance)),
            ("threshold", verdict.threshold),
            ("probability", verdict.probability),
            ("minimum", verdict.probability_min),
        ];
        for (name, figure) in figures {
            if let Some(figure) = figure {
                println!("{name:<11}  {figure:.4}");
            }
        }
        println!("verdict      {}", if same { "same person" } else { "different people" });
    }
    Ok(if same { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
