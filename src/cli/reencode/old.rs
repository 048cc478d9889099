//! `limen reencode --drop-old`: the end of a change of the encoder.

use std::io::{IsTerminal, Write, stdin, stdout};

use anyhow::{bail, ensure};
use serde_json::json;

use super::ReencodeArguments;
use super::progress::Left;
use crate::cli::author;
use crate::domain::ModelId;
use crate::store::Store;

/// Removes the faces of an old model, if nobody is left without one of the configured model; whether it did.
pub(super) async fn drop(
    store: &Store,
    configured: &ModelId,
    old: &ModelId,
    arguments: &ReencodeArguments,
) -> anyhow::Result<bool> {
    ensure!(
        old != configured,
        "{old} is the configured model: its faces are what the gates open for"
    );
    let stored = store.models().await?.into_iter().find(|count| count.model == *old);
    let Some(stored) = stored else {
        bail!("no face of {old} is stored; `limen reencode --status` lists what is");
    };
    refuse_to_leave_anybody(store, old, configured).await?;
    if !arguments.yes {
        ask(&format!(
            "Remove {} faces of {} people, made by {old}? There is no way back to it then.",
            stored.faces, stored.people
        ))?;
    }
    let (author, mut removed) = (author("reencode --drop-old"), 0);
    while let faces @ 1.. = store.drop_old_faces(&author, old, configured).await? {
        removed += faces;
    }
    match arguments.json {
        true => println!("{}", json!({"model": old, "removed": removed})),
        false => println!("{removed} faces of {old} removed"),
    }
    // Whoever was enrolled meanwhile, by a service that still runs with the old model.
    refuse_to_leave_anybody(store, old, configured).await?;
    Ok(true)
}

async fn refuse_to_leave_anybody(
    store: &Store,
    old: &ModelId,
    configured: &ModelId,
) -> anyhow::Result<()> {
    let left = Left::with_only(store, old, configured).await?;
    ensure!(
        left.people == 0,
        "{} of those enrolled have faces of {old} and none of {configured}, and would be left without any: move them by \
         `limen reencode` or enrol them again (`limen gallery drop {old}` removes their faces all the same):{}",
        left.people,
        left.names()
    );
    Ok(())
}

/// Asks at a terminal.
fn ask(question: &str) -> anyhow::Result<()> {
    ensure!(stdin().is_terminal(), "{question} Say so with --yes");
    print!("{question} [y/N] ");
    stdout().flush()?;
    let mut answer = String::new();
    stdin().read_line(&mut answer)?;
    ensure!(answer.trim().eq_ignore_ascii_case("y"), "nothing was removed");
    Ok(())
}
