//! `limen simulate replay`: what was decided, judged again.

mod recorded;
mod trail;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::ensure;
use clap::Args;
use comfy_table::Table;
use serde::Serialize;

use super::Target;
use super::report::numbers;
use crate::config::Config;
use crate::domain::{GateId, GateMode, LivenessScore, Threshold};

/// Changes that a table shows; `--json` has them all.
const CHANGES_SHOWN_MAX: usize = 200;

#[derive(Debug, Args)]
pub(super) struct ReplayArguments {
    /// Instead of the trail, send the frames of a recording of `limen simulate --record` to the service of --url, which
    /// runs another model or policy.
    #[arg(long, value_name = "DIR")]
    recorded: Option<PathBuf>,
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    policy: Policy,
    /// Only the passages of this gate.
    #[arg(long, value_name = "GATE_ID", conflicts_with = "recorded")]
    gate: Option<GateId>,
    /// Only those decided at or after this moment, e.g. 2027-01-15T08:00:00Z.
    #[arg(long, value_name = "MOMENT", conflicts_with = "recorded", value_parser = moment)]
    from: Option<chrono::DateTime<chrono::Utc>>,
    /// Only those decided before this moment.
    #[arg(long, value_name = "MOMENT", conflicts_with = "recorded", value_parser = moment)]
    until: Option<chrono::DateTime<chrono::Utc>>,
    /// Passages at most, the newest.
    #[arg(long, value_name = "N", default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    passages_max: u32,
    /// Print JSON, with every change.
    #[arg(long)]
    json: bool,
}

/// What is to be other in the trail.
#[derive(Clone, Debug, Args)]
#[group(id = "policy", multiple = true, conflicts_with = "recorded")]
struct Policy {
    /// τ of 1:N, over 0 and at most 4.
    #[arg(long, value_name = "T", value_parser = threshold, conflicts_with = "max_fpir")]
    threshold: Option<Threshold>,
    /// τ of 1:N that follows from this risk, as max_fpir of [matching] says it.
    #[arg(long, value_name = "RATE")]
    max_fpir: Option<f64>,
    /// The people that τ is to follow from [default: those who are enrolled now].
    #[arg(long, value_name = "N", requires = "max_fpir", value_parser = clap::value_parser!(u32).range(1..))]
    gallery: Option<u32>,
    /// τ of 1:1.
    #[arg(long, value_name = "T", value_parser = threshold)]
    verify_threshold: Option<Threshold>,
    /// The liveness that a face must reach, 0 to 1.
    #[arg(long, value_name = "SCORE", value_parser = liveness)]
    liveness_threshold: Option<LivenessScore>,
    /// Whom faces are compared with: face, badge_and_face or badge_or_face.
    #[arg(long, value_parser = crate::cli::gate::mode)]
    mode: Option<GateMode>,
    /// The smallest face, in pixels between the pupils.
    #[arg(long, value_name = "PIXELS")]
    pupil_distance_px_min: Option<f32>,
    /// How old a frame may be, in milliseconds.
    #[arg(long, value_name = "MS")]
    frame_age_ms_max: Option<u32>,
}

impl Policy {
    fn check(&self) -> anyhow::Result<()> {
        let Self { threshold, max_fpir, verify_threshold, liveness_threshold, mode, .. } = self;
        let Self { pupil_distance_px_min, frame_age_ms_max, .. } = self;
        let is_any = threshold.is_some()
            || max_fpir.is_some()
            || verify_threshold.is_some()
            || liveness_threshold.is_some()
            || mode.is_some()
            || pupil_distance_px_min.is_some()
            || frame_age_ms_max.is_some();
        ensure!(
            is_any,
            "what is to be other? --threshold, --max-fpir, --verify-threshold, --liveness-threshold, --mode, \
             --pupil-distance-px-min, --frame-age-ms-max; or --recorded DIR with --url of another service"
        );
        ensure!(
            max_fpir.is_none_or(|rate| rate > 0.0 && rate < 1.0),
            "--max-fpir must be over 0 and under 1"
        );
        // As for a gate.
        ensure!(
            pupil_distance_px_min.is_none_or(|pixels| (8.0..=1_000.0).contains(&pixels)),
            "--pupil-distance-px-min must be 8 to 1000"
        );
        ensure!(
            frame_age_ms_max.is_none_or(|ms| (100..=600_000).contains(&ms)),
            "--frame-age-ms-max must be 100 to 600000"
        );
        Ok(())
    }
}

/// A decision that would change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Change {
    passage_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    gate: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    decided_at: Option<String>,
    /// What a simulation knew of whom the frames show.
    #[serde(skip_serializing_if = "Option::is_none")]
    truth: Option<String>,
    was: String,
    would_be: String,
}

/// What a replay came to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
struct Replayed {
    /// What was other, in words.
    by: String,
    passages: u64,
    same: u64,
    changed: u64,
    /// Of which is not known what they would have come to.
    untold: u64,
    /// Of those that change, from what to what.
    changes_by_reason: BTreeMap<String, u64>,
    /// Of those that are not known: what they were, and why that is.
    untold_by_reason: BTreeMap<String, u64>,
    /// Grants that would not be given, and refusals that would be grants.
    grants_lost: u64,
    grants_won: u64,
    changes: Vec<Change>,
    remarks: Vec<String>,
}

impl Replayed {
    fn change(&mut self, change: Change, was_grant: bool, would_grant: bool) {
        self.changed += 1;
        self.grants_lost += u64::from(was_grant && !would_grant);
        self.grants_won += u64::from(!was_grant && would_grant);
        let kind = format!("{} -> {}", change.was, change.would_be);
        *self.changes_by_reason.entry(kind).or_default() += 1;
        self.changes.push(change);
    }

    fn untold(&mut self, was: &str, why: &str) {
        self.untold += 1;
        *self.untold_by_reason.entry(format!("{was}: {why}")).or_default() += 1;
    }

    fn print(&self, json: bool) -> anyhow::Result<()> {
        if json {
            println!("{}", serde_json::to_string(self)?);
            return Ok(());
        }
        if !self.changes.is_empty() {
            let mut table = Table::new();
            table.set_header(["passage", "gate", "decided at", "shows", "was", "would be"]);
            for change in self.changes.iter().take(CHANGES_SHOWN_MAX) {
                let Change { passage_id, gate, decided_at, truth, was, would_be } = change.clone();
                let [gate, decided_at, truth] =
                    [gate, decided_at, truth].map(Option::unwrap_or_default);
                table.add_row([passage_id, gate, decided_at, truth, was, would_be]);
            }
            println!("{table}");
            if self.changes.len() > CHANGES_SHOWN_MAX {
                println!(
                    "and {} more: --json has them all",
                    self.changes.len() - CHANGES_SHOWN_MAX
                );
            }
        }
        let Self { by, passages, same, changed, untold, .. } = self;
        println!("by {by}");
        println!(
            "{passages} passages: {same} stay, {changed} would change ({} grants lost, {} won), of {untold} it is not \
             known",
            self.grants_lost, self.grants_won
        );
        for (kinds, header) in [
            (&self.changes_by_reason, ["would change", "passages"]),
            (&self.untold_by_reason, ["not known", "passages"]),
        ] {
            if kinds.is_empty() {
                continue;
            }
            let mut table = numbers(&header, 1..2);
            for (kind, count) in kinds {
                table.add_row([kind.clone(), count.to_string()]);
            }
            println!("{table}");
        }
        self.remarks.iter().for_each(|remark| println!("{remark}"));
        Ok(())
    }
}

/// Exits with 0 where nothing would change, else with 1.
pub(super) async fn run(config: &Config, arguments: &ReplayArguments) -> anyhow::Result<ExitCode> {
    let replayed = match &arguments.recorded {
        Some(folder) => recorded::replay(&arguments.target.service()?, folder).await?,
        None => trail::replay(config, arguments).await?,
    };
    replayed.print(arguments.json)?;
    Ok(if replayed.changed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn moment(text: &str) -> Result<chrono::DateTime<chrono::Utc>, String> {
    text.parse().map_err(|_| "expected a moment as in 2027-01-15T08:00:00Z".to_owned())
}

fn threshold(text: &str) -> Result<Threshold, String> {
    let value: f32 = text.parse().map_err(|error| format!("{error}"))?;
    Threshold::try_from(value).map_err(|error| error.to_string())
}

fn liveness(text: &str) -> Result<LivenessScore, String> {
    let value: f32 = text.parse().map_err(|error| format!("{error}"))?;
    LivenessScore::try_from(value).map_err(|error| error.to_string())
}
