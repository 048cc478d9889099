//! `/v1/sites`: places with clocks and a calendar of their own.

use chrono::{NaiveDate, TimeDelta};
use serde_json::json;
use sqlx::PgPool;
use uuid::Uuid;

use crate::service::{TestService, id};

#[sqlx::test]
async fn a_site_is_created_with_defaults_changed_and_removed(pool: PgPool) {
    let service = TestService::start(&pool).await;
    let body = json!({"name": " Old  Campus ", "time_zone": "Europe/Berlin"});
    let site = service.post("/v1/sites", body).await.expect(201);
    assert_eq!(
        (&site["name"], &site["time_zone"]),
        (&"Old Campus".into(), &"Europe/Berlin".into())
    );
    assert_eq!(site["holidays"], json!([]));
    let path = format!("/v1/sites/{}", id(&site, "site_id"));
    assert_eq!(service.get(&path).await.expect(200), site);

    // Sorted, and each day once.
    let holidays = json!(["2026-12-25", "2026-01-01", "2026-12-25"]);
    let change = json!({"holidays": holidays, "time_zone": "America/New_York"});
    let changed = service.patch(&path, change).await.expect(200);
    assert_eq!(changed["holidays"], json!(["2026-01-01", "2026-12-25"]));
    assert_eq!(
        (&changed["name"], &changed["time_zone"]),
        (&"Old Campus".into(), &"America/New_York".into())
    );
    // What is absent stays.
    let changed = service.patch(&path, json!({"name": "Works"})).await.expect(200);
    assert_eq!(changed["holidays"], json!(["2026-01-01", "2026-12-25"]));
    assert_eq!(service.get(&path).await.expect(200), changed);
    let changed = service.patch(&path, json!({"holidays": []})).await.expect(200);
    assert_eq!(changed["holidays"], json!([]));

    service.delete(&path).await.expect(204);
    service.get(&path).await.refused(404, "not_found");
    service.delete(&path).await.refused(404, "not_found");
    service.patch(&path, json!({})).await.refused(404, "not_found");
}

#[sqlx::test]
async fn sites_are_listed_page_by_page(pool: PgPool) {
    let service = TestService::start(&pool).await;
    let mut created = Vec::new();
    for name in ["a", "b", "c"] {
        created.push(service.site(json!({"name": name, "holidays": ["2026-12-25"]})).await);
    }
    assert_eq!(service.ids("/v1/sites", "site_id").await, created);
}

#[sqlx::test]
async fn what_a_site_cannot_be_is_refused(pool: PgPool) {
    let service = TestService::start(&pool).await;
    let site = service.site(json!({})).await;
    let other = service.site(json!({"name": "works"})).await;
    let path = format!("/v1/sites/{other}");
    let taken = json!({"name": "campus", "time_zone": "UTC"});
    service.post("/v1/sites", taken).await.refused(409, "site_name_taken");
    service.patch(&path, json!({"name": "campus"})).await.refused(409, "site_name_taken");

    let days = |count: i64| -> Vec<String> {
        let first = NaiveDate::from_ymd_opt(2026, 1, 1).unwrap();
        (0..count).map(|day| (first + TimeDelta::days(day)).to_string()).collect()
    };
    for body in [
        json!({}),
        json!({"name": "x"}),
        json!({"time_zone": "UTC"}),
        json!({"name": "", "time_zone": "UTC"}),
        json!({"name": "x".repeat(101), "time_zone": "UTC"}),
        json!({"name": "x", "time_zone": null}),
        json!({"name": "x", "time_zone": ""}),
        json!({"name": "x", "time_zone": 1}),
        json!({"name": "x", "time_zone": "+01:00"}),
        json!({"name": "x", "time_zone": "europe/berlin"}),
        json!({"name": "x", "time_zone": "UTC", "holidays": null}),
        json!({"name": "x", "time_zone": "UTC", "holidays": "2026-12-25"}),
        json!({"name": "x", "time_zone": "UTC", "holidays": ["2026-02-29"]}),
        json!({"name": "x", "time_zone": "UTC", "holidays": ["25.12.2026"]}),
        json!({"name": "x", "time_zone": "UTC", "holidays": ["+10000-01-01"]}),
        json!({"name": "x", "time_zone": "UTC", "holidays": days(1_001)}),
        json!({"name": "x", "time_zone": "UTC", "colour": "red"}),
    ] {
        service.post("/v1/sites", body).await.refused(422, "bad_value");
    }
    let holidays = json!({"holidays": days(1_000)});
    let changed = service.patch(&path, holidays).await.expect(200);
    assert_eq!(changed["holidays"].as_array().map(Vec::len), Some(1_000));

    // An unknown time zone is named, with one that is known.
    let refused = service.patch(&path, json!({"time_zone": "Europe/Berln"})).await;
    let refused = refused.refused(422, "bad_value");
    let detail = refused["detail"].as_str().unwrap();
    assert!(detail.contains("time_zone: `Europe/Berln` is no time zone"), "{detail}");
    assert!(detail.contains("such as Europe/Berlin"), "{detail}");
    // What cannot be cleared says so by its name.
    for field in ["name", "time_zone", "holidays"] {
        let refused = service.patch(&path, json!({field: null})).await.refused(422, "bad_value");
        let detail = refused["detail"].as_str().unwrap();
        assert!(detail.starts_with(&format!("{field}: must not be null")), "{detail}");
    }
    service.get("/v1/sites/x").await.refused(400, "bad_path");
    service.get(&format!("/v1/sites/{}", Uuid::new_v4())).await.refused(404, "not_found");

    // One that has zones stays.
    let zone = service.zone(&site, json!({})).await;
    let site = format!("/v1/sites/{site}");
    service.delete(&site).await.refused(409, "site_has_zones");
    service.delete(&format!("/v1/zones/{zone}")).await.expect(204);
    service.delete(&site).await.expect(204);
}
