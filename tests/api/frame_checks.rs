//! `POST /v1/frames/check`: what an enrolment would say of a frame, and nothing of it stays.

use limen::domain::Scope;
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::frame;
use crate::service::{TestService, send};

async fn checked(service: &TestService, photo: &str) -> Value {
    service.post_frame("/v1/frames/check", photo).await.expect(200)
}

#[sqlx::test]
async fn a_frame_that_would_do_says_where_the_face_is_and_is_not_stored(pool: PgPool) {
    let service = TestService::start(&pool).await;
    let answer = checked(&service, "obama-1.jpg").await;
    assert_eq!((&answer["fit"], &answer["outcome"]), (&true.into(), &"fit".into()), "{answer}");
    assert_eq!((&answer["issues"], &answer["faces"]), (&json!([]), &1.into()));
    let photo = image::load_from_memory(&frame::bytes("obama-1.jpg")).unwrap();
    let (size, face) = (&answer["frame"], &answer["face"]);
    // To within what a large picture is reduced by.
    let sides = [("width", photo.width()), ("height", photo.height())];
    for (side, sent) in sides {
        let longer = size[side].as_u64().unwrap() - u64::from(sent);
        assert!(longer < 8, "{answer}");
    }
    let part = |side: &str| face[side].as_f64().unwrap();
    assert!(part("x") + part("width") < f64::from(photo.width()) * 1.1, "{answer}");
    assert!(part("pupil_distance_px") < part("width"), "{answer}");
    let (measured, placed) = (&answer["quality"]["pupil_distance_px"], part("pupil_distance_px"));
    assert!((measured.as_f64().unwrap() / placed - 1.0).abs() < 0.2, "{answer}");
    assert!(answer["timings_ms"]["encode"].is_f64(), "{answer}");

    assert_eq!(service.get("/v1/employees").await.expect(200)["items"], json!([]));
    assert_eq!(service.trail().await, [] as [Value; 0]);
}

#[sqlx::test]
async fn a_frame_that_would_not_do_says_what_to_do_about_it(pool: PgPool) {
    let service = TestService::start_with(&pool, |config| config.road.quality.yaw_max = 0.2).await;
    for (photo, issue) in [
        ("too-dark.jpg", "too_dark"),
        ("too-blurred.jpg", "too_blurred"),
        ("turned-away.jpg", "turned_away"),
        ("face-too-small.jpg", "too_small"),
    ] {
        let answer = checked(&service, photo).await;
        assert_eq!((&answer["fit"], &answer["outcome"]), (&false.into(), &"low_quality".into()));
        let issues = answer["issues"].as_array().unwrap();
        let found = issues.iter().find(|found| found["code"] == issue);
        let advice = found.unwrap_or_else(|| panic!("{photo}: {answer}"))["detail"].as_str();
        assert!(advice.is_some_and(|advice| !advice.is_empty()));
        assert!(answer["face"]["width"].is_f64() && answer["quality"]["yaw"].is_f64(), "{answer}");
        assert!(answer["shortfall"]["limit"].is_f64(), "{answer}");
    }
    for (photo, outcome) in
        [("no-face-hubble.jpg", "no_face"), ("group-solvay-1927.jpg", "multiple_faces")]
    {
        let answer = checked(&service, photo).await;
        assert_eq!((&answer["outcome"], &answer["face"]), (&outcome.into(), &Value::Null));
    }
}

#[sqlx::test]
async fn what_is_no_frame_is_refused_and_so_is_whoever_enrols_nobody(pool: PgPool) {
    let service = TestService::start(&pool).await;
    let path = "/v1/frames/check";
    let bad = async |photo: &str| service.post_frame(path, photo).await;
    bad("text-named.jpg").await.refused(415, "not_an_image");
    send(service.request(Method::POST, path).multipart(frame::form(&["obama-1.jpg"; 2])))
        .await
        .refused(400, "too_many_frames");
    let viewer = service.make_key(&[Scope::Viewer, Scope::Gate], None).await;
    let request = service.bare(Method::POST, path).header("content-type", "image/jpeg");
    let request = request.body(frame::bytes("obama-1.jpg")).bearer_auth(viewer);
    send(request).await.refused(403, "missing_scope");
}
