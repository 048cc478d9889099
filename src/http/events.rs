//! `GET /v1/gates/G/events` and `GET /v1/events`: passages and inputs as they are recorded, as server-sent events.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;
use std::time::{Duration, Instant};

use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::header::CACHE_CONTROL;
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use futures_util::stream;
use serde::{Deserialize, Serialize, de};
use tokio::sync::watch;
use tracing::warn;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::auth::{Allowed, Caller, SeeTrail};
use super::extract::{Path, Query};
use super::overload::Overload;
use super::streams::{Full, StreamPlace};
use super::{AppState, Problem};
use crate::domain::{GateId, KeyId};
use crate::events::{Bell, EventView};
use crate::store::{EventOrder, Positions, SessionHash, Since, StoreError, Told};

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(follow)).routes(routes!(follow_gate))
}

/// How often the key is checked again, and the trail looked at although nobody rang.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// A client hears at least this often that the stream is alive, and how far it is.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// Gates that one stream may name.
const GATES_MAX: usize = 100;

/// Gates, separated by commas.
#[derive(Clone, Debug)]
struct Gates(Vec<GateId>);

impl FromStr for Gates {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let ids = text.split(',').map(|id| id.parse().map_err(|e| format!("{id:?}: {e}")));
        let ids = ids.collect::<Result<Vec<GateId>, String>>()?;
        if ids.len() > GATES_MAX {
            return Err(format!("{} gates, where {GATES_MAX} may be named", ids.len()));
        }
        Ok(Self(ids))
    }
}

impl<'de> Deserialize<'de> for Gates {
    fn deserialize<D: de::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        text.parse().map_err(|error| de::Error::custom(format!("gate_id: {error}")))
    }
}

/// How far the client of one gate's stream is: a position.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(transparent)]
struct Position(u64);

impl FromStr for Position {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

/// How far the client of many gates' stream is: everything that was decided a minute before, it has. As
/// microseconds since 1970.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(try_from = "i64")]
struct Until(DateTime<Utc>);

impl TryFrom<i64> for Until {
    type Error = &'static str;

    fn try_from(microseconds: i64) -> Result<Self, Self::Error> {
        let moment = DateTime::from_timestamp_micros(microseconds);
        // What Postgres can hold.
        let moment = moment.filter(|moment| *moment >= DateTime::UNIX_EPOCH);
        moment.map(Self).ok_or("not an id of an event")
    }
}

impl FromStr for Until {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let microseconds: i64 = text.parse().map_err(|e: std::num::ParseIntError| e.to_string())?;
        Self::try_from(microseconds).map_err(str::to_owned)
    }
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct FollowQuery {
    /// Only those of these gates, up to 100, separated by commas.
    #[param(value_type = Option<String>)]
    gate_id: Option<Gates>,
    /// `true`: only those that raise an alarm.
    #[serde(default)]
    alarms: bool,
    /// As the header `last-event-id`, for clients that cannot set it.
    #[param(value_type = Option<i64>)]
    after: Option<Until>,
}

/// Follows the passages and inputs of all gates, or of some. Each event comes at least once and those of a gate in their order;
/// its id resumes the stream after it, less a minute: some come again.
#[utoipa::path(
    get, path = "/v1/events", operation_id = "follow_events", tag = "passages",
    params(FollowQuery, ("last-event-id" = Option<i64>, Header,
        description = "The id of the last event that was received; absent: from now on")),
    responses((status = 200, description = "A stream without end", body = EventView,
        content_type = "text/event-stream"))
)]
async fn follow(
    State(state): State<AppState>,
    Allowed(caller, _): Allowed<SeeTrail>,
    Query(query): Query<FollowQuery>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let begun = begin(&state, &caller)?;
    let last = last_event_id(&headers)?.or(query.after);
    let gates = query.gate_id.map(|gates| gates.0);
    let since = last.map_or(Since::Now, |until| Since::Moment(until.0));
    let (seen, told) = state.store.positions(gates.as_deref(), since).await?;
    let cursor = Cursor { gates, seen, mark: Mark::Moment(told) };
    Ok(Follower::new(state, &caller, cursor, query.alarms, begun).into_response())
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct FollowGateQuery {
    /// `true`: only those that raise an alarm.
    #[serde(default)]
    alarms: bool,
    /// As the header `last-event-id`, for clients that cannot set it.
    #[param(value_type = Option<u64>)]
    after: Option<Position>,
}

/// Follows the passages and inputs of a gate, each exactly after the one before: an event's id is its position in the gate's
/// trail, and resumes the stream after it.
#[utoipa::path(
    get, path = "/v1/gates/{gate_id}/events", operation_id = "follow_gate_events", tag = "passages",
    params(("gate_id" = Uuid, Path, description = "The gate"), FollowGateQuery,
        ("last-event-id" = Option<u64>, Header,
            description = "The id of the last event that was received; absent: from now on")),
    responses((status = 200, description = "A stream without end", body = EventView,
            content_type = "text/event-stream"),
        (status = 404, description = "No such gate", body = Problem, content_type = "application/problem+json"))
)]
async fn follow_gate(
    State(state): State<AppState>,
    Allowed(caller, _): Allowed<SeeTrail>,
    Path(gate): Path<GateId>,
    Query(query): Query<FollowGateQuery>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let last = last_event_id::<Position>(&headers)?.or(query.after);
    let begun = begin(&state, &caller)?;
    state.store.gate(gate).await?;
    let gates = vec![gate];
    let (mut seen, _) = state.store.positions(Some(&gates), Since::Now).await?;
    let position = seen.entry(gate).or_default();
    if let Some(last) = last {
        // Nobody has seen what is not there.
        *position = last.0.min(*position);
    }
    let mark = Mark::Position(*position);
    let cursor = Cursor { gates: Some(gates), seen, mark };
    Ok(Follower::new(state, &caller, cursor, query.alarms, begun).into_response())
}

/// A place among the streams; none at the end of the service.
fn begin(state: &AppState, caller: &Caller) -> Result<StreamPlace, Problem> {
    if *state.stopping.borrow() {
        return Err(Problem::unavailable("stopping", "the service is stopping"));
    }
    state.streams.enter(caller.key_id).map_err(|full| {
        Problem::overloaded(match full {
            Full::All => Overload::Streams,
            Full::Key => Overload::StreamsOfKey,
        })
    })
}

fn last_event_id<T: FromStr<Err: fmt::Display>>(headers: &HeaderMap) -> Result<Option<T>, Problem> {
    let Some(value) = headers.get("last-event-id").filter(|value| !value.is_empty()) else {
        return Ok(None);
    };
    let bad = |error: &dyn fmt::Display| {
        let detail = format!("the header last-event-id is not valid: {error}");
        Problem::bad_request("bad_header", detail)
    };
    let text = value.to_str().map_err(|error| bad(&error))?;
    text.parse().map(Some).map_err(|error| bad(&error))
}

/// What the client is told of how far it is.
#[derive(Clone, Copy, Debug)]
enum Mark {
    Position(u64),
    Moment(DateTime<Utc>),
}

impl Mark {
    /// The mark once this was told.
    fn after(self, told: &Told) -> Self {
        match self {
            Self::Position(_) => Self::Position(told.event.position()),
            Self::Moment(before) => Self::Moment(before.max(told.moment)),
        }
    }
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Position(position) => position.fmt(f),
            Self::Moment(moment) => moment.timestamp_micros().fmt(f),
        }
    }
}

/// How far a stream is.
#[derive(Debug)]
struct Cursor {
    gates: Option<Vec<GateId>>,
    seen: Positions,
    mark: Mark,
}

/// A stream: what it has read and not yet sent, and how far that is.
struct Follower {
    state: AppState,
    key: KeyId,
    session: Option<SessionHash>,
    cursor: Cursor,
    alarms_alone: bool,
    ready: VecDeque<Event>,
    /// Whether there may be something to read.
    look: bool,
    checked_at: Instant,
    sent_at: Instant,
    bell: Bell,
    stopping: watch::Receiver<bool>,
    place: StreamPlace,
}

/// Why a stream ends.
#[derive(Debug, thiserror::Error)]
enum End {
    #[error("its key is not valid any more")]
    Key,
    #[error("its session is over")]
    Session,
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("an event is no JSON: {0}")]
    Json(#[from] axum::Error),
}

impl Follower {
    fn new(
        state: AppState,
        caller: &Caller,
        cursor: Cursor,
        alarms_alone: bool,
        place: StreamPlace,
    ) -> Self {
        Self {
            key: caller.key_id,
            session: caller.session,
            bell: state.bell.clone(),
            stopping: state.stopping.clone(),
            // So that the client knows at once where it begins.
            ready: [sign_of_life(cursor.mark)].into(),
            look: true,
            checked_at: Instant::now(),
            sent_at: Instant::now(),
            state,
            cursor,
            alarms_alone,
            place,
        }
    }

    fn into_response(self) -> Response {
        let events = stream::unfold(self, async |mut follower| {
            Some((Ok::<_, Infallible>(follower.next().await?), follower))
        });
        // A proxy that gathers an answer would keep every event back.
        let headers = [("x-accel-buffering", "no"), (CACHE_CONTROL.as_str(), "no-store")];
        (headers, Sse::new(events)).into_response()
    }

    /// The next event; none at the end.
    async fn next(&mut self) -> Option<Event> {
        let (mut stopping, over) = (self.stopping.clone(), self.place.over());
        let event = tokio::select! {
            biased;
            // Also when nobody is left who could say so.
            _ = stopping.wait_for(|stop| *stop) => return None,
            () = over => return None,
            event = self.event() => event,
        };
        match event {
            Ok(event) => {
                self.sent_at = Instant::now();
                Some(event)
            }
            Err(end) => {
                warn!(key = %self.key, %end, "a stream of events was ended");
                None
            }
        }
    }

    /// Waits for the next event.
    async fn event(&mut self) -> Result<Event, End> {
        loop {
            // Also while there is much to send to a slow client.
            if self.checked_at.elapsed() >= LOOK_AGAIN {
                self.check().await?;
            }
            if let Some(event) = self.ready.pop_front() {
                return Ok(event);
            }
            if self.look {
                self.read().await?;
                continue;
            }
            let _ = tokio::time::timeout(LOOK_AGAIN, self.bell.heard()).await;
            self.look = true;
            if self.sent_at.elapsed() >= HEARTBEAT {
                self.ready.push_back(sign_of_life(self.cursor.mark));
            }
        }
    }

    /// Whether the key still holds, and the session, which is used as long as somebody follows.
    async fn check(&mut self) -> Result<(), End> {
        let Self { state, .. } = self;
        let _turn = state.stream_reads.acquire().await;
        let key = state.store.patiently(state.store.key(self.key)).await?;
        if !key.is_some_and(|key| key.valid) {
            return Err(End::Key);
        }
        if let Some(session) = &self.session {
            let idle_max = state.settings.session_idle_max;
            let found = state.store.patiently(state.store.session(session, idle_max)).await?;
            found.ok_or(End::Session)?;
        }
        self.checked_at = Instant::now();
        Ok(())
    }

    /// Reads what there is, up to the limit.
    async fn read(&mut self) -> Result<(), End> {
        let Self { state, cursor, .. } = self;
        // One after another, so that streams never take more than one connection from the gates.
        let _turn = state.stream_reads.acquire().await;
        let rows_max = state.settings.event_rows_max;
        let gates = cursor.gates.as_deref();
        let found = state.store.events_after(&cursor.seen, gates, EventOrder::Moments, rows_max);
        let found = state.store.patiently(found).await?;
        self.look = found.len() >= rows_max as usize;
        for told in found {
            cursor.mark = cursor.mark.after(&told);
            cursor.seen.insert(told.event.gate_id(), told.event.position());
            if self.alarms_alone && !told.event.is_alarm() {
                continue;
            }
            let view = EventView::from(told.event);
            let event = Event::default().event(view.name()).id(cursor.mark.to_string());
            self.ready.push_back(event.json_data(view)?);
        }
        Ok(())
    }
}

/// Says how far the client is, and nothing else: no event is seen.
fn sign_of_life(mark: Mark) -> Event {
    Event::default().id(mark.to_string()).comment("alive")
}
