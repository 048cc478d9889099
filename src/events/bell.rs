//! Wakes those who follow the trail when a passage was recorded, on whichever replica.

use std::time::Duration;

use tokio::sync::watch;
use tracing::warn;

use crate::store::{Store, StoreError};

/// Passages that are recorded within this time are told of together.
const TOGETHER: Duration = Duration::from_millis(50);

/// How long to wait before Postgres is asked again after a failure.
const RETRY: Duration = Duration::from_secs(1);

/// A connection that died unnoticed is not kept beyond this.
const RELISTEN: Duration = Duration::from_secs(300);

/// Hears when there may be something new in the trail. It may be missed: whoever follows looks again by itself
/// after some seconds.
#[derive(Clone, Debug)]
pub struct Bell(watch::Receiver<()>);

impl Bell {
    /// A bell, and what it is rung by.
    #[must_use]
    pub fn new() -> (watch::Sender<()>, Self) {
        let (rope, bell) = watch::channel(());
        (rope, Self(bell))
    }

    /// Waits until it rings; at once, when it did since it was last heard. For ever, once nobody rings any more.
    pub async fn heard(&mut self) {
        if self.0.changed().await.is_err() {
            std::future::pending().await
        }
    }
}

/// Rings for what any replica records, and tells the others of what this one does, for as long as it is polled.
pub async fn ring(store: Store, rope: watch::Sender<()>) {
    tokio::join!(tell(&store), hear(&store, &rope));
}

/// Beside the passages, never within them: the commit of a transaction that notifies waits for all others that do.
async fn tell(store: &Store) {
    loop {
        store.passage_was_recorded().await;
        if let Err(error) = store.tell_of_passages().await {
            warn!(%error, "the other replicas were not told of a passage: they look by themselves");
        }
        tokio::time::sleep(TOGETHER).await;
    }
}

async fn hear(store: &Store, rope: &watch::Sender<()>) {
    loop {
        if let Err(error) = listen(store, rope).await {
            warn!(%error, "passages of other replicas are not heard of: those who follow look by themselves");
            tokio::time::sleep(RETRY).await;
        }
    }
}

async fn listen(store: &Store, rope: &watch::Sender<()>) -> Result<(), StoreError> {
    let mut listener = store.listen_passages().await?;
    loop {
        // Something may have come before it was listened, or while it slept.
        rope.send_replace(());
        match tokio::time::timeout(RELISTEN, listener.next()).await {
            Ok(heard) => heard?,
            Err(_) => return Ok(()),
        }
        tokio::time::sleep(TOGETHER).await;
    }
}
