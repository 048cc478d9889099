//! Sessions: a cookie in the place of a key, for browsers.

use limen::domain::Scope;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::answer::Answer;
use crate::service::{TestService, author, send};

const CSRF: &str = "x-csrf-token";

/// Somebody who is signed in: their cookie, and what shows that a request comes from our own pages.
struct Browser<'a> {
    service: &'a TestService,
    cookie: String,
    csrf: String,
}

impl Browser<'_> {
    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.service.bare(method, path).header("cookie", &self.cookie)
    }

    async fn get(&self, path: &str) -> Answer {
        send(self.request(Method::GET, path)).await
    }

    async fn change(&self, method: Method, path: &str, body: &Value) -> Answer {
        send(self.request(method, path).header(CSRF, &self.csrf).json(body)).await
    }
}

async fn sign_in(service: &TestService, key: &str) -> Answer {
    send(service.bare(Method::POST, "/v1/session").json(&json!({"key": key}))).await
}

async fn signed_in<'a>(service: &'a TestService, key: &str) -> Browser<'a> {
    let answer = sign_in(service, key).await;
    let cookie = answer.header("set-cookie").expect("a cookie");
    let cookie = cookie.split(';').next().unwrap().to_owned();
    let csrf = answer.expect(201)["csrf_token"].as_str().unwrap().to_owned();
    Browser { service, cookie, csrf }
}

#[sqlx::test]
async fn a_cookie_stands_for_the_key_that_was_signed_in_with(pool: PgPool) {
    let service = TestService::start(&pool).await;
    let key = service.make_key(&[Scope::Enroller], None).await;
    let browser = signed_in(&service, &key).await;
    assert!(!browser.cookie.contains(key.rsplit('_').next().unwrap()));

    let session = browser.get("/v1/session").await;
    assert_eq!(session.header("cache-control"), Some("no-store"));
    let session = session.expect(200);
    assert_eq!((&session["name"], &session["scopes"]), (&json!("test"), &json!(["enroller"])));
    assert_eq!(session["csrf_token"], json!(browser.csrf));
    let permissions = session["permissions"].as_array().unwrap();
    assert!(permissions.contains(&json!("change_people")), "{session}");
    assert!(!permissions.contains(&json!("see_trail")), "{session}");

    browser.get("/v1/employees").await.expect(200);
    browser.get("/v1/passages").await.refused(403, "missing_scope");
    let body = json!({"name": "Somebody"});
    browser.change(Method::POST, "/v1/employees", &body).await.expect(201);
    // What was done is the key's, as if it had been sent.
    let changes = service.get("/v1/changes").await.expect(200);
    let id = key.split('_').nth(1).unwrap().parse::<uuid::Uuid>().unwrap();
    assert!(changes.to_string().contains(&id.to_string()), "{changes}");
}

#[sqlx::test]
async fn a_page_of_another_site_changes_nothing_with_the_cookie(pool: PgPool) {
    let service = TestService::start(&pool).await;
    let key = service.make_key(&[Scope::Admin], None).await;
    let browser = signed_in(&service, &key).await;
    let other = signed_in(&service, &key).await;
    let body = json!({"name": "Somebody"});
    for csrf in [None, Some(""), Some("guessed"), Some(other.csrf.as_str())] {
        let mut request = browser.request(Method::POST, "/v1/employees").json(&body);
        if let Some(csrf) = csrf {
            request = request.header(CSRF, csrf);
        }
        send(request).await.refused(403, "csrf_token_missing");
    }
    let away = browser.request(Method::DELETE, "/v1/session");
    send(away).await.refused(403, "csrf_token_missing");
    let none = browser.get("/v1/employees").await.expect(200);
    assert_eq!(none["items"], json!([]));
    // A key that is sent needs none, and counts whatever cookie comes along.
    let viewer = service.make_key(&[Scope::Viewer], None).await;
    let request = browser.request(Method::POST, "/v1/employees").bearer_auth(&key).json(&body);
    send(request).await.expect(201);
    let request = browser.request(Method::POST, "/v1/employees").bearer_auth(&viewer).json(&body);
    send(request.header(CSRF, &browser.csrf)).await.refused(403, "missing_scope");
}

#[sqlx::test]
async fn a_session_ends_with_signing_out_with_its_key_and_with_its_time(pool: PgPool) {
    let service = TestService::start(&pool).await;
    let key = service.make_key(&[Scope::Admin], None).await;
    let (browser, other) = (signed_in(&service, &key).await, signed_in(&service, &key).await);
    let out = browser.change(Method::DELETE, "/v1/session", &json!(null)).await;
    assert!(out.header("set-cookie").is_some_and(|cookie| cookie.contains("Max-Age=0")));
    out.expect(204);
    browser.get("/v1/employees").await.refused(401, "signed_out");
    other.get("/v1/employees").await.expect(200);

    let age = |interval: &str| {
        format!("update sessions set last_used_at = last_used_at - interval '{interval}'")
    };
    sqlx::query(sqlx::AssertSqlSafe(age("59 minutes"))).execute(&pool).await.unwrap();
    other.get("/v1/employees").await.expect(200);
    sqlx::query(sqlx::AssertSqlSafe(age("61 minutes"))).execute(&pool).await.unwrap();
    other.get("/v1/employees").await.refused(401, "signed_out");

    let third = signed_in(&service, &key).await;
    let over = "update sessions set created_at = created_at - interval '1 day', ends_at = now()";
    sqlx::query(over).execute(&pool).await.unwrap();
    third.get("/v1/employees").await.refused(401, "signed_out");

    let fourth = signed_in(&service, &key).await;
    let left: i64 =
        sqlx::query_scalar("select count(*) from sessions").fetch_one(&pool).await.unwrap();
    assert_eq!(left, 1, "what is over is removed when somebody signs in");
    let id = key.split('_').nth(1).unwrap().parse().unwrap();
    service.store.revoke_key(&author(), id).await.unwrap();
    fourth.get("/v1/employees").await.refused(401, "signed_out");
    sign_in(&service, &key).await.refused(401, "unauthorized");
}

#[sqlx::test]
async fn only_people_sign_in_and_wrong_keys_count(pool: PgPool) {
    let service = TestService::start_with(&pool, |config| {
        config.server.wrong_keys_per_minute_max = 3;
    })
    .await;
    let gate = service.gate(json!({})).await;
    let bound = service.make_key(&[Scope::Gate], Some(gate.parse().unwrap())).await;
    sign_in(&service, &bound).await.refused(403, "wrong_gate");
    for scope in [Scope::Gate, Scope::Metrics] {
        let key = service.make_key(&[scope], None).await;
        sign_in(&service, &key).await.refused(403, "missing_scope");
    }
    let strange = send(service.bare(Method::GET, "/v1/employees").header("cookie", "a=b")).await;
    strange.refused(401, "unauthorized");
    for _ in 0..3 {
        sign_in(&service, "limen_wrong").await.refused(401, "unauthorized");
    }
    sign_in(&service, "limen_wrong").await.refused(429, "too_many_wrong_keys");
}

#[sqlx::test]
async fn a_key_has_so_many_sessions_and_the_oldest_gives_way(pool: PgPool) {
    let service = TestService::start(&pool).await;
    let key = service.make_key(&[Scope::Viewer], None).await;
    let first = signed_in(&service, &key).await;
    for _ in 0..32 {
        signed_in(&service, &key).await.get("/v1/session").await.expect(200);
    }
    first.get("/v1/session").await.refused(401, "signed_out");
}
