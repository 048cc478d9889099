//! The distance between two encodings, and the threshold (τ) that it must stay under.

use multiversion::multiversion;
use serde::{Deserialize, Serialize};

use super::OutOfRange;

/// A squared Euclidean distance between unit encodings: 0 for the same picture, about 2 for
/// unrelated ones, at most 4.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Distance(f32);

impl Distance {
    /// `Σ (aₖ − bₖ)²` over the common length of two unit vectors.
    #[must_use]
    pub fn between(a: &[f32], b: &[f32]) -> Self {
        Self(sum_of_squares(a, b).min(4.0))
    }

    /// The number, 0 to 4.
    #[must_use]
    pub fn value(self) -> f32 {
        self.0
    }

    /// Same person? Only when the distance stays strictly under the threshold.
    #[must_use]
    pub fn is_match(self, threshold: Threshold) -> bool {
        self.0 < threshold.0
    }
}

/// `Σ (aₖ − bₖ)²`: without fused operations, so that every processor gives the same.
#[multiversion(targets("x86_64+avx2"))]
fn sum_of_squares(a: &[f32], b: &[f32]) -> f32 {
    // Eight sums side by side let the compiler use vector registers.
    let mut lanes = [0f32; 8];
    let (a8, a_rest) = a.as_chunks::<8>();
    let (b8, b_rest) = b.as_chunks::<8>();
    for (x, y) in a8.iter().zip(b8) {
        for lane in 0..8 {
            let difference = x[lane] - y[lane];
            lanes[lane] += difference * difference;
        }
    }
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(x, y)| (x - y) * (x - y)).sum();
    lanes.iter().sum::<f32>() + rest
}

impl TryFrom<f32> for Distance {
    type Error = OutOfRange;

    fn try_from(value: f32) -> Result<Self, OutOfRange> {
        if (0.0..=4.0).contains(&value) {
            Ok(Self(value))
        } else {
            Err(OutOfRange { what: "a distance", range: "0 to 4", value })
        }
    }
}

/// The second-nearest person of a search who was too near for the nearest to be told from them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RunnerUp {
    distance: Distance,
    margin: f32,
}

impl RunnerUp {
    /// Somebody at `distance`, where they had to be farther than the nearest by `margin`; none where that is no
    /// number.
    #[must_use]
    pub fn new(distance: Distance, margin: f32) -> Option<Self> {
        margin.is_finite().then_some(Self { distance, margin })
    }

    /// How far they are.
    #[must_use]
    pub fn distance(self) -> Distance {
        self.distance
    }

    /// By how much farther than the nearest they had to be.
    #[must_use]
    pub fn margin(self) -> f32 {
        self.margin
    }
}

/// τ: the squared distance that a match must stay under; over 0, at most 4.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(try_from = "f32", into = "f32")]
pub struct Threshold(f32);

impl Threshold {
    /// So small that nothing but the very same encoding stays under it.
    pub const SMALLEST: Self = Self(f32::MIN_POSITIVE);

    /// The number, over 0 and at most 4.
    #[must_use]
    pub fn value(self) -> f32 {
        self.0
    }
}

impl TryFrom<f32> for Threshold {
    type Error = OutOfRange;

    fn try_from(value: f32) -> Result<Self, OutOfRange> {
        if value > 0.0 && value <= 4.0 {
            Ok(Self(value))
        } else {
            Err(OutOfRange { what: "a threshold", range: "over 0 and at most 4", value })
        }
    }
}

impl From<Threshold> for f32 {
    fn from(threshold: Threshold) -> f32 {
        threshold.0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_distance_equal_to_the_threshold_is_no_match() {
        let tau = Threshold::try_from(2.0).unwrap();
        let distance = Distance::between(&[1.0, 0.0], &[0.0, 1.0]);
        assert_eq!(distance.value(), 2.0);
        assert!(!distance.is_match(tau));
    }

    proptest! {
        #[test]
        fn a_threshold_outside_its_range_cannot_be_made(value in prop::num::f32::ANY) {
            prop_assert_eq!(Threshold::try_from(value).is_ok(), value > 0.0 && value <= 4.0);
        }
    }
}
