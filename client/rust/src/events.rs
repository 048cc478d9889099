//! Passages and inputs as they are recorded.

use std::collections::HashMap;
use std::time::Duration;

use chrono::{DateTime, Utc};
use futures_util::stream::{self, BoxStream, StreamExt};
use serde::Deserialize;
use serde_json::Value;
use sse_stream::{Sse, SseStream};
use uuid::Uuid;

use crate::operations::{FOLLOW, FOLLOW_GATE, Operation};
use crate::{Decision, Direction, Error, Input, Limen, Notice, Reason, answer};

/// The first wait before a stream that ended is taken up again.
const RESUME_WAIT_MIN: Duration = Duration::from_millis(200);
/// The longest wait.
const RESUME_WAIT_MAX: Duration = Duration::from_secs(15);

/// Events as they come. Whenever the service ends the stream, restarts or is not reached, it is taken up where it was
/// left; it ends after the first error: the service refuses, or sends what is no event.
pub type Events = BoxStream<'static, Result<Told, Error>>;

/// An event, and where a stream goes on after it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Told {
    /// What to give as `after`.
    pub id: u64,
    /// The event.
    pub event: Event,
}

/// Which events.
#[derive(Clone, Debug, Default)]
pub struct EventFilter {
    /// Only those of these gates, up to 100; empty: of all.
    pub gate_ids: Vec<Uuid>,
    /// Only those that raise an alarm.
    pub alarms: bool,
    /// Those after this event, by [`Told::id`]; none: from now on.
    pub after: Option<u64>,
}

/// What was recorded.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// A gate was asked to open.
    Passage(Box<PassageEvent>),
    /// A gate noticed something.
    Input(InputEvent),
    /// A record that the service cannot read: a newer version wrote it, or somebody altered it.
    Unreadable,
    /// One that this version of the client does not know, as it came.
    Other(Value),
}

/// A passage that was recorded.
#[derive(Clone, Debug, Deserialize)]
#[non_exhaustive]
pub struct PassageEvent {
    /// The gate.
    pub gate_id: Uuid,
    /// Its place in the gate's trail.
    pub position: u64,
    /// The passage.
    pub passage_id: Uuid,
    /// When it was decided.
    pub decided_at: DateTime<Utc>,
    /// What was decided.
    pub decision: Decision,
    /// Why, as the trail has it.
    pub reason: Reason,
    /// What a rule that only reports had to say.
    pub notice: Option<Notice>,
    /// The zone that the gate led into or out of.
    pub zone_id: Option<Uuid>,
    /// Which way.
    pub direction: Option<Direction>,
    /// Who it was; none where nobody was identified, or the person was erased.
    pub employee_id: Option<Uuid>,
    /// The badge that was shown.
    pub badge_id: Option<String>,
    /// How long the gate opened, in milliseconds.
    pub open_ms: u32,
    /// Where a repeated event lost its grant: the passage that was repeated.
    pub replay_of: Option<Uuid>,
    /// Whether somebody must hear of it at once.
    pub alarm: bool,
}

/// An input that was recorded.
#[derive(Clone, Debug, Deserialize)]
#[non_exhaustive]
pub struct InputEvent {
    /// The gate.
    pub gate_id: Uuid,
    /// Its place in the gate's trail.
    pub position: u64,
    /// The input.
    pub input_id: Uuid,
    /// What the gate noticed.
    pub input: Input,
    /// The grant that it settles, where it does.
    pub passage_id: Option<Uuid>,
    /// When, by the gate's clock.
    pub happened_at: DateTime<Utc>,
    /// When it was recorded.
    pub recorded_at: DateTime<Utc>,
    /// Whether somebody must hear of it at once.
    pub alarm: bool,
}

impl Event {
    fn read(value: Value) -> Result<Self, serde_json::Error> {
        Ok(match value["event"].as_str() {
            Some("passage") => Self::Passage(Box::new(PassageEvent::deserialize(value)?)),
            Some("input") => Self::Input(InputEvent::deserialize(value)?),
            Some("unreadable") => Self::Unreadable,
            _ => Self::Other(value),
        })
    }
}

/// Where an event stands.
#[derive(Deserialize)]
struct Place {
    gate_id: Uuid,
    position: u64,
}

impl Limen {
    /// Follows all gates, or some. What comes again after an interruption is passed over, as far as this stream has
    /// seen it; after a restart with [`EventFilter::after`] some of the minute before comes once more.
    #[must_use]
    pub fn events(&self, filter: EventFilter) -> Events {
        let mut query = Vec::new();
        if !filter.gate_ids.is_empty() {
            let gates: Vec<_> = filter.gate_ids.iter().map(Uuid::to_string).collect();
            query.push(("gate_id", gates.join(",")));
        }
        self.follow(FOLLOW, Vec::new(), query, filter.alarms, filter.after)
    }

    /// Follows one gate: its ids are positions, so that nothing is missed and nothing comes twice.
    #[must_use]
    pub fn gate_events(&self, gate: Uuid, alarms: bool, after: Option<u64>) -> Events {
        self.follow(FOLLOW_GATE, vec![gate], Vec::new(), alarms, after)
    }

    fn follow(
        &self,
        operation: Operation,
        ids: Vec<Uuid>,
        mut query: Vec<(&'static str, String)>,
        alarms: bool,
        after: Option<u64>,
    ) -> Events {
        if alarms {
            query.push(("alarms", "true".to_owned()));
        }
        let follower = Follower {
            limen: self.clone(),
            operation,
            ids,
            query,
            after,
            stream: None,
            seen: HashMap::new(),
            wait: RESUME_WAIT_MIN,
        };
        let steps = stream::unfold(Some(follower), |follower| async {
            let mut follower = follower?;
            match follower.next().await {
                Ok(told) => Some((Ok(told), Some(follower))),
                Err(error) => Some((Err(error), None)),
            }
        });
        steps.boxed()
    }
}

/// A stream, and where it is.
struct Follower {
    limen: Limen,
    operation: Operation,
    ids: Vec<Uuid>,
    query: Vec<(&'static str, String)>,
    after: Option<u64>,
    stream: Option<BoxStream<'static, Result<Sse, sse_stream::Error>>>,
    /// The last position of each gate that was told: of many gates a resumed stream repeats some.
    seen: HashMap<Uuid, u64>,
    wait: Duration,
}

impl Follower {
    async fn next(&mut self) -> Result<Told, Error> {
        loop {
            let Some(stream) = &mut self.stream else {
                self.resume().await?;
                continue;
            };
            let Some(Ok(message)) = stream.next().await else {
                // It ended, or broke off.
                self.stream = None;
                self.pause().await;
                continue;
            };
            if let Some(told) = self.read(message)? {
                return Ok(told);
            }
        }
    }

    /// Opens the stream, unless the service is away or busy: then it is tried again.
    async fn resume(&mut self) -> Result<(), Error> {
        let mut request = self.limen.request(self.operation, &self.ids).query(&self.query);
        if let Some(after) = self.after {
            request = request.header("last-event-id", after);
        }
        let opened = async { answer::accepted(request.send().await?).await };
        match opened.await {
            Ok(response) => {
                self.stream = Some(SseStream::from_bytes_stream(response.bytes_stream()).boxed());
                Ok(())
            }
            Err(error) if error.is_transient() => {
                self.pause().await;
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    async fn pause(&mut self) {
        tokio::time::sleep(self.wait).await;
        self.wait = (self.wait * 2).min(RESUME_WAIT_MAX);
    }

    /// The event of a message, where it has one that was not told before.
    fn read(&mut self, message: Sse) -> Result<Option<Told>, Error> {
        let unreadable = |detail: String| Error::Unreadable { status: 200, detail };
        self.wait = RESUME_WAIT_MIN;
        if let Some(id) = message.id {
            let id = id.parse().map_err(|_| unreadable(format!("{id:?} is no id of an event")))?;
            self.after = Some(id);
        }
        // A sign of life says how far the stream is, and nothing else.
        let Some(data) = message.data else {
            return Ok(None);
        };
        let broken = |error: serde_json::Error| unreadable(error.to_string());
        let value: Value = serde_json::from_str(&data).map_err(broken)?;
        if let Ok(place) = Place::deserialize(&value) {
            let told = self.seen.get(&place.gate_id).is_some_and(|last| *last >= place.position);
            if told {
                return Ok(None);
            }
            self.seen.insert(place.gate_id, place.position);
        }
        let event = Event::read(value).map_err(broken)?;
        Ok(Some(Told { id: self.after.unwrap_or_default(), event }))
    }
}
