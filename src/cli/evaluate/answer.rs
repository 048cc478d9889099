//! What an evaluation prints: JSON, or a table.

use comfy_table::{CellAlignment, Table as TextTable};
use serde::Serialize;

use super::photos::Tally;
use crate::evaluate::report::{Report, Table};

/// The figures with what they were measured on.
#[derive(Serialize)]
pub(super) struct Answer<'a, M> {
    #[serde(flatten)]
    pub metrics: &'a M,
    /// The model that was evaluated.
    pub model_id: &'a str,
    /// The photos.
    pub data: &'a Tally,
}

/// Prints the figures, and writes the page where one is asked for.
pub(super) fn put<M: Serialize>(
    common: &super::Common,
    answer: &Answer<'_, M>,
    figures: &Table,
    page: impl FnOnce() -> Report,
) -> anyhow::Result<()> {
    if common.json {
        println!("{}", serde_json::to_string_pretty(answer)?);
    } else {
        println!("{}", text(figures));
    }
    if let Some(file) = &common.report {
        use anyhow::Context;

        let html = crate::evaluate::report::render(&page())?;
        std::fs::write(file, html)
            .with_context(|| format!("{} cannot be written", file.display()))?;
        eprintln!("the report is in {}", file.display());
    }
    Ok(())
}

fn text(figures: &Table) -> String {
    let mut table = TextTable::new();
    table.load_preset(comfy_table::presets::NOTHING);
    for row in &figures.rows {
        let interval = row.interval.map(|interval| row.value.shown_interval(interval));
        table.add_row([row.label.clone(), row.value.shown(), interval.unwrap_or_default()]);
    }
    if let Some(column) = table.column_mut(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    format!("{}\n{table}\n{}", figures.caption, figures.note)
}
