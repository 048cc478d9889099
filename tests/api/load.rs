//! `limen load` against a service: it counts what the service says, and says what it could not get.

use std::path::Path;
use std::process::Command;

use limen::domain::Scope;
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::frame;
use crate::service::TestService;

/// Runs `limen load` for a second on a folder with these fixtures; its exit code and its report.
async fn load(service: &TestService, frames: &[&str], arguments: &[&str]) -> (i32, Value) {
    let folder = tempfile::tempdir().unwrap();
    for name in frames {
        std::fs::write(folder.path().join(name), frame::bytes(name)).unwrap();
    }
    let address = service.address.to_string();
    let key = service.make_key(&[Scope::Gate], None).await;
    load_from(folder.path(), &address, &key, arguments).await
}

async fn load_from(frames: &Path, address: &str, key: &str, arguments: &[&str]) -> (i32, Value) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_limen"));
    command.args(["load", "--json", "--warm-up", "0s", "--duration", "1s"]).args(arguments);
    command.args(["--url", &format!("http://{address}"), "--frames"]).arg(frames);
    command.env("LIMEN_KEY", key);
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let report = serde_json::from_str(&text)
        .unwrap_or_else(|_| panic!("{text}{}", String::from_utf8_lossy(&output.stderr)));
    (output.status.code().unwrap(), report)
}

#[sqlx::test]
async fn answers_are_counted_by_outcome_and_timed(pool: PgPool) {
    let service = TestService::start(&pool).await;
    let frames = ["obama-3.jpg", "no-face-rocket.jpg"];
    for pace in [&["--connections", "2"][..], &["--rate", "5"]] {
        let (code, report) = load(&service, &frames, pace).await;
        assert_eq!(code, 0, "{report}");
        let count = |outcome: &str| report["outcomes"][outcome].as_u64().unwrap_or(0);
        assert!(count("unknown") > 0 && count("no_face") > 0, "{report}");
        assert_eq!(report["answered"], count("unknown") + count("no_face"), "{report}");
        assert_eq!(report["errors"], json!({}));
        let latency = |name: &str| report["latency_ms"][name].as_f64().unwrap();
        assert!(0.0 < latency("p50") && latency("p50") <= latency("max"), "{report}");
    }
}

#[sqlx::test]
async fn a_rate_that_asks_once_in_the_time_is_no_more_than_that(pool: PgPool) {
    let service = TestService::start(&pool).await;
    let (code, report) = load(&service, &["obama-3.jpg"], &["--rate", "0.1"]).await;
    assert_eq!((code, &report["answered"]), (0, &json!(1)), "{report}");
    assert!(report["per_second"].as_f64() <= Some(1.0), "{report}");
}

#[sqlx::test]
async fn refusals_are_errors_by_their_status_and_silence_is_one_too(pool: PgPool) {
    let service = TestService::start(&pool).await;
    let frames = ["obama-3.jpg"];
    let (code, report) = load(&service, &frames, &["--path", "/v1/nothing"]).await;
    assert_eq!(code, 1, "{report}");
    assert!(report["errors"]["404"].as_u64() > Some(0), "{report}");
    assert!(report["failed_after_ms"]["p99"].as_f64() > Some(0.0), "{report}");

    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.jpg"), frame::bytes("obama-3.jpg")).unwrap();
    let (code, report) = load_from(folder.path(), &nobody.to_string(), "none", &[]).await;
    assert_eq!(code, 1, "{report}");
    assert!(report["errors"]["connect"].as_u64() > Some(0), "{report}");
}
