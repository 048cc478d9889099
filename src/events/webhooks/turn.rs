//! One turn of a webhook: some gates at once, each gate's events one after the other.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use futures_util::future::try_join_all;
use tracing::{debug, warn};

use super::Deliverer;
use super::post::PostError;
use crate::domain::{GateEvent, GateId, Webhook, WebhookId};
use crate::events::EventView;
use crate::metrics::Delivery;
use crate::store::{DeadLetter, Due, Positions, StoreError};

/// Gates whose events are delivered to one webhook at the same time.
const GATES_AT_ONCE: u32 = 4;

/// Dead letters that are tried once more in one turn.
const DEAD_AT_ONCE: u32 = 16;

/// What came of a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// There may be more to deliver now.
    More,
    /// There is nothing to deliver now.
    Done,
    /// The webhook was removed, or switched off.
    Over,
}

/// A webhook and what it is told with.
struct Target {
    webhook: Webhook,
    secret: zeroize::Zeroizing<Vec<u8>>,
}

impl Deliverer {
    /// Delivers some of what there is to deliver to a webhook.
    pub(super) async fn turn(&self, id: WebhookId) -> Result<Turn, StoreError> {
        let (target, due, dead) = {
            let (_turn, store) = self.store().await;
            let webhook = match store.webhook(id).await {
                Err(StoreError::NotFound(_)) => return Ok(Turn::Over),
                webhook => webhook?,
            };
            if !webhook.enabled {
                return Ok(Turn::Over);
            }
            let secret = store.webhook_secret(id).await?;
            let due = store.due(id, GATES_AT_ONCE).await?;
            let dead = store.dead_letters_to_retry(id, DEAD_AT_ONCE).await?;
            (Target { webhook, secret }, due, dead)
        };
        if due.is_empty() && dead.is_empty() {
            return Ok(Turn::Done);
        }
        try_join_all(due.into_iter().map(|due| self.gate(&target, due))).await?;
        for letter in dead {
            self.once_more(&target, letter).await?;
        }
        Ok(Turn::More)
    }

    /// Delivers a gate's next events in their order, up to the first that fails.
    async fn gate(&self, target: &Target, due: Due) -> Result<(), StoreError> {
        let (id, gate) = (target.webhook.id, due.gate_id);
        let (mut attempts, mut position) = (due.attempts, due.position);
        let events = self.events(gate, position).await?;
        if events.is_empty() {
            // They were purged.
            let (_turn, store) = self.store().await;
            return store.note_delivered(id, gate, due.length).await;
        }
        let mut noted = position;
        for event in events {
            let next = event.position();
            if target.webhook.filter.wants(&event) {
                if let Err(error) = self.post(target, event).await {
                    attempts += 1;
                    if attempts < self.settings.attempts_max {
                        let wait = self.wait(attempts);
                        self.metrics.webhook_delivery(Delivery::Failed);
                        debug!(webhook = %id, %gate, position = next, %error, "a delivery failed");
                        let (_turn, store) = self.store().await;
                        return store.note_failed(id, gate, position, attempts, wait).await;
                    }
                    self.metrics.webhook_delivery(Delivery::Dead);
                    warn!(webhook = %id, %gate, position = next, %error, "an event was given up");
                    let (_turn, store) = self.store().await;
                    store.give_up(id, gate, next, attempts, &error.to_string()).await?;
                } else {
                    self.metrics.webhook_delivery(Delivery::Delivered);
                    let (_turn, store) = self.store().await;
                    store.note_delivered(id, gate, next).await?;
                }
                (attempts, noted) = (0, next);
            }
            position = next;
        }
        if position > noted {
            let (_turn, store) = self.store().await;
            store.note_delivered(id, gate, position).await?;
        }
        Ok(())
    }

    /// Tries a dead letter once more.
    async fn once_more(&self, target: &Target, letter: DeadLetter) -> Result<(), StoreError> {
        let events = self.events(letter.gate_id, letter.position - 1).await?;
        let event = events.into_iter().next().filter(|event| event.position() == letter.position);
        let posted = match event {
            Some(event) => self.post(target, event).await,
            // It was purged.
            None => Ok(()),
        };
        let outcome = if posted.is_ok() { Delivery::Delivered } else { Delivery::Failed };
        self.metrics.webhook_delivery(outcome);
        let (_turn, store) = self.store().await;
        match posted {
            Ok(()) => store.remove_dead_letter(letter.id).await,
            Err(error) => store.note_dead(letter.id, &error.to_string()).await,
        }
    }

    async fn events(&self, gate: GateId, after: u64) -> Result<Vec<GateEvent>, StoreError> {
        let (_turn, store) = self.store().await;
        let seen = Positions::from([(gate, after)]);
        let told = store.events_after(&seen, Some(&[gate]), self.settings.rows_max).await?;
        Ok(told.into_iter().map(|told| told.event).collect())
    }

    async fn post(&self, target: &Target, event: GateEvent) -> Result<(), PostError> {
        let body =
            serde_json::to_string(&EventView::from(event)).expect("an event has no odd keys");
        self.poster.post(&target.webhook, &target.secret, body).await
    }

    /// How long to wait after so many failures.
    fn wait(&self, failures: u32) -> Duration {
        let waits = ExponentialBuilder::default()
            .with_min_delay(self.settings.retry_min)
            .with_max_delay(self.settings.retry_max)
            .with_factor(2.0)
            .with_jitter()
            .without_max_times()
            .build();
        waits.take(failures as usize).last().unwrap_or(self.settings.retry_min)
    }
}
