//! `/v1/schedules`: weekly hours, by the clocks of the site where they are asked for.

use serde_json::{Value, json};
use sqlx::PgPool;
use uuid::Uuid;

use crate::service::{TestService, id};

fn hours(days: &[&str], from: &str, until: &str) -> Value {
    json!({"days": days, "from": from, "until": until})
}

#[sqlx::test]
async fn a_schedule_is_created_with_defaults_changed_and_removed(pool: PgPool) {
    let service = TestService::start(&pool).await;
    let office = hours(&["monday", "friday"], "07:00", "19:00");
    let body = json!({"name": "office", "hours": [office]});
    let schedule = service.post("/v1/schedules", body).await.expect(201);
    for (setting, value) in
        [("name", json!("office")), ("hours", json!([office])), ("on_holidays", json!(false))]
    {
        assert_eq!(schedule[setting], value, "{setting}");
    }
    let path = format!("/v1/schedules/{}", id(&schedule, "schedule_id"));
    assert_eq!(service.get(&path).await.expect(200), schedule);

    // A night and a whole day, in the order in which they were given.
    let nights =
        json!([hours(&["friday"], "22:00", "06:00"), hours(&["sunday"], "00:00", "24:00")]);
    let changed = service.patch(&path, json!({"hours": nights})).await.expect(200);
    assert_eq!((&changed["hours"], &changed["name"]), (&nights, &"office".into()));
    // What is absent stays.
    let change = json!({"name": "nights", "on_holidays": true});
    let changed = service.patch(&path, change).await.expect(200);
    assert_eq!((&changed["hours"], &changed["on_holidays"]), (&nights, &true.into()));
    assert_eq!(service.get(&path).await.expect(200), changed);

    service.delete(&path).await.expect(204);
    service.get(&path).await.refused(404, "not_found");
    service.delete(&path).await.refused(404, "not_found");
    service.patch(&path, json!({})).await.refused(404, "not_found");
}

#[sqlx::test]
async fn schedules_are_listed_page_by_page(pool: PgPool) {
    let service = TestService::start(&pool).await;
    let mut created = Vec::new();
    for name in ["a", "b", "c"] {
        created.push(service.schedule(json!({"name": name})).await);
    }
    assert_eq!(service.ids("/v1/schedules", "schedule_id").await, created);
}

#[sqlx::test]
async fn what_a_schedule_cannot_be_is_refused(pool: PgPool) {
    let service = TestService::start(&pool).await;
    let office = hours(&["monday"], "07:00", "19:00");
    let schedule = service.schedule(json!({})).await;
    let other = service.schedule(json!({"name": "nights"})).await;
    let path = format!("/v1/schedules/{other}");
    let taken = json!({"name": "office", "hours": [office]});
    service.post("/v1/schedules", taken).await.refused(409, "schedule_name_taken");
    service.patch(&path, json!({"name": "office"})).await.refused(409, "schedule_name_taken");

    let week = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];
    for wrong in [
        json!(null),
        json!([]),
        json!(office),
        json!(vec![&office; 51]),
        json!([hours(&[], "07:00", "19:00")]),
        json!([hours(&["monday", "monday"], "07:00", "19:00")]),
        json!([hours(&[&week[..], &["monday"]].concat(), "07:00", "19:00")]),
        json!([hours(&["Monday"], "07:00", "19:00")]),
        json!([hours(&["funday"], "07:00", "19:00")]),
        json!([hours(&["monday"], "7:00", "19:00")]),
        json!([hours(&["monday"], "07:00", "24:01")]),
        json!([hours(&["monday"], "07:60", "19:00")]),
        json!([hours(&["monday"], "24:00", "06:00")]),
        json!([hours(&["monday"], "07:00", "07:00")]),
        json!([{"days": ["monday"], "from": "07:00"}]),
        json!([{"days": ["monday"], "from": "07:00", "until": null}]),
        json!([{"days": ["monday"], "from": "07:00", "until": "19:00", "zone": "UTC"}]),
    ] {
        let body = json!({"name": "x", "hours": wrong});
        service.post("/v1/schedules", body).await.refused(422, "bad_value");
        service.patch(&path, json!({"hours": wrong})).await.refused(422, "bad_value");
    }
    for body in [
        json!({"name": "x"}),
        json!({"hours": [office]}),
        json!({"name": "", "hours": [office]}),
        json!({"name": "x", "hours": [office], "on_holidays": "yes"}),
        json!({"name": "x", "hours": [office], "colour": "red"}),
    ] {
        service.post("/v1/schedules", body).await.refused(422, "bad_value");
    }
    let fifty = json!({"hours": vec![&office; 50]});
    service.patch(&path, fifty).await.expect(200);

    // A whole day is not from a time to itself, and the refusal says which of the hours is meant and how.
    let no_day = json!({"hours": [office, hours(&week, "00:00", "00:00")]});
    let refused = service.patch(&path, no_day).await.refused(422, "bad_value");
    let detail = refused["detail"].as_str().unwrap();
    assert!(detail.starts_with("hours[1]: "), "{detail}");
    assert!(detail.contains("a whole day is 00:00 to 24:00"), "{detail}");
    // What cannot be cleared says so by its name.
    for field in ["name", "hours", "on_holidays"] {
        let refused = service.patch(&path, json!({field: null})).await.refused(422, "bad_value");
        let detail = refused["detail"].as_str().unwrap();
        assert!(detail.starts_with(&format!("{field}: must not be null")), "{detail}");
    }
    service.get("/v1/schedules/x").await.refused(400, "bad_path");
    service.get(&format!("/v1/schedules/{}", Uuid::new_v4())).await.refused(404, "not_found");

    // One that a group names stays.
    let site = service.site(json!({})).await;
    let zone = service.zone(&site, json!({})).await;
    let rules = json!([{"zone_id": zone, "schedule_id": schedule}]);
    let group = service.group(json!({"rules": rules})).await;
    let path = format!("/v1/schedules/{schedule}");
    service.delete(&path).await.refused(409, "schedule_in_use");
    service.patch(&format!("/v1/access-groups/{group}"), json!({"rules": []})).await.expect(200);
    service.delete(&path).await.expect(204);
}
