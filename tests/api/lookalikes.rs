//! Look-alikes: their face alone opens no gate.

use serde_json::{Value, json};
use sqlx::PgPool;

use crate::passage::Passage;
use crate::service::{TestService, id};

async fn needs_badge(service: &TestService, employee: &str) -> bool {
    let employee = service.get(&format!("/v1/employees/{employee}")).await.expect(200);
    employee["badge_required"].as_bool().unwrap()
}

/// Enrols a photo; returns the whole answer.
async fn enrol(service: &TestService, employee: &str, photo: &str) -> Value {
    service.post_frame(&format!("/v1/employees/{employee}/faces"), photo).await.expect(201)
}

#[sqlx::test]
async fn whoever_needs_a_badge_passes_with_it_and_not_by_the_face_alone(pool: PgPool) {
    let service = TestService::start(&pool).await;
    let employee = service.employee(json!({"badge_id": "B-1"})).await;
    service.enrol(&employee, "obama-1.jpg").await;
    let either = service.gate(json!({})).await;
    let both = service.gate(json!({"name": "south", "mode": "badge_and_face"})).await;
    let alone = service.gate(json!({"name": "west", "mode": "face"})).await;
    let face = || Passage::of("obama-3.jpg");
    let granted = face();
    granted.granted(&service, &either).await;

    let path = format!("/v1/employees/{employee}");
    service.patch(&path, json!({"badge_required": true})).await.expect(200);
    for gate in [&either, &alone] {
        let refused = face().refused(&service, gate, "badge_required").await;
        assert_eq!(refused["decision"], "deny");
        assert_eq!(refused["employee_id"], Value::Null, "the face alone does not say who it is");
        assert_eq!(service.trail().await[0]["employee_id"], employee.as_str());
    }
    face().badge("B-1").refused(&service, &alone, "badge_required").await;
    face().badge("B-1").granted(&service, &either).await;
    face().badge("B-1").granted(&service, &both).await;
    granted.refused(&service, &either, "badge_required").await;

    service.patch(&path, json!({"badge_required": false})).await.expect(200);
    face().granted(&service, &alone).await;
}

#[sqlx::test]
async fn a_new_face_that_is_like_anothers_makes_both_need_their_badge(pool: PgPool) {
    let service = TestService::start(&pool).await;
    let gate = service.gate(json!({})).await;
    let person = async |badge: &str| service.employee(json!({"badge_id": badge})).await;
    let (first, second, stranger) = (person("B-1").await, person("B-2").await, person("B-3").await);
    let face = enrol(&service, &first, "obama-1.jpg").await;
    assert_eq!((face.get("looks_like"), face.get("badge_required")), (None, None));
    // Nobody is like themselves.
    let own = enrol(&service, &first, "obama-3.jpg").await;
    assert_eq!((own.get("looks_like"), own.get("badge_required")), (None, None));
    enrol(&service, &stranger, "biden-1.jpg").await;
    Passage::of("obama-3.jpg").granted(&service, &gate).await;

    let face = enrol(&service, &second, "obama-2.jpg").await;
    assert_eq!(face["looks_like"], first.as_str());
    assert_eq!(face["badge_required"], true);
    for (employee, needed) in [(&first, true), (&second, true), (&stranger, false)] {
        assert_eq!(needs_badge(&service, employee).await, needed);
    }
    let alone = Passage::of("obama-3.jpg").decide(&service, &gate).await;
    let reason = alone["reason"].as_str().unwrap();
    assert!(["badge_required", "ambiguous_person"].contains(&reason), "{alone}");
    let named = Passage::of("obama-3.jpg").badge("B-1").granted(&service, &gate).await;
    assert_eq!(named["employee_id"], first.as_str());
    Passage::of("biden-1.jpg").granted(&service, &gate).await;
}

#[sqlx::test]
async fn of_look_alikes_who_are_enrolled_at_once_each_needs_a_badge(pool: PgPool) {
    let service = TestService::start_with(&pool, |config| config.inference.workers = 2).await;
    for _ in 0..4 {
        let people = [service.employee(json!({})).await, service.employee(json!({})).await];
        let faces = tokio::join!(
            enrol(&service, &people[0], "obama-1.jpg"),
            enrol(&service, &people[1], "obama-1.jpg"),
        );
        for employee in &people {
            assert!(needs_badge(&service, employee).await, "{faces:?}");
            service.delete(&format!("/v1/employees/{employee}")).await.expect(204);
        }
    }
}

#[sqlx::test]
async fn of_two_photos_of_one_person_that_come_at_once_as_two_peoples_one_is_refused(pool: PgPool) {
    let service = TestService::start(&pool).await;
    for _ in 0..4 {
        let people = [service.employee(json!({})).await, service.employee(json!({})).await];
        let [one, other] =
            people.each_ref().map(|id| format!("/v1/employees/{id}/faces?duplicates=refuse"));
        let (one, other) = tokio::join!(
            service.post_frame(&one, "obama-1.jpg"),
            service.post_frame(&other, "obama-3.jpg")
        );
        let mut answers = [one.status, other.status];
        answers.sort_unstable();
        assert_eq!(answers, [201, 409]);
        for person in people {
            service.delete(&format!("/v1/employees/{person}")).await.expect(204);
        }
    }
}

#[sqlx::test]
async fn a_refused_face_makes_nobody_need_a_badge(pool: PgPool) {
    let service = TestService::start(&pool).await;
    let first = service.enrolled("obama-1.jpg").await;
    let second = service.enrolled("biden-1.jpg").await;
    let path = format!("/v1/employees/{second}/faces");
    service.post_frame(&path, "obama-2.jpg").await.refused(409, "another_person");
    assert!(!needs_badge(&service, &first).await && !needs_badge(&service, &second).await);
}

#[sqlx::test]
async fn where_badges_are_not_asked_for_look_alikes_are_only_told_of(pool: PgPool) {
    let service =
        TestService::start_with(&pool, |config| config.enrolment.lookalikes_need_badge = false)
            .await;
    let first = service.enrolled("obama-1.jpg").await;
    let second = service.employee(json!({})).await;
    let face = enrol(&service, &second, "obama-2.jpg").await;
    assert_eq!((id(&face, "looks_like"), face.get("badge_required")), (first.clone(), None));
    assert!(!needs_badge(&service, &first).await && !needs_badge(&service, &second).await);
}

#[sqlx::test]
async fn an_officer_sees_who_is_nearest_to_somebody_and_who_is_a_look_alike(pool: PgPool) {
    let service = TestService::start(&pool).await;
    let person = async |name: &str, photo: &str| {
        let employee = service.employee(json!({"name": name})).await;
        enrol(&service, &employee, photo).await;
        employee
    };
    let first = person("Barack", "obama-1.jpg").await;
    let other = person("Joe", "biden-1.jpg").await;
    let path = format!("/v1/employees/{first}/lookalikes");
    let near = service.get(&path).await.expect(200);
    assert_eq!(near["items"].as_array().unwrap().len(), 1, "nobody is like themselves: {near}");
    let nearest = &near["items"][0];
    assert_eq!(
        (&nearest["employee_id"], &nearest["name"]),
        (&other.as_str().into(), &"Joe".into())
    );
    assert_eq!(
        (&nearest["is_look_alike"], &nearest["badge_required"]),
        (&false.into(), &false.into())
    );
    assert!(nearest["distance"].as_f64() >= near["look_alike_limit"].as_f64(), "{near}");
    assert!(near["look_alike_limit"].as_f64() > near["threshold"].as_f64(), "{near}");

    let double = person("Barry", "obama-2.jpg").await;
    let near = service.get(&path).await.expect(200);
    let nearest = &near["items"][0];
    assert_eq!(
        (&nearest["employee_id"], &nearest["is_look_alike"]),
        (&double.as_str().into(), &true.into())
    );
    assert_eq!(nearest["badge_required"], true);
    assert_eq!(near["items"][1]["employee_id"], other.as_str());
    let distance = &nearest["distance"];
    let back = service.get(&format!("/v1/employees/{double}/lookalikes")).await.expect(200);
    assert_eq!(
        (&back["items"][0]["employee_id"], &back["items"][0]["distance"]),
        (&first.as_str().into(), distance)
    );

    let faceless = service.employee(json!({})).await;
    let path = format!("/v1/employees/{faceless}/lookalikes");
    service.get(&path).await.refused(409, "not_enrolled");
    let nobody = format!("/v1/employees/{}/lookalikes", uuid::Uuid::new_v4());
    service.get(&nobody).await.refused(404, "not_found");
}
