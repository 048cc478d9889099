//! A service that is told to stop answers what it accepted.

use std::io::{Read, Write};
use std::net::TcpStream;

use futures_util::future::join_all;
use serde_json::json;
use sqlx::PgPool;

use crate::passage::Passage;
use crate::service::{TestService, eventually};

#[sqlx::test]
async fn requests_in_flight_are_answered_before_the_service_ends(pool: PgPool) {
    let mut service = TestService::start_with(&pool, |config| {
        config.server.metrics_public = true;
        config.server.shutdown_grace_ms = 60_000;
    })
    .await;
    let gate = service.gate(json!({})).await;
    service.enrolled("obama-1.jpg").await;

    let requests: Vec<_> =
        (0..12).map(|_| Passage::of("obama-3.jpg").request(&service, &gate)).collect();
    let in_flight = tokio::spawn(join_all(requests.into_iter().map(crate::service::send)));
    eventually("frames are waiting", async || {
        service.metric("limen_inference_queue_depth").await >= 4.0
    })
    .await;
    service.begin_stop();

    for answer in in_flight.await.unwrap() {
        assert_eq!(answer.expect(200)["decision"], "grant");
    }
    let address = service.address;
    let ended = tokio::task::spawn_blocking(move || service.join()).await.unwrap();
    ended.unwrap().unwrap();
    assert!(TcpStream::connect(address).is_err(), "nobody listens any more");
    let recorded: i64 =
        sqlx::query_scalar("select count(*) from passages").fetch_one(&pool).await.unwrap();
    assert_eq!(recorded, 12);
}

#[sqlx::test]
async fn a_request_that_follows_the_signal_on_an_open_connection_is_answered(pool: PgPool) {
    let mut service =
        TestService::start_with(&pool, |config| config.server.shutdown_grace_ms = 60_000).await;
    let mut connections: Vec<_> =
        (0..20).map(|_| TcpStream::connect(service.address).unwrap()).collect();
    service.begin_stop();
    std::thread::sleep(std::time::Duration::from_millis(20));
    for mut connection in connections.drain(..) {
        connection.write_all(b"GET /healthz HTTP/1.1\r\nhost: limen\r\n\r\n").unwrap();
        let mut answer = String::new();
        connection.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        assert!(answer.contains("connection: close"), "{answer}");
    }
    let ended = tokio::task::spawn_blocking(move || service.join()).await.unwrap();
    ended.unwrap().unwrap();
}

#[sqlx::test]
async fn silent_connections_do_not_hold_up_the_end(pool: PgPool) {
    let mut service =
        TestService::start_with(&pool, |config| config.server.shutdown_grace_ms = 60_000).await;
    let silent = TcpStream::connect(service.address).unwrap();
    service.assert_ready().await;
    let begun_at = std::time::Instant::now();
    service.begin_stop();
    let ended = tokio::task::spawn_blocking(move || service.join()).await.unwrap();
    ended.unwrap().unwrap();
    assert!(begun_at.elapsed().as_secs() < 10, "{:?}", begun_at.elapsed());
    drop(silent);
}
