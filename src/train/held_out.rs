//! How a verifier fares with people of whom nothing was learnt.

use std::collections::BTreeMap;

use tch::{TchError, Tensor};

use super::encoder_task::People;
use super::figures::{Figures, FiguresError};
use super::pairs::Labelled;
use super::reliability::{
    Bin, calibration_error_interval, expected_calibration_error, logistic_curve, reliability,
};
use crate::domain::{Distance, EncodingError, Logit, Verifier, VerifierError};
use crate::evaluate::metrics::{Bootstrap, Interval};

/// The encodings of all photos, as they are compared when they are served.
#[derive(Clone, Debug)]
pub struct Faces {
    values: Vec<f32>,
    size: usize,
}

/// Why a verifier cannot be measured.
#[derive(Debug, thiserror::Error)]
pub enum HeldOutError {
    /// The people cannot be compared.
    #[error(transparent)]
    Figures(#[from] FiguresError),
    /// Two photos cannot be compared.
    #[error(transparent)]
    Encoding(#[from] EncodingError),
    /// A curve fits no pairs.
    #[error("the people to calibrate by have no pairs of both kinds")]
    NoCurve,
    /// The curve makes no verifier.
    #[error(transparent)]
    Verifier(#[from] VerifierError),
}

impl Faces {
    /// Of encodings `[N, size]`.
    ///
    /// # Errors
    /// When libtorch fails.
    pub fn new(encodings: &Tensor) -> Result<Self, TchError> {
        let size = encodings.size2()?.1.unsigned_abs() as usize;
        let values = Vec::try_from(encodings.f_contiguous()?.f_view([-1i64])?)?;
        Ok(Self { values, size })
    }

    /// How many numbers each has.
    #[must_use]
    pub fn size(&self) -> usize {
        self.size
    }

    fn of(&self, photo: usize) -> &[f32] {
        &self.values[photo * self.size..(photo + 1) * self.size]
    }

    fn logit(
        &self,
        verifier: &Verifier,
        left: usize,
        right: usize,
    ) -> Result<Logit, EncodingError> {
        verifier.logit_of(self.of(left), self.of(right))
    }

    /// What a verifier says of pairs, each with whether it is genuine.
    fn logits(
        &self,
        verifier: &Verifier,
        pairs: &Labelled,
    ) -> Result<Vec<(Logit, bool)>, EncodingError> {
        let labelled = pairs.pairs.iter().zip(&pairs.same);
        labelled.map(|([a, b], same)| Ok((self.logit(verifier, *a, *b)?, *same))).collect()
    }

    /// Visits every two photos of some people once, by their places among these, with how far apart a verifier holds
    /// them.
    ///
    /// # Errors
    /// When two cannot be compared.
    pub fn each_pair(
        &self,
        verifier: &Verifier,
        photos: &[usize],
        mut visit: impl FnMut(usize, usize, Distance),
    ) -> Result<(), EncodingError> {
        for (first, left) in photos.iter().enumerate() {
            for (second, right) in photos.iter().enumerate().skip(first + 1) {
                visit(first, second, self.logit(verifier, *left, *right)?.as_distance());
            }
        }
        Ok(())
    }

    /// The verifier with the logistic curve over its logits that fits these pairs best.
    ///
    /// # Errors
    /// When no curve fits.
    pub fn calibrated(
        &self,
        verifier: &Verifier,
        pairs: &Labelled,
    ) -> Result<Verifier, HeldOutError> {
        let logits = self.logits(verifier, pairs)?;
        let scores: Vec<(f64, bool)> =
            logits.into_iter().map(|(logit, same)| (logit.value(), same)).collect();
        let [slope, offset] = logistic_curve(&scores).ok_or(HeldOutError::NoCurve)?;
        Ok(verifier.rescaled(slope, offset)?)
    }
}

/// What a verifier reaches.
#[derive(Clone, Debug)]
pub struct HeldOut {
    /// Its error rates, every photo against every other.
    pub figures: Figures,
    /// The share of pairs of which it is right, where as many are genuine as not and a chance of a half decides.
    pub accuracy: f64,
    /// The expected calibration error, of the same pairs.
    pub ece: f64,
    /// Where that lies, in 95 % of draws of the people.
    pub ece_interval: Option<Interval>,
    /// What it said of these, and what was true.
    pub reliability: Vec<Bin>,
}

impl HeldOut {
    /// Measures a verifier with the photos of `people`; its probabilities with `balanced` pairs of them.
    ///
    /// # Errors
    /// When they cannot be compared.
    pub fn measure(
        verifier: &Verifier,
        faces: &Faces,
        people: &People,
        balanced: &Labelled,
    ) -> Result<Self, HeldOutError> {
        let figures = Figures::of_pairs(
            &people.person,
            |visit| Ok(faces.each_pair(verifier, &people.photos, visit)?),
            Some(Bootstrap::default()),
        )?;
        let logits = faces.logits(verifier, balanced)?.into_iter();
        let chances: Vec<(f64, bool)> =
            logits.map(|(logit, same)| (f64::from(logit.probability().value()), same)).collect();
        let of: BTreeMap<usize, u32> =
            people.photos.iter().copied().zip(people.person.iter().copied()).collect();
        let of: Vec<[u32; 2]> = balanced.pairs.iter().map(|pair| pair.map(|p| of[&p])).collect();
        let right = chances.iter().filter(|(chance, same)| (*chance > 0.5) == *same).count();
        Ok(Self {
            figures,
            accuracy: right as f64 / chances.len() as f64,
            ece: expected_calibration_error(&chances),
            ece_interval: calibration_error_interval(&chances, &of, Bootstrap::default()),
            reliability: reliability(&chances).into(),
        })
    }
}
