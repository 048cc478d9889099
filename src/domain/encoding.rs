//! Encodings, the distance between them and the threshold that a distance must stay under.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Names the network (and projection) that made an encoding, with the start of the weights'
/// SHA-256, e.g. `mobilefacenet-pca128@1f0c9a3e`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ModelId(Arc<str>);

impl ModelId {
    /// A model id from the weights' manifest or the database.
    pub fn new(id: impl Into<Arc<str>>) -> Self {
        Self(id.into())
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ModelId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why numbers do not make an encoding, or two encodings cannot be compared.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum EncodingError {
    /// A network put out NaN or infinity.
    #[error("the encoding holds a number that is not finite")]
    NotFinite,
    /// A vector without direction cannot be normalised.
    #[error("the encoding has no length")]
    Zero,
    /// Stored bytes that are not a whole number of `f32`.
    #[error("{0} bytes are no encoding: expected a multiple of 4")]
    Bytes(usize),
    /// Encodings of different models live in different spaces.
    #[error("an encoding of {left} cannot be compared with one of {right}")]
    ModelMismatch {
        /// The model of the first.
        left: ModelId,
        /// The model of the second.
        right: ModelId,
    },
}

/// `f(x)`: a face as a point on the unit sphere, with the id of the model that put it there.
#[derive(Clone, PartialEq)]
pub struct Encoding {
    values: Box<[f32]>,
    model: ModelId,
}

impl Encoding {
    /// Scales `values` to unit length (Euclidean norm).
    ///
    /// # Errors
    /// When a value is not finite or all are zero.
    pub fn normalised(mut values: Vec<f32>, model: ModelId) -> Result<Self, EncodingError> {
        if values.iter().any(|v| !v.is_finite()) {
            return Err(EncodingError::NotFinite);
        }
        let norm = values.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt();
        if norm < 1e-12 {
            return Err(EncodingError::Zero);
        }
        for value in &mut values {
            *value = (f64::from(*value) / norm) as f32;
        }
        Ok(Self { values: values.into(), model })
    }

    /// Reads an encoding from its stored form: little-endian `f32`.
    ///
    /// # Errors
    /// When the bytes are not a whole number of `f32`, not finite or all zero.
    pub fn from_le_bytes(bytes: &[u8], model: ModelId) -> Result<Self, EncodingError> {
        let (chunks, rest) = bytes.as_chunks::<4>();
        if !rest.is_empty() || chunks.is_empty() {
            return Err(EncodingError::Bytes(bytes.len()));
        }
        Self::normalised(chunks.iter().map(|c| f32::from_le_bytes(*c)).collect(), model)
    }

    /// The stored form: little-endian `f32`, 4 bytes a number.
    #[must_use]
    pub fn to_le_bytes(&self) -> Vec<u8> {
        self.values.iter().flat_map(|v| v.to_le_bytes()).collect()
    }

    /// The numbers; their squares sum to 1.
    #[must_use]
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// The model that made it.
    #[must_use]
    pub fn model(&self) -> &ModelId {
        &self.model
    }

    /// `d(x1, x2) = ‖f(x1) − f(x2)‖²`.
    ///
    /// # Errors
    /// When the encodings are of different models.
    pub fn distance(&self, other: &Self) -> Result<Distance, EncodingError> {
        if self.model != other.model || self.values.len() != other.values.len() {
            return Err(EncodingError::ModelMismatch {
                left: self.model.clone(),
                right: other.model.clone(),
            });
        }
        Ok(Distance::between(&self.values, &other.values))
    }
}

/// Shows the model and the size only: a biometric template must never reach a log.
impl fmt::Debug for Encoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Encoding({} numbers of {})", self.values.len(), self.model)
    }
}

/// A squared Euclidean distance between unit encodings: 0 for the same picture, about 2 for
/// unrelated ones, at most 4.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Distance(f32);

impl Distance {
    /// `Σ (aₖ − bₖ)²` over the common length of two unit vectors.
    #[must_use]
    pub fn between(a: &[f32], b: &[f32]) -> Self {
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
        Self((lanes.iter().sum::<f32>() + rest).min(4.0))
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

/// A number outside the range that its type promises.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{what} must be {range}, not {value}")]
pub struct OutOfRange {
    /// What the number was meant for.
    pub what: &'static str,
    /// The range, in words.
    pub range: &'static str,
    /// The number.
    pub value: f32,
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

/// How sure the liveness network is that the face is alive: 0 (an attack) to 1 (alive).
///
/// Also the type of the threshold, which a live face must reach.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(try_from = "f32", into = "f32")]
pub struct LivenessScore(f32);

impl LivenessScore {
    /// The number, 0 to 1.
    #[must_use]
    pub fn value(self) -> f32 {
        self.0
    }

    /// Alive? Only when the score reaches the threshold.
    #[must_use]
    pub fn is_live(self, threshold: Self) -> bool {
        self.0 >= threshold.0
    }
}

impl TryFrom<f32> for LivenessScore {
    type Error = OutOfRange;

    fn try_from(value: f32) -> Result<Self, OutOfRange> {
        if (0.0..=1.0).contains(&value) {
            Ok(Self(value))
        } else {
            Err(OutOfRange { what: "a liveness score", range: "0 to 1", value })
        }
    }
}

impl From<LivenessScore> for f32 {
    fn from(score: LivenessScore) -> f32 {
        score.0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn encoding(values: Vec<f32>) -> Encoding {
        Encoding::normalised(values, ModelId::new("test")).expect("a usable vector")
    }

    #[test]
    fn encodings_of_different_models_are_never_compared() {
        let a = encoding(vec![1.0, 0.0]);
        let b = Encoding::normalised(vec![1.0, 0.0], ModelId::new("other")).unwrap();
        assert!(matches!(a.distance(&b), Err(EncodingError::ModelMismatch { .. })));
    }

    #[test]
    fn numbers_that_are_not_finite_or_all_zero_are_no_encoding() {
        let model = ModelId::new("test");
        assert_eq!(
            Encoding::normalised(vec![f32::NAN, 1.0], model.clone()),
            Err(EncodingError::NotFinite)
        );
        assert_eq!(Encoding::normalised(vec![0.0; 4], model), Err(EncodingError::Zero));
    }

    #[test]
    fn a_distance_equal_to_the_threshold_is_no_match() {
        let tau = Threshold::try_from(2.0).unwrap();
        let distance = encoding(vec![1.0, 0.0]).distance(&encoding(vec![0.0, 1.0])).unwrap();
        assert_eq!(distance.value(), 2.0);
        assert!(!distance.is_match(tau));
    }

    #[test]
    fn debug_output_holds_no_number_of_the_template() {
        assert_eq!(format!("{:?}", encoding(vec![0.6, 0.8])), "Encoding(2 numbers of test)");
    }

    proptest! {
        #[test]
        fn a_distance_is_symmetric_and_between_0_and_4(
            a in prop::collection::vec(-1e3f32..1e3, 19),
            b in prop::collection::vec(-1e3f32..1e3, 19),
        ) {
            prop_assume!(a.iter().any(|v| v.abs() > 1e-3) && b.iter().any(|v| v.abs() > 1e-3));
            let (a, b) = (encoding(a), encoding(b));
            let there = a.distance(&b).unwrap().value();
            prop_assert!((0.0..=4.0).contains(&there));
            prop_assert_eq!(there, b.distance(&a).unwrap().value());
            prop_assert!(a.distance(&a).unwrap().value() < 1e-6);
        }

        #[test]
        fn the_stored_form_gives_the_same_encoding_back(
            values in prop::collection::vec(-10f32..10.0, 1..64),
        ) {
            prop_assume!(values.iter().any(|v| v.abs() > 1e-3));
            let before = encoding(values);
            let after = Encoding::from_le_bytes(&before.to_le_bytes(), before.model().clone());
            prop_assert!(before.distance(&after.unwrap()).unwrap().value() < 1e-10);
        }

        #[test]
        fn a_threshold_outside_its_range_cannot_be_made(value in prop::num::f32::ANY) {
            prop_assert_eq!(Threshold::try_from(value).is_ok(), value > 0.0 && value <= 4.0);
        }
    }
}
