//! Names beside what they name, placed where the least is in the way.

use plotters::{
    element::Rectangle,
    style::{Color, WHITE},
};

use super::{Ink, PlotError, Px, Sheet, UNIT, sheet::text_extent};

/// The sample of the line before a name.
const SAMPLE: i32 = 30 * UNIT;
/// The gap between a name and what it names.
const GAP: i32 = 9 * UNIT;

/// Left, top, right, bottom.
type Box = [i32; 4];

/// The names of one plot.
#[derive(Debug, Default)]
pub(in crate::evaluate::report) struct Labels {
    labels: Vec<Label>,
    obstacles: Vec<Px>,
}

#[derive(Debug)]
struct Label {
    text: String,
    ink: Option<Ink>,
    anchors: Vec<Px>,
}

impl Labels {
    /// Keeps names off these points.
    pub(in crate::evaluate::report) fn avoid(&mut self, points: impl IntoIterator<Item = Px>) {
        self.obstacles.extend(points);
    }

    /// Names a line of this ink, beside any of its points.
    pub(in crate::evaluate::report) fn line(&mut self, text: &str, ink: Ink, anchors: Vec<Px>) {
        self.labels.push(Label { text: text.into(), ink: Some(ink), anchors });
    }

    /// Names one point, or any of several.
    pub(in crate::evaluate::report) fn point(&mut self, text: &str, anchors: Vec<Px>) {
        self.labels.push(Label { text: text.into(), ink: None, anchors });
    }

    /// Writes all names; those of points first, since they have the least choice.
    pub(in crate::evaluate::report) fn draw(mut self, sheet: &Sheet<'_>) -> Result<(), PlotError> {
        self.labels.sort_by_key(|label| label.ink.is_some());
        let mut taken = Vec::new();
        for label in &self.labels {
            if let Some(place) = label.place(sheet.frame(), &self.obstacles, &taken) {
                label.write(sheet, place)?;
                taken.push(place);
            }
        }
        Ok(())
    }
}

impl Label {
    fn sample(&self) -> i32 {
        if self.ink.is_some() { SAMPLE + 6 * UNIT } else { 0 }
    }

    /// The place that covers the least; none when there is nothing to name.
    fn place(&self, frame: Box, obstacles: &[Px], taken: &[Box]) -> Option<Box> {
        let (width, height) = text_extent(&self.text);
        let width = width + self.sample();
        let around = |&(x, y): &Px| {
            [
                (x + GAP, y - GAP - height),
                (x + GAP, y + GAP),
                (x - GAP - width, y - GAP - height),
                (x - GAP - width, y + GAP),
                (x - width / 2, y - 2 * GAP - height),
            ]
            .map(|(left, top)| [left, top, left + width, top + height])
        };
        let stride = self.anchors.len().div_ceil(200).max(1);
        let anchors: Vec<Px> = self.anchors.iter().step_by(stride).copied().collect();
        let beside = anchors.iter().flat_map(around);
        // Where lines crowd, a free place further off: the sample still says which line is meant.
        let step = 16 * UNIT as usize;
        let free = (frame[0]..frame[2]).step_by(step).flat_map(|left| {
            let tops = (frame[1]..frame[3]).step_by(step);
            tops.map(move |top| [left, top, left + width, top + height])
        });
        let total = |place: &Box| {
            let own = nearest(*place, &anchors)?;
            let other = nearest(*place, obstacles).unwrap_or(i32::MAX);
            // Beside another line a name would be read as that line's.
            let astray = if other < own - 4 * UNIT { 150 } else { 0 };
            Some(cost(*place, frame, obstacles, taken).saturating_add(own / UNIT + astray))
        };
        let places = beside.chain(free).filter_map(|place| Some((total(&place)?, place)));
        places.min_by_key(|(total, _)| *total).map(|(_, place)| place)
    }

    fn write(&self, sheet: &Sheet<'_>, place: Box) -> Result<(), PlotError> {
        let [left, top, right, bottom] = place;
        let paper = Rectangle::new([(left, top), (right, bottom)], WHITE.mix(0.8).filled());
        sheet.area.draw(&paper)?;
        let middle = i32::midpoint(top, bottom);
        if let Some(ink) = self.ink {
            ink.line(&sheet.area, &[(left, middle), (left + SAMPLE, middle)])?;
            ink.marker(&sheet.area, (left + SAMPLE / 2, middle))?;
        }
        sheet.write(&self.text, (left + self.sample(), middle))
    }
}

/// How far the nearest of the points is from a place.
fn nearest(place: Box, points: &[Px]) -> Option<i32> {
    let apart = |&(x, y): &Px| {
        (place[0] - x).max(x - place[2]).max(0) + (place[1] - y).max(y - place[3]).max(0)
    };
    points.iter().map(apart).min()
}

/// How much a place hides, in pixels of distance that it is worth to avoid it.
fn cost(place: Box, frame: Box, obstacles: &[Px], taken: &[Box]) -> i32 {
    let [left, top, right, bottom] = place;
    let beyond = (frame[0] - left).max(0)
        + (frame[1] - top).max(0)
        + (right - frame[2]).max(0)
        + (bottom - frame[3]).max(0);
    let covers = |&&(x, y): &&Px| {
        let near = 3 * UNIT;
        x > left - near && x < right + near && y > top - near && y < bottom + near
    };
    let meets =
        |other: &&Box| left < other[2] && other[0] < right && top < other[3] && other[1] < bottom;
    let hidden =
        obstacles.iter().filter(covers).count() * 40 + taken.iter().filter(meets).count() * 1_000;
    beyond.saturating_mul(10).saturating_add(i32::try_from(hidden).unwrap_or(i32::MAX / 4))
}
