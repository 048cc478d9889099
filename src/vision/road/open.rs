//! Opening the road: its settings, and the networks that they name.

use std::path::Path;

use serde::Deserialize;

use super::Road;
use crate::domain::ModelId;
use crate::domain::risk::{Calibration, CalibrationError};
use crate::nets::{Digest, Encoder, LoadError, Manifest, ManifestError, Role, load};
use crate::vision::decode::FrameLimits;
use crate::vision::detect::DetectSettings;
use crate::vision::device::Device;
use crate::vision::encode::FaceEncoder;
use crate::vision::nearest::NearestSettings;
use crate::vision::precision::{Precision, PrecisionError};
use crate::vision::quality::QualityLimits;

/// Which networks the road uses and what it demands of a frame.
#[derive(Clone, Debug, PartialEq, Deserialize, garde::Validate)]
#[serde(default, deny_unknown_fields)]
pub struct RoadSettings {
    /// The encoder's id in the weights' manifest.
    #[garde(length(chars, min = 1, max = 100))]
    pub encoder: String,
    /// Numbers of an encoding: the encoder's own size, or one that the manifest has a projection to.
    #[garde(range(min = 1, max = 4_096))]
    pub encoding_size: u32,
    /// Encode the mirrored face too and average the two: twice the time of that step.
    #[garde(skip)]
    pub mirror: bool,
    /// Where the networks run: `cpu`, `cuda` or `cuda:N`.
    #[garde(skip)]
    pub device: Device,
    /// With which numbers the encoder and the liveness network compute.
    #[garde(skip)]
    pub precision: Precision,
    /// How large a frame may be.
    #[garde(dive)]
    pub frame: FrameLimits,
    /// How faces are searched for.
    #[garde(dive)]
    pub detect: DetectSettings,
    /// Which of several faces is meant.
    #[garde(dive)]
    pub nearest: NearestSettings,
    /// What a face's picture must reach.
    #[garde(dive)]
    pub quality: QualityLimits,
}

impl Default for RoadSettings {
    fn default() -> Self {
        Self {
            encoder: "mobilefacenet".to_owned(),
            encoding_size: 128,
            mirror: false,
            device: Device::default(),
            precision: Precision::default(),
            frame: FrameLimits::default(),
            detect: DetectSettings::default(),
            nearest: NearestSettings::default(),
            quality: QualityLimits::default(),
        }
    }
}

/// Why the road could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// A network could not be loaded.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// A weights file could not be read. The files come with the sources.
    #[error(
        "{error}; `weights_dir` in [inference] names the folder, here {folder}, and \
         `limen weights verify` tells which of its files are whole"
    )]
    Weights {
        /// What is wrong.
        error: ManifestError,
        /// The weights folder.
        folder: String,
    },
    /// The manifest has no network for a step.
    #[error(
        "the manifest in {folder} lists no {role:?}; restore the `weights` folder of the sources"
    )]
    NoNetwork {
        /// What is missing.
        role: Role,
        /// The weights folder.
        folder: String,
    },
    /// A calibration is there and cannot be read.
    #[error("{file}: {error}")]
    CalibrationFile {
        /// The file.
        file: String,
        /// What the system said.
        error: std::io::Error,
    },
    /// A calibration is there and cannot be used.
    #[error("{file}: {error}")]
    Calibration {
        /// The file.
        file: String,
        /// What is wrong.
        error: CalibrationError,
    },
    /// The numbers cannot be computed with here.
    #[error(transparent)]
    Precision(#[from] PrecisionError),
    /// The encoder cannot give encodings of that size.
    #[error("`{encoder}` gives no encodings of {size} numbers: set `encoding_size` to {known}")]
    EncodingSize {
        /// The encoder.
        encoder: String,
        /// What was asked for.
        size: u32,
        /// What it can give.
        known: String,
    },
}

impl Road {
    /// Loads the networks from a weights folder.
    ///
    /// # Errors
    /// When a file is missing or not the one that the manifest vouches for, or the settings ask for
    /// an encoder, a size or a device that is not there. The message says what to do about it.
    pub fn open(weights: &Path, settings: RoadSettings) -> Result<Self, OpenError> {
        let folder = || weights.display().to_string();
        let in_folder = |error| match error {
            LoadError::Manifest(error) => OpenError::Weights { error, folder: folder() },
            other => OpenError::Load(other),
        };
        let manifest = Manifest::open(weights).map_err(|e| in_folder(e.into()))?;
        let id_of = |role: Role| {
            let entry = manifest.entries().iter().find(|entry| entry.role == role);
            entry
                .map(|entry| entry.id.as_str())
                .ok_or_else(|| OpenError::NoNetwork { role, folder: folder() })
        };
        let device = settings.device.into();
        let compute = settings.precision.on(device)?;
        let detector_id = id_of(Role::Detector)?;
        let detector = load::detector(&manifest, detector_id, device).map_err(in_folder)?;
        let landmarks_id = id_of(Role::Landmarks)?;
        let landmarks = load::landmarks(&manifest, landmarks_id, device).map_err(in_folder)?;
        let liveness_id = id_of(Role::Liveness)?;
        let liveness = load::liveness(&manifest, liveness_id, compute).map_err(in_folder)?;

        let network = load::encoder(&manifest, &settings.encoder, compute).map_err(in_folder)?;
        let model_id = model_id(&manifest, &settings)?;
        let projection = if model_id == settings.encoder {
            None
        } else {
            Some(load::projection(&manifest, model_id, device).map_err(in_folder)?)
        };
        let road = [detector_id, landmarks_id, &settings.encoder, model_id];
        let model = model(&manifest, road, settings.mirror).map_err(|e| in_folder(e.into()))?;
        let entry = manifest.get(&settings.encoder).map_err(|e| in_folder(e.into()))?;
        let (mirror, feature_norm_min) = (settings.mirror, entry.feature_norm_min);
        let liveness_compute = compute;
        let compute = match network {
            Encoder::MobileFaceNet(_) => compute,
            Encoder::DlibResnet(_) => device.into(),
        };
        let encoder = FaceEncoder { network, projection, mirror, model, feature_norm_min, compute };
        let calibration = calibration(weights, &encoder.model)?;
        let liveness_model = with_digest(
            liveness_id,
            &manifest.get(liveness_id).map_err(|e| in_folder(e.into()))?.sha256,
        );
        Ok(Self {
            detector,
            landmarks,
            liveness,
            liveness_model,
            liveness_compute,
            encoder,
            calibration,
            settings,
        })
    }
}

/// The calibration of a model, `calibrations/MODEL.toml` in the weights folder, if there is one.
fn calibration(weights: &Path, model: &ModelId) -> Result<Option<Calibration>, OpenError> {
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

/// The last network that makes an encoding, with the start of a SHA-256 over the weights of all that
/// have a part in it and whether the mirrored face is averaged in: encodings of retrained weights under
/// an old id, or made in another way, are never compared with the old ones.
fn model(manifest: &Manifest, road: [&str; 4], mirror: bool) -> Result<ModelId, ManifestError> {
    let digest = |id| Ok(manifest.get(id)?.sha256.to_string());
    let digests = road.into_iter().map(digest).collect::<Result<String, ManifestError>>()?;
    let [.., last] = road;
    Ok(with_digest(last, &Digest::of(format!("{digests}{mirror}").as_bytes())))
}

fn with_digest(id: &str, digest: &Digest) -> ModelId {
    ModelId::new(format!("{id}@{}", &digest.to_string()[..8]))
}

/// The id of whatever gives encodings of the asked size: the encoder itself or a projection of it.
fn model_id<'a>(manifest: &'a Manifest, settings: &RoadSettings) -> Result<&'a str, OpenError> {
    let (encoder, size) = (&settings.encoder, settings.encoding_size);
    let entry = manifest.get(encoder).map_err(LoadError::from)?;
    if entry.output_size == size {
        return Ok(&entry.id);
    }
    if let Some(projection) = manifest.projection_of(encoder, size) {
        return Ok(&projection.id);
    }
    let projections = manifest.entries().iter().filter(|e| e.projects.as_ref() == Some(encoder));
    let known: Vec<String> =
        projections.chain([entry]).map(|entry| entry.output_size.to_string()).collect();
    Err(OpenError::EncodingSize { encoder: encoder.clone(), size, known: known.join(" or ") })
}
