//! `limen simulate` against a service: its books add up, it takes away what it made, and what was decided can be judged
//! again.

use std::path::Path;
use std::process::Command;

use limen::domain::Scope;
use serde_json::{Value, json};
use sqlx::{ConnectOptions, PgPool};

use crate::service::{KEYS, TestService};

/// Runs `limen simulate`; its exit code, its report, and what it said.
async fn simulate(
    service: &TestService,
    pool: &PgPool,
    arguments: &[&str],
) -> (i32, Value, String) {
    let key = service.make_key(&[Scope::Admin, Scope::Gate, Scope::Metrics], None).await;
    simulate_with(service, pool, &key, arguments).await
}

async fn simulate_with(
    service: &TestService,
    pool: &PgPool,
    key: &str,
    arguments: &[&str],
) -> (i32, Value, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_limen"));
    command.arg("simulate").args(arguments).arg("--json");
    command.args(["--url", &format!("http://{}", service.address), "--timeout", "60s"]);
    if arguments.first() != Some(&"replay") {
        // By chance nobody comes in a few seconds.
        command.args(["--seed", "7"]);
    }
    command.env("LIMEN_KEY", key).env("LIMEN_SECRETS__KEYS", KEYS);
    command.env("DATABASE_URL", pool.connect_options().to_url_lossy().as_str());
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let report = serde_json::from_slice(&output.stdout).unwrap_or_default();
    (output.status.code().unwrap(), report, said)
}

/// Some seconds in which everything happens that may: lost requests, several frames, somebody who listens.
const RUN: [&str; 14] = [
    "--gates",
    "3",
    "--duration",
    "8s",
    "--arrivals",
    "40",
    "--rush",
    "2s..4s@3",
    "--loss",
    "0.4",
    "--patience",
    "300ms",
    "--eavesdrop",
    "0.5",
];

async fn count(pool: &PgPool, query: &'static str) -> i64 {
    sqlx::query_scalar(query).fetch_one(pool).await.unwrap()
}

#[sqlx::test]
async fn its_answers_are_the_passages_and_the_counts_of_the_service(pool: PgPool) {
    let service = TestService::start(&pool).await;
    let (code, report, said) = simulate(&service, &pool, &RUN).await;
    assert_eq!(code, 0, "{report} {said}");
    let books = &report["reconciliation"];
    assert_eq!((&books["adds_up"], &books["differences"]), (&json!(true), &json!([])), "{report}");
    let reasons = books["reasons"].as_object().unwrap();
    let sum = |name: &str| reasons.values().map(|line| line[name].as_i64().unwrap()).sum::<i64>();
    assert!(sum("answers") > sum("trail") && sum("repeated") > 0, "{report}");
    assert_eq!(sum("answers"), sum("metrics"), "{report}");
    assert_eq!(sum("trail"), count(&pool, "select count(*) from passages").await);

    let [lost_before, lost_back] =
        ["requests_lost", "answers_lost"].map(|name| report["traffic"][name].as_u64().unwrap());
    assert!(lost_before > 0 && lost_back > 0, "{report}");
    let heard = &report["eavesdropped"];
    assert!(heard["sent"].as_u64() > Some(0), "{report}");
    assert_eq!((&heard["refused"], &heard["answered"]), (&heard["sent"], &json!(0)));
    assert!(report["mated"]["opened"].as_u64() > Some(0), "{report}");
    let attacks = &report["attacks"]["print"]["false_accepts"];
    assert!(attacks.is_null() || *attacks == 0, "{report}");
    assert_eq!(report["stranger"]["false_accepts"], 0, "{report}");
}

#[sqlx::test]
async fn it_takes_away_what_it_made_and_uses_the_gates_again_that_the_trail_names(pool: PgPool) {
    let service = TestService::start(&pool).await;
    // Somebody comes to either gate.
    let arguments = ["--gates", "2", "--duration", "3s", "--arrivals", "200", "--loss", "0"];
    for _ in 0..2 {
        let (code, report, said) = simulate(&service, &pool, &arguments).await;
        assert_eq!((code, said.as_str()), (0, ""), "{report}");
        assert_eq!(count(&pool, "select count(*) from employees").await, 0);
        let gates = "select count(*) from gates where not enabled and name like 'simulated %'";
        assert_eq!(count(&pool, gates).await, 2);
        assert_eq!(count(&pool, "select count(*) from gates").await, 2);
        let keys = "select count(*) from api_keys where gate_id is not null and revoked_at is null";
        assert_eq!(count(&pool, keys).await, 0);
    }
    // What is kept is taken away by hand.
    let (code, report, _) =
        simulate(&service, &pool, &[&arguments[..], &["--keep"]].concat()).await;
    assert_eq!((code, &report["enrolled"]), (0, &json!(2)), "{report}");
    assert_eq!(count(&pool, "select count(*) from employees").await, 2);
}

#[sqlx::test]
async fn the_portraits_that_are_enrolled_already_come_as_who_they_are(pool: PgPool) {
    let service = TestService::start(&pool).await;
    let employee = service.employee(json!({"name": "Barack Obama"})).await;
    service.post_frame(&format!("/v1/employees/{employee}/faces"), "obama-1.jpg").await.expect(201);
    let arguments = ["--gates", "1", "--duration", "4s", "--arrivals", "60", "--loss", "0"];
    let (code, report, said) = simulate(&service, &pool, &arguments).await;
    assert_eq!((code, &report["known"]), (0, &json!(["Barack Obama"])), "{report} {said}");
    assert_eq!(report["mated"]["false_accepts"], 0, "{report}");
    assert_eq!(count(&pool, "select count(*) from employees where not badge_required").await, 1);
}

#[sqlx::test]
async fn a_key_that_may_not_read_the_books_is_told_before_anything_is_made(pool: PgPool) {
    let service = TestService::start(&pool).await;
    let key = service.make_key(&[Scope::Admin, Scope::Gate], None).await;
    let (code, _, said) = simulate_with(&service, &pool, &key, &["--duration", "1s"]).await;
    assert_eq!(code, 2);
    assert!(said.contains("--no-metrics") && said.contains("missing_scope"), "{said}");
    assert_eq!(count(&pool, "select count(*) from gates").await, 0);
}

#[sqlx::test]
async fn more_people_than_may_come_are_refused_before_anything_is_made(pool: PgPool) {
    let service = TestService::start(&pool).await;
    let arguments = ["--gates", "250", "--duration", "24h", "--arrivals", "600"];
    let (code, _, said) = simulate(&service, &pool, &arguments).await;
    assert_eq!(code, 2);
    assert!(said.contains("216000000 people would come; at most 1000000 may"), "{said}");
    assert_eq!(count(&pool, "select count(*) from gates").await, 0);
}

#[sqlx::test]
async fn what_was_decided_is_judged_again_from_the_trail_and_from_a_recording(pool: PgPool) {
    let service = TestService::start(&pool).await;
    let folder = tempfile::tempdir().unwrap();
    let recording = folder.path().join("recording");
    let path = |path: &Path| path.to_str().unwrap().to_owned();
    let record = path(&recording);
    let arguments = ["--gates", "2", "--duration", "6s", "--arrivals", "60", "--loss", "0"];
    let arguments = [&arguments[..], &["--eavesdrop", "0", "--record", &record]].concat();
    let (code, report, said) = simulate(&service, &pool, &arguments).await;
    assert_eq!(code, 0, "{report} {said}");
    let opened = report["mated"]["opened"].clone();
    assert!(opened.as_u64() > Some(0), "{report}");

    let replay = async |arguments: &[&str]| {
        simulate(&service, &pool, &[&["replay"][..], arguments].concat()).await
    };
    let (code, same, said) =
        replay(&["--threshold", "0.9", "--until", "2020-01-01T00:00:00Z"]).await;
    assert_eq!((code, &same["passages"]), (0, &json!(0)), "{same} {said}");
    let (code, strict, said) = replay(&["--threshold", "0.001"]).await;
    assert_eq!((code, &strict["grants_lost"]), (1, &opened), "{strict} {said}");
    let [passages, same, changed, untold] =
        ["passages", "same", "changed", "untold"].map(|name| strict[name].as_u64().unwrap());
    assert_eq!(passages, same + changed + untold, "{strict}");
    let (_, badge, _) = replay(&["--mode", "badge_and_face"]).await;
    assert_eq!(badge["changes_by_reason"]["granted -> badge_required"], opened, "{badge}");

    // The same frames to the same service come to the same.
    let (code, again, said) = replay(&["--recorded", &record]).await;
    assert_eq!((code, &again["changed"]), (0, &json!(0)), "{again} {said}");
    // But for those that a rule withheld, which are not known.
    let told = again["same"].as_u64().unwrap() + again["untold"].as_u64().unwrap();
    assert_eq!(report["traffic"]["events"], told, "{again}");
    assert!(again["same"].as_u64() >= opened.as_u64(), "{again}");
    assert_eq!(count(&pool, "select count(*) from employees").await, 0);

    let (code, _, said) = replay(&[]).await;
    assert!(code == 2 && said.contains("what is to be other?"), "{said}");
}
