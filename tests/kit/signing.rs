//! A service whose gates sign what they ask, and that signs what it grants.

use limen::access::GrantKey;
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::service::{TestService, id};

/// A gate's credential, as its firmware is given it.
pub struct Credential {
    pub gate: String,
    pub key: String,
    pub secret: String,
}

/// A service that signs, its public key, and a gate that opens for 4 s for whom `obama-1.jpg` shows. Requests may be
/// as old as a slow machine makes them.
pub async fn start(pool: &PgPool) -> (TestService, String, Credential) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("grant.key");
    let key = GrantKey::generate().unwrap();
    std::fs::write(&file, key.secret()).unwrap();
    let service = TestService::start_with(pool, |config| {
        config.gates.grant_key_file = Some(file);
        config.gates.request_age_ms_max = 60_000;
    })
    .await;
    service.enrolled("obama-1.jpg").await;
    let gate = service.gate(json!({"signed_requests": true, "open_ms": 4_000})).await;
    let made = service.post(&format!("/v1/gates/{gate}/credentials"), json!({})).await.expect(201);
    let credential = Credential { gate, key: id(&made, "key_id"), secret: id(&made, "secret") };
    (service, key.public(), credential)
}

/// What gates reported, the newest first.
pub async fn inputs(service: &TestService) -> Vec<Value> {
    service.get("/v1/inputs").await.expect(200)["items"].as_array().unwrap().clone()
}
