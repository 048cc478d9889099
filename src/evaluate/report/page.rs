//! The page itself.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::{
    Item, Origin, PlotError, Report, Row, Section, cases, curves, glossary, histogram, table,
};

const STYLE: &str = include_str!("page.css");
/// Nothing may be loaded: what a file name smuggled in could not call home.
const POLICY: &str = "default-src 'none'; img-src data:; style-src 'unsafe-inline'";

/// Makes the page: a complete HTML document that needs no other file.
///
/// # Errors
/// [`PlotError`] when the plotting crate refuses to draw, which no input is known to cause.
pub fn render(report: &Report) -> Result<String, PlotError> {
    let sections =
        report.sections.iter().map(section).collect::<Result<Vec<Markup>, PlotError>>()?;
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (report.title) " · Limen" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                (header(report))
                main {
                    (notes(report))
                    @for (i, (content, section)) in sections.iter().zip(&report.sections).enumerate() {
                        section id=(format!("s{}", i + 1)) {
                            h2 { (section.heading) }
                            (content)
                        }
                    }
                    section #metrics {
                        h2 { "What the metrics mean" }
                        (glossary::markup(report.evaluation))
                    }
                }
                footer { "Limen " (report.origin.version) ", " (report.origin.written_at) }
            }
        }
    };
    Ok(printable(page.into_string()))
}

fn header(report: &Report) -> Markup {
    html! {
        header {
            p.kind { "Limen evaluation" }
            h1 { (report.title) }
            @if !report.summary.is_empty() { p.summary { (report.summary) } }
            @if !report.headline.is_empty() {
                ul.headline { @for row in &report.headline { (tile(row)) } }
            }
            (origin(&report.origin))
            nav aria-label="Sections" { ul {
                @for (i, section) in report.sections.iter().enumerate() {
                    li { a href=(format!("#s{}", i + 1)) { (section.heading) } }
                }
                li { a href="#metrics" { "What the metrics mean" } }
            } }
        }
    }
}

fn tile(row: &Row) -> Markup {
    html! {
        li {
            span.label { (row.label) }
            strong { (row.value.shown()) }
            @if let Some(interval) = row.shown_interval() { span.interval { (interval) } }
        }
    }
}

fn origin(origin: &Origin) -> Markup {
    html! {
        dl.origin {
            div { dt { "Written" } dd { (origin.written_at) } }
            div { dt { "Limen" } dd { (origin.version) } }
            div { dt { "Model" } dd { code { (origin.model) } } }
            div { dt { "Data" } dd { (origin.data) } }
            div.wide { dt { "Command" } dd { code { (origin.command) } } }
        }
    }
}

fn notes(report: &Report) -> Markup {
    let disclaimer = report.evaluation.disclaimer();
    html! {
        @if disclaimer.is_some() || !report.notes.is_empty() {
            aside aria-label="Notes" {
                @if let Some(disclaimer) = disclaimer { p { strong { (disclaimer) } } }
                @if !report.notes.is_empty() { ul { @for note in &report.notes { li { (note) } } } }
            }
        }
    }
}

fn section(section: &Section) -> Result<Markup, PlotError> {
    let items = section.items.iter().map(item).collect::<Result<Vec<Markup>, PlotError>>()?;
    Ok(html! {
        @if !section.text.is_empty() { p { (section.text) } }
        div.items { @for item in &items { (item) } }
    })
}

fn item(item: &Item) -> Result<Markup, PlotError> {
    match item {
        Item::Table(table) => Ok(table::markup(table)),
        Item::Curves(curves) => curves::markup(curves),
        Item::Histogram(histogram) => histogram::markup(histogram),
        Item::Cases(cases) => Ok(cases::markup(cases)),
    }
}

/// Control characters have no place in HTML, even escaped; file names may hold them.
fn printable(page: String) -> String {
    let allowed = |c: char| !c.is_control() || matches!(c, '\n' | '\t');
    if page.chars().all(allowed) {
        return page;
    }
    page.chars().map(|c| if allowed(c) { c } else { char::REPLACEMENT_CHARACTER }).collect()
}
