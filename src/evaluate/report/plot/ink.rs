//! Inks that stay apart without colour: hue, dash and marker all differ.

use plotters::{
    element::{Circle, DashedPathElement, PathElement, Polygon},
    style::{Color, RGBColor, ShapeStyle},
};

use super::{
    Px, UNIT,
    sheet::{Area, PlotError},
};

/// Okabe and Ito's palette (2008) without yellow, which white paper swallows, the darkest first.
const HUES: [RGBColor; 7] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(0, 0, 0),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
];
/// Lengths of a dash and of the gap after it, in pixels; no gap is a solid line.
const DASHES: [(i32, i32); 4] = [(1, 0), (9, 4), (2, 3), (18, 5)];

/// How the n-th line is drawn.
#[derive(Debug, Clone, Copy)]
pub(in crate::evaluate::report) struct Ink {
    index: usize,
}

impl Ink {
    pub(in crate::evaluate::report) fn of(index: usize) -> Self {
        Self { index }
    }

    pub(in crate::evaluate::report) fn hue(self) -> RGBColor {
        HUES[self.index % HUES.len()]
    }

    /// Draws a line through the points.
    pub(in crate::evaluate::report) fn line(
        self,
        area: &Area<'_>,
        points: &[Px],
    ) -> Result<(), PlotError> {
        dashed(area, points, self.hue().stroke_width(2 * UNIT as u32), DASHES[self.index % 4])
    }

    /// Draws the marker of this ink around a point.
    pub(in crate::evaluate::report) fn marker(
        self,
        area: &Area<'_>,
        at: Px,
    ) -> Result<(), PlotError> {
        let r = 4 * UNIT;
        let corners: &[(f64, f64)] = match self.index % 5 {
            0 => return circle(area, at, r, self.hue()),
            1 => &[(-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9)],
            2 => &[(0.0, -1.2), (1.1, 0.9), (-1.1, 0.9)],
            3 => &[(0.0, -1.3), (1.3, 0.0), (0.0, 1.3), (-1.3, 0.0)],
            _ => &[(0.0, 1.2), (1.1, -0.9), (-1.1, -0.9)],
        };
        let put = |(x, y): &(f64, f64)| {
            let along = |origin: i32, by: f64| origin + (by * f64::from(r)).round() as i32;
            (along(at.0, *x), along(at.1, *y))
        };
        let corners: Vec<Px> = corners.iter().map(put).collect();
        Ok(area.draw(&Polygon::new(corners, self.hue().filled()))?)
    }
}

/// Draws a thin dashed black line: a threshold, not a measurement.
pub(in crate::evaluate::report) fn segment(
    area: &Area<'_>,
    from: Px,
    to: Px,
) -> Result<(), PlotError> {
    dashed(area, &[from, to], HUES[4].stroke_width(3 * UNIT as u32 / 2), (6, 4))
}

/// Draws the ring of a point that is named on a curve.
pub(in crate::evaluate::report) fn mark(area: &Area<'_>, at: Px) -> Result<(), PlotError> {
    let ring = HUES[4].stroke_width(2 * UNIT as u32);
    Ok(area.draw(&Circle::new(at, 6 * UNIT, ring))?)
}

fn circle(area: &Area<'_>, at: Px, radius: i32, hue: RGBColor) -> Result<(), PlotError> {
    Ok(area.draw(&Circle::new(at, radius, hue.filled()))?)
}

fn dashed(
    area: &Area<'_>,
    points: &[Px],
    style: ShapeStyle,
    (dash, gap): (i32, i32),
) -> Result<(), PlotError> {
    match (points, gap) {
        ([] | [_], _) => Ok(()),
        (_, 0) => Ok(area.draw(&PathElement::new(points, style))?),
        _ => {
            let points = points.iter().copied();
            Ok(area.draw(&DashedPathElement::new(points, dash * UNIT, gap * UNIT, style))?)
        }
    }
}
