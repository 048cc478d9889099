//! Sends the requests.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::Context;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE};
use reqwest::{Client, Url};
use tokio::time::{Instant, sleep_until};
use uuid::Uuid;

use super::LoadFrame;
use super::tally::{Answer, Tally};

/// What is to be sent, where and how fast.
pub(super) struct Load {
    pub url: Url,
    pub frames: Vec<LoadFrame>,
    pub connections: usize,
    /// Requests a second; none: each connection asks again at once.
    pub rate: Option<f64>,
    pub warm_up: Duration,
    pub duration: Duration,
    pub timeout: Duration,
    pub key: Option<String>,
}

/// Loads until the time is over and every request is answered, and tells how long that took without the warm-up. Requests
/// that should have started in the measured time count, whenever they are answered: a service that falls behind a rate is
/// asked on until it has caught up.
pub(super) async fn drive(load: Load) -> anyhow::Result<(Tally, Duration)> {
    let load = Arc::new(load);
    let client = Client::builder()
        .timeout(load.timeout)
        .pool_max_idle_per_host(load.connections)
        .no_proxy()
        .build()
        .context("no HTTP client")?;
    let started = Arc::new(AtomicUsize::new(0));
    let start = Instant::now();
    let connections: Vec<_> = (0..load.connections)
        .map(|_| {
            let (load, client) = (Arc::clone(&load), client.clone());
            tokio::spawn(connection(load, client, Arc::clone(&started), start))
        })
        .collect();
    let mut tally = Tally::default();
    for connection in connections {
        tally.add(&connection.await?);
    }
    // At a low rate a connection has nothing to wait for before the end.
    let took = start.elapsed().saturating_sub(load.warm_up);
    Ok((tally, took.max(load.duration)))
}

/// One connection's share.
async fn connection(
    load: Arc<Load>,
    client: Client,
    started: Arc<AtomicUsize>,
    start: Instant,
) -> Tally {
    let measured_from = start + load.warm_up;
    let end = measured_from + load.duration;
    let mut tally = Tally::default();
    loop {
        let number = started.fetch_add(1, Ordering::Relaxed);
        let due = match load.rate {
            Some(rate) => start + Duration::from_secs_f64(number as f64 / rate),
            None => Instant::now(),
        };
        if due >= end {
            return tally;
        }
        sleep_until(due).await;
        let answer = ask(&load, &client, number).await;
        if due >= measured_from {
            // From when it was due: a wait for a free connection is the service's doing.
            tally.count(answer, due.elapsed());
        }
    }
}

async fn ask(load: &Load, client: &Client, number: usize) -> Answer {
    let frame = &load.frames[number % load.frames.len()];
    let mut request = client
        .post(load.url.clone())
        .header(CONTENT_TYPE, frame.media_type)
        // What a passage needs; nothing else reads them.
        .header("x-event-id", Uuid::now_v7().to_string())
        .header("x-captured-at", chrono::Utc::now().to_rfc3339())
        .body(frame.bytes.clone());
    if let Some(key) = &load.key {
        request = request.header(AUTHORIZATION, format!("Bearer {key}"));
    }
    let response = match request.send().await {
        Ok(response) => response,
        Err(error) => return Answer::failed(&error),
    };
    let status = response.status();
    match response.bytes().await {
        Ok(body) => Answer::of(status, &body),
        Err(error) => Answer::failed(&error),
    }
}
