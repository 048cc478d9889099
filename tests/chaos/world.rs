//! The replicas, the people with their gates, and the ways to reach them.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use limen::config::{Config, DatabaseUrl, KeysText};
use limen::domain::{
    Author, EmployeeId, EmployeeStatus, GateId, GroupId, KeyName, Scope, Validity,
};
use limen::http::ApiKeyText;
use limen::server::keyring;
use limen::store::{EmployeeChange, GateChange, Member, Store, StoreError};
use parking_lot::{Mutex, RwLock};
use reqwest::{Client, Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;
use uuid::Uuid;

use crate::cluster::{Cluster, KEYS, PATIENCE, free_port, migrated};
use crate::history::{History, Lost};
use crate::replica::Replica;

/// How long a client waits for an answer.
const CLIENT_TIMEOUT: Duration = Duration::from_secs(2);

/// How far the replicas are from Postgres, one way. The farther, the longer a passage's transaction is under way,
/// and the likelier a revocation falls into it.
const DELAYS: [Duration; 3] = [Duration::ZERO, Duration::from_millis(8), Duration::from_millis(25)];

const PHOTOS: [&[&str]; 4] = [
    &["obama-1.jpg", "obama-2.jpg", "obama-3.jpg"],
    &["biden-1.jpg"],
    &["collins-1.jpg"],
    &["hopper-1.jpg"],
];

pub struct World {
    pub replicas: [Arc<Replica>; 3],
    pub people: Vec<Person>,
    pub history: Mutex<History>,
    pub stop: AtomicBool,
    /// Postgres starts again once at a time.
    pub restarts: tokio::sync::Mutex<()>,
    /// To Postgres without a line that fails: for its clock, and the trail.
    pub direct: PgPool,
    store: Store,
    client: Client,
    admin_key: String,
}

/// Somebody with gates of their own.
pub struct Person {
    pub employee: Uuid,
    pub badge: String,
    /// In no zone.
    pub street: Uuid,
    /// In a zone that their group may enter.
    pub hall: Uuid,
    pub group: Uuid,
    pub photos: &'static [&'static str],
    /// What their gates have at the moment.
    pub key: RwLock<Key>,
}

#[derive(Clone)]
pub struct Key {
    pub id: Uuid,
    pub text: String,
}

impl World {
    /// Three replicas and four people who may pass.
    pub async fn begin(cluster: &Cluster) -> Self {
        let admin_key = migrated(cluster, free_port());
        let (_, folder) = cluster.url.split_once("host=").expect("a socket");
        let socket = Path::new(folder).join(".s.PGSQL.5432");
        let direct = PgPoolOptions::new().max_connections(4).connect(&cluster.url).await.unwrap();
        let mut world = Self {
            replicas: [
                Replica::start(&socket, DELAYS[0]).await,
                Replica::start(&socket, DELAYS[1]).await,
                Replica::start(&socket, DELAYS[2]).await,
            ],
            people: Vec::new(),
            history: Mutex::default(),
            stop: AtomicBool::new(false),
            restarts: tokio::sync::Mutex::default(),
            direct,
            store: store(cluster).await,
            client: Client::builder().no_proxy().timeout(CLIENT_TIMEOUT).build().unwrap(),
            admin_key,
        };
        world.become_ready().await;
        let zone = world.zone().await;
        for (number, photos) in PHOTOS.into_iter().enumerate() {
            let person = world.person(number, photos, &zone).await;
            world.people.push(person);
        }
        world
    }

    /// Waits until every replica is ready.
    pub async fn become_ready(&self) {
        for replica in 0..self.replicas.len() {
            let ready = async || self.call(replica, Method::GET, "/readyz", None).await;
            insist("the replica is ready", async || ready().await.filter(|it| it.0 == 200)).await;
        }
    }

    /// A request at a replica.
    pub fn request(&self, replica: usize, method: Method, path: &str) -> RequestBuilder {
        let port = self.replicas[replica].port;
        self.client.request(method, format!("http://127.0.0.1:{port}{path}"))
    }

    /// What a replica answers to an admin; none when it does not answer.
    pub async fn call(
        &self,
        replica: usize,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Option<(StatusCode, Value)> {
        let request = self.request(replica, method, path).bearer_auth(&self.admin_key);
        let request = match body {
            Some(body) => request.json(body),
            None => request,
        };
        let answer = request.send().await.ok()?;
        let (status, bytes) = (answer.status(), answer.bytes().await.ok()?);
        Some((status, serde_json::from_slice(&bytes).unwrap_or_default()))
    }

    /// The time by Postgres.
    pub async fn clock(&self) -> DateTime<Utc> {
        let now = async || {
            sqlx::query_scalar("select clock_timestamp()").fetch_one(&self.direct).await.ok()
        };
        insist("Postgres tells the time", now).await
    }

    /// Gives a right back. Not at a replica: of an attempt there that was not answered nobody would know whether it is
    /// still under way, to be granted after the next revocation. Here it has ended when it fails.
    pub async fn reinstate(&self, person: &Person, lost: Lost) {
        let attempt = async || self.try_reinstate(person, lost).await.ok();
        insist("the person is reinstated", attempt).await;
    }

    /// Gives everything back.
    pub async fn reinstate_whole(&self, person: &Person) {
        for lost in [Lost::Standing, Lost::Gate(person.street), Lost::Gate(person.hall)] {
            self.reinstate(person, lost).await;
        }
        let key = person.key.read().id;
        self.reinstate(person, Lost::Key(key)).await;
    }

    async fn try_reinstate(&self, person: &Person, lost: Lost) -> Result<(), StoreError> {
        let (store, author) = (&self.store, author());
        let employee_id = EmployeeId(person.employee);
        match lost {
            Lost::Standing | Lost::Badge => {
                let change = EmployeeChange {
                    status: Some(EmployeeStatus::Active),
                    badge_id: Some(Some(person.badge.parse().unwrap())),
                    ..EmployeeChange::default()
                };
                store.change_employee(&author, employee_id, change).await?;
            }
            Lost::Gate(gate) => {
                let change = GateChange { enabled: Some(true), ..GateChange::default() };
                store.change_gate(&author, GateId(gate), change).await?;
                let (group_id, validity) = (GroupId(person.group), Validity::default());
                let member = Member { group_id, employee_id, validity };
                store.set_member(&author, member).await?;
            }
            Lost::Key(_) => {
                let key = make_key(store).await?;
                *person.key.write() = key;
            }
        }
        Ok(())
    }

    async fn created(&self, path: &str, body: Value, member: &str) -> Uuid {
        let (_, answer) = self.call(0, Method::POST, path, Some(&body)).await.expect("an answer");
        let id = answer[member].as_str().and_then(|id| id.parse().ok());
        id.unwrap_or_else(|| panic!("no {member} in {answer}"))
    }

    /// A zone and a schedule that always holds, as the rule that lets a group in.
    async fn zone(&self) -> Value {
        let site = json!({"name": "works", "time_zone": "Europe/Berlin"});
        let site = self.created("/v1/sites", site, "site_id").await;
        let zone = json!({"site_id": site, "name": "hall"});
        let zone = self.created("/v1/zones", zone, "zone_id").await;
        let days = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];
        let hours = json!([{"days": days, "from": "00:00", "until": "24:00"}]);
        let schedule = json!({"name": "always", "hours": hours});
        let schedule = self.created("/v1/schedules", schedule, "schedule_id").await;
        json!({"zone_id": zone, "schedule_id": schedule})
    }

    async fn person(&self, number: usize, photos: &'static [&'static str], rule: &Value) -> Person {
        let badge = format!("badge-{number}");
        let employee = json!({"name": photos[0], "badge_id": badge});
        let employee = self.created("/v1/employees", employee, "employee_id").await;
        let enrolled = self
            .request(0, Method::POST, &format!("/v1/employees/{employee}/faces"))
            .bearer_auth(&self.admin_key)
            .header("content-type", "image/jpeg")
            .body(photo(photos[0]));
        assert_eq!(enrolled.send().await.unwrap().status(), StatusCode::CREATED);
        let group = json!({"name": format!("group {number}"), "rules": [rule]});
        let group = self.created("/v1/access-groups", group, "group_id").await;
        let mut gates = Vec::new();
        for (name, zone) in [("street", &Value::Null), ("hall", &rule["zone_id"])] {
            // The age leaves time to repeat an event; a liveness that a fixture misses is none of this test.
            let gate = json!({"name": format!("{name} {number}"), "zone_id": zone,
                "frame_age_ms_max": 60_000, "liveness_threshold": null, "debounce_ms": 0});
            gates.push(self.created("/v1/gates", gate, "gate_id").await);
        }
        let [street, hall] = gates[..] else { unreachable!("two gates") };
        let key = RwLock::new(make_key(&self.store).await.unwrap());
        let person = Person { employee, badge, street, hall, group, photos, key };
        self.reinstate_whole(&person).await;
        person
    }
}

/// The bytes of a fixture.
pub fn photo(name: &str) -> Vec<u8> {
    std::fs::read(format!("tests/fixtures/{name}")).unwrap()
}

/// Tries until it succeeds.
pub async fn insist<T>(what: &str, mut attempt: impl AsyncFnMut() -> Option<T>) -> T {
    let begun_at = Instant::now();
    loop {
        if let Some(done) = attempt().await {
            return done;
        }
        assert!(begun_at.elapsed() < PATIENCE, "not within {PATIENCE:?}: {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn store(cluster: &Cluster) -> Store {
    let mut config = Config::default();
    config.database.url = DatabaseUrl(cluster.url.clone());
    config.secrets.keys = Some(KeysText(KEYS.to_owned()));
    let keyring = keyring(&config.secrets).await.unwrap();
    Store::connect(&config.database.store()).await.unwrap().with_keyring(keyring)
}

async fn make_key(store: &Store) -> Result<Key, StoreError> {
    let key = ApiKeyText::generate().unwrap();
    let name: KeyName = "turnstile".parse().unwrap();
    let draft = key.draft(name, [Scope::Gate].into(), None, None);
    store.create_key(&author(), &draft).await?;
    Ok(Key { id: draft.id.0, text: key.to_string() })
}

fn author() -> Author {
    Author::command("chaos", "the tests")
}
