//! Signing in by an OpenID provider, a real one.

use std::collections::BTreeMap;
use std::time::Duration;

use limen::config::PasswordText;
use limen::domain::Scope;
use reqwest::header::{COOKIE, LOCATION, SET_COOKIE};
use reqwest::redirect::Policy;
use reqwest::{Client, Method, RequestBuilder, Response, Url};
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::answer::Answer;
use crate::openid::OpenId;
use crate::service::{TestService, send};

/// Where people reach the services of these tests, as their provider knows.
const BASE: &str = "https://limen.example.org";

async fn started(pool: &PgPool, different: &[&str]) -> (OpenId, TestService) {
    let provider = OpenId::start(BASE, different);
    let service = TestService::start_with(pool, |config| provider.configure(config, BASE)).await;
    (provider, service)
}

/// A browser that follows nothing by itself, and keeps every cookie.
struct Browser<'a> {
    service: &'a TestService,
    client: Client,
    cookies: BTreeMap<String, String>,
}

impl<'a> Browser<'a> {
    fn new(service: &'a TestService) -> Self {
        let client = Client::builder().no_proxy().redirect(Policy::none()).build().unwrap();
        Self { service, client, cookies: BTreeMap::new() }
    }

    async fn send(&mut self, request: RequestBuilder) -> Response {
        let cookies: Vec<_> =
            self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let answer = request.header(COOKIE, cookies.join("; ")).send().await.unwrap();
        for cookie in answer.headers().get_all(SET_COOKIE) {
            let (name, value) = cookie.to_str().unwrap().split_once('=').unwrap();
            let value = value.split(';').next().unwrap();
            if value.is_empty() {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        answer
    }

    /// Asks the service; where it leads.
    async fn led(&mut self, path: &str) -> String {
        let url = format!("http://{}{path}", self.service.address);
        let answer = self.send(self.client.get(url)).await;
        assert_eq!(answer.status(), 303);
        assert_eq!(answer.headers()["cache-control"], "no-store");
        answer.headers()[LOCATION].to_str().unwrap().to_owned()
    }

    /// Leaves for the provider, and signs in to it as somebody; the path that it sends them back to.
    async fn back_from_provider(&mut self, person: &str) -> String {
        let url = self.led("/v1/session/oidc").await.parse().unwrap();
        self.follow(url, person).await
    }

    /// Goes on at the provider, as somebody where it asks who that is; the path that it sends them back to.
    async fn follow(&mut self, mut url: Url, person: &str) -> String {
        loop {
            let mut answer = self.send(self.client.get(url.clone())).await;
            if answer.status() == 200 {
                let form = [("prompt", "login"), ("login", person), ("password", "any")];
                answer = self.send(self.client.post(url.clone()).form(&form)).await;
            }
            assert_eq!(answer.status(), 303, "{}", answer.text().await.unwrap());
            url = url.join(answer.headers()[LOCATION].to_str().unwrap()).unwrap();
            if url.as_str().starts_with(BASE) {
                return url.as_str()[BASE.len()..].to_owned();
            }
        }
    }

    /// Signs in as somebody; where that leads.
    async fn sign_in(&mut self, person: &str) -> String {
        let back = self.back_from_provider(person).await;
        self.led(&back).await
    }

    async fn get(&self, path: &str) -> Answer {
        let cookie = self.cookies.get("__Host-limen-session").cloned().unwrap_or_default();
        let request = self.service.bare(Method::GET, path);
        send(request.header(COOKIE, format!("__Host-limen-session={cookie}"))).await
    }
}

#[sqlx::test]
async fn whoever_the_provider_vouches_for_is_signed_in_with_what_their_groups_give(pool: PgPool) {
    let (provider, service) = started(&pool, &[]).await;
    let ways = send(service.bare(Method::GET, "/v1/session/ways")).await.expect(200);
    let url = format!("{BASE}/v1/session/oidc");
    assert_eq!(ways, json!({"provider": {"name": "Example", "url": url}}));

    let mut ann = Browser::new(&service);
    assert_eq!(ann.sign_in("ann").await, "/console");
    assert!(!ann.cookies.contains_key("__Host-limen-sign-in"), "{:?}", ann.cookies);
    let session = ann.get("/v1/session").await.expect(200);
    assert_eq!((&session["name"], &session["scopes"]), (&json!("ann"), &json!(["officer"])));
    ann.get("/v1/changes").await.expect(200);
    ann.get("/v1/keys").await.refused(403, "missing_scope");

    // One key stands for her, however often she comes, and the trail knows it.
    assert_eq!(Browser::new(&service).sign_in("ann").await, "/console");
    let keys = keys_of(&service, "ann").await;
    let [key] = &keys[..] else { panic!("{keys:?}") };
    assert_eq!(
        key["identity"],
        json!({"issuer": provider.issuer, "subject": "ann", "readmitted_at": null})
    );
    assert_eq!(key["key_id"], session["key_id"]);
    let changes = service.get("/v1/changes?kind=api_keys").await.expect(200).to_string();
    assert!(changes.contains("ann, signing in"), "{changes}");
}

#[sqlx::test]
async fn other_groups_count_from_the_next_time_on_and_none_end_every_session(pool: PgPool) {
    let (provider, service) = started(&pool, &[]).await;
    let mut eve = Browser::new(&service);
    assert_eq!(eve.sign_in("eve").await, "/console?refused=no_role");
    eve.get("/v1/session").await.refused(401, "unauthorized");
    assert!(keys_of(&service, "eve").await.is_empty());

    provider.regroup("eve", "it").await;
    assert_eq!(eve.sign_in("eve").await, "/console");
    eve.get("/v1/keys").await.expect(200);

    provider.regroup("eve", "security-desk").await;
    let mut elsewhere = Browser::new(&service);
    assert_eq!(elsewhere.sign_in("eve").await, "/console");
    eve.get("/v1/keys").await.refused(403, "missing_scope");

    provider.regroup("eve", "").await;
    assert_eq!(elsewhere.sign_in("eve").await, "/console?refused=no_role");
    for browser in [&eve, &elsewhere] {
        browser.get("/v1/session").await.refused(401, "signed_out");
    }
}

#[sqlx::test]
async fn who_was_revoked_is_signed_out_and_stays_so_until_let_in_again(pool: PgPool) {
    let (_provider, service) = started(&pool, &[]).await;
    let mut bob = Browser::new(&service);
    assert_eq!(bob.sign_in("bob").await, "/console");
    let key = keys_of(&service, "bob").await[0]["key_id"].as_str().unwrap().to_owned();
    let identity = format!("/v1/keys/{key}/identity");
    service.delete(&identity).await.refused(404, "not_found");

    service.delete(&format!("/v1/keys/{key}")).await.expect(204);
    bob.get("/v1/session").await.refused(401, "signed_out");
    assert_eq!(bob.sign_in("bob").await, "/console?refused=revoked");

    service.delete(&identity).await.expect(204);
    service.delete(&identity).await.refused(404, "not_found");
    assert_eq!(bob.sign_in("bob").await, "/console");
    let keys = keys_of(&service, "bob").await;
    let revoked: Vec<_> = keys.iter().map(|key| key["revoked_at"].is_null()).collect();
    assert_eq!(revoked, [false, true], "the old key stays listed");
    // And as whose it was.
    assert_eq!(keys[0]["identity"]["subject"], "bob");
    assert!(keys[0]["identity"]["readmitted_at"].is_string(), "{keys:?}");
}

#[sqlx::test]
async fn nobody_comes_back_from_a_sign_in_that_is_not_theirs(pool: PgPool) {
    let (_provider, service) = started(&pool, &[]).await;
    let (mut ann, mut mallory) = (Browser::new(&service), Browser::new(&service));
    let hers = ann.back_from_provider("ann").await;
    let his = mallory.back_from_provider("bob").await;

    // A link that would sign Ann in as Bob, and a code that was overheard.
    assert_eq!(ann.led(&his).await, "/console?refused=stale");
    assert_eq!(Browser::new(&service).led(&hers).await, "/console?refused=stale");
    // Both halves of a sign-in must be of the same: the code is good with its own verifier alone.
    let mut ann = Browser::new(&service);
    let hers = ann.back_from_provider("ann").await;
    let state = parameter(&hers, "state");
    let mixed = format!("/v1/session/oidc/callback?state={state}&code={}", parameter(&his, "code"));
    assert_eq!(ann.led(&mixed).await, "/console?refused=stale");

    // Another provider's word, and a code that was used.
    let mut ann = Browser::new(&service);
    let hers = ann.back_from_provider("ann").await;
    let cookies = ann.cookies.clone();
    let strange = format!("{}&iss=https://elsewhere.example.org", without(&hers, "iss"));
    assert_eq!(ann.led(&strange).await, "/console?refused=unproved");
    ann.cookies = cookies.clone();
    assert_eq!(ann.led(&hers).await, "/console");
    let mut again = Browser { cookies, ..Browser::new(&service) };
    assert_eq!(again.led(&hers).await, "/console?refused=stale");
}

#[sqlx::test]
async fn who_declines_or_comes_with_nothing_is_told_so(pool: PgPool) {
    let (_provider, service) = started(&pool, &[]).await;
    let mut ann = Browser::new(&service);
    let hers = ann.back_from_provider("ann").await;
    let state = parameter(&hers, "state");
    let declined =
        format!("/v1/session/oidc/callback?state={state}&error=access_denied&error_description=no");
    assert_eq!(ann.led(&declined).await, "/console?refused=declined");
    assert_eq!(ann.led("/v1/session/oidc/callback").await, "/console?refused=stale");
}

#[sqlx::test]
async fn what_is_not_signed_by_the_provider_signs_nobody_in(pool: PgPool) {
    let (_provider, service) = started(&pool, &["FORGED"]).await;
    let mut ann = Browser::new(&service);
    assert_eq!(ann.sign_in("ann").await, "/console?refused=unproved");
    assert!(keys_of(&service, "ann").await.is_empty());
}

#[sqlx::test]
async fn groups_count_too_that_are_told_to_whoever_asks_and_a_secret_goes_where_it_is_taken(
    pool: PgPool,
) {
    let (_provider, service) = started(&pool, &["USERINFO", "POST"]).await;
    let mut ann = Browser::new(&service);
    assert_eq!(ann.sign_in("ann").await, "/console");
    let session = ann.get("/v1/session").await.expect(200);
    assert_eq!(session["scopes"], json!(["officer"]));
}

#[sqlx::test]
async fn without_its_provider_the_service_runs_and_keys_sign_in(pool: PgPool) {
    let (provider, service) = started(&pool, &[]).await;
    let mut ann = Browser::new(&service);
    let hers = ann.back_from_provider("ann").await;
    drop(provider);
    assert_eq!(ann.led(&hers).await, "/console?refused=unavailable");
    service.assert_ready().await;
    let key = service.make_key(&[Scope::Viewer], None).await;
    let body = json!({"key": key});
    send(service.bare(Method::POST, "/v1/session").json(&body)).await.expect(201);
}

#[sqlx::test]
async fn what_was_meant_for_others_or_is_over_signs_nobody_in(pool: PgPool) {
    let provider = OpenId::liar();
    let service = TestService::start_with(&pool, |config| provider.configure(config, BASE)).await;
    for (lies, leads_to) in [
        (json!({}), "/console"),
        (json!({"nonce": "another"}), "/console?refused=unproved"),
        (json!({"nonce": null}), "/console?refused=unproved"),
        (json!({"aud": "another"}), "/console?refused=unproved"),
        (json!({"aud": ["limen", "another"]}), "/console?refused=unproved"),
        (json!({"iss": "https://elsewhere.example.org"}), "/console?refused=unproved"),
        (json!({"exp": 1_700_000_000}), "/console?refused=unproved"),
        (json!({"sub": null}), "/console?refused=unavailable"),
        (json!({"groups": null}), "/console?refused=no_role"),
    ] {
        provider.says(&lies).await;
        assert_eq!(Browser::new(&service).sign_in("ann").await, leads_to, "{lies}");
    }
}

#[sqlx::test]
async fn who_signs_in_for_the_first_time_may_do_so_in_several_places_at_once(pool: PgPool) {
    let provider = OpenId::liar();
    let service = TestService::start_with(&pool, |config| provider.configure(config, BASE)).await;
    let mut browsers = [(); 6].map(|()| Browser::new(&service));
    let signed_in = browsers.iter_mut().map(|browser| browser.sign_in("ann"));
    let led = futures_util::future::join_all(signed_in).await;
    assert!(led.iter().all(|path| path == "/console"), "{led:?}");
    assert_eq!(keys_of(&service, "ann").await.len(), 1);

    // Another name goes with the same key.
    provider.says(&json!({"preferred_username": "ann.lee", "email": "ann@example.org"})).await;
    assert_eq!(browsers[0].sign_in("ann").await, "/console");
    assert_eq!(keys_of(&service, "ann.lee").await.len(), 1);
    assert!(keys_of(&service, "ann").await.is_empty());
}

#[sqlx::test]
async fn where_it_is_to_be_asked_anew_the_provider_must_say_that_it_did(pool: PgPool) {
    let provider = OpenId::start(BASE, &[]);
    let service = TestService::start_with(&pool, |config| {
        provider.configure(config, BASE);
        config.oidc.ask_anew = true;
    })
    .await;
    let mut desk = Browser::new(&service);
    assert_eq!(desk.sign_in("ann").await, "/console");
    // The provider still knows her there. Who comes next changes the address that would have it ask.
    let mut url: Url = desk.led("/v1/session/oidc").await.parse().unwrap();
    let kept: Vec<_> = url
        .query_pairs()
        .filter(|(name, _)| name != "prompt" && name != "max_age")
        .map(|(name, value)| (name.into_owned(), value.into_owned()))
        .collect();
    url.query_pairs_mut().clear().extend_pairs(kept);
    let back = desk.follow(url, "nobody").await;
    assert_eq!(desk.led(&back).await, "/console?refused=unproved");
}

#[sqlx::test]
async fn a_wrong_secret_is_no_fault_of_whoever_signs_in(pool: PgPool) {
    let provider = OpenId::start(BASE, &[]);
    let service = TestService::start_with(&pool, |config| {
        provider.configure(config, BASE);
        config.oidc.client_secret = Some(PasswordText("another".to_owned()));
    })
    .await;
    assert_eq!(Browser::new(&service).sign_in("ann").await, "/console?refused=unavailable");
}

#[sqlx::test]
async fn a_provider_that_never_answers_keeps_nobody_else_waiting(pool: PgPool) {
    // It takes every connection, and says nothing.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let service = TestService::start_with(&pool, |config| {
        config.server.base_url = Some(BASE.parse().unwrap());
        config.server.requests_max = 12;
        config.oidc.issuer = Some(format!("http://{}", silent.local_addr().unwrap()));
        config.oidc.roles = [("it".to_owned(), [Scope::Admin].into())].into();
        config.oidc.timeout_ms = 10_000;
    })
    .await;
    let mut browsers = [(); 12].map(|()| Browser::new(&service));
    let waiting = browsers.iter_mut().map(|browser| browser.led("/v1/session/oidc"));
    let waiting = futures_util::future::join_all(waiting);
    let others = async {
        tokio::time::sleep(Duration::from_secs(2)).await;
        service.get("/v1/gates").await.expect(200);
    };
    let (led, ()) = tokio::join!(waiting, others);
    let busy = led.iter().filter(|path| *path == "/console?refused=busy").count();
    let unavailable = led.iter().filter(|path| *path == "/console?refused=unavailable").count();
    assert!(busy >= 4 && unavailable >= 1 && busy + unavailable == 12, "{led:?}");
}

#[sqlx::test]
async fn the_cookie_of_an_attempt_is_for_this_host_and_for_no_script_and_looking_signs_nobody_in(
    pool: PgPool,
) {
    let (_provider, service) = started(&pool, &[]).await;
    let mut ann = Browser::new(&service);
    let url = format!("http://{}/v1/session/oidc", service.address);
    let answer = ann.client.get(&url).send().await.unwrap();
    let cookie = answer.headers()[SET_COOKIE].to_str().unwrap();
    for part in
        ["__Host-limen-sign-in=", "HttpOnly", "Secure", "SameSite=Lax", "Path=/", "Max-Age=600"]
    {
        assert!(cookie.contains(part), "{part}: {cookie}");
    }
    let hers = ann.back_from_provider("ann").await;
    let callback = format!("http://{}{hers}", service.address);
    for url in [url, callback] {
        let answer = ann.send(ann.client.head(url)).await;
        assert_eq!(answer.status(), 405);
        assert!(!answer.headers().contains_key(SET_COOKIE));
    }
    assert_eq!(ann.led(&hers).await, "/console");
}

#[sqlx::test]
async fn where_no_provider_is_named_there_is_no_such_way(pool: PgPool) {
    let service = TestService::start(&pool).await;
    let ways = send(service.bare(Method::GET, "/v1/session/ways")).await.expect(200);
    assert_eq!(ways, json!({"provider": null}));
    for path in ["/v1/session/oidc", "/v1/session/oidc/callback?code=1&state=2"] {
        send(service.bare(Method::GET, path)).await.refused(404, "not_found");
    }
}

async fn keys_of(service: &TestService, name: &str) -> Vec<Value> {
    let keys = service.get("/v1/keys").await.expect(200);
    let keys = keys["items"].as_array().unwrap().iter();
    keys.filter(|key| key["name"] == name).cloned().collect()
}

fn parameter(path: &str, name: &str) -> String {
    let url: Url = format!("{BASE}{path}").parse().unwrap();
    let mut pairs = url.query_pairs();
    pairs.find(|(key, _)| key == name).expect(name).1.into_owned()
}

fn without(path: &str, name: &str) -> String {
    let mut url: Url = format!("{BASE}{path}").parse().unwrap();
    let kept: Vec<_> = url
        .query_pairs()
        .filter(|(key, _)| key != name)
        .map(|(key, value)| (key.into_owned(), value.into_owned()))
        .collect();
    url.query_pairs_mut().clear().extend_pairs(kept);
    format!("{}?{}", url.path(), url.query().unwrap())
}
