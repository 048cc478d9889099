//! Webhooks: events are posted, signed, at least once and in each gate's order; and no gate waits for it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use limen::config::{Config, KeysText};
use limen::store::{DEAD_LETTERS_MAX, Right};
use reqwest::Method;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use sqlx::PgPool;
use tokio::net::TcpListener;

use crate::audit::audit;
use crate::gate_inputs::report;
use crate::passage::Passage;
use crate::service::{KEYS, TestService, author, config, eventually, id, send, store};

/// What is answered to an event; none: it is not answered at all.
type Answer = Box<dyn Fn(&Value, usize) -> Option<u16> + Send>;

/// Somebody who is told of events.
#[derive(Clone)]
struct Receiver {
    url: String,
    posts: Arc<parking_lot::Mutex<Vec<(HeaderMap, String)>>>,
    answer: Arc<parking_lot::Mutex<Answer>>,
}

impl Receiver {
    /// `answer` is given the event and how many posts came before.
    async fn start(answer: impl Fn(&Value, usize) -> Option<u16> + Send + 'static) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let receiver = Self {
            url: format!("http://{}/events", listener.local_addr().unwrap()),
            posts: Arc::default(),
            answer: Arc::new(parking_lot::Mutex::new(Box::new(answer))),
        };
        let router = Router::new().route("/events", post(Self::take)).with_state(receiver.clone());
        tokio::spawn(async { axum::serve(listener, router).await });
        receiver
    }

    async fn take(State(this): State<Self>, headers: HeaderMap, body: String) -> StatusCode {
        let answer = {
            let mut posts = this.posts.lock();
            let answer = this.answer.lock()(&serde_json::from_str(&body).unwrap(), posts.len());
            posts.push((headers, body));
            answer
        };
        match answer {
            Some(status) => StatusCode::from_u16(status).unwrap(),
            None => std::future::pending().await,
        }
    }

    fn answers(&self, status: u16) {
        *self.answer.lock() = Box::new(move |_, _| Some(status));
    }

    fn events(&self) -> Vec<Value> {
        self.posts.lock().iter().map(|(_, body)| serde_json::from_str(body).unwrap()).collect()
    }

    /// The positions that were posted of each gate, in the order of the posts.
    fn positions(&self) -> BTreeMap<String, Vec<u64>> {
        let mut positions = BTreeMap::<_, Vec<_>>::new();
        for event in self.events() {
            let gate = event["gate_id"].as_str().unwrap().to_owned();
            positions.entry(gate).or_default().push(event["position"].as_u64().unwrap());
        }
        positions
    }

    /// Waits until that many posts have come.
    async fn posted(&self, number: usize) {
        let what = format!("{number} posts to {}", self.url);
        eventually(&what, async || self.posts.lock().len() >= number).await;
    }
}

fn impatient(config: &mut Config) {
    config.server.metrics_public = true;
    config.events.webhook_retry_ms_min = 50;
    config.events.webhook_retry_ms_max = 100;
}

async fn webhook(service: &TestService, receiver: &Receiver, settings: Value) -> Value {
    let mut body = json!({"url": receiver.url});
    body.as_object_mut().unwrap().extend(settings.as_object().unwrap().clone());
    service.post("/v1/webhooks", body).await.expect(201)
}

fn path(webhook: &Value) -> String {
    format!("/v1/webhooks/{}", webhook["webhook_id"].as_str().unwrap())
}

async fn nobody(service: &TestService, gate: &str) {
    Passage::of("no-face-rocket.jpg").refused(service, gate, "no_face").await;
}

/// HMAC-SHA256 as RFC 2104 defines it, for keys of up to 64 bytes.
fn hmac(key: &[u8], message: &[u8]) -> String {
    let pad = |byte: u8| {
        let mut block = [byte; 64];
        block.iter_mut().zip(key).for_each(|(pad, key)| *pad ^= key);
        block
    };
    let inner = Sha256::new().chain_update(pad(0x36)).chain_update(message).finalize();
    let outer = Sha256::new().chain_update(pad(0x5c)).chain_update(inner).finalize();
    outer.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[sqlx::test]
async fn events_are_signed_and_what_fails_is_tried_again_before_the_next(pool: PgPool) {
    let service = TestService::start_with(&pool, impatient).await;
    let gate = service.gate(json!({})).await;
    nobody(&service, &gate).await;
    let receiver = Receiver::start(|_, before| Some(if before < 2 { 500 } else { 204 })).await;
    let webhook = webhook(&service, &receiver, json!({})).await;
    let secret = webhook["secret"].as_str().unwrap();
    for _ in 0..3 {
        nobody(&service, &gate).await;
    }
    receiver.posted(5).await;
    // What was recorded before the webhook was made it is not told of.
    assert_eq!(receiver.positions()[&gate], [2, 2, 2, 3, 4]);
    for (headers, body) in receiver.posts.lock().iter() {
        let header = |name: &str| headers[name].to_str().unwrap();
        let signed = format!("{}.{body}", header("limen-timestamp"));
        assert_eq!(
            header("limen-signature"),
            format!("v1={}", hmac(secret.as_bytes(), signed.as_bytes()))
        );
        assert_eq!(header("limen-webhook-id"), webhook["webhook_id"]);
        assert_eq!(header("content-type"), "application/json");
    }
    let count = |outcome| format!("limen_webhook_deliveries_total{{outcome=\"{outcome}\"}}");
    eventually("three deliveries are counted", async || {
        service.metric(&count("delivered")).await == 3.0
    })
    .await;
    assert_eq!(service.metric(&count("failed")).await, 2.0);

    let read = service.get(&path(&webhook)).await.text;
    let list = service.get("/v1/webhooks").await.text;
    let changes = service.get("/v1/changes?kind=webhooks").await.text;
    let host = receiver.url.strip_suffix("/events").unwrap();
    assert!(changes.contains(host), "{changes}");
    for text in [read, list, changes] {
        assert!(!text.contains(secret) && !text.contains("\"secret\""), "{text}");
    }
}

#[sqlx::test]
async fn an_event_that_is_never_taken_is_put_aside_and_the_gates_next_one_comes(pool: PgPool) {
    let service = TestService::start_with(&pool, |config| {
        impatient(config);
        config.events.webhook_attempts_max = 3;
    })
    .await;
    let gate = service.gate(json!({})).await;
    let receiver =
        Receiver::start(|event, _| Some(if event["position"] == 1 { 301 } else { 200 })).await;
    let webhook = webhook(&service, &receiver, json!({})).await;
    nobody(&service, &gate).await;
    nobody(&service, &gate).await;
    receiver.posted(4).await;
    assert_eq!(receiver.positions()[&gate], [1, 1, 1, 2]);

    let dead = format!("{}/dead-letters", path(&webhook));
    let page = service.get(&dead).await.expect(200);
    let [letter] = page["items"].as_array().unwrap().as_slice() else { panic!("{page}") };
    let found = (&letter["gate_id"], &letter["position"], &letter["attempts"]);
    assert_eq!(found, (&json!(gate), &json!(1), &json!(3)));
    assert!(letter["last_error"].as_str().unwrap().contains("301"), "{letter}");

    receiver.answers(200);
    assert_eq!(service.post(&format!("{dead}/retry"), json!({})).await.expect(200)["retried"], 1);
    eventually("the dead letter is delivered", async || {
        service.get(&dead).await.expect(200)["items"] == json!([])
    })
    .await;
    assert_eq!(receiver.positions()[&gate], [1, 1, 1, 2, 1]);
}

#[sqlx::test]
async fn attempts_count_for_the_event_that_was_tried_and_no_other(pool: PgPool) {
    let service = TestService::start_with(&pool, |config| {
        impatient(config);
        config.events.webhook_attempts_max = 3;
    })
    .await;
    service.enrolled("obama-1.jpg").await;
    let gate = service.gate(json!({})).await;
    let receiver = Receiver::start(|_, _| Some(500)).await;
    let webhook = webhook(&service, &receiver, json!({"decisions": ["grant"]})).await;
    service.patch(&path(&webhook), json!({"enabled": false})).await.expect(200);
    nobody(&service, &gate).await;
    Passage::of("obama-3.jpg").granted(&service, &gate).await;
    // The first was tried twice while it was asked for.
    let tried =
        sqlx::query("update webhook_cursors set attempts = 2").execute(&pool).await.unwrap();
    assert_eq!(tried.rows_affected(), 1);
    service.patch(&path(&webhook), json!({"enabled": true})).await.expect(200);
    let dead = format!("{}/dead-letters", path(&webhook));
    eventually("the second is given up", async || {
        service.get(&dead).await.expect(200)["items"][0]["attempts"] == 3
    })
    .await;
    assert_eq!(receiver.positions()[&gate], [2, 2, 2]);
}

#[sqlx::test]
async fn another_replica_goes_on_where_the_first_ended_and_nothing_is_lost(pool: PgPool) {
    let mut one = TestService::start_with(&pool, impatient).await;
    let gates = [one.gate(json!({})).await, one.gate(json!({"name": "south"})).await];
    // Whatever it takes before the end, it takes every third post alone.
    let receiver = Receiver::start(|_, before| Some(if before % 3 == 2 { 200 } else { 503 })).await;
    webhook(&one, &receiver, json!({})).await;
    let other = TestService::start_replica_with(&pool, impatient).await;
    for _ in 0..3 {
        nobody(&one, &gates[0]).await;
        nobody(&other, &gates[1]).await;
    }
    receiver.posted(2).await;
    one.begin_stop();
    tokio::task::spawn_blocking(move || one.join()).await.unwrap().unwrap().unwrap();
    let before = receiver.events().len();
    nobody(&other, &gates[0]).await;
    receiver.answers(200);
    let delivered = || {
        let positions = receiver.positions();
        [(&gates[0], 4), (&gates[1], 3)].iter().all(|(gate, last)| {
            positions.get(*gate).is_some_and(|positions| positions.last() == Some(last))
        })
    };
    eventually("the other replica delivers", async || delivered()).await;
    assert!(receiver.events().len() > before);
    for (gate, mut positions) in receiver.positions() {
        assert!(positions.is_sorted(), "{gate}: {positions:?}");
        positions.dedup();
        let all: Vec<u64> = (1..=if gate == gates[0] { 4 } else { 3 }).collect();
        assert_eq!(positions, all, "{gate}");
    }
}

#[sqlx::test]
async fn a_webhook_that_hangs_delays_no_passage_and_no_other_webhook(pool: PgPool) {
    let service = TestService::start_with(&pool, |config| {
        impatient(config);
        config.events.webhook_timeout_ms = 60_000;
    })
    .await;
    let gate = service.gate(json!({})).await;
    let pass = async || {
        let begun_at = Instant::now();
        for _ in 0..10 {
            nobody(&service, &gate).await;
        }
        begun_at.elapsed()
    };
    pass().await;
    let alone = pass().await;
    let (hangs, takes) =
        (Receiver::start(|_, _| None).await, Receiver::start(|_, _| Some(200)).await);
    webhook(&service, &hangs, json!({})).await;
    webhook(&service, &takes, json!({})).await;
    nobody(&service, &gate).await;
    hangs.posted(1).await;
    let beside = pass().await;
    assert_eq!(hangs.events().len(), 1, "it was answered, or tried again, meanwhile");
    println!("10 passages: {alone:?} alone, {beside:?} while a webhook hangs");
    assert!(beside < alone * 2 + Duration::from_secs(10), "{alone:?}, then {beside:?}");
    takes.posted(11).await;
    assert_eq!(takes.positions()[&gate], (21..=31).collect::<Vec<u64>>());
}

#[sqlx::test]
async fn a_webhook_is_told_of_what_it_asks_for_and_later_of_what_it_missed(pool: PgPool) {
    let service = TestService::start_with(&pool, impatient).await;
    let (north, south) =
        (service.gate(json!({})).await, service.gate(json!({"name": "south"})).await);
    service.enrolled("obama-1.jpg").await;
    let receiver = Receiver::start(|_, _| Some(200)).await;
    let settings = json!({"gate_ids": [north], "decisions": ["grant"]});
    let webhook = webhook(&service, &receiver, settings).await;
    nobody(&service, &north).await;
    nobody(&service, &south).await;
    Passage::of("obama-3.jpg").granted(&service, &north).await;
    receiver.posted(1).await;
    service.patch(&path(&webhook), json!({"enabled": false})).await.expect(200);
    // Within a moment it is off.
    tokio::time::sleep(Duration::from_secs(2)).await;
    service.patch(&path(&webhook), json!({"gate_ids": [], "decisions": []})).await.expect(200);
    nobody(&service, &north).await;
    nobody(&service, &south).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(receiver.positions(), BTreeMap::from([(north.clone(), vec![2])]));
    service.patch(&path(&webhook), json!({"enabled": true})).await.expect(200);
    receiver.posted(3).await;
    let expected = BTreeMap::from([(north, vec![2, 3]), (south, vec![2])]);
    assert_eq!(receiver.positions(), expected);

    service.delete(&path(&webhook)).await.expect(204);
    service.get(&path(&webhook)).await.refused(404, "not_found");
    for url in ["ftp://example.org/", "https://u:p@example.org/", "nowhere"] {
        service.post("/v1/webhooks", json!({"url": url})).await.refused(422, "bad_value");
    }
    let body = json!({"url": receiver.url});
    for _ in 0..32 {
        service.post("/v1/webhooks", body.clone()).await.expect(201);
    }
    service.post("/v1/webhooks", body).await.refused(409, "too_many_webhooks");
    let key = service.make_key(&[limen::domain::Scope::Officer], None).await;
    let list = service.bare(Method::GET, "/v1/webhooks").bearer_auth(&key);
    send(list).await.refused(403, "missing_scope");
}

#[sqlx::test]
async fn the_secrets_of_webhooks_are_sealed_and_move_to_another_key(pool: PgPool) {
    let keys = |text: String| {
        let mut config = config(&pool);
        config.secrets.keys = Some(KeysText(text));
        config
    };
    let old = store(&keys(KEYS.to_owned())).await;
    let (url, secret) = ("https://example.org/".parse().unwrap(), "s".repeat(43));
    let filter = Default::default();
    let webhook = old.create_webhook(&author(), &url, &filter, &secret).await.unwrap();
    let stored: Vec<u8> =
        sqlx::query_scalar("select secret from webhooks").fetch_one(&pool).await.unwrap();
    assert!(!stored.windows(4).any(|bytes| bytes == b"ssss"));

    const NEW: &str = "ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8";
    let both = store(&keys(format!("{NEW},{KEYS}"))).await;
    let (resealed, unopened) = both.reseal_webhook_secrets().await.unwrap();
    assert_eq!((resealed, unopened), (1, vec![]));
    assert_eq!(both.webhook_secrets_by_key().await.unwrap().len(), 1);
    let new = store(&keys(NEW.to_owned())).await;
    assert_eq!(**new.webhook_secret(webhook.id).await.unwrap(), *secret.as_bytes());
    assert!(old.webhook_secret(webhook.id).await.is_err());
}

#[sqlx::test]
async fn a_webhook_that_was_mended_is_tried_at_once(pool: PgPool) {
    let service = TestService::start_with(&pool, |config| {
        config.events.webhook_retry_ms_min = 60_000;
    })
    .await;
    let gate = service.gate(json!({})).await;
    let broken = Receiver::start(|_, _| Some(500)).await;
    let webhook = webhook(&service, &broken, json!({})).await;
    nobody(&service, &gate).await;
    broken.posted(1).await;
    let mended = Receiver::start(|_, _| Some(200)).await;
    service.patch(&path(&webhook), json!({"url": mended.url})).await.expect(200);
    mended.posted(1).await;
    assert_eq!(mended.positions()[&gate], [1]);
}

#[sqlx::test]
async fn nothing_more_is_posted_once_a_webhook_is_switched_off(pool: PgPool) {
    let service = TestService::start_with(&pool, |config| {
        impatient(config);
        config.events.webhook_attempts_max = 100;
    })
    .await;
    let gate = service.gate(json!({})).await;
    let receiver = Receiver::start(|_, _| Some(503)).await;
    let webhook = webhook(&service, &receiver, json!({})).await;
    for _ in 0..30 {
        nobody(&service, &gate).await;
    }
    *receiver.answer.lock() = Box::new(|_, _| {
        std::thread::sleep(Duration::from_millis(400));
        Some(200)
    });
    let is_second_there =
        async || receiver.positions().get(&gate).is_some_and(|posted| posted.contains(&2));
    eventually("some are delivered", is_second_there).await;
    service.patch(&path(&webhook), json!({"enabled": false})).await.expect(200);
    tokio::time::sleep(Duration::from_secs(4)).await;
    let posted = receiver.events().len();
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(receiver.events().len(), posted);
    receiver.answers(200);
    service.patch(&path(&webhook), json!({"enabled": true})).await.expect(200);
    eventually("the others come", async || receiver.positions()[&gate].contains(&30)).await;
    let mut positions = receiver.positions()[&gate].clone();
    assert!(positions.is_sorted(), "{positions:?}");
    positions.dedup();
    assert_eq!(positions, (1..=30).collect::<Vec<u64>>());
}

#[sqlx::test]
async fn dead_letters_are_bounded_and_go_with_their_passages(pool: PgPool) {
    let service = TestService::start_with(&pool, |config| {
        config.events.webhook_attempts_max = 1;
    })
    .await;
    let gate = service.gate(json!({})).await;
    let receiver = Receiver::start(|_, _| Some(500)).await;
    let webhook = webhook(&service, &receiver, json!({})).await;
    sqlx::query(
        "insert into webhook_dead_letters (id, webhook_id, gate_id, position, attempts, last_error)
         select ('00000000-0000-7000-8000-' || lpad(to_hex(number), 12, '0'))::uuid, webhooks.id, gates.id,
             1000000 + number, 1, 'x'
         from webhooks, gates, generate_series(1, $1) as number",
    )
    .bind(DEAD_LETTERS_MAX)
    .execute(&pool)
    .await
    .unwrap();
    nobody(&service, &gate).await;
    let positions = async || {
        let all = "select position from webhook_dead_letters order by position";
        sqlx::query_scalar::<_, i64>(all).fetch_all(&pool).await.unwrap()
    };
    eventually("the event is given up", async || positions().await.first() == Some(&1)).await;
    let found = positions().await;
    assert_eq!(found.len() as i64, DEAD_LETTERS_MAX);
    assert_eq!(found[1], 1_000_002, "the oldest is still there");

    let dead = format!("{}/dead-letters?limit=1", path(&webhook));
    assert_eq!(service.get(&dead).await.expect(200)["items"].as_array().unwrap().len(), 1);
    let (gate, now) = (gate.parse().unwrap(), chrono::Utc::now() + chrono::TimeDelta::days(1));
    service.store.purge_records(&author(), gate, now).await.unwrap();
    service.store.purge_dead_letters().await.unwrap();
    assert_eq!(positions().await[0], 1_000_002);
}

#[sqlx::test]
async fn dead_letters_that_are_tried_again_hold_up_nothing(pool: PgPool) {
    let service = TestService::start_with(&pool, |config| {
        config.events.webhook_attempts_max = 1;
        config.events.webhook_timeout_ms = 20_000;
        config.server.metrics_public = true;
    })
    .await;
    let gate = service.gate(json!({})).await;
    let receiver = Receiver::start(|_, _| Some(500)).await;
    let webhook = webhook(&service, &receiver, json!({})).await;
    nobody(&service, &gate).await;
    let dead = format!("{}/dead-letters", path(&webhook));
    eventually("it is given up", async || {
        service.get(&dead).await.expect(200)["items"] != json!([])
    })
    .await;
    *receiver.answer.lock() = Box::new(|event: &Value, _| (event["position"] != 1).then_some(200));
    service.post(&format!("{dead}/retry"), json!({})).await.expect(200);
    receiver.posted(2).await;
    nobody(&service, &gate).await;
    let begun_at = Instant::now();
    receiver.posted(3).await;
    assert!(begun_at.elapsed() < Duration::from_secs(10), "{:?}", begun_at.elapsed());
    assert_eq!(receiver.positions()[&gate], [1, 1, 2]);

    // One that is not asked for any more is not posted again.
    service.patch(&path(&webhook), json!({"decisions": ["grant"]})).await.expect(200);
    eventually("it is forgotten", async || {
        service.get(&dead).await.expect(200)["items"] == json!([])
    })
    .await;
    assert_eq!(receiver.positions()[&gate], [1, 1, 2]);
    let delivered = "limen_webhook_deliveries_total{outcome=\"delivered\"}";
    assert_eq!(service.metric(delivered).await, 1.0);
}

#[sqlx::test]
async fn a_webhook_names_gates_that_there_are_and_hosts_that_are_allowed(pool: PgPool) {
    let service = TestService::start_with(&pool, |config| {
        config.events.webhook_hosts = ["127.0.0.1".to_owned()].into_iter().collect();
    })
    .await;
    let gate = service.gate(json!({})).await;
    let receiver = Receiver::start(|_, _| Some(200)).await;
    let unknown = uuid::Uuid::now_v7();
    let body = json!({"url": receiver.url, "gate_ids": [gate, unknown]});
    service.post("/v1/webhooks", body).await.refused(404, "not_found");
    let webhook = webhook(&service, &receiver, json!({"gate_ids": [gate]})).await;
    let change = json!({"gate_ids": [unknown]});
    service.patch(&path(&webhook), change).await.refused(404, "not_found");

    let elsewhere = json!({"url": receiver.url.replace("127.0.0.1", "localhost")});
    service.post("/v1/webhooks", elsewhere.clone()).await.refused(422, "bad_value");
    service.patch(&path(&webhook), elsewhere).await.refused(422, "bad_value");
    nobody(&service, &gate).await;
    receiver.posted(1).await;
    // One that was made before the hosts were named.
    sqlx::query("update webhooks set url = replace(url, '127.0.0.1', 'localhost')")
        .execute(&pool)
        .await
        .unwrap();
    tokio::time::sleep(Duration::from_secs(3)).await;
    nobody(&service, &gate).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(receiver.events().len(), 1);
}

#[sqlx::test]
async fn a_replica_that_lost_its_right_delivers_and_counts_nothing(pool: PgPool) {
    let service = TestService::start_with(&pool, |config| {
        impatient(config);
        config.events.webhook_attempts_max = 100;
        config.events.webhook_retry_ms_max = 500;
    })
    .await;
    let gate = service.gate(json!({})).await;
    let receiver = Receiver::start(|_, _| Some(503)).await;
    webhook(&service, &receiver, json!({})).await;
    nobody(&service, &gate).await;
    let backlog = async || service.metric("limen_webhook_backlog").await;
    eventually("one waits", async || backlog().await == 1.0).await;

    // Somebody waits for the right, and has it as soon as the replica's connection breaks.
    let mut other = pool.acquire().await.unwrap();
    let locked = tokio::spawn(async move {
        sqlx::query("select pg_advisory_lock(x'686f6f6b73'::bigint)")
            .execute(&mut *other)
            .await
            .unwrap();
        other
    });
    let locks = |granted: bool| {
        sqlx::query_scalar::<_, i32>(
            "select pid from pg_locks where locktype = 'advisory' and granted = $1
                 and classid = 104 and objid = 1869572979
                 and database = (select oid from pg_database where datname = current_database())",
        )
        .bind(granted)
    };
    eventually("somebody waits", async || {
        locks(false).fetch_optional(&pool).await.unwrap().is_some()
    })
    .await;
    let holder = locks(true).fetch_one(&pool).await.unwrap();
    sqlx::query("select pg_terminate_backend($1)").bind(holder).execute(&pool).await.unwrap();
    let _other = locked.await.unwrap();
    eventually("it counts nothing", async || backlog().await == 0.0).await;
    let posted = receiver.events().len();
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(receiver.events().len(), posted);
}

#[sqlx::test]
async fn a_right_passes_on_when_nothing_is_heard_of_who_has_it(pool: PgPool) {
    let store = store(&config(&pool)).await;
    let mut gone = store.courier(Right::Webhooks).await.unwrap();
    let mut next = store.courier(Right::Webhooks).await.unwrap();
    let mut of_brokers = store.courier(Right::Mqtt).await.unwrap();
    assert!(gone.holds().await.unwrap());
    assert!(!next.holds().await.unwrap());
    assert!(of_brokers.holds().await.unwrap());
    let begun_at = Instant::now();
    while !next.holds().await.unwrap() {
        assert!(begun_at.elapsed() < Duration::from_secs(40), "it is held for ever");
        assert!(of_brokers.holds().await.unwrap());
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    assert!(gone.holds().await.is_err());
}

#[sqlx::test]
async fn a_record_that_cannot_be_read_is_told_of_as_such_and_keeps_nothing_back(pool: PgPool) {
    let receiver = Receiver::start(|_, _| Some(204)).await;
    let service = TestService::start_with(&pool, impatient).await;
    let gate = service.gate(json!({})).await;
    let made = json!({"url": receiver.url, "alarms": true});
    let made = service.post("/v1/webhooks", made).await.expect(201);
    let one = format!("/v1/webhooks/{}", id(&made, "webhook_id"));
    service.patch(&one, json!({"enabled": false})).await.expect(200);
    report(&service, &gate, json!({"input": "door_forced"})).await.expect(200);
    report(&service, &gate, json!({"input": "door_held"})).await.expect(200);
    // A kind of a newer version's, or what somebody made of it.
    report(&service, &gate, json!({"input": "door_held"})).await.expect(200);
    for spoil in [
        "update gate_inputs set input = 'later' where position = 1",
        // Beyond what a moment can be; and from the future, as a clock records that is set back later.
        "update gate_inputs set recorded_at = '294000-01-01' where position = 2",
        "update gate_inputs set recorded_at = '9000-01-01' where position = 3",
    ] {
        sqlx::query(spoil).execute(&pool).await.unwrap();
    }
    // Of the first moment that a gate may name.
    let first = json!({"input": "door_held", "happened_at": "0000-01-01T00:00:00Z"});
    report(&service, &gate, first).await.expect(200);

    service.patch(&one, json!({"enabled": true})).await.expect(200);
    receiver.posted(4).await;
    let told = receiver.events();
    for position in 1..=2 {
        let unreadable = json!({"event": "unreadable", "gate_id": gate.as_str(),
            "position": position, "alarm": true});
        assert_eq!(told[position - 1], unreadable);
    }
    assert_eq!((&told[2]["position"], &told[2]["input"]), (&json!(3), &json!("door_held")));
    assert_eq!(told[2]["recorded_at"], "9000-01-01T00:00:00Z");
    assert_eq!((&told[3]["position"], &told[3]["input"]), (&json!(4), &json!("door_held")));
    assert_eq!(told[3]["happened_at"], "0000-01-01T00:00:00Z");
    // So those hear who keep a stream open.
    let path = format!("/v1/gates/{gate}/events?after=0&alarms=true");
    let mut stream = service.request(Method::GET, &path).send().await.unwrap();
    let mut heard = String::new();
    while !heard.contains("door_held") {
        heard += str::from_utf8(&stream.chunk().await.unwrap().unwrap()).unwrap();
    }
    assert!(heard.contains("event: unreadable"), "{heard}");
}

#[sqlx::test]
async fn a_failure_among_dead_letters_ends_no_post(pool: PgPool) {
    let receiver = Receiver::start(|_, _| None).await;
    let service = TestService::start_with(&pool, |config| {
        impatient(config);
        config.events.webhook_timeout_ms = 60_000;
    })
    .await;
    let gate = service.gate(json!({})).await;
    webhook(&service, &receiver, json!({})).await;
    nobody(&service, &gate).await;
    receiver.posted(1).await;
    sqlx::query("alter table webhook_dead_letters rename to elsewhere")
        .execute(&pool)
        .await
        .unwrap();
    // Every two seconds they are looked for.
    tokio::time::sleep(Duration::from_secs(7)).await;
    assert_eq!(receiver.events().len(), 1);
}

#[sqlx::test]
async fn of_a_webhooks_url_the_trail_has_no_more_than_the_host(pool: PgPool) {
    let service = TestService::start(&pool).await;
    let made = json!({"url": "https://building.example.org:8443/FIRST-TOKEN?key=FIRST-KEY"});
    let made = service.post("/v1/webhooks", made).await.expect(201);
    let id = id(&made, "webhook_id");
    let other = json!({"url": "https://building.example.org:8443/NEXT-TOKEN"});
    service.patch(&format!("/v1/webhooks/{id}"), other).await.expect(200);
    service.delete(&format!("/v1/webhooks/{id}")).await.expect(204);
    let changes = service.get("/v1/changes?kind=webhooks").await;
    for secret in ["FIRST", "NEXT"] {
        assert!(!changes.text.contains(secret), "{}", changes.text);
    }
    let host = json!("https://building.example.org:8443");
    let changes = changes.expect(200);
    let noted = |number: usize| &changes["items"][number]["details"];
    assert_eq!((&noted(2)["after"]["url"], &noted(2)["before"]), (&host, &Value::Null));
    // That it was changed is seen; nothing else was.
    assert_eq!(*noted(1), json!({"before": {"url": host}, "after": {"url": host}}));
    assert_eq!(noted(0)["before"]["url"], host);
    assert_eq!(audit(&service, &pool).await.faults, []);
}
