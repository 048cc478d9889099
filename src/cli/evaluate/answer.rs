//! What an evaluation prints: JSON, or a table.

use anyhow::Context;
use comfy_table::{CellAlignment, Table as TextTable};
use serde::Serialize;

use super::page;
use super::photos::Tally;
use crate::evaluate::report::{Evaluation, Item, Report, Section, Table, render};

/// The first figures of a table, shown large at the head of the page.
const HEADLINES: usize = 4;

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

/// What the page of one evaluation says beside its figures.
pub(super) struct Page {
    pub evaluation: Evaluation,
    pub title: &'static str,
    pub summary: String,
    pub sections: Vec<Section>,
}

/// Prints the figures, and writes the page where one is asked for.
pub(super) fn put<M: Serialize>(
    common: &super::Common,
    answer: &Answer<'_, M>,
    figures: &Table,
    page: impl FnOnce() -> Page,
) -> anyhow::Result<()> {
    if common.json {
        println!("{}", serde_json::to_string_pretty(answer)?);
    } else {
        println!("{}", text(figures));
    }
    if let Some(file) = &common.report {
        let Page { evaluation, title, summary, sections } = page();
        let table = Section {
            heading: "Figures".to_owned(),
            text: String::new(),
            items: vec![Item::Table(figures.clone())],
        };
        let html = render(&Report {
            evaluation,
            title: title.to_owned(),
            summary,
            origin: page::origin(&common.source.images, answer.model_id, answer.data),
            headline: figures.rows.iter().take(HEADLINES).cloned().collect(),
            notes: page::notes(answer.data, evaluation),
            sections: std::iter::once(table).chain(sections).collect(),
        })?;
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
