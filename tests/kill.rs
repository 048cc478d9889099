//! The service and its Postgres are killed (SIGKILL) in turn while gates and an admin are at work:
//! what was acknowledged is there afterwards, and the service needs nobody's help to go on.

mod cluster;

use std::fs;
use std::process::Child;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use cluster::{Cluster, PATIENCE, free_port, limen, migrated};
use futures_util::{Stream, StreamExt};
use reqwest::{Client, RequestBuilder};
use rustix::process::Signal;
use serde_json::{Value, json};
use sqlx::{Connection, PgConnection};
use uuid::Uuid;

/// Kills of each; the load goes on for `PAUSE` around every one.
const ROUNDS: usize = 3;
const PAUSE: Duration = Duration::from_millis(1500);

struct Service {
    process: Child,
}

impl Service {
    async fn start(cluster: &Cluster, admin: &Admin) -> Self {
        let process = limen(&cluster.url, admin.port, &["serve"]).spawn().unwrap();
        let started_at = Instant::now();
        while admin.call(admin.client.get(admin.url("/readyz"))).await.is_none() {
            assert!(started_at.elapsed() < PATIENCE, "the service is not ready");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Self { process }
    }

    fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A client with a key for everything.
#[derive(Clone)]
struct Admin {
    client: Client,
    port: u16,
    key: String,
}

impl Admin {
    fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// The answer's body, when there is one and it is a success.
    async fn call(&self, request: RequestBuilder) -> Option<Value> {
        let answer = request.bearer_auth(&self.key).send().await.ok()?;
        if answer.status().is_success() { answer.json().await.ok() } else { None }
    }

    async fn create(&self, path: &str, body: Value) -> Option<Value> {
        self.call(self.client.post(self.url(path)).json(&body)).await
    }

    fn frame(&self, path: &str, photo: &str) -> RequestBuilder {
        let bytes = fs::read(format!("tests/fixtures/{photo}")).unwrap();
        self.client.post(self.url(path)).header("content-type", "image/jpeg").body(bytes)
    }

    async fn enrol(&self, employee: &Value, photo: &str) -> Option<Value> {
        let id = employee["employee_id"].as_str()?;
        self.call(self.frame(&format!("/v1/employees/{id}/faces"), photo)).await
    }
}

fn id(answer: &Value, member: &str) -> Uuid {
    answer[member].as_str().unwrap().parse().unwrap()
}

/// Passes the gate until told to stop; returns the id and decision of every acknowledged passage.
async fn pass(admin: Admin, gate: Uuid, stop: Arc<AtomicBool>) -> Vec<(Uuid, String)> {
    let mut acknowledged = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let passage = admin
            .frame(&format!("/v1/gates/{gate}/passages"), "obama-3.jpg")
            .header("x-event-id", Uuid::new_v4().to_string())
            .header("x-captured-at", chrono::Utc::now().to_rfc3339());
        match admin.call(passage).await {
            Some(answer) => {
                let decision = answer["decision"].as_str().unwrap().to_owned();
                acknowledged.push((id(&answer, "passage_id"), decision));
            }
            None => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
    acknowledged
}

/// Enrols new people until told to stop; returns the id of every acknowledged face.
async fn enrol(admin: Admin, stop: Arc<AtomicBool>) -> Vec<Uuid> {
    let mut acknowledged = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let employee = admin.create("/v1/employees", json!({"name": "Somebody"})).await;
        let Some(employee) = employee else {
            tokio::time::sleep(Duration::from_millis(20)).await;
            continue;
        };
        if let Some(face) = admin.enrol(&employee, "biden-1.jpg").await {
            acknowledged.push(id(&face, "face_id"));
        }
    }
    acknowledged
}

/// A line of an import: somebody with this badge and photo.
fn row(badge: &str, photo: &str) -> Bytes {
    let photo = STANDARD.encode(fs::read(format!("tests/fixtures/{photo}")).unwrap());
    format!("{}\n", json!({"badge_id": badge, "name": badge, "photo": photo})).into()
}

/// A request whose body is these parts.
fn import(
    admin: &Admin,
    parts: impl Stream<Item = Bytes> + Send + 'static,
    client: &Client,
) -> RequestBuilder {
    let request = client.post(admin.url("/v1/imports")).header("idempotency-key", "staff");
    let parts = parts.map(Ok::<_, std::convert::Infallible>);
    request.header("content-type", "application/x-ndjson").body(reqwest::Body::wrap_stream(parts))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_goes_on_after_a_kill_and_takes_no_more_memory_however_long_it_is() {
    let cluster = Cluster::start();
    let port = free_port();
    let key = migrated(&cluster, port);
    let builder = || Client::builder().no_proxy();
    let patient = builder().timeout(Duration::from_secs(300)).build().unwrap();
    let client = builder().timeout(Duration::from_secs(10)).build().unwrap();
    let admin = Admin { client, port, key };
    let mut service = Service::start(&cluster, &admin).await;

    let rows = [row("B-1", "obama-1.jpg"), row("B-2", "biden-1.jpg")];
    // The second never comes.
    let parts =
        futures_util::stream::iter([rows[0].clone()]).chain(futures_util::stream::pending());
    let cut = tokio::spawn({
        let (admin, patient) = (admin.clone(), patient.clone());
        async move { admin.call(import(&admin, parts, &patient)).await }
    });
    let started_at = Instant::now();
    loop {
        let list = admin.call(admin.client.get(admin.url("/v1/imports"))).await.unwrap();
        if list["items"][0]["rows"]["enrolled"] == 1 {
            break;
        }
        assert!(started_at.elapsed() < PATIENCE, "{list}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    service.kill();
    assert_eq!(cut.await.unwrap(), None);
    service = Service::start(&cluster, &admin).await;
    // It is taken for one that runs as long as nobody misses its replica.
    let started_at = Instant::now();
    let done = loop {
        let parts = futures_util::stream::iter(rows.clone());
        if let Some(done) = admin.call(import(&admin, parts, &patient)).await {
            break done;
        }
        assert!(started_at.elapsed() < Duration::from_secs(60), "the import does not go on");
        tokio::time::sleep(Duration::from_secs(1)).await;
    };
    assert_eq!((&done["run"], &done["state"]), (&json!(2), &json!("finished")), "{done}");
    let counts = &done["rows"];
    assert_eq!((&counts["unchanged"], &counts["enrolled"]), (&json!(1), &json!(1)), "{done}");

    // 300 MB of photos that are none, and of rows that are none.
    let resident = |process: &Child| -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", process.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    };
    let before = resident(&service.process);
    let junk: Bytes = STANDARD.encode(vec![7; 2 << 20]).into();
    let parts = futures_util::stream::iter(0..110).flat_map(move |number| {
        let head = match number % 4 {
            0 => "\n{".to_owned(),
            _ => format!("\n{{\"badge_id\": \"J-{number}\", \"name\": \"x\", \"photo\": \""),
        };
        futures_util::stream::iter([head.into(), junk.clone(), Bytes::from_static(b"\"}")])
    });
    let done = admin.call(import(&admin, parts, &patient)).await.unwrap();
    assert_eq!(done["rows"]["refused"], 110, "{done}");
    assert!(done["bytes_read"].as_u64().unwrap() > 300_000_000, "{done}");
    let after = resident(&service.process);
    let grown = after.saturating_sub(before) / 1024;
    assert!(grown < 100, "{grown} MiB more than before");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_acknowledged_is_lost_when_the_service_or_postgres_is_killed() {
    let cluster = Cluster::start();
    let port = free_port();
    let key = migrated(&cluster, port);
    let client = Client::builder().no_proxy().timeout(Duration::from_secs(10)).build().unwrap();
    let admin = Admin { client, port, key };
    let mut service = Service::start(&cluster, &admin).await;

    let gate = admin.create("/v1/gates", json!({"name": "north", "debounce_ms": 0})).await.unwrap();
    let gate = id(&gate, "gate_id");
    let employee = admin.create("/v1/employees", json!({"name": "Obama"})).await.unwrap();
    admin.enrol(&employee, "obama-1.jpg").await.unwrap();

    let stop = Arc::new(AtomicBool::new(false));
    let passing: Vec<_> =
        (0..3).map(|_| tokio::spawn(pass(admin.clone(), gate, Arc::clone(&stop)))).collect();
    let enrolling = tokio::spawn(enrol(admin.clone(), Arc::clone(&stop)));
    for _ in 0..ROUNDS {
        tokio::time::sleep(PAUSE).await;
        service.kill();
        service = Service::start(&cluster, &admin).await;
        tokio::time::sleep(PAUSE).await;
        // The service goes on by itself once Postgres is back.
        cluster.restart(Signal::KILL);
    }
    tokio::time::sleep(PAUSE).await;
    stop.store(true, Ordering::Relaxed);
    let mut passages = Vec::new();
    for gate in passing {
        passages.extend(gate.await.unwrap());
    }
    let faces = enrolling.await.unwrap();

    let mut database = PgConnection::connect(&cluster.url).await.unwrap();
    assert!(passages.len() >= 3 * ROUNDS && faces.len() >= ROUNDS, "hardly anything went on");
    for (passage, decision) in &passages {
        let row = sqlx::query_scalar::<_, String>("select decision from passages where id = $1")
            .bind(passage)
            .fetch_optional(&mut database)
            .await
            .unwrap();
        assert_eq!(row.as_ref(), Some(decision), "the acknowledged passage {passage}");
    }
    let kept: i64 = sqlx::query_scalar("select count(*) from face_encodings where id = any($1)")
        .bind(&faces)
        .fetch_one(&mut database)
        .await
        .unwrap();
    assert_eq!(kept as usize, faces.len(), "acknowledged enrolments");
    println!("{} passages and {} enrolments acknowledged", passages.len(), faces.len());

    // As good as before: the person passes, and the stranger does not.
    let last = pass_once(&admin, gate, "obama-3.jpg").await;
    assert_eq!(last["decision"], "grant", "{last}");
    let stranger = pass_once(&admin, gate, "collins-1.jpg").await;
    assert_eq!(stranger["reason"], "unknown_person", "{stranger}");
}

async fn pass_once(admin: &Admin, gate: Uuid, photo: &str) -> Value {
    let passage = admin
        .frame(&format!("/v1/gates/{gate}/passages"), photo)
        .header("x-event-id", Uuid::new_v4().to_string())
        .header("x-captured-at", chrono::Utc::now().to_rfc3339());
    admin.call(passage).await.expect("a decision")
}
