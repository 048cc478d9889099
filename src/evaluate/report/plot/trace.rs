//! From the points of a series to a line on the sheet.

use super::{Axis, Ink, PlotError, Px, Sheet, UNIT};

/// At most this many markers stand on a line.
const MAX_MARKERS: i32 = 9;

/// The points of a series on the canvas, and what had to be done to put them there.
#[derive(Debug, Default)]
pub(in crate::evaluate::report) struct Trace {
    pub(in crate::evaluate::report) points: Vec<Px>,
    /// Points outside the axes.
    pub(in crate::evaluate::report) moved: usize,
    /// Points that are no numbers and were left out.
    pub(in crate::evaluate::report) skipped: usize,
}

impl Trace {
    pub(in crate::evaluate::report) fn new(
        sheet: &Sheet<'_>,
        (x_axis, y_axis): (&Axis, &Axis),
        values: &[(f64, f64)],
    ) -> Self {
        let finite = values.iter().filter(|(x, y)| x.is_finite() && y.is_finite());
        let placed: Vec<((f64, f64), bool)> = finite
            .map(|&(x, y)| {
                let within = (x_axis.clamp(x), y_axis.clamp(y));
                (within, within == (x, y))
            })
            .collect();
        let mut trace = Self {
            points: Vec::new(),
            moved: placed.iter().filter(|(_, inside)| !inside).count(),
            skipped: values.len() - placed.len(),
        };
        for (within, _) in shown(&placed) {
            trace.push(sheet.at(*within));
        }
        trace
    }

    /// Adds a point unless it falls onto the one before: a million points draw as few.
    fn push(&mut self, point: Px) {
        let new = self.points.last().is_none_or(|last| apart(*last, point) >= UNIT / 2);
        if new {
            self.points.push(point);
        }
    }

    pub(in crate::evaluate::report) fn draw(
        &self,
        sheet: &Sheet<'_>,
        ink: Ink,
    ) -> Result<(), PlotError> {
        ink.line(&sheet.area, &self.points)?;
        self.markers().try_for_each(|at| ink.marker(&sheet.area, at))
    }

    /// Every point of a short series, otherwise points at even distances along the line.
    fn markers(&self) -> impl Iterator<Item = Px> + '_ {
        let length: i32 = self.points.windows(2).map(|w| apart(w[0], w[1])).sum();
        let every =
            if self.points.len() <= MAX_MARKERS as usize { 0 } else { length / MAX_MARKERS };
        let mut since = every / 2;
        let mut last = self.points.first().copied();
        self.points.iter().copied().filter(move |point| {
            since += last.map_or(0, |last| apart(last, *point));
            last = Some(*point);
            let due = since >= every;
            if due {
                since = 0;
            }
            due
        })
    }

    /// Points along the line that are nowhere further apart than a few pixels.
    pub(in crate::evaluate::report) fn dense(&self) -> Vec<Px> {
        let mut dense = self.points.clone();
        for pair in self.points.windows(2) {
            let steps = apart(pair[0], pair[1]) / (6 * UNIT);
            let between = |i: i32, a: i32, b: i32| a + (b - a) * i / (steps + 1);
            dense.extend(
                (1..=steps)
                    .map(|i| (between(i, pair[0].0, pair[1].0), between(i, pair[0].1, pair[1].1))),
            );
        }
        dense
    }
}

/// Without what only runs along an edge: the curve ends where it meets the first point outside.
fn shown(placed: &[((f64, f64), bool)]) -> &[((f64, f64), bool)] {
    let inside = |(_, inside): &((f64, f64), bool)| *inside;
    match (placed.iter().position(inside), placed.iter().rposition(inside)) {
        (Some(first), Some(last)) => &placed[first.saturating_sub(1)..(last + 2).min(placed.len())],
        _ => placed,
    }
}

/// The larger of the distances along the two axes.
fn apart(a: Px, b: Px) -> i32 {
    (a.0 - b.0).abs().max((a.1 - b.1).abs())
}
