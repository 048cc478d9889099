//! `limen reencode`: a change of the encoder in which nobody whose photo is kept needs a new one. Resumable.

mod mover;
mod old;
mod progress;
mod report;

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use clap::Args;
use futures_util::{StreamExt, TryStreamExt};
use indicatif::{ProgressBar, ProgressStyle};

use super::connect_to_templates;
use crate::access::Enrolments;
use crate::config::Config;
use crate::domain::ModelId;
use crate::inference::{Engine, EngineSettings};
use crate::server::matcher;
use crate::store::Store;
use crate::vision::EncoderProfile;
use mover::Mover;
use report::Report;

/// Faces that are read of the database at once.
const FACES_AT_ONCE: u32 = 256;

#[derive(Debug, Args)]
pub(super) struct ReencodeArguments {
    /// Look at every photo and say what would become of it; store nothing.
    #[arg(long)]
    dry_run: bool,
    /// Only say how far it has come.
    #[arg(long, conflicts_with_all = ["dry_run", "drop_old"])]
    status: bool,
    /// Remove every face of this model, as `--status` shows it, once nobody but the revoked would be left without a
    /// face of the configured model: the way back ends with it.
    #[arg(long, value_name = "MODEL", conflicts_with = "dry_run")]
    drop_old: Option<String>,
    /// Do not ask before faces are removed.
    #[arg(long, requires = "drop_old")]
    yes: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Exits with 0 when everybody has a face of the configured model, with 1 while somebody has none.
pub(super) async fn run(
    config: &Config,
    arguments: &ReencodeArguments,
) -> anyhow::Result<ExitCode> {
    let store = connect_to_templates(config).await?;
    let configured = EncoderProfile::of(&config.inference.weights_dir, &config.road)?.model;
    let complete = if let Some(old) = &arguments.drop_old {
        old::drop(&store, &configured, &ModelId::new(old.as_str()), arguments).await?
    } else if arguments.status {
        let progress = progress::read(&store, &configured).await?;
        progress.print(arguments.json)?;
        progress.is_complete()
    } else {
        let report = move_faces(config, &store, &configured, arguments.dry_run).await?;
        report.print(arguments.json)?;
        report.is_complete()
    };
    Ok(if complete { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn move_faces(
    config: &Config,
    store: &Store,
    configured: &ModelId,
    dry_run: bool,
) -> anyhow::Result<Report> {
    let _only = store
        .bulk_enrolment()
        .await?
        .context("another `limen enroll` or `limen reencode` runs on this database")?;
    let before = store.reencoding(configured).await?;
    let mut report = Report::new(configured, dry_run, &before);
    if before.to_move > 0 {
        // One photo waits for each worker while it looks at another.
        let settings = EngineSettings { queue_max: config.engine().workers, ..config.engine() };
        let in_flight = settings.workers + settings.queue_max;
        let engine = tokio::task::spawn_blocking(move || Engine::start(&settings)).await??;
        let mover = mover(config, store, engine, dry_run).await?;
        let bar = ProgressBar::new(before.to_move).with_style(ProgressStyle::with_template(
            "{bar:40} {pos}/{len} faces, {per_sec}, {eta} left {msg}",
        )?);
        // The blocked first: whoever comes after is held against them.
        for blocked in [true, false] {
            let mut last = None;
            loop {
                let faces =
                    store.faces_to_reencode(configured, blocked, last, FACES_AT_ONCE).await?;
                let Some(face) = faces.last() else { break };
                last = Some(face.id);
                let moved: Vec<_> = futures_util::stream::iter(&faces)
                    .map(|face| mover.move_face(face, &bar))
                    .buffer_unordered(in_flight)
                    .try_collect()
                    .await?;
                report.extend(moved);
            }
        }
        bar.finish_and_clear();
        let engine = mover.engine;
        tokio::task::spawn_blocking(move || engine.stop()).await?;
    }
    report.left(store).await?;
    Ok(report)
}

async fn mover<'a>(
    config: &'a Config,
    store: &Store,
    engine: Engine,
    dry_run: bool,
) -> anyhow::Result<Mover<'a>> {
    let matcher = matcher(config, engine.encoder(), engine.previous())?;
    matcher.resync(store).await?;
    Ok(Mover {
        store: store.clone(),
        enrolments: Enrolments::new(store.clone(), matcher),
        engine: Arc::new(engine),
        config,
        dry_run,
    })
}
