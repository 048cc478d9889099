//! `/v1/zones`: the parts of a site, entered and left through gates.

use chrono::{DateTime, Utc};
use serde_json::json;
use sqlx::PgPool;
use uuid::Uuid;

use crate::service::{TestService, id};

#[sqlx::test]
async fn a_zone_is_created_with_defaults_changed_and_removed(pool: PgPool) {
    let service = TestService::start(&pool).await;
    let site = service.site(json!({})).await;
    let body = json!({"site_id": site, "name": "hall"});
    let zone = service.post("/v1/zones", body).await.expect(201);
    for (setting, value) in [
        ("site_id", json!(site)),
        ("name", json!("hall")),
        ("anti_passback", json!("off")),
        ("anti_passback_reset_s", json!(43_200)),
    ] {
        assert_eq!(zone[setting], value, "{setting}");
    }
    let path = format!("/v1/zones/{}", id(&zone, "zone_id"));
    assert_eq!(service.get(&path).await.expect(200), zone);

    let change = json!({"anti_passback": "hard", "anti_passback_reset_s": 60});
    let changed = service.patch(&path, change).await.expect(200);
    assert_eq!(
        (&changed["anti_passback"], &changed["anti_passback_reset_s"]),
        (&"hard".into(), &60.into())
    );
    // What is absent stays.
    let changed = service.patch(&path, json!({"name": "vault"})).await.expect(200);
    assert_eq!((&changed["name"], &changed["anti_passback"]), (&"vault".into(), &"hard".into()));
    assert_eq!(service.get(&path).await.expect(200), changed);

    service.delete(&path).await.expect(204);
    service.get(&path).await.refused(404, "not_found");
    service.delete(&path).await.refused(404, "not_found");
    service.patch(&path, json!({})).await.refused(404, "not_found");
}

#[sqlx::test]
async fn zones_are_listed_page_by_page_and_by_their_site(pool: PgPool) {
    let service = TestService::start(&pool).await;
    let site = service.site(json!({})).await;
    let other = service.site(json!({"name": "works"})).await;
    let mut created = Vec::new();
    for name in ["a", "b", "c"] {
        created.push(service.zone(&site, json!({"name": name})).await);
    }
    // Of another site, a zone may have the same name.
    created.push(service.zone(&other, json!({"name": "a"})).await);
    assert_eq!(service.ids("/v1/zones", "zone_id").await, created);

    for (site, found) in [(&site, &created[..3]), (&other, &created[3..])] {
        let page = service.get(&format!("/v1/zones?site_id={site}")).await.expect(200);
        let zones = page["items"].as_array().unwrap().iter().map(|row| id(row, "zone_id"));
        assert_eq!(zones.collect::<Vec<_>>(), found);
    }
    service.get("/v1/zones?site_id=x").await.refused(400, "bad_query");
}

#[sqlx::test]
async fn what_a_zone_cannot_be_is_refused(pool: PgPool) {
    let service = TestService::start(&pool).await;
    let site = service.site(json!({})).await;
    let zone = service.zone(&site, json!({})).await;
    let other = service.zone(&site, json!({"name": "vault"})).await;
    let path = format!("/v1/zones/{other}");
    let taken = json!({"site_id": site, "name": "hall"});
    service.post("/v1/zones", taken).await.refused(409, "zone_name_taken");
    service.patch(&path, json!({"name": "hall"})).await.refused(409, "zone_name_taken");
    let nowhere = json!({"site_id": Uuid::new_v4(), "name": "x"});
    let refused = service.post("/v1/zones", nowhere).await.refused(404, "not_found");
    assert_eq!(refused["detail"], "there is no such site");

    for body in [
        json!({"name": "x"}),
        json!({"site_id": site}),
        json!({"site_id": "x", "name": "x"}),
        json!({"site_id": site, "name": ""}),
        json!({"site_id": site, "name": "x".repeat(101)}),
        json!({"site_id": site, "name": "x", "anti_passback": "on"}),
        json!({"site_id": site, "name": "x", "anti_passback_reset_s": 59}),
        json!({"site_id": site, "name": "x", "anti_passback_reset_s": 2_592_001}),
        json!({"site_id": site, "name": "x", "anti_passback_reset_s": -1}),
        json!({"site_id": site, "name": "x", "colour": "red"}),
    ] {
        service.post("/v1/zones", body).await.refused(422, "bad_value");
    }
    // A zone stays where it is.
    service.patch(&path, json!({"site_id": site})).await.refused(422, "bad_value");
    // What cannot be cleared says so by its name.
    for field in ["name", "anti_passback", "anti_passback_reset_s"] {
        let refused = service.patch(&path, json!({field: null})).await.refused(422, "bad_value");
        let detail = refused["detail"].as_str().unwrap();
        assert!(detail.starts_with(&format!("{field}: must not be null")), "{detail}");
    }
    service.get("/v1/zones/x").await.refused(400, "bad_path");
    service.get(&format!("/v1/zones/{}", Uuid::new_v4())).await.refused(404, "not_found");

    // One that a gate or a group names stays.
    let gate = service.gate(json!({"zone_id": zone})).await;
    let schedule = service.schedule(json!({})).await;
    let rules = json!([{"zone_id": other, "schedule_id": schedule}]);
    let group = service.group(json!({"rules": rules})).await;
    let zone = format!("/v1/zones/{zone}");
    service.delete(&zone).await.refused(409, "zone_in_use");
    service.delete(&path).await.refused(409, "zone_in_use");
    service.delete(&format!("/v1/gates/{gate}")).await.expect(204);
    service.delete(&format!("/v1/access-groups/{group}")).await.expect(204);
    service.delete(&zone).await.expect(204);
    service.delete(&path).await.expect(204);
}

#[sqlx::test]
async fn a_pardon_is_recorded_with_the_key_that_gave_it(pool: PgPool) {
    let service = TestService::start(&pool).await;
    let site = service.site(json!({})).await;
    let zone = service.zone(&site, json!({"anti_passback": "hard"})).await;
    let employee = service.employee(json!({})).await;
    let path = format!("/v1/zones/{zone}/pardons");
    let body = json!({"employee_id": employee});

    let before = Utc::now();
    let pardon = service.post(&path, body.clone()).await.expect(201);
    assert_eq!(
        (&pardon["zone_id"], &pardon["employee_id"]),
        (&zone.as_str().into(), &employee.as_str().into())
    );
    let pardoned_at: DateTime<Utc> = pardon["pardoned_at"].as_str().unwrap().parse().unwrap();
    assert!((before..=Utc::now()).contains(&pardoned_at), "{before} {pardoned_at}");
    let again = service.post(&path, body.clone()).await.expect(201);
    assert_ne!(again["pardon_id"], pardon["pardon_id"]);
    let of_a_key: i64 =
        sqlx::query_scalar("select count(*) from pardons p join api_keys k on k.id = p.key_id")
            .fetch_one(&pool)
            .await
            .unwrap();
    assert_eq!(of_a_key, 2);

    let nowhere = format!("/v1/zones/{}/pardons", Uuid::new_v4());
    let refused = service.post(&nowhere, body).await.refused(404, "not_found");
    assert_eq!(refused["detail"], "there is no such zone");
    let nobody = json!({"employee_id": Uuid::new_v4()});
    let refused = service.post(&path, nobody).await.refused(404, "not_found");
    assert_eq!(refused["detail"], "there is no such employee");
    for body in [
        json!({}),
        json!({"employee_id": null}),
        json!({"employee_id": "x"}),
        json!({"employee_id": employee, "reason": "fire drill"}),
    ] {
        service.post(&path, body).await.refused(422, "bad_value");
    }

    // They go with the zone.
    service.delete(&format!("/v1/zones/{zone}")).await.expect(204);
    let left: i64 =
        sqlx::query_scalar("select count(*) from pardons").fetch_one(&pool).await.unwrap();
    assert_eq!(left, 0);
}
