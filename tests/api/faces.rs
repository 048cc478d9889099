//! `/v1/employees/E/faces`: one photo makes a person known, and the photo is not kept.

use serde_json::json;
use sqlx::{AssertSqlSafe, PgPool};
use uuid::Uuid;

use crate::frame;
use crate::passage::Passage;
use crate::service::{TestService, send};

#[sqlx::test]
async fn an_enrolled_face_is_listed_with_its_quality_and_without_its_encoding(pool: PgPool) {
    let service = TestService::start(&pool).await;
    let employee = service.employee(json!({})).await;
    let path = format!("/v1/employees/{employee}/faces");
    assert_eq!(service.get(&path).await.expect(200), json!({"items": []}));

    let face = service.post_frame(&path, "obama-1.jpg").await.expect(201);
    assert_eq!(face["employee_id"], employee.as_str());
    assert!(face["quality"]["pupil_distance_px"].as_f64().unwrap() > 32.0);
    let mut members: Vec<_> = face.as_object().unwrap().keys().map(String::as_str).collect();
    members.sort_unstable();
    assert_eq!(members, ["created_at", "employee_id", "face_id", "model_id", "quality"]);
    assert_eq!(service.get(&path).await.expect(200), json!({"items": [face]}));

    let nobody = format!("/v1/employees/{}/faces", Uuid::new_v4());
    service.get(&nobody).await.refused(404, "not_found");
    service.post_frame(&nobody, "obama-1.jpg").await.refused(404, "not_found");
}

#[sqlx::test]
async fn a_photo_that_is_not_good_enough_is_refused_with_the_reason(pool: PgPool) {
    let service = TestService::start_with(&pool, |config| config.road.quality.yaw_max = 0.2).await;
    let employee = service.employee(json!({})).await;
    let path = format!("/v1/employees/{employee}/faces");
    for (photo, issue) in [
        ("too-dark.jpg", "too_dark"),
        ("too-bright.jpg", "too_bright"),
        ("too-blurred.jpg", "too_blurred"),
        ("turned-away.jpg", "turned_away"),
        ("face-too-small.jpg", "too_small"),
        ("face-8px.jpg", "too_small"),
    ] {
        let problem = service.post_frame(&path, photo).await.refused(422, "low_quality");
        let issues = problem["issues"].as_array().unwrap();
        assert!(issues.contains(&issue.into()), "{photo}: {problem}");
        assert_eq!(problem["advice"].as_array().unwrap().len(), issues.len());
    }
    for photo in ["no-face-hubble.jpg", "no-face-rocket.jpg", "pixel-1x1.jpg"] {
        service.post_frame(&path, photo).await.refused(422, "no_face");
    }
    service.post_frame(&path, "group-solvay-1927.jpg").await.refused(422, "multiple_faces");
    assert_eq!(service.get(&path).await.expect(200), json!({"items": []}));
}

#[sqlx::test]
async fn a_print_is_enrolled_only_where_liveness_is_not_asked_for(pool: PgPool) {
    let service = TestService::start_with(&pool, |config| config.enrolment.liveness = true).await;
    let employee = service.employee(json!({})).await;
    let path = format!("/v1/employees/{employee}/faces");
    service.post_frame(&path, "print-attack-obama.jpg").await.refused(422, "spoof");
    service.post_frame(&path, "obama-1.jpg").await.expect(201);
}

#[sqlx::test]
async fn a_photo_is_enrolled_once_and_a_person_has_a_limited_number(pool: PgPool) {
    let service = TestService::start_with(&pool, |config| config.enrolment.faces_max = 2).await;
    let employee = service.employee(json!({})).await;
    let path = format!("/v1/employees/{employee}/faces");
    let first = service.enrol(&employee, "obama-1.jpg").await;
    service.post_frame(&path, "obama-1.jpg").await.refused(409, "photo_already_enrolled");
    service.enrol(&employee, "obama-2.jpg").await;
    service.post_frame(&path, "obama-3.jpg").await.refused(409, "too_many_faces");

    service.delete(&format!("{path}/{first}")).await.expect(204);
    service.enrol(&employee, "obama-3.jpg").await;
    // The same photo for somebody else is another face.
    service.enrolled("obama-3.jpg").await;
}

#[sqlx::test]
async fn whoever_is_entered_twice_is_told_of(pool: PgPool) {
    let service = TestService::start(&pool).await;
    let former = service.enrolled("obama-1.jpg").await;
    service.set_status(&former, "revoked").await;
    let employee = service.employee(json!({})).await;
    let path = format!("/v1/employees/{employee}/faces");
    let face = service.post_frame(&path, "obama-2.jpg").await.expect(201);
    assert_eq!(face["looks_like"], former.as_str());
    let stranger = service.employee(json!({})).await;
    let path = format!("/v1/employees/{stranger}/faces");
    assert!(service.post_frame(&path, "biden-1.jpg").await.expect(201).get("looks_like").is_none());
}

#[sqlx::test]
async fn a_stranger_is_not_enrolled_under_a_known_person(pool: PgPool) {
    let service = TestService::start(&pool).await;
    let gate = service.gate(json!({})).await;
    let employee = service.employee(json!({})).await;
    let path = format!("/v1/employees/{employee}/faces");
    let first = service.enrol(&employee, "obama-1.jpg").await;
    service.post_frame(&path, "biden-1.jpg").await.refused(409, "another_person");
    Passage::of("biden-1.jpg").refused(&service, &gate, "unknown_person").await;
    // Nor where both come at once.
    for _ in 0..4 {
        let nobody = service.employee(json!({})).await;
        let path = format!("/v1/employees/{nobody}/faces");
        let (one, other) = tokio::join!(
            service.post_frame(&path, "obama-2.jpg"),
            service.post_frame(&path, "biden-1.jpg")
        );
        let mut answers = [one.status, other.status];
        answers.sort_unstable();
        assert_eq!(answers, [201, 409]);
        service.delete(&format!("/v1/employees/{nobody}")).await.expect(204);
    }
    // Who was entered by mistake is put right.
    service.delete(&format!("{path}/{first}")).await.expect(204);
    service.enrol(&employee, "biden-1.jpg").await;
}

#[sqlx::test]
async fn a_person_whose_face_was_removed_is_a_stranger(pool: PgPool) {
    let service = TestService::start(&pool).await;
    let gate = service.gate(json!({})).await;
    let employee = service.employee(json!({})).await;
    let face = service.enrol(&employee, "obama-1.jpg").await;
    Passage::of("obama-3.jpg").granted(&service, &gate).await;

    let other = service.employee(json!({})).await;
    let of_other = format!("/v1/employees/{other}/faces/{face}");
    service.delete(&of_other).await.refused(404, "not_found");
    let path = format!("/v1/employees/{employee}/faces/{face}");
    service.delete(&path).await.expect(204);
    service.delete(&path).await.refused(404, "not_found");
    Passage::of("obama-3.jpg").refused(&service, &gate, "unknown_person").await;
}

#[sqlx::test]
async fn the_photos_of_a_person_are_compared_as_one_template(pool: PgPool) {
    // The smallest face decides at which size a frame is searched: a photo that is enrolled and sent
    // must be seen alike.
    let alike = |config: &mut limen::config::Config| {
        config.enrolment.pupil_distance_px_min = config.matching.pupil_distance_px_min;
    };
    let service = TestService::start_with(&pool, alike).await;
    let employee = service.employee(json!({})).await;
    // d = 2 − 2 cos of unit encodings.
    let cosine = async |photo: &str| {
        let path = format!("/v1/verify?employee_id={employee}");
        let answer = service.post_frame(&path, photo).await.expect(200);
        1.0 - answer["distance"].as_f64().unwrap() / 2.0
    };
    let first = service.enrol(&employee, "obama-1.jpg").await;
    let (to_first, between) = (cosine("obama-3.jpg").await, cosine("obama-2.jpg").await);
    service.enrol(&employee, "obama-2.jpg").await;
    let to_both = cosine("obama-3.jpg").await;
    service.delete(&format!("/v1/employees/{employee}/faces/{first}")).await.expect(204);
    let to_second = cosine("obama-3.jpg").await;
    // The probe against (a + b) / |a + b|.
    let expected = (to_first + to_second) / (2.0 + 2.0 * between).sqrt();
    assert!((to_both - expected).abs() < 1e-3, "{to_both} is not {expected}");
    assert!(to_both > to_first.max(to_second), "{to_both}, {to_first}, {to_second}");
}

#[sqlx::test]
async fn a_photo_can_come_in_a_form_but_only_one(pool: PgPool) {
    let service = TestService::start(&pool).await;
    let employee = service.employee(json!({})).await;
    let path = format!("/v1/employees/{employee}/faces");
    let form = |photos: &[&str]| {
        service.request(reqwest::Method::POST, &path).multipart(frame::form(photos))
    };
    send(form(&["obama-1.jpg", "obama-2.jpg"])).await.refused(400, "too_many_frames");
    send(form(&["obama-1.jpg"])).await.expect(201);
}

#[sqlx::test]
async fn no_table_holds_the_photo_or_the_frames(pool: PgPool) {
    let service = TestService::start(&pool).await;
    let gate = service.gate(json!({})).await;
    service.enrolled("obama-1.jpg").await;
    Passage::of("obama-3.jpg").granted(&service, &gate).await;

    let tables: Vec<String> = sqlx::query_scalar(
        "select table_name::text from information_schema.tables where table_schema = 'public'",
    )
    .fetch_all(&pool)
    .await
    .unwrap();
    assert!(tables.iter().any(|table| table == "face_encodings"), "{tables:?}");
    let pictures = ["obama-1.jpg", "obama-3.jpg"].map(frame::bytes);
    let smallest = pictures.iter().map(Vec::len).min().unwrap();
    for table in tables {
        let sql = format!("select to_jsonb(t)::text from {table:?} t");
        let rows: Vec<String> =
            sqlx::query_scalar(AssertSqlSafe(sql)).fetch_all(&pool).await.unwrap();
        for row in rows {
            // Whatever form it were kept in, a picture would take more room than this.
            assert!(row.len() < smallest / 4, "{table} has a row of {} bytes", row.len());
            for picture in &pictures {
                let piece: String = picture[..64].iter().map(|b| format!("{b:02x}")).collect();
                assert!(!row.contains(&piece), "{table} holds the beginning of a picture");
            }
        }
    }
}
