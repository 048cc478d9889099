//! Curves over common axes: DET, ROC, FNIR over FPIR, error over discard.

use maud::{Markup, html};

use super::{
    number,
    plot::{self, Axis, Ink, Labels, PlotError, Trace, Unit},
};

/// A plot of one or several series.
#[derive(Debug, Clone)]
pub struct Curves {
    /// What the plot shows; also its accessible name.
    pub caption: String,
    /// The horizontal axis.
    pub x: Axis,
    /// The vertical axis.
    pub y: Axis,
    /// The curves, each with its own colour, dash and marker.
    pub series: Vec<Series>,
    /// Points to point out, such as the threshold in use.
    pub marks: Vec<Mark>,
}

/// One curve. The caller thins it; any number of points is drawn, none with a note.
#[derive(Debug, Clone)]
pub struct Series {
    /// The name that stands beside the curve.
    pub name: String,
    /// Its points, in the order in which they are joined; those with a NaN are left out.
    pub points: Vec<(f64, f64)>,
}

/// A point with a name.
#[derive(Debug, Clone)]
pub struct Mark {
    /// The name, e.g. `τ = 1.21`.
    pub label: String,
    /// Where it stands.
    pub at: (f64, f64),
}

impl Curves {
    /// FNMR over FMR, both logarithmic: the detection error trade-off of ISO/IEC 19795-1.
    /// Points are (FMR, FNMR), each in [0, 1].
    pub fn det(caption: impl Into<String>, series: Vec<Series>, marks: Vec<Mark>) -> Self {
        let x = Axis::decades("False match rate", Unit::Rate, xs(&series));
        let y = Axis::decades("False non-match rate", Unit::Percent, ys(&series));
        Self { caption: caption.into(), x, y, series, marks }
    }

    /// TAR = 1 − FNMR over a logarithmic FMR. Points are (FMR, TAR), each in [0, 1].
    pub fn roc(caption: impl Into<String>, series: Vec<Series>, marks: Vec<Mark>) -> Self {
        let x = Axis::decades("False match rate", Unit::Rate, xs(&series));
        let y = Axis::linear("True accept rate", Unit::Percent, lowest_tenth(&series), 1.0);
        Self { caption: caption.into(), x, y, series, marks }
    }

    /// TPIR = 1 − FNIR over a logarithmic FPIR: the ROC of open-set searches. Points are (FPIR, TPIR), each in [0, 1].
    pub fn identification_roc(
        caption: impl Into<String>,
        series: Vec<Series>,
        marks: Vec<Mark>,
    ) -> Self {
        let x = Axis::decades("False positive identification rate", Unit::Percent, xs(&series));
        let label = "True positive identification rate";
        let y = Axis::linear(label, Unit::Percent, lowest_tenth(&series), 1.0);
        Self { caption: caption.into(), x, y, series, marks }
    }

    /// FNIR over FPIR, both logarithmic: the DET curve of searches. Points are (FPIR, FNIR), each in [0, 1].
    pub fn identification_det(
        caption: impl Into<String>,
        series: Vec<Series>,
        marks: Vec<Mark>,
    ) -> Self {
        let x = Axis::decades("False positive identification rate", Unit::Percent, xs(&series));
        let y = Axis::decades("False negative identification rate", Unit::Percent, ys(&series));
        Self { caption: caption.into(), x, y, series, marks }
    }

    /// BPCER over APCER, both logarithmic, a curve for each species of attack.
    /// Points are (APCER, BPCER), each in [0, 1].
    pub fn liveness(caption: impl Into<String>, series: Vec<Series>, marks: Vec<Mark>) -> Self {
        let x = Axis::decades("APCER", Unit::Percent, xs(&series));
        let y = Axis::decades("BPCER", Unit::Percent, ys(&series));
        Self { caption: caption.into(), x, y, series, marks }
    }

    /// The plot as an SVG file of its own.
    ///
    /// # Errors
    /// When it cannot be drawn.
    pub fn svg(&self) -> Result<String, PlotError> {
        let (svg, _) = drawing(self)?;
        Ok(svg.into_string().replacen("<svg ", "<svg xmlns=\"http://www.w3.org/2000/svg\" ", 1))
    }

    /// What the plot shows, for those who do not see it.
    fn description(&self) -> String {
        let names: Vec<_> = self.series.iter().map(|series| series.name.as_str()).collect();
        let mark = |Mark { label, at: (x, y) }: &Mark| {
            format!(" {label}: {} at {}.", self.y.spell(*y), self.x.spell(*x))
        };
        let marks: String = self.marks.iter().map(mark).collect();
        let (y, x) = (self.y.label(), self.x.label());
        format!("{y} over {x}. Curves: {}.{marks}", names.join(", "))
    }
}

/// The points that two logarithmic axes can show.
fn positive(series: &[Series]) -> impl Iterator<Item = &(f64, f64)> {
    series.iter().flat_map(|series| &series.points).filter(|(x, y)| *x > 0.0 && *y > 0.0)
}

/// Where an axis of rates near 1 begins.
fn lowest_tenth(series: &[Series]) -> f64 {
    let least = ys(series).filter(|y| y.is_finite()).fold(0.9, f64::min);
    ((least * 10.0).floor() / 10.0).max(0.0)
}

fn xs(series: &[Series]) -> impl Iterator<Item = f64> {
    positive(series).map(|point| point.0)
}

fn ys(series: &[Series]) -> impl Iterator<Item = f64> {
    positive(series).map(|point| point.1)
}

pub(super) fn markup(curves: &Curves) -> Result<Markup, PlotError> {
    let (svg, Shown { drawn, moved, skipped }) = drawing(curves)?;
    Ok(html! {
        figure.plot {
            (svg)
            figcaption {
                (curves.caption)
                @if drawn == 0 { " " span.note { "There are no points to draw." } }
                @if moved > 0 {
                    " " span.note {
                        "Beyond the axes (a logarithmic one has no zero): " (points(moved))
                        "; the curves end at the edge."
                    }
                }
                @if skipped > 0 { " " span.note { "Undefined and left out: " (points(skipped)) "." } }
            }
        }
    })
}

/// Points that a drawing shows, and those that it does not.
struct Shown {
    drawn: usize,
    moved: usize,
    skipped: usize,
}

fn drawing(curves: &Curves) -> Result<(Markup, Shown), PlotError> {
    let axes = (&curves.x, &curves.y);
    let (mut drawn, mut moved, mut skipped) = (0, 0, 0);
    let svg = plot::draw((&curves.caption, &curves.description()), axes, |sheet| {
        let mut labels = Labels::default();
        for (i, series) in curves.series.iter().enumerate() {
            let trace = Trace::new(sheet, axes, &series.points);
            trace.draw(sheet, Ink::of(i))?;
            labels.avoid(trace.dense());
            labels.line(&series.name, Ink::of(i), trace.dense());
            drawn += trace.points.len();
            moved += trace.moved;
            skipped += trace.skipped;
        }
        for Mark { label, at } in &curves.marks {
            for point in Trace::new(sheet, axes, &[*at]).points {
                plot::mark(&sheet.area, point)?;
                labels.avoid([point]);
                labels.point(label, vec![point]);
            }
        }
        labels.draw(sheet)
    })?;
    Ok((svg, Shown { drawn, moved, skipped }))
}

fn points(count: usize) -> String {
    let noun = if count == 1 { "point" } else { "points" };
    format!("{} {noun}", number::grouped(count as u64))
}
