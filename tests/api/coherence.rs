//! Replicas that share nothing but Postgres, and Postgres going away.

use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::join_all;
use limen::domain::Scope;
use limen::domain::{EmployeeId, EmployeeStatus, Encoding, ModelId};
use limen::gallery::Gallery;
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::database::{Outage, SilentPostgres, change_in_silence, end_listeners, insert_face};
use crate::passage::Passage;
use crate::service::{TestService, config, eventually, send, store};

/// Waits until a service has loaded its gallery and heard of every change so far. News come in
/// order, so what it hears now comes after everything before; it may take the first change from
/// the load itself, but not the second.
async fn in_step(service: &TestService, pool: &PgPool) {
    service.enrolled("biden-1.jpg").await;
    for status in ["suspended", "active"] {
        sqlx::query("update employees set status = $1").bind(status).execute(pool).await.unwrap();
        eventually("the news arrive", async || {
            let answer = service.post_frame("/v1/recognize", "biden-1.jpg").await.expect(200);
            answer["employee_status"] == status
        })
        .await;
    }
}

/// Whom a service takes the photo for.
async fn outcome(service: &TestService, photo: &str) -> Value {
    service.post_frame("/v1/recognize", photo).await.expect(200)["outcome"].clone()
}

#[sqlx::test]
async fn a_replica_hears_of_an_enrolment_and_of_a_removal(pool: PgPool) {
    let (here, there) = (TestService::start(&pool).await, TestService::start_replica(&pool).await);
    let gate = here.gate(json!({})).await;
    let employee = here.employee(json!({})).await;
    let face = here.enrol(&employee, "obama-1.jpg").await;
    eventually("the replica knows the face", async || {
        outcome(&there, "obama-3.jpg").await == "match"
    })
    .await;
    Passage::of("obama-3.jpg").granted(&there, &gate).await;

    // A status needs no hearing: it is read before every grant.
    here.set_status(&employee, "suspended").await;
    Passage::of("obama-3.jpg").refused(&there, &gate, "suspended").await;
    here.set_status(&employee, "active").await;
    Passage::of("obama-3.jpg").granted(&there, &gate).await;

    here.delete(&format!("/v1/employees/{employee}/faces/{face}")).await.expect(204);
    let answer = Passage::of("obama-3.jpg").decide(&there, &gate).await;
    assert_eq!(answer["decision"], "deny", "even before the replica hears of it");
    eventually("the replica forgets the face", async || {
        outcome(&there, "obama-3.jpg").await == "unknown"
    })
    .await;
}

#[sqlx::test]
async fn one_person_whose_stored_face_cannot_be_read_keeps_nobody_else_out(pool: PgPool) {
    let service = TestService::start(&pool).await;
    let gate = service.gate(json!({})).await;
    let unreadable = service.enrolled("biden-1.jpg").await;
    service.enrolled("obama-1.jpg").await;
    sqlx::query(
        "update face_encodings set encoding = set_byte(encoding, 99, 255 - get_byte(encoding, 99))
         where employee_id = $1::uuid",
    )
    .bind(&unreadable)
    .execute(&pool)
    .await
    .unwrap();
    eventually("the person is nobody", async || {
        outcome(&service, "biden-1.jpg").await == "unknown"
    })
    .await;
    Passage::of("obama-3.jpg").granted(&service, &gate).await;
    drop(service);

    let service = TestService::start(&pool).await;
    Passage::of("biden-1.jpg").refused(&service, &gate, "unknown_person").await;
    Passage::of("obama-3.jpg").granted(&service, &gate).await;
    // What the log tells to do; until then nobody's face can be told from theirs.
    let path = format!("/v1/employees/{unreadable}/faces");
    service.post_frame(&path, "obama-1.jpg").await.refused(409, "unreadable_faces");
    let faces = service.get(&path).await.expect(200);
    let face = faces["items"][0]["face_id"].as_str().unwrap();
    service.delete(&format!("{path}/{face}")).await.expect(204);
    service.enrol(&unreadable, "biden-1.jpg").await;
    Passage::of("biden-1.jpg").granted(&service, &gate).await;
}

#[sqlx::test]
async fn the_metrics_can_be_read_while_postgres_is_away(pool: PgPool) {
    let service = TestService::start(&pool).await;
    let key = async || service.make_key(&[Scope::Metrics], None).await;
    let (known, known_too, unknown) = (key().await, key().await, key().await);
    let metrics = async |key: &str| {
        send(service.bare(reqwest::Method::GET, "/metrics").bearer_auth(key)).await
    };
    let counted = metrics(&known).await;
    metrics(&known_too).await;
    assert!(counted.text.contains("limen_passages_total{decision=\"deny\",reason=\"spoof\"} 0"));
    let outage = Outage::begin(&pool).await;
    for key in [&known, &known_too] {
        let meanwhile = metrics(key).await;
        assert!(meanwhile.text.contains("limen_ready 0"), "{}", meanwhile.text);
    }
    metrics(&unknown).await.refused(503, "database_unavailable");
    outage.end().await;
}

#[sqlx::test]
async fn a_replica_that_missed_a_change_catches_up_after_the_gap(pool: PgPool) {
    let service = TestService::start(&pool).await;
    service.enrolled("obama-1.jpg").await;
    in_step(&service, &pool).await;
    change_in_silence(&pool, "delete from face_encodings").await;
    assert_eq!(outcome(&service, "obama-3.jpg").await, "match", "nobody told it");

    eventually("there is a listener to end", async || end_listeners(&pool).await > 0).await;
    eventually("the gallery is loaded again", async || {
        outcome(&service, "obama-3.jpg").await == "unknown"
    })
    .await;
    // And it listens again.
    let replica = TestService::start_replica(&pool).await;
    replica.enrolled("obama-2.jpg").await;
    eventually("news arrive again", async || outcome(&service, "obama-3.jpg").await == "match")
        .await;
}

#[sqlx::test]
async fn the_gallery_is_loaded_again_from_time_to_time(pool: PgPool) {
    let service =
        TestService::start_with(&pool, |config| config.database.resync_interval_s = 1).await;
    service.enrolled("obama-1.jpg").await;
    in_step(&service, &pool).await;
    change_in_silence(&pool, "delete from face_encodings").await;
    eventually("the gallery is loaded again", async || {
        outcome(&service, "obama-3.jpg").await == "unknown"
    })
    .await;
}

#[sqlx::test]
async fn connections_that_went_dead_under_load_are_replaced(pool: PgPool) {
    let silent = SilentPostgres::after(&pool, " from employees where id = $1").await;
    let service = TestService::start_with(&pool, |config| {
        config.database.url.0 = silent.url(&pool);
        config.database.acquire_timeout_ms = 1_000;
        config.database.statement_timeout_ms = 1_000;
        config.server.request_timeout_ms = 2_000;
    })
    .await;
    // More of them than connections; those that are made afterwards are sound.
    let path = format!("/v1/employees/{}", uuid::Uuid::new_v4());
    let answers = join_all((0..12).map(|_| service.get(&path))).await;
    assert!(silent.is_silent());
    assert!(answers.iter().any(|answer| [408, 503].contains(&answer.status)));
    for answer in answers {
        assert!([404, 408, 503].contains(&answer.status), "{}: {}", answer.status, answer.text);
    }
    eventually("the service is ready again", async || {
        send(service.bare(reqwest::Method::GET, "/readyz")).await.status == 200
    })
    .await;
    service.get(&path).await.refused(404, "not_found");
}

#[sqlx::test]
async fn a_change_waits_for_no_full_load_and_is_not_undone_by_it(pool: PgPool) {
    let store = store(&config(&pool)).await;
    let model = ModelId::new("a-model");
    let employee = EmployeeId::generate();
    insert_face(&pool, employee, model.as_str()).await;
    let gallery = Gallery::new(model.clone(), 4);
    let probe = Encoding::normalised(vec![1.0; 4], model).unwrap();
    let status = || gallery.verify(employee, &probe).unwrap().map(|found| found.status);

    // However far the load has come.
    for polls in 0..40 {
        let change = [EmployeeStatus::Suspended, EmployeeStatus::Active][polls % 2];
        let mut load = std::pin::pin!(gallery.resync(&store));
        let mut loaded = false;
        for _ in 0..polls {
            loaded = loaded || load.as_mut().now_or_never().is_some();
            tokio::time::sleep(Duration::from_micros(100)).await;
        }
        sqlx::query("update employees set status = $1")
            .bind(change.code())
            .execute(&pool)
            .await
            .unwrap();
        let refresh = gallery.refresh(&store, employee);
        tokio::time::timeout(Duration::from_secs(30), refresh).await.expect("no wait").unwrap();
        assert_eq!(status(), Some(change), "after {polls} polls");
        if !loaded {
            load.await.unwrap();
        }
        assert_eq!(status(), Some(change), "after {polls} polls and the load");
    }
}

#[sqlx::test]
async fn a_service_that_starts_again_knows_everybody(pool: PgPool) {
    let service = TestService::start(&pool).await;
    let gate = service.gate(json!({})).await;
    service.enrolled("obama-1.jpg").await;
    let passage = Passage::of("obama-3.jpg");
    let first = passage.granted(&service, &gate).await;
    drop(service);

    let service = TestService::start(&pool).await;
    Passage::of("obama-3.jpg").granted(&service, &gate).await;
    assert_eq!(passage.granted(&service, &gate).await, first, "the event is remembered");
}

#[sqlx::test]
async fn without_postgres_no_gate_opens_and_afterwards_all_is_well(pool: PgPool) {
    let service =
        TestService::start_with(&pool, |config| config.database.acquire_timeout_ms = 500).await;
    let gate = service.gate(json!({})).await;
    let employee = service.enrolled("obama-1.jpg").await;
    let passage = Passage::of("obama-3.jpg");
    passage.granted(&service, &gate).await;

    let outage = Outage::begin(&pool).await;
    for passage in [Passage::of("obama-3.jpg"), passage.clone(), Passage::of("biden-1.jpg")] {
        let answer = passage.send(&service, &gate).await;
        assert!(answer.header("retry-after").is_some());
        answer.refused(503, "database_unavailable");
    }
    service.get("/v1/employees").await.refused(503, "database_unavailable");
    let bare = |path| send(service.bare(reqwest::Method::GET, path));
    bare("/readyz").await.refused(503, "database_unavailable");
    bare("/healthz").await.expect(200);

    outage.end().await;
    eventually("the service is ready again", async || bare("/readyz").await.status == 200).await;
    Passage::of("obama-3.jpg").granted(&service, &gate).await;
    assert_eq!(service.trail().await.len(), 2, "only what was answered was recorded");
    change_in_silence(&pool, "delete from face_encodings").await;
    eventually("the gallery is followed again", async || end_listeners(&pool).await > 0).await;
    eventually("the gallery is loaded again", async || {
        outcome(&service, "obama-3.jpg").await == "unknown"
    })
    .await;
    let answer = Passage::of("obama-3.jpg").decide(&service, &gate).await;
    assert_ne!(answer["employee_id"], employee.as_str());
}
