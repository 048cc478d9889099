//! `limen load`: keep-alive load with real frames, on Limen or on whoever answers the same way.

mod drive;
mod tally;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use bytes::Bytes;
use clap::Args;
use reqwest::Url;

use crate::vision::FrameFormat;
use drive::{Load, drive};

#[derive(Debug, Args)]
pub(super) struct LoadArguments {
    /// The service.
    #[arg(long, default_value = "http://127.0.0.1:8080")]
    url: Url,
    /// What is asked of it, e.g. /v1/recognize or /v1/gates/G/passages.
    #[arg(long, default_value = "/v1/recognize")]
    path: String,
    /// A folder of frames, which are sent in turn (JPEG, PNG or WebP; its folders too).
    #[arg(long, value_name = "DIR")]
    frames: PathBuf,
    /// Connections, each with one request at a time.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    connections: u16,
    /// Start so many requests a second, whether the ones before are answered or not, and count the
    /// wait for a free connection as latency; without it each connection asks again at once.
    #[arg(long, value_name = "PER_SECOND")]
    rate: Option<f64>,
    /// How long to measure, e.g. 20s or 2m.
    #[arg(long, default_value = "20s", value_parser = humantime::parse_duration)]
    duration: Duration,
    /// How long to load before that without measuring.
    #[arg(long, default_value = "2s", value_parser = humantime::parse_duration)]
    warm_up: Duration,
    /// How long to wait for an answer.
    #[arg(long, default_value = "10s", value_parser = humantime::parse_duration)]
    timeout: Duration,
    /// An API key.
    #[arg(long, env = "LIMEN_KEY", hide_env_values = true)]
    key: Option<String>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Bytes of frames that are held in memory at most.
const FRAMES_BYTES_MAX: usize = 1 << 30;

/// A frame, ready to be sent.
struct LoadFrame {
    bytes: Bytes,
    media_type: &'static str,
}

/// Exits with 1 when no request was answered with success.
pub(super) async fn run(arguments: &LoadArguments) -> anyhow::Result<ExitCode> {
    ensure!(
        arguments.rate.is_none_or(|rate| rate.is_finite() && rate > 0.0),
        "--rate must be over 0"
    );
    ensure!(!arguments.duration.is_zero(), "--duration must be over 0");
    let url = arguments.url.join(&arguments.path).context("--path does not fit --url")?;
    let frames = read_frames(&arguments.frames)?;
    let (tally, took) = drive(Load {
        url,
        frames,
        connections: arguments.connections.into(),
        rate: arguments.rate,
        warm_up: arguments.warm_up,
        duration: arguments.duration,
        timeout: arguments.timeout,
        key: arguments.key.clone(),
    })
    .await?;
    let report = tally.report(took);
    if arguments.json {
        println!("{}", serde_json::to_string(&report)?);
    } else {
        print!("{report}");
    }
    Ok(if report.answered > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn read_frames(folder: &Path) -> anyhow::Result<Vec<LoadFrame>> {
    let mut frames = Vec::new();
    let mut bytes_left = FRAMES_BYTES_MAX;
    for entry in walkdir::WalkDir::new(folder).sort_by_file_name() {
        let entry = entry?;
        if !entry.file_type().is_file() {
            continue;
        }
        let bytes = std::fs::read(entry.path())
            .with_context(|| format!("cannot read {}", entry.path().display()))?;
        let Some(format) = FrameFormat::sniff(&bytes) else { continue };
        bytes_left = bytes_left.checked_sub(bytes.len()).with_context(|| {
            format!("the frames in {} are over {FRAMES_BYTES_MAX} bytes", folder.display())
        })?;
        frames.push(LoadFrame { bytes: bytes.into(), media_type: format.media_type() });
    }
    if frames.is_empty() {
        bail!("{} holds no JPEG, PNG or WebP", folder.display());
    }
    Ok(frames)
}
