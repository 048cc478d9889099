//! `limen key create|list|revoke`

use std::collections::BTreeSet;
use std::process::ExitCode;

use clap::Subcommand;
use comfy_table::Table;

use super::connect;
use crate::config::Config;
use crate::domain::{GateId, KeyId};
use crate::http::ApiKeyText;
use crate::store::Scope;

#[derive(Debug, Subcommand)]
pub(super) enum KeyCommand {
    /// Create a key and print it, once.
    Create {
        /// Who will use it.
        #[arg(long)]
        name: String,
        /// What it allows: gate, admin or metrics; may be given several times.
        #[arg(long = "scope", required = true)]
        scopes: Vec<Scope>,
        /// Bind it to the passages of one gate; the scope is then gate alone.
        #[arg(long, value_name = "GATE_ID")]
        gate: Option<GateId>,
    },
    /// List the keys; their secrets are not known.
    List,
    /// Revoke a key at once.
    Revoke {
        /// Its id, as `list` shows it.
        key_id: KeyId,
    },
}

pub(super) async fn run(config: &Config, command: KeyCommand) -> anyhow::Result<ExitCode> {
    let store = connect(config).await?;
    match command {
        KeyCommand::Create { name, scopes, gate } => {
            anyhow::ensure!(
                (1..=100).contains(&name.trim().chars().count())
                    && !name.chars().any(char::is_control),
                "a key's name must have 1 to 100 printable characters"
            );
            let key = ApiKeyText::generate()?;
            let scopes: BTreeSet<Scope> = scopes.into_iter().collect();
            anyhow::ensure!(
                gate.is_none() || scopes == [Scope::Gate].into(),
                "a key that is bound to a gate has the scope gate alone"
            );
            store.create_key(&key.draft(name.trim().to_owned(), scopes, gate)).await?;
            println!("{key}");
        }
        KeyCommand::List => {
            let mut table = Table::new();
            table.set_header(["id", "name", "scopes", "gate", "created", "revoked"]);
            for key in store.keys().await? {
                let scopes: Vec<_> = key.draft.scopes.iter().map(Scope::to_string).collect();
                table.add_row([
                    key.draft.id.to_string(),
                    key.draft.name,
                    scopes.join(", "),
                    key.draft.gate_id.map(|id| id.to_string()).unwrap_or_default(),
                    key.created_at.to_rfc3339(),
                    key.revoked_at.map(|at| at.to_rfc3339()).unwrap_or_default(),
                ]);
            }
            println!("{table}");
        }
        KeyCommand::Revoke { key_id } => {
            store.revoke_key(key_id).await?;
            println!("revoked {key_id}");
        }
    }
    Ok(ExitCode::SUCCESS)
}
