//! Two models side by side: whoever has no face of the current one is known by the previous one, each by its own
//! measure, and may move at the gate.

use limen::config::Config;
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::audit::audit;
use crate::passage::Passage;
use crate::service::{TestService, config, eventually, id, send};
use crate::start::refusal;
use crate::weights::uncalibrated_weights;

/// Serves encodings of 512 numbers, beside the 128 that a service makes by default.
fn both(config: &mut Config) {
    config.previous.encoder = Some(config.road.encoder.clone());
    config.previous.encoding_size = Some(config.road.encoding_size);
    config.road.encoding_size = 512;
    config.server.metrics_public = true;
}

/// As [`both`]; whoever shows their badge and passes gets a face of the current model.
fn moving(config: &mut Config) {
    both(config);
    config.previous.re_enrol_at_gate = true;
}

/// Faces of the current model.
async fn moved(pool: &PgPool) -> i64 {
    sqlx::query_scalar("select count(*) from face_encodings where size = 512")
        .fetch_one(pool)
        .await
        .unwrap()
}

/// Enrols people with the previous model, each with a photo and a badge; returns their ids.
async fn known_before<const N: usize>(pool: &PgPool, people: [(&str, &str); N]) -> [String; N] {
    let service = TestService::start(pool).await;
    let mut ids = Vec::new();
    for (photo, badge) in people {
        let employee = service.employee(json!({"badge_id": badge})).await;
        service.enrol(&employee, photo).await;
        ids.push(employee);
    }
    ids.try_into().unwrap()
}

/// Whether the metrics have a line.
async fn is_told(service: &TestService, line: &str) -> bool {
    send(service.bare(Method::GET, "/metrics")).await.text.lines().any(|told| told == line)
}

/// The newest passage of the trail.
async fn last(service: &TestService) -> Value {
    service.trail().await.remove(0)
}

fn is_previous(of: &Value) -> bool {
    of["model_id"].as_str().unwrap().starts_with("mobilefacenet-pca128@")
}

#[sqlx::test]
async fn people_are_known_by_the_previous_model_until_they_have_a_face_of_the_current(
    pool: PgPool,
) {
    let [ada, dan] = known_before(&pool, [("obama-1.jpg", "B-1"), ("hopper-1.jpg", "B-2")]).await;
    let mut alone = config(&pool);
    alone.road.encoding_size = 512;
    let message = refusal(&alone).await;
    assert!(message.contains("limen reencode") && message.contains("[previous]"), "{message}");

    let service = TestService::start_with(&pool, both).await;
    let gate = service.gate(json!({})).await;
    for passage in [Passage::of("obama-3.jpg"), Passage::of("obama-3.jpg").badge("B-1")] {
        let answer = passage.granted(&service, &gate).await;
        assert_eq!(answer["employee_id"], json!(ada));
        assert!(is_previous(&last(&service).await));
    }
    Passage::of("biden-1.jpg").refused(&service, &gate, "unknown_person").await;
    assert!(!is_previous(&last(&service).await), "nobody was found by either");

    let recognized =
        service.post_frame("/v1/recognize?candidates=5", "obama-3.jpg").await.expect(200);
    assert_eq!(
        (&recognized["outcome"], &recognized["employee_id"]),
        (&json!("match"), &json!(ada))
    );
    assert!(is_previous(&recognized));
    let verify = format!("/v1/verify?employee_id={ada}");
    let verified = service.post_frame(&verify, "obama-3.jpg").await.expect(200);
    assert!(is_previous(&verified) && verified["outcome"] == "match", "{verified}");
    let other = service.post_frame(&verify, "biden-1.jpg").await.expect(200);
    assert_eq!(other["outcome"], "no_match");
    assert_eq!(service.metric("limen_people_left").await, 2.0);

    // Another's photo does not become theirs because it is the first by this model.
    let faces = |employee: &str| format!("/v1/employees/{employee}/faces");
    service.post_frame(&faces(&dan), "biden-1.jpg").await.refused(409, "another_person");
    service.enrol(&ada, "obama-2.jpg").await;
    let answer = Passage::of("obama-3.jpg").granted(&service, &gate).await;
    assert_eq!(answer["employee_id"], json!(ada));
    let (trail, recognized) = (
        last(&service).await,
        service.post_frame("/v1/recognize", "obama-3.jpg").await.expect(200),
    );
    assert!(!is_previous(&trail) && !is_previous(&recognized), "{trail} {recognized}");
    assert_eq!(service.metric("limen_people_left").await, 1.0);
    let dan_passes = Passage::of("hopper-1.jpg").granted(&service, &gate).await;
    assert_eq!(dan_passes["employee_id"], json!(dan));

    // Where the face is removed they are known as before.
    let listed = service.get(&faces(&ada)).await.expect(200);
    let new = listed["items"].as_array().unwrap().iter().find(|face| !is_previous(face)).unwrap();
    service.delete(&format!("{}/{}", faces(&ada), id(new, "face_id"))).await.expect(204);
    Passage::of("obama-3.jpg").granted(&service, &gate).await;
    assert!(is_previous(&last(&service).await));
    assert_eq!(audit(&service, &pool).await.faults, []);
}

#[sqlx::test]
async fn a_face_that_both_models_know_is_nobodys_and_whoever_is_blocked_stays_so(pool: PgPool) {
    let [known] = known_before(&pool, [("obama-1.jpg", "B-1")]).await;
    let service = TestService::start_with(&pool, both).await;
    let gate = service.gate(json!({"liveness_threshold": null})).await;
    let second = service.employee(json!({"badge_id": "B-2"})).await;
    let path = format!("/v1/employees/{second}/faces");
    service
        .post_frame(&format!("{path}?duplicates=refuse"), "obama-2.jpg")
        .await
        .refused(409, "duplicate_person");
    let face = service.post_frame(&path, "obama-2.jpg").await.expect(201);
    assert_eq!((&face["looks_like"], &face["badge_required"]), (&json!(known), &json!(true)));

    Passage::of("obama-3.jpg").refused(&service, &gate, "ambiguous_person").await;
    assert_eq!(
        last(&service).await["second_distance"],
        Value::Null,
        "no two distances of one model"
    );
    // By their badges they are told apart.
    for (badge, employee) in [("B-1", &known), ("B-2", &second)] {
        let answer = Passage::of("obama-3.jpg").badge(badge).granted(&service, &gate).await;
        assert_eq!(answer["employee_id"], json!(employee));
    }
    // Somebody blocked was entered anew: the previous model knows them, and no badge of the other helps.
    service.set_status(&known, "blocked").await;
    for passage in [Passage::of("obama-3.jpg"), Passage::of("obama-3.jpg").badge("B-2")] {
        let answer = passage.send(&service, &gate).await.expect(200);
        assert_eq!(answer["decision"], "deny", "{answer}");
        let trail = last(&service).await;
        assert_eq!((&trail["reason"], &trail["employee_id"]), (&json!("blocked"), &json!(known)));
        assert!(is_previous(&trail), "{trail}");
    }
}

#[sqlx::test]
async fn whoever_passes_by_badge_and_face_beyond_doubt_moves_once(pool: PgPool) {
    let [ada] = known_before(&pool, [("obama-1.jpg", "B-1")]).await;
    let doubting = TestService::start_with(&pool, |config| {
        moving(config);
        // Nobody is ever so near.
        config.previous.margin = Some(2.0);
    })
    .await;
    let gate = doubting.gate(json!({})).await;
    let pass = async |service: &TestService, passage: Passage| {
        let answer = passage.granted(service, &gate).await;
        assert_eq!(answer["employee_id"], json!(ada));
        id(&answer, "passage_id")
    };
    pass(&doubting, Passage::of("obama-3.jpg").badge("B-1")).await;
    drop(doubting);

    let service = TestService::start_with(&pool, moving).await;
    pass(&service, Passage::of("obama-3.jpg")).await;
    let by_badge = pass(&service, Passage::of("obama-3.jpg").badge("B-1")).await;
    eventually("there is a face of the current model", async || moved(&pool).await == 1).await;
    let enrolled = r#"limen_outcomes_total{task="re_enrol",outcome="enrolled"} 1"#;
    eventually("it is counted", async || is_told(&service, enrolled).await).await;
    // Neither the doubtful passage nor the one without a badge.
    let changes = service.get("/v1/changes?kind=face_encodings&limit=1").await.expect(200);
    let author = changes["items"][0]["author"].as_str().unwrap();
    assert_eq!(author, format!("re-enrolment after passage {by_badge}"));

    pass(&service, Passage::of("obama-3.jpg").badge("B-1")).await;
    assert!(!is_previous(&last(&service).await));
    assert_eq!((moved(&pool).await, service.metric("limen_people_left").await), (1, 0.0));
    assert!(is_told(&service, enrolled).await);
    let photos: i64 =
        sqlx::query_scalar("select count(*) from face_photos").fetch_one(&pool).await.unwrap();
    assert_eq!(photos, 0, "frames are not kept");
    assert_eq!(audit(&service, &pool).await.faults, []);
}

#[sqlx::test]
async fn whoever_looks_like_somebody_else_is_not_moved_at_the_gate(pool: PgPool) {
    let [ada] = known_before(&pool, [("obama-1.jpg", "B-1")]).await;
    let service = TestService::start_with(&pool, moving).await;
    let twin = service.employee(json!({})).await;
    service.enrol(&twin, "obama-2.jpg").await;
    let gate = service.gate(json!({})).await;
    let answer = Passage::of("obama-3.jpg").badge("B-1").granted(&service, &gate).await;
    assert_eq!(answer["employee_id"], json!(ada));
    let refused = r#"limen_outcomes_total{task="re_enrol",outcome="refused"} 1"#;
    eventually("it is refused", async || is_told(&service, refused).await).await;
    assert_eq!(moved(&pool).await, 1, "the twin's");
}

#[sqlx::test]
async fn a_previous_encoder_that_cannot_be_served_is_told_and_nothing_starts(pool: PgPool) {
    let told = async |change: &dyn Fn(&mut Config)| {
        let mut config = config(&pool);
        both(&mut config);
        change(&mut config);
        refusal(&config).await
    };
    let missing = told(&|config| config.previous.weights_dir = Some("no-such-folder".into())).await;
    assert!(missing.contains("[previous]") && missing.contains("no-such-folder"), "{missing}");
    let same = told(&|config| config.previous.encoding_size = Some(512)).await;
    assert!(same.contains("[previous]") && same.contains("as the configured one does"), "{same}");
    let uncalibrated = uncalibrated_weights();
    let no_tau =
        told(&|config| config.previous.weights_dir = Some(uncalibrated.path().to_owned())).await;
    assert!(no_tau.contains("[previous]: no τ"), "{no_tau}");

    // Faces that another detector finds are no faces of that model.
    let folder = tempfile::tempdir().unwrap();
    let manifest = std::fs::read_to_string("weights/manifest.toml").unwrap();
    let yunet = "5298e55fc59d26ff6efb318ae0e45c6793627c9eb26885633fe4a791bd6e5abd";
    assert!(manifest.contains(yunet));
    let other = manifest.replace(yunet, &yunet.replace('5', "6"));
    std::fs::write(folder.path().join("manifest.toml"), other).unwrap();
    let aligned =
        told(&|config| config.previous.weights_dir = Some(folder.path().to_owned())).await;
    assert!(aligned.contains("aligned by yunet-2023mar@"), "{aligned}");
}
