//! `limen enroll PHOTOS`: many people at once, resumable.

mod enroller;
mod people;
mod plan;
mod report;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use clap::Args;
use futures_util::StreamExt;
use indicatif::{ProgressBar, ProgressStyle};

use super::connect_to_templates;
use super::gallery::left_behind;
use crate::access::Enrolments;
use crate::config::Config;
use crate::inference::{Engine, EngineSettings};
use crate::server::matcher;
use enroller::Enroller;
use people::People;
use plan::Plan;
use report::Report;

#[derive(Debug, Args)]
pub(super) struct EnrollArguments {
    /// A folder of photos, each named by the badge of somebody who exists, else by a name (`B-17.jpg`,
    /// `Ada_Lovelace.jpg`), a folder with a folder for each person, or a CSV with the columns photo and badge_id or name (and department).
    photos: PathBuf,
    /// Remove a person's faces of other models once one of the configured model is stored.
    #[arg(long)]
    replace_model: bool,
}

/// Exits with 0 when every photo is enrolled, with 1 when some were refused.
pub(super) async fn run(config: &Config, arguments: &EnrollArguments) -> anyhow::Result<ExitCode> {
    let plan = Plan::read(&arguments.photos)?;
    let store = connect_to_templates(config).await?;
    // One photo waits for each worker while it looks at another.
    let settings = EngineSettings { queue_max: config.engine().workers, ..config.engine() };
    let in_flight = settings.workers + settings.queue_max;
    let _only = store
        .bulk_enrolment()
        .await?
        .context("another `limen enroll` or `limen reencode` runs on this database")?;
    let engine = Arc::new(tokio::task::spawn_blocking(move || Engine::start(&settings)).await??);
    let matcher = matcher(config, engine.encoder(), engine.previous())?;
    matcher.resync(&store).await?;
    let bar = ProgressBar::new(plan.photos() as u64).with_style(ProgressStyle::with_template(
        "{bar:40} {pos}/{len} photos, {per_sec}, {eta} left {msg}",
    )?);
    let enroller = Enroller {
        people: People::new(store.clone()),
        enrolments: Enrolments::new(store.clone(), matcher),
        store,
        engine: Arc::clone(&engine),
        config,
        replace_model: arguments.replace_model,
        bar: bar.clone(),
    };
    let report = futures_util::stream::iter(&plan.people)
        .map(|person| enroller.enroll_person(person))
        .buffer_unordered(in_flight)
        .collect::<Vec<_>>()
        .await
        .into_iter()
        .flatten()
        .collect::<Report>();
    bar.finish_and_clear();
    tokio::task::spawn_blocking(move || engine.stop()).await?;
    let report = report.with_passed_over(plan.passed_over);
    println!("{report}");
    if arguments.replace_model
        && let Some(left) = left_behind(&enroller.store, &enroller.engine.encoder().model).await?
    {
        println!("{left}");
    }
    Ok(if report.is_complete() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
