//! Webhooks: events are posted to whom they were promised, by one replica at a time; should it end, another goes on.

mod post;
mod turn;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Semaphore;
use tokio::task::{AbortHandle, JoinSet};
use tracing::{error, info, warn};

pub use post::webhook_secret;

use super::Bell;
use super::backoff::Backoff;
use super::said::Said;
use crate::domain::{Webhook, WebhookHosts, WebhookId};
use crate::metrics::Metrics;
use crate::store::{Courier, Right, Store, StoreError};
use post::Poster;
use turn::Turn;

/// How often the right to deliver is asked for, or made sure of, and the webhooks are looked through.
const ROUND: Duration = Duration::from_secs(2);

/// Limits of the deliveries.
#[derive(Clone, Debug)]
pub struct DeliverySettings {
    /// Hosts that may be posted to.
    pub hosts: WebhookHosts,
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
    backoff: Backoff,
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
        let poster = Poster::new(settings.timeout, settings.hosts.clone())?;
        let backoff = Backoff { min: settings.retry_min, max: settings.retry_max };
        let statements = Semaphore::new(1);
        Ok(Arc::new(Self { settings, store, bell, metrics, poster, backoff, statements }))
    }

    /// Delivers whenever no other replica does, for as long as it is polled.
    pub async fn run(self: Arc<Self>) {
        let mut said = Said::default();
        loop {
            let ended = match self.store.courier(Right::Webhooks).await {
                Ok(courier) => self.serve(courier, &mut said).await,
                Err(error) => Err(error),
            };
            if let Err(error) = ended {
                said.says(format!("lost touch with the database: {error}"), |text| {
                    warn!("webhooks: {text}")
                });
            }
            tokio::time::sleep(ROUND).await;
        }
    }

    /// Waits for the right, and has every webhook delivered to as long as it is held.
    async fn serve(
        self: &Arc<Self>,
        mut courier: Courier,
        said: &mut Said,
    ) -> Result<(), StoreError> {
        // All of them end with this.
        let mut tasks = JoinSet::new();
        let mut running = HashMap::<WebhookId, (Webhook, AbortHandle)>::new();
        loop {
            if !courier.holds().await? {
                // Whoever delivers counts it.
                self.metrics.webhook_backlog(0);
                // Never again once it was held: the connection is the same.
                tokio::time::sleep(ROUND).await;
                continue;
            }
            said.says("this replica delivers".to_owned(), |text| info!("webhooks: {text}"));
            let webhooks = self.ask(self.store.webhooks()).await?;
            self.metrics.webhook_backlog(self.ask(self.store.webhook_backlog()).await?);
            let wanted = |id| webhooks.iter().find(|webhook| webhook.enabled && webhook.id == id);
            running.retain(|id, (webhook, task)| {
                let same = wanted(*id) == Some(&*webhook);
                if !same {
                    // Nothing more is posted to where it was, or of what was wanted then.
                    task.abort();
                }
                same && !task.is_finished()
            });
            for webhook in webhooks.iter().filter(|webhook| webhook.enabled) {
                running.entry(webhook.id).or_insert_with(|| {
                    (webhook.clone(), tasks.spawn(Arc::clone(self).follow(webhook.id)))
                });
            }
            while let Some(ended) = tasks.try_join_next() {
                // One that was aborted had no trouble.
                if let Err(error) = ended
                    && error.is_panic()
                {
                    error!(%error, "the delivery to a webhook broke down, and begins anew");
                }
            }
            tokio::time::sleep(ROUND).await;
        }
    }

    /// Delivers to one webhook, until that is aborted: one that is switched off may be on again before anybody else sees it.
    async fn follow(self: Arc<Self>, id: WebhookId) {
        let said = Mutex::default();
        // What was put aside does not hold up what comes, and neither ends the other in the middle of a post.
        tokio::join!(self.deliver(id, &said), self.deliver_dead(id, &said));
    }

    async fn deliver(&self, id: WebhookId, said: &Mutex<Said>) {
        let mut bell = self.bell.clone();
        loop {
            match self.turn(id).await {
                Ok(Turn::More) => {}
                Ok(Turn::Done) => {
                    // What failed may be due again.
                    let _ = tokio::time::timeout(self.settings.retry_min, bell.heard()).await;
                }
                Err(error) => rest_after(&error, id, said).await,
            }
        }
    }

    async fn deliver_dead(&self, id: WebhookId, said: &Mutex<Said>) {
        loop {
            match self.dead_turn(id).await {
                Ok(Turn::More) => {}
                Ok(Turn::Done) => tokio::time::sleep(ROUND).await,
                Err(error) => rest_after(&error, id, said).await,
            }
        }
    }

    /// What the database answers, one question at a time.
    async fn ask<T>(
        &self,
        answer: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let _turn = self.statements.acquire().await;
        self.store.patiently(answer).await
    }
}

/// Tells of the trouble with a webhook, and leaves the database some time.
async fn rest_after(error: &StoreError, id: WebhookId, said: &Mutex<Said>) {
    said.lock().says(error.to_string(), |error| {
        warn!(webhook = %id, error, "a webhook is not delivered to for now");
    });
    tokio::time::sleep(ROUND).await;
}
