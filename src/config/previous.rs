//! `[previous]`

use std::path::{Path, PathBuf};

use anyhow::Context;
use garde::Validate;
use serde::Deserialize;

use super::matching::read_calibration;
use super::{Config, MatchingConfig};
use crate::domain::Threshold;
use crate::domain::risk::{AcceptedRisk, RiskPolicy};
use crate::vision::{EncoderProfile, PreviousEncoder};

/// The encoder that people move away from, served beside the one of `[road]`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Validate)]
#[serde(default, deny_unknown_fields)]
pub struct PreviousConfig {
    /// Its id in the weights' manifest; absent: one encoder is served.
    #[garde(length(chars, min = 1, max = 100))]
    pub encoder: Option<String>,
    /// Numbers of its encodings; absent: as many as `[road]` says.
    #[garde(range(min = 1, max = 4_096))]
    pub encoding_size: Option<u32>,
    /// The folder with its weights; absent: that of `[inference]`.
    #[garde(skip)]
    pub weights_dir: Option<PathBuf>,
    /// The calibration that its τ is derived from; absent: the one of its weights folder.
    #[garde(skip)]
    pub calibration: Option<PathBuf>,
    /// A fixed τ of 1:1, over 0 and at most 4, whatever the risk.
    #[garde(skip)]
    pub verify_threshold: Option<Threshold>,
    /// A fixed τ of 1:N, over 0 and at most 4, whatever the risk.
    #[garde(skip)]
    pub recognize_threshold: Option<Threshold>,
    /// 1:N: the margin of `[matching]` for this encoder's distances; absent: the same.
    #[garde(range(min = 0.0, max = 4.0))]
    pub margin: Option<f32>,
    /// Whether somebody who passes by badge and by a face of this encoder gets one of the other.
    #[garde(skip)]
    pub re_enrol_at_gate: bool,
}

impl PreviousConfig {
    /// The accepted risk, with the calibration of the previous model.
    ///
    /// # Errors
    /// When the calibration cannot be read or is another model's, or there is none and τ is not fixed.
    pub fn risk(
        &self,
        matching: &MatchingConfig,
        previous: &EncoderProfile,
    ) -> anyhow::Result<RiskPolicy> {
        let calibration = match &self.calibration {
            None => previous.calibration.clone(),
            Some(file) => Some(read_calibration("[previous]", file, &previous.model)?),
        };
        let risk = AcceptedRisk {
            max_fmr: matching.max_fmr,
            max_fpir: matching.max_fpir,
            verify_threshold: self.verify_threshold,
            recognize_threshold: self.recognize_threshold,
        };
        RiskPolicy::new(risk, calibration)
            .with_context(|| format!("[previous]: no τ for {}", previous.model))
    }
}

impl Config {
    /// The encoder that people move away from, where one is served.
    #[must_use]
    pub fn previous_encoder(&self) -> Option<PreviousEncoder> {
        let previous = &self.previous;
        let folder: &Path = previous.weights_dir.as_deref().unwrap_or(&self.inference.weights_dir);
        Some(PreviousEncoder {
            encoder: previous.encoder.clone()?,
            encoding_size: previous.encoding_size.unwrap_or(self.road.encoding_size),
            weights_dir: folder.to_owned(),
        })
    }
}
