//! The calibration file.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{Curve, CurveError};
use crate::domain::ModelId;

/// The version of the file's form.
pub const SCHEMA: u32 = 1;

/// Why a file is no calibration, or not one for this service.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum CalibrationError {
    /// Not TOML, or not of this form.
    #[error("the calibration cannot be read: {0}")]
    Form(String),
    /// Written by another version.
    #[error("the calibration has schema {0}, this service reads {SCHEMA}")]
    Schema(u32),
    /// Measured with another encoder.
    #[error("the calibration is of {found}, the service runs {wanted}")]
    Model {
        /// The model that the file names.
        found: ModelId,
        /// The model that is served.
        wanted: ModelId,
    },
    /// A number that no calibration writes.
    #[error("{0} is out of range")]
    Range(&'static str),
    /// Curves that are not curves.
    #[error(transparent)]
    Curve(#[from] CurveError),
}

/// The measured error rates of one encoder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calibration {
    /// The version of this form.
    pub schema: u32,
    /// The encoder whose distances these are.
    pub model: ModelId,
    /// What was measured.
    pub data: Data,
    /// Strangers' distances.
    pub impostor: Impostor,
    /// Distances between pictures of the same person.
    pub genuine: Genuine,
}

/// The pictures behind the figures.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Data {
    /// The data sets, by name.
    pub sources: Vec<String>,
    /// People.
    pub people: u64,
    /// Photos, those in which no face was found included.
    pub photos: u64,
    /// Photos in which no face was found (failures to acquire).
    pub failures_to_acquire: u64,
}

/// The false match rate; every pair of people weighs the same, however many photos they have.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Impostor {
    /// Compared pairs of photos.
    pub pairs: u64,
    /// How many independent comparisons tell as much about the tail as these do.
    pub independent: f64,
    /// One-sided confidence of `fmr_bound`.
    pub confidence: f64,
    /// How the tail was fitted.
    pub tail: Tail,
    /// What was set aside as wrongly labelled.
    pub trimmed: Trimmed,
    /// The best estimate of the FMR.
    pub fmr_estimate: Curve,
    /// The upper confidence bound of the FMR, on which every promise rests. Its lowest rate is the
    /// floor of what the data support.
    pub fmr_bound: Curve,
}

/// The generalised Pareto distribution of `threshold - d` for `d < threshold`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tail {
    /// u: the distance under which the tail begins.
    pub threshold: f64,
    /// ζ: the share of comparisons under it.
    pub share: f64,
    /// ξ.
    pub shape: f64,
    /// σ.
    pub scale: f64,
    /// How well it fits.
    pub goodness: Goodness,
}

/// The Anderson-Darling test of the tail (Choulakian & Stephens 2001).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Goodness {
    /// A².
    pub anderson_darling: f64,
    /// The A² that was not to be exceeded.
    pub limit: f64,
    /// Comparisons under the threshold (Kish's effective number).
    pub exceedances: f64,
}

/// Impostor pairs so near that the rest of the tail cannot explain them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trimmed {
    /// They lie under this distance; 0 when none was set aside.
    pub below: f64,
    /// Pairs of photos.
    pub pairs: u64,
    /// Their share of all comparisons; no rate under it is ever promised.
    pub share: f64,
}

/// The false non-match rate; every person weighs the same.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Genuine {
    /// People with two or more photos.
    pub people: u64,
    /// Compared pairs of photos.
    pub pairs: u64,
    /// The FNMR.
    pub fnmr: Curve,
}

impl Calibration {
    /// Reads and checks a file.
    ///
    /// # Errors
    /// When it is not a calibration of this schema, or a number in it cannot be.
    pub fn from_toml(text: &str) -> Result<Self, CalibrationError> {
        let read: Self = toml::from_str(text).map_err(|e| CalibrationError::Form(e.to_string()))?;
        read.check()?;
        Ok(read)
    }

    /// Eight digits that tell it from any other.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let text = serde_json::to_vec(self).expect("numbers and names are JSON");
        let hash = Sha256::digest(text);
        hash[..4].iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Is this the calibration of `model`?
    ///
    /// # Errors
    /// When it is another model's.
    pub fn check_model(&self, model: &ModelId) -> Result<(), CalibrationError> {
        if self.model == *model {
            return Ok(());
        }
        Err(CalibrationError::Model { found: self.model.clone(), wanted: model.clone() })
    }

    /// Checks what the types do not: versions, ranges and directions.
    ///
    /// # Errors
    /// At the first number that cannot be.
    pub fn check(&self) -> Result<(), CalibrationError> {
        if self.schema != SCHEMA {
            return Err(CalibrationError::Schema(self.schema));
        }
        let (data, impostor, tail) = (&self.data, &self.impostor, &self.impostor.tail);
        let goodness = &tail.goodness;
        let share = 0.0..=1.0;
        let positive = |v: f64| v.is_finite() && v > 0.0;
        let checks = [
            ("data.people", data.people >= 2),
            ("data.photos", data.photos >= data.people),
            ("data.failures_to_acquire", data.failures_to_acquire < data.photos),
            ("impostor.pairs", impostor.pairs > 0),
            ("impostor.independent", positive(impostor.independent)),
            ("impostor.confidence", (0.5..1.0).contains(&impostor.confidence)),
            ("impostor.tail.threshold", tail.threshold > 0.0 && tail.threshold <= 4.0),
            ("impostor.tail.share", tail.share > 0.0 && tail.share < 1.0),
            ("impostor.tail.shape", (-0.5..=1.0).contains(&tail.shape)),
            ("impostor.tail.scale", positive(tail.scale) && tail.scale <= 4.0),
            ("impostor.tail.goodness", positive(goodness.limit) && positive(goodness.exceedances)),
            ("impostor.tail.goodness", (0.0..=goodness.limit).contains(&goodness.anderson_darling)),
            ("impostor.trimmed", share.contains(&impostor.trimmed.share)),
            ("impostor.trimmed", (0.0..=4.0).contains(&impostor.trimmed.below)),
            ("impostor.fmr_estimate", impostor.fmr_estimate.is_rising()),
            ("impostor.fmr_bound", impostor.fmr_bound.is_rising()),
            ("impostor.fmr_bound", impostor.fmr_bound.rate(4.0) >= 1.0),
            ("impostor.fmr_bound", self.floor() >= impostor.trimmed.share),
            ("genuine.people", (1..=data.people).contains(&self.genuine.people)),
            ("genuine.fnmr", !self.genuine.fnmr.is_rising()),
        ];
        match checks.iter().find(|(_, holds)| !holds) {
            Some((name, _)) => Err(CalibrationError::Range(name)),
            None => Ok(()),
        }
    }
}
