//! A turnstile with a person before it: passages at any replica, repeated as firmware does.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use reqwest::Method;
use uuid::Uuid;

use crate::history::{Access, Answer, Attempt};
use crate::world::{World, photo};

/// How often an event is sent at most.
const ATTEMPTS_MAX: usize = 4;

/// What the firmware sends, again and again.
pub struct Event {
    pub person: usize,
    pub gate: Uuid,
    pub photo: &'static str,
    pub by_badge: bool,
    id: Uuid,
    captured_at: DateTime<Utc>,
}

impl Event {
    pub fn new(person: usize, gate: Uuid, photo: &'static str, by_badge: bool) -> Self {
        Self { person, gate, photo, by_badge, id: Uuid::new_v4(), captured_at: Utc::now() }
    }

    /// Sends it to a replica; returns what came of it.
    pub async fn send(&self, world: &World, replica: usize) -> Attempt {
        let person = &world.people[self.person];
        let key = person.key.read().clone();
        let request = world
            .request(replica, Method::POST, &format!("/v1/gates/{}/passages", self.gate))
            .bearer_auth(&key.text)
            .header("x-event-id", self.id.to_string())
            .header("x-captured-at", self.captured_at.to_rfc3339())
            .header("content-type", "image/jpeg")
            .body(photo(self.photo));
        let request =
            if self.by_badge { request.header("x-badge-id", &person.badge) } else { request };
        let sent_at = Instant::now();
        let answer = match request.send().await {
            Ok(answer) if answer.status() == 200 => answer.json::<Answer>().await.ok(),
            _ => None,
        };
        let access =
            Access { person: self.person, gate: self.gate, key: key.id, by_badge: self.by_badge };
        let (event, ended_at) = (self.id, Instant::now());
        Attempt { access, event, replica, sent_at, ended_at, answer }
    }
}

/// Lets a person pass one of their gates after the other until told to stop.
pub async fn turn(world: &World, number: usize, mut chance: StdRng) {
    while !world.stop.load(Ordering::Relaxed) {
        let person = &world.people[number];
        let gate = if chance.random() { person.street } else { person.hall };
        let photo = person.photos.choose(&mut chance).expect("a photo");
        let event = Event::new(number, gate, photo, chance.random_bool(0.4));
        for _ in 0..ATTEMPTS_MAX {
            let replica = chance.random_range(0..world.replicas.len());
            let attempt = event.send(world, replica).await;
            // What has an answer is asked for again too: the answer may have been lost on its way.
            let again = attempt.answer.is_none() || chance.random_bool(0.4);
            world.history.lock().attempts.push(attempt);
            let pause = if chance.random() { 0..20 } else { 0..1_000 };
            tokio::time::sleep(Duration::from_millis(chance.random_range(pause))).await;
            if !again {
                break;
            }
        }
    }
}
