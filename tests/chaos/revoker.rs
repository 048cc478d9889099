//! An admin who takes a right away at any replica, and gives it back, again and again.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use rand::Rng;
use rand::rngs::StdRng;
use reqwest::Method;
use serde_json::{Value, json};

use crate::history::{Lost, Revocation};
use crate::world::{Person, World, insist};

/// What is sent to take a right away.
struct Change {
    method: Method,
    path: String,
    body: Option<Value>,
    lost: Lost,
}

impl Change {
    fn any(person: &Person, chance: &mut StdRng) -> Self {
        let employee = format!("/v1/employees/{}", person.employee);
        let group = format!("/v1/access-groups/{}", person.group);
        let gate = if chance.random() { person.street } else { person.hall };
        let key = person.key.read().id;
        let (method, path, body, lost) = match chance.random_range(0..7) {
            0 => (Method::PATCH, employee, json!({"status": "revoked"}), Lost::Standing),
            1 => (Method::PATCH, employee, json!({"status": "suspended"}), Lost::Standing),
            2 => (Method::PATCH, employee, json!({"status": "blocked"}), Lost::Standing),
            3 => (Method::PATCH, employee, json!({"badge_id": null}), Lost::Badge),
            4 => {
                let member = format!("{group}/members/{}", person.employee);
                (Method::DELETE, member, Value::Null, Lost::Gate(person.hall))
            }
            5 => {
                let path = format!("/v1/gates/{gate}");
                (Method::PATCH, path, json!({"enabled": false}), Lost::Gate(gate))
            }
            _ => (Method::DELETE, format!("/v1/keys/{key}"), Value::Null, Lost::Key(key)),
        };
        Self { method, path, body: Some(body).filter(|body| !body.is_null()), lost }
    }

    /// Whether a replica says that it is done.
    async fn is_acknowledged(&self, world: &World, replica: usize) -> bool {
        let answer = world.call(replica, self.method.clone(), &self.path, self.body.as_ref()).await;
        let Some((status, body)) = answer else { return false };
        // Of a removal whose answer was lost the next one finds nothing.
        let gone = self.method == Method::DELETE && status == 404;
        let refused = status.is_client_error() && status != 429 && !gone;
        assert!(!refused, "{} {}: {status} {body}", self.method, self.path);
        status.is_success() || gone
    }
}

/// Revokes and reinstates a person until told to stop; they are reinstated at the end.
pub async fn revoke(world: &World, number: usize, mut chance: StdRng) {
    let person = &world.people[number];
    while !world.stop.load(Ordering::Relaxed) {
        pause(&mut chance, 200..1_500).await;
        let change = Change::any(person, &mut chance);
        let sent_at = Instant::now();
        insist("the revocation is acknowledged", async || {
            let replica = chance.random_range(0..world.replicas.len());
            change.is_acknowledged(world, replica).await.then_some(())
        })
        .await;
        let acknowledged_at = Instant::now();
        let acknowledged_clock = world.clock().await;
        pause(&mut chance, 300..1_500).await;
        let ended_clock = world.clock().await;
        let ended_at = Instant::now();
        world.reinstate(person, change.lost).await;
        let (person, lost) = (number, change.lost);
        world.history.lock().revocations.push(Revocation {
            person,
            lost,
            sent_at,
            acknowledged_at,
            acknowledged_clock,
            ended_at,
            ended_clock,
        });
    }
}

async fn pause(chance: &mut StdRng, ms: std::ops::Range<u64>) {
    tokio::time::sleep(Duration::from_millis(chance.random_range(ms))).await;
}
