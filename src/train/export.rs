//! A weights folder that a service takes as it is: the networks that it needs, the learnt numbers among them.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use toml::{Table, Value};

use crate::domain::Difference;
use crate::nets::{Digest, Manifest, ManifestError, MiniFasNet, MobileFaceNet};

/// A network that was learnt.
#[derive(Clone, Debug)]
pub struct Learnt<'a> {
    /// What it is to be called.
    pub id: &'a str,
    /// What it does.
    pub part: LearntPart<'a>,
    /// The safetensors file.
    pub file: &'a [u8],
    /// What the manifest says of its training.
    pub training: &'a str,
}

/// What a learnt network does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum LearntPart<'a> {
    /// A MobileFaceNet: one more encoder.
    Encoder {
        /// The least length of its output for a face that can be recognised, where it is known.
        feature_norm_min: Option<f32>,
    },
    /// Shortens what an encoder says, in the place of the projection of the same encoder to as many numbers.
    Projection {
        /// The encoder whose output it takes.
        encoder: &'a str,
        /// How many numbers it takes,
        inputs: u32,
        /// and gives.
        outputs: u32,
    },
    /// A MiniFASNetV2-SE, in the place of the one that was there.
    Liveness,
    /// Says how likely it is that two encodings are of one person, in the place of the verifier of the same model.
    Verifier {
        /// The model whose encodings it compares, with its digest.
        model: &'a str,
        /// How many numbers these have.
        size: u32,
        /// In what they differ.
        difference: Difference,
    },
}

/// Why a folder cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The weights that it is made from cannot be read.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// It is what it would be made from.
    #[error(
        "{}: the configured weights are those that this run writes; configure those that it began with \
         (LIMEN_INFERENCE__WEIGHTS_DIR) and go on with --resume",
        .0.display()
    )]
    Itself(PathBuf),
    /// A file cannot be read or written.
    #[error("{}: {error}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// The manifest that it is made from is not as it should be.
    #[error("the weights' manifest: {0}")]
    Form(String),
}

/// Where a weights folder has its calibrations.
const CALIBRATIONS: &str = "calibrations";
const LICENCE_FILE: &str = "licences/learnt.txt";
const LICENCE: &str = "These numbers were learnt from photos of the people who use them: model_card.md beside this \
    folder says from which. Whose they are and what may be done with them is for whoever has these photos to say.\n";

/// A weights folder in the making, beside the place where it is to be: there it is whole, or it is not.
#[derive(Debug)]
#[must_use = "it is not where it is to be before it is published"]
pub struct WeightsFolder {
    made: PathBuf,
    folder: PathBuf,
}

impl WeightsFolder {
    /// Makes what is to be at `folder`: what `from` lists and has, with what was learnt added or in the place of what it
    /// supersedes.
    ///
    /// # Errors
    /// When a file cannot be read or written.
    pub fn make(
        from: &Manifest,
        folder: &Path,
        learnt: &[Learnt<'_>],
    ) -> Result<Self, ExportError> {
        let made = folder.with_extension("partial");
        let same = |folder: &Path| fs::canonicalize(folder).ok();
        if [folder, &made]
            .iter()
            .any(|to| same(to).is_some_and(|to| Some(to) == same(from.folder())))
        {
            return Err(ExportError::Itself(folder.to_owned()));
        }
        // Of a run that was killed meanwhile.
        remove(&made)?;
        write(from, &made, learnt)?;
        Ok(Self { made, folder: folder.to_owned() })
    }

    /// Where it is until it is published.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.made
    }

    /// Adds the calibration of a model, named with its digest.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn add_calibration(&self, model: &str, text: &str) -> Result<(), ExportError> {
        put(&self.made.join(CALIBRATIONS).join(format!("{model}.toml")), text.as_bytes())
    }

    /// Puts it where it is to be, in the place of what is there.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn publish(self) -> Result<(), ExportError> {
        let Self { made, folder } = self;
        for file in [Manifest::FILE, LICENCE_FILE] {
            sync(parent(&made.join(file)))?;
        }
        if made.join(CALIBRATIONS).is_dir() {
            sync(&made.join(CALIBRATIONS))?;
        }
        // Moved aside whole: it is not gone piece by piece where somebody may still look.
        let before = folder.with_extension("before");
        remove(&before)?;
        match fs::rename(&folder, &before) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(at(&folder, error));
            }
            _ => {}
        }
        fs::rename(&made, &folder).map_err(|error| at(&folder, error))?;
        sync(parent(&folder))?;
        remove(&before)
    }
}

fn write(from: &Manifest, folder: &Path, learnt: &[Learnt<'_>]) -> Result<(), ExportError> {
    let path = from.folder().join(Manifest::FILE);
    let text = fs::read_to_string(&path).map_err(|error| at(&path, error))?;
    let mut listing: Table = text.parse().map_err(|error| ExportError::Form(format!("{error}")))?;
    let entries = listing.get_mut("weights").and_then(Value::as_array_mut);
    let entries = entries.ok_or_else(|| ExportError::Form("it lists no weights".to_owned()))?;
    let is_superseded = |entry: &Value, learnt: &Learnt<'_>| {
        let is_named = entry.get("id").and_then(Value::as_str) == Some(learnt.id);
        is_named || learnt.part.supersedes(entry)
    };
    entries.retain(|entry| {
        is_here(from, entry) && !learnt.iter().any(|learnt| is_superseded(entry, learnt))
    });
    let kept: Vec<String> = entries
        .iter()
        .flat_map(|entry| ["file", "licence_file"].map(|name| entry.get(name)))
        .filter_map(|name| name.and_then(Value::as_str).map(str::to_owned))
        .collect();
    entries.extend(learnt.iter().map(|learnt| Value::Table(learnt.entry())));
    for name in kept {
        copy(&from.folder().join(&name), &folder.join(&name))?;
    }
    copy_calibrations(from.folder(), folder)?;
    let files = learnt.iter().map(|learnt| (learnt.file_name(), learnt.file));
    let listing = listing.to_string();
    let about = [
        (LICENCE_FILE.to_owned(), LICENCE.as_bytes()),
        // Last: a folder without one is none.
        (Manifest::FILE.to_owned(), listing.as_bytes()),
    ];
    for (name, bytes) in files.chain(about) {
        put(&folder.join(name), bytes)?;
    }
    let made = Manifest::open(folder)?;
    learnt.iter().try_for_each(|learnt| Ok(made.verify(made.get(learnt.id)?)?))
}

/// Of the models that stay as they are; a file is named after its model.
fn copy_calibrations(from: &Path, to: &Path) -> Result<(), ExportError> {
    let there = from.join(CALIBRATIONS);
    if !there.is_dir() {
        return Ok(());
    }
    for entry in fs::read_dir(&there).map_err(|error| at(&there, error))? {
        let entry = entry.map_err(|error| at(&there, error))?;
        copy(&entry.path(), &to.join(CALIBRATIONS).join(entry.file_name()))?;
    }
    Ok(())
}

/// Whether an entry's file is there, and that of the encoder which it projects.
fn is_here(from: &Manifest, entry: &Value) -> bool {
    let text = |name: &str| entry.get(name).and_then(Value::as_str);
    let projects_absent = text("projects").is_some_and(|encoder| {
        from.get(encoder).is_ok_and(|encoder| !from.path(encoder).is_file())
    });
    text("file").is_some_and(|file| from.folder().join(file).is_file()) && !projects_absent
}

impl LearntPart<'_> {
    /// Whether it takes the place of an entry.
    fn supersedes(&self, entry: &Value) -> bool {
        let text = |name: &str| entry.get(name).and_then(Value::as_str);
        match *self {
            Self::Encoder { .. } => false,
            Self::Projection { encoder, outputs, .. } => {
                let size = entry.get("output_size").and_then(Value::as_integer);
                text("projects") == Some(encoder) && size == Some(i64::from(outputs))
            }
            Self::Liveness => text("role") == Some("liveness"),
            Self::Verifier { model, .. } => text("verifies") == Some(model),
        }
    }

    /// What its entry says beside that.
    fn own(&self) -> Vec<(&'static str, Value)> {
        match *self {
            Self::Encoder { feature_norm_min } => {
                // The shortest number that reads as the same f32: 2.6, not 2.5999999.
                let shortest =
                    feature_norm_min.and_then(|norm| norm.to_string().parse::<f64>().ok());
                shortest.map(|norm| ("feature_norm_min", norm.into())).into_iter().collect()
            }
            Self::Liveness => Vec::new(),
            Self::Projection { encoder, .. } => vec![("projects", encoder.into())],
            Self::Verifier { model, difference, .. } => {
                vec![("verifies", model.into()), ("difference", difference.code().into())]
            }
        }
    }

    /// Role, architecture, input and output of its entry.
    fn form(&self) -> ([&'static str; 2], (&'static str, i64), i64) {
        match *self {
            Self::Encoder { .. } => {
                let input = ("side", MobileFaceNet::SIDE);
                (["encoder", "mobilefacenet"], input, MobileFaceNet::OUTPUT_SIZE)
            }
            Self::Projection { inputs, outputs, .. } => {
                (["projection", "projection"], ("length", inputs.into()), outputs.into())
            }
            Self::Liveness => {
                let input = ("side", MiniFasNet::SIDE);
                (["liveness", "minifasnet_v2_se"], input, MiniFasNet::OUTPUT_SIZE)
            }
            Self::Verifier { size, .. } => {
                (["verifier", "logistic_unit"], ("length", size.into()), 1)
            }
        }
    }
}

impl Learnt<'_> {
    fn file_name(&self) -> String {
        format!("{}.safetensors", self.id)
    }

    fn entry(&self) -> Table {
        let digest = Digest::of(self.file).to_string();
        let source = [
            ("registry", "limen train"),
            ("package", self.id),
            ("version", env!("CARGO_PKG_VERSION")),
            ("path", "model_card.md"),
            ("sha256", &digest),
        ];
        let source = source.map(|(name, value)| (name.to_owned(), value.into()));
        let ([role, architecture], (side, input), outputs) = self.part.form();
        let texts = [
            ("id", self.id),
            ("role", role),
            ("architecture", architecture),
            ("file", &self.file_name()),
            ("sha256", &digest),
            ("licence", "LicenseRef-learnt"),
            ("licence_file", LICENCE_FILE),
            ("training", self.training),
        ];
        let mut entry: Table =
            texts.map(|(name, value)| (name.to_owned(), value.into())).into_iter().collect();
        let own = self.part.own().into_iter();
        entry.extend(own.map(|(name, value)| (name.to_owned(), value)));
        let input = Table::from_iter([(side.to_owned(), Value::from(input))]);
        entry.insert("input".to_owned(), input.into());
        entry.insert("output_size".to_owned(), outputs.into());
        entry.insert("source".to_owned(), Table::from_iter(source).into());
        entry
    }
}

fn copy(from: &Path, to: &Path) -> Result<(), ExportError> {
    put(to, &fs::read(from).map_err(|error| at(from, error))?)
}

/// Writes a file, to the disk.
fn put(path: &Path, bytes: &[u8]) -> Result<(), ExportError> {
    let folder = parent(path);
    fs::create_dir_all(folder).map_err(|error| at(folder, error))?;
    let written = File::create(path).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    written.map_err(|error| at(path, error))
}

fn sync(folder: &Path) -> Result<(), ExportError> {
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(|error| at(folder, error))
}

fn remove(folder: &Path) -> Result<(), ExportError> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(at(folder, error)),
        _ => Ok(()),
    }
}

fn parent(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn at(path: &Path, error: io::Error) -> ExportError {
    ExportError::File { path: path.to_owned(), error }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand::rngs::StdRng;
    use tch::{Device, Tensor};

    use super::*;
    use crate::domain::{ModelId, Verifier};
    use crate::nets::{Role, Trainable, load};
    use crate::train::{Tensors, tensors, to_bytes};

    #[test]
    fn a_learnt_verifier_takes_the_place_of_the_one_of_its_model_and_loads() {
        let folder = tempfile::tempdir().unwrap();
        let shipped = Manifest::open(concat!(env!("CARGO_MANIFEST_DIR"), "/weights")).unwrap();
        let exported = |from: &Manifest, name: &str, bias: f32| {
            let (model, difference) = ("a@1", Difference::Squared);
            let weights = vec![-3.0, -4.0];
            let verifier =
                Verifier::new(ModelId::new(model), 2, difference, weights, bias).unwrap();
            let file = to_bytes(&tensors(&verifier).unwrap(), None).unwrap();
            let part = LearntPart::Verifier { model, size: 2, difference };
            let learnt = Learnt { id: "verifier-a-1", part, file: &file, training: "a test" };
            let to = folder.path().join(name);
            let folder = WeightsFolder::make(from, &to, &[learnt]).unwrap();
            folder.add_calibration("verifier-a-1@2", "a = 1").unwrap();
            assert!(!to.exists());
            folder.publish().unwrap();
            let made = Manifest::open(&to).unwrap();
            let id = &made.verifier_of(model).unwrap().id;
            assert_eq!(load::verifier(&made, id).unwrap(), verifier);
            assert!(to.join("calibrations/verifier-a-1@2.toml").is_file());
            assert!(to.join("calibrations/mobilefacenet@3697fb4a.toml").is_file());
            made
        };
        let first = exported(&shipped, "first", 1.0);
        let second = exported(&first, "second", 2.0);
        assert_eq!(first.entries().len(), second.entries().len());
    }

    #[test]
    fn a_learnt_projection_takes_the_place_of_the_one_of_its_length_and_loads() {
        let folder = tempfile::tempdir().unwrap();
        let shipped = Manifest::open(concat!(env!("CARGO_MANIFEST_DIR"), "/weights")).unwrap();
        let weight = Tensor::eye(128, (tch::Kind::Float, Device::Cpu)).constant_pad_nd([0, 384]);
        let bias = Tensor::zeros([128], (tch::Kind::Float, Device::Cpu));
        let tensors = Tensors::from([("weight".to_owned(), weight), ("bias".to_owned(), bias)]);
        let file = to_bytes(&tensors, None).unwrap();
        let part = LearntPart::Projection { encoder: "mobilefacenet", inputs: 512, outputs: 128 };
        let learnt = Learnt { id: "site-128", part, file: &file, training: "a test" };
        let to = folder.path().join("weights");
        WeightsFolder::make(&shipped, &to, &[learnt]).unwrap().publish().unwrap();
        let made = Manifest::open(&to).unwrap();
        assert_eq!(made.projection_of("mobilefacenet", 128).unwrap().id, "site-128");
        assert!(made.get("mobilefacenet-pca128").is_err());
        for entry in made.entries() {
            made.verify(entry).unwrap();
        }
        load::projection(&made, "site-128", Device::Cpu).unwrap();
    }

    #[test]
    fn a_learnt_encoder_stands_beside_the_others_and_a_learnt_liveness_network_replaces_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let shipped = Manifest::open(concat!(env!("CARGO_MANIFEST_DIR"), "/weights")).unwrap();
        let mut random = StdRng::seed_from_u64(1);
        let file = |weights: &Tensors| to_bytes(weights, None).unwrap();
        let encoder = Trainable::new_encoder(Device::Cpu, &mut random).unwrap().weights().unwrap();
        let liveness =
            Trainable::new_liveness(Device::Cpu, &mut random).unwrap().weights().unwrap();
        let projection = Tensors::from([
            ("weight".to_owned(), Tensor::ones([128, 512], (tch::Kind::Float, Device::Cpu))),
            ("bias".to_owned(), Tensor::zeros([128], (tch::Kind::Float, Device::Cpu))),
        ]);
        let part = LearntPart::Projection { encoder: "site", inputs: 512, outputs: 128 };
        let learnt = |id, part, file| Learnt { id, part, file, training: "a test" };
        let (encoder, liveness, projection) = (file(&encoder), file(&liveness), file(&projection));
        let learnt = [
            learnt("site", LearntPart::Encoder { feature_norm_min: Some(2.5) }, &encoder),
            learnt("site-128", part, &projection),
            learnt("site-live", LearntPart::Liveness, &liveness),
        ];
        let to = folder.path().join("weights");
        // What is there, and what a run that was killed had begun.
        for left in [&to, &to.with_extension("partial")] {
            fs::create_dir_all(left.join("calibrations")).unwrap();
            fs::write(left.join("calibrations/gone.toml"), b"").unwrap();
        }
        WeightsFolder::make(&shipped, &to, &learnt).unwrap().publish().unwrap();
        assert!(!to.join("calibrations/gone.toml").exists());
        assert!(!to.with_extension("partial").exists());
        let made = Manifest::open(&to).unwrap();
        let of_role = |role| made.entries().iter().filter(|entry| entry.role == role).count();
        assert_eq!(made.get("site").unwrap().feature_norm_min, Some(2.5));
        assert!(to.join(CALIBRATIONS).read_dir().unwrap().count() > 0);
        let itself = WeightsFolder::make(&made, &to, &learnt).unwrap_err().to_string();
        assert!(itself.contains("those that this run writes"), "{itself}");
        assert_eq!((of_role(Role::Liveness), made.get("mobilefacenet").is_ok()), (1, true));
        load::encoder(&made, "site", Device::Cpu).unwrap();
        load::projection(&made, "site-128", Device::Cpu).unwrap();
        load::liveness(&made, "site-live", Device::Cpu).unwrap();
    }
}
