//! `/v1/employees`: the people.

use reqwest::Method;
use serde_json::{Value, json};
use sqlx::PgPool;
use uuid::Uuid;

use crate::passage::Passage;
use crate::service::{TestService, id, send};

#[sqlx::test]
async fn an_employee_is_created_read_changed_and_removed(pool: PgPool) {
    let service = TestService::start(&pool).await;
    let body = json!({
        "name": " Grace Hopper ", "badge_id": "B-1", "department": "Navy",
        "metadata": {"rank": "Commodore", "nested": {"list": [1, 2.5, null, "ü"]}},
        "valid_from": "2024-01-01T00:00:00Z", "valid_until": "2034-01-01T00:00:00Z",
    });
    let created = service.post("/v1/employees", body.clone()).await.expect(201);
    assert_eq!((&created["name"], &created["status"]), (&"Grace Hopper".into(), &"active".into()));
    for field in ["badge_id", "department", "metadata", "valid_from", "valid_until"] {
        assert_eq!(created[field], body[field], "{field}");
    }
    let path = format!("/v1/employees/{}", id(&created, "employee_id"));
    assert_eq!(service.get(&path).await.expect(200), created);

    // What is absent stays.
    let changed = service.patch(&path, json!({"name": "G. Hopper"})).await.expect(200);
    assert_eq!((&changed["name"], &changed["badge_id"]), (&"G. Hopper".into(), &"B-1".into()));
    assert_eq!(changed["metadata"], body["metadata"]);
    assert_eq!(
        (&created["badge_required"], &changed["badge_required"]),
        (&false.into(), &false.into())
    );
    let changed = service.patch(&path, json!({"badge_required": true})).await.expect(200);
    assert_eq!(changed["badge_required"], true);
    // Null clears.
    let cleared =
        json!({"badge_id": null, "department": null, "valid_from": null, "valid_until": null});
    let changed = service.patch(&path, cleared).await.expect(200);
    for field in ["badge_id", "department", "valid_from", "valid_until"] {
        assert_eq!(changed[field], Value::Null, "{field}");
    }
    let changed = service.patch(&path, json!({"metadata": {}})).await.expect(200);
    assert_eq!(changed["metadata"], json!({}));
    assert_eq!(service.get(&path).await.expect(200), changed);

    service.delete(&path).await.expect(204);
    service.get(&path).await.refused(404, "not_found");
    service.delete(&path).await.refused(404, "not_found");
    service.patch(&path, json!({"name": "Nobody"})).await.refused(404, "not_found");
}

#[sqlx::test]
async fn employees_are_listed_page_by_page_and_filtered(pool: PgPool) {
    let service = TestService::start(&pool).await;
    let mut created = Vec::new();
    for number in 0..5 {
        let fields = json!({"name": format!("Person {number}"), "badge_id": format!("B-{number}")});
        created.push(service.employee(fields).await);
    }
    service.set_status(&created[3], "suspended").await;
    service.set_status(&created[1], "blocked").await;
    let path = format!("/v1/employees/{}", created[0]);
    service.patch(&path, json!({"badge_required": true})).await.expect(200);

    let mut seen = Vec::new();
    let mut path = "/v1/employees?limit=2".to_owned();
    loop {
        let page = service.get(&path).await.expect(200);
        assert!(page["items"].as_array().unwrap().len() <= 2);
        seen.extend(page["items"].as_array().unwrap().iter().map(|row| id(row, "employee_id")));
        let Some(cursor) = page["next_cursor"].as_str() else {
            break;
        };
        path = format!("/v1/employees?limit=2&cursor={cursor}");
    }
    assert_eq!(seen, created, "each once, in the order of creation");

    for (filter, found) in [
        ("badge_id=B-2", &created[2..3]),
        ("status=suspended", &created[3..4]),
        ("status=blocked", &created[1..2]),
        ("badge_required=true", &created[..1]),
        ("badge_required=false", &created[1..]),
        ("badge_required=true&status=suspended", &[]),
        ("name=pErSoN%204", &created[4..5]),
        ("name=%25", &[]),
    ] {
        let page = service.get(&format!("/v1/employees?{filter}")).await.expect(200);
        let items = page["items"].as_array().unwrap().iter().map(|row| id(row, "employee_id"));
        assert_eq!(items.collect::<Vec<_>>(), found, "{filter}");
    }
    for filter in [
        "limit=0",
        "limit=-1",
        "limit=501",
        "limit=x",
        "cursor=x",
        "status=x",
        "badge_required=1",
        "x=1",
    ] {
        service.get(&format!("/v1/employees?{filter}")).await.refused(400, "bad_query");
    }
}

#[sqlx::test]
async fn a_badge_names_one_person_at_most(pool: PgPool) {
    let service = TestService::start(&pool).await;
    let first = service.employee(json!({"badge_id": "B-1"})).await;
    let second = service.employee(json!({"badge_id": "B-2"})).await;
    let taken = json!({"name": "Third", "badge_id": " B-1 "});
    service.post("/v1/employees", taken).await.refused(409, "badge_taken");
    let path = format!("/v1/employees/{second}");
    service.patch(&path, json!({"badge_id": "B-1"})).await.refused(409, "badge_taken");
    service.delete(&format!("/v1/employees/{first}")).await.expect(204);
    service.patch(&path, json!({"badge_id": "B-1"})).await.expect(200);
}

#[sqlx::test]
async fn what_an_employee_cannot_be_is_refused(pool: PgPool) {
    let service = TestService::start(&pool).await;
    let employee = service.employee(json!({})).await;
    let path = format!("/v1/employees/{employee}");
    for body in [
        json!({}),
        json!([]),
        json!("Somebody"),
        json!({"name": ""}),
        json!({"name": " \t"}),
        json!({"name": "x".repeat(201)}),
        json!({"name": "line\nbreak"}),
        json!({"name": "nul\u{0}"}),
        json!({"name": 1}),
        json!({"name": "A", "nick": "B"}),
        json!({"name": "A", "badge_id": "b".repeat(65)}),
        json!({"name": "A", "metadata": [1]}),
        json!({"name": "A", "metadata": "x"}),
        json!({"name": "A", "status": "happy"}),
        json!({"name": "A", "valid_from": "tomorrow"}),
        json!({"name": "A", "employee_id": Uuid::new_v4()}),
    ] {
        service.post("/v1/employees", body).await.refused(422, "bad_value");
    }
    let empty = json!({"name": "A", "valid_from": "2025-01-01T00:00:00Z", "valid_until": "2024-01-01T00:00:00Z"});
    service.post("/v1/employees", empty.clone()).await.refused(422, "validity_empty");
    service
        .patch(&path, json!({"status": null, "name": "A", "x": 1}))
        .await
        .refused(422, "bad_value");
    service.patch(&path, json!({"name": ""})).await.refused(422, "bad_value");
    service.patch(&path, empty).await.refused(422, "validity_empty");
    // What cannot be cleared says so by its name.
    for field in ["name", "status", "metadata", "badge_required"] {
        let refused = service.patch(&path, json!({field: null})).await.refused(422, "bad_value");
        let detail = refused["detail"].as_str().unwrap();
        assert!(detail.starts_with(&format!("{field}: must not be null")), "{detail}");
    }
    for bad in ["/v1/employees/1", "/v1/employees/%ff", "/v1/employees/%00"] {
        service.get(bad).await.refused(400, "bad_path");
    }
    service.get(&format!("/v1/employees/{}", Uuid::new_v4())).await.refused(404, "not_found");
}

/// Postgres's text holds no NUL, its jsonb no `\u0000`; RFC 3339 has no year before 0 or after 9999.
#[sqlx::test]
async fn what_postgres_cannot_hold_is_the_clients_fault(pool: PgPool) {
    let service = TestService::start(&pool).await;
    let employee = service.employee(json!({})).await;
    let path = format!("/v1/employees/{employee}");
    let mut faults = Vec::new();
    for change in [
        json!({"metadata": {"a": "nul \u{0}"}}),
        json!({"metadata": {"nul \u{0}": 1}}),
        json!({"metadata": {"deep": [{"a": "\u{0}"}]}}),
        json!({"valid_from": "-9999-01-01T00:00:00Z"}),
        json!({"valid_from": "-262000-01-01T00:00:00Z"}),
        json!({"valid_until": "+262000-01-01T00:00:00Z"}),
    ] {
        let mut body = change.clone();
        body["name"] = "A".into();
        faults.push((change.clone(), service.post("/v1/employees", body).await));
        faults.push((change.clone(), service.patch(&path, change).await));
    }
    for query in
        ["employees?name=%00", "employees?badge_id=%00", "passages?from=-9999-01-01T00:00:00Z"]
    {
        faults.push((query.into(), service.get(&format!("/v1/{query}")).await));
    }
    faults.retain(|(_, answer)| !matches!(answer.status, 400 | 422));
    let faults: Vec<_> = faults.iter().map(|(sent, a)| format!("{} to {sent}", a.status)).collect();
    assert!(faults.is_empty(), "{faults:#?}");
}

#[sqlx::test]
async fn the_trail_outlives_the_people_in_it(pool: PgPool) {
    let service = TestService::start(&pool).await;
    let gate = service.gate(json!({})).await;
    let employee = service.enrolled("obama-1.jpg").await;
    let passage = Passage::of("obama-3.jpg").granted(&service, &gate).await;

    service.delete(&format!("/v1/employees/{employee}")).await.expect(204);
    let trail = service.trail().await;
    assert_eq!((trail.len(), &trail[0]["passage_id"]), (1, &passage["passage_id"]));
    assert_eq!(trail[0]["employee_id"], employee.as_str());
    Passage::of("obama-3.jpg").refused(&service, &gate, "unknown_person").await;
    let faces: i64 =
        sqlx::query_scalar("select count(*) from face_encodings").fetch_one(&pool).await.unwrap();
    assert_eq!(faces, 0, "the templates went with the person");
}

#[sqlx::test]
async fn people_are_found_by_any_part_of_name_badge_or_department_and_by_their_group(pool: PgPool) {
    let service = TestService::start(&pool).await;
    let person = async |name: &str, badge: &str, department: Value| {
        let fields = json!({"name": name, "badge_id": badge, "department": department});
        service.employee(fields).await
    };
    let ada = person("Ada Lovelace", "ENG-1", json!("Engines")).await;
    let mueller = person("Jörg Müller", "MTR-2", json!("Engine room")).await;
    let grace = person("Grace Hopper", "NVY-3", Value::Null).await;
    let found = async |query: &str| {
        let page = service.request(Method::GET, "/v1/employees").query(&[("query", query)]);
        let page = send(page).await.expect(200);
        let items = page["items"].as_array().unwrap();
        items.iter().map(|row| id(row, "employee_id")).collect::<Vec<_>>()
    };
    assert_eq!(found("LOVE").await, std::slice::from_ref(&ada));
    assert_eq!(found("MÜLL").await, std::slice::from_ref(&mueller));
    assert_eq!(found("nvy").await, std::slice::from_ref(&grace));
    assert_eq!(found("engine").await, [ada.clone(), mueller.clone()]);
    assert_eq!(found("eng").await, [ada.clone(), mueller.clone()]);
    assert_eq!(found("%").await, [] as [String; 0]);
    assert_eq!(found("").await.len(), 3);

    let group = service.group(json!({})).await;
    for member in [&ada, &grace] {
        let path = format!("/v1/access-groups/{group}/members/{member}");
        service.put(&path, json!({})).await.expect(200);
    }
    let members = |more: &str| format!("/v1/employees?group_id={group}{more}");
    let page = service.get(&members("")).await.expect(200);
    let ids: Vec<_> =
        page["items"].as_array().unwrap().iter().map(|row| id(row, "employee_id")).collect();
    assert_eq!(ids, [ada.clone(), grace]);
    let page = service.get(&members("&query=eng")).await.expect(200);
    assert_eq!(page["items"].as_array().unwrap().len(), 1);
    let nobody = format!("/v1/employees?group_id={}", Uuid::new_v4());
    assert_eq!(service.get(&nobody).await.expect(200)["items"], json!([]));
    service.get("/v1/employees?query=%00").await.refused(400, "bad_query");
}
