//! `limen recognize frame.jpg`

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use serde::Serialize;

use super::{connect_to_templates, photo};
use crate::access::{Findings, Probe, Whom, check_models};
use crate::config::Config;
use crate::domain::EmployeeId;
use crate::server::matcher;

#[derive(Debug, Args)]
pub(super) struct RecognizeArguments {
    /// The photo.
    photo: PathBuf,
    /// List this many of the nearest people.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1000))]
    candidates: u16,
    /// Refuse a photo that is taken for a print or a screen.
    #[arg(long)]
    liveness: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Candidate {
    employee_id: EmployeeId,
    name: String,
    distance: f32,
}

#[derive(Serialize)]
struct Recognition {
    outcome: &'static str,
    threshold: f32,
    model_id: String,
    candidates: Vec<Candidate>,
}

/// Exits with 0 when the photo shows somebody enrolled, with 1 when it does not.
pub(super) async fn run(
    config: &Config,
    arguments: &RecognizeArguments,
) -> anyhow::Result<ExitCode> {
    let store = connect_to_templates(config).await?;
    let road = photo::open_whole_road(config)?;
    let matcher = matcher(config, road.profile(), road.previous())?;
    check_models(&store, &matcher).await??;
    matcher.resync(&store).await?;
    let face = photo::face(config, &road, &arguments.photo, arguments.liveness)?;
    let count = usize::from(arguments.candidates);
    let Findings { whom, scale, mut nearest, .. } =
        matcher.find(&Probe::from(&face), count).await?;
    nearest.truncate(count);
    let known = matches!(whom, Whom::Known(_));
    let outcome = match whom {
        Whom::Known(_) => "match",
        Whom::Ambiguous(_) => "ambiguous",
        Whom::Unknown => "unknown",
    };
    let mut candidates = Vec::with_capacity(nearest.len());
    for candidate in nearest {
        let employee = store.employee(candidate.employee_id).await?;
        candidates.push(Candidate {
            employee_id: employee.id,
            name: employee.name.to_string(),
            distance: candidate.distance.value(),
        });
    }
    let recognition = Recognition {
        outcome,
        threshold: scale.threshold.value(),
        model_id: scale.model.to_string(),
        candidates,
    };
    if arguments.json {
        println!("{}", serde_json::to_string(&recognition)?);
    } else {
        for candidate in &recognition.candidates {
            println!("{:.4}  {}  {}", candidate.distance, candidate.employee_id, candidate.name);
        }
        println!("threshold  {:.4}", recognition.threshold);
        let verdict = match whom {
            Whom::Known(_) => "known (the first above)",
            Whom::Ambiguous(_) => "ambiguous: two people are about equally near",
            Whom::Unknown => "unknown",
        };
        println!("verdict    {verdict}");
    }
    Ok(if known { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
