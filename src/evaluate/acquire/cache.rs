//! What photos gave, kept between runs: a run that was cut short goes on where it was.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::marker::PhantomData;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{Acquired, Failure, Sample};
use crate::nets::Digest;

/// Samples by the SHA-256 of their photo.
pub(super) type Known<T> = HashMap<Digest, Sample<T>>;

/// Why the cache cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("the cache {} cannot be used: {error}; --no-cache does without", path.display())]
pub struct CacheError {
    path: PathBuf,
    error: io::Error,
}

/// A line of the file.
#[derive(Serialize, Deserialize)]
struct Line<T> {
    photo: Digest,
    sample: Sample<T>,
}

/// A file of samples, a line of JSON each, or none at all. It holds biometric templates and is
/// readable by its owner alone.
#[derive(Debug)]
pub struct Cache<T> {
    file: Option<(PathBuf, File)>,
    kind: PhantomData<T>,
}

impl<T: Serialize + DeserializeOwned> Cache<T> {
    /// No cache.
    #[must_use]
    pub fn none() -> Self {
        Self { file: None, kind: PhantomData }
    }

    /// The file `name` in `folder`, which is made where it is missing.
    ///
    /// # Errors
    /// When the file cannot be opened.
    pub fn open(folder: &Path, name: &str) -> Result<Self, CacheError> {
        let path = folder.join(name);
        let opened = fs::create_dir_all(folder).and_then(|()| {
            let mut options = OpenOptions::new();
            let mut file = options.create(true).append(true).mode(0o600).open(&path)?;
            // A line that was cut short stays alone.
            if !fs::read(&path)?.ends_with(b"\n") {
                file.write_all(b"\n")?;
            }
            Ok(file)
        });
        match opened {
            Ok(file) => Ok(Self { file: Some((path, file)), kind: PhantomData }),
            Err(error) => Err(CacheError { path, error }),
        }
    }

    /// Everything in the file that can be read.
    pub(super) fn known(&self) -> Known<T> {
        let text = self.file.as_ref().and_then(|(path, _)| fs::read_to_string(path).ok());
        text.unwrap_or_default().lines().filter_map(entry).collect()
    }

    /// Adds a sample, written at once. What could not be read may be readable next time.
    pub(super) fn put(&mut self, acquired: &Acquired<T>) -> Result<(), CacheError>
    where
        T: Clone,
    {
        let (Some((path, file)), Some(photo)) = (&mut self.file, acquired.photo) else {
            return Ok(());
        };
        if matches!(acquired.sample, Err(Failure::Unreadable(_))) {
            return Ok(());
        }
        let line = Line { photo, sample: acquired.sample.clone() };
        let written = serde_json::to_vec(&line).map_err(io::Error::other).and_then(|mut line| {
            line.push(b'\n');
            file.write_all(&line)
        });
        written.map_err(|error| CacheError { path: path.clone(), error })
    }
}

fn entry<T: DeserializeOwned>(line: &str) -> Option<(Digest, Sample<T>)> {
    let line: Line<T> = serde_json::from_str(line).ok()?;
    Some((line.photo, line.sample))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_found_again_whatever_happened_to_the_last_line() {
        let folder = tempfile::tempdir().unwrap();
        let photo = |name: &str| Digest::of(name.as_bytes());
        let acquired = |name, sample| Acquired { photo: Some(photo(name)), sample };
        let mut cache = Cache::<f32>::open(folder.path(), "a.jsonl").unwrap();
        cache.put(&acquired("1", Ok(0.25))).unwrap();
        cache.put(&acquired("2", Err(Failure::NoFace))).unwrap();
        cache.put(&acquired("3", Err(Failure::Unreadable("gone".into())))).unwrap();
        // As a kill leaves it.
        let path = folder.path().join("a.jsonl");
        let mut bytes = fs::read(&path).unwrap();
        bytes.truncate(bytes.len() - 10);
        fs::write(&path, &bytes).unwrap();

        let mut cache = Cache::<f32>::open(folder.path(), "a.jsonl").unwrap();
        assert_eq!(cache.known(), Known::from([(photo("1"), Ok(0.25))]));
        cache.put(&acquired("4", Ok(0.5))).unwrap();
        assert_eq!(cache.known(), Known::from([(photo("1"), Ok(0.25)), (photo("4"), Ok(0.5))]));
    }

    #[test]
    fn a_cache_that_cannot_be_opened_is_named() {
        let error = Cache::<f32>::open(Path::new("/proc/nowhere"), "a").unwrap_err().to_string();
        assert!(error.contains("/proc/nowhere/a") && error.contains("--no-cache"), "{error}");
    }
}
