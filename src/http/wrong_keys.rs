//! Origins that try keys: after so many wrong ones within a minute little more is looked up for them.

use std::collections::HashSet;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use moka::sync::Cache;
use tokio::sync::{Mutex, Semaphore, SemaphorePermit};

use crate::domain::KeyId;
use crate::store::{Store, StoreError};

/// How long a wrong key counts.
const COUNTED: Duration = Duration::from_secs(60);

/// How long a key that was right counts as known where it came from.
const KNOWN: Duration = Duration::from_secs(3_600);

/// Origins, and keys of origins, that are remembered at once; the least used are forgotten first.
const REMEMBERED_MAX: u64 = 65_536;

/// Keys of origins that are shut out that are looked up at once: so many connections to Postgres they may take.
const LOOKUPS_MAX: usize = 2;

/// How long such a key waits for its turn.
const TURN_MAX: Duration = Duration::from_secs(1);

/// How old what is known of the keys that there are may be.
const READ_AGAIN: Duration = Duration::from_secs(1);

/// The keys that are valid.
#[derive(Debug, Default)]
struct Ids {
    keys: HashSet<KeyId>,
    read_at: Option<Instant>,
}

/// Counts wrong keys by origin. Cheap to clone; each replica counts for itself.
///
/// Whoever shares the address of a turnstile, behind a proxy say, cannot shut it out by guessing: a key that was right
/// before goes on opening from where it came as if nothing were, and another is still looked up, a few at a time.
/// Nothing is gained by a guess among 2²⁵⁶.
#[derive(Clone, Debug)]
pub struct WrongKeys {
    per_minute_max: u32,
    lookups: Arc<Semaphore>,
    ids: Arc<Mutex<Ids>>,
    wrong: Cache<IpAddr, Arc<AtomicU32>>,
    known: Cache<(IpAddr, KeyId), ()>,
}

impl WrongKeys {
    /// Lets each origin have so many wrong keys within a minute.
    #[must_use]
    pub fn new(per_minute_max: u32) -> Self {
        let wrong = Cache::builder().max_capacity(REMEMBERED_MAX).time_to_live(COUNTED).build();
        let known = Cache::builder().max_capacity(REMEMBERED_MAX).time_to_live(KNOWN).build();
        let lookups = Arc::new(Semaphore::new(LOOKUPS_MAX));
        Self { per_minute_max, lookups, ids: Arc::default(), wrong, known }
    }

    /// Waits until a key of an origin that is shut out may be looked up; none when too many wait, and for what is no
    /// key's id: those are read at most once a second, however many are guessed.
    pub(super) async fn turn(
        &self,
        key: KeyId,
        store: &Store,
    ) -> Result<Option<SemaphorePermit<'_>>, StoreError> {
        let Ok(Ok(turn)) = tokio::time::timeout(TURN_MAX, self.lookups.acquire()).await else {
            return Ok(None);
        };
        let mut ids = self.ids.lock().await;
        if ids.read_at.is_none_or(|at| at.elapsed() > READ_AGAIN) {
            *ids = Ids { keys: store.valid_keys().await?, read_at: Some(Instant::now()) };
        }
        Ok(ids.keys.contains(&key).then_some(turn))
    }

    /// Whether that origin has sent too many of late, unless it is a key that was right there; none: what came could
    /// not even be a key.
    pub(super) fn is_shut_out(&self, origin: IpAddr, key: Option<KeyId>) -> bool {
        let origin = network(origin);
        let wrong = self.wrong.get(&origin).map_or(0, |count| count.load(Ordering::Relaxed));
        wrong >= self.per_minute_max
            && key.is_none_or(|key| !self.known.contains_key(&(origin, key)))
    }

    /// Counts a wrong key; true for the one with which its origin is shut out.
    pub(super) fn count(&self, origin: IpAddr) -> bool {
        let count = self.wrong.get_with(network(origin), Arc::default);
        count.fetch_add(1, Ordering::Relaxed) + 1 == self.per_minute_max
    }

    /// Remembers that a key was right there.
    pub(super) fn know(&self, origin: IpAddr, key: KeyId) {
        self.known.insert((network(origin), key), ());
    }

    /// Forgets that it was: it was revoked, say.
    pub(super) fn forget(&self, origin: IpAddr, key: KeyId) {
        self.known.invalidate(&(network(origin), key));
    }
}

/// One host, as far as an address tells: of IPv6 each has a whole /64.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into()
        }
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_with_too_many_wrong_keys_is_shut_out_and_no_other() {
        let wrong = WrongKeys::new(3);
        let [one, other] = ["192.0.2.1", "192.0.2.2"].map(|text| text.parse().unwrap());
        let told: Vec<bool> = (0..4).map(|_| wrong.count(one)).collect();
        assert_eq!(told, [false, false, true, false]);
        assert!(wrong.is_shut_out(one, None) && !wrong.is_shut_out(other, None));
    }

    #[test]
    fn a_key_that_was_right_goes_on_opening_from_there_alone() {
        let wrong = WrongKeys::new(1);
        let [here, there] = ["192.0.2.1", "192.0.2.2"].map(|text| text.parse().unwrap());
        let key = KeyId::generate();
        wrong.know(here, key);
        for origin in [here, there] {
            wrong.count(origin);
        }
        assert!(!wrong.is_shut_out(here, Some(key)));
        assert!(wrong.is_shut_out(here, Some(KeyId::generate())));
        assert!(wrong.is_shut_out(there, Some(key)));
        wrong.forget(here, key);
        assert!(wrong.is_shut_out(here, Some(key)));
    }

    #[test]
    fn the_addresses_of_one_ipv6_network_are_one_origin() {
        let wrong = WrongKeys::new(1);
        wrong.count("2001:db8:1:2::1".parse().unwrap());
        assert!(wrong.is_shut_out("2001:db8:1:2:ffff::9".parse().unwrap(), None));
        assert!(!wrong.is_shut_out("2001:db8:1:3::1".parse().unwrap(), None));
        wrong.count("::ffff:192.0.2.7".parse().unwrap());
        assert!(wrong.is_shut_out("192.0.2.7".parse().unwrap(), None));
    }
}
