//! `GET /v1/system`: what runs here, and how it fares at a glance.

use std::path::Path;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use sqlx::PgPool;

use crate::passage::Passage;
use crate::service::TestService;

#[sqlx::test]
async fn an_officer_sees_what_runs_and_how_it_fares(pool: PgPool) {
    let service = TestService::start(&pool).await;
    service.enrolled("obama-1.jpg").await;
    let gate = service.gate(json!({})).await;
    Passage::of("obama-3.jpg").granted(&service, &gate).await;
    Passage::of("biden-1.jpg").refused(&service, &gate, "unknown_person").await;
    let system = service.get("/v1/system").await.expect(200);

    assert_eq!(system["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!((&system["device"], &system["workers"]), (&"cpu".into(), &1.into()));
    let ready = service.get("/readyz").await.expect(200);
    assert_eq!(system["model_id"], ready["model_id"]);
    assert_eq!((&system["gallery"]["people"], &system["gallery"]["faces"]), (&1.into(), &1.into()));
    assert_eq!(system["gallery"]["models"][0]["model_id"], ready["model_id"]);
    assert_eq!(system["passages_24h"], json!({"grant": 1, "deny": 1, "retry": 0}));
    assert_eq!(system["latency_ms"]["samples"], 2);
    assert_eq!(system["database"]["ready"], true);
    let migrations = std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations"));
    let names = migrations.unwrap().map(|file| file.unwrap().file_name().into_string().unwrap());
    let newest: i64 = names.map(|name| name[..4].parse().unwrap()).max().unwrap();
    assert_eq!(system["database"]["schema_version"], newest);
    // A gate's chain and that of the changes.
    let audit = &system["audit"];
    assert_eq!((&audit["chains"], &audit["signed"]), (&2.into(), &2.into()));
    assert!(audit["records"].as_u64() > Some(4), "{audit}");
    assert_eq!(system["overloads"]["queue_max"], 0);
    let row = &service.trail().await[0];
    assert_eq!(system["calibration"]["fingerprint"], row["calibration"]);
    assert!(system["calibration"]["people"].as_u64() > Some(1_000), "{system}");
}

#[sqlx::test]
async fn the_networks_are_named_with_the_digests_of_their_files(pool: PgPool) {
    let service = TestService::start(&pool).await;
    let system = service.get("/v1/system").await.expect(200);
    let networks = system["networks"].as_array().unwrap();
    let roles: Vec<_> = networks.iter().map(|network| network["role"].as_str().unwrap()).collect();
    assert_eq!(roles, ["detector", "landmarks", "liveness", "encoder", "projection"]);
    let weights = Path::new(env!("CARGO_MANIFEST_DIR")).join("weights");
    for network in networks {
        let bytes = std::fs::read(weights.join(network["file"].as_str().unwrap())).unwrap();
        let digest: String =
            Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(network["sha256"], Value::from(digest), "{network}");
        assert!(!network["licence"].as_str().unwrap().is_empty(), "{network}");
    }
}
