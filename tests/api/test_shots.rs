//! `POST /v1/gates/G/test-shots`: what a gate would make of a frame; it opens for nobody.

use reqwest::Method;
use serde_json::{Value, json};
use sqlx::PgPool;
use uuid::Uuid;

use crate::frame;
use crate::passage::Passage;
use crate::service::{TestService, send};

async fn shot(service: &TestService, gate: &str, photo: &str, badge: Option<&str>) -> Value {
    let path = format!("/v1/gates/{gate}/test-shots");
    let mut request = service.frame_request(&path, frame::bytes(photo), frame::media_type(photo));
    if let Some(badge) = badge {
        request = request.header("x-badge-id", badge);
    }
    send(request).await.expect(200)
}

#[sqlx::test]
async fn a_test_shot_says_what_a_passage_would_and_leaves_no_trace(pool: PgPool) {
    let service =
        TestService::start_with(&pool, |config| config.server.metrics_public = true).await;
    let employee = service.employee(json!({"name": "Barack", "badge_id": "B-1"})).await;
    service.enrol(&employee, "obama-1.jpg").await;
    let gate = service.gate(json!({})).await;
    let answer = shot(&service, &gate, "obama-3.jpg", None).await;
    assert_eq!((&answer["would_be"], &answer["reason"]), (&"grant".into(), &"granted".into()));
    assert_eq!(
        (&answer["employee_id"], &answer["name"]),
        (&employee.as_str().into(), &"Barack".into())
    );
    assert!(answer["distance"].as_f64() < answer["threshold"].as_f64(), "{answer}");
    assert!(answer["liveness"].as_f64() >= answer["liveness_threshold"].as_f64(), "{answer}");
    assert!(answer["quality"]["sharpness"].is_f64() && answer["timings_ms"]["match"].is_f64());
    assert_eq!((&answer["faces"], &answer["frames"]), (&1.into(), &1.into()));
    // Nothing that firmware opens on.
    for member in ["decision", "open_ms", "token", "passage_id"] {
        assert_eq!(answer.get(member), None, "{answer}");
    }
    assert_eq!(service.trail().await, [] as [Value; 0]);
    let granted = "limen_passages_total{decision=\"grant\",reason=\"granted\"}";
    assert_eq!(service.metric(granted).await, 0.0);
    // So that the real one, at once, is not the second.
    let real = Passage::of("obama-3.jpg").granted(&service, &gate).await;
    let recorded = &service.trail().await[0];
    assert_eq!(real["employee_id"], answer["employee_id"]);
    assert_eq!(recorded["distance"], answer["distance"]);
}

#[sqlx::test]
async fn a_test_shot_is_judged_by_the_gates_own_policy(pool: PgPool) {
    let service = TestService::start(&pool).await;
    let employee = service.employee(json!({"badge_id": "B-1"})).await;
    service.enrol(&employee, "obama-1.jpg").await;
    let gate = service.gate(json!({"mode": "badge_and_face"})).await;
    let reason = async |photo: &str, badge| {
        let answer = shot(&service, &gate, photo, badge).await;
        assert_eq!(answer["would_be"] == "grant", answer["reason"] == "granted", "{answer}");
        assert!(!answer["meaning"].as_str().unwrap().is_empty());
        answer["reason"].as_str().unwrap().to_owned()
    };
    assert_eq!(reason("obama-3.jpg", None).await, "badge_required");
    assert_eq!(reason("obama-3.jpg", Some("B-1")).await, "granted");
    assert_eq!(reason("biden-1.jpg", Some("B-1")).await, "face_does_not_match_badge");
    assert_eq!(reason("obama-3.jpg", Some("B-2")).await, "unknown_badge");
    assert_eq!(reason("print-attack-obama.jpg", Some("B-1")).await, "spoof");
    assert_eq!(reason("no-face-hubble.jpg", Some("B-1")).await, "no_face");
    let dark = shot(&service, &gate, "too-dark.jpg", Some("B-1")).await;
    assert_eq!((&dark["would_be"], &dark["reason"]), (&"retry".into(), &"too_dark".into()));
    assert_eq!(
        (&dark["checks"][0]["figure"], &dark["checks"][0]["passed"]),
        (&"brightness".into(), &false.into())
    );
    service.set_status(&employee, "suspended").await;
    assert_eq!(reason("obama-3.jpg", Some("B-1")).await, "suspended");
    service.patch(&format!("/v1/gates/{gate}"), json!({"enabled": false})).await.expect(200);
    let disabled = shot(&service, &gate, "obama-3.jpg", Some("B-1")).await;
    assert_eq!((&disabled["reason"], &disabled["frames"]), (&"gate_disabled".into(), &0.into()));
}

#[sqlx::test]
async fn a_test_shot_of_an_old_frame_or_an_unknown_gate_is_told_so(pool: PgPool) {
    let service = TestService::start(&pool).await;
    let gate = service.gate(json!({})).await;
    let path = format!("/v1/gates/{gate}/test-shots");
    let request = |path: &str| {
        service.request(Method::POST, path).multipart(frame::form(&["obama-1.jpg", "obama-3.jpg"]))
    };
    let old = request(&path).header("x-captured-at", "2020-01-01T00:00:00Z");
    assert_eq!(send(old).await.expect(200)["reason"], "stale_frame");
    let both = send(request(&path)).await.expect(200);
    assert_eq!((&both["reason"], &both["frames"]), (&"unknown_person".into(), &2.into()));
    let nowhere = format!("/v1/gates/{}/test-shots", Uuid::new_v4());
    send(request(&nowhere)).await.refused(404, "not_found");
    let bad = request(&path).header("x-captured-at", "yesterday");
    send(bad).await.refused(400, "bad_header");
}
