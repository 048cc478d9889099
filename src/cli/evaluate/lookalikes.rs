//! `limen evaluate lookalikes`: the closest pairs of enrolled people.

use clap::Args;
use comfy_table::Table;
use serde::Serialize;

use crate::cli::connect_to_templates;
use crate::config::Config;
use crate::domain::{EmployeeId, Encoding};
use crate::evaluate::protocol::all_pairs;
use crate::store::Store;
use crate::vision::EncoderProfile;

#[derive(Debug, Args)]
pub(in crate::cli) struct LookalikesArguments {
    /// Pairs to list, the closest first.
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=1_000))]
    count: u16,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Two enrolled people and how near their templates are.
#[derive(Serialize)]
struct Pair {
    distance: f32,
    /// Whether one would be taken for the other if only one were enrolled.
    under_threshold: bool,
    people: [Somebody; 2],
}

#[derive(Serialize)]
struct Somebody {
    employee_id: EmployeeId,
    name: String,
}

pub(super) fn run(config: &Config, arguments: &LookalikesArguments) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let pairs = runtime.block_on(closest(config, arguments.count.into()))?;
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&pairs)?);
        return Ok(());
    }
    let mut table = Table::new();
    table.set_header(["distance", "person", "looks like", ""]);
    for Pair { distance, under_threshold, people } in pairs {
        let [one, other] = people.map(|person| format!("{} ({})", person.name, person.employee_id));
        let note = if under_threshold { "under τ: one twice, or give both a badge" } else { "" };
        table.add_row([format!("{distance:.3}"), one, other, note.to_owned()]);
    }
    println!("{table}");
    Ok(())
}

async fn closest(config: &Config, count: usize) -> anyhow::Result<Vec<Pair>> {
    let store = connect_to_templates(config).await?;
    let encoder = EncoderProfile::of(&config.inference.weights_dir, &config.road)?;
    let mut rows = Vec::new();
    let mut last = None;
    loop {
        let page = store.gallery_page(&encoder.model, last).await?;
        let Some(row) = page.last() else { break };
        last = Some(row.employee_id);
        rows.extend(page);
    }
    let person: Vec<u32> = (0..rows.len() as u32).collect();
    let templates: Vec<Option<Encoding>> = rows.iter().map(|row| row.template().ok()).collect();
    let template: Vec<Option<&[f32]>> =
        templates.iter().map(|template| template.as_ref().map(Encoding::values)).collect();
    let nearest = all_pairs(&person, &template, count)?.worst_impostor;

    let tau = config.matching.risk(&encoder)?.recognize(rows.len()).threshold;
    let mut pairs = Vec::with_capacity(nearest.len());
    for pair in nearest {
        let [one, other] = [pair.left, pair.right].map(|row| rows[row].employee_id);
        let people = [somebody(&store, one).await?, somebody(&store, other).await?];
        let under_threshold = pair.distance < tau.value();
        pairs.push(Pair { distance: pair.distance, under_threshold, people });
    }
    Ok(pairs)
}

async fn somebody(store: &Store, employee_id: EmployeeId) -> anyhow::Result<Somebody> {
    let name = store.employee(employee_id).await?.name.to_string();
    Ok(Somebody { employee_id, name })
}
