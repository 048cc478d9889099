//! Encodings: faces, and people, as points on the unit sphere.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Distance;

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
    /// A gallery holds encodings of one size.
    #[error("an encoding of {found} numbers does not fit a gallery of {expected}")]
    Size {
        /// Its numbers.
        found: usize,
        /// The gallery's.
        expected: usize,
    },
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

    /// What a person is compared by: the mean direction of their photos' encodings. It lies nearer
    /// to the person and farther from others than the nearest of the photos does (measured: see the
    /// README).
    ///
    /// # Errors
    /// When the encodings cancel out, or there is none.
    pub fn fused(photos: &[&[f32]], model: ModelId) -> Result<Self, EncodingError> {
        let size = photos.first().map_or(0, |photo| photo.len());
        let mut sum = vec![0f32; size];
        for photo in photos {
            sum.iter_mut().zip(*photo).for_each(|(sum, value)| *sum += value);
        }
        Self::normalised(sum, model)
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
    fn a_person_with_several_photos_lies_between_them() {
        let model = ModelId::new("test");
        let fused = Encoding::fused(&[&[1.0, 0.0], &[0.0, 1.0]], model.clone()).unwrap();
        assert_eq!(fused.values(), [std::f32::consts::FRAC_1_SQRT_2; 2]);
        let opposite = Encoding::fused(&[&[1.0, 0.0], &[-1.0, 0.0]], model.clone());
        assert_eq!(opposite, Err(EncodingError::Zero));
        assert_eq!(Encoding::fused(&[], model), Err(EncodingError::Zero));
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
    }
}
