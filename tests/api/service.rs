//! A service of its own for each test: built as `limen serve` builds it, on a free port.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use limen::config::{Config, DatabaseUrl, KeysText};
use limen::domain::Scope;
use limen::domain::{Author, GateId};
use limen::http::ApiKeyText;
use limen::server;
use limen::store::Store;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use sqlx::{ConnectOptions, PgPool};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, SemaphorePermit, oneshot};

use crate::answer::Answer;
use crate::{frame, promise};

/// Tests with a service at once: each holds networks in memory and connections to Postgres.
static TESTS: Semaphore = Semaphore::const_new(6);

/// The key that the tests' templates are sealed under.
pub const KEYS: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";

/// How long to wait for what happens in the background.
const PATIENCE: Duration = Duration::from_secs(15);

/// A running service and a client with a key for everything; stops when dropped.
pub struct TestService {
    pub address: SocketAddr,
    pub store: Store,
    key: String,
    client: reqwest::Client,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<anyhow::Result<()>>>,
    _permit: Option<SemaphorePermit<'static>>,
}

/// The configuration of a test: the defaults, with one worker and time for a slow machine.
pub fn config(pool: &PgPool) -> Config {
    let mut config = Config::default();
    config.database.url = DatabaseUrl(pool.connect_options().to_url_lossy().into());
    config.database.connections_max = 4;
    config.database.acquire_timeout_ms = 5_000;
    config.secrets.keys = Some(KeysText(KEYS.to_owned()));
    config.inference.workers = 1;
    config.inference.queue_max = 32;
    config.server.bind = (Ipv4Addr::LOCALHOST, 0).into();
    config.server.request_timeout_ms = 60_000;
    // Nothing is under way when most tests end; the others say how long they wait.
    config.server.shutdown_grace_ms = 20;
    config
}

/// The database of a configuration, with the keys to its templates.
pub async fn store(config: &Config) -> Store {
    let keyring = server::keyring(&config.secrets).await.expect("keys");
    let store = Store::connect(&config.database.store()).await.expect("a database");
    store.with_keyring(keyring)
}

impl TestService {
    /// Starts a service on the pool's database.
    pub async fn start(pool: &PgPool) -> Self {
        Self::start_with(pool, |_| {}).await
    }

    /// Starts a service whose configuration is changed.
    pub async fn start_with(pool: &PgPool, change: impl FnOnce(&mut Config)) -> Self {
        let permit = TESTS.acquire().await.unwrap();
        let mut service = Self::start_replica_with(pool, change).await;
        service._permit = Some(permit);
        service
    }

    /// Starts one more service on the database of another.
    pub async fn start_replica(pool: &PgPool) -> Self {
        Self::start_replica_with(pool, |_| {}).await
    }

    /// As [`start_replica`](Self::start_replica), with a configuration that is changed.
    pub async fn start_replica_with(pool: &PgPool, change: impl FnOnce(&mut Config)) -> Self {
        let mut config = config(pool);
        change(&mut config);
        let store = store(&config).await;
        let (stop, stopped) = oneshot::channel();
        let (listening, address) = oneshot::channel();
        // A runtime of its own, as in production: the test cannot slow the service down.
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(2)
                .enable_all()
                .build()?;
            runtime.block_on(async {
                let listener = TcpListener::bind(config.server.bind).await?;
                let address = listener.local_addr()?;
                listening.send(address).expect("the test waits");
                server::run(&config, listener, async { drop(stopped.await) }).await
            })
        });
        let mut service = Self {
            address: address.await.expect("a free port"),
            store,
            key: String::new(),
            client: client(),
            stop: Some(stop),
            thread: Some(thread),
            _permit: None,
        };
        service.become_ready().await;
        service.key = service.make_key(&[Scope::Admin, Scope::Gate], None).await;
        service
    }

    /// Waits until the networks and the gallery are loaded.
    async fn become_ready(&mut self) {
        while send(self.bare(Method::GET, "/readyz")).await.status != 200 {
            if self.thread.as_ref().is_some_and(JoinHandle::is_finished) {
                panic!("the service did not start: {:?}", self.join());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Makes an API key.
    pub async fn make_key(&self, scopes: &[Scope], gate: Option<GateId>) -> String {
        let key = ApiKeyText::generate().unwrap();
        let scopes = BTreeSet::from_iter(scopes.iter().copied());
        let draft = key.draft("test".parse().unwrap(), scopes, gate, None);
        self.store.create_key(&author(), &draft).await.unwrap();
        key.to_string()
    }

    /// A request with the key for everything.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.bare(method, path).bearer_auth(&self.key)
    }

    /// A request without a key.
    pub fn bare(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("http://{}{path}", self.address))
    }

    pub async fn get(&self, path: &str) -> Answer {
        send(self.request(Method::GET, path)).await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        send(self.request(Method::DELETE, path)).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Answer {
        send(self.request(Method::POST, path).json(&body)).await
    }

    pub async fn patch(&self, path: &str, body: Value) -> Answer {
        send(self.request(Method::PATCH, path).json(&body)).await
    }

    pub async fn put(&self, path: &str, body: Value) -> Answer {
        send(self.request(Method::PUT, path).json(&body)).await
    }

    /// Posts a fixture as the raw body.
    pub async fn post_frame(&self, path: &str, name: &str) -> Answer {
        let kind = frame::media_type(name);
        send(self.frame_request(path, frame::bytes(name), kind)).await
    }

    /// A request whose raw body is a frame.
    pub fn frame_request(&self, path: &str, bytes: Vec<u8>, kind: &str) -> RequestBuilder {
        self.request(Method::POST, path).header("content-type", kind).body(bytes)
    }

    /// Creates a gate with these settings beside its name; returns its id.
    pub async fn gate(&self, settings: Value) -> String {
        let body = json!({"name": "north", "frame_age_ms_max": 60_000, "debounce_ms": 0});
        self.created("/v1/gates", body, settings, "gate_id").await
    }

    /// Creates an employee with these fields beside the name; returns the id.
    pub async fn employee(&self, fields: Value) -> String {
        self.created("/v1/employees", json!({"name": "Somebody"}), fields, "employee_id").await
    }

    /// Creates a site with these settings beside its name and clocks; returns its id.
    pub async fn site(&self, settings: Value) -> String {
        let body = json!({"name": "campus", "time_zone": "Europe/Berlin"});
        self.created("/v1/sites", body, settings, "site_id").await
    }

    /// Creates a zone of a site with these settings beside its name; returns its id.
    pub async fn zone(&self, site: &str, settings: Value) -> String {
        let body = json!({"site_id": site, "name": "hall"});
        self.created("/v1/zones", body, settings, "zone_id").await
    }

    /// Creates a schedule with these settings beside its name and hours, which are those of a working day;
    /// returns its id.
    pub async fn schedule(&self, settings: Value) -> String {
        let days = ["monday", "tuesday", "wednesday", "thursday", "friday"];
        let hours = json!([{"days": days, "from": "07:00", "until": "19:00"}]);
        let body = json!({"name": "office", "hours": hours});
        self.created("/v1/schedules", body, settings, "schedule_id").await
    }

    /// Creates an access group with these settings beside its name; returns its id.
    pub async fn group(&self, settings: Value) -> String {
        self.created("/v1/access-groups", json!({"name": "staff"}), settings, "group_id").await
    }

    async fn created(&self, path: &str, mut body: Value, fields: Value, member: &str) -> String {
        body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        id(&self.post(path, body).await.expect(201), member)
    }

    /// The ids of a list, read in pages of two.
    pub async fn ids(&self, path: &str, member: &str) -> Vec<String> {
        let mut ids = Vec::new();
        let mut query = "limit=2".to_owned();
        loop {
            let page = self.get(&format!("{path}?{query}")).await.expect(200);
            let items = page["items"].as_array().unwrap();
            assert!(items.len() <= 2, "{page}");
            ids.extend(items.iter().map(|row| id(row, member)));
            let Some(cursor) = page["next_cursor"].as_str() else {
                return ids;
            };
            query = format!("limit=2&cursor={cursor}");
        }
    }

    /// Enrols a photo; returns the face's id.
    pub async fn enrol(&self, employee: &str, photo: &str) -> String {
        let path = format!("/v1/employees/{employee}/faces");
        id(&self.post_frame(&path, photo).await.expect(201), "face_id")
    }

    /// Creates an employee who is enrolled with a photo; returns the id.
    pub async fn enrolled(&self, photo: &str) -> String {
        let employee = self.employee(json!({})).await;
        self.enrol(&employee, photo).await;
        employee
    }

    /// Sets an employee's status.
    pub async fn set_status(&self, employee: &str, status: &str) {
        let path = format!("/v1/employees/{employee}");
        self.patch(&path, json!({"status": status})).await.expect(200);
    }

    /// The trail, the newest first.
    pub async fn trail(&self) -> Vec<Value> {
        let page = self.get("/v1/passages?limit=500").await.expect(200);
        page["items"].as_array().unwrap().clone()
    }

    /// The gauge or counter of this name (with its labels).
    pub async fn metric(&self, name: &str) -> f64 {
        let text = send(self.bare(Method::GET, "/metrics")).await.text;
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("no {name} in {text}")).parse().unwrap()
    }

    /// Checks that the service is alive and can decide.
    pub async fn assert_ready(&self) {
        send(self.bare(Method::GET, "/healthz")).await.expect(200);
        send(self.bare(Method::GET, "/readyz")).await.expect(200);
    }

    /// Tells the service to stop, without waiting for it.
    pub fn begin_stop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
    }

    /// Waits until the service has stopped; returns what `run` returned.
    pub fn join(&mut self) -> Option<anyhow::Result<()>> {
        self.thread.take().map(|thread| thread.join().expect("the service panicked"))
    }
}

impl Drop for TestService {
    fn drop(&mut self) {
        self.begin_stop();
        // A test that already failed says why by itself.
        let thread = self.thread.take().map(JoinHandle::join);
        if let (Some(ended), false) = (thread, std::thread::panicking()) {
            ended.expect("the service panicked").expect("the service failed");
        }
    }
}

/// As whom the tests change something without the API.
pub fn author() -> Author {
    Author::command("key create", "the tests")
}

fn client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(90)).build().unwrap()
}

/// Sends a request, reads the answer whole and holds it against the contract.
pub async fn send(request: RequestBuilder) -> Answer {
    let (client, request) = request.build_split();
    let request = request.expect("a request");
    let (method, path) = (request.method().clone(), request.url().path().to_owned());
    let answer = Answer::read(client.execute(request).await.expect("an answer")).await;
    promise::assert_kept(&method, &path, &answer);
    answer
}

/// A member of an answer that is an id.
#[track_caller]
pub fn id(answer: &Value, member: &str) -> String {
    answer[member].as_str().unwrap_or_else(|| panic!("no {member} in {answer}")).to_owned()
}

/// Tries again until `probe` is true.
pub async fn eventually(what: &str, mut probe: impl AsyncFnMut() -> bool) {
    let started_at = Instant::now();
    while !probe().await {
        assert!(started_at.elapsed() < PATIENCE, "not within {PATIENCE:?}: {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
