//! Gates that sign what they ask: what they signed is decided on, once, and nothing else.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{SecondsFormat, Utc};
use futures_util::{StreamExt, stream};
use limen::config::Config;
use limen::domain::Scope;
use limen::secrets::MasterKey;
use limen_grant::{Hex, Request, body_hash};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::PgPool;
use uuid::Uuid;

use crate::answer::Answer;
use crate::frame;
use crate::passage::Passage;
use crate::service::{KEYS, TestService, author, config, id, send, store};

/// The last moment that anything was signed: of two requests within a microsecond one would be late.
static CLOCK: AtomicU64 = AtomicU64::new(0);

/// Microseconds since 1970, more at each call.
fn now_us() -> u64 {
    let now = Utc::now().timestamp_micros().unsigned_abs();
    let before =
        CLOCK.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |last| Some(now.max(last + 1)));
    now.max(before.unwrap() + 1)
}

/// What a gate was given.
#[derive(Clone)]
struct Device {
    gate: String,
    key: String,
    secret: [u8; 32],
}

impl Device {
    fn of(created: &Value) -> Self {
        let secret = URL_SAFE_NO_PAD.decode(created["secret"].as_str().unwrap()).unwrap();
        let (gate, key) = (id(created, "gate_id"), id(created, "key_id"));
        Self { gate, key, secret: secret.try_into().unwrap() }
    }

    /// A new credential of a gate.
    async fn new(service: &TestService, gate: &str, overlap_s: u64) -> Self {
        let path = format!("/v1/gates/{gate}/credentials");
        Self::of(&service.post(&path, json!({"overlap_s": overlap_s})).await.expect(201))
    }

    /// A request of this gate, signed now.
    fn ask(&self, photo: &str) -> Ask {
        self.ask_at(photo, now_us())
    }

    /// A report of this gate, signed now.
    fn report(&self, input: &str) -> Ask {
        let happened_at = Utc::now().to_rfc3339_opts(SecondsFormat::Millis, true);
        let headers =
            [("content-type", "application/json"), ("x-event-id", &Uuid::new_v4().to_string())]
                .map(|(name, value)| (name.to_owned(), value.to_owned()));
        let body = json!({"input": input, "happened_at": happened_at}).to_string().into_bytes();
        let path = format!("/v1/gates/{}/inputs", self.gate);
        Ask { method: Method::POST, path, headers: headers.into(), body }.signed(self, now_us())
    }

    fn ask_at(&self, photo: &str, timestamp_us: u64) -> Ask {
        let headers = [
            ("content-type", frame::media_type(photo).to_owned()),
            ("x-event-id", Uuid::new_v4().to_string()),
            ("x-captured-at", Utc::now().to_rfc3339_opts(SecondsFormat::Millis, true)),
        ];
        let path = format!("/v1/gates/{}/passages", self.gate);
        let headers = headers.map(|(name, value)| (name.to_owned(), value)).into();
        Ask { method: Method::POST, path, headers, body: frame::bytes(photo) }
            .signed(self, timestamp_us)
    }
}

/// A request, to be altered on its way.
#[derive(Clone, Debug, PartialEq)]
struct Ask {
    method: Method,
    path: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Ask {
    fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }

    /// With another value of a header; without it where that is empty.
    fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.retain(|(known, _)| known != name);
        if !value.is_empty() {
            self.headers.push((name.to_owned(), value.to_owned()));
        }
        self
    }

    fn badge(self, badge: &str) -> Self {
        self.with("x-badge-id", badge)
    }

    /// Signs what it now is.
    fn signed(self, device: &Device, timestamp_us: u64) -> Self {
        let nonce = Uuid::new_v4().simple().to_string();
        let body_sha256 = body_hash(&self.body);
        let signature = Request {
            method: self.method.as_str(),
            path: &self.path,
            content_type: self.header("content-type"),
            body_sha256,
            timestamp_us,
            nonce: &nonce,
            event: self.header("x-event-id"),
            captured_at: self.header("x-captured-at"),
            badge: self.header("x-badge-id"),
        }
        .sign(&device.secret);
        let authorization = format!(
            "Limen-HMAC-SHA256 key={},timestamp={timestamp_us},nonce={nonce},signature={}",
            device.key,
            signature.as_str()
        );
        let hash = Hex(&body_sha256).to_string();
        self.with("x-content-sha256", &hash).with("authorization", &authorization)
    }

    /// As `with`, signed again by the same device.
    fn and_signed(self, device: &Device) -> Self {
        self.signed(device, now_us())
    }

    /// None where no client would send it.
    fn request(&self, service: &TestService) -> reqwest::RequestBuilder {
        let request = service.bare(self.method.clone(), &self.path).body(self.body.clone());
        self.headers.iter().fold(request, |request, (name, value)| request.header(name, value))
    }

    async fn send(&self, service: &TestService) -> Answer {
        send(self.request(service)).await
    }

    async fn granted(&self, service: &TestService) -> Value {
        let answer = self.send(service).await.expect(200);
        assert_eq!(answer["decision"], "grant", "{answer}");
        answer
    }

    async fn refused(&self, service: &TestService, code: &str) {
        let answer = self.send(service).await;
        assert_eq!(answer.header("www-authenticate"), Some("Limen-HMAC-SHA256"));
        answer.refused(401, code);
    }
}

/// A service, a gate that demands signatures and opens for whom `obama-1.jpg` shows, and its credential. Requests may
/// be as old as a slow machine makes them.
async fn start(pool: &PgPool) -> (TestService, Device) {
    let service = TestService::start_with(pool, patient).await;
    let gate = service.gate(json!({"signed_requests": true})).await;
    service.enrolled("obama-1.jpg").await;
    let device = Device::new(&service, &gate, 0).await;
    (service, device)
}

fn patient(config: &mut Config) {
    config.gates.request_age_ms_max = 60_000;
    config.server.wrong_keys_per_minute_max = 1_000_000;
}

#[sqlx::test]
async fn a_signed_request_is_decided_on_and_traced_to_its_credential(pool: PgPool) {
    let (service, device) = start(&pool).await;
    let ask = device.ask("obama-3.jpg");
    let granted = ask.granted(&service).await;
    let key: Uuid = sqlx::query_scalar("select key_id from passages where id = $1::uuid")
        .bind(granted["passage_id"].as_str().unwrap())
        .fetch_one(&pool)
        .await
        .unwrap();
    assert_eq!(key.to_string(), device.key);
    let listed = service.get(&format!("/v1/keys/{}", device.key)).await.expect(200);
    assert_eq!((&listed["signs"], &listed["scopes"]), (&json!(true), &json!(["gate"])));
    assert_ne!(listed["last_used_at"], Value::Null);

    // A lost answer: the same event, signed anew.
    let again = ask.and_signed(&device).granted(&service).await;
    assert_eq!(again["passage_id"], granted["passage_id"]);
    // A form.
    let photo = frame::bytes("obama-3.jpg");
    let part = b"--edge\r\ncontent-disposition: form-data; name=\"frame\"\r\ncontent-type: image/jpeg\r\n\r\n";
    let form = Ask {
        body: [&part[..], &photo, b"\r\n--edge--\r\n", b"an epilogue"].concat(),
        ..device.ask("obama-3.jpg").with("content-type", "multipart/form-data; boundary=edge")
    };
    form.clone().and_signed(&device).granted(&service).await;
    let signed = form.and_signed(&device);
    Ask { body: [&part[..], &photo, b"\r\n--edge--\r\n", b"another one"].concat(), ..signed }
        .refused(&service, "bad_signature")
        .await;
}

#[sqlx::test]
async fn what_was_altered_or_is_for_another_gate_is_refused(pool: PgPool) {
    let (service, device) = start(&pool).await;
    let other = service.gate(json!({"name": "south", "signed_requests": true})).await;
    let other = Device::new(&service, &other, 0).await;
    let other_path = format!("/v1/gates/{}/passages", other.gate);
    let ask = || device.ask("obama-3.jpg").badge("B-1").and_signed(&device);
    let altered = |name: &str, value: &str| ask().with(name, value);

    altered("x-badge-id", "B-2").refused(&service, "bad_signature").await;
    altered("x-badge-id", "").refused(&service, "bad_signature").await;
    altered("x-event-id", "another").refused(&service, "bad_signature").await;
    altered("x-captured-at", "2026-01-01T00:00:00Z").refused(&service, "bad_signature").await;
    altered("content-type", "image/png").refused(&service, "bad_signature").await;
    altered("x-content-sha256", "").refused(&service, "bad_signature").await;
    let hash = Hex(&body_hash(&frame::bytes("biden-1.jpg"))).to_string();
    altered("x-content-sha256", &hash).refused(&service, "bad_signature").await;
    Ask { body: frame::bytes("biden-1.jpg"), ..ask() }.refused(&service, "bad_signature").await;
    Ask { body: [ask().body, vec![0]].concat(), ..ask() }.refused(&service, "bad_signature").await;
    Ask { path: format!("{}?", ask().path), ..ask() }.refused(&service, "bad_signature").await;
    Ask { path: other_path.clone(), ..ask() }.refused(&service, "bad_signature").await;
    Ask { method: Method::GET, ..ask() }
        .and_signed(&device)
        .with("authorization", ask().header("authorization"))
        .send(&service)
        .await
        .refused(405, "method_not_allowed");
    let put = Ask { method: Method::PUT, ..ask() }.and_signed(&device);
    Ask { method: Method::POST, ..put }.refused(&service, "bad_signature").await;
    // Signed by whom it says, for a gate that is not theirs.
    let foreign = Ask { path: other_path, ..ask() }.and_signed(&device);
    foreign.send(&service).await.refused(403, "wrong_gate");
    // Signed with another gate's secret, or with one that is nobody's.
    let stranger = Device { secret: other.secret, ..device.clone() };
    ask().and_signed(&stranger).refused(&service, "bad_signature").await;
    let nobody = Device { key: Uuid::new_v4().to_string(), ..device.clone() };
    ask().and_signed(&nobody).refused(&service, "bad_signature").await;
    assert_eq!(service.trail().await, [] as [Value; 0]);

    // Firmware asks for no more than its passages, its inputs and the key that grants are signed with.
    let get = |path: &str| Ask { method: Method::GET, path: path.to_owned(), ..ask() };
    let signed = get("/v1/passages").and_signed(&device);
    signed.send(&service).await.refused(401, "unauthorized");
    get("/v1/grant-key").and_signed(&device).send(&service).await.refused(404, "not_found");

    let closed = br#"{"input": "door_closed", "happened_at": "2026-01-01T00:00:00Z"}"#;
    for body in [&closed[..], b""] {
        let report = device.report("door_forced");
        Ask { body: body.to_owned(), ..report }.refused(&service, "bad_signature").await;
        device.report("door_held").send(&service).await.expect(200);
    }
    let mut report = device.report("door_forced");
    report.body.push(b' ');
    report.refused(&service, "bad_signature").await;
    let inputs = service.get("/v1/inputs").await.expect(200);
    let inputs = inputs["items"].as_array().unwrap();
    assert!(
        inputs.len() == 2 && inputs.iter().all(|row| row["input"] == "door_held"),
        "{inputs:?}"
    );
    ask().badge("").and_signed(&device).granted(&service).await;
}

#[sqlx::test]
async fn what_is_repeated_late_or_out_of_order_is_refused_everywhere_and_always(pool: PgPool) {
    let (service, device) = start(&pool).await;
    let replica = TestService::start_replica_with(&pool, patient).await;
    let early = device.ask("obama-3.jpg");
    let late = device.ask("obama-3.jpg");
    late.granted(&service).await;
    for service in [&service, &replica] {
        late.refused(service, "replayed_request").await;
        early.refused(service, "replayed_request").await;
        let same = late.header("authorization").split("timestamp=").nth(1).unwrap();
        let same = same.split(',').next().unwrap().parse().unwrap();
        device.ask_at("obama-3.jpg", same).refused(service, "replayed_request").await;
    }
    device.ask("obama-3.jpg").granted(&replica).await;
    // Of the same request at both, one is taken.
    let both = device.ask("obama-3.jpg");
    let answers = futures_util::future::join(both.send(&service), both.send(&replica)).await;
    let mut statuses = [answers.0.status, answers.1.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 401]);

    let second = Duration::from_secs(1).as_micros() as u64;
    device.ask_at("obama-3.jpg", now_us() - 61 * second).refused(&service, "stale_request").await;
    device.ask_at("obama-3.jpg", now_us() + 3 * second).refused(&service, "stale_request").await;
    // Who does not have the secret is not told that.
    let stranger = Device { secret: [1; 32], ..device.clone() };
    stranger.ask_at("obama-3.jpg", 1).refused(&service, "bad_signature").await;
    drop((service, replica));

    let restarted = TestService::start_with(&pool, patient).await;
    both.refused(&restarted, "replayed_request").await;
    device.ask("obama-3.jpg").granted(&restarted).await;
}

#[sqlx::test]
async fn credentials_are_rotated_end_and_are_revoked(pool: PgPool) {
    let (service, first) = start(&pool).await;
    let asks = async |device: &Device| device.ask("obama-3.jpg").send(&service).await.status;
    let second = Device::new(&service, &first.gate, 3_600).await;
    assert_eq!((asks(&first).await, asks(&second).await), (200, 200));
    let ends = service.get(&format!("/v1/keys/{}", first.key)).await.expect(200);
    assert_ne!(ends["expires_at"], Value::Null);
    // Nothing that comes later lets it live longer.
    Device::new(&service, &first.gate, 86_400).await;
    let later = service.get(&format!("/v1/keys/{}", first.key)).await.expect(200);
    assert_eq!(ends["expires_at"], later["expires_at"]);

    sqlx::query("update api_keys set expires_at = now() where id = $1::uuid")
        .bind(&first.key)
        .execute(&pool)
        .await
        .unwrap();
    first.ask("obama-3.jpg").refused(&service, "bad_signature").await;
    service.delete(&format!("/v1/keys/{}", second.key)).await.expect(204);
    second.ask("obama-3.jpg").refused(&service, "bad_signature").await;

    let third = Device::new(&service, &first.gate, 3_600).await;
    let fourth = Device::new(&service, &first.gate, 0).await;
    assert_eq!((asks(&third).await, asks(&fourth).await), (401, 200));

    // Many at once, without overlap: one is left.
    let many = (0..8).map(|_| Device::new(&service, &first.gate, 0));
    let many = futures_util::future::join_all(many).await;
    let mut left = 0;
    for device in &many {
        left += i32::from(asks(device).await == 200);
    }
    assert_eq!(left, 1);

    let path = format!("/v1/gates/{}/credentials", first.gate);
    service.post(&path, json!({"overlap_s": 2_592_001})).await.refused(422, "bad_value");
    let nowhere = format!("/v1/gates/{}/credentials", Uuid::new_v4());
    service.post(&nowhere, json!({})).await.refused(404, "not_found");
    // The secrets are nowhere but with the gates.
    let kept: Vec<String> = sqlx::query_scalar("select coalesce(details, '') from changes")
        .fetch_all(&pool)
        .await
        .unwrap();
    assert!(kept.iter().any(|change| change.contains("expires_at")));
    assert!(!kept.iter().any(|change| change.contains("signing_secret")));
    let stored: Vec<Vec<u8>> =
        sqlx::query_scalar("select signing_secret from api_keys where signing_secret is not null")
            .fetch_all(&pool)
            .await
            .unwrap();
    for device in [&first, &second, &third, &fourth] {
        assert!(!stored.iter().any(|bytes| bytes.windows(32).any(|part| part == device.secret)));
    }
}

#[sqlx::test]
async fn a_key_that_is_shown_and_one_that_signs_are_never_taken_for_each_other(pool: PgPool) {
    let (service, device) = start(&pool).await;
    Passage::of("obama-3.jpg")
        .send(&service, &device.gate)
        .await
        .refused(403, "signature_required");
    let gate = Some(device.gate.parse().unwrap());
    let bearer = service.make_key(&[Scope::Gate], gate).await;
    let shown = device.ask("obama-3.jpg").with("authorization", &format!("Bearer {bearer}"));
    shown.send(&service).await.refused(403, "signature_required");

    let open = format!("/v1/gates/{}", device.gate);
    service.patch(&open, json!({"signed_requests": false})).await.expect(200);
    shown.send(&service).await.expect(200);
    device.ask("obama-3.jpg").granted(&service).await;
    let (key, secret) = (device.key.replace('-', ""), URL_SAFE_NO_PAD.encode(device.secret));
    let as_bearer = shown.clone().with("authorization", &format!("Bearer limen_{key}_{secret}"));
    as_bearer.send(&service).await.refused(401, "unauthorized");
    let (key, secret) = bearer.strip_prefix("limen_").unwrap().split_once('_').unwrap();
    let secret = URL_SAFE_NO_PAD.decode(secret).unwrap().try_into().unwrap();
    let signs = Device { gate: device.gate.clone(), key: key.to_owned(), secret };
    signs.ask("obama-3.jpg").refused(&service, "bad_signature").await;
    // Nor with what the database holds of it.
    let hash: Vec<u8> =
        sqlx::query_scalar("select secret_sha256 from api_keys where id = $1::uuid")
            .bind(&device.key)
            .fetch_one(&pool)
            .await
            .unwrap();
    let thief = Device { secret: hash.try_into().unwrap(), ..device };
    thief.ask("obama-3.jpg").refused(&service, "bad_signature").await;
}

#[sqlx::test]
async fn who_signs_wrong_is_shut_out_and_the_gate_beside_goes_on(pool: PgPool) {
    let service = TestService::start_with(&pool, |config| {
        patient(config);
        config.server.wrong_keys_per_minute_max = 5;
    })
    .await;
    let gate = service.gate(json!({})).await;
    let device = Device::new(&service, &gate, 0).await;
    let answer = async |device: &Device| device.ask("pixel-1x1.png").send(&service).await;
    assert_eq!(answer(&device).await.status, 200);
    let replayed = device.ask("pixel-1x1.png");
    assert_eq!(replayed.send(&service).await.status, 200);
    for _ in 0..9 {
        replayed.refused(&service, "replayed_request").await;
    }
    let stranger = Device { key: Uuid::new_v4().to_string(), ..device.clone() };
    // Whoever knows the gate's id of a credential alone cannot shut it out.
    let forger = Device { secret: [0; 32], ..device.clone() };
    for guess in [&stranger, &stranger, &stranger, &forger, &forger] {
        answer(guess).await.refused(401, "bad_signature");
    }
    answer(&stranger).await.refused(429, "too_many_wrong_keys");
    assert_eq!(answer(&device).await.status, 200);
}

#[sqlx::test]
async fn the_secret_of_a_gate_opens_in_its_row_alone_and_moves_to_another_key(pool: PgPool) {
    let (service, device) = start(&pool).await;
    let other = service.gate(json!({"name": "south"})).await;
    let other = Device::new(&service, &other, 0).await;
    let kept: Vec<u8> =
        sqlx::query_scalar("select signing_secret from api_keys where id = $1::uuid")
            .bind(&device.key)
            .fetch_one(&pool)
            .await
            .unwrap();
    let put = async |key: &str| {
        sqlx::query("update api_keys set signing_secret = $2 where id = $1::uuid")
            .bind(key)
            .bind(&kept)
            .execute(&pool)
            .await
            .unwrap();
    };
    // Whoever writes into the database cannot give another gate a secret that they know.
    put(&other.key).await;
    let moved = Device { secret: device.secret, ..other.clone() };
    moved.ask("obama-3.jpg").refused(&service, "bad_signature").await;
    other.ask("obama-3.jpg").refused(&service, "bad_signature").await;
    let third = Device::new(&service, &other.gate, 0).await;

    let new = MasterKey::generate().unwrap();
    let ring = format!("{},{KEYS}", *new.secret());
    let with = store(&config(&pool)).await.with_keyring(std::sync::Arc::new(ring.parse().unwrap()));
    let done = with.reseal_device_secrets().await.unwrap();
    assert_eq!((done.secrets, done.unopened.len()), (2, 0));
    assert_eq!(with.device_secrets_by_key().await.unwrap(), [(new.id(), 2)]);
    assert_eq!(with.reseal_device_secrets().await.unwrap().secrets, 0);
    device.ask("obama-3.jpg").refused(&service, "bad_signature").await;
    let replica = TestService::start_replica_with(&pool, |config| {
        patient(config);
        config.secrets.keys = Some(limen::config::KeysText(ring));
    })
    .await;
    device.ask("obama-3.jpg").granted(&replica).await;
    assert_eq!(third.ask("pixel-1x1.png").send(&replica).await.status, 200);
    let lost = with.revoke_credentials_of_key(&author(), new.id()).await.unwrap();
    assert_eq!(lost.len(), 2);
    device.ask("obama-3.jpg").refused(&replica, "bad_signature").await;
}

const MUTATIONS: usize = 10_000;

#[sqlx::test]
async fn ten_thousand_altered_or_repeated_requests_give_no_grant(pool: PgPool) {
    let (service, device) = start(&pool).await;
    let other = service.gate(json!({"name": "south"})).await;
    // What was overheard: a grant, and what a pixel was answered.
    let report = device.report("door_forced");
    report.send(&service).await.expect(200);
    let overheard = [device.ask("obama-3.jpg"), device.ask("pixel-1x1.png"), report];
    let mut genuine = Vec::new();
    for ask in &overheard[..2] {
        genuine.push(id(&ask.send(&service).await.expect(200), "passage_id"));
    }
    let mut random = StdRng::seed_from_u64(20_260_726);
    let seen = stream::iter((0..MUTATIONS).map(|number| {
        // Half of them were never sent: nothing but the signature is in their way.
        let mut ask = match number % 4 {
            0 => device.ask("pixel-1x1.png").badge("B-1").and_signed(&device),
            1 => device.report("door_held"),
            2 if number % 8 == 2 => overheard[2].clone(),
            2 => overheard[1].clone(),
            // Large, and so fewer.
            _ if number % 64 == 3 => overheard[0].clone(),
            _ => overheard[1].clone(),
        };
        let before = ask.clone();
        let fresh = number % 4 < 2;
        loop {
            mutate(&mut ask, &mut random, &other);
            if ask != before || (!fresh && random.random_bool(0.3)) {
                break;
            }
        }
        let request = ask.request(&service);
        async move {
            let (client, request) = request.build_split();
            // What no client can send at all.
            let Ok(request) = request else { return (0, "unsendable".to_owned()) };
            let answer = Answer::read(client.execute(request).await.expect("an answer")).await;
            (answer.status, answer.json["code"].as_str().unwrap_or_default().to_owned())
        }
    }))
    .buffer_unordered(16)
    .fold(BTreeMap::<_, usize>::new(), async |mut seen, answer| {
        *seen.entry(answer).or_default() += 1;
        seen
    })
    .await;
    println!("{seen:#?}");
    for (status, code) in seen.keys() {
        assert!(*status != 200 && *status < 500 && *status != 429, "{status} {code}: {seen:?}");
    }
    let refused = |code: &str| seen.get(&(401, code.to_owned())).copied().unwrap_or_default();
    assert!(refused("bad_signature") > MUTATIONS / 4, "{seen:?}");
    assert!(refused("replayed_request") > MUTATIONS / 100, "{seen:?}");
    genuine.reverse();
    let trail: Vec<String> =
        service.trail().await.iter().map(|row| id(row, "passage_id")).collect();
    assert_eq!(trail, genuine);
    assert_eq!(service.ids("/v1/inputs", "input_id").await.len(), 1);
    device.ask("obama-3.jpg").granted(&service).await;
}

/// Alters a request somewhere, as whoever sits on the wire might.
fn mutate(ask: &mut Ask, random: &mut StdRng, other_gate: &str) {
    let at = random.random_range(0..ask.headers.len());
    match random.random_range(0..12) {
        // A byte of a header.
        0..4 => flip(&mut ask.headers[at].1, random),
        // A byte of the field that signs, most of the time.
        4 => {
            let signs = ask.headers.iter_mut().find(|(name, _)| name == "authorization");
            flip(&mut signs.expect("a signature").1, random);
        }
        5 => {
            let place = random.random_range(0..ask.body.len());
            ask.body[place] ^= 1 << random.random_range(0..8);
        }
        6 => match random.random_bool(0.5) {
            true => ask.body.truncate(random.random_range(0..ask.body.len())),
            false => ask.body.push(random.random()),
        },
        7 => ask.path = format!("/v1/gates/{other_gate}/passages"),
        8 => {
            let more = ["?", "?a=1", "/", "%20"];
            ask.path.push_str(more[random.random_range(0..more.len())]);
        }
        9 => {
            ask.headers.remove(at);
        }
        10 => {
            let twice = ask.headers[at].clone();
            ask.headers.push(twice);
        }
        _ => {
            ask.headers[at]
                .1
                .push_str([",", " x", ",x=1", "A", "=", "\u{e9}"][random.random_range(0..6)]);
        }
    }
}

/// Puts another character in the place of one.
fn flip(text: &mut String, random: &mut StdRng) {
    let mut bytes = std::mem::take(text).into_bytes();
    if let Some(last) = bytes.len().checked_sub(1) {
        let place = random.random_range(0..=last);
        bytes[place] = random.random_range(b'!'..=b'~');
    }
    *text = String::from_utf8_lossy(&bytes).into_owned();
}
