//! `POST /v1/audit-checks`: whether the newest records are as they were written.

use limen::domain::Scope;
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::PgPool;
use uuid::Uuid;

use crate::passage::Passage;
use crate::service::{TestService, send};

async fn checked(service: &TestService, what: Value) -> Value {
    service.post("/v1/audit-checks", what).await.expect(200)
}

#[sqlx::test]
async fn a_trail_as_it_was_written_is_sound_however_little_of_it_is_read(pool: PgPool) {
    let service = TestService::start(&pool).await;
    let gate = service.gate(json!({})).await;
    service.gate(json!({"name": "south"})).await;
    for _ in 0..4 {
        Passage::of("no-face-hubble.jpg").refused(&service, &gate, "no_face").await;
    }
    let all = checked(&service, json!({})).await;
    assert_eq!(
        (&all["sound"], &all["complete"], &all["chains"]),
        (&true.into(), &true.into(), &3.into())
    );
    let read = all["checked"].as_u64().unwrap();
    assert!(read > 6, "{all}");
    let few = checked(&service, json!({"records": 2})).await;
    assert_eq!(
        (&few["sound"], &few["checked"], &few["faults"]),
        (&true.into(), &4.into(), &json!([]))
    );
    let one = checked(&service, json!({"gate_id": gate, "records": 3})).await;
    assert_eq!((&one["chains"], &one["checked"]), (&1.into(), &3.into()));
}

#[sqlx::test]
async fn what_was_altered_among_the_newest_is_named_and_what_lies_before_is_not_looked_at(
    pool: PgPool,
) {
    let service = TestService::start(&pool).await;
    let gate = service.gate(json!({})).await;
    let mut passages = Vec::new();
    for _ in 0..4 {
        let answer = Passage::of("no-face-hubble.jpg").refused(&service, &gate, "no_face").await;
        passages.push(answer["passage_id"].as_str().unwrap().to_owned());
    }
    let altered: Uuid = passages[1].parse().unwrap();
    sqlx::query("update passages set reason = 'too_dark' where id = $1")
        .bind(altered)
        .execute(&pool)
        .await
        .unwrap();
    let newest = checked(&service, json!({"gate_id": gate, "records": 2})).await;
    assert_eq!(newest["sound"], true, "{newest}");
    let all = checked(&service, json!({"gate_id": gate})).await;
    assert_eq!((&all["sound"], &all["faults_found"]), (&false.into(), &1.into()), "{all}");
    assert_eq!(all["faults"][0]["record_id"], passages[1].as_str());
    let fault = all["faults"][0]["fault"].as_str().unwrap();
    assert!(fault.contains("is not what was chained"), "{fault}");

    // Without the last record the chain does not end as it was signed.
    let last: Uuid = passages[3].parse().unwrap();
    sqlx::query("delete from passages where id = $1").bind(last).execute(&pool).await.unwrap();
    let short = checked(&service, json!({"gate_id": gate, "records": 2})).await;
    assert!(short["faults"][0]["fault"].as_str().unwrap().contains("missing"), "{short}");
}

#[sqlx::test]
async fn what_stands_in_no_chain_and_a_chain_that_is_gone_are_named(pool: PgPool) {
    let service = TestService::start(&pool).await;
    let gate = service.gate(json!({})).await;
    Passage::of("no-face-hubble.jpg").refused(&service, &gate, "no_face").await;
    assert_eq!(checked(&service, json!({})).await["sound"], true);
    let loosened = "update passages set position = null, hash = null, commitment = null";
    sqlx::query(loosened).execute(&pool).await.unwrap();
    let loose = checked(&service, json!({"gate_id": gate})).await;
    assert_eq!(loose["sound"], false, "{loose}");

    let id: Uuid = gate.parse().unwrap();
    sqlx::query("delete from chains where stream = $1").bind(id).execute(&pool).await.unwrap();
    let gone = checked(&service, json!({})).await;
    let faults = gone["faults"].as_array().unwrap();
    assert!(faults.iter().any(|fault| fault.to_string().contains(&gate)), "{gone}");
}

#[sqlx::test]
async fn more_than_may_be_asked_for_and_a_gate_that_is_none_are_refused(pool: PgPool) {
    let service = TestService::start(&pool).await;
    for body in [json!({"records": 0}), json!({"records": 10_001}), json!({"gates": []})] {
        service.post("/v1/audit-checks", body).await.refused(422, "bad_value");
    }
    let nowhere = json!({"gate_id": Uuid::new_v4()});
    service.post("/v1/audit-checks", nowhere).await.refused(404, "not_found");
    let viewer = service.make_key(&[Scope::Viewer], None).await;
    let request = service.bare(Method::POST, "/v1/audit-checks").bearer_auth(&viewer);
    send(request.json(&json!({}))).await.refused(403, "missing_scope");
}
