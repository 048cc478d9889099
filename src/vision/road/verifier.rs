//! The verifier that a weights folder has for the road's encoder.

use std::path::Path;

use super::profile::{EncoderProfile, calibration, with_digest};
use super::{OpenError, RoadSettings};
use crate::domain::Verifier;
use crate::domain::risk::Calibration;
use crate::nets::{LoadError, Manifest, load};

/// A verifier, and how often strangers reach which probability.
#[derive(Clone, Debug, PartialEq)]
pub struct VerifierProfile {
    /// The verifier.
    pub verifier: Verifier,
    /// Its logits, on the scale of distances, of people of whom nothing was learnt.
    pub calibration: Calibration,
}

/// Why there is no verifier.
#[derive(Debug, thiserror::Error)]
pub enum NoVerifier {
    /// The weights folder cannot be read.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// It has none for this encoder.
    #[error("{folder} has no verifier of `{model}`{others}: `limen train verifier` makes one")]
    Absent {
        /// The weights folder.
        folder: String,
        /// The model that is served.
        model: String,
        /// Those that there are, in words.
        others: String,
    },
    /// It has one for encodings of another size.
    #[error("the verifier `{id}` does not compare encodings of {size} numbers")]
    Size {
        /// The verifier.
        id: String,
        /// The numbers of an encoding.
        size: usize,
    },
    /// Nobody knows which probability is enough.
    #[error(
        "the verifier `{id}` has no calibration, {file}: too few people were measured when it was made"
    )]
    Uncalibrated {
        /// The verifier.
        id: String,
        /// The file that should be there.
        file: String,
    },
}

impl VerifierProfile {
    /// That of the encoder which the settings name.
    ///
    /// # Errors
    /// When the folder has none, or one that cannot be used.
    pub fn of(weights: &Path, settings: &RoadSettings) -> Result<Self, NoVerifier> {
        let encoder = EncoderProfile::of(weights, settings)?;
        let in_folder = |error: LoadError| OpenError::of(error, weights);
        let manifest = Manifest::open(weights).map_err(|error| in_folder(error.into()))?;
        let model = encoder.model.as_str();
        let Some(entry) = manifest.verifier_of(model) else {
            let others = manifest.entries().iter().filter_map(|entry| entry.verifies.as_deref());
            let others: Vec<String> = others.map(|other| format!("`{other}`")).collect();
            let others = match others.is_empty() {
                true => String::new(),
                false => format!(", but of {}", others.join(", ")),
            };
            let (folder, model) = (weights.display().to_string(), model.to_owned());
            return Err(NoVerifier::Absent { folder, model, others });
        };
        let verifier = load::verifier(&manifest, &entry.id).map_err(in_folder)?;
        if verifier.size() != encoder.encoding_size {
            return Err(NoVerifier::Size { id: entry.id.clone(), size: encoder.encoding_size });
        }
        let name = with_digest(&entry.id, &entry.sha256);
        let Some(calibration) = calibration(weights, &name)? else {
            let file = weights.join("calibrations").join(format!("{name}.toml"));
            let (id, file) = (entry.id.clone(), file.display().to_string());
            return Err(NoVerifier::Uncalibrated { id, file });
        };
        Ok(Self { verifier, calibration })
    }
}
