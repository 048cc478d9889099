//! Opening the road: its settings, and the networks that they name.

use std::path::Path;

use serde::Deserialize;

use super::Road;
use super::profile::{Chosen, with_digest};
use crate::domain::ModelId;
use crate::domain::risk::CalibrationError;
use crate::nets::{
    Batching, Compute, Crowd, Encoder, LoadError, Manifest, ManifestError, Role, Station, load,
};
use crate::vision::batch::BatchSettings;
use crate::vision::decode::FrameLimits;
use crate::vision::detect::DetectSettings;
use crate::vision::device::Device;
use crate::vision::encode::{Embedding, FaceEncoder};
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
    /// How far a head is turned to a side, as [`QualityLimits::yaw_max`], from which on its mirrored face is averaged in:
    /// twice the time of that step.
    #[garde(range(min = 0.0))]
    pub mirror_yaw_min: f32,
    /// Where the networks run: `cpu`, `cuda` or `cuda:N`.
    #[garde(skip)]
    pub device: Device,
    /// With which numbers the encoder and the liveness network compute.
    #[garde(skip)]
    pub precision: Precision,
    /// How frames travel over a GPU together.
    #[garde(dive)]
    pub batch: BatchSettings,
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
            mirror_yaw_min: 0.25,
            device: Device::default(),
            precision: Precision::default(),
            batch: BatchSettings::default(),
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
    /// The encoder that people are to move away from is the one that they move to.
    #[error(
        "the previous encoder makes {model}, as the configured one does: set [previous] to what [road] and \
         `weights_dir` in [inference] were before, or leave it out"
    )]
    SameModel {
        /// Whose encodings both make.
        model: String,
    },
    /// The previous encoder's faces are found and aligned by other networks.
    #[error(
        "{model} cannot be served beside the configured encoder: its faces are aligned by {found}, those of the other \
         by {wanted}. `limen reencode` moves people without serving both"
    )]
    OtherAlignment {
        /// The previous model.
        model: String,
        /// What aligns its faces.
        found: String,
        /// What aligns the configured encoder's.
        wanted: String,
    },
    /// The system gave no thread to a GPU's network.
    #[error("a thread for a network could not be started: {0}")]
    Thread(#[from] std::io::Error),
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

impl OpenError {
    /// `error`, told with the weights folder where the manifest or a file of it is at fault.
    pub(super) fn of(error: LoadError, folder: &Path) -> Self {
        match error {
            LoadError::Manifest(error) => {
                Self::Weights { error, folder: folder.display().to_string() }
            }
            other => Self::Load(other),
        }
    }
}

impl RoadSettings {
    /// Whether the device is there and can compute with such numbers.
    ///
    /// # Errors
    /// When not, and what to set instead.
    pub fn check_device(&self) -> Result<(), OpenError> {
        self.compute().map(drop)
    }

    fn compute(&self) -> Result<Compute, OpenError> {
        load::expect_device(self.device.into())?;
        Ok(self.precision.on(self.device.into())?)
    }
}

impl Road {
    /// Loads the networks from a weights folder.
    ///
    /// # Errors
    /// When a file is missing or not the one that the manifest vouches for, or the settings ask for
    /// an encoder, a size or a device that is not there. The message says what to do about it.
    pub fn open(weights: &Path, settings: RoadSettings) -> Result<Self, OpenError> {
        let in_folder = |error| OpenError::of(error, weights);
        let manifest = Manifest::open(weights).map_err(|e| in_folder(e.into()))?;
        let compute = settings.compute()?;
        let device = compute.device;
        let chosen = Chosen::of(&manifest, &settings)?;
        let profile = chosen.profile(weights)?;
        let Chosen { detector, landmarks, liveness, .. } = chosen;
        // How places are computed: in `bf16` the FNIR at FPIR 1 % of LFW-dev rose from 3.03 to 3.15 %.
        let places = Compute::from(device);
        let detector = load::detector(&manifest, &detector.id, device).map_err(in_folder)?;
        let landmarks = load::landmarks(&manifest, &landmarks.id, device).map_err(in_folder)?;
        let liveness_model = with_digest(&liveness.id, &liveness.sha256);
        let liveness = load::liveness(&manifest, &liveness.id, compute).map_err(in_folder)?;
        let crowd = Crowd::default();
        let batching = Batching::from(&settings.batch);
        Ok(Self {
            encoder: encoder(&manifest, &settings, &profile.model, batching, &crowd)?,
            previous: None,
            detector: Station::new(detector, places, batching, &crowd)?,
            landmarks: Station::new(landmarks, places, batching, &crowd)?,
            liveness: Station::new(liveness, compute, batching, &crowd)?,
            liveness_model,
            crowd,
            helpers: None,
            profile,
            settings,
        })
    }
}

/// Loads the encoder that the settings name, which makes encodings of `model`.
pub(super) fn encoder(
    manifest: &Manifest,
    settings: &RoadSettings,
    model: &ModelId,
    batching: Batching,
    crowd: &Crowd,
) -> Result<FaceEncoder, OpenError> {
    let in_folder = |error| OpenError::of(error, manifest.folder());
    let compute = settings.compute()?;
    let Chosen { encoder, projection, .. } = Chosen::of(manifest, settings)?;
    let network = load::encoder(manifest, &encoder.id, compute).map_err(in_folder)?;
    let projection = projection
        .map(|projection| load::projection(manifest, &projection.id, compute.device))
        .transpose()
        .map_err(in_folder)?;
    let compute = match network {
        Encoder::MobileFaceNet(_) | Encoder::MobileNet(_) => compute,
        Encoder::DlibResnet(_) => compute.device.into(),
    };
    let embedding = Embedding { network, projection };
    Ok(FaceEncoder {
        template: embedding.template(),
        station: Station::new(embedding, compute, batching, crowd)?,
        model: model.clone(),
        compute,
        mirror_yaw_min: settings.mirror_yaw_min,
    })
}
