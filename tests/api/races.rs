//! Passages that race a change: once the change was answered, nobody passes on what was before.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use futures_util::future::join_all;
use limen::domain::GateId;
use limen::domain::Scope;
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::PgPool;
use uuid::Uuid;

use crate::frame;
use crate::passage::Passage;
use crate::service::{TestService, eventually, send};

/// Changes that must keep a person out, as method, path below the employee and body.
async fn make_change(service: &TestService, employee: &str, face: &str, change: &str) {
    let path = format!("/v1/employees/{employee}");
    match change {
        "revoke" => drop(service.patch(&path, json!({"status": "revoked"})).await.expect(200)),
        "remove the face" => {
            drop(service.delete(&format!("{path}/faces/{face}")).await.expect(204));
        }
        _ => drop(service.delete(&path).await.expect(204)),
    }
}

/// How long a request waits for a connection, or a change for the passages before it, decides nothing
/// here, on a machine however busy.
async fn patient_service(pool: &PgPool) -> TestService {
    TestService::start_with(pool, |config| {
        config.database.acquire_timeout_ms = 60_000;
        config.database.statement_timeout_ms = 60_000;
    })
    .await
}

fn granted(answer: &Value) -> bool {
    answer["decision"] == "grant"
}

#[sqlx::test]
async fn a_gate_that_cannot_be_removed_does_not_get_in_the_way_of_its_passages(pool: PgPool) {
    let service = patient_service(&pool).await;
    let gate = service.gate(json!({})).await;
    let key = service.make_key(&[Scope::Gate], Some(GateId(gate.parse().unwrap()))).await;
    let path = format!("/v1/gates/{gate}");
    Passage::of("pixel-1x1.jpg").decide(&service, &gate).await;
    // The key goes with the gate, so that both locks are asked for by both.
    let passages = join_all((0..60).map(async |_| {
        let passage = service.bare(Method::POST, &format!("{path}/passages")).bearer_auth(&key);
        let passage = passage
            .header("x-event-id", Uuid::new_v4().to_string())
            .header("x-captured-at", Utc::now().to_rfc3339_opts(SecondsFormat::Millis, true))
            .header("content-type", "image/jpeg");
        let status = send(passage.body(frame::bytes("pixel-1x1.jpg"))).await.status;
        assert!([200, 429].contains(&status), "{status}");
    }));
    let removals = join_all((0..4).map(async |_| {
        for _ in 0..30 {
            service.delete(&path).await.refused(409, "gate_has_passages");
        }
    }));
    tokio::join!(passages, removals);
}

#[sqlx::test]
async fn no_grant_follows_an_answered_change(pool: PgPool) {
    let service = patient_service(&pool).await;
    let gate = service.gate(json!({})).await;
    for change in ["revoke", "remove the face", "remove the person"] {
        let employee = service.employee(json!({})).await;
        let face = service.enrol(&employee, "obama-1.jpg").await;

        let grants = AtomicUsize::new(0);
        let racers = join_all((0..24u32).map(async |number| {
            tokio::time::sleep(Duration::from_millis(u64::from(number) * 15)).await;
            let sent_at = Utc::now();
            let answer = Passage::of("obama-3.jpg").decide(&service, &gate).await;
            grants.fetch_add(usize::from(granted(&answer)), Ordering::Relaxed);
            (sent_at, answer)
        }));
        let change_answered_at = async {
            eventually("the first pass", async || grants.load(Ordering::Relaxed) >= 3).await;
            make_change(&service, &employee, &face, change).await;
            Utc::now()
        };
        let (answers, answered_at) = tokio::join!(racers, change_answered_at);

        assert!(!answers.iter().all(|(_, answer)| granted(answer)), "{change}: all came before");
        for (sent_at, answer) in &answers {
            assert!(*sent_at < answered_at || !granted(answer), "{change}: {answer}");
        }
        for row in service.trail().await {
            let decided_at: DateTime<Utc> = row["decided_at"].as_str().unwrap().parse().unwrap();
            let late = row["employee_id"] == employee.as_str() && decided_at > answered_at;
            assert!(!late || !granted(&row), "{change}: {row}");
        }
        let after = Passage::of("obama-3.jpg").decide(&service, &gate).await;
        assert!(!granted(&after), "{change}: {after}");
        if change == "revoke" {
            // Out of the way of the next: the nearest face must be the next employee's.
            drop(service.delete(&format!("/v1/employees/{employee}")).await.expect(204));
        }
    }
}

#[sqlx::test]
async fn enrolments_at_once_keep_to_the_limit_of_faces(pool: PgPool) {
    let service = TestService::start_with(&pool, |config| config.enrolment.faces_max = 2).await;
    let employee = service.employee(json!({})).await;
    let path = format!("/v1/employees/{employee}/faces");
    let photos = ["obama-1.jpg", "obama-2.jpg", "obama-3.jpg", "obama-2.jpg", "obama-1.jpg"];
    let answers = join_all(photos.map(|photo| service.post_frame(&path, photo))).await;

    let enrolled = answers.iter().filter(|answer| answer.status == 201).count();
    assert_eq!(enrolled, 2);
    assert!(answers.iter().all(|answer| [201, 409].contains(&answer.status)), "{answers:?}");
    let faces = service.get(&path).await.expect(200);
    assert_eq!(faces["items"].as_array().unwrap().len(), 2);
}

/// Holds a passage open between its reads and its commit by a lock on the employee, and changes what
/// the grant rests on meanwhile: the change must not be answered before the passage is.
#[sqlx::test]
async fn a_change_of_what_a_grant_rests_on_is_answered_after_the_grant(pool: PgPool) {
    let service = TestService::start(&pool).await;
    service.enrolled("obama-1.jpg").await;
    let gate = service.gate(json!({})).await;
    let path = format!("/v1/gates/{gate}");

    let mut lock = pool.begin().await.unwrap();
    sqlx::query("select 1 from employees for update").execute(&mut *lock).await.unwrap();
    let passage = Passage::of("obama-3.jpg");
    let (answer, disabled) = tokio::join!(passage.decide(&service, &gate), async {
        let waiting = async || {
            let waits = "select count(*) from pg_stat_activity
                 where wait_event_type = 'Lock' and datname = current_database()";
            sqlx::query_scalar::<_, i64>(waits).fetch_one(&pool).await.unwrap()
        };
        eventually("the passage waits", async || waiting().await == 1).await;
        let (disabled, ()) = tokio::join!(service.patch(&path, json!({"enabled": false})), async {
            eventually("the change waits for it", async || waiting().await == 2).await;
            lock.rollback().await.unwrap();
        });
        disabled.expect(200)
    });
    assert!(granted(&answer), "{answer}");
    assert_eq!(disabled["enabled"], false);
    Passage::of("obama-3.jpg").refused(&service, &gate, "gate_disabled").await;
}

#[sqlx::test]
async fn a_key_that_is_revoked_while_the_frame_travels_opens_nothing(pool: PgPool) {
    let service = TestService::start(&pool).await;
    service.enrolled("obama-1.jpg").await;
    let gate = service.gate(json!({})).await;

    // The key's row is locked, so that the passage passes the first check and waits in its decision.
    let mut lock = pool.begin().await.unwrap();
    sqlx::query("update api_keys set name = name").execute(&mut *lock).await.unwrap();
    let passage = Passage::of("obama-3.jpg");
    let (answer, ()) = tokio::join!(passage.decide(&service, &gate), async {
        eventually("the passage waits", async || {
            let waits = "select count(*) from pg_stat_activity
                 where wait_event_type = 'Lock' and datname = current_database()";
            sqlx::query_scalar::<_, i64>(waits).fetch_one(&pool).await.unwrap() == 1
        })
        .await;
        let revoke = "update api_keys set revoked_at = now()";
        sqlx::query(revoke).execute(&mut *lock).await.unwrap();
        lock.commit().await.unwrap();
    });
    assert_eq!(answer["reason"], "key_revoked", "{answer}");
}
