//! Streams of events: what was recorded comes, in order, also after a cut, and for as long as the key holds.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use chrono::Utc;
use futures_util::future::join_all;
use limen::domain::Scope;
use limen::store::{EventOrder, Positions};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::database::SilentPostgres;
use crate::passage::Passage;
use crate::service::{TestService, author, eventually, send};

/// How long an event may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// A stream, read as a browser reads it.
pub struct Stream {
    response: reqwest::Response,
    text: String,
    /// What a browser would send as `last-event-id`.
    last_id: String,
}

impl Stream {
    async fn open(request: RequestBuilder) -> Self {
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self { response, text: String::new(), last_id: String::new() }
    }

    /// Follows something with the key for everything.
    pub async fn of(service: &TestService, path: &str) -> Self {
        Self::open(service.request(Method::GET, path)).await
    }

    async fn after(service: &TestService, path: &str, last_id: &str) -> Self {
        Self::open(service.request(Method::GET, path).header("last-event-id", last_id)).await
    }

    /// The next event; none at the stream's end.
    pub async fn next(&mut self) -> Option<Value> {
        loop {
            while let Some((block, rest)) = self.text.split_once("\n\n") {
                let (block, rest) = (block.to_owned(), rest.to_owned());
                self.text = rest;
                let field = |name: &str| {
                    block.lines().find_map(|line| line.strip_prefix(name)).map(str::trim)
                };
                if let Some(id) = field("id:") {
                    self.last_id = id.to_owned();
                }
                if let Some(data) = field("data:") {
                    let event: Value = serde_json::from_str(data).unwrap();
                    assert_eq!(field("event:"), event["event"].as_str());
                    return Some(event);
                }
            }
            let chunk = tokio::time::timeout(PATIENCE, self.response.chunk()).await;
            let chunk = chunk.expect("an event in time").ok()??;
            self.text.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }

    /// The positions of the next events, of one gate.
    async fn positions(&mut self, events: usize) -> Vec<u64> {
        let mut positions = Vec::new();
        for _ in 0..events {
            positions.push(self.next().await.expect("an event")["position"].as_u64().unwrap());
        }
        positions
    }
}

async fn nobody(service: &TestService, gate: &str) {
    Passage::of("no-face-rocket.jpg").refused(service, gate, "no_face").await;
}

#[sqlx::test]
async fn a_gates_stream_resumes_exactly_after_what_was_received(pool: PgPool) {
    let service = TestService::start(&pool).await;
    let gate = service.gate(json!({})).await;
    let person = service.enrolled("obama-1.jpg").await;
    nobody(&service, &gate).await;

    let path = format!("/v1/gates/{gate}/events");
    let mut stream = Stream::of(&service, &path).await;
    let granted = Passage::of("obama-3.jpg").granted(&service, &gate).await;
    let event = stream.next().await.unwrap();
    assert_eq!(stream.last_id, "2");
    let passage = event["passage_id"].as_str().unwrap();
    let mut read = service.get(&format!("/v1/passages/{passage}")).await.expect(200);
    for (name, value) in
        [("event", json!("passage")), ("position", json!(2)), ("alarm", json!(false))]
    {
        assert_eq!(event[name], value, "{event}");
        read[name] = value;
    }
    assert!(event.as_object().unwrap().iter().all(|(name, value)| read[name] == *value), "{event}");
    assert_eq!(event["passage_id"], granted["passage_id"]);
    assert_eq!(event["employee_id"], person.as_str());

    drop(stream);
    nobody(&service, &gate).await;
    nobody(&service, &gate).await;
    let mut resumed = Stream::after(&service, &path, "2").await;
    assert_eq!(resumed.positions(2).await, [3, 4]);
    nobody(&service, &gate).await;
    assert_eq!(resumed.positions(1).await, [5]);
    let mut by_query = Stream::of(&service, &format!("{path}?after=4")).await;
    assert_eq!(by_query.positions(1).await, [5]);

    send(service.request(Method::GET, &path).header("last-event-id", "x"))
        .await
        .refused(400, "bad_header");
}

#[sqlx::test]
async fn a_stream_of_alarms_has_those_alone_and_of_other_gates_none(pool: PgPool) {
    let service = TestService::start_with(&pool, |config| config.events.rows_max = 1).await;
    let (north, south) =
        (service.gate(json!({})).await, service.gate(json!({"name": "south"})).await);
    let person = service.enrolled("obama-1.jpg").await;
    service.set_status(&person, "blocked").await;
    let mut alarms = Stream::of(&service, "/v1/events?alarms=true").await;
    let mut of_south = Stream::of(&service, &format!("/v1/events?gate_id={south}")).await;
    for gate in [&north, &south] {
        nobody(&service, gate).await;
        Passage::of("obama-3.jpg").decide(&service, gate).await;
    }
    for gate in [&north, &south] {
        let event = alarms.next().await.unwrap();
        let found = (&event["gate_id"], &event["reason"], &event["alarm"]);
        assert_eq!(found, (&json!(gate), &json!("blocked"), &json!(true)));
    }
    assert_eq!(of_south.positions(2).await, [1, 2]);
    send(service.request(Method::GET, "/v1/events?gate_id=x")).await.refused(400, "bad_query");
}

#[sqlx::test]
async fn two_replicas_tell_of_every_passage_in_its_gates_order_also_after_a_cut(pool: PgPool) {
    let one = TestService::start(&pool).await;
    let other = TestService::start_replica(&pool).await;
    let gates = [one.gate(json!({})).await, one.gate(json!({"name": "south"})).await];
    let mut stream = Stream::of(&other, "/v1/events").await;
    let passages = (0..24).map(|number| {
        let service = if number % 2 == 0 { &one } else { &other };
        nobody(service, &gates[number / 2 % 2])
    });
    join_all(passages).await;

    let (mut seen, mut middle) = (BTreeMap::<String, Vec<u64>>::new(), String::new());
    for number in 0..24 {
        let event = stream.next().await.unwrap();
        let gate = event["gate_id"].as_str().unwrap().to_owned();
        seen.entry(gate).or_default().push(event["position"].as_u64().unwrap());
        if number == 11 {
            middle.clone_from(&stream.last_id);
        }
    }
    let all: Vec<u64> = (1..=12).collect();
    assert!(gates.iter().all(|gate| seen[gate] == all), "{seen:?}");

    // From then on nothing is missing; what was decided up to a minute before comes again.
    let mut resumed = Stream::after(&one, "/v1/events", &middle).await;
    let mut again = BTreeMap::<String, Vec<u64>>::new();
    while gates.iter().any(|gate| again.get(gate).is_none_or(|seen| seen.last() != Some(&12))) {
        let event = resumed.next().await.unwrap();
        let gate = event["gate_id"].as_str().unwrap().to_owned();
        again.entry(gate).or_default().push(event["position"].as_u64().unwrap());
    }
    assert_eq!(again, seen);
    // A minute later nothing of it does.
    sqlx::query("update passages set decided_at = decided_at - interval '2 minutes'")
        .execute(&pool)
        .await
        .unwrap();
    let mut later = Stream::after(&one, "/v1/events", &middle).await;
    nobody(&one, &gates[0]).await;
    assert_eq!(later.positions(1).await, [13]);
}

#[sqlx::test]
async fn a_stream_from_the_future_or_over_a_clock_set_back_misses_nothing(pool: PgPool) {
    let service = TestService::start(&pool).await;
    let gate = service.gate(json!({})).await;
    nobody(&service, &gate).await;
    let now = Utc::now().timestamp_micros();
    let tomorrow = (now + 86_400_000_000).to_string();
    let mut stream = Stream::after(&service, "/v1/events", &tomorrow).await;
    assert_eq!(stream.positions(1).await, [1]);
    let told: i64 = stream.last_id.parse().unwrap();
    assert!((now - 60_000_000..now + 60_000_000).contains(&told), "{told} at {now}");

    // What a clock recorded that was later set back.
    nobody(&service, &gate).await;
    sqlx::query("update passages set decided_at = '9000-01-01' where position = 2")
        .execute(&pool)
        .await
        .unwrap();
    let mut stream = Stream::after(&service, "/v1/events", &now.to_string()).await;
    assert_eq!(stream.positions(2).await, [1, 2]);
    let told: i64 = stream.last_id.parse().unwrap();
    assert!(told < now + 60_000_000, "{told} at {now}");
    nobody(&service, &gate).await;
    let mut resumed = Stream::after(&service, "/v1/events", &stream.last_id).await;
    while resumed.next().await.unwrap()["position"] != 3 {}
}

#[sqlx::test]
async fn gates_in_turn_are_told_of_what_is_new_beside_what_has_piled_up(pool: PgPool) {
    let service = TestService::start(&pool).await;
    let [piled, fresh] = [service.gate(json!({})).await, service.gate(json!({"name": "b"})).await];
    for _ in 0..3 {
        nobody(&service, &piled).await;
    }
    nobody(&service, &fresh).await;
    let told = async |order, limit| -> Vec<(String, u64)> {
        let told = service.store.events_after(&Positions::new(), None, order, limit).await;
        let events = told.unwrap().into_iter().map(|told| told.event);
        events.map(|event| (event.gate_id().to_string(), event.position())).collect()
    };
    let mut turns = told(EventOrder::GatesInTurn, 3).await;
    turns[..2].sort_by_key(|(gate, _)| *gate != *piled);
    let expected = [(&*piled, 1), (&*fresh, 1), (&*piled, 2)];
    assert_eq!(turns, expected.map(|(gate, position)| (gate.to_owned(), position)));
    let expected = [(&*piled, 1), (&*piled, 2), (&*piled, 3)];
    let moments = told(EventOrder::Moments, 3).await;
    assert_eq!(moments, expected.map(|(gate, position)| (gate.to_owned(), position)));
}

#[sqlx::test]
async fn a_stream_ends_when_its_key_is_revoked(pool: PgPool) {
    let service = TestService::start(&pool).await;
    let key = service.make_key(&[Scope::Viewer], None).await;
    let mut stream = Stream::open(service.bare(Method::GET, "/v1/events").bearer_auth(&key)).await;
    let id = key.split('_').nth(1).unwrap().parse().unwrap();
    service.store.revoke_key(&author(), id).await.unwrap();
    let revoked_at = Instant::now();
    assert_eq!(stream.next().await, None);
    assert!(revoked_at.elapsed() < Duration::from_secs(10), "{:?}", revoked_at.elapsed());
}

#[sqlx::test]
async fn streams_are_bounded_in_number_and_do_not_hold_up_the_end(pool: PgPool) {
    let mut service = TestService::start_with(&pool, |config| {
        config.events.streams_max = 2;
        config.server.requests_max = 3;
        config.server.shutdown_grace_ms = 60_000;
    })
    .await;
    let mut streams =
        [Stream::of(&service, "/v1/events").await, Stream::of(&service, "/v1/events").await];
    send(service.request(Method::GET, "/v1/events")).await.refused(429, "overloaded");
    // An open stream is no request that is being answered.
    let gate = service.gate(json!({})).await;
    nobody(&service, &gate).await;
    for stream in &mut streams {
        assert_eq!(stream.positions(1).await, [1]);
    }
    let begun_at = Instant::now();
    service.begin_stop();
    for stream in &mut streams {
        assert_eq!(stream.next().await, None);
    }
    let ended = tokio::task::spawn_blocking(move || service.join()).await.unwrap();
    ended.unwrap().unwrap();
    assert!(begun_at.elapsed() < Duration::from_secs(10), "{:?}", begun_at.elapsed());
}

#[sqlx::test]
async fn one_key_cannot_take_all_streams(pool: PgPool) {
    let service =
        TestService::start_with(&pool, |config| config.events.streams_per_key_max = 1).await;
    let key = service.make_key(&[Scope::Viewer], None).await;
    let follow = || service.bare(Method::GET, "/v1/events").bearer_auth(&key);
    let mine = Stream::open(follow()).await;
    send(follow()).await.refused(429, "overloaded");
    let _other = Stream::of(&service, "/v1/events").await;
    drop(mine);
    eventually("the place is free again", async || follow().send().await.unwrap().status() == 200)
        .await;
}

#[sqlx::test]
async fn a_postgres_that_falls_silent_ends_a_stream_and_leaves_the_others(pool: PgPool) {
    let silent = SilentPostgres::after(&pool, "found.position").await;
    let service = TestService::start_with(&pool, |config| {
        config.database.url.0 = silent.url(&pool);
        config.database.acquire_timeout_ms = 1_000;
        config.database.statement_timeout_ms = 1_000;
    })
    .await;
    let gate = service.gate(json!({})).await;
    let mut stream = Stream::of(&service, "/v1/events").await;
    eventually("it falls silent", async || silent.is_silent()).await;
    let begun_at = Instant::now();
    assert_eq!(stream.next().await, None);
    assert!(begun_at.elapsed() < Duration::from_secs(10), "{:?}", begun_at.elapsed());
    // Each connection that was made before fails once.
    let path = format!("/v1/gates/{gate}/events");
    eventually("it can be followed again", async || {
        service.request(Method::GET, &path).send().await.unwrap().status() == 200
    })
    .await;
    let mut again = Stream::of(&service, &path).await;
    nobody(&service, &gate).await;
    assert_eq!(again.positions(1).await, [1]);
}
