//! Grants that the turnstile checks for itself.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::Utc;
use limen::access::GrantKey;
use limen::domain::GateId;
use limen::domain::Scope;
use limen_grant::{Asked, Refusal, verify};
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::PgPool;
use uuid::Uuid;

use crate::passage::Passage;
use crate::service::{TestService, send};

/// A service that signs, and its public key.
async fn start(pool: &PgPool) -> (TestService, [u8; 32]) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("grant.key");
    let key = GrantKey::generate().unwrap();
    std::fs::write(&file, key.secret()).unwrap();
    let service = TestService::start_with(pool, |config| {
        config.gates.grant_key_file = Some(file);
    })
    .await;
    let shown = service.get("/v1/grant-key").await.expect(200);
    assert_eq!(shown, json!({"algorithm": "Ed25519", "public_key": key.public()}));
    let public = URL_SAFE_NO_PAD.decode(key.public()).unwrap();
    (service, public.try_into().unwrap())
}

fn asked<'a>(gate: &str, event: &'a str) -> Asked<'a> {
    let gate = gate.parse::<Uuid>().unwrap().into_bytes();
    Asked { gate, event, now_ms: Utc::now().timestamp_millis().unsigned_abs() }
}

fn token(answer: &Value) -> &str {
    answer["token"].as_str().unwrap_or_else(|| panic!("no token in {answer}"))
}

#[sqlx::test]
async fn a_grant_carries_a_token_that_opens_that_gate_for_that_event(pool: PgPool) {
    let (service, key) = start(&pool).await;
    let gate = service.gate(json!({"open_ms": 4_000})).await;
    service.enrolled("obama-1.jpg").await;

    let passage = Passage::of("obama-3.jpg");
    let answer = passage.granted(&service, &gate).await;
    let asked = asked(&gate, passage.event());
    let grant = verify(token(&answer), &key, &asked).unwrap();
    assert_eq!(grant.open_ms, 4_000);
    let id = answer["passage_id"].as_str().unwrap().parse::<Uuid>().unwrap();
    assert_eq!(grant.passage, id.into_bytes());
    // For no other event or gate, nor later.
    let refused = |asked| verify(token(&answer), &key, &asked).unwrap_err();
    assert_eq!(refused(Asked { event: "another", ..asked }), Refusal::Event);
    assert_eq!(refused(Asked { gate: [0; 16], ..asked }), Refusal::Gate);
    assert_eq!(refused(Asked { now_ms: asked.now_ms + 5_001, ..asked }), Refusal::Expired);

    // The repeated event is the same passage, with a token that holds from now.
    let again = passage.granted(&service, &gate).await;
    let asked = self::asked(&gate, passage.event());
    assert_eq!(verify(token(&again), &key, &asked).unwrap().passage, grant.passage);
    // What is not granted has none.
    let stranger = Passage::of("biden-1.jpg").refused(&service, &gate, "unknown_person").await;
    assert_eq!(stranger["token"], Value::Null);
}

#[sqlx::test]
async fn the_public_key_is_for_every_gate_s_key_and_for_no_stranger(pool: PgPool) {
    let (service, _) = start(&pool).await;
    let gate = GateId(service.gate(json!({})).await.parse().unwrap());
    let get = |key: String| send(service.bare(Method::GET, "/v1/grant-key").bearer_auth(key));
    get(service.make_key(&[Scope::Gate], Some(gate)).await).await.expect(200);
    get(service.make_key(&[Scope::Metrics], None).await).await.refused(403, "missing_scope");
    send(service.bare(Method::GET, "/v1/grant-key")).await.refused(401, "unauthorized");
}

#[sqlx::test]
async fn without_a_key_grants_are_not_signed(pool: PgPool) {
    let service = TestService::start(&pool).await;
    let gate = service.gate(json!({})).await;
    service.enrolled("obama-1.jpg").await;
    let answer = Passage::of("obama-3.jpg").granted(&service, &gate).await;
    assert_eq!(answer["token"], Value::Null);
    service.get("/v1/grant-key").await.refused(404, "not_found");
}
