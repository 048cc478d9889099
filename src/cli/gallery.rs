//! `limen gallery models|drop`: what is enrolled with which encoder.

use std::process::ExitCode;

use anyhow::{bail, ensure};
use clap::Subcommand;
use comfy_table::Table;

use super::{author, connect};
use crate::config::Config;
use crate::domain::ModelId;
use crate::store::Store;
use crate::vision::EncoderProfile;

/// How many people are named at most.
const NAMED_MAX: u32 = 20;

#[derive(Debug, Subcommand)]
pub(super) enum GalleryCommand {
    /// List the models that made the stored faces, and who has none of the configured one.
    Models,
    /// Remove every face of another model than the configured one; who has no other must be enrolled
    /// again.
    Drop {
        /// The model, as `models` shows it.
        model: String,
    },
}

pub(super) async fn run(config: &Config, command: GalleryCommand) -> anyhow::Result<ExitCode> {
    let configured = EncoderProfile::of(&config.inference.weights_dir, &config.road)?.model;
    let store = connect(config).await?;
    let models = store.faces_by_model().await?;
    match command {
        GalleryCommand::Models => {
            let mut table = Table::new();
            table.set_header(["model", "faces", ""]);
            for (model, faces) in models {
                let note = if model == configured { "configured" } else { "" };
                table.add_row([model.to_string(), faces.to_string(), note.to_owned()]);
            }
            println!("{table}");
            if let Some(left) = left_behind(&store, &configured).await? {
                println!("{left}");
            }
        }
        GalleryCommand::Drop { model } => {
            let model = ModelId::new(model);
            ensure!(
                model != configured,
                "{model} is the configured model: its faces are what the gates open for"
            );
            if !models.iter().any(|(stored, _)| *stored == model) {
                bail!("no face of {model} is stored; `limen gallery models` lists what is");
            }
            let removed = store.delete_faces_of_model(&author("gallery drop"), &model).await?;
            println!("{removed} faces of {model} removed");
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Who has faces, but none of the configured model; none where there is nobody.
pub(super) async fn left_behind(
    store: &Store,
    configured: &ModelId,
) -> anyhow::Result<Option<String>> {
    let (people, named) = store.people_without(&[configured], NAMED_MAX).await?;
    if people == 0 {
        return Ok(None);
    }
    let mut names: Vec<String> =
        named.iter().map(|(id, name)| format!("  {name} ({id})")).collect();
    if people > u64::from(NAMED_MAX) {
        names.push("  ...".to_owned());
    }
    Ok(Some(format!(
        "{people} of those enrolled have no face of {configured}:\n{}\nThe service does not start \
         while they have faces of other models alone: encode what photos are kept anew with `limen reencode`, serve \
         the other model beside it while they are enrolled again ([previous] of config.toml), or remove what is left \
         with `limen gallery drop`",
        names.join("\n")
    )))
}
