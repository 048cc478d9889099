//! `limen gate add|credential|list`: turnstiles, and what each signs with.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::ensure;
use clap::Subcommand;
use comfy_table::Table;
use serde_json::json;

use super::{author, connect};
use crate::config::Config;
use crate::domain::{Direction, GateId, GateMode, GateName, GatePolicy, ZoneId};
use crate::http::{GateCredential, OVERLAP_MAX};
use crate::store::{NewGate, Store};

/// Gates that one statement reads.
const PAGE_ROWS: u32 = 500;

#[derive(Debug, Subcommand)]
pub(super) enum GateCommand {
    /// Create a gate that takes signed requests alone, and print the secret that it signs with, once.
    Add {
        /// What people call it.
        name: GateName,
        /// The zone that it leads into or out of.
        #[arg(long, value_name = "ZONE_ID")]
        zone: Option<ZoneId>,
        /// Which way it leads: in or out.
        #[arg(long, default_value = "in", value_parser = direction)]
        direction: Direction,
        /// Whom it compares a face with: face, badge_and_face or badge_or_face (docs/ACCESS.md).
        #[arg(long, default_value = "badge_or_face", value_parser = mode)]
        mode: GateMode,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Make a new secret for a gate and print it, once; its older ones end after the overlap.
    Credential {
        /// The gate, as `list` shows it.
        gate_id: GateId,
        /// How long the older ones go on, e.g. 24h or 0s.
        #[arg(long, default_value = "24h", value_name = "DURATION")]
        overlap: humantime::Duration,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// List the gates, with the credentials of each that are valid.
    List,
}

pub(super) async fn run(config: &Config, command: GateCommand) -> anyhow::Result<ExitCode> {
    let store = connect(config).await?;
    match command {
        GateCommand::Add { name, zone, direction, mode, json } => {
            let policy = GatePolicy {
                zone_id: zone,
                direction,
                mode,
                signed_requests: true,
                ..config.new_gate()
            };
            let author = author("gate add");
            let gate = store.create_gate(&author, NewGate { name, policy }).await?;
            show(&GateCredential::create(&store, &author, &gate, Duration::ZERO).await?, json);
        }
        GateCommand::Credential { gate_id, overlap, json } => {
            ensure!(*overlap <= OVERLAP_MAX, "--overlap is at most {} s", OVERLAP_MAX.as_secs());
            let gate = store.gate(gate_id).await?;
            let author = author("gate credential");
            show(&GateCredential::create(&store, &author, &gate, *overlap).await?, json);
        }
        GateCommand::List => list(&store).await?,
    }
    Ok(ExitCode::SUCCESS)
}

fn show(new: &GateCredential, as_json: bool) {
    let secret = new.secret();
    if as_json {
        println!("{}", json!({"gate_id": new.gate_id, "key_id": new.id, "secret": *secret}));
    } else {
        println!("gate_id {}\nkey_id  {}\nsecret  {}", new.gate_id, new.id, *secret);
    }
}

async fn list(store: &Store) -> anyhow::Result<()> {
    let mut table = Table::new();
    table.set_header([
        "id",
        "name",
        "enabled",
        "mode",
        "zone",
        "direction",
        "signed",
        "credentials",
    ]);
    let keys = store.keys().await?;
    let mut last = None;
    loop {
        let gates = store.gates(last, PAGE_ROWS).await?;
        let Some(end) = gates.last() else { break };
        last = Some(end.id);
        for gate in gates {
            let own = keys.iter().filter(|key| key.signs() && key.valid);
            let own = own.filter(|key| key.draft.gate_id == Some(gate.id));
            let own: Vec<_> = own.map(|key| key.draft.id.to_string()).collect();
            let policy = gate.policy;
            table.add_row([
                gate.id.to_string(),
                gate.name.as_str().to_owned(),
                policy.enabled.to_string(),
                policy.mode.code().to_owned(),
                policy.zone_id.map(|id| id.to_string()).unwrap_or_default(),
                policy.direction.code().to_owned(),
                policy.signed_requests.to_string(),
                own.join("\n"),
            ]);
        }
    }
    println!("{table}");
    Ok(())
}

fn direction(text: &str) -> Result<Direction, String> {
    let known = Direction::ALL.into_iter().find(|direction| direction.code() == text);
    known.ok_or_else(|| Direction::ALL.map(Direction::code).join(" or "))
}

pub(super) fn mode(text: &str) -> Result<GateMode, String> {
    let known = GateMode::ALL.into_iter().find(|mode| mode.code() == text);
    known.ok_or_else(|| GateMode::ALL.map(GateMode::code).join(" or "))
}
