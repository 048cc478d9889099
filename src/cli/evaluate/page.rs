//! Parts that the pages of all evaluations share.

use std::path::Path;

use super::photos::Tally;
use crate::domain::Threshold;
use crate::evaluate::metrics::{DistanceCounts, Interval, Roc};
use crate::evaluate::report::{
    Curves, Cut, Evaluation, Histogram, Item, Mark, Origin, Population, Row, Scale, Section,
    Series, Value,
};

/// Bins of a histogram.
pub(super) const BINS: usize = 160;

/// Cases of each kind that a page shows.
pub(super) const WORST: usize = 12;

/// Points of a curve for each power of ten.
pub(super) const POINTS_PER_DECADE: u32 = 20;

/// How the page came about.
pub(super) fn origin(images: &Path, model: &str, tally: &Tally) -> Origin {
    Origin {
        written_at: chrono::Utc::now().format("%-d %B %Y, %H:%M UTC").to_string(),
        command: std::env::args().collect::<Vec<_>>().join(" "),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        model: model.to_owned(),
        data: format!("{} photos in {}", tally.photos, images.display()),
    }
}

/// What a reader must know of the photos.
pub(super) fn notes(tally: &Tally, evaluation: Evaluation) -> Vec<String> {
    let failures = &tally.failures;
    let role = match evaluation {
        Evaluation::Quality => "they have no quality and are left out here",
        _ => "they match nobody and stay in every rate",
    };
    let mut notes = vec![format!(
        "{} of {} photos gave nothing to compare (failures to acquire: {} without a face, {} with \
         several, {} not good enough); {role}.",
        failures.total(),
        tally.photos,
        failures.no_face,
        failures.multiple_faces,
        failures.low_quality
    )];
    if tally.left_out > 0 {
        notes.push(format!("{} photos are missing or unreadable and left out.", tally.left_out));
    }
    if tally.duplicates > 0 {
        notes.push(format!("{} photos are copies of others, byte for byte.", tally.duplicates));
    }
    notes
}

/// A row with its interval.
pub(super) fn row(label: impl Into<String>, value: Value, interval: Option<Interval>) -> Row {
    let row = Row::new(label, value);
    match interval {
        Some(Interval { low, high }) => row.within(low, high),
        None => row,
    }
}

/// DET and ROC curve of a comparison, the threshold in use marked.
pub(super) fn trade_off(name: &str, roc: &Roc, tau: Threshold) -> Section {
    let curve = roc.curve(POINTS_PER_DECADE);
    let series = |y: fn(f64) -> f64| {
        let points = curve.iter().map(|point| (point.fmr, y(point.fnmr))).collect();
        vec![Series { name: name.to_owned(), points }]
    };
    let mark = |y: fn(f64) -> f64| {
        let at = (roc.fmr(tau), y(roc.fnmr(tau)));
        vec![Mark { label: tau_label(tau), at }]
    };
    Section {
        heading: "Trade-off of the errors".to_owned(),
        text: "A point further left lets fewer strangers in; a lower FNMR (a higher TAR) refuses \
               fewer members."
            .to_owned(),
        items: vec![
            Item::Curves(Curves::det(
                "DET: false non-matches over false matches.",
                series(|fnmr| fnmr),
                mark(|fnmr| fnmr),
            )),
            Item::Curves(Curves::roc(
                "ROC: true accepts over false matches.",
                series(|fnmr| 1.0 - fnmr),
                mark(|fnmr| 1.0 - fnmr),
            )),
        ],
    }
}

/// The distances of two populations, once for the bulk and once for the tails.
pub(super) fn distances(
    caption: &str,
    populations: [(&str, &DistanceCounts); 2],
    tau: Option<Threshold>,
) -> Section {
    let population = |(name, counts): (&str, &DistanceCounts)| Population {
        name: name.to_owned(),
        counts: counts.histogram(BINS).counts,
    };
    let histogram = |density, caption: &str| {
        Item::Histogram(Histogram {
            caption: caption.to_owned(),
            score: "Squared distance".to_owned(),
            range: (0.0, 4.0),
            density,
            populations: populations.map(population).into(),
            cut: tau.map(|tau| Cut { at: tau.value().into(), label: tau_label(tau) }),
        })
    };
    Section {
        heading: "Distances".to_owned(),
        text: "The first plot shows the bulk, the second the tails in which the errors lie."
            .to_owned(),
        items: vec![
            histogram(Scale::Linear, caption),
            histogram(Scale::Log, "The same on a logarithmic axis."),
        ],
    }
}

pub(super) fn tau_label(tau: Threshold) -> String {
    format!("τ = {:.3}", tau.value())
}
