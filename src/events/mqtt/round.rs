//! One round of publishing: what there is of all gates, of each gate one event after the other.

use std::collections::HashMap;
use std::time::Instant;

use futures_util::stream::{self, StreamExt, TryStreamExt};
use rumqttc::v5::mqttbytes::v5::PublishProperties;
use tracing::{info, warn};

use super::line::{Line, PublishError, WINDOW};
use super::progress::Progress;
use super::{End, Publisher};
use crate::domain::GateId;
use crate::events::EventView;
use crate::store::{EventOrder, Told};

/// Events of one round: so many may come again after a replica was killed.
const EVENTS_MAX: u32 = 100;

/// What a round came to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Round {
    /// Whether the broker took anything.
    pub took: bool,
    /// Whether there may be more to publish now.
    pub more: bool,
}

impl Publisher {
    /// Publishes what there is, up to the limit.
    pub(super) async fn round(&self, line: &Line, progress: &Progress) -> Result<Round, End> {
        let limit = self.settings.rows_max.min(EVENTS_MAX);
        let asked_at = Instant::now();
        let seen = progress.at(asked_at);
        let found = self.store.events_after(&seen, None, EventOrder::GatesInTurn, limit);
        let found = self.store.patiently(found).await?;
        let more = found.len() >= limit as usize;
        let mut gates = HashMap::<GateId, Vec<Told>>::new();
        for told in found {
            gates.entry(told.event.gate_id()).or_default().push(told);
        }
        if !more {
            progress.has_nothing_but(|gate| gates.contains_key(gate), asked_at);
        }
        let (held, free): (Vec<_>, Vec<_>) =
            gates.into_iter().partition(|(gate, _)| progress.holds(*gate));
        // Should an event end the connection, it is known whose it was.
        for (gates, at_once) in [(free, WINDOW), (held, 1)] {
            let gates = gates.into_iter().map(|(gate, told)| self.gate(line, progress, gate, told));
            stream::iter(gates).buffer_unordered(at_once).try_collect::<()>().await?;
        }
        progress.ends_round();
        let took = progress.note(&self.store).await?;
        Ok(Round { took, more })
    }

    /// Publishes a gate's events, each once the one before is acknowledged: whatever the broker refuses or loses,
    /// none overtakes another.
    async fn gate(
        &self,
        line: &Line,
        progress: &Progress,
        gate: GateId,
        events: Vec<Told>,
    ) -> Result<(), PublishError> {
        let topic = format!("{}/gates/{gate}/events", self.settings.topic);
        for told in events {
            let position = told.event.position();
            let body = serde_json::to_string(&EventView::from(told.event))
                .expect("an event has no odd keys");
            let properties = PublishProperties {
                payload_format_indicator: Some(1),
                content_type: Some("application/json".to_owned()),
                ..PublishProperties::default()
            };
            let published = match line.publish(&topic, false, body, properties) {
                Ok(published) => {
                    progress.sends(gate);
                    published.acknowledged().await
                }
                Err(error) => Err(error),
            };
            match published {
                Ok(()) => {
                    self.metrics.mqtt_published();
                    if progress.takes(gate, position) {
                        info!("mqtt: the broker takes the events of all gates again");
                    }
                }
                Err(error) if error.is_refusal() => {
                    self.metrics.mqtt_refused();
                    progress.refuses(gate, self.backoff);
                    if progress.is_news() {
                        warn!(%error, topic, "mqtt: the broker refuses events; their gates' later ones wait");
                    }
                    return Ok(());
                }
                // Whoever keeps the connection tells why.
                Err(PublishError::Ended) => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
