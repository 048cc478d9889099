//! More frames than can be looked at: some are sent away at once, the others are served.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::future::join_all;
use reqwest::Method;
use serde_json::json;
use sqlx::PgPool;

use crate::frame;
use crate::passage::Passage;
use crate::service::{TestService, eventually, send};

#[sqlx::test]
async fn too_many_frames_at_once_get_429_and_the_others_a_right_answer(pool: PgPool) {
    let service = TestService::start_with(&pool, |config| {
        config.inference.queue_max = 1;
        config.server.metrics_public = true;
    })
    .await;
    let gate = service.gate(json!({})).await;
    let employee = service.enrolled("obama-1.jpg").await;

    let passages: Vec<_> = (0..30).map(|_| Passage::of("obama-3.jpg")).collect();
    let answers = join_all(passages.iter().map(|passage| passage.send(&service, &gate))).await;
    let mut served = 0;
    let mut overloads = 0;
    for answer in answers {
        if answer.status == 429 {
            assert_eq!(answer.header("retry-after"), Some("1"));
            answer.refused(429, "overloaded");
            overloads += 1;
        } else {
            let answer = answer.expect(200);
            assert_eq!(
                (&answer["decision"], &answer["employee_id"]),
                (&"grant".into(), &employee.as_str().into())
            );
            served += 1;
        }
    }
    assert!(served > 0 && overloads > 0, "{served} served, {overloads} sent away");
    assert_eq!(service.trail().await.len(), served, "what was sent away is not recorded");
    assert_eq!(
        service.metric("limen_overloads_total{limit=\"queue_max\"}").await,
        f64::from(overloads)
    );

    // Sent away, not lost: the same events again are served.
    for passage in &passages[..3] {
        passage.granted(&service, &gate).await;
    }
    service.assert_ready().await;
}

#[sqlx::test]
async fn a_passage_of_several_frames_is_served_whatever_the_queue_holds(pool: PgPool) {
    let service = TestService::start_with(&pool, |config| config.inference.queue_max = 1).await;
    let gate = service.gate(json!({})).await;
    service.enrolled("obama-1.jpg").await;
    let frames = ["obama-1.jpg", "obama-3.jpg", "obama-1.jpg"];
    Passage::of_frames(&frames).granted(&service, &gate).await;
}

#[sqlx::test]
async fn a_passage_that_was_begun_keeps_its_place_for_every_frame(pool: PgPool) {
    let service = TestService::start_with(&pool, |config| {
        config.inference.queue_max = 1;
        config.server.metrics_public = true;
    })
    .await;
    let gate = service.gate(json!({})).await;
    service.enrolled("obama-1.jpg").await;
    let looks = async || {
        service.metric("limen_stage_duration_seconds_count{stage=\"detect\"}").await as usize
    };
    let before = looks().await;
    let frames = ["obama-1.jpg", "obama-3.jpg", "obama-1.jpg"];
    // Whoever is refused comes again at once, so that a place that were given up would be taken.
    let passages: Vec<_> = (0..6).map(|_| Passage::of_frames(&frames)).collect();
    let refusals = join_all(passages.iter().map(async |passage| {
        let mut refusals = 0;
        while passage.send(&service, &gate).await.status != 200 {
            refusals += 1;
        }
        refusals
    }));
    let refusals: u32 = refusals.await.into_iter().sum();
    assert!(refusals > 0, "nobody was refused");
    assert_eq!(looks().await - before, 3 * passages.len(), "frames were looked at in vain");
}

#[sqlx::test]
async fn a_client_that_gives_up_leaves_its_place_to_others(pool: PgPool) {
    // As many places as are given up.
    let service = TestService::start_with(&pool, |config| config.inference.queue_max = 5).await;
    let gate = service.gate(json!({})).await;
    for _ in 0..6 {
        let passage = Passage::of("obama-3.jpg").request(&service, &gate);
        let gone = passage.timeout(std::time::Duration::from_millis(5)).send().await;
        assert!(gone.is_err());
    }
    crate::service::eventually("the places are free again", async || {
        Passage::of("obama-3.jpg").send(&service, &gate).await.status == 200
    })
    .await;
}

#[sqlx::test]
async fn imports_leave_the_gates_their_places(pool: PgPool) {
    let service = TestService::start_with(&pool, |config| {
        config.inference.workers = 1;
        config.inference.queue_max = 1;
        config.enrolment.imports_max = 2;
    })
    .await;
    let gate = service.gate(json!({})).await;
    let photo = frame::bytes("obama-1.jpg");
    let rows = |of: usize| -> String {
        let row = |number: usize| {
            // Another photo each time, of the same face.
            let photo = [&photo[..], &number.to_le_bytes(), &of.to_le_bytes()].concat();
            let photo = STANDARD.encode(photo);
            json!({"badge_id": format!("B-{of}-{number}"), "name": "Somebody", "photo": photo})
        };
        (0..30).map(|number| format!("{}\n", row(number))).collect()
    };
    let imports = [0, 1].map(|of| {
        let request = service.request(Method::POST, "/v1/imports");
        let request = request.header("content-type", "application/x-ndjson").body(rows(of));
        tokio::spawn(send(request))
    });
    eventually("both run", async || {
        let running = service.get("/v1/imports").await.expect(200);
        running["items"].as_array().unwrap().len() == 2
    })
    .await;
    let mut beside = 0;
    while !imports.iter().all(tokio::task::JoinHandle::is_finished) {
        Passage::of("no-face-rocket.jpg").refused(&service, &gate, "no_face").await;
        beside += 1;
    }
    assert!(beside > 5, "{beside} passages beside the imports");
    for import in imports {
        let rows = import.await.unwrap().expect(200)["rows"].clone();
        let settled: u64 = rows.as_object().unwrap().values().map(|n| n.as_u64().unwrap()).sum();
        assert_eq!(settled, 30, "{rows}");
    }
}
