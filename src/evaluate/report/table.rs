//! Figures in rows, each with its interval.

use maud::{Markup, html};

use super::Value;

/// A table of figures.
#[derive(Debug, Clone)]
pub struct Table {
    /// What the table shows.
    pub caption: String,
    /// The rows, in order.
    pub rows: Vec<Row>,
    /// The heading of the intervals, e.g. `95 % interval`; the column is left out when no row has
    /// an interval.
    pub interval: String,
    /// How to read it, under the table; may be empty.
    pub note: String,
}

/// One figure.
#[derive(Debug, Clone)]
pub struct Row {
    /// The name of the figure.
    pub label: String,
    /// The figure.
    pub value: Value,
    /// Where the figure lies with the confidence that the table names, in the value's unit.
    pub interval: Option<(f64, f64)>,
}

impl Row {
    /// A figure without an interval.
    pub fn new(label: impl Into<String>, value: Value) -> Self {
        Self { label: label.into(), value, interval: None }
    }

    /// The same figure with its interval.
    #[must_use]
    pub fn within(mut self, low: f64, high: f64) -> Self {
        self.interval = Some((low, high));
        self
    }

    pub(super) fn shown_interval(&self) -> Option<String> {
        self.interval.map(|interval| self.value.shown_interval(interval))
    }
}

pub(super) fn markup(table: &Table) -> Markup {
    let with_interval = table.rows.iter().any(|row| row.interval.is_some());
    html! {
        div.table {
            table {
                caption { (table.caption) }
                thead { tr {
                    th scope="col" { "Figure" }
                    th.number scope="col" { "Value" }
                    @if with_interval { th.number scope="col" { (table.interval) } }
                } }
                tbody {
                    @for row in &table.rows {
                        tr {
                            th scope="row" { (row.label) }
                            td.number { (row.value.shown()) }
                            @if with_interval {
                                td.number.interval { (row.shown_interval().unwrap_or_default()) }
                            }
                        }
                    }
                }
            }
            @if table.rows.is_empty() { p.note { "No figures." } }
            @if !table.note.is_empty() { p.note { (table.note) } }
        }
    }
}
