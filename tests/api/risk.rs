//! τ follows from the accepted risk and the gallery's size.

use limen::domain::Threshold;
use serde_json::json;
use sqlx::PgPool;

use crate::passage::Passage;
use crate::service::TestService;

#[sqlx::test]
async fn the_threshold_falls_as_the_gallery_grows_and_each_passage_keeps_its_own(pool: PgPool) {
    let service = TestService::start_with(&pool, |config| {
        config.matching.max_fpir = 1e-4;
        config.server.metrics_public = true;
    })
    .await;
    let gate = service.gate(json!({})).await;
    let mut thresholds = Vec::new();
    for photo in ["obama-1.jpg", "biden-1.jpg", "collins-1.jpg"] {
        service.enrolled(photo).await;
        Passage::of("obama-3.jpg").granted(&service, &gate).await;
        thresholds.push(service.metric("limen_recognize_threshold").await);
    }
    assert!(thresholds.is_sorted_by(|before, after| before > after), "{thresholds:?}");
    let trail = service.trail().await;
    let recorded: Vec<_> =
        trail.iter().rev().map(|row| row["threshold"].as_f64().unwrap()).collect();
    assert_eq!(recorded.len(), 3);
    for (recorded, exported) in recorded.iter().zip(&thresholds) {
        assert!((recorded - exported).abs() < 1e-4, "{recorded} is not {exported}");
    }
    assert_eq!(service.metric("limen_risk_supported").await, 1.0);
}

#[sqlx::test]
async fn a_gallery_beyond_what_the_calibration_shows_is_told_of_and_judged_more_strictly(
    pool: PgPool,
) {
    let service = TestService::start_with(&pool, |config| {
        config.matching.max_fpir = 1e-7;
        config.server.metrics_public = true;
    })
    .await;
    service.enrolled("obama-1.jpg").await;
    assert_eq!(service.metric("limen_risk_supported").await, 0.0);
    let strict = service.metric("limen_recognize_threshold").await;
    assert!(strict > 0.5 && strict < 1.0, "{strict}");
}

#[sqlx::test]
async fn a_fixed_threshold_stays_whatever_the_gallery(pool: PgPool) {
    let service = TestService::start_with(&pool, |config| {
        config.matching.recognize_threshold = Threshold::try_from(0.75).ok();
        config.server.metrics_public = true;
    })
    .await;
    service.enrolled("obama-1.jpg").await;
    assert_eq!(service.metric("limen_recognize_threshold").await, 0.75);
    service.enrolled("biden-1.jpg").await;
    assert_eq!(service.metric("limen_recognize_threshold").await, 0.75);
}

#[sqlx::test]
async fn an_encoder_without_a_calibration_needs_fixed_thresholds(pool: PgPool) {
    let mut config = crate::service::config(&pool);
    config.road.mirror = true;
    config.matching.calibration = Some("no-such-file.toml".into());
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let error = limen::server::run(&config, listener, std::future::pending()).await.unwrap_err();
    assert!(format!("{error:#}").contains("no-such-file.toml"), "{error:#}");
}

#[sqlx::test]
async fn between_two_people_about_equally_near_a_face_alone_names_nobody(pool: PgPool) {
    let service = TestService::start(&pool).await;
    let gate = service.gate(json!({})).await;
    let (first, second) = (
        service.employee(json!({"name": "One", "badge_id": "B-1"})).await,
        service.employee(json!({"name": "The same again", "badge_id": "B-2"})).await,
    );
    service.enrol(&first, "obama-1.jpg").await;
    Passage::of("obama-3.jpg").granted(&service, &gate).await;

    service.enrol(&second, "obama-1.jpg").await;
    let answer = Passage::of("obama-3.jpg").decide(&service, &gate).await;
    assert_eq!(
        (&answer["decision"], &answer["reason"]),
        (&"retry".into(), &"ambiguous_person".into())
    );
    assert_eq!(answer["employee_id"], serde_json::Value::Null);
    let found = service.post_frame("/v1/recognize", "obama-3.jpg").await.expect(200);
    assert_eq!(
        (&found["outcome"], &found["employee_id"]),
        (&"ambiguous".into(), &serde_json::Value::Null)
    );

    // A badge says who it is.
    Passage::of("obama-3.jpg").badge("B-2").granted(&service, &gate).await;
}
