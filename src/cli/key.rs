//! `limen key create|list|readmit|revoke`

use std::collections::BTreeSet;
use std::process::ExitCode;

use anyhow::Context;
use chrono::{TimeDelta, Utc};
use clap::Subcommand;
use comfy_table::Table;

use super::{author, connect};
use crate::config::Config;
use crate::domain::{GateId, KeyId, KeyName, Scope};
use crate::http::ApiKeyText;

#[derive(Debug, Subcommand)]
pub(super) enum KeyCommand {
    /// Create a key and print it, once.
    Create {
        /// Who will use it.
        #[arg(long)]
        name: KeyName,
        /// What it is for: gate, metrics, or a role: viewer, enroller, officer, admin (docs/ROLES.md); may be given
        /// several times.
        #[arg(long = "scope", required = true)]
        scopes: Vec<Scope>,
        /// Bind it to the passages of one gate; the scope is then gate alone.
        #[arg(long, value_name = "GATE_ID")]
        gate: Option<GateId>,
        /// Let it end by itself after this time, e.g. 90d or 12h.
        #[arg(long, value_name = "DURATION")]
        expires_in: Option<humantime::Duration>,
    },
    /// List the keys; their secrets are not known.
    List,
    /// Let whom a revoked key stood for sign in by the OpenID provider again.
    Readmit {
        /// The key's id, as `list` shows it.
        key_id: KeyId,
    },
    /// Revoke a key at once.
    Revoke {
        /// Its id, as `list` shows it.
        key_id: KeyId,
    },
}

pub(super) async fn run(config: &Config, command: KeyCommand) -> anyhow::Result<ExitCode> {
    let store = connect(config).await?;
    match command {
        KeyCommand::Create { name, scopes, gate, expires_in } => {
            let key = ApiKeyText::generate()?;
            let scopes: BTreeSet<Scope> = scopes.into_iter().collect();
            anyhow::ensure!(
                gate.is_none() || scopes == [Scope::Gate].into(),
                "a key that is bound to a gate has the scope gate alone"
            );
            let expires_at = expires_in.map(|after| {
                let after = TimeDelta::from_std(*after).ok();
                after
                    .and_then(|after| Utc::now().checked_add_signed(after))
                    .context("--expires-in is too long")
            });
            let draft = key.draft(name, scopes, gate, expires_at.transpose()?);
            store.create_key(&author("key create"), &draft).await?;
            println!("{key}");
        }
        KeyCommand::List => {
            let mut table = Table::new();
            table.set_header([
                "id",
                "name",
                "scopes",
                "gate",
                "created",
                "last used",
                "expires",
                "revoked",
                "signs in as",
            ]);
            for key in store.keys().await? {
                let scopes: Vec<_> = key.draft.scopes.iter().map(Scope::to_string).collect();
                table.add_row([
                    key.draft.id.to_string(),
                    key.draft.name.as_str().to_owned(),
                    scopes.join(", "),
                    key.draft.gate_id.map(|id| id.to_string()).unwrap_or_default(),
                    key.created_at.to_rfc3339(),
                    key.last_used_at.map(|at| at.to_rfc3339()).unwrap_or_default(),
                    key.draft.expires_at.map(|at| at.to_rfc3339()).unwrap_or_default(),
                    key.revoked_at.map(|at| at.to_rfc3339()).unwrap_or_default(),
                    key.identity
                        .map(|who| format!("{} at {}", who.subject, who.issuer))
                        .unwrap_or_default(),
                ]);
            }
            println!("{table}");
        }
        KeyCommand::Readmit { key_id } => {
            store.readmit(&author("key readmit"), key_id).await?;
            println!("whom {key_id} stood for may sign in again");
        }
        KeyCommand::Revoke { key_id } => {
            store.revoke_key(&author("key revoke"), key_id).await?;
            println!("revoked {key_id}");
        }
    }
    Ok(ExitCode::SUCCESS)
}
