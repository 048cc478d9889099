//! A verifier decides in the place of the distance, where the configuration says so.

use std::path::Path;

use limen::config::VerifyBy;
use limen::domain::{Difference, ModelId, Verifier};
use limen::nets::{Digest, Manifest};
use limen::train::{Learnt, LearntPart, WeightsFolder, tensors, to_bytes};
use limen::vision::{EncoderProfile, RoadSettings, with_digest};
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::audit::audit;
use crate::passage::Passage;
use crate::service::{TestService, config};
use crate::start::refusal;

const WEIGHTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/weights");

/// A weights folder with a verifier that is as sure of a distance as of a logit of `32 - 16 d`, plus `doubt`: without
/// doubt its calibration is that of the distance.
fn export(folder: &Path, model: Option<&str>, doubt: f32, calibrated: bool) {
    let profile = EncoderProfile::of(Path::new(WEIGHTS), &RoadSettings::default()).unwrap();
    let model = model.unwrap_or(profile.model.as_str());
    let weights = vec![-16.0; 128];
    let (difference, bias) = (Difference::Squared, 32.0 - doubt);
    let verifier = Verifier::new(ModelId::new(model), 128, difference, weights, bias).unwrap();
    let file = to_bytes(&tensors(&verifier).unwrap(), None).unwrap();
    let mut calibration = profile.calibration.clone().unwrap();
    calibration.model = with_digest("test-verifier", &Digest::of(&file));
    let name = calibration.model.to_string();
    let text = toml::to_string(&calibration).unwrap();
    let part = LearntPart::Verifier { model, size: 128, difference };
    let learnt = Learnt { id: "test-verifier", part, file: &file, training: "a test" };
    let made = WeightsFolder::make(&Manifest::open(WEIGHTS).unwrap(), folder, &[learnt]).unwrap();
    if calibrated {
        made.add_calibration(&name, &text).unwrap();
    }
    made.publish().unwrap();
}

async fn service_with(pool: &PgPool, folder: &Path) -> TestService {
    TestService::start_with(pool, |config| {
        config.matching.verify_by = VerifyBy::Verifier;
        config.inference.weights_dir = folder.to_owned();
    })
    .await
}

fn number(of: &Value, name: &str) -> f64 {
    of[name].as_f64().unwrap_or_else(|| panic!("no {name} in {of}"))
}

#[sqlx::test]
async fn a_probability_decides_and_the_trail_says_so(pool: PgPool) {
    let folder = tempfile::tempdir().unwrap();
    export(folder.path(), None, 0.0, true);
    let service = service_with(&pool, folder.path()).await;
    let gate = service.gate(json!({})).await;
    let employee = service.employee(json!({"badge_id": "B-1"})).await;
    service.enrol(&employee, "obama-1.jpg").await;

    let path = format!("/v1/verify?employee_id={employee}");
    let own = service.post_frame(&path, "obama-3.jpg").await.expect(200);
    let other = service.post_frame(&path, "biden-1.jpg").await.expect(200);
    for (answer, outcome) in [(&own, "match"), (&other, "no_match")] {
        assert_eq!((&answer["outcome"], &answer["threshold"]), (&json!(outcome), &Value::Null));
        let [probability, minimum] =
            ["probability", "probability_min"].map(|name| number(answer, name));
        assert_eq!(probability >= minimum, outcome == "match", "{answer}");
        let expected = 1.0 / (1.0 + (16.0 * number(answer, "distance") - 32.0).exp());
        assert!((probability - expected).abs() < 1e-4, "{answer}");
    }
    let nobody = service.post_frame(&path, "no-face-rocket.jpg").await.expect(200);
    assert_eq!(nobody["probability_min"], own["probability_min"]);
    assert_eq!(nobody["probability"], Value::Null);

    let granted = Passage::of("obama-3.jpg").badge("B-1").granted(&service, &gate).await;
    assert_eq!(granted["employee_id"], employee.as_str());
    let reason = "face_does_not_match_badge";
    Passage::of("biden-1.jpg").badge("B-1").refused(&service, &gate, reason).await;
    // Whoever shows no badge is searched for by the distance.
    Passage::of("obama-3.jpg").granted(&service, &gate).await;
    let trail = service.trail().await;
    let [by_face, refused, by_badge] = trail.as_slice() else { panic!("{trail:?}") };
    for (row, passed) in [(by_badge, true), (refused, false)] {
        assert_eq!(row["threshold"], Value::Null, "{row}");
        assert_eq!(row["probability_min"], own["probability_min"]);
        assert_ne!(row["calibration"], by_face["calibration"]);
        let path = format!("/v1/passages/{}/explanation", row["passage_id"].as_str().unwrap());
        let explained = service.get(&path).await.expect(200);
        let checks = explained["checks"].as_array().unwrap();
        let check = checks.iter().find(|check| check["figure"] == "probability").unwrap();
        assert_eq!(check["passed"], passed, "{explained}");
        assert_eq!(
            (&check["value"], &check["limit"]),
            (&row["probability"], &row["probability_min"])
        );
        assert!(checks.iter().all(|check| check["figure"] != "distance"), "{explained}");
    }
    assert_eq!((&by_face["probability"], &by_face["mode"]), (&Value::Null, &by_badge["mode"]));
    assert!(number(by_face, "distance") < number(by_face, "threshold"));
    assert_eq!(audit(&service, &pool).await.faults, []);
    sqlx::query("update passages set probability = 1 where probability < probability_min")
        .execute(&pool)
        .await
        .unwrap();
    assert_eq!(audit(&service, &pool).await.faults.len(), 1);
}

#[sqlx::test]
async fn a_verifier_that_doubts_keeps_the_gate_shut_however_near_the_face(pool: PgPool) {
    let folder = tempfile::tempdir().unwrap();
    export(folder.path(), None, 40.0, true);
    let service = service_with(&pool, folder.path()).await;
    let gate = service.gate(json!({"mode": "badge_and_face"})).await;
    let employee = service.employee(json!({"badge_id": "B-1"})).await;
    service.enrol(&employee, "obama-1.jpg").await;
    let reason = "face_does_not_match_badge";
    let refused = Passage::of("obama-1.jpg").badge("B-1");
    let answer = refused.refused(&service, &gate, reason).await;
    assert_eq!(answer["employee_id"], Value::Null);
    // By the distance it would open.
    let by_distance = TestService::start_replica(&pool).await;
    Passage::of("obama-1.jpg").badge("B-1").granted(&by_distance, &gate).await;
}

#[sqlx::test]
async fn several_frames_are_as_likely_as_the_least_likely_of_them(pool: PgPool) {
    let folder = tempfile::tempdir().unwrap();
    export(folder.path(), None, 0.0, true);
    let service = service_with(&pool, folder.path()).await;
    let gate = service.gate(json!({})).await;
    let employee = service.employee(json!({"badge_id": "B-1"})).await;
    service.enrol(&employee, "obama-1.jpg").await;
    let frames = ["obama-3.jpg", "biden-1.jpg", "obama-1.jpg"];
    let reason = "face_does_not_match_badge";
    Passage::of_frames(&frames).badge("B-1").refused(&service, &gate, reason).await;
    Passage::of_frames(&["obama-3.jpg", "obama-1.jpg"]).badge("B-1").granted(&service, &gate).await;
}

#[sqlx::test]
async fn whoever_the_previous_model_alone_knows_is_compared_by_its_distance(pool: PgPool) {
    let before = TestService::start_with(&pool, |config| config.road.encoding_size = 512).await;
    let employee = before.employee(json!({"badge_id": "B-1"})).await;
    before.enrol(&employee, "obama-1.jpg").await;

    // It doubts everybody.
    let folder = tempfile::tempdir().unwrap();
    export(folder.path(), None, 40.0, true);
    let service = TestService::start_with(&pool, |config| {
        config.matching.verify_by = VerifyBy::Verifier;
        config.inference.weights_dir = folder.path().to_owned();
        config.previous.encoder = Some(config.road.encoder.clone());
        config.previous.encoding_size = Some(512);
    })
    .await;
    let gate = service.gate(json!({"mode": "badge_and_face"})).await;
    let reason = "face_does_not_match_badge";
    Passage::of("obama-3.jpg").badge("B-1").granted(&service, &gate).await;
    let by_distance = service.trail().await.remove(0);
    assert_eq!(by_distance["probability"], Value::Null, "{by_distance}");
    assert!(number(&by_distance, "distance") < number(&by_distance, "threshold"));
    Passage::of("biden-1.jpg").badge("B-1").refused(&service, &gate, reason).await;

    service.enrol(&employee, "obama-2.jpg").await;
    Passage::of("obama-3.jpg").badge("B-1").refused(&service, &gate, reason).await;
    let by_verifier = service.trail().await.remove(0);
    assert_eq!(by_verifier["threshold"], Value::Null, "{by_verifier}");
    assert!(number(&by_verifier, "probability") < number(&by_verifier, "probability_min"));
    assert_eq!(audit(&service, &pool).await.faults, []);
}

#[sqlx::test]
async fn what_cannot_decide_is_refused_at_the_start(pool: PgPool) {
    let mut config = config(&pool);
    config.matching.verify_by = VerifyBy::Verifier;
    let refused = async |config: &limen::config::Config, parts: &[&str]| {
        let message = refusal(config).await;
        for part in parts {
            assert!(message.contains(part), "no {part:?} in {message}");
        }
    };
    config.inference.weights_dir = WEIGHTS.into();
    refused(&config, &["verify_by", "no verifier of", "limen train verifier"]).await;

    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    export(&at("another"), Some("another-model@1"), 0.0, true);
    config.inference.weights_dir = at("another");
    refused(&config, &["no verifier of `mobilefacenet", "but of `another-model@1`"]).await;

    export(&at("uncalibrated"), None, 0.0, false);
    config.inference.weights_dir = at("uncalibrated");
    refused(&config, &["test-verifier", "no calibration"]).await;

    export(&at("whole"), None, 0.0, true);
    config.inference.weights_dir = at("whole");
    config.matching.max_fmr = 1e-8;
    refused(&config, &["`max_fmr`", "1e-8", "1455 people"]).await;

    config.matching.max_fmr = 1e-4;
    config.matching.verify_threshold = 1.0.try_into().ok();
    refused(&config, &["verify_by", "`verify_threshold`"]).await;

    config.matching.verify_threshold = None;
    std::fs::write(at("whole/test-verifier.safetensors"), b"other numbers").unwrap();
    refused(&config, &["test-verifier.safetensors", "SHA-256"]).await;
}
