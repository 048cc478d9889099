//! `verify`, `recognize` and `liveness`: what a frame shows, apart from any gate.

use limen::domain::Scope;
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::PgPool;
use uuid::Uuid;

use crate::frame;
use crate::service::{TestService, send};

#[sqlx::test]
async fn verify_compares_with_the_claimed_employee_alone(pool: PgPool) {
    let service = TestService::start(&pool).await;
    let obama = service.enrolled("obama-1.jpg").await;
    let biden = service.enrolled("biden-1.jpg").await;
    let verify = async |employee: &str, photo: &str| {
        service.post_frame(&format!("/v1/verify?employee_id={employee}"), photo).await
    };

    let same = verify(&obama, "obama-3.jpg").await.expect(200);
    assert_eq!((&same["outcome"], &same["employee_status"]), (&"match".into(), &"active".into()));
    assert_eq!(same["employee_id"], obama.as_str());
    assert!(same["distance"].as_f64() < same["threshold"].as_f64());
    assert!(same["liveness"].as_f64().unwrap() > 0.9);
    for stage in ["queue", "decode", "detect", "align", "liveness", "encode"] {
        assert!(same["timings_ms"][stage].as_f64().unwrap() >= 0.0, "{same}");
    }

    let other = verify(&biden, "obama-3.jpg").await.expect(200);
    assert_eq!((&other["outcome"], &other["employee_status"]), (&"no_match".into(), &Value::Null));
    assert!(other["distance"].as_f64() > other["threshold"].as_f64());

    for (photo, outcome) in [
        ("no-face-rocket.jpg", "no_face"),
        ("group-solvay-1927.jpg", "multiple_faces"),
        ("print-attack-obama.jpg", "spoof"),
        ("too-dark.jpg", "low_quality"),
    ] {
        let answer = verify(&obama, photo).await.expect(200);
        assert_eq!((&answer["outcome"], &answer["distance"]), (&outcome.into(), &Value::Null));
    }
    // A match says who it is; whether they may pass is a gate's business.
    service.set_status(&obama, "revoked").await;
    let revoked = verify(&obama, "obama-3.jpg").await.expect(200);
    assert_eq!(revoked["employee_status"], "revoked");
    assert_eq!(revoked["employee_standing"], "revoked");
    let past = json!({"status": "active", "valid_until": "2020-01-01T00:00:00Z"});
    service.patch(&format!("/v1/employees/{obama}"), past).await.expect(200);
    let recognized = service.post_frame("/v1/recognize", "obama-3.jpg").await.expect(200);
    for answer in [verify(&obama, "obama-3.jpg").await.expect(200), recognized] {
        assert_eq!(answer["outcome"], "match");
        assert_eq!(answer["employee_status"], "active");
        assert_eq!(answer["employee_standing"], "expired");
    }
}

#[sqlx::test]
async fn verify_wants_an_employee_who_is_enrolled(pool: PgPool) {
    let service = TestService::start(&pool).await;
    let employee = service.employee(json!({})).await;
    let verify =
        async |query: &str| service.post_frame(&format!("/v1/verify{query}"), "obama-3.jpg").await;
    verify(&format!("?employee_id={employee}")).await.refused(409, "not_enrolled");
    verify(&format!("?employee_id={}", Uuid::new_v4())).await.refused(404, "not_found");
    for query in ["", "?employee_id=1", "?employee_id=", &format!("?employee_id={employee}&x=1")] {
        verify(query).await.refused(400, "bad_query");
    }
    service.post_frame("/v1/liveness?x=1", "obama-3.jpg").await.refused(400, "bad_query");
}

#[sqlx::test]
async fn recognize_names_the_nearest_person_under_the_threshold(pool: PgPool) {
    let service = TestService::start(&pool).await;
    let unknown = service.post_frame("/v1/recognize", "obama-3.jpg").await.expect(200);
    assert_eq!((&unknown["outcome"], &unknown["distance"]), (&"unknown".into(), &Value::Null));

    let obama = service.enrolled("obama-1.jpg").await;
    let biden = service.enrolled("biden-1.jpg").await;
    for (photo, employee) in
        [("obama-2.jpg", &obama), ("obama-3.jpg", &obama), ("biden-1.jpg", &biden)]
    {
        let answer = service.post_frame("/v1/recognize", photo).await.expect(200);
        assert_eq!(answer["outcome"], "match", "{photo}");
        assert_eq!(answer["employee_id"], employee.as_str());
        assert_eq!(answer["candidates"], Value::Null);
    }
    let stranger = service.post_frame("/v1/recognize", "hopper-1.jpg").await.expect(200);
    assert_eq!((&stranger["outcome"], &stranger["employee_id"]), (&"unknown".into(), &Value::Null));
    assert!(stranger["distance"].as_f64() > stranger["threshold"].as_f64());
}

#[sqlx::test]
async fn candidates_are_for_administrators(pool: PgPool) {
    let service = TestService::start(&pool).await;
    let obama = service.enrolled("obama-1.jpg").await;
    let biden = service.enrolled("biden-1.jpg").await;
    let answer = service.post_frame("/v1/recognize?candidates=5", "obama-3.jpg").await.expect(200);
    let candidates = answer["candidates"].as_array().unwrap();
    let people: Vec<_> = candidates.iter().map(|c| c["employee_id"].as_str().unwrap()).collect();
    assert_eq!(people, [obama, biden], "the nearest first");
    assert_eq!(candidates[0]["distance"], answer["distance"]);

    for count in ["0", "21", "-1", "many"] {
        let path = format!("/v1/recognize?candidates={count}");
        service.post_frame(&path, "obama-3.jpg").await.refused(400, "bad_query");
    }
    let key = service.make_key(&[Scope::Gate], None).await;
    let request = service
        .bare(Method::POST, "/v1/recognize?candidates=5")
        .bearer_auth(key)
        .header("content-type", "image/jpeg")
        .body(frame::bytes("obama-3.jpg"));
    send(request).await.refused(403, "missing_scope");
}

#[sqlx::test]
async fn liveness_tells_a_person_from_a_print(pool: PgPool) {
    let service = TestService::start(&pool).await;
    for (photo, outcome) in [
        ("obama-1.jpg", "live"),
        ("biden-1.jpg", "live"),
        ("hopper-1.jpg", "live"),
        ("print-attack-obama.jpg", "spoof"),
        ("print-attack-biden.jpg", "spoof"),
        ("print-attack-collins.jpg", "spoof"),
        ("no-face-rocket.jpg", "no_face"),
    ] {
        let answer = service.post_frame("/v1/liveness", photo).await.expect(200);
        assert_eq!(answer["outcome"], outcome, "{photo}: {answer}");
        if let Some(score) = answer["score"].as_f64() {
            assert_eq!(score >= answer["threshold"].as_f64().unwrap(), outcome == "live");
        }
    }
}

#[sqlx::test]
async fn every_kind_of_picture_shows_the_same_person(pool: PgPool) {
    let service = TestService::start(&pool).await;
    let obama = service.enrolled("obama-1.jpg").await;
    for photo in [
        "grey.jpg",
        "cmyk.jpg",
        "progressive.jpg",
        "lossy.webp",
        "exif-1.jpg",
        "exif-2.jpg",
        "exif-3.jpg",
        "exif-5.jpg",
        "exif-6.jpg",
        "exif-8.jpg",
        "exif-6.png",
        "exif-6.webp",
        "exif-orientation-99.jpg",
    ] {
        let answer = service.post_frame("/v1/recognize", photo).await.expect(200);
        assert_eq!(answer["outcome"], "match", "{photo}: {answer}");
        assert_eq!(answer["employee_id"], obama.as_str());
    }
    // These are small: their faces may be too few pixels, but they are read.
    for photo in
        ["grey.png", "palette.png", "alpha.png", "alpha.webp", "sixteen-bit.png", "lossless.webp"]
    {
        let answer = service.post_frame("/v1/recognize", photo).await.expect(200);
        assert!(
            ["match", "low_quality"].contains(&answer["outcome"].as_str().unwrap()),
            "{photo}: {answer}"
        );
        assert_eq!(answer["faces"], 1, "{photo}");
    }
}
