//! How the scores of several populations are distributed, and where the threshold cuts.

use maud::{Markup, html};
use plotters::{element::Polygon, style::Color};

use super::{
    number,
    plot::{self, Axis, Ink, Labels, PlotError, Scale, Sheet, Trace, UNIT, Unit},
};

/// Densities over a common range.
#[derive(Debug, Clone)]
pub struct Histogram {
    /// What the plot shows; also its accessible name.
    pub caption: String,
    /// The name of the score, e.g. `Squared distance`.
    pub score: String,
    /// The range that the bins divide evenly, e.g. (0, 4) for distances.
    pub range: (f64, f64),
    /// Linear shows the bulk, logarithmic the tails in which the errors lie.
    pub density: Scale,
    /// What is compared: genuine and impostor pairs, or live people and each species of attack.
    pub populations: Vec<Population>,
    /// The threshold in use.
    pub cut: Option<Cut>,
}

/// The scores of one population, counted in bins of equal width over the range.
#[derive(Debug, Clone)]
pub struct Population {
    /// The name that stands beside the outline.
    pub name: String,
    /// How many scores fall into each bin.
    pub counts: Vec<u64>,
}

/// A vertical line.
#[derive(Debug, Clone)]
pub struct Cut {
    /// Where it stands, in the unit of the scores.
    pub at: f64,
    /// Its name, e.g. `τ = 1.21`.
    pub label: String,
}

impl Population {
    fn total(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// The outline as steps: (score, density) pairs from the first bin with a score to the last.
    fn outline(&self, (low, high): (f64, f64)) -> Vec<(f64, f64)> {
        let filled = |count: &u64| *count > 0;
        let first = self.counts.iter().position(filled);
        let Some((first, last)) = first.zip(self.counts.iter().rposition(filled)) else {
            return Vec::new();
        };
        let width = (high - low) / self.counts.len() as f64;
        let scale = 1.0 / (self.total() as f64 * width);
        let step = |(i, count): (usize, &u64)| {
            let (left, density) = (low + i as f64 * width, *count as f64 * scale);
            [(left, density), (left + width, density)]
        };
        let bins = self.counts.iter().enumerate().take(last + 1).skip(first);
        std::iter::once((low + first as f64 * width, 0.0))
            .chain(bins.flat_map(step))
            .chain([(low + (last + 1) as f64 * width, 0.0)])
            .collect()
    }
}

pub(super) fn markup(histogram: &Histogram) -> Result<Markup, PlotError> {
    let x = Axis::linear(&histogram.score, Unit::Number, histogram.range.0, histogram.range.1);
    let outlines: Vec<_> =
        histogram.populations.iter().map(|p| p.outline(histogram.range)).collect();
    let densities = || outlines.iter().flatten().map(|point| point.1);
    let y = match histogram.density {
        Scale::Linear => {
            let peak = densities().filter(|d| d.is_finite()).fold(0.0, f64::max);
            Axis::linear("Density", Unit::Number, 0.0, peak * 1.12)
        }
        Scale::Log => Axis::decades("Density", Unit::Rate, densities()),
    };
    let names = histogram.populations.iter().map(|p| p.name.as_str()).collect::<Vec<_>>();
    let description = format!("Densities of {} over {}.", names.join(", "), histogram.score);
    let svg = plot::draw((&histogram.caption, &description), (&x, &y), |sheet| {
        let mut labels = Labels::default();
        for (i, outline) in outlines.iter().enumerate() {
            let trace = Trace::new(sheet, (&x, &y), outline);
            draw_outline(sheet, &trace, Ink::of(i))?;
            labels.avoid(trace.dense());
            labels.line(&histogram.populations[i].name, Ink::of(i), upper_half(&trace));
        }
        if let Some(cut) = histogram.cut.as_ref().filter(|cut| cut.at.is_finite()) {
            draw_cut(sheet, cut, &mut labels)?;
        }
        labels.draw(sheet)
    })?;
    Ok(html! {
        figure.plot {
            (svg)
            figcaption {
                (histogram.caption)
                @for population in &histogram.populations {
                    " " span.note { (number::grouped(population.total())) " " (population.name) "." }
                }
                @if outlines.iter().all(Vec::is_empty) {
                    " " span.note { "There are no scores to draw." }
                }
            }
        }
    })
}

fn draw_outline(sheet: &Sheet<'_>, trace: &Trace, ink: Ink) -> Result<(), PlotError> {
    let floor = sheet.frame()[3];
    if let (Some(first), Some(last)) = (trace.points.first(), trace.points.last()) {
        let mut shape = trace.points.clone();
        shape.extend([(last.0, floor), (first.0, floor)]);
        sheet.area.draw(&Polygon::new(shape, ink.hue().mix(0.16)))?;
    }
    trace.draw(sheet, ink)
}

fn draw_cut(sheet: &Sheet<'_>, cut: &Cut, labels: &mut Labels) -> Result<(), PlotError> {
    let [_, top, _, bottom] = sheet.frame();
    let x = sheet.at((cut.at, 0.0)).0;
    plot::segment(&sheet.area, (x, top), (x, bottom))?;
    let along = |y: i32| (x, y);
    labels.avoid((top..bottom).step_by(6 * UNIT as usize).map(along));
    labels.point(&cut.label, (top..bottom).step_by(24 * UNIT as usize).map(along).collect());
    Ok(())
}

/// The points around the peak, beside which a name is seen to belong.
fn upper_half(trace: &Trace) -> Vec<plot::Px> {
    let dense = trace.dense();
    let (peak, floor) = dense.iter().fold((i32::MAX, 0), |(p, f), at| (p.min(at.1), f.max(at.1)));
    dense.into_iter().filter(|at| at.1 <= i32::midpoint(peak, floor)).collect()
}
