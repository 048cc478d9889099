//! Places for streams of events: bounded together, and for each key, so that one cannot take them all.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep, sleep_until};

use crate::domain::KeyId;

/// How long a stream lasts. Signs of life fill the buffers on the way to a client that reads nothing for hours before
/// anything is left unsent; whoever follows comes again, and misses nothing.
const LIFE_MAX: Duration = Duration::from_secs(60 * 60);

/// Counts streams. Cheap to clone; each replica counts its own.
#[derive(Clone, Debug)]
pub struct Streams {
    places: Arc<Semaphore>,
    per_key_max: usize,
    of_keys: Arc<Mutex<HashMap<KeyId, usize>>>,
}

/// A stream's place; given back when dropped.
#[derive(Debug)]
pub(super) struct StreamPlace {
    key: KeyId,
    streams: Streams,
    ends_at: Instant,
    _place: OwnedSemaphorePermit,
}

impl StreamPlace {
    /// Waits until the stream has lasted as long as it may.
    pub(super) fn over(&self) -> Sleep {
        sleep_until(self.ends_at)
    }
}

/// Which bound is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Full {
    /// That of all together.
    All,
    /// The key's.
    Key,
}

impl Streams {
    /// Lets `max` streams be open at once, and so many of one key.
    #[must_use]
    pub fn new(max: usize, per_key_max: usize) -> Self {
        Self { places: Arc::new(Semaphore::new(max)), per_key_max, of_keys: Arc::default() }
    }

    /// A place for a stream of `key`'s.
    pub(super) fn enter(&self, key: KeyId) -> Result<StreamPlace, Full> {
        let mut of_keys = self.of_keys.lock();
        let open = of_keys.get(&key).copied().unwrap_or_default();
        if open >= self.per_key_max {
            return Err(Full::Key);
        }
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| Full::All)?;
        of_keys.insert(key, open + 1);
        let ends_at = Instant::now() + LIFE_MAX;
        Ok(StreamPlace { key, streams: self.clone(), ends_at, _place: place })
    }
}

impl Drop for StreamPlace {
    fn drop(&mut self) {
        let mut of_keys = self.streams.of_keys.lock();
        if let Some(open) = of_keys.get_mut(&self.key) {
            *open -= 1;
            // Else every key that ever followed would be remembered.
            if *open == 0 {
                of_keys.remove(&self.key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_its_places_leaves_the_others_theirs_and_gives_them_back() {
        let streams = Streams::new(3, 2);
        let [mine, yours] = [KeyId::generate(), KeyId::generate()];
        let open = [streams.enter(mine).unwrap(), streams.enter(mine).unwrap()];
        assert_eq!(streams.enter(mine).unwrap_err(), Full::Key);
        let other = streams.enter(yours).unwrap();
        assert_eq!(streams.enter(yours).unwrap_err(), Full::All);
        drop(open);
        let again = streams.enter(mine).unwrap();
        drop((other, again));
        assert!(streams.of_keys.lock().is_empty());
    }

    #[tokio::test]
    async fn a_stream_ends_after_an_hour_however_often_it_is_waited_for() {
        let before = Instant::now();
        let place = Streams::new(1, 1).enter(KeyId::generate()).unwrap();
        let after = Instant::now();
        for _ in 0..2 {
            let over = place.over().deadline();
            assert!(before + LIFE_MAX <= over && over <= after + LIFE_MAX, "{over:?}");
        }
    }
}
