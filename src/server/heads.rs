//! Keeps the trail's signed heads in a file, which whoever may write into the database should not be able to change.

use std::collections::BTreeMap;
use std::io::{self, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use chrono::Utc;
use tokio::fs::{File, OpenOptions};
use tokio::io::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt};
use tracing::error;

use crate::audit::KeptHead;
use crate::domain::{Head, Stream};
use crate::store::Store;

/// Checks that the file can be appended to.
///
/// # Errors
/// When it cannot.
pub(super) async fn check(file: &Path) -> anyhow::Result<()> {
    let opened = OpenOptions::new().append(true).create(true).open(file).await;
    opened.with_context(|| format!("`heads_file` in [audit]: {}", file.display()))?;
    Ok(())
}

/// Appends the heads that have moved, at once and then again and again. Several replicas may, each to a file of
/// its own or all to one.
pub(super) async fn keep(file: PathBuf, interval: Duration, store: Store) {
    let mut kept = BTreeMap::new();
    loop {
        if let Err(error) = append(&file, &store, &mut kept).await {
            error!(error = format!("{error:#}"), "the heads of the trail could not be kept");
        }
        tokio::time::sleep(interval).await;
    }
}

async fn append(
    file: &Path,
    store: &Store,
    kept: &mut BTreeMap<Stream, Head>,
) -> anyhow::Result<()> {
    let mut heads = store.heads().await?;
    heads.retain(|signed| kept.get(&signed.head.stream) != Some(&signed.head));
    if heads.is_empty() {
        return Ok(());
    }
    let read_at = Utc::now();
    let mut lines = String::new();
    for signed in &heads {
        lines += &serde_json::to_string(&KeptHead::new(signed, read_at))?;
        lines.push('\n');
    }
    let unwritten = || format!("{} cannot be written", file.display());
    let mut options = OpenOptions::new();
    let mut open =
        options.append(true).create(true).read(true).open(file).await.with_context(unwritten)?;
    if is_torn(&mut open).await.with_context(unwritten)? {
        // A line that was cut short, by a full disk or a kill, stays alone.
        lines.insert(0, '\n');
    }
    // In one write, so that replicas do not write into each other's lines.
    open.write_all(lines.as_bytes()).await.with_context(unwritten)?;
    open.sync_data().await.with_context(unwritten)?;
    kept.extend(heads.into_iter().map(|signed| (signed.head.stream, signed.head)));
    Ok(())
}

/// Whether the last line of a file does not end.
async fn is_torn(file: &mut File) -> io::Result<bool> {
    if file.metadata().await?.len() == 0 {
        return Ok(false);
    }
    file.seek(SeekFrom::End(-1)).await?;
    Ok(file.read_u8().await? != b'\n')
}
