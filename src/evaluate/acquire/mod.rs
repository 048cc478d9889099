//! From photos to what is compared: every photo travels the road that serves, once.

mod cache;
mod sample;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

use serde::Serialize;
use serde::de::DeserializeOwned;

pub use cache::{Cache, CacheError};
pub use sample::{BothSides, Failure, Picture, Sample, Template, liveness_score};

use crate::nets::Digest;
use crate::vision::{LookError, Road};

/// How photos are looked at.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AcquireSettings {
    /// Threads that each travel the road with a photo; at least 1.
    pub workers: usize,
    /// A border added around every photo, as a share of its longer side; 0: none.
    pub border_share: f32,
}

/// Why photos cannot be looked at.
#[derive(Debug, thiserror::Error)]
pub enum AcquireError {
    /// A network failed, which is not the photo's fault.
    #[error("{}: {error}", photo.display())]
    Look {
        /// The photo that it was shown.
        photo: PathBuf,
        /// What went wrong.
        error: LookError,
    },
    /// The cache cannot be written.
    #[error(transparent)]
    Cache(#[from] CacheError),
}

/// What a photo gave, and the hash that tells copies of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Acquired<T> {
    /// SHA-256 of the file; none when it could not be read.
    pub photo: Option<Digest>,
    /// What it gave.
    pub sample: Sample<T>,
}

/// Looks at every photo (paths below `images`), in their order, what the cache knows excepted.
/// `done` is called after each.
///
/// # Errors
/// When a network fails or the cache cannot be written. A photo that cannot be read is a [`Failure`] of that photo.
pub fn acquire<T: Clone + Send + Sync + Serialize + DeserializeOwned>(
    images: &Path,
    photos: &[PathBuf],
    road: &Road,
    AcquireSettings { workers, border_share }: AcquireSettings,
    cache: &mut Cache<T>,
    look: impl Fn(&Road, &[u8], f32) -> Result<Sample<T>, LookError> + Sync,
    mut done: impl FnMut(),
) -> Result<Vec<Acquired<T>>, AcquireError> {
    let mut acquired: Vec<Option<Acquired<T>>> = vec![None; photos.len()];
    let next = AtomicUsize::new(0);
    let known = cache.known();
    std::thread::scope(|scope| {
        let (send, receive) = mpsc::channel();
        for _ in 0..workers.max(1) {
            let (send, next, known, look) = (send.clone(), &next, &known, &look);
            // Of one road: on a GPU its networks are there once and have a stream each, of which there are few.
            let road = road.clone();
            scope.spawn(move || {
                // The workers are the parallelism, as in the service.
                tch::set_num_threads(1);
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some(photo) = photos.get(at) else { return };
                    let look = |bytes: &[u8]| look(&road, bytes, border_share);
                    let looked = look_at(&images.join(photo), known, look);
                    let looked = looked.map_err(|error| (photo.clone(), error));
                    let failed = looked.is_err();
                    // The receiver is gone when another worker failed.
                    if send.send((at, looked)).is_err() || failed {
                        return;
                    }
                }
            });
        }
        drop(send);
        for (at, looked) in receive {
            let (one, is_new) =
                looked.map_err(|(photo, error)| AcquireError::Look { photo, error })?;
            if is_new {
                cache.put(&one)?;
            }
            acquired[at] = Some(one);
            done();
        }
        Ok(acquired.into_iter().flatten().collect())
    })
}

/// What one photo gives, and whether it was looked at now.
fn look_at<T: Clone>(
    photo: &Path,
    known: &cache::Known<T>,
    look: impl FnOnce(&[u8]) -> Result<Sample<T>, LookError>,
) -> Result<(Acquired<T>, bool), LookError> {
    let bytes = match std::fs::read(photo) {
        Ok(bytes) => bytes,
        Err(error) => {
            let sample = Err(Failure::Unreadable(error.to_string()));
            return Ok((Acquired { photo: None, sample }, false));
        }
    };
    let digest = Digest::of(&bytes);
    let photo = Some(digest);
    if let Some(sample) = known.get(&digest) {
        return Ok((Acquired { photo, sample: sample.clone() }, false));
    }
    Ok((Acquired { photo, sample: look(&bytes)? }, true))
}
