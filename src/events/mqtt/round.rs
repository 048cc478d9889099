//! One round of publishing: what there is of all gates, of each gate one event after the other.

use std::collections::HashMap;

use futures_util::stream::{self, StreamExt, TryStreamExt};
use rumqttc::v5::mqttbytes::v5::PublishProperties;
use tracing::{info, warn};

use super::line::{Line, PublishError, WINDOW};
use super::progress::Progress;
use super::{End, Publisher};
use crate::domain::GateId;
use crate::events::EventView;
use crate::store::Told;

/// Events of one round: so many may come again after a replica was killed.
const EVENTS_MAX: u32 = 100;

impl Publisher {
    /// Publishes what there is, up to the limit; says whether there may be more now.
    pub(super) async fn round(&self, line: &Line, progress: &Progress) -> Result<bool, End> {
        let limit = self.settings.rows_max.min(EVENTS_MAX);
        let seen = progress.now();
        let found = self.store.events_after(&seen, None, limit);
        let found = self.store.patiently(found).await?;
        let more = found.len() >= limit as usize;
        let mut gates = HashMap::<GateId, Vec<Told>>::new();
        for told in found {
            gates.entry(told.event.gate_id()).or_default().push(told);
        }
        if !more {
            progress.has_nothing_but(|gate| gates.contains_key(gate));
        }
        let gates = gates.into_iter().map(|(gate, told)| self.gate(line, progress, gate, told));
        let published = stream::iter(gates).buffer_unordered(WINDOW).try_collect::<()>().await;
        progress.note(&self.store).await?;
        published?;
        Ok(more)
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
            match line.publish(topic.clone(), false, body, properties).await {
                Ok(()) => {
                    self.metrics.mqtt_published();
                    if progress.takes(gate, position) {
                        info!("mqtt: the broker takes the events of all gates again");
                    }
                }
                Err(error @ PublishError::Refused(_)) => {
                    self.metrics.mqtt_refused();
                    if progress.refuses(gate, self.backoff) {
                        warn!(%error, topic, "mqtt: the broker refuses events; their gates' later ones wait");
                    }
                    return Ok(());
                }
                Err(error @ PublishError::Silent) => return Err(error),
            }
        }
        Ok(())
    }
}
