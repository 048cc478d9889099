//! Clients that do not speak HTTP as they should: slow, silent, cut off, malformed.

use std::cell::RefCell;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use serde_json::json;
use sqlx::PgPool;

use crate::passage::Passage;
use crate::service::{TestService, eventually};

const PATIENCE: Duration = Duration::from_secs(10);

/// What a raw connection got: the bytes until the service closed it, and after how long.
struct Ending {
    text: String,
    after: Duration,
}

impl Ending {
    fn status(&self) -> Option<u16> {
        self.text.split(' ').nth(1)?.parse().ok()
    }
}

/// Writes `pieces` with a pause before each, then reads until the service closes the connection.
async fn talk(
    address: SocketAddr,
    pieces: Vec<Vec<u8>>,
    pause: Duration,
    half_close: bool,
) -> Ending {
    let sent = String::from_utf8_lossy(&pieces.concat()).into_owned();
    let talking = tokio::task::spawn_blocking(move || {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let started_at = Instant::now();
        for piece in pieces {
            std::thread::sleep(pause);
            // The service may have hung up already; what it said can still be read.
            if stream.write_all(&piece).is_err() {
                break;
            }
        }
        if half_close {
            let _ = stream.shutdown(Shutdown::Write);
        }
        let mut bytes = Vec::new();
        if let Err(error) = stream.read_to_end(&mut bytes) {
            let hung = matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut);
            assert!(!hung, "still open after {PATIENCE:?}: {sent:.60?}");
        }
        let text = String::from_utf8_lossy(&bytes).into_owned();
        Ending { text, after: started_at.elapsed() }
    });
    talking.await.unwrap()
}

async fn impatient(pool: &PgPool) -> TestService {
    TestService::start_with(pool, |config| {
        config.server.header_timeout_ms = 500;
        config.server.request_timeout_ms = 1_000;
    })
    .await
}

#[sqlx::test]
async fn a_slow_head_and_a_silent_client_are_cut_off(pool: PgPool) {
    let service = impatient(&pool).await;
    for (what, piece) in [
        ("a head that never ends", "GET /healthz HTTP/1.1\r\nhost: x\r\n"),
        ("a first byte", "G"),
        ("nothing", ""),
    ] {
        let ending = talk(service.address, vec![piece.into()], Duration::ZERO, false).await;
        assert!(ending.after < Duration::from_secs(4), "{what}: after {:?}", ending.after);
        assert!(!ending.text.starts_with("HTTP/1.1 2"), "{what}: {}", ending.text);
    }
    service.assert_ready().await;
}

#[sqlx::test]
async fn a_slow_body_is_answered_with_408(pool: PgPool) {
    let service = impatient(&pool).await;
    let key = service.make_key(&[limen::domain::Scope::Gate], None).await;
    let head = format!(
        "POST /v1/recognize HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\n\
         content-type: image/jpeg\r\ncontent-length: 1000\r\n\r\n"
    );
    let mut pieces = vec![head.into_bytes()];
    pieces.extend((0..30).map(|_| vec![0xff]));
    let ending = talk(service.address, pieces, Duration::from_millis(100), false).await;
    assert_eq!(ending.status(), Some(408), "{}", ending.text);
    assert!(
        ending.text.contains("application/problem+json") && ending.text.contains("\"timeout\"")
    );
    service.assert_ready().await;
}

#[sqlx::test]
async fn a_connection_that_breaks_off_harms_nobody(pool: PgPool) {
    let service = impatient(&pool).await;
    let key = service.make_key(&[limen::domain::Scope::Gate], None).await;
    let head = |length: &str| {
        format!(
            "POST /v1/recognize HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\n\
             content-type: image/jpeg\r\n{length}\r\n\r\n"
        )
    };
    for cut in [
        format!("{}half a bo", head("content-length: 1000")),
        format!("{}5\r\nhal", head("transfer-encoding: chunked")),
        format!("{}zz\r\nnot a length\r\n", head("transfer-encoding: chunked")),
        "POST /v1/recogn".to_owned(),
    ] {
        let ending = talk(service.address, vec![cut.into()], Duration::ZERO, true).await;
        let status = ending.status().unwrap_or(400);
        assert!((400..500).contains(&status), "{}", ending.text);
    }
    service.assert_ready().await;
}

#[sqlx::test]
async fn what_is_not_http_is_refused(pool: PgPool) {
    let service = impatient(&pool).await;
    for bytes in [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec(),
        b"\x00\x00\x00\x00\r\n\r\n".to_vec(),
        b"GET\r\n\r\n".to_vec(),
        b"GET /healthz HTTP/9.9\r\n\r\n".to_vec(),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nnot a frame at all".to_vec(),
        b"GET /v1/gates HTTP/1.1\r\nhost: x\r\nx-no-colon\r\n\r\n".to_vec(),
        b"CONNECT example.com:443 HTTP/1.1\r\nhost: example.com\r\n\r\n".to_vec(),
        b"OPTIONS * HTTP/1.1\r\nhost: x\r\n\r\n".to_vec(),
        b"POST /v1/gates HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n".to_vec(),
        b"POST /v1/gates HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n"
            .to_vec(),
        format!("GET /{} HTTP/1.1\r\nhost: x\r\n\r\n", "x".repeat(1 << 20)).into_bytes(),
        format!("GET /healthz HTTP/1.1\r\nhost: x\r\nx: {}\r\n\r\n", "y".repeat(1 << 20))
            .into_bytes(),
        format!("GET /healthz HTTP/1.1\r\nhost: x\r\n{}\r\n", "a: b\r\n".repeat(1_000))
            .into_bytes(),
    ] {
        let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(40)]).into_owned();
        let ending = talk(service.address, vec![bytes], Duration::ZERO, true).await;
        let status = ending.status().unwrap_or(400);
        assert!((400..500).contains(&status), "{shown:?}: {}", ending.text);
    }
    service.assert_ready().await;
}

#[sqlx::test]
async fn a_client_that_hangs_up_frees_its_place(pool: PgPool) {
    let service = TestService::start_with(&pool, |config| config.server.connections_max = 3).await;
    let silent: Vec<_> = (0..3).map(|_| TcpStream::connect(service.address).unwrap()).collect();
    drop(silent);
    service.assert_ready().await;
}

#[sqlx::test]
async fn what_others_keep_in_memory_leaves_no_room_until_they_are_gone(pool: PgPool) {
    let service = TestService::start_with(&pool, |config| {
        config.road.frame.bytes_max = 200_000;
        config.server.frames_per_passage_max = 1;
        config.server.frame_bytes_in_flight_max = 200_000;
    })
    .await;
    let gate = service.gate(json!({})).await;
    // The head of a passage and most of what it announces.
    let hold = || {
        let mut slow = TcpStream::connect(service.address).unwrap();
        let head = Passage::of("obama-3.jpg").request(&service, &gate).build().unwrap();
        let mut text = format!("POST {} HTTP/1.1\r\nhost: limen\r\n", head.url().path());
        for (name, value) in head.headers() {
            text += &format!("{name}: {}\r\n", value.to_str().unwrap());
        }
        text += "content-length: 190000\r\n\r\n";
        slow.write_all(&[text.as_bytes(), &[0; 180_000]].concat()).unwrap();
        slow
    };
    let slow = RefCell::new(hold());
    eventually("there is no room", async || {
        let refused = Passage::of("obama-3.jpg").send(&service, &gate).await.status == 429;
        if !refused {
            // The passage came first, and it was the slow one that found no room.
            slow.replace(hold());
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        refused
    })
    .await;
    drop(slow);
    eventually("there is room again", async || {
        Passage::of("obama-3.jpg").send(&service, &gate).await.status == 200
    })
    .await;
}
