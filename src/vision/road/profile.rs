//! What there is to know of the road's networks before any of them is loaded.

use std::path::Path;

use super::{OpenError, RoadSettings};
use crate::domain::ModelId;
use crate::domain::risk::Calibration;
use crate::nets::{Digest, Manifest, Role, WeightsEntry};

/// What the rest of the service must know of an encoder.
#[derive(Clone, Debug, PartialEq)]
pub struct EncoderProfile {
    /// The id that its encodings carry.
    pub model: ModelId,
    /// How many numbers an encoding has.
    pub encoding_size: usize,
    /// Its measured error rates, where the weights folder holds a calibration of this very model.
    pub calibration: Option<Calibration>,
    /// The length of its output under which a face is unclear; none where it tells nothing.
    pub feature_norm_min: Option<f32>,
    /// What finds a face and places its landmarks: the detector, with the start of a SHA-256 over both networks.
    pub alignment: ModelId,
}

impl EncoderProfile {
    /// That of the encoder which the settings name, as the weights folder has it.
    ///
    /// # Errors
    /// When the folder has no such encoder, none that gives encodings of that size, or a calibration
    /// that cannot be read.
    pub fn of(weights: &Path, settings: &RoadSettings) -> Result<Self, OpenError> {
        let manifest =
            Manifest::open(weights).map_err(|error| OpenError::of(error.into(), weights))?;
        Chosen::of(&manifest, settings)?.profile(weights)
    }
}

/// The networks of the manifest that the settings mean.
pub(super) struct Chosen<'m> {
    pub detector: &'m WeightsEntry,
    pub landmarks: &'m WeightsEntry,
    pub liveness: &'m WeightsEntry,
    pub encoder: &'m WeightsEntry,
    /// None where the encoder itself gives as many numbers as are asked for.
    pub projection: Option<&'m WeightsEntry>,
}

impl<'m> Chosen<'m> {
    pub fn of(manifest: &'m Manifest, settings: &RoadSettings) -> Result<Self, OpenError> {
        let entry_of = |role: Role| {
            manifest.entries().iter().find(|entry| entry.role == role).ok_or_else(|| {
                OpenError::NoNetwork { role, folder: manifest.folder().display().to_string() }
            })
        };
        let encoder = manifest
            .get_as(&settings.encoder, Role::Encoder)
            .map_err(|error| OpenError::of(error.into(), manifest.folder()))?;
        Ok(Self {
            detector: entry_of(Role::Detector)?,
            landmarks: entry_of(Role::Landmarks)?,
            liveness: entry_of(Role::Liveness)?,
            encoder,
            projection: projection(manifest, encoder, settings.encoding_size)?,
        })
    }

    /// What there is to know of the encoder.
    pub fn profile(&self, weights: &Path) -> Result<EncoderProfile, OpenError> {
        let model = self.model();
        Ok(EncoderProfile {
            encoding_size: self.last().output_size as usize,
            calibration: calibration(weights, &model)?,
            feature_norm_min: self.encoder.feature_norm_min,
            alignment: self.alignment(),
            model,
        })
    }

    fn alignment(&self) -> ModelId {
        let digests = format!("{}{}", self.detector.sha256, self.landmarks.sha256);
        with_digest(&self.detector.id, &Digest::of(digests.as_bytes()))
    }

    /// The last network that makes an encoding.
    fn last(&self) -> &WeightsEntry {
        self.projection.unwrap_or(self.encoder)
    }

    /// The last network that makes an encoding, with the start of a SHA-256 over the weights of all
    /// that have a part in it: encodings of retrained weights under an old id are never compared with
    /// the old ones.
    fn model(&self) -> ModelId {
        let road = [self.detector, self.landmarks, self.encoder, self.last()];
        let digests: String = road.iter().map(|entry| entry.sha256.to_string()).collect();
        // A setting that is gone was hashed behind them. Its `false` stays: galleries carry these ids.
        with_digest(&self.last().id, &Digest::of(format!("{digests}false").as_bytes()))
    }
}

/// An id with the start of a SHA-256.
pub fn with_digest(id: &str, digest: &Digest) -> ModelId {
    ModelId::new(format!("{id}@{}", &digest.to_string()[..8]))
}

/// What shortens the encoder's output to `size` numbers; none where it has as many.
fn projection<'m>(
    manifest: &'m Manifest,
    encoder: &WeightsEntry,
    size: u32,
) -> Result<Option<&'m WeightsEntry>, OpenError> {
    if encoder.output_size == size {
        return Ok(None);
    }
    if let Some(projection) = manifest.projection_of(&encoder.id, size) {
        return Ok(Some(projection));
    }
    let projections =
        manifest.entries().iter().filter(|entry| entry.projects.as_ref() == Some(&encoder.id));
    let known: Vec<String> =
        projections.chain([encoder]).map(|entry| entry.output_size.to_string()).collect();
    let known = known.join(" or ");
    Err(OpenError::EncodingSize { encoder: encoder.id.clone(), size, known })
}

/// The calibration of a model, `calibrations/MODEL.toml` in the weights folder, if there is one.
pub(super) fn calibration(
    weights: &Path,
    model: &ModelId,
) -> Result<Option<Calibration>, OpenError> {
    let file = weights.join("calibrations").join(format!("{model}.toml"));
    let text = match std::fs::read_to_string(&file) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => {
            return Err(OpenError::CalibrationFile { file: file.display().to_string(), error });
        }
    };
    let read = Calibration::from_toml(&text).and_then(|calibration| {
        calibration.check_model(model)?;
        Ok(calibration)
    });
    let file = file.display().to_string();
    read.map(Some).map_err(|error| OpenError::Calibration { file, error })
}
