//! `/v1/gates`: the turnstiles and their policy.

use serde_json::{Value, json};
use sqlx::PgPool;
use uuid::Uuid;

use crate::passage::Passage;
use crate::service::{TestService, id};

#[sqlx::test]
async fn a_gate_is_created_with_defaults_changed_and_removed(pool: PgPool) {
    let service = TestService::start(&pool).await;
    let gate = service.post("/v1/gates", json!({"name": "north"})).await.expect(201);
    for (setting, value) in [
        ("enabled", json!(true)),
        ("open_ms", json!(3_000)),
        ("frame_age_ms_max", json!(5_000)),
        ("mode", json!("badge_or_face")),
        ("liveness_threshold", json!(0.5)),
    ] {
        assert_eq!(gate[setting], value, "{setting}");
    }
    let path = format!("/v1/gates/{}", id(&gate, "gate_id"));
    assert_eq!(service.get(&path).await.expect(200), gate);

    let change = json!({"open_ms": 100, "liveness_threshold": null});
    let changed = service.patch(&path, change).await.expect(200);
    assert_eq!((&changed["open_ms"], &changed["liveness_threshold"]), (&100.into(), &Value::Null));
    assert_eq!(changed["name"], "north");

    service.delete(&path).await.expect(204);
    service.get(&path).await.refused(404, "not_found");
    service.patch(&path, json!({})).await.refused(404, "not_found");
}

#[sqlx::test]
async fn gates_are_listed_page_by_page(pool: PgPool) {
    let service = TestService::start(&pool).await;
    let mut created = Vec::new();
    for name in ["a", "b", "c"] {
        created.push(service.gate(json!({"name": name})).await);
    }
    let first = service.get("/v1/gates?limit=2").await.expect(200);
    let cursor = id(&first, "next_cursor");
    let second = service.get(&format!("/v1/gates?limit=2&cursor={cursor}")).await.expect(200);
    assert_eq!(second["next_cursor"], Value::Null);
    let rows = [&first, &second].into_iter().flat_map(|page| page["items"].as_array().unwrap());
    assert_eq!(rows.map(|row| id(row, "gate_id")).collect::<Vec<_>>(), created);
}

#[sqlx::test]
async fn what_a_gate_cannot_be_is_refused(pool: PgPool) {
    let service = TestService::start(&pool).await;
    let gate = service.gate(json!({})).await;
    let other = service.gate(json!({"name": "south"})).await;
    service.post("/v1/gates", json!({"name": "north"})).await.refused(409, "gate_name_taken");
    let path = format!("/v1/gates/{other}");
    service.patch(&path, json!({"name": "north"})).await.refused(409, "gate_name_taken");
    for body in [
        json!({}),
        json!({"name": ""}),
        json!({"name": "x".repeat(101)}),
        json!({"name": "x", "open_ms": 99}),
        json!({"name": "x", "open_ms": 60_001}),
        json!({"name": "x", "open_ms": -1}),
        json!({"name": "x", "open_ms": 1.5}),
        json!({"name": "x", "open_ms": "3000"}),
        json!({"name": "x", "frame_age_ms_max": 600_001}),
        json!({"name": "x", "pupil_distance_px_min": 1e39}),
        json!({"name": "x", "liveness_threshold": 1.5}),
        json!({"name": "x", "liveness_threshold": -0.1}),
        json!({"name": "x", "mode": "badge"}),
        json!({"name": "x", "badge_required": true}),
        json!({"name": "x", "colour": "red"}),
        json!({"name": null}),
    ] {
        service.post("/v1/gates", body).await.refused(422, "bad_value");
    }
    // What cannot be cleared says so by its name.
    for field in ["name", "enabled", "open_ms", "frame_age_ms_max", "pupil_distance_px_min", "mode"]
    {
        let refused = service.patch(&path, json!({field: null})).await.refused(422, "bad_value");
        let detail = refused["detail"].as_str().unwrap();
        assert!(detail.starts_with(&format!("{field}: must not be null")), "{detail}");
    }
    service.get("/v1/gates/x").await.refused(400, "bad_path");
    service.get(&format!("/v1/gates/{}", Uuid::new_v4())).await.refused(404, "not_found");

    // The trail names gates, so one that decided anything stays.
    Passage::of("pixel-1x1.png").decide(&service, &gate).await;
    service.delete(&format!("/v1/gates/{gate}")).await.refused(409, "gate_has_passages");
    service.delete(&path).await.expect(204);
}
