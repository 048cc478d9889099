//! White paper with axes on it, and the SVG element that it becomes.

use maud::{Markup, PreEscaped, html};
use plotters::{
    chart::ChartBuilder,
    coord::{Shift, cartesian::Cartesian2d},
    drawing::{DrawingArea, DrawingAreaErrorKind, IntoDrawingArea},
    prelude::SVGBackend,
    style::{Color, IntoFont, RGBColor, TextStyle, WHITE},
};

use super::{Axis, Px, UNIT};

/// The nominal size of a plot, in pixels.
const SIZE: (i32, i32) = (560, 400);
const TEXT_PX: i32 = 15;
/// The backend divides the size of a font by this.
const FONT_FACTOR: f64 = 1.24;
const TEXT_INK: RGBColor = RGBColor(34, 34, 34);
const GRID_INK: RGBColor = RGBColor(222, 222, 222);

/// The canvas, in its own units.
pub(in crate::evaluate::report) type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// The plotting crate refused to draw.
#[derive(Debug, thiserror::Error)]
#[error("cannot draw a plot: {0}")]
pub struct PlotError(#[from] DrawingAreaErrorKind<std::io::Error>);

/// A canvas whose axes are drawn.
pub(in crate::evaluate::report) struct Sheet<'a> {
    pub(in crate::evaluate::report) area: Area<'a>,
    plane: Cartesian2d<Axis, Axis>,
}

impl Sheet<'_> {
    /// Where a value stands; what is outside the axes stands at their edge.
    pub(in crate::evaluate::report) fn at(&self, (x, y): (f64, f64)) -> Px {
        use plotters::coord::CoordTranslate;
        self.plane.translate(&(x, y))
    }

    /// The left, top, right and bottom of the plane between the axes.
    pub(in crate::evaluate::report) fn frame(&self) -> [i32; 4] {
        let (x, y) = (self.plane.get_x_axis_pixel_range(), self.plane.get_y_axis_pixel_range());
        [x.start, y.start, x.end, y.end]
    }

    /// Writes text from its left end, centred on the height of `at`.
    pub(in crate::evaluate::report) fn write(&self, text: &str, at: Px) -> Result<(), PlotError> {
        use plotters::style::text_anchor::{HPos, Pos, VPos};
        let style = text_style(&self.area).pos(Pos::new(HPos::Left, VPos::Center));
        Ok(self.area.draw_text(text, &style, at)?)
    }
}

/// The width and height that a text takes, guessed from its length: no font is at hand.
pub(super) fn text_extent(text: &str) -> (i32, i32) {
    let chars = i32::try_from(text.chars().count()).unwrap_or(i32::MAX / 1_000_000);
    (chars * TEXT_PX * UNIT * 54 / 100, TEXT_PX * UNIT * 5 / 4)
}

/// Draws a plot over two axes as an SVG element that assistive technology reads as one image with
/// this title and description.
pub(in crate::evaluate::report) fn draw(
    (title, description): (&str, &str),
    (x, y): (&Axis, &Axis),
    content: impl FnOnce(&Sheet<'_>) -> Result<(), PlotError>,
) -> Result<Markup, PlotError> {
    let (width, height) = (SIZE.0 * UNIT, SIZE.1 * UNIT);
    let mut svg = String::new();
    {
        let backend = SVGBackend::with_string(&mut svg, (width as u32, height as u32));
        let area = backend.into_drawing_area();
        let plane = draw_axes(&area, x, y)?;
        content(&Sheet { area: area.clone(), plane })?;
        area.present()?;
    }
    // The backend's own opening tag has a fixed size and no title: ours takes its place.
    let inner = svg.split_once('>').map_or("", |(_, rest)| rest);
    let inner = inner.trim_end().trim_end_matches("</svg>");
    Ok(html! {
        svg viewBox=(format!("0 0 {width} {height}")) role="img" {
            title { (title) }
            desc { (description) }
            (PreEscaped(inner))
        }
    })
}

fn draw_axes(area: &Area<'_>, x: &Axis, y: &Axis) -> Result<Cartesian2d<Axis, Axis>, PlotError> {
    area.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(area)
        .margin_top(12 * UNIT)
        .margin_right(20 * UNIT)
        .x_label_area_size(52 * UNIT)
        .y_label_area_size(76 * UNIT)
        .build_cartesian_2d(x.clone(), y.clone())?;
    chart
        .configure_mesh()
        .x_labels(x.most_ticks())
        .y_labels(8)
        .x_desc(x.label())
        .y_desc(y.label())
        .light_line_style(WHITE.mix(0.0))
        .bold_line_style(GRID_INK.stroke_width(UNIT as u32))
        .axis_style(TEXT_INK.stroke_width(UNIT as u32))
        .set_all_tick_mark_size(4 * UNIT)
        .label_style(text_style(area))
        .axis_desc_style(text_style(area))
        .draw()?;
    Ok(chart.as_coord_spec().clone())
}

fn text_style(area: &Area<'_>) -> TextStyle<'static> {
    use plotters::style::IntoTextStyle;
    let size = f64::from(TEXT_PX * UNIT) * FONT_FACTOR;
    ("sans-serif", size).into_font().color(&TEXT_INK).into_text_style(area)
}
