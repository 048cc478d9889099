//! A logistic unit over how two encodings differ: how likely it is that both are of one person.
//!
//! `p = σ(Σ_k w_k d_k(a, b) + w_0)`, where as many comparisons are of one person as are not.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::decision::codes;
use super::{Distance, Encoding, EncodingError, ModelId, OutOfRange, Threshold};

codes! {
    /// What is taken of two encodings `a` and `b`, number by number.
    Difference {
        /// `(a_k - b_k)²`: with equal weights the squared distance itself.
        Squared = "squared",
        /// `|a_k - b_k|` (Taigman et al.: "DeepFace", CVPR 2014, section 4.2, have it weighted as here).
        Absolute = "absolute",
        /// `(a_k - b_k)² / (a_k + b_k)` (there, equation 4). It asks for numbers that are not negative, which those of an
        /// encoding are not: each is taken as two, what is over 0 and what is under it, so that there are twice as many.
        /// And it is not defined where both are 0: ε is added below, so small beside an encoding's numbers (of the order
        /// `1/√size`) that it matters there alone, where every variant says 0.
        ChiSquare = "chi-square",
    }
}

impl Difference {
    /// What is added below the chi-square's line.
    pub const EPSILON: f32 = 1e-4;

    /// How many numbers it makes of two encodings of `size` numbers each.
    #[must_use]
    pub fn size(self, size: usize) -> usize {
        match self {
            Self::Squared | Self::Absolute => size,
            Self::ChiSquare => 2 * size,
        }
    }

    /// The sum over all numbers, each weighted; as many weights as [`size`](Self::size) says.
    fn weighed(self, weights: &[f32], left: &[f32], right: &[f32]) -> f64 {
        let pairs = left.iter().zip(right).map(|(a, b)| (*a, *b));
        let sum = |differences: &mut dyn Iterator<Item = f32>, weights: &[f32]| -> f64 {
            let weighed = differences.zip(weights);
            weighed.map(|(difference, weight)| f64::from(difference) * f64::from(*weight)).sum()
        };
        match self {
            Self::Squared => sum(&mut pairs.map(|(a, b)| (a - b) * (a - b)), weights),
            Self::Absolute => sum(&mut pairs.map(|(a, b)| (a - b).abs()), weights),
            Self::ChiSquare => {
                let one = |(a, b): (f32, f32)| (a - b) * (a - b) / (a + b + Self::EPSILON);
                let (over, under) = weights.split_at(left.len().min(weights.len()));
                let positive = pairs.clone().map(|(a, b)| one((a.max(0.0), b.max(0.0))));
                let negative = pairs.map(|(a, b)| one(((-a).max(0.0), (-b).max(0.0))));
                sum(&mut { positive }, over) + sum(&mut { negative }, under)
            }
        }
    }
}

/// `ln(p / (1 - p))` of a probability; a number.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Logit(f64);

impl Logit {
    /// The largest that is told from any larger one on the [scale of distances](Self::as_distance).
    const MAX: f64 = 32.0;

    /// None where `value` is no number.
    #[must_use]
    pub fn new(value: f64) -> Option<Self> {
        (!value.is_nan()).then_some(Self(value))
    }

    /// The number.
    #[must_use]
    pub fn value(self) -> f64 {
        self.0
    }

    /// The probability.
    #[must_use]
    pub fn probability(self) -> Probability {
        Probability((1.0 / (1.0 + (-self.0).exp())) as f32)
    }

    /// On the scale of distances, so that what counts and calibrates these does it for logits too: from 0 for 32 and
    /// more, which is one person beyond doubt, to 4 for -32 and less.
    #[must_use]
    pub fn as_distance(self) -> Distance {
        let distance = 2.0 - 2.0 * self.0.clamp(-Self::MAX, Self::MAX) / Self::MAX;
        Distance::try_from(distance as f32).expect("0 to 4, and a number by its type")
    }

    /// The logit that a threshold on the scale of distances stands for.
    #[must_use]
    pub fn of_threshold(threshold: Threshold) -> Self {
        Self(Self::MAX * (1.0 - f64::from(threshold.value()) / 2.0))
    }
}

/// A chance, 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Probability(f32);

impl Probability {
    /// The number, 0 to 1.
    #[must_use]
    pub fn value(self) -> f32 {
        self.0
    }

    /// The least that is told from this, and more than it; none where this is 1 already.
    #[must_use]
    pub fn next(self) -> Option<Self> {
        Self::try_from(self.0.next_up()).ok()
    }
}

impl TryFrom<f32> for Probability {
    type Error = OutOfRange;

    fn try_from(value: f32) -> Result<Self, OutOfRange> {
        if (0.0..=1.0).contains(&value) {
            Ok(Self(value))
        } else {
            Err(OutOfRange { what: "a probability", range: "0 to 1", value })
        }
    }
}

/// How likely it is that two faces are of one person, and how likely it had to be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Likelihood {
    /// How likely it is.
    pub probability: Probability,
    /// The least that is enough.
    pub minimum: Probability,
}

impl Likelihood {
    /// Same person? Only when the probability reaches the minimum.
    #[must_use]
    pub fn is_match(self) -> bool {
        self.probability >= self.minimum
    }
}

/// Why numbers make no verifier.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VerifierError {
    /// A weight or the bias is NaN or infinite.
    #[error("a number of the verifier is not finite")]
    NotFinite,
    /// Weights for encodings of another size.
    #[error(
        "the verifier has {found} weights, its difference of encodings of {size} numbers asks for {wanted}"
    )]
    Size {
        /// The encodings' numbers.
        size: usize,
        /// The weights that there are.
        found: usize,
        /// The weights that there should be.
        wanted: usize,
    },
}

/// A logistic unit for the encodings of one model.
#[derive(Clone, Debug, PartialEq)]
pub struct Verifier {
    model: ModelId,
    size: usize,
    difference: Difference,
    weights: Arc<[f32]>,
    bias: f32,
}

impl Verifier {
    /// One for the encodings of `size` numbers that `model` makes.
    ///
    /// # Errors
    /// When a number is not finite, or there are not as many weights as the difference asks for.
    pub fn new(
        model: ModelId,
        size: usize,
        difference: Difference,
        weights: Vec<f32>,
        bias: f32,
    ) -> Result<Self, VerifierError> {
        let (found, wanted) = (weights.len(), difference.size(size));
        if found != wanted {
            return Err(VerifierError::Size { size, found, wanted });
        }
        if !weights.iter().chain([&bias]).all(|number| number.is_finite()) {
            return Err(VerifierError::NotFinite);
        }
        Ok(Self { model, size, difference, weights: weights.into(), bias })
    }

    /// The same, but for the logistic curve over its logits: `slope * logit + offset` in the place of each.
    ///
    /// # Errors
    /// When a number is no longer finite.
    pub fn rescaled(&self, slope: f64, offset: f64) -> Result<Self, VerifierError> {
        let scaled = |number: &f32| (f64::from(*number) * slope) as f32;
        let weights = self.weights.iter().map(scaled).collect();
        let bias = (f64::from(self.bias) * slope + offset) as f32;
        Self::new(self.model.clone(), self.size, self.difference, weights, bias)
    }

    /// How many numbers an encoding has that it compares.
    #[must_use]
    pub fn size(&self) -> usize {
        self.size
    }

    /// What it weighs.
    #[must_use]
    pub fn difference(&self) -> Difference {
        self.difference
    }

    /// The weights.
    #[must_use]
    pub fn weights(&self) -> &[f32] {
        &self.weights
    }

    /// What is added.
    #[must_use]
    pub fn bias(&self) -> f32 {
        self.bias
    }

    /// The model whose encodings it compares.
    #[must_use]
    pub fn model(&self) -> &ModelId {
        &self.model
    }

    /// How likely it is that a face is of the person whose template this is, which the same model made.
    ///
    /// # Errors
    /// When the face is of another model, either has another size, or the outcome is no number.
    pub fn logit(&self, face: &Encoding, template: &[f32]) -> Result<Logit, EncodingError> {
        if *face.model() != self.model {
            let (left, right) = (face.model().clone(), self.model.clone());
            return Err(EncodingError::ModelMismatch { left, right });
        }
        self.logit_of(face.values(), template)
    }

    /// As [`logit`](Self::logit), of the bare numbers of two encodings of its model.
    ///
    /// # Errors
    /// When either has another size, or the outcome is no number.
    pub fn logit_of(&self, left: &[f32], right: &[f32]) -> Result<Logit, EncodingError> {
        if let Some(other) = [left, right].into_iter().find(|side| side.len() != self.size) {
            return Err(EncodingError::Size { found: other.len(), expected: self.size });
        }
        let sum = self.difference.weighed(&self.weights, left, right) + f64::from(self.bias);
        Logit::new(sum).ok_or(EncodingError::NotFinite)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn verifier(difference: Difference, weights: &[f32], bias: f32) -> Verifier {
        let size =
            if difference == Difference::ChiSquare { weights.len() / 2 } else { weights.len() };
        Verifier::new(ModelId::new("test"), size, difference, weights.to_vec(), bias).unwrap()
    }

    #[test]
    fn every_difference_is_weighed_number_by_number() {
        let (left, right) = ([0.5, -0.25], [0.25, 0.5]);
        let of = |difference, weights: &[f32]| {
            verifier(difference, weights, 1.0).logit_of(&left, &right).unwrap().value()
        };
        assert_eq!(of(Difference::Squared, &[-2.0, 4.0]), 1.0 - 2.0 * 0.0625 + 4.0 * 0.5625);
        assert_eq!(of(Difference::Absolute, &[-2.0, 4.0]), 1.0 - 2.0 * 0.25 + 4.0 * 0.75);
        // (0.5 - 0.25)² / 0.75, nothing under 0 of the first; nothing over 0 of the second but 0.5, under it 0.25.
        let chi = of(Difference::ChiSquare, &[3.0, 5.0, 7.0, 11.0]);
        assert!(
            (chi - (1.0 + 3.0 * 0.0625 / 0.75 + 5.0 * 0.5 + 11.0 * 0.25)).abs() < 1e-2,
            "{chi}"
        );
        let same = verifier(Difference::ChiSquare, &[1.0; 4], 0.0).logit_of(&[0.0; 2], &[0.0; 2]);
        assert_eq!(same.unwrap().value(), 0.0);
    }

    #[test]
    fn encodings_of_another_model_or_size_are_not_compared() {
        let verifier = verifier(Difference::Squared, &[-1.0, -1.0], 2.0);
        let face = |values: &[f32], model: &str| {
            Encoding::normalised(values.to_vec(), ModelId::new(model)).unwrap()
        };
        let own = face(&[1.0, 0.0], "test");
        assert_eq!(verifier.logit(&own, &[1.0, 0.0]).unwrap().value(), 2.0);
        let mismatch = verifier.logit(&face(&[1.0, 0.0], "other"), &[1.0, 0.0]);
        assert!(matches!(mismatch, Err(EncodingError::ModelMismatch { .. })));
        for (face, template) in [(&own, &[1.0][..]), (&face(&[1.0], "test"), &[1.0, 0.0])] {
            assert!(matches!(verifier.logit(face, template), Err(EncodingError::Size { .. })));
        }
        assert_eq!(verifier.logit(&own, &[f32::NAN, 0.0]), Err(EncodingError::NotFinite));
    }

    #[test]
    fn numbers_that_are_no_verifier_make_none() {
        let made = |weights: &[f32], bias| {
            Verifier::new(ModelId::new("test"), 2, Difference::Squared, weights.to_vec(), bias)
        };
        assert_eq!(made(&[f32::NAN, 1.0], 0.0), Err(VerifierError::NotFinite));
        assert_eq!(made(&[1.0, 1.0], f32::INFINITY), Err(VerifierError::NotFinite));
        let error = VerifierError::Size { size: 2, found: 1, wanted: 2 };
        assert_eq!(made(&[1.0], 0.0), Err(error));
    }

    proptest! {
        #[test]
        fn a_probability_outside_its_range_cannot_be_made(value in prop::num::f32::ANY) {
            prop_assert_eq!(Probability::try_from(value).is_ok(), (0.0..=1.0).contains(&value));
        }

        #[test]
        fn the_likelier_the_nearer_on_the_scale_of_distances(a in -40f64..40.0, b in -40f64..40.0) {
            let [a, b] = [a.min(b), a.max(b)].map(|value| Logit::new(value).unwrap());
            prop_assert!(a.as_distance() >= b.as_distance());
            prop_assert!(a.probability() <= b.probability());
        }

        #[test]
        fn a_threshold_stands_for_the_logit_at_it(tau in 0.001f32..4.0) {
            let tau = Threshold::try_from(tau).unwrap();
            let back = Logit::of_threshold(tau).as_distance().value();
            prop_assert!((back - tau.value()).abs() < 1e-5);
        }
    }
}
