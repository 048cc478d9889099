//! One turn of a webhook: some gates at once, each gate's events one after the other.

use futures_util::future::join_all;
use tracing::{debug, warn};

use super::Deliverer;
use super::post::PostError;
use crate::domain::{GateEvent, GateId, Webhook, WebhookId};
use crate::events::EventView;
use crate::metrics::Delivery;
use crate::store::{DeadLetter, Due, EventOrder, Positions, StoreError};

/// Gates whose events are delivered to one webhook at the same time.
const GATES_AT_ONCE: u32 = 4;

/// Events of a gate that are delivered in one turn: the other gates wait as long.
const EVENTS_AT_ONCE: u32 = 50;

/// Dead letters that are tried once more in one turn.
const DEAD_AT_ONCE: u32 = 16;

/// What came of a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// There may be more to deliver now.
    More,
    /// There is nothing to deliver now, or the webhook is switched off or removed.
    Done,
}

/// A webhook and what it is told with.
struct Target {
    webhook: Webhook,
    secret: zeroize::Zeroizing<Vec<u8>>,
}

impl Deliverer {
    /// Delivers some of what there is to deliver to a webhook.
    pub(super) async fn turn(&self, id: WebhookId) -> Result<Turn, StoreError> {
        let Some(target) = self.target(id).await? else { return Ok(Turn::Done) };
        let due = self.ask(self.store.due(id, GATES_AT_ONCE)).await?;
        if due.is_empty() {
            return Ok(Turn::Done);
        }
        // To the end, also where one fails: another may be in the middle of a post.
        let ended = join_all(due.into_iter().map(|due| self.gate(&target, due))).await;
        ended.into_iter().collect::<Result<(), _>>()?;
        Ok(Turn::More)
    }

    /// Tries some of a webhook's dead letters once more.
    pub(super) async fn dead_turn(&self, id: WebhookId) -> Result<Turn, StoreError> {
        let dead = self.ask(self.store.dead_letters_to_retry(id, DEAD_AT_ONCE)).await?;
        let Some(target) = self.target(id).await? else { return Ok(Turn::Done) };
        if dead.is_empty() {
            return Ok(Turn::Done);
        }
        for letter in dead {
            self.once_more(&target, letter).await?;
        }
        Ok(Turn::More)
    }

    /// A webhook that is to be delivered to.
    async fn target(&self, id: WebhookId) -> Result<Option<Target>, StoreError> {
        let webhook = match self.ask(self.store.webhook(id)).await {
            Err(StoreError::NotFound(_)) => return Ok(None),
            webhook => webhook?,
        };
        if !webhook.enabled {
            return Ok(None);
        }
        let secret = self.ask(self.store.webhook_secret(id)).await?;
        Ok(Some(Target { webhook, secret }))
    }

    /// Delivers a gate's next events in their order, up to the first that fails.
    async fn gate(&self, target: &Target, due: Due) -> Result<(), StoreError> {
        let (id, gate) = (target.webhook.id, due.gate_id);
        let (mut attempts, mut position) = (due.attempts, due.position);
        let events = self.events(gate, position, EVENTS_AT_ONCE).await?;
        if events.is_empty() {
            // They were purged.
            return self.ask(self.store.note_delivered(id, gate, due.length)).await;
        }
        let mut noted = position;
        for event in events {
            let next = event.position();
            let is_wanted = target.webhook.filter.wants(&event);
            if attempts > 0 && !(is_wanted && next == position + 1) {
                // They were of one that was purged since, or is not asked for any more.
                position = if is_wanted { next - 1 } else { next };
                (attempts, noted) = (0, position);
                self.ask(self.store.note_delivered(id, gate, position)).await?;
            }
            if is_wanted {
                if let Err(error) = self.post(target, event).await {
                    attempts += 1;
                    if attempts < self.settings.attempts_max {
                        let wait = self.backoff.after(attempts);
                        self.metrics.webhook_delivery(Delivery::Failed);
                        debug!(webhook = %id, %gate, position = next, %error, "a delivery failed");
                        let noted = self.store.note_failed(id, gate, position, attempts, wait);
                        return self.ask(noted).await;
                    }
                    self.metrics.webhook_delivery(Delivery::Dead);
                    warn!(webhook = %id, %gate, position = next, %error, "an event was given up");
                    let error = error.to_string();
                    self.ask(self.store.give_up(id, gate, next, attempts, &error)).await?;
                } else {
                    self.metrics.webhook_delivery(Delivery::Delivered);
                    self.ask(self.store.note_delivered(id, gate, next)).await?;
                }
                (attempts, noted) = (0, next);
            }
            position = next;
        }
        if position > noted {
            self.ask(self.store.note_delivered(id, gate, position)).await?;
        }
        Ok(())
    }

    /// Tries a dead letter once more; one that was purged, or is no longer asked for, is none any more.
    async fn once_more(&self, target: &Target, letter: DeadLetter) -> Result<(), StoreError> {
        let events = self.events(letter.gate_id, letter.position - 1, 1).await?;
        let event = events.into_iter().next().filter(|event| event.position() == letter.position);
        let Some(event) = event.filter(|event| target.webhook.filter.wants(event)) else {
            return self.ask(self.store.remove_dead_letter(letter.id)).await;
        };
        match self.post(target, event).await {
            Ok(()) => {
                self.metrics.webhook_delivery(Delivery::Delivered);
                self.ask(self.store.remove_dead_letter(letter.id)).await
            }
            Err(error) => {
                self.metrics.webhook_delivery(Delivery::Dead);
                self.ask(self.store.note_dead(letter.id, &error.to_string())).await
            }
        }
    }

    async fn events(
        &self,
        gate: GateId,
        after: u64,
        limit: u32,
    ) -> Result<Vec<GateEvent>, StoreError> {
        let (seen, gates) = (Positions::from([(gate, after)]), [gate]);
        let limit = limit.min(self.settings.rows_max);
        let told = self.store.events_after(&seen, Some(&gates), EventOrder::Moments, limit);
        let told = self.ask(told).await?;
        Ok(told.into_iter().map(|told| told.event).collect())
    }

    async fn post(&self, target: &Target, event: GateEvent) -> Result<(), PostError> {
        let body =
            serde_json::to_string(&EventView::from(event)).expect("an event has no odd keys");
        self.poster.post(&target.webhook, &target.secret, body).await
    }
}
