//! The weights files that the road stands on, as the manifest vouches for them.

use std::path::Path;

use super::profile::{Chosen, EncoderProfile};
use super::{OpenError, PreviousEncoder, RoadSettings};
use crate::nets::{Manifest, WeightsEntry};

/// A weights file that is loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkFile {
    /// Its id in the manifest.
    pub id: String,
    /// What the network does: `detector`, `landmarks`, `liveness`, `encoder`, `projection` or `verifier`.
    pub role: &'static str,
    /// The file's name in the weights folder.
    pub file: String,
    /// Its SHA-256, in hexadecimal digits; another file is not loaded.
    pub sha256: String,
    /// SPDX identifier.
    pub licence: String,
    /// What is known of its training.
    pub training: String,
    /// The package that the original came in.
    pub source: String,
}

impl From<&WeightsEntry> for NetworkFile {
    fn from(entry: &WeightsEntry) -> Self {
        let source = &entry.source;
        Self {
            id: entry.id.clone(),
            role: entry.role.name(),
            file: entry.file.clone(),
            sha256: entry.sha256.to_string(),
            licence: entry.licence.clone(),
            training: entry.training.clone(),
            source: format!("{} {} ({})", source.package, source.version, source.registry),
        }
    }
}

impl NetworkFile {
    /// Those of a road with these settings, in the order that a frame meets them; with the verifier of its encoder where
    /// `with_verifier`, and the encoder of `previous`.
    ///
    /// # Errors
    /// When a folder has not what is configured.
    pub fn of_road(
        weights: &Path,
        settings: &RoadSettings,
        previous: Option<&PreviousEncoder>,
        with_verifier: bool,
    ) -> Result<Vec<Self>, OpenError> {
        let manifest =
            Manifest::open(weights).map_err(|error| OpenError::of(error.into(), weights))?;
        let Chosen { detector, landmarks, liveness, encoder, projection } =
            Chosen::of(&manifest, settings)?;
        let verifier = match with_verifier {
            true => manifest.verifier_of(EncoderProfile::of(weights, settings)?.model.as_str()),
            false => None,
        };
        let networks = [detector, landmarks, liveness, encoder].into_iter();
        let networks = networks.chain(projection).chain(verifier);
        let mut files: Vec<Self> = networks.map(Self::from).collect();
        if let Some(previous) = previous {
            let older = Self::of_road(&previous.weights_dir, &previous.on(settings), None, false)?;
            let older = older.into_iter().filter(|file| !files.contains(file)).collect::<Vec<_>>();
            files.extend(older);
        }
        Ok(files)
    }
}
