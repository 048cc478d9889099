//! `limen audit verify|heads|keys|take-over`: whether the trail is as it was written.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::Utc;
use clap::Subcommand;
use ed25519_dalek::VerifyingKey;
use serde_json::json;

use super::{author, connect_whatever_signed};
use crate::audit::{KeptHead, KeptHeadError, Verified, verify};
use crate::config::Config;
use crate::server::keyring;
use crate::store::SignedHead;

#[derive(Debug, Subcommand)]
pub(super) enum AuditCommand {
    /// Read the whole trail again and name whatever was altered, removed, moved or added since it was written.
    Verify {
        /// Heads that were kept elsewhere, as `heads` prints them; may be given several times.
        #[arg(long, value_name = "FILE")]
        heads: Vec<PathBuf>,
        /// Trust this key too, as `keys` prints it: one that was retired since; may be given several times.
        #[arg(long = "public-key", value_name = "KEY", value_parser = public_key, allow_hyphen_values = true)]
        public_keys: Vec<VerifyingKey>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Print where every chain ends now, signed: one line of JSON each, to be kept where nobody who can write
    /// into the database can.
    Heads,
    /// Print the public keys that heads are signed with, the one in use first.
    Keys,
    /// Sign anew what a lost key has signed, so that the trail goes on under the one in use; the trail tells of it.
    TakeOver {
        /// The lost key's public half, as `keys` printed it: what it signed is checked with it first.
        #[arg(long, value_name = "KEY", value_parser = public_key, allow_hyphen_values = true)]
        public_key: VerifyingKey,
    },
}

/// Exits with 1 when something is wrong with the trail.
pub(super) async fn run(config: &Config, command: AuditCommand) -> anyhow::Result<ExitCode> {
    match command {
        AuditCommand::Verify { heads, public_keys, json } => {
            let mut trusted = public_keys;
            trusted.extend(keyring(&config.secrets).await?.verifying_keys().iter().map(|k| k.1));
            let (mut kept, mut unread) = (Vec::new(), Vec::new());
            for file in &heads {
                read_heads(file, &mut kept, &mut unread)?;
            }
            let verified = verify(&connect_whatever_signed(config).await?, &trusted, &kept).await?;
            if json {
                print_json(&verified, &unread)
            } else {
                print(&verified, &unread)
            }
            let sound = verified.faults.is_empty() && unread.is_empty();
            return Ok(if sound { ExitCode::SUCCESS } else { ExitCode::FAILURE });
        }
        AuditCommand::Heads => {
            let read_at = Utc::now();
            for signed in connect_whatever_signed(config).await?.heads().await? {
                println!("{}", serde_json::to_string(&KeptHead::new(&signed, read_at))?);
            }
        }
        AuditCommand::Keys => {
            for (_, key) in keyring(&config.secrets).await?.verifying_keys() {
                println!("{}", URL_SAFE_NO_PAD.encode(key.as_bytes()));
            }
        }
        AuditCommand::TakeOver { public_key } => {
            let (store, author) =
                (connect_whatever_signed(config).await?, author("audit take-over"));
            let taken = store.take_over_heads(&author, &public_key).await?;
            println!("{taken} heads that bear this key's valid signature were signed anew");
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// `unread`: what is wrong with the heads that were kept.
fn print(verified: &Verified, unread: &[String]) {
    let Verified { chains, records, unchained, foreign, faults } = verified;
    for fault in faults {
        println!("{fault}");
    }
    for line in unread {
        println!("{line}");
    }
    if !foreign.is_empty() {
        println!(
            "{} changes were made by other clients of the database than Limen: {}",
            foreign.len(),
            foreign.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
        );
    }
    let before = match unchained {
        0 => String::new(),
        count => format!(" ({count} passages are from before there were chains)"),
    };
    let what =
        if faults.is_empty() && unread.is_empty() { "all as written" } else { "faults above" };
    println!("{records} records in {chains} chains: {what}{before}");
}

fn print_json(verified: &Verified, unread: &[String]) {
    let faults: Vec<_> = verified
        .faults
        .iter()
        .map(|fault| json!({"record_id": fault.record(), "fault": fault.to_string()}))
        .chain(unread.iter().map(|line| json!({"record_id": null, "fault": line})))
        .collect();
    let Verified { chains, records, unchained, foreign, .. } = verified;
    println!(
        "{}",
        json!({"chains": chains, "records": records, "unchained": unchained, "foreign": foreign, "faults": faults})
    );
}

/// Reads kept heads; a line that is none, as a full disk leaves it, is told of and the others count.
fn read_heads(
    file: &Path,
    kept: &mut Vec<SignedHead>,
    unread: &mut Vec<String>,
) -> anyhow::Result<()> {
    let text = std::fs::read_to_string(file)
        .with_context(|| format!("the heads in {} cannot be read", file.display()))?;
    for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let head = serde_json::from_str::<KeptHead>(line).map_err(KeptHeadError::from);
        match head.and_then(|head| head.signed()) {
            Ok(signed) => kept.push(signed),
            Err(error) => unread.push(format!("{} line {}: {error}", file.display(), number + 1)),
        }
    }
    Ok(())
}

fn public_key(text: &str) -> Result<VerifyingKey, String> {
    let bytes: Option<[u8; 32]> =
        URL_SAFE_NO_PAD.decode(text).ok().and_then(|bytes| bytes.try_into().ok());
    let bytes = bytes.ok_or("a public key has 32 bytes in base64url: 43 characters")?;
    VerifyingKey::from_bytes(&bytes).map_err(|_| "not a public key of Ed25519".to_owned())
}
