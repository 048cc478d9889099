//! Axes: where a value stands and which values are written beside it.

use std::ops::Range;

use plotters::coord::ranged1d::{KeyPointHint, NoDefaultFormatting, Ranged, ValueFormatter};

use crate::evaluate::report::number;

/// The smallest value that a logarithmic axis can show: less than one pair in a billion.
const LEAST: f64 = 1e-9;

/// An axis of a plot. What lies outside is drawn at its edge.
#[derive(Debug, Clone, PartialEq)]
pub struct Axis {
    label: String,
    scale: Scale,
    unit: Unit,
    low: f64,
    high: f64,
}

/// How values are spread along an axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scale {
    /// Evenly.
    Linear,
    /// By their logarithms; zero and below stand at the low edge.
    Log,
}

/// How the values beside an axis are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// As plain numbers.
    Number,
    /// As percentages of a proportion.
    Percent,
    /// As powers of ten.
    Rate,
}

impl Axis {
    /// An evenly spread axis from `low` to `high`; from 0 to 1 when these make no range.
    pub fn linear(label: impl Into<String>, unit: Unit, low: f64, high: f64) -> Self {
        let sound = low.is_finite() && high.is_finite() && low < high;
        let (low, high) = if sound { (low, high) } else { (0.0, 1.0) };
        Self { label: label.into(), scale: Scale::Linear, unit, low, high }
    }

    /// A logarithmic axis of whole decades that hold every positive value; from 1e-3 to 1 when
    /// there is none.
    pub fn decades(
        label: impl Into<String>,
        unit: Unit,
        values: impl IntoIterator<Item = f64>,
    ) -> Self {
        let positive = values.into_iter().filter(|v| v.is_finite() && *v > 0.0);
        let (low, high) = positive.fold((f64::INFINITY, 0.0_f64), |(low, high), v| {
            (low.min(v.max(LEAST)), high.max(v.max(LEAST)))
        });
        let (low, high) = if low.is_finite() { (low, high) } else { (1e-3, 1.0) };
        // A hair inwards, so that 1e-3 opens no decade of its own.
        let low = 10_f64.powf((low.log10() + 1e-9).floor());
        let high = 10_f64.powf((high.log10() - 1e-9).ceil()).max(low * 10.0);
        Self { label: label.into(), scale: Scale::Log, unit, low, high }
    }

    /// What the axis shows.
    #[must_use]
    pub fn label(&self) -> &str {
        &self.label
    }

    /// The value at the low edge.
    #[must_use]
    pub fn low(&self) -> f64 {
        self.low
    }

    /// The value moved to the nearest that the axis can show.
    pub(in crate::evaluate::report) fn clamp(&self, value: f64) -> f64 {
        value.clamp(self.low, self.high)
    }

    /// Where a value within the axis stands, from 0 at the low edge to 1.
    pub(in crate::evaluate::report) fn position(&self, value: f64) -> f64 {
        let along = |v: f64| match self.scale {
            Scale::Linear => v,
            Scale::Log => v.log10(),
        };
        let (low, high) = (along(self.low), along(self.high));
        (along(self.clamp(value)) - low) / (high - low)
    }

    /// The value written as beside the axis.
    pub(in crate::evaluate::report) fn spell(&self, value: f64) -> String {
        match self.unit {
            Unit::Number => number::rounded(value, 3),
            Unit::Percent => format!("{}\u{a0}%", number::rounded(value * 100.0, 7)),
            Unit::Rate => number::rate(value),
        }
    }

    /// How many values have room side by side.
    pub(super) fn most_ticks(&self) -> usize {
        if self.unit == Unit::Percent { 6 } else { 9 }
    }

    fn ticks(&self, most: usize) -> Vec<f64> {
        match self.scale {
            Scale::Linear => self.even_ticks(most),
            Scale::Log => self.decade_ticks(most),
        }
    }

    /// Multiples of the smallest of 1, 2, 5 times a power of ten that gives at most `most`.
    fn even_ticks(&self, most: usize) -> Vec<f64> {
        let rough = (self.high - self.low) / most.max(1) as f64;
        let power = 10_f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0].map(|m| m * power).into_iter().find(|s| *s >= rough);
        let step = step.unwrap_or(10.0 * power);
        let first = (self.low / step - 1e-6).ceil() as i64;
        let last = (self.high / step + 1e-6).floor() as i64;
        (first..=last).map(|i| i as f64 * step).collect()
    }

    /// Powers of ten, every second or third where there are many, with 2 and 5 between few.
    fn decade_ticks(&self, most: usize) -> Vec<f64> {
        let (first, last) = (self.low.log10().round() as i32, self.high.log10().round() as i32);
        let decades = (last - first).max(1) as usize;
        if decades <= 2 {
            let within = (first..=last).flat_map(|e| [1.0, 2.0, 5.0].map(|m| m * 10_f64.powi(e)));
            return within.filter(|v| *v <= self.high * 1.000_001).collect();
        }
        // Counted from the top, where the edge is 1.
        let stride = decades.div_ceil(most.max(1)).max(1);
        (first..=last).rev().step_by(stride).map(|e| 10_f64.powi(e)).collect()
    }
}

impl Ranged for Axis {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, (from, to): (i32, i32)) -> i32 {
        from + (f64::from(to - from) * self.position(*value)).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, hint: Hint) -> Vec<f64> {
        self.ticks(hint.max_num_points())
    }

    fn range(&self) -> Range<f64> {
        self.low..self.high
    }
}

impl ValueFormatter<f64> for Axis {
    fn format_ext(&self, value: &f64) -> String {
        self.spell(*value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decades_hold_every_positive_value() {
        let axis = Axis::decades("FMR", Unit::Rate, [0.0, 3e-6, 1e-3, 0.4, f64::NAN]);
        assert_eq!((axis.spell(axis.low), axis.spell(axis.high)), ("1e-6".into(), "1".into()));
        let exact = Axis::decades("FMR", Unit::Rate, [1e-3, 1.0]);
        assert_eq!(exact.spell(exact.low), "1e-3");
    }

    #[test]
    fn a_range_that_is_none_becomes_one() {
        for (low, high) in [(1.0, 1.0), (f64::NAN, 1.0), (2.0, -2.0), (0.0, f64::INFINITY)] {
            assert_eq!(Axis::linear("x", Unit::Number, low, high).range(), 0.0..1.0);
        }
        assert!(Axis::decades("x", Unit::Rate, []).range().start > 0.0);
    }

    #[test]
    fn zero_stands_at_the_low_edge_of_a_logarithmic_axis() {
        let axis = Axis::decades("FMR", Unit::Rate, [1e-4, 1.0]);
        assert!(axis.position(0.0).abs() < 1e-12);
        assert!((axis.position(1e-2) - 0.5).abs() < 1e-9);
    }

    #[test]
    fn ticks_are_few_and_round() {
        let axis = Axis::linear("distance", Unit::Number, 0.0, 4.0);
        assert_eq!(axis.ticks(8), [0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0]);
        let axis = Axis::decades("FMR", Unit::Rate, [1e-8, 1.0]);
        assert_eq!(axis.ticks(4).len(), 5);
    }
}
