//! `limen evaluate lookalikes`: the closest pairs of enrolled people, and who needs a badge for it.

use std::collections::BTreeSet;

use clap::Args;
use comfy_table::Table;
use serde::Serialize;

use crate::access::look_alike_limit;
use crate::cli::{author, connect_to_templates};
use crate::config::Config;
use crate::domain::{EmployeeId, Encoding};
use crate::evaluate::protocol::{Worst, each_pair};
use crate::store::{GalleryRow, Store};
use crate::vision::EncoderProfile;

#[derive(Debug, Args)]
pub(in crate::cli) struct LookalikesArguments {
    /// Pairs to list, the closest first.
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=1_000))]
    count: u16,
    /// Make the face alone open no longer for look-alikes, all of them and not only those that are listed: two
    /// people nearer to each other than τ of 1:N and the margin.
    #[arg(long)]
    require_badge: bool,
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
    /// Whether they are look-alikes: under τ and the margin.
    look_alikes: bool,
    people: [Somebody; 2],
}

#[derive(Serialize)]
struct Somebody {
    employee_id: EmployeeId,
    name: String,
    /// Whether the face alone does not open.
    badge_required: bool,
}

/// Rows of the gallery that are near each other.
struct Near {
    /// The closest pairs, the closest first, with their distances.
    pairs: Vec<(f32, [EmployeeId; 2])>,
    /// Everybody who has a look-alike.
    look_alikes: Vec<EmployeeId>,
}

pub(super) fn run(config: &Config, arguments: &LookalikesArguments) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(list(config, arguments))
}

async fn list(config: &Config, arguments: &LookalikesArguments) -> anyhow::Result<()> {
    let store = connect_to_templates(config).await?;
    let encoder = EncoderProfile::of(&config.inference.weights_dir, &config.road)?;
    let rows = gallery(&store, &encoder).await?;
    let tau = config.matching.risk(&encoder)?.recognize(rows.len()).threshold;
    let limit = look_alike_limit(tau, config.matching.margin);
    let near = near(&rows, limit, arguments.count.into())?;

    let in_need = if arguments.require_badge { near.look_alikes } else { Vec::new() };
    let now_required = store.require_badge(&author("evaluate lookalikes"), &in_need).await?;
    let mut pairs = Vec::with_capacity(near.pairs.len());
    for (distance, [one, other]) in near.pairs {
        pairs.push(Pair {
            distance,
            under_threshold: distance < tau.value(),
            look_alikes: distance < limit,
            people: [somebody(&store, one).await?, somebody(&store, other).await?],
        });
    }
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&pairs)?);
    } else {
        println!("{}", table(pairs));
    }
    // Beside the JSON, which lists pairs.
    if arguments.require_badge && now_required.is_empty() {
        eprintln!("limen: nobody needs a badge who did not before");
    }
    for (employee, name) in now_required {
        eprintln!("limen: {name} ({employee}) needs a badge from now on");
    }
    Ok(())
}

fn table(pairs: Vec<Pair>) -> Table {
    let mut table = Table::new();
    table.set_header(["distance", "person", "nearest to", ""]);
    for pair in pairs {
        let badges = pair.people.each_ref().map(|person| person.badge_required);
        let note = match (pair.look_alikes, badges) {
            (false, _) => "",
            (true, [true, true]) => "look-alikes: both need a badge",
            (true, _) => "look-alikes, or one twice: --require-badge",
        };
        let [one, other] =
            pair.people.map(|person| format!("{} ({})", person.name, person.employee_id));
        table.add_row([format!("{:.3}", pair.distance), one, other, note.to_owned()]);
    }
    table
}

async fn gallery(store: &Store, encoder: &EncoderProfile) -> anyhow::Result<Vec<GalleryRow>> {
    let mut rows = Vec::new();
    let mut last = None;
    loop {
        let page = store.gallery_page(&encoder.model, None, last).await?;
        let Some(row) = page.last() else { return Ok(rows) };
        last = Some(row.employee_id);
        rows.extend(page);
    }
}

fn near(rows: &[GalleryRow], limit: f32, count: usize) -> anyhow::Result<Near> {
    let templates: Vec<Option<Encoding>> = rows.iter().map(|row| row.template().ok()).collect();
    let template: Vec<Option<&[f32]>> =
        templates.iter().map(|template| template.as_ref().map(Encoding::values)).collect();
    let mut closest = Worst::impostor(count);
    let mut look_alikes = BTreeSet::new();
    each_pair(&template, |left, right, distance| {
        closest.offer(distance.value(), left, right);
        if distance.value() < limit {
            look_alikes.extend([left, right]);
        }
    })?;
    let id = |row: usize| rows[row].employee_id;
    let pairs = closest.into_pairs().into_iter();
    Ok(Near {
        pairs: pairs.map(|pair| (pair.distance, [id(pair.left), id(pair.right)])).collect(),
        look_alikes: look_alikes.into_iter().map(id).collect(),
    })
}

async fn somebody(store: &Store, employee_id: EmployeeId) -> anyhow::Result<Somebody> {
    let employee = store.employee(employee_id).await?;
    let (name, badge_required) = (employee.name.to_string(), employee.badge_required);
    Ok(Somebody { employee_id, name, badge_required })
}
