//! `/v1/access-groups`: who may enter which zones, and when; their members, and what each of these gains.

use serde_json::{Value, json};
use sqlx::PgPool;
use uuid::Uuid;

use crate::service::{TestService, id};

fn rule(zone: &str, schedule: &str) -> Value {
    json!({"zone_id": zone, "schedule_id": schedule})
}

#[sqlx::test]
async fn a_group_is_created_with_defaults_changed_and_removed(pool: PgPool) {
    let service = TestService::start(&pool).await;
    let site = service.site(json!({})).await;
    let hall = service.zone(&site, json!({"name": "hall"})).await;
    let vault = service.zone(&site, json!({"name": "vault"})).await;
    let office = service.schedule(json!({})).await;
    let group = service.post("/v1/access-groups", json!({"name": "staff"})).await.expect(201);
    assert_eq!((&group["name"], &group["rules"]), (&"staff".into(), &json!([])));
    let path = format!("/v1/access-groups/{}", id(&group, "group_id"));
    assert_eq!(service.get(&path).await.expect(200), group);

    // Sorted, and each rule once.
    let (to_hall, to_vault) = (rule(&hall, &office), rule(&vault, &office));
    let rules = json!({"rules": [to_vault, to_hall, to_vault]});
    let changed = service.patch(&path, rules).await.expect(200);
    assert_eq!(changed["rules"], json!([to_hall, to_vault]));
    // What is absent stays.
    let changed = service.patch(&path, json!({"name": "crew"})).await.expect(200);
    assert_eq!(
        (&changed["name"], &changed["rules"]),
        (&"crew".into(), &json!([to_hall, to_vault]))
    );
    assert_eq!(service.get(&path).await.expect(200), changed);
    let changed = service.patch(&path, json!({"rules": [to_vault]})).await.expect(200);
    assert_eq!(changed["rules"], json!([to_vault]));

    // A rule that stays is not touched: no passage that rests on it is waited for.
    let mut passage = pool.begin().await.unwrap();
    let rests = "select 1 from access_rules for share";
    sqlx::query(rests).execute(&mut *passage).await.unwrap();
    let rules = json!({"rules": [to_hall, to_vault]});
    let changed = service.patch(&path, rules).await.expect(200);
    passage.rollback().await.unwrap();
    assert_eq!(changed["rules"], json!([to_hall, to_vault]));

    service.delete(&path).await.expect(204);
    service.get(&path).await.refused(404, "not_found");
    service.delete(&path).await.refused(404, "not_found");
    service.patch(&path, json!({})).await.refused(404, "not_found");
    service.delete(&format!("/v1/zones/{hall}")).await.expect(204);
}

#[sqlx::test]
async fn groups_are_listed_page_by_page(pool: PgPool) {
    let service = TestService::start(&pool).await;
    let mut created = Vec::new();
    for name in ["a", "b", "c"] {
        created.push(service.group(json!({"name": name})).await);
    }
    assert_eq!(service.ids("/v1/access-groups", "group_id").await, created);
}

#[sqlx::test]
async fn what_a_group_cannot_be_is_refused(pool: PgPool) {
    // Room for more rules than a group may have.
    let service =
        TestService::start_with(&pool, |config| config.server.json_bytes_max = 262_144).await;
    let site = service.site(json!({})).await;
    let zone = service.zone(&site, json!({})).await;
    let schedule = service.schedule(json!({})).await;
    service.group(json!({})).await;
    let rules = json!([rule(&zone, &schedule)]);
    let group = service.group(json!({"name": "guards", "rules": rules})).await;
    let path = format!("/v1/access-groups/{group}");
    let taken = json!({"name": "staff"});
    service.post("/v1/access-groups", taken.clone()).await.refused(409, "group_name_taken");
    service.patch(&path, taken).await.refused(409, "group_name_taken");

    let nothing = Uuid::new_v4().to_string();
    let many: Vec<Value> = (0..201).map(|_| rule(&Uuid::new_v4().to_string(), &schedule)).collect();
    for wrong in [
        json!(null),
        json!({}),
        json!([{"zone_id": zone}]),
        json!([{"zone_id": zone, "schedule_id": null}]),
        json!([rule(&zone, "x")]),
        json!([{"zone_id": zone, "schedule_id": schedule, "until": "19:00"}]),
        json!(many),
    ] {
        let body = json!({"name": "x", "rules": wrong});
        service.post("/v1/access-groups", body).await.refused(422, "bad_value");
        service.patch(&path, json!({"rules": wrong})).await.refused(422, "bad_value");
    }
    for body in [
        json!({}),
        json!({"name": ""}),
        json!({"name": null}),
        json!({"name": "x".repeat(101)}),
        json!({"name": "x", "colour": "red"}),
        json!({"name": "x", "members": []}),
    ] {
        service.post("/v1/access-groups", body).await.refused(422, "bad_value");
    }
    // What cannot be cleared says so by its name.
    for field in ["name", "rules"] {
        let refused = service.patch(&path, json!({field: null})).await.refused(422, "bad_value");
        let detail = refused["detail"].as_str().unwrap();
        assert!(detail.starts_with(&format!("{field}: must not be null")), "{detail}");
    }
    // What a rule names must exist, or nothing is changed.
    for (wrong, kind) in [(rule(&nothing, &schedule), "zone"), (rule(&zone, &nothing), "schedule")]
    {
        let body = json!({"name": "x", "rules": [wrong]});
        for answer in [
            service.post("/v1/access-groups", body.clone()).await,
            service.patch(&path, body).await,
        ] {
            let refused = answer.refused(404, "not_found");
            assert_eq!(refused["detail"], format!("there is no such {kind}"));
        }
    }
    let unchanged = service.get(&path).await.expect(200);
    assert_eq!((&unchanged["name"], &unchanged["rules"]), (&"guards".into(), &rules));
    assert_eq!(service.ids("/v1/access-groups", "group_id").await.len(), 2);
    service.get("/v1/access-groups/x").await.refused(400, "bad_path");
    service.get(&format!("/v1/access-groups/{nothing}")).await.refused(404, "not_found");
}

#[sqlx::test]
async fn members_come_and_go_and_gain_what_their_groups_give(pool: PgPool) {
    let service = TestService::start(&pool).await;
    let site = service.site(json!({})).await;
    let zone = service.zone(&site, json!({})).await;
    let schedule = service.schedule(json!({})).await;
    let rules = json!([rule(&zone, &schedule)]);
    let staff = service.group(json!({"rules": rules})).await;
    let guards = service.group(json!({"name": "guards"})).await;
    let mut people = Vec::new();
    for _ in 0..3 {
        people.push(service.employee(json!({})).await);
    }
    let members = format!("/v1/access-groups/{staff}/members");
    let access = format!("/v1/employees/{}/access", people[0]);
    let none = json!([]);
    assert_eq!(service.get(&members).await.expect(200)["items"], none);
    assert_eq!(service.get(&access).await.expect(200)["items"], none);

    // Twice is as once; the last word on the validity counts.
    let path = format!("{members}/{}", people[0]);
    let (from, until) = ("2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z");
    for (body, from, until) in [
        (json!({"valid_from": from, "valid_until": until}), json!(from), json!(until)),
        (json!({"valid_from": null, "valid_until": until}), Value::Null, json!(until)),
        (json!({}), Value::Null, Value::Null),
        (json!({}), Value::Null, Value::Null),
    ] {
        let member = service.put(&path, body).await.expect(200);
        let expected = json!({
            "group_id": staff, "employee_id": people[0], "valid_from": from, "valid_until": until,
        });
        assert_eq!(member, expected);
        assert_eq!(service.get(&members).await.expect(200)["items"], json!([expected]));
    }
    for person in &people[1..] {
        service.put(&format!("{members}/{person}"), json!({})).await.expect(200);
    }
    assert_eq!(service.ids(&members, "employee_id").await, people);

    let other = format!("/v1/access-groups/{guards}/members/{}", people[0]);
    service.put(&other, json!({"valid_until": until})).await.expect(200);
    let given = json!([
        {"group_id": staff, "group_name": "staff", "valid_from": null, "valid_until": null,
         "rules": rules},
        {"group_id": guards, "group_name": "guards", "valid_from": null, "valid_until": until,
         "rules": []},
    ]);
    assert_eq!(service.get(&access).await.expect(200)["items"], given);

    service.delete(&other).await.expect(204);
    service.delete(&other).await.refused(404, "not_found");
    assert_eq!(service.get(&access).await.expect(200)["items"], json!([given[0]]));
    // Whoever is removed belongs to nothing, and to a group that is removed nobody belongs.
    service.delete(&format!("/v1/employees/{}", people[2])).await.expect(204);
    assert_eq!(service.ids(&members, "employee_id").await, people[..2]);
    service.delete(&format!("/v1/access-groups/{staff}")).await.expect(204);
    assert_eq!(service.get(&access).await.expect(200)["items"], none);
}

#[sqlx::test]
async fn what_a_member_cannot_be_is_refused(pool: PgPool) {
    let service = TestService::start(&pool).await;
    let group = service.group(json!({})).await;
    let employee = service.employee(json!({})).await;
    let members = format!("/v1/access-groups/{group}/members");
    let path = format!("{members}/{employee}");
    let nothing = Uuid::new_v4();
    for (path, kind) in [
        (format!("{members}/{nothing}"), "employee"),
        (format!("/v1/access-groups/{nothing}/members/{employee}"), "access group"),
    ] {
        let refused = service.put(&path, json!({})).await.refused(404, "not_found");
        assert_eq!(refused["detail"], format!("there is no such {kind}"));
        service.delete(&path).await.refused(404, "not_found");
    }
    for body in [
        json!([]),
        json!({"valid_from": "tomorrow"}),
        json!({"valid_from": 0}),
        json!({"valid_until": "+12026-01-01T00:00:00Z"}),
        json!({"employee_id": employee}),
    ] {
        service.put(&path, body).await.refused(422, "bad_value");
    }
    let moment = "2026-01-01T00:00:00Z";
    let empty = json!({"valid_from": moment, "valid_until": moment});
    service.put(&path, empty.clone()).await.refused(422, "validity_empty");
    service.put(&path, json!({})).await.expect(200);
    service.put(&path, empty).await.refused(422, "validity_empty");

    service.put(&format!("{members}/x"), json!({})).await.refused(400, "bad_path");
    service.get(&format!("{members}?limit=0")).await.refused(400, "bad_query");
    let unknown = format!("/v1/access-groups/{nothing}/members");
    service.get(&unknown).await.refused(404, "not_found");
    service.get(&format!("/v1/employees/{nothing}/access")).await.refused(404, "not_found");
}
