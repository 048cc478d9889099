//! How gates fare: when they were last heard of, and what they decided.

use limen::domain::Scope;
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::PgPool;
use uuid::Uuid;

use crate::passage::Passage;
use crate::service::{TestService, send};

#[sqlx::test]
async fn a_gate_tells_of_its_last_passage_its_day_and_how_long_decisions_took(pool: PgPool) {
    let service = TestService::start(&pool).await;
    service.enrolled("obama-1.jpg").await;
    let gate = service.gate(json!({})).await;
    let path = format!("/v1/gates/{gate}/state");
    let fresh = service.get(&path).await.expect(200);
    assert_eq!(fresh["last_contact_at"], Value::Null);
    assert_eq!((&fresh["last_passage"], &fresh["latency_ms"]), (&Value::Null, &Value::Null));
    assert_eq!(fresh["last_24h"], json!({"grant": 0, "deny": 0, "retry": 0}));

    Passage::of("obama-3.jpg").granted(&service, &gate).await;
    Passage::of("biden-1.jpg").refused(&service, &gate, "unknown_person").await;
    Passage::of("too-dark.jpg").refused(&service, &gate, "too_dark").await;
    let late = Passage::of("obama-3.jpg").aged_ms(3_600_000);
    let last = late.refused(&service, &gate, "stale_frame").await;
    let state = service.get(&path).await.expect(200);
    assert_eq!(state["name"], "north");
    assert_eq!(state["last_24h"], json!({"grant": 1, "deny": 2, "retry": 1}));
    let row = &service.trail().await[0];
    let told = &state["last_passage"];
    for member in ["passage_id", "decided_at", "decision", "reason"] {
        assert_eq!(told[member], row[member], "{member}");
    }
    assert_eq!(told["passage_id"], last["passage_id"]);
    assert_eq!(state["last_contact_at"], told["decided_at"]);
    // An hour in a queue says nothing of the service.
    let latency = &state["latency_ms"];
    assert_eq!(latency["samples"], 3, "{state}");
    let (p50, p99) = (latency["p50"].as_f64().unwrap(), latency["p99"].as_f64().unwrap());
    assert!(0.0 < p50 && p50 <= p99 && p99 < 60_000.0, "{state}");

    let quiet = service.gate(json!({"name": "south"})).await;
    let page = service.get("/v1/gate-states").await.expect(200);
    assert_eq!(page["items"][0], state);
    assert_eq!(page["items"][1]["gate_id"], quiet.as_str());
    assert_eq!(service.ids("/v1/gate-states", "gate_id").await, [gate, quiet]);
    service.get(&format!("/v1/gates/{}/state", Uuid::new_v4())).await.refused(404, "not_found");
}

#[sqlx::test]
async fn whoever_may_not_see_the_trail_is_told_nothing_of_passages(pool: PgPool) {
    let service = TestService::start(&pool).await;
    let gate = service.gate(json!({})).await;
    Passage::of("obama-3.jpg").refused(&service, &gate, "unknown_person").await;
    let enroller = service.make_key(&[Scope::Enroller], None).await;
    for path in [format!("/v1/gates/{gate}/state"), "/v1/gate-states".to_owned()] {
        let request = service.bare(Method::GET, &path).bearer_auth(&enroller);
        let answer = send(request).await.expect(200);
        let state = if answer["items"].is_array() { &answer["items"][0] } else { &answer };
        assert!(state["last_contact_at"].is_string(), "{state}");
        for member in ["last_passage", "last_24h", "latency_ms"] {
            assert_eq!(state.get(member), None, "{state}");
        }
    }
}

#[sqlx::test]
async fn the_use_of_a_gates_key_and_what_it_reports_are_contact(pool: PgPool) {
    let service = TestService::start(&pool).await;
    let gate = service.gate(json!({})).await;
    let key = service.make_key(&[Scope::Gate], Some(gate.parse().unwrap())).await;
    let path = format!("/v1/gates/{gate}/state");
    send(service.bare(Method::GET, "/v1/grant-key").bearer_auth(&key))
        .await
        .refused(404, "not_found");
    let used = service.get(&path).await.expect(200)["last_contact_at"].clone();
    assert!(used.is_string(), "{used}");

    let report = json!({"input": "door_held", "happened_at": "2026-03-02T07:58:12Z"});
    let request = service.request(Method::POST, &format!("/v1/gates/{gate}/inputs"));
    send(request.header("x-event-id", "i-1").json(&report)).await.expect(200);
    let reported = service.get(&path).await.expect(200)["last_contact_at"].clone();
    assert!(reported.as_str() > used.as_str(), "{reported} {used}");
}
