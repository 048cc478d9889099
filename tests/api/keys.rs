//! API keys: without the right one nothing is said.

use limen::domain::Scope;
use limen::http::ApiKeyText;
use reqwest::Method;
use serde_json::json;
use sqlx::PgPool;
use uuid::Uuid;

use crate::answer::Answer;
use crate::frame;
use crate::service::{TestService, author, send};

async fn get_with(service: &TestService, path: &str, authorization: &str) -> Answer {
    send(service.bare(Method::GET, path).header("authorization", authorization)).await
}

#[sqlx::test]
async fn a_key_that_is_missing_wrong_or_revoked_is_refused_in_the_same_words(pool: PgPool) {
    let service = TestService::start(&pool).await;
    let missing = send(service.bare(Method::GET, "/v1/employees")).await;
    assert_eq!(missing.header("www-authenticate"), Some("Bearer"));
    missing.refused(401, "unauthorized");

    let key = service.make_key(&[Scope::Admin], None).await;
    get_with(&service, "/v1/employees", &format!("Bearer {key}")).await.expect(200);
    get_with(&service, "/v1/employees", &format!("bearer  {key}")).await.expect(200);

    let id = key.split('_').nth(1).unwrap();
    let secret = ApiKeyText::generate().unwrap().to_string().split_off(39);
    let unknown = ApiKeyText::generate().unwrap().to_string();
    let mut details = Vec::new();
    for authorization in [
        format!("Bearer limen_{id}{secret}"),
        format!("Bearer {unknown}"),
        format!("Bearer {}", &key[..key.len() - 1]),
        format!("Bearer limen_{id}_"),
        format!("Basic {key}"),
        key.clone(),
        "Bearer".to_owned(),
        String::new(),
        format!("Bearer {}", "x".repeat(8_000)),
    ] {
        let problem = get_with(&service, "/v1/employees", &authorization).await;
        details.push(problem.refused(401, "unauthorized")["detail"].clone());
    }
    service.store.revoke_key(&author(), id.parse().unwrap()).await.unwrap();
    let revoked = get_with(&service, "/v1/employees", &format!("Bearer {key}")).await;
    details.push(revoked.refused(401, "unauthorized")["detail"].clone());
    assert!(details.iter().all(|detail| *detail == details[0]), "{details:?}");
}

#[sqlx::test]
async fn a_key_does_only_what_its_scopes_allow(pool: PgPool) {
    let service = TestService::start(&pool).await;
    let gate = service.gate(json!({})).await;
    let pass = format!("/v1/gates/{gate}/passages");
    let nobody = Uuid::new_v4();
    let pardon = format!("/v1/zones/{nobody}/pardons");
    let member = format!("/v1/access-groups/{nobody}/members/{nobody}");
    let mut keys = Vec::new();
    for scope in [Scope::Admin, Scope::Gate, Scope::Metrics] {
        keys.push((scope, service.make_key(&[scope], None).await));
    }
    let routes = [
        (Method::GET, "/v1/employees", Scope::Admin),
        (Method::POST, "/v1/employees", Scope::Admin),
        (Method::GET, "/v1/gates", Scope::Admin),
        (Method::GET, "/v1/passages", Scope::Admin),
        (Method::GET, "/v1/sites", Scope::Admin),
        (Method::POST, "/v1/sites", Scope::Admin),
        (Method::GET, "/v1/zones", Scope::Admin),
        (Method::POST, pardon.as_str(), Scope::Admin),
        (Method::GET, "/v1/schedules", Scope::Admin),
        (Method::GET, "/v1/access-groups", Scope::Admin),
        (Method::PUT, member.as_str(), Scope::Admin),
        (Method::DELETE, member.as_str(), Scope::Admin),
        (Method::POST, pass.as_str(), Scope::Gate),
        (Method::POST, "/v1/recognize", Scope::Gate),
        (Method::POST, "/v1/liveness", Scope::Gate),
        (Method::GET, "/metrics", Scope::Metrics),
    ];
    for (method, path, needed) in &routes {
        for (scope, key) in &keys {
            let answer = send(service.bare(method.clone(), path).bearer_auth(key)).await;
            if scope == needed {
                assert_ne!(answer.status, 403, "{method} {path} with {scope}");
            } else {
                answer.refused(403, "missing_scope");
            }
        }
    }
}

#[sqlx::test]
async fn health_is_open_to_anybody_and_metrics_where_they_are_public(pool: PgPool) {
    let public = TestService::start_with(&pool, |config| config.server.metrics_public = true).await;
    for path in ["/healthz", "/readyz", "/openapi.json", "/metrics"] {
        assert_eq!(send(public.bare(Method::GET, path)).await.status, 200, "{path}");
    }
    assert_eq!(public.metric("limen_ready").await, 1.0);
    assert_eq!(public.metric("limen_gallery_people").await, 0.0);
    public.enrolled("obama-1.jpg").await;
    assert_eq!(public.metric("limen_gallery_people").await, 1.0);

    let private = TestService::start_replica(&pool).await;
    send(private.bare(Method::GET, "/metrics")).await.refused(401, "unauthorized");
}

#[sqlx::test]
async fn no_answer_and_no_metric_shows_a_key_or_a_badge(pool: PgPool) {
    let service =
        TestService::start_with(&pool, |config| config.server.metrics_public = true).await;
    let key = service.make_key(&[Scope::Admin], None).await;
    service.employee(json!({"badge_id": "SECRET-BADGE"})).await;
    get_with(&service, "/v1/employees?badge_id=SECRET-BADGE", &format!("Bearer {key}"))
        .await
        .expect(200);
    let wrong = get_with(&service, "/v1/nothing", &format!("Bearer {key}")).await;
    assert!(!wrong.text.contains(&key));
    let metrics = send(service.bare(Method::GET, "/metrics")).await.text;
    assert!(!metrics.contains("SECRET-BADGE") && !metrics.contains(&key), "{metrics}");
}

#[sqlx::test]
async fn a_key_that_is_bound_to_a_gate_asks_for_its_passages_alone(pool: PgPool) {
    let service = TestService::start(&pool).await;
    let gate = service.gate(json!({})).await;
    let key = service.make_key(&[Scope::Gate], Some(gate.parse().unwrap())).await;
    for path in ["/v1/recognize", "/v1/liveness"] {
        let request = service.bare(Method::POST, path).bearer_auth(&key);
        let request =
            request.header("content-type", "image/jpeg").body(frame::bytes("obama-1.jpg"));
        send(request).await.refused(403, "wrong_gate");
    }
}

#[sqlx::test]
async fn invented_methods_add_one_series_to_the_metrics_at_most(pool: PgPool) {
    let service =
        TestService::start_with(&pool, |config| config.server.metrics_public = true).await;
    for number in 0..50 {
        let method = Method::from_bytes(format!("INVENTED{number}").as_bytes()).unwrap();
        assert_eq!(send(service.bare(method, "/healthz")).await.status, 405);
    }
    let metrics = send(service.bare(Method::GET, "/metrics")).await;
    assert_eq!(metrics.status, 200, "{}", metrics.text);
    assert!(!metrics.text.contains("INVENTED"));
    assert!(metrics.text.contains("method=\"other\""));
}

#[sqlx::test]
async fn a_request_id_that_is_long_or_odd_is_replaced(pool: PgPool) {
    let service = TestService::start(&pool).await;
    let named = async |id: &str| {
        let request = service.bare(Method::GET, "/healthz").header("x-request-id", id);
        send(request).await.header("x-request-id").unwrap().to_owned()
    };
    assert_eq!(named("turnstile-7.42").await, "turnstile-7.42");
    for id in ["x".repeat(65).as_str(), "a b", "{}"] {
        let given = named(id).await;
        assert_ne!(given, id);
        assert_eq!(given.len(), 36);
    }
}
