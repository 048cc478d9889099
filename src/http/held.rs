//! Bytes of frames that requests keep in memory, all together no more than a limit.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Problem;
use super::overload::Overload;

/// How long whoever has time waits until they ask again.
const ASK_AGAIN: Duration = Duration::from_millis(20);

/// What one request keeps, out of what all may; given back when the last clone is dropped.
#[derive(Clone, Debug)]
pub(super) struct Held {
    all: Arc<Semaphore>,
    permit: Arc<Mutex<Option<OwnedSemaphorePermit>>>,
}

impl Held {
    /// Nothing yet.
    pub fn nothing_of(all: &Arc<Semaphore>) -> Self {
        Self { all: Arc::clone(all), permit: Arc::default() }
    }

    /// As many bytes more.
    ///
    /// # Errors
    /// 429 when others keep too many.
    pub fn more(&self, bytes: usize) -> Result<(), Problem> {
        let bytes = u32::try_from(bytes).map_err(|_| Problem::overloaded(Overload::FrameBytes))?;
        let more = Arc::clone(&self.all).try_acquire_many_owned(bytes);
        let more = more.map_err(|_| Problem::overloaded(Overload::FrameBytes))?;
        let mut permit = self.permit.lock();
        match &mut *permit {
            Some(permit) => permit.merge(more),
            None => *permit = Some(more),
        }
        Ok(())
    }

    /// As many bytes more, once others keep no longer too many. They who ask for less in a hurry go before.
    pub async fn more_in_time(&self, bytes: usize) {
        while self.more(bytes).is_err() {
            tokio::time::sleep(ASK_AGAIN).await;
        }
    }

    /// `bytes`, which are held until the last clone of them is gone, wherever that is.
    pub fn until_gone(self, bytes: impl AsRef<[u8]> + Send + 'static) -> Bytes {
        struct HeldBytes<B>(B, #[expect(dead_code, reason = "held")] Held);
        impl<B: AsRef<[u8]>> AsRef<[u8]> for HeldBytes<B> {
            fn as_ref(&self) -> &[u8] {
                self.0.as_ref()
            }
        }
        Bytes::from_owner(HeldBytes(bytes, self))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_one_request_keeps_another_cannot_until_it_is_given_back() {
        let all = Arc::new(Semaphore::new(10));
        let (one, other) = (Held::nothing_of(&all), Held::nothing_of(&all));
        one.more(4).unwrap();
        one.more(4).unwrap();
        assert!(other.more(3).is_err());
        other.more(2).unwrap();
        let frame = one.until_gone(vec![7; 8]);
        let (waits, _) = (frame.clone(), drop(frame));
        assert!(other.more(1).is_err());
        assert_eq!(waits, [7; 8][..]);
        drop(waits);
        other.more(8).unwrap();
    }
}
