//! What a person may ask for: consent that is on record, a copy of everything, and to be forgotten.

use chrono::Utc;
use limen::store::Purged;
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::PgPool;
use uuid::Uuid;

use crate::audit::audit;
use crate::passage::Passage;
use crate::service::{TestService, author, eventually, send};

#[sqlx::test]
async fn where_consent_is_asked_for_no_face_is_enrolled_without(pool: PgPool) {
    let service =
        TestService::start_with(&pool, |config| config.privacy.consent_required = true).await;
    let employee = service.employee(json!({})).await;
    let path = format!("/v1/employees/{employee}/faces");
    service.post_frame(&path, "obama-1.jpg").await.refused(409, "consent_missing");
    let consents = format!("/v1/employees/{employee}/consents");
    // One that is not given yet does not hold.
    let later = json!({"text_version": "2026-01", "given_at": "2099-01-01T00:00:00Z"});
    service.post(&consents, later).await.expect(201);
    service.post_frame(&path, "obama-1.jpg").await.refused(409, "consent_missing");
    let consent = service.post(&consents, json!({"text_version": "2026-01"})).await.expect(201);
    assert_eq!(consent["withdrawn_at"], Value::Null);
    service.enrol(&employee, "obama-1.jpg").await;
    let gate = service.gate(json!({})).await;
    Passage::of("obama-3.jpg").granted(&service, &gate).await;

    // The faces go with the last consent that holds.
    let one = format!("{consents}/{}", consent["consent_id"].as_str().unwrap());
    service.delete(&one).await.expect(204);
    service.delete(&one).await.expect(204);
    Passage::of("obama-3.jpg").refused(&service, &gate, "unknown_person").await;
    assert_eq!(service.get(&path).await.expect(200)["items"], json!([]));
    service.post_frame(&path, "obama-1.jpg").await.refused(409, "consent_withdrawn");
    let listed = service.get(&consents).await.expect(200);
    assert_eq!(listed["items"].as_array().unwrap().len(), 2);
    service.delete(&format!("{consents}/{}", Uuid::new_v4())).await.refused(404, "not_found");
    service.post(&consents, json!({"text_version": ""})).await.refused(422, "bad_value");
}

#[sqlx::test]
async fn whoever_withdrew_is_not_enrolled_until_they_agree_again_also_where_nobody_is_asked(
    pool: PgPool,
) {
    let service = TestService::start(&pool).await;
    let employee = service.employee(json!({"badge_id": "B-1"})).await;
    let path = format!("/v1/employees/{employee}/faces");
    let consents = format!("/v1/employees/{employee}/consents");
    let text = json!({"text_version": "2026-01"});
    let consent = service.post(&consents, text.clone()).await.expect(201);
    let consent = consent["consent_id"].as_str().unwrap();
    service.delete(&format!("{consents}/{consent}")).await.expect(204);
    service.post_frame(&path, "obama-1.jpg").await.refused(409, "consent_withdrawn");
    service.post(&consents, text).await.expect(201);
    service.enrol(&employee, "obama-1.jpg").await;
}

#[sqlx::test]
async fn a_person_gets_everything_that_is_stored_about_them(pool: PgPool) {
    let service = TestService::start(&pool).await;
    let employee = service.employee(json!({"name": "Ada", "badge_id": "B-1"})).await;
    service.enrol(&employee, "obama-1.jpg").await;
    let group = service.group(json!({})).await;
    service
        .put(&format!("/v1/access-groups/{group}/members/{employee}"), json!({}))
        .await
        .expect(200);
    let consents = format!("/v1/employees/{employee}/consents");
    service.post(&consents, json!({"text_version": "2026-01"})).await.expect(201);
    let invitations = format!("/v1/employees/{employee}/invitations");
    service.post(&invitations, json!({})).await.expect(201);
    let gate = service.gate(json!({})).await;
    Passage::of("obama-3.jpg").granted(&service, &gate).await;
    let other = service.employee(json!({"name": "Grace"})).await;

    let export = service.get(&format!("/v1/employees/{employee}/export")).await;
    assert!(!export.text.contains("Grace") && !export.text.contains(&other), "{}", export.text);
    let export = export.expect(200);
    assert_eq!(export["employee"]["name"], "Ada");
    for part in ["faces", "consents", "invitations", "access", "passages"] {
        assert_eq!(export[part].as_array().unwrap().len(), 1, "{part}: {export}");
    }
    // Created, enrolled, put into a group, consented, invited, exported.
    assert_eq!(export["changes"].as_array().unwrap().len(), 6, "{export}");
    let nobody = format!("/v1/employees/{}/export", Uuid::new_v4());
    service.get(&nobody).await.refused(404, "not_found");
}

#[sqlx::test]
async fn an_export_has_what_an_erasure_would_find_also_of_one_who_was_removed(pool: PgPool) {
    let service = TestService::start(&pool).await;
    let employee = service.employee(json!({"badge_id": "B-1"})).await;
    service.enrol(&employee, "obama-1.jpg").await;
    let path = format!("/v1/employees/{employee}");
    service.patch(&path, json!({"badge_id": "B-2"})).await.expect(200);
    let gate = service.gate(json!({})).await;
    let mut about = vec![Passage::of("obama-3.jpg").granted(&service, &gate).await];
    // Nobody was identified: the badges that they have or had are all that says who it was.
    for (frame, badge, reason) in [
        ("no-face-hubble.jpg", "B-2", "no_face"),
        ("print-attack-obama.jpg", "B-2", "spoof"),
        ("too-dark.jpg", "B-1", "too_dark"),
    ] {
        about.push(Passage::of(frame).badge(badge).refused(&service, &gate, reason).await);
    }
    let ids = |rows: &[Value]| rows.iter().map(|row| row["passage_id"].clone()).collect::<Vec<_>>();
    about.reverse();
    // Not theirs: another's badge, and their badge with the face of somebody who was identified.
    let other = service.employee(json!({"badge_id": "B-3"})).await;
    service.enrol(&other, "biden-1.jpg").await;
    Passage::of("no-face-hubble.jpg").badge("B-3").refused(&service, &gate, "no_face").await;
    let face_alone = service.gate(json!({"name": "south", "mode": "face"})).await;
    Passage::of("biden-1.jpg").badge("B-2").granted(&service, &face_alone).await;

    let export = service.get(&format!("{path}/export")).await.expect(200);
    assert_eq!(ids(export["passages"].as_array().unwrap()), ids(&about), "{export}");
    service.delete(&path).await.expect(204);
    let export = service.get(&format!("{path}/export")).await.expect(200);
    assert_eq!(ids(export["passages"].as_array().unwrap()), ids(&about), "{export}");
    assert_eq!(export["employee"], Value::Null);
    for part in ["faces", "photos", "consents", "invitations", "access"] {
        assert_eq!(export[part], json!([]), "{part}");
    }
    assert!(export["changes"].as_array().unwrap().len() > 3, "{export}");
    let erasure = send(service.request(Method::POST, &format!("{path}/erasure"))).await.expect(200);
    assert_eq!(erasure["passages"], about.len());
}

#[sqlx::test]
async fn whoever_takes_out_what_is_stored_of_a_person_is_noted(pool: PgPool) {
    let service = TestService::start(&pool).await;
    let employee = service.employee(json!({})).await;
    let export = service.get(&format!("/v1/employees/{employee}/export")).await.expect(200);
    let noted = service.get("/v1/changes?kind=exports").await.expect(200);
    let noted = noted["items"].as_array().unwrap();
    assert_eq!(noted.len(), 1, "{noted:?}");
    assert_eq!(export["changes"][0], noted[0]);
    assert_eq!((&noted[0]["employee_id"], &noted[0]["author"]), (&json!(employee), &json!("test")));
    assert_eq!(noted[0]["by_limen"], true);
    assert!(noted[0]["key_id"].is_string(), "{noted:?}");
    // Of nobody nothing is taken out.
    let nobody = format!("/v1/employees/{}/export", Uuid::new_v4());
    service.get(&nobody).await.refused(404, "not_found");
    let noted = service.get("/v1/changes?kind=exports").await.expect(200);
    assert_eq!(noted["items"].as_array().unwrap().len(), 1, "{noted}");
    let verified = audit(&service, &pool).await;
    assert_eq!((verified.faults, verified.foreign), (vec![], vec![]));
}

#[sqlx::test]
async fn whoever_is_erased_is_nowhere_and_the_trail_stays_whole(pool: PgPool) {
    let service = TestService::start(&pool).await;
    let fields = json!({"name": "Ada Lovelace", "badge_id": "B-1815", "department": "Engines"});
    let employee = service.employee(fields).await;
    service.enrol(&employee, "obama-1.jpg").await;
    let consents = format!("/v1/employees/{employee}/consents");
    service.post(&consents, json!({"text_version": "2026-01"})).await.expect(201);
    let invitations = format!("/v1/employees/{employee}/invitations");
    service.post(&invitations, json!({})).await.expect(201);
    let gate = service.gate(json!({})).await;
    Passage::of("obama-3.jpg").granted(&service, &gate).await;
    Passage::of("obama-3.jpg").badge("B-1815").granted(&service, &gate).await;
    // Refused before anybody was compared: the badge is all that says who it was.
    Passage::of("no-face-hubble.jpg").badge("B-1815").refused(&service, &gate, "no_face").await;
    let stranger = service.enrolled("biden-1.jpg").await;

    let path = format!("/v1/employees/{employee}/erasure");
    let erased = send(service.request(Method::POST, &path)).await.expect(200);
    assert_eq!(erased["passages"], 3, "{erased}");
    assert!(erased["changes"].as_u64().unwrap() >= 3, "{erased}");
    service.get(&format!("/v1/employees/{employee}")).await.refused(404, "not_found");
    Passage::of("obama-3.jpg").refused(&service, &gate, "unknown_person").await;
    send(service.request(Method::POST, &path)).await.refused(404, "not_found");

    // Nothing of the person is left in any table; their id is in what tells of the erasure alone.
    let tables: Vec<String> = sqlx::query_scalar(
        "select table_name::text from information_schema.tables
         where table_schema = 'public' and table_type = 'BASE TABLE'",
    )
    .fetch_all(&pool)
    .await
    .unwrap();
    for table in tables {
        let read = format!("select coalesce(string_agg(t::text, chr(10)), '') from {table} t");
        let text: String =
            sqlx::query_scalar(sqlx::AssertSqlSafe(read)).fetch_one(&pool).await.unwrap();
        for trace in ["Lovelace", "B-1815", "Engines"] {
            assert!(!text.contains(trace), "{trace} is in {table}");
        }
        let named = text.contains(&employee);
        assert!(!named || table == "changes", "{table} names the person");
    }
    let trail = service.trail().await;
    let granted: Vec<_> = trail.iter().filter(|row| row["decision"] == "grant").collect();
    assert_eq!(granted.len(), 2);
    assert!(granted.iter().all(|row| row["employee_id"].is_null() && row["badge_id"].is_null()));
    assert_eq!(audit(&service, &pool).await.faults, []);
    // Others stay who they are.
    service.get(&format!("/v1/employees/{stranger}")).await.expect(200);
}

#[sqlx::test]
async fn whoever_was_removed_before_can_still_be_erased(pool: PgPool) {
    let service = TestService::start(&pool).await;
    let employee = service.enrolled("obama-1.jpg").await;
    let gate = service.gate(json!({})).await;
    Passage::of("obama-3.jpg").granted(&service, &gate).await;
    service.delete(&format!("/v1/employees/{employee}")).await.expect(204);
    let path = format!("/v1/employees/{employee}/erasure");
    let erased = send(service.request(Method::POST, &path)).await.expect(200);
    assert_eq!(erased["passages"], 1, "{erased}");
    assert_eq!(audit(&service, &pool).await.faults, []);
}

#[sqlx::test]
async fn passages_are_purged_from_the_oldest_on_and_the_rest_is_proved_as_before(pool: PgPool) {
    let service = TestService::start(&pool).await;
    service.enrolled("obama-1.jpg").await;
    let gate = service.gate(json!({})).await;
    for _ in 0..3 {
        Passage::of("obama-3.jpg").granted(&service, &gate).await;
    }
    let before = Utc::now();
    for _ in 0..2 {
        Passage::of("obama-3.jpg").granted(&service, &gate).await;
    }
    let (store, id) = (&service.store, gate.parse().unwrap());
    let purge = async |before| store.purge_records(&author(), id, before).await.unwrap();
    assert_eq!(purge(before).await, Purged { passages: 3, inputs: 0 });
    assert_eq!(purge(before).await, Purged::default());
    assert_eq!(service.trail().await.len(), 2);
    assert_eq!(audit(&service, &pool).await.faults, []);
    // The chain goes on, and what is removed by anybody else is missed.
    Passage::of("obama-3.jpg").granted(&service, &gate).await;
    assert_eq!(audit(&service, &pool).await.faults, []);
    let changes = service.get("/v1/changes?kind=purges").await.expect(200);
    assert_eq!(changes["items"][0]["details"]["after"]["passages"], 3, "{changes}");
    sqlx::query("delete from passages where position = 4").execute(&pool).await.unwrap();
    assert_eq!(audit(&service, &pool).await.faults.len(), 1);
    // All of them: the chain is empty and begins where it ended.
    assert_eq!(purge(Utc::now()).await, Purged { passages: 2, inputs: 0 });
    assert_eq!(audit(&service, &pool).await.faults, []);
    Passage::of("obama-3.jpg").granted(&service, &gate).await;
    assert_eq!(audit(&service, &pool).await.faults, []);
}

#[sqlx::test]
async fn whoever_left_long_enough_ago_is_erased_and_nobody_else(pool: PgPool) {
    let service = TestService::start(&pool).await;
    let mut people = Vec::new();
    for (name, fields) in [
        ("revoked", json!({"status": "revoked"})),
        ("expired", json!({"valid_until": "2020-01-01T00:00:00Z"})),
        ("suspended", json!({"status": "suspended"})),
        ("blocked", json!({"status": "blocked", "valid_until": "2020-01-01T00:00:00Z"})),
        ("active", json!({})),
    ] {
        let mut fields = fields;
        fields["name"] = name.into();
        people.push((name, service.employee(fields).await));
    }
    sqlx::query("update employees set updated_at = now() - interval '3 days'")
        .execute(&pool)
        .await
        .unwrap();
    let just_now = service.employee(json!({"name": "just now", "status": "revoked"})).await;
    let keeper = TestService::start_replica_with(&pool, |config| {
        config.privacy.leavers_days = Some(2);
        config.server.metrics_public = true;
    })
    .await;
    eventually("the leavers are erased", async || {
        service.ids("/v1/employees", "employee_id").await.len() == 4
    })
    .await;
    let left = service.ids("/v1/employees", "employee_id").await;
    assert!(left.contains(&just_now));
    for (name, id) in people {
        assert_eq!(
            left.contains(&id),
            matches!(name, "suspended" | "active" | "blocked"),
            "{name}"
        );
    }
    eventually("it is counted", async || keeper.metric("limen_erased_people_total").await == 2.0)
        .await;
    assert_eq!(audit(&service, &pool).await.faults, []);
}
