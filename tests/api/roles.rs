//! Roles: the API refuses each operation to each scope that should not have it.

use limen::domain::Scope;
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::PgPool;
use uuid::Uuid;

use crate::contract::of_nobody;
use crate::service::{TestService, send};

/// Method, path, and what the table says of each scope.
type Operation = (Method, String, Vec<String>);

/// The table of docs/ROLES.md: operation, and what it says of each scope in the order of the heading.
fn table() -> (Vec<Scope>, Vec<Operation>) {
    let document = include_str!("../../docs/ROLES.md");
    let mut lines = document.lines().skip_while(|line| !line.starts_with("| operation |"));
    let cells = |line: &str| -> Vec<String> {
        line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect()
    };
    let heading = cells(lines.next().expect("a table"));
    let scopes = heading[1..].iter().map(|name| name.parse().expect("a scope")).collect();
    let rows = lines.skip(1).take_while(|line| line.starts_with('|')).map(|line| {
        let cells = cells(line);
        let (method, path) = cells[0].trim_matches('`').split_once(' ').expect("an operation");
        (method.parse().expect("a method"), path.to_owned(), cells[1..].to_vec())
    });
    (scopes, rows.collect())
}

#[test]
fn the_table_of_roles_has_every_scope_and_every_operation() {
    let (scopes, rows) = table();
    assert!(Scope::ALL.iter().all(|scope| scopes.contains(scope)), "{scopes:?}");
    let contract = serde_json::to_value(limen::http::contract()).unwrap();
    let mut wanted: Vec<String> = contract["paths"]
        .as_object()
        .unwrap()
        .iter()
        .flat_map(|(path, item)| {
            item.as_object().unwrap().keys().map(move |m| format!("{} {path}", m.to_uppercase()))
        })
        .collect();
    let mut found: Vec<_> =
        rows.iter().map(|(method, path, _)| format!("{method} {path}")).collect();
    wanted.sort();
    found.sort();
    assert_eq!(found, wanted);
}

#[sqlx::test]
async fn every_operation_is_refused_to_every_scope_that_should_not_have_it(pool: PgPool) {
    let service = TestService::start(&pool).await;
    let (scopes, rows) = table();
    let gate = service.gate(json!({})).await;
    let bound = service.make_key(&[Scope::Gate], Some(gate.parse().unwrap())).await;
    let mut allowed = 0;
    for (number, scope) in scopes.iter().enumerate() {
        let key = service.make_key(&[*scope], None).await;
        for (method, path, cells) in &rows {
            let ask =
                |key: &str| send(service.bare(method.clone(), &of_nobody(path)).bearer_auth(key));
            let everybody = cells[0].starts_with("everybody");
            let answer = ask(&key).await;
            let what = format!("{method} {path} with {scope}: {}", answer.text);
            if everybody || !cells[number].is_empty() {
                assert!(!matches!(answer.status, 401 | 403), "{what}");
                allowed += 1;
            } else {
                assert_eq!(answer.status, 403, "{what}");
                answer.refused(403, "missing_scope");
            }
            if *scope == Scope::Gate && !everybody && !cells[number].is_empty() {
                // Of another gate, and of everything that is no passage.
                let bound_may = path == "/v1/grant-key";
                assert_eq!(ask(&bound).await.status == 403, !bound_may, "{method} {path}");
            }
        }
    }
    assert!(allowed > 100, "{allowed}");
}

#[sqlx::test]
async fn an_officer_changes_the_status_of_a_person_and_nothing_else(pool: PgPool) {
    let service = TestService::start(&pool).await;
    let employee = service.employee(json!({"badge_id": "B-1"})).await;
    let officer = service.make_key(&[Scope::Officer], None).await;
    let path = format!("/v1/employees/{employee}");
    let patch = async |body: Value| {
        send(service.bare(Method::PATCH, &path).bearer_auth(&officer).json(&body)).await
    };
    for body in [
        json!({"name": "Somebody else"}),
        json!({"badge_id": null}),
        json!({"department": "x"}),
        json!({"metadata": {}}),
        json!({"valid_until": null}),
        json!({"status": "suspended", "valid_from": null}),
    ] {
        patch(body).await.refused(403, "missing_scope");
    }
    let read = service.get(&path).await.expect(200);
    assert_eq!((&read["status"], &read["badge_id"]), (&json!("active"), &json!("B-1")));
    assert_eq!(patch(json!({"status": "suspended"})).await.expect(200)["status"], "suspended");
}

#[sqlx::test]
async fn keys_are_made_listed_and_revoked_and_shown_once(pool: PgPool) {
    let service = TestService::start(&pool).await;
    let body = json!({"name": "front desk", "scopes": ["officer", "viewer"],
        "expires_at": "2099-01-01T00:00:00Z"});
    let made = service.post("/v1/keys", body).await.expect(201);
    let key = made["key"].as_str().unwrap();
    assert_eq!(made["scopes"], json!(["viewer", "officer"]));
    assert_eq!(made["last_used_at"], Value::Null);
    send(service.bare(Method::GET, "/v1/employees").bearer_auth(key)).await.expect(200);

    let path = format!("/v1/keys/{}", made["key_id"].as_str().unwrap());
    let read = service.get(&path).await;
    assert!(!read.text.contains(key.rsplit('_').next().unwrap()), "the secret is shown again");
    let read = read.expect(200);
    assert_ne!(read["last_used_at"], Value::Null, "{read}");
    assert_eq!(read["expires_at"], "2099-01-01T00:00:00Z");

    service.delete(&path).await.expect(204);
    send(service.bare(Method::GET, "/v1/employees").bearer_auth(key))
        .await
        .refused(401, "unauthorized");
    assert_ne!(service.get(&path).await.expect(200)["revoked_at"], Value::Null);
    // Revoking it again changes nothing.
    service.delete(&path).await.expect(204);
    service.delete(&format!("/v1/keys/{}", Uuid::new_v4())).await.refused(404, "not_found");
    let ids = service.ids("/v1/keys", "key_id").await;
    assert!(ids.contains(&made["key_id"].as_str().unwrap().to_owned()), "{ids:?}");
}

#[sqlx::test]
async fn a_key_that_could_do_nothing_or_too_much_is_refused(pool: PgPool) {
    let service = TestService::start(&pool).await;
    let gate = service.gate(json!({})).await;
    for body in [
        json!({"name": "x", "scopes": []}),
        json!({"name": "x", "scopes": ["root"]}),
        json!({"name": "", "scopes": ["viewer"]}),
        json!({"name": "x", "scopes": ["admin"], "gate_id": gate}),
        json!({"name": "x", "scopes": ["viewer"], "expires_at": "tomorrow"}),
    ] {
        service.post("/v1/keys", body).await.refused(422, "bad_value");
    }
    let nowhere = json!({"name": "x", "scopes": ["gate"], "gate_id": Uuid::new_v4()});
    service.post("/v1/keys", nowhere).await.refused(404, "not_found");
}

#[sqlx::test]
async fn a_key_that_has_ended_opens_nothing(pool: PgPool) {
    let service = TestService::start(&pool).await;
    let body =
        json!({"name": "visitor", "scopes": ["viewer"], "expires_at": "2020-01-01T00:00:00Z"});
    let made = service.post("/v1/keys", body).await.expect(201);
    let request = service.bare(Method::GET, "/v1/employees");
    let answer = send(request.bearer_auth(made["key"].as_str().unwrap())).await;
    answer.refused(401, "unauthorized");
}

#[sqlx::test]
async fn whoever_guesses_keys_is_shut_out_and_who_has_a_right_one_is_not(pool: PgPool) {
    let service = TestService::start_with(&pool, |config| {
        config.server.wrong_keys_per_minute_max = 5;
    })
    .await;
    let late = service.make_key(&[Scope::Viewer], None).await;
    let known = service.make_key(&[Scope::Viewer], None).await;
    let ask =
        async |key: &str| send(service.bare(Method::GET, "/v1/employees").bearer_auth(key)).await;
    ask(&known).await.expect(200);
    service.get("/v1/keys").await.expect(200);
    for _ in 0..5 {
        let guess = limen::http::ApiKeyText::generate().unwrap().to_string();
        ask(&guess).await.refused(401, "unauthorized");
    }
    let shut_out = ask("limen_nonsense").await;
    assert_eq!(shut_out.header("retry-after"), Some("60"));
    shut_out.refused(429, "too_many_wrong_keys");
    let guess = limen::http::ApiKeyText::generate().unwrap().to_string();
    ask(&guess).await.refused(429, "too_many_wrong_keys");
    // Whoever shares the address goes on, also with a key that was not seen from there before.
    ask(&late).await.expect(200);
    ask(&known).await.expect(200);
    // Nobody has it forgotten who does not have it.
    let id = known.split('_').nth(1).unwrap().to_owned();
    let secret = limen::http::ApiKeyText::generate().unwrap().to_string().split_off(39);
    ask(&format!("limen_{id}{secret}")).await;
    ask(&known).await.expect(200);
    // Once revoked it is as unknown as any.
    service.delete(&format!("/v1/keys/{id}")).await.expect(204);
    ask(&known).await.refused(401, "unauthorized");
    ask(&known).await.refused(429, "too_many_wrong_keys");
    ask(&late).await.expect(200);
    assert_eq!(send(service.bare(Method::GET, "/healthz")).await.status, 200);
}

#[sqlx::test]
async fn an_enroller_changes_nothing_of_somebody_on_the_blocklist(pool: PgPool) {
    let service = TestService::start(&pool).await;
    let employee = service.enrolled("obama-1.jpg").await;
    let group = service.group(json!({})).await;
    let enroller = service.make_key(&[Scope::Enroller], None).await;
    let ask = async |method: Method, path: &str, body: Value| {
        send(service.bare(method, path).bearer_auth(&enroller).json(&body)).await
    };
    let path = format!("/v1/employees/{employee}");
    ask(Method::PATCH, &path, json!({"status": "blocked"})).await.refused(403, "missing_scope");
    let blocked = json!({"name": "x", "status": "blocked"});
    ask(Method::POST, "/v1/employees", blocked).await.refused(403, "missing_scope");
    service.set_status(&employee, "blocked").await;
    let member = format!("/v1/access-groups/{group}/members/{employee}");
    let face =
        service.get(&format!("{path}/faces")).await.expect(200)["items"][0]["face_id"].clone();
    let face = format!("{path}/faces/{}", face.as_str().unwrap());
    for (method, path, body) in [
        (Method::PATCH, &path, json!({"status": "active"})),
        (Method::PATCH, &path, json!({"name": "Somebody else"})),
        (Method::PUT, &member, json!({})),
        (Method::POST, &format!("{path}/consents"), json!({"text_version": "1"})),
        (Method::DELETE, &face, Value::Null),
        (Method::DELETE, &path, Value::Null),
    ] {
        ask(method, path, body).await.refused(403, "missing_scope");
    }
    let officer = service.make_key(&[Scope::Officer], None).await;
    let lift = service.bare(Method::PATCH, &path).bearer_auth(&officer);
    send(lift.json(&json!({"status": "active"}))).await.expect(200);
}
