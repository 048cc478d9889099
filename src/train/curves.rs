//! How a run went, drawn.

use crate::evaluate::report::{Axis, Curves, PlotError, Series, Unit};

use super::trainer::Note;

/// Points of the loss that are drawn: means over as many stretches of the run.
const LOSS_POINTS_MAX: usize = 200;

/// The loss and what the looks found over the steps, two plots below each other, as SVG files.
///
/// # Errors
/// When they cannot be drawn.
pub fn curves(notes: &[Note]) -> Result<[String; 2], PlotError> {
    let (mut losses, mut looks) = (Vec::new(), Vec::<Series>::new());
    for note in notes {
        match note {
            Note::Step(step) => losses.push((step.step as f64, step.loss)),
            Note::Look(look) => {
                for (name, value) in &look.figures {
                    let point = (look.step as f64, *value);
                    match looks.iter_mut().find(|series| series.name == *name) {
                        Some(series) => series.points.push(point),
                        None => looks.push(Series { name: name.clone(), points: vec![point] }),
                    }
                }
            }
        }
    }
    let steps = losses.last().map_or(1.0, |(step, _)| *step);
    let each = losses.len().div_ceil(LOSS_POINTS_MAX).max(1);
    let points = losses.chunks(each).map(|chunk| {
        let count = chunk.len() as f64;
        let sum = chunk.iter().fold((0.0, 0.0), |sum, point| (sum.0 + point.0, sum.1 + point.1));
        (sum.0 / count, sum.1 / count)
    });
    let loss = Series { name: "loss".to_owned(), points: points.collect() };
    let plot = |caption: &str, label: &str, unit, series: Vec<Series>| {
        let values = || series.iter().flat_map(|series| series.points.iter().map(|point| point.1));
        let (low, high) = (values().fold(f64::INFINITY, f64::min), values().fold(0.0, f64::max));
        let low = if unit == Unit::Number { 0.0 } else { low };
        let axes =
            (Axis::linear("Step", Unit::Number, 0.0, steps), Axis::linear(label, unit, low, high));
        Curves { caption: caption.to_owned(), x: axes.0, y: axes.1, series, marks: Vec::new() }
            .svg()
    };
    Ok([
        plot("The loss of the steps", "Loss", Unit::Number, vec![loss])?,
        plot("Error rates of the validation people", "Rate", Unit::Percent, looks)?,
    ])
}
