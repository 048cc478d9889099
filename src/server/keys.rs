//! Reads the keys that the operator keeps outside the database.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;

use anyhow::{Context, bail};
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::Command;
use tracing::warn;
use zeroize::Zeroizing;

use crate::access::GrantKey;
use crate::config::SecretsConfig;
use crate::secrets::Keyring;

/// Bytes that a file or a command may give: 16 keys with a comment each have some 2,000.
const TEXT_BYTES_MAX: u64 = 65_536;

/// The keys that templates are sealed under.
///
/// # Errors
/// When the configuration names none, or they cannot be had from where it says; with the way out.
pub async fn keyring(config: &SecretsConfig) -> anyhow::Result<Arc<Keyring>> {
    let (place, text) = match config {
        SecretsConfig { keys: Some(text), .. } => {
            ("`keys` in [secrets]".to_owned(), Zeroizing::new(text.0.clone()))
        }
        SecretsConfig { keys_file: Some(file), .. } => (
            file.display().to_string(),
            secret_file(file, "the keys that templates are sealed under")?,
        ),
        SecretsConfig { keys_command: Some(command), .. } => {
            let place = "`keys_command` in [secrets] of config.toml";
            (place.to_owned(), answer(command, config).await.context(place)?)
        }
        _ => bail!(
            "no key is set that templates are sealed under: make one with `limen secrets create limen.keys`, \
             and name the file as `keys_file` in [secrets] of config.toml or LIMEN_SECRETS__KEYS_FILE \
             (or set `keys_command`, or LIMEN_SECRETS__KEYS to the keys themselves). Where templates are \
             stored already it must be the key that they were sealed under"
        ),
    };
    let ring: Keyring = text.parse().with_context(|| {
        format!("{place} holds no keys that templates can be sealed under (`limen secrets create` makes one)")
    })?;
    Ok(Arc::new(ring))
}

/// The key in a file, which grants are signed with.
///
/// # Errors
/// When there is no such file, or no key in it.
pub fn grant_key(file: &Path) -> anyhow::Result<GrantKey> {
    let text = secret_file(file, "the key for grants")?;
    text.parse().with_context(|| format!("{} holds no key", file.display()))
}

/// What a file holds that only its owner should read.
///
/// # Errors
/// When it cannot be read, or has more than keys have.
pub fn secret_file(file: &Path, what: &str) -> anyhow::Result<Zeroizing<String>> {
    use std::io::Read;

    let unread = || format!("{what} in {} cannot be read", file.display());
    let open = std::fs::File::open(file).with_context(unread)?;
    let mode = open.metadata().with_context(unread)?.permissions().mode();
    if mode & 0o077 != 0 {
        warn!(file = %file.display(), "{what} can be read by others than the file's owner: chmod 600");
    }
    let mut text = Zeroizing::new(String::new());
    open.take(TEXT_BYTES_MAX + 1).read_to_string(&mut text).with_context(unread)?;
    if text.len() as u64 > TEXT_BYTES_MAX {
        bail!("{} has more than {TEXT_BYTES_MAX} bytes: it is no file of keys", file.display());
    }
    Ok(text)
}

/// What a command prints.
async fn answer(command: &str, config: &SecretsConfig) -> anyhow::Result<Zeroizing<String>> {
    let mut child = Command::new("sh")
        .args(["-c", command])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        // A group of its own, so that what it starts itself ends with it.
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .context("sh cannot be started")?;
    let group = child.id();
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let ended = async {
        let (printed, said) = tokio::try_join!(head(stdout), head(stderr))?;
        Ok::<(ExitStatus, _, _), std::io::Error>((child.wait().await?, printed, said))
    };
    let ended = tokio::time::timeout(config.keys_command_timeout(), ended).await;
    let Ok(ended) = ended else {
        let group = group.and_then(|id| Pid::from_raw(id.try_into().ok()?));
        if let Some(group) = group {
            // One that has just ended by itself is no loss.
            let _ = kill_process_group(group, Signal::KILL);
        }
        bail!(
            "it has not ended within {} ms (`keys_command_timeout_ms`)",
            config.keys_command_timeout_ms
        );
    };
    let (status, printed, said) = ended.context("its output cannot be read")?;
    if !status.success() {
        bail!("{status}: {}", String::from_utf8_lossy(&said).trim());
    }
    let text = std::str::from_utf8(&printed).context("it prints what is no text")?;
    Ok(Zeroizing::new(text.to_owned()))
}

/// The first bytes of an output; what is more is read no further, and the command fails or is ended.
async fn head(output: Option<impl AsyncRead + Unpin>) -> std::io::Result<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(Vec::new());
    if let Some(output) = output {
        output.take(TEXT_BYTES_MAX).read_to_end(&mut bytes).await?;
    }
    Ok(bytes)
}
