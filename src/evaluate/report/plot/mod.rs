//! What the plots share: paper, axes, inks, lines and where the names go.
//!
//! The canvas is [`UNIT`] times finer than the plot's nominal pixels, since the SVG backend rounds
//! coordinates to integers.

mod axis;
mod ink;
mod label;
mod sheet;
mod trace;

pub use axis::{Axis, Scale, Unit};
pub use sheet::PlotError;

pub(super) use ink::{Ink, mark, segment};
pub(super) use label::Labels;
pub(super) use sheet::{Sheet, draw};
pub(super) use trace::Trace;

/// A point of the canvas, y downwards.
pub(super) type Px = (i32, i32);

/// Canvas units to a pixel of the plot's nominal size.
pub(super) const UNIT: i32 = 4;
