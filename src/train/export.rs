//! A weights folder that a service takes as it is: the networks that it needs, the learnt numbers among them.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

use crate::nets::{Digest, Manifest, ManifestError};

/// A projection that was learnt.
#[derive(Clone, Debug)]
pub struct LearntProjection<'a> {
    /// The encoder whose output it takes.
    pub encoder: &'a str,
    /// What it is to be called.
    pub id: &'a str,
    /// How many numbers it takes,
    pub inputs: u32,
    /// and gives.
    pub outputs: u32,
    /// The safetensors file.
    pub file: &'a [u8],
    /// What the manifest says of its training.
    pub training: &'a str,
}

/// Why a folder cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The weights that it is made from cannot be read.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
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

const LICENCE_FILE: &str = "licences/learnt.txt";
const LICENCE: &str = "These numbers were learnt from photos of the people who use them: model_card.md beside this \
    folder says from which. Whose they are and what may be done with them is for whoever has these photos to say.\n";

/// Writes `folder`: what `from` lists and has, with the projection in the place of the one of its encoder and length.
///
/// # Errors
/// When a file cannot be read or written.
pub fn export_projection(
    from: &Manifest,
    folder: &Path,
    learnt: &LearntProjection<'_>,
) -> Result<(), ExportError> {
    let path = from.folder().join(Manifest::FILE);
    let text = fs::read_to_string(&path).map_err(|error| at(&path, error))?;
    let mut listing: Table = text.parse().map_err(|error| ExportError::Form(format!("{error}")))?;
    let entries = listing.get_mut("weights").and_then(Value::as_array_mut);
    let entries = entries.ok_or_else(|| ExportError::Form("it lists no weights".to_owned()))?;
    let outputs = i64::from(learnt.outputs);
    entries.retain(|entry| {
        let text = |name: &str| entry.get(name).and_then(Value::as_str);
        let is_here = text("file").is_some_and(|file| from.folder().join(file).is_file());
        let is_replaced = text("projects") == Some(learnt.encoder)
            && entry.get("output_size").and_then(Value::as_integer) == Some(outputs);
        let projects_absent = text("projects").is_some_and(|encoder| {
            let entry = from.get(encoder);
            entry.is_ok_and(|entry| !from.path(entry).is_file())
        });
        is_here && !is_replaced && !projects_absent
    });
    let kept: Vec<String> = entries
        .iter()
        .flat_map(|entry| ["file", "licence_file"].map(|name| entry.get(name)))
        .filter_map(|name| name.and_then(Value::as_str).map(str::to_owned))
        .collect();
    let file = format!("{}.safetensors", learnt.id);
    entries.push(Value::Table(entry(learnt, &file)));
    for name in kept {
        let (from, to) = (from.folder().join(&name), folder.join(&name));
        make_parent(&to)?;
        fs::copy(&from, &to).map_err(|error| at(&from, error))?;
    }
    for (name, bytes) in [
        (file.as_str(), learnt.file),
        (LICENCE_FILE, LICENCE.as_bytes()),
        // Last: a folder without one is none.
        (Manifest::FILE, listing.to_string().as_bytes()),
    ] {
        let path = folder.join(name);
        make_parent(&path)?;
        fs::write(&path, bytes).map_err(|error| at(&path, error))?;
    }
    let made = Manifest::open(folder)?;
    Ok(made.verify(made.get(learnt.id)?)?)
}

fn entry(learnt: &LearntProjection<'_>, file: &str) -> Table {
    let digest = Digest::of(learnt.file).to_string();
    let source = [
        ("registry", "limen train"),
        ("package", learnt.id),
        ("version", env!("CARGO_PKG_VERSION")),
        ("path", "model_card.md"),
        ("sha256", &digest),
    ];
    let source = source.map(|(name, value)| (name.to_owned(), value.into()));
    let texts = [
        ("id", learnt.id),
        ("role", "projection"),
        ("architecture", "projection"),
        ("projects", learnt.encoder),
        ("file", file),
        ("sha256", &digest),
        ("licence", "LicenseRef-learnt"),
        ("licence_file", LICENCE_FILE),
        ("training", learnt.training),
    ];
    let mut entry: Table =
        texts.map(|(name, value)| (name.to_owned(), value.into())).into_iter().collect();
    let input = Table::from_iter([("length".to_owned(), Value::from(i64::from(learnt.inputs)))]);
    entry.insert("input".to_owned(), input.into());
    entry.insert("output_size".to_owned(), i64::from(learnt.outputs).into());
    entry.insert("source".to_owned(), Table::from_iter(source).into());
    entry
}

fn make_parent(path: &Path) -> Result<(), ExportError> {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder).map_err(|error| at(folder, error))
}

fn at(path: &Path, error: io::Error) -> ExportError {
    ExportError::File { path: path.to_owned(), error }
}

#[cfg(test)]
mod tests {
    use tch::{Device, Tensor};

    use super::*;
    use crate::nets::load;
    use crate::train::{Tensors, to_bytes};

    #[test]
    fn a_learnt_projection_takes_the_place_of_the_one_of_its_length_and_loads() {
        let folder = tempfile::tempdir().unwrap();
        let shipped = Manifest::open(concat!(env!("CARGO_MANIFEST_DIR"), "/weights")).unwrap();
        let weight = Tensor::eye(128, (tch::Kind::Float, Device::Cpu)).constant_pad_nd([0, 384]);
        let bias = Tensor::zeros([128], (tch::Kind::Float, Device::Cpu));
        let tensors = Tensors::from([("weight".to_owned(), weight), ("bias".to_owned(), bias)]);
        let file = to_bytes(&tensors, None).unwrap();
        let learnt = LearntProjection {
            encoder: "mobilefacenet",
            id: "site-128",
            inputs: 512,
            outputs: 128,
            file: &file,
            training: "a test",
        };
        export_projection(&shipped, folder.path(), &learnt).unwrap();
        let made = Manifest::open(folder.path()).unwrap();
        assert_eq!(made.projection_of("mobilefacenet", 128).unwrap().id, "site-128");
        assert!(made.get("mobilefacenet-pca128").is_err());
        for entry in made.entries() {
            made.verify(entry).unwrap();
        }
        load::projection(&made, "site-128", Device::Cpu).unwrap();
    }
}
