//! Webhooks: events are posted to whom they were promised, by one replica at a time; should it end, another goes on.

mod post;
mod turn;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::task::{AbortHandle, JoinSet};
use tracing::{info, warn};

pub use post::webhook_secret;

use super::Bell;
use crate::domain::WebhookId;
use crate::metrics::Metrics;
use crate::store::{Courier, Store, StoreError};
use post::Poster;

/// How often the right to deliver is asked for, or made sure of, and the webhooks are looked through.
const ROUND: Duration = Duration::from_secs(2);

/// Limits of the deliveries.
#[derive(Clone, Copy, Debug)]
pub struct DeliverySettings {
    /// How long an answer is awaited.
    pub timeout: Duration,
    /// How often an event is tried before it is given up.
    pub attempts_max: u32,
    /// The wait after the first failure; it doubles with each.
    pub retry_min: Duration,
    /// The longest wait.
    pub retry_max: Duration,
    /// Passages that one statement reads.
    pub rows_max: u32,
}

/// Delivers, where it has the right to.
#[derive(Debug)]
pub struct Deliverer {
    settings: DeliverySettings,
    store: Store,
    bell: Bell,
    metrics: Arc<Metrics>,
    poster: Poster,
    /// Statements at once: gates find the other connections.
    statements: Semaphore,
}

impl Deliverer {
    /// One that delivers nothing yet.
    ///
    /// # Errors
    /// When the system's certificates cannot be read.
    pub fn new(
        settings: DeliverySettings,
        store: Store,
        bell: Bell,
        metrics: Arc<Metrics>,
    ) -> Result<Arc<Self>, reqwest::Error> {
        let poster = Poster::new(settings.timeout)?;
        let statements = Semaphore::new(1);
        Ok(Arc::new(Self { settings, store, bell, metrics, poster, statements }))
    }

    /// Delivers whenever no other replica does, for as long as it is polled.
    pub async fn run(self: Arc<Self>) {
        loop {
            let ended = match self.store.courier().await {
                Ok(courier) => self.serve(courier).await,
                Err(error) => Err(error),
            };
            if let Err(error) = ended {
                warn!(%error, "webhooks: lost touch with the database");
            }
            tokio::time::sleep(ROUND).await;
        }
    }

    /// Waits for the right, and has every webhook delivered to as long as it is held.
    async fn serve(self: &Arc<Self>, mut courier: Courier) -> Result<(), StoreError> {
        // All of them end with this.
        let mut tasks = JoinSet::new();
        let mut running = HashMap::<WebhookId, AbortHandle>::new();
        let mut held = false;
        loop {
            if !courier.holds().await? {
                // Never again once it was held: the connection is the same.
                tokio::time::sleep(ROUND).await;
                continue;
            }
            if !held {
                info!("webhooks: this replica delivers");
                held = true;
            }
            let (webhooks, backlog) = {
                let (_turn, store) = self.store().await;
                (store.webhooks().await?, store.webhook_backlog().await?)
            };
            self.metrics.webhook_backlog(backlog);
            running.retain(|_, task| !task.is_finished());
            for id in webhooks.iter().filter(|webhook| webhook.enabled).map(|webhook| webhook.id) {
                running.entry(id).or_insert_with(|| tasks.spawn(Arc::clone(self).follow(id)));
            }
            while tasks.try_join_next().is_some() {}
            tokio::time::sleep(ROUND).await;
        }
    }

    /// Delivers to one webhook until it is removed or switched off, or the database does not answer.
    async fn follow(self: Arc<Self>, id: WebhookId) {
        let mut bell = self.bell.clone();
        loop {
            match self.turn(id).await {
                Ok(turn::Turn::More) => {}
                Ok(turn::Turn::Done) => {
                    // What failed may be due again.
                    let _ = tokio::time::timeout(self.settings.retry_min, bell.heard()).await;
                }
                Ok(turn::Turn::Over) => return,
                Err(error) => {
                    warn!(webhook = %id, %error, "a webhook is not delivered to for now");
                    return;
                }
            }
        }
    }

    /// The database, in turn.
    async fn store(&self) -> (Option<SemaphorePermit<'_>>, &Store) {
        (self.statements.acquire().await.ok(), &self.store)
    }
}
