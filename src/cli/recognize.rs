//! `limen recognize frame.jpg`

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use serde::Serialize;

use super::{connect_to_templates, photo};
use crate::access::{Identity, check_models, identity};
use crate::config::Config;
use crate::domain::EmployeeId;
use crate::gallery::Gallery;

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
    let road = photo::open_road(config)?;
    let encoder = road.profile();
    let gallery = Gallery::new(encoder.model.clone(), encoder.encoding_size);
    check_models(&store, &gallery).await??;
    gallery.resync(&store).await?;
    let face = photo::face(config, &road, &arguments.photo, arguments.liveness)?;
    let threshold = config.matching.risk(encoder)?.recognize(gallery.people()).threshold;
    let count = usize::from(arguments.candidates);
    let mut nearest = gallery.search(&face.encoding, count.max(2))?;
    let identity = identity(&nearest, threshold, config.matching.margin);
    nearest.truncate(count);
    let known = matches!(identity, Identity::Known(_));
    let outcome = match identity {
        Identity::Known(_) => "match",
        Identity::Ambiguous(_) => "ambiguous",
        Identity::Unknown(_) => "unknown",
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
        threshold: threshold.value(),
        model_id: encoder.model.to_string(),
        candidates,
    };
    if arguments.json {
        println!("{}", serde_json::to_string(&recognition)?);
    } else {
        for candidate in &recognition.candidates {
            println!("{:.4}  {}  {}", candidate.distance, candidate.employee_id, candidate.name);
        }
        println!("threshold  {:.4}", recognition.threshold);
        let verdict = match identity {
            Identity::Known(_) => "known (the first above)",
            Identity::Ambiguous(_) => "ambiguous: two people are about equally near",
            Identity::Unknown(_) => "unknown",
        };
        println!("verdict    {verdict}");
    }
    Ok(if known { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
