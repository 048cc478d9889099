//! A second encoder on the road: that of the model which people move away from. The face is found and aligned once.

use std::path::PathBuf;

use super::{Approached, EncoderProfile, LookError, OpenError, Road, RoadSettings};
use crate::domain::{Encoding, QualityFigure, Shortfall};
use crate::nets::{Batching, Manifest};
use crate::vision::encode::FaceEncoder;

/// Which encoder people move away from.
#[derive(Clone, Debug, PartialEq)]
pub struct PreviousEncoder {
    /// The folder with its weights and their manifest.
    pub weights_dir: PathBuf,
    /// Its id in the manifest.
    pub encoder: String,
    /// Numbers of an encoding.
    pub encoding_size: u32,
}

/// The loaded one.
#[derive(Clone, Debug)]
pub(super) struct Previous {
    encoder: FaceEncoder,
    profile: EncoderProfile,
}

/// What the previous encoder says of a face: nothing where it makes too little of it.
pub(super) type Said = Result<Encoding, Option<Shortfall>>;

impl PreviousEncoder {
    /// The settings of a road with this encoder, and in all else those of `road`.
    pub(super) fn on(&self, road: &RoadSettings) -> RoadSettings {
        RoadSettings {
            encoder: self.encoder.clone(),
            encoding_size: self.encoding_size,
            ..road.clone()
        }
    }

    /// What there is to know of it, beside the encoder of the road.
    ///
    /// # Errors
    /// When its folder has no such encoder, or it cannot stand on a road with `current`: it is the same one, or its
    /// faces are found and aligned by other networks.
    pub fn profile(
        &self,
        road: &RoadSettings,
        current: &EncoderProfile,
    ) -> Result<EncoderProfile, OpenError> {
        let profile = EncoderProfile::of(&self.weights_dir, &self.on(road))?;
        if profile.model == current.model {
            return Err(OpenError::SameModel { model: profile.model.to_string() });
        }
        if profile.alignment != current.alignment {
            return Err(OpenError::OtherAlignment {
                model: profile.model.to_string(),
                found: profile.alignment.to_string(),
                wanted: current.alignment.to_string(),
            });
        }
        Ok(profile)
    }
}

impl Road {
    /// The same road with a second encoder beside its own.
    ///
    /// # Errors
    /// As [`Road::open`], and when the two cannot share a road.
    pub fn with_previous(mut self, previous: &PreviousEncoder) -> Result<Self, OpenError> {
        let profile = previous.profile(&self.settings, &self.profile)?;
        let weights = &previous.weights_dir;
        let manifest =
            Manifest::open(weights).map_err(|error| OpenError::of(error.into(), weights))?;
        let settings = previous.on(&self.settings);
        let batching = Batching::from(&settings.batch);
        let encoder =
            super::open::encoder(&manifest, &settings, &profile.model, batching, &self.crowd)?;
        self.previous = Some(Previous { encoder, profile });
        Ok(self)
    }

    /// What there is to know of the second encoder, where there is one.
    #[must_use]
    pub fn previous(&self) -> Option<&EncoderProfile> {
        self.previous.as_ref().map(|previous| &previous.profile)
    }

    pub(super) fn previous_encoder(&self) -> Option<&FaceEncoder> {
        self.previous.as_ref().map(|previous| &previous.encoder)
    }

    /// What the second encoder says of a face; none where there is no second encoder.
    pub(super) fn say_previous(&self, approached: &Approached) -> Result<Option<Said>, LookError> {
        let Some(Previous { encoder, profile }) = &self.previous else { return Ok(None) };
        let Some(encoded) = approached.encoded_by(encoder)? else { return Ok(Some(Err(None))) };
        // Its own limit: the lengths of two encoders' outputs have nothing in common.
        match profile.feature_norm_min {
            Some(min) if encoded.feature_norm < min => {
                let shortfall =
                    Shortfall::new(QualityFigure::FeatureNorm, encoded.feature_norm, min);
                Ok(Some(Err(shortfall)))
            }
            _ => Ok(Some(Ok(encoded.encoding))),
        }
    }
}
