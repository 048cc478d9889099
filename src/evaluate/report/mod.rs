//! The page of `limen evaluate --report`: one HTML file that needs nothing but itself.
//!
//! The caller fills a [`Report`] with figures and [`render`] makes the page of it. No script, no
//! font and no address outside the file: the plots are inline SVG, the pictures data URIs, and a
//! content security policy forbids the rest. It reads in light, in dark, on paper and without
//! colour: every line has its own colour, dash, marker and name beside it.
//!
//! | module | what |
//! |---|---|
//! | `curves`, `histogram` | the plots, drawn by `plot` |
//! | `table`, `cases` | the figures with their intervals, the worst comparisons as pictures |
//! | `glossary` | what each metric means and where it is defined |
//! | `number` | numbers as people read them |
//! | `page` | where all this stands |

mod cases;
mod curves;
mod glossary;
mod histogram;
mod number;
mod page;
mod plot;
mod table;

pub use cases::{Case, Cases, Face, MAX_CASES, Truth};
pub use curves::{Curves, Mark, Series};
pub use glossary::Evaluation;
pub use histogram::{Cut, Histogram, Population};
pub use number::Value;
pub use page::render;
pub use plot::{Axis, PlotError, Scale, Unit};
pub use table::{Row, Table};

/// Everything that the page says. Every text may come from anywhere: it is escaped.
#[derive(Debug, Clone)]
pub struct Report {
    /// What was evaluated; chooses the metrics that the page explains.
    pub evaluation: Evaluation,
    /// The heading, e.g. `Verification on LFW-dev`.
    pub title: String,
    /// One sentence with the result, under the heading.
    pub summary: String,
    /// How the figures came about.
    pub origin: Origin,
    /// The few figures that matter most, shown large.
    pub headline: Vec<Row>,
    /// What the reader must know to trust the figures: failures to acquire, photos left out.
    pub notes: Vec<String>,
    /// The body, in order.
    pub sections: Vec<Section>,
}

/// What it takes to repeat the evaluation.
#[derive(Debug, Clone)]
pub struct Origin {
    /// Date and time, in words.
    pub written_at: String,
    /// The command line.
    pub command: String,
    /// The version of Limen.
    pub version: String,
    /// The id of the model that gave the scores.
    pub model: String,
    /// The photos: how many, of whom, from where.
    pub data: String,
}

/// A heading with what stands under it.
#[derive(Debug, Clone)]
pub struct Section {
    /// The heading.
    pub heading: String,
    /// What the section shows, in a sentence or two; may be empty.
    pub text: String,
    /// Tables, plots and pictures. Neighbouring plots stand side by side where there is room.
    pub items: Vec<Item>,
}

/// One thing to look at.
#[derive(Debug, Clone)]
pub enum Item {
    /// Figures with their intervals.
    Table(Table),
    /// One curve or several over common axes.
    Curves(Curves),
    /// How scores are distributed.
    Histogram(Histogram),
    /// The worst comparisons, as pictures.
    Cases(Cases),
}
