//! τ follows from the accepted risk and the gallery's size.

use limen::domain::Threshold;
use serde_json::json;
use sqlx::PgPool;

use crate::log::logged;
use crate::passage::Passage;
use crate::service::{TestService, config};
use crate::start::refusal;
use crate::weights::uncalibrated_weights;

#[sqlx::test]
async fn the_threshold_falls_as_the_gallery_grows_and_each_passage_keeps_its_own(pool: PgPool) {
    let service = TestService::start_with(&pool, |config| {
        // Nobody else's, so that the log says whose τ it is.
        config.matching.max_fpir = 1.07e-4;
        config.server.metrics_public = true;
    })
    .await;
    logged("");
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
    for (people, threshold) in (1..).zip(&thresholds) {
        let changes = logged(&format!(" people={people} "));
        let changes = changes.iter().filter(|line| line.contains("the threshold of 1:N changed"));
        let told = changes.filter_map(|line| {
            let (_, told) = line.split_once(" threshold=")?;
            told.split(' ').next()?.parse::<f64>().ok()
        });
        let told: Vec<_> = told.collect();
        assert!(told.iter().any(|told| (told - threshold).abs() < 1e-6), "{threshold}: {told:?}");
    }
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
    let mut config = config(&pool);
    config.matching.calibration = Some("no-such-file.toml".into());
    let refused = refusal(&config).await;
    assert!(refused.contains("no-such-file.toml"), "{refused}");

    let weights = uncalibrated_weights();
    config.matching.calibration = None;
    config.inference.weights_dir = weights.path().to_owned();
    let refused = refusal(&config).await;
    assert!(refused.contains("calibrat") && refused.contains("_threshold"), "{refused}");
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

#[sqlx::test]
async fn whoever_sees_places_is_told_what_a_risk_costs_for_the_gallery_and_for_a_larger_one(
    pool: PgPool,
) {
    let service = TestService::start_with(&pool, |config| {
        config.server.metrics_public = true;
    })
    .await;
    service.enrolled("obama-1.jpg").await;
    service.enrolled("biden-1.jpg").await;
    let now = service.get("/v1/risk").await.expect(200);
    assert_eq!((&now["gallery"], &now["people"]), (&2.into(), &2.into()));
    assert_eq!((&now["max_fpir"], &now["configured"]["max_fmr"]), (&0.01.into(), &1e-4.into()));
    assert_eq!(now["configured"]["recognize_threshold"], serde_json::Value::Null);
    // So few people that the stricter 1:1 decides.
    assert_eq!(now["limited_by_max_fmr"], true);
    let served = service.metric("limen_recognize_threshold").await;
    for tau in [&now["now"]["threshold"], &now["offer"]["threshold"]] {
        assert!((tau.as_f64().unwrap() - served).abs() < 1e-4, "{tau} is not {served}");
    }
    let (retries, fnir) = (&now["offer"]["honest_retries_per_day"], &now["offer"]["fnir"]);
    assert!((retries.as_f64().unwrap() - 4.0 * fnir.as_f64().unwrap()).abs() < 1e-9, "{now}");

    let asked = "people=500&max_fpir=0.01&mated_per_day=100&strangers_per_day=0";
    let more = service.get(&format!("/v1/risk?{asked}")).await.expect(200);
    assert_eq!((&more["people"], &more["limited_by_max_fmr"]), (&500.into(), &false.into()));
    assert!(more["offer"]["threshold"].as_f64() < now["offer"]["threshold"].as_f64(), "{more}");
    assert_eq!(more["offer"]["false_entries_per_year"], 0.0);
    assert_eq!(more["now"]["threshold"], now["now"]["threshold"]);
}

#[sqlx::test]
async fn the_slider_and_the_curve_rise_and_fall_as_they_must(pool: PgPool) {
    let service = TestService::start(&pool).await;
    let answer = service.get("/v1/risk?people=2000").await.expect(200);
    let det = answer["det"].as_array().unwrap();
    assert!((20..=100).contains(&det.len()), "{}", det.len());
    let figure = |rows: &[serde_json::Value], name: &str| -> Vec<f64> {
        rows.iter().filter_map(|row| row[name].as_f64()).collect()
    };
    assert!(figure(det, "threshold").is_sorted() && figure(det, "fmr").is_sorted());
    assert!(figure(det, "fnmr").is_sorted_by(|one, next| one >= next));
    let risks = answer["by_risk"].as_array().unwrap();
    assert_eq!(risks.len(), 41);
    assert!(figure(risks, "max_fpir").is_sorted() && figure(risks, "threshold").is_sorted());
    assert!(figure(risks, "fnir").is_sorted_by(|one, next| one >= next));
    assert_eq!(risks[0]["supported"], false, "no data show a rate so small");
    assert_eq!(risks[0]["false_entries_per_year"], serde_json::Value::Null);
    assert!(risks.iter().any(|risk| risk["supported"] == true));
}

#[sqlx::test]
async fn a_risk_that_cannot_be_had_is_refused_with_what_can(pool: PgPool) {
    let service = TestService::start(&pool).await;
    let refused = service.get("/v1/risk?people=50000&max_fpir=0.0001").await.expect(200);
    assert_eq!(refused["offer"], serde_json::Value::Null);
    let refusal = &refused["refusal"];
    assert_eq!(refusal["code"], "below_floor");
    assert!(refusal["badge"]["threshold"].as_f64() > Some(0.5), "{refused}");
    assert!(refusal["largest_gallery"].as_u64() < Some(50_000), "{refused}");
    assert!(refusal["smallest_fpir"].as_f64() > Some(0.0001), "{refused}");
    for query in ["people=0", "max_fpir=0", "max_fpir=1", "max_fnir=NaN", "mated_per_day=-1"] {
        service.get(&format!("/v1/risk?{query}")).await.refused(400, "bad_query");
    }
}

#[sqlx::test]
async fn where_the_thresholds_are_fixed_and_nothing_is_calibrated_no_risk_is_told(pool: PgPool) {
    let weights = uncalibrated_weights();
    let service = TestService::start_with(&pool, |config| {
        config.inference.weights_dir = weights.path().to_owned();
        config.matching.verify_threshold = Threshold::try_from(1.0).ok();
        config.matching.recognize_threshold = Threshold::try_from(0.9).ok();
    })
    .await;
    service.get("/v1/risk").await.refused(404, "no_calibration");
}
