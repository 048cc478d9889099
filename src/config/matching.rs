//! `[matching]`

use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use garde::Validate;
use serde::Deserialize;

use crate::domain::risk::{AcceptedRisk, Calibration, RiskPolicy, VerifierPolicy};
use crate::domain::{LivenessScore, ModelId, Threshold};
use crate::vision::{EncoderProfile, RoadSettings, VerifierProfile};

/// What compares a face with one person (1:1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VerifyBy {
    /// The distance, which must stay under τ.
    #[default]
    Distance,
    /// The weights folder's verifier, whose probability must reach a minimum.
    Verifier,
}

/// The thresholds (τ) of comparisons and of liveness.
#[derive(Clone, Debug, PartialEq, Deserialize, Validate)]
#[serde(default, deny_unknown_fields)]
pub struct MatchingConfig {
    /// 1:1: the highest chance that a stranger with somebody's badge matches its owner. τ follows.
    #[garde(range(min = 1e-9, max = 0.5))]
    pub max_fmr: f64,
    /// 1:1: whether the distance decides or a verifier.
    #[garde(skip)]
    pub verify_by: VerifyBy,
    /// 1:N: the highest chance that a stranger matches anybody. τ follows from it and the gallery.
    #[garde(range(min = 1e-9, max = 0.5))]
    pub max_fpir: f64,
    /// The calibration that τ is derived from; absent: the one of the weights folder.
    #[garde(skip)]
    pub calibration: Option<PathBuf>,
    /// A fixed τ of 1:1, over 0 and at most 4, whatever the risk.
    #[garde(skip)]
    pub verify_threshold: Option<Threshold>,
    /// A fixed τ of 1:N, over 0 and at most 4, whatever the risk.
    #[garde(skip)]
    pub recognize_threshold: Option<Threshold>,
    /// 1:N: how much farther than the nearest person the second-nearest must be, as a squared
    /// distance, 0 to 4. Between two as near as that a face alone cannot tell.
    #[garde(range(min = 0.0, max = 4.0))]
    pub margin: f32,
    /// The liveness that verify, recognize, liveness and new gates ask for, 0 to 1.
    #[garde(skip)]
    pub liveness_threshold: LivenessScore,
    /// The smallest face that verify and recognize accept, in pixels between the pupils.
    #[garde(range(min = 8.0, max = 1_000.0))]
    pub pupil_distance_px_min: f32,
    /// Candidates that a recognition may list.
    #[garde(range(min = 1, max = 1_000))]
    pub candidates_max: usize,
    /// Faces that wait to be recognized and share one pass over the gallery.
    #[garde(range(min = 1, max = 1_000))]
    pub probes_at_once_max: usize,
}

impl Default for MatchingConfig {
    fn default() -> Self {
        Self {
            max_fmr: 1e-4,
            verify_by: VerifyBy::Distance,
            max_fpir: 0.01,
            calibration: None,
            verify_threshold: None,
            recognize_threshold: None,
            margin: 0.1,
            liveness_threshold: LivenessScore::try_from(0.5).expect("a constant in range"),
            pupil_distance_px_min: 24.0,
            candidates_max: 20,
            probes_at_once_max: 16,
        }
    }
}

impl MatchingConfig {
    /// The calibration that is configured, else the encoder's own, if there is one.
    ///
    /// # Errors
    /// When the configured one cannot be read or is another model's.
    pub fn calibration(&self, encoder: &EncoderProfile) -> anyhow::Result<Option<Calibration>> {
        match &self.calibration {
            None => Ok(encoder.calibration.clone()),
            Some(file) => Ok(Some(read_calibration("[matching]", file, &encoder.model)?)),
        }
    }

    /// The accepted risk with the calibration that is configured, else the encoder's own.
    ///
    /// # Errors
    /// When the calibration cannot be read or is another model's, or there is none and τ is not
    /// fixed.
    pub fn risk(&self, encoder: &EncoderProfile) -> anyhow::Result<RiskPolicy> {
        let calibration = self.calibration(encoder)?;
        let risk = AcceptedRisk {
            max_fmr: self.max_fmr,
            max_fpir: self.max_fpir,
            verify_threshold: self.verify_threshold,
            recognize_threshold: self.recognize_threshold,
        };
        RiskPolicy::new(risk, calibration).with_context(|| format!("no τ for {}", encoder.model))
    }
}

impl MatchingConfig {
    /// The verifier that compares a face with one person (1:1), and the probability that the accepted risk asks for; none
    /// where the distance decides.
    ///
    /// # Errors
    /// When the weights folder has none for this encoder, it was measured too coarsely for the risk, or τ is fixed.
    pub fn verifier(
        &self,
        weights: &Path,
        road: &RoadSettings,
    ) -> anyhow::Result<Option<VerifierPolicy>> {
        if self.verify_by == VerifyBy::Distance {
            return Ok(None);
        }
        let named = "`verify_by = \"verifier\"` of [matching]";
        ensure!(
            self.verify_threshold.is_none(),
            "{named}: `verify_threshold` fixes a distance, which then does not decide; remove one of both"
        );
        let VerifierProfile { verifier, calibration } =
            VerifierProfile::of(weights, road).context(named)?;
        Ok(Some(VerifierPolicy::new(verifier, &calibration, self.max_fmr).context(named)?))
    }
}

/// The calibration of a model that a section names.
pub(super) fn read_calibration(
    section: &str,
    file: &Path,
    model: &ModelId,
) -> anyhow::Result<Calibration> {
    let named = || format!("`calibration` of {section}, {}", file.display());
    let text = std::fs::read_to_string(file).with_context(named)?;
    let calibration = Calibration::from_toml(&text).with_context(named)?;
    calibration.check_model(model).with_context(named)?;
    Ok(calibration)
}
