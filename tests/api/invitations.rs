//! Invitations: whoever has the link photographs themself, once, and learns nothing else.

use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::time::Duration;

use limen::domain::Scope;
use limen::http::INVITED_PHOTOS_MAX;
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, ConnectOptions, PgPool};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use uuid::Uuid;

use crate::answer::Answer;
use crate::audit::audit;
use crate::frame;
use crate::passage::Passage;
use crate::service::{KEYS, TestService, eventually, id, send};

const ALARMS: &str = "limen_alarms_total{kind=\"blocked\"}";

/// An invitation, and the token that its link holds.
struct Link {
    id: String,
    token: String,
    employee: String,
}

impl Link {
    async fn of(service: &TestService, employee: &str, body: Value) -> Self {
        let made = service.post(&path(employee), body).await.expect(201);
        let (_, token) = made["link"].as_str().unwrap().split_once("/invitation#").expect("a link");
        Self {
            id: id(&made, "invitation_id"),
            token: token.to_owned(),
            employee: employee.to_owned(),
        }
    }

    async fn read(&self, service: &TestService) -> Answer {
        let request = service.bare(Method::GET, "/v1/invitation");
        send(request.header("authorization", format!("Invitation {}", self.token))).await
    }

    async fn state(&self, service: &TestService) -> Value {
        self.read(service).await.expect(200)["state"].clone()
    }

    async fn photograph(&self, service: &TestService, photo: &str) -> Answer {
        self.agree(service, photo, "").await
    }

    async fn agree(&self, service: &TestService, photo: &str, query: &str) -> Answer {
        let request = service
            .bare(Method::POST, &format!("/v1/invitation/face{query}"))
            .header("authorization", format!("Invitation {}", self.token))
            .header("content-type", frame::media_type(photo));
        send(request.body(frame::bytes(photo))).await
    }

    /// Announces a photo, and sends none of it.
    async fn announce(&self, service: &TestService) -> TcpStream {
        let head = format!(
            "POST /v1/invitation/face HTTP/1.1\r\nhost: x\r\nauthorization: Invitation {}\r\n\
             content-type: image/jpeg\r\ncontent-length: 500000\r\nconnection: close\r\n\r\n",
            self.token
        );
        let mut stream = TcpStream::connect(service.address).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        stream
    }

    /// Checks that it takes no photo, and that nothing tells why but its state.
    async fn assert_over(&self, service: &TestService, state: &str) {
        assert_eq!(self.state(service).await, state);
        let refused = self.photograph(service, "obama-1.jpg").await;
        let told = refused.refused(410, "invitation_over");
        assert_eq!(told["detail"], "the invitation takes no photo any more: ask for another");
        assert_eq!(faces(service, &self.employee).await, 0);
    }
}

fn path(employee: &str) -> String {
    format!("/v1/employees/{employee}/invitations")
}

async fn faces(service: &TestService, employee: &str) -> usize {
    let listed = service.get(&format!("/v1/employees/{employee}/faces")).await.expect(200);
    listed["items"].as_array().unwrap().len()
}

async fn execute(pool: &PgPool, statement: &str) {
    sqlx::query(AssertSqlSafe(statement)).execute(pool).await.unwrap();
}

#[sqlx::test]
async fn a_person_photographs_themself_and_the_gate_knows_them(pool: PgPool) {
    let service = TestService::start(&pool).await;
    let gate = service.gate(json!({})).await;
    let employee = service.employee(json!({"name": "Ada Lovelace"})).await;
    let made = service.post(&path(&employee), json!({"expires_in_s": 3600})).await.expect(201);
    let link = made["link"].as_str().unwrap();
    let token = link.strip_prefix("/invitation#").expect("a relative link");
    assert_eq!(token.len(), 43);
    assert_eq!((&made["state"], &made["attempts_left"]), (&json!("open"), &json!(20)));
    let link = Link { id: id(&made, "invitation_id"), token: token.to_owned(), employee };

    let read = link.read(&service).await;
    assert!(!read.text.contains("Ada") && !read.text.contains(&link.employee), "{}", read.text);
    let read = read.expect(200);
    assert_eq!((&read["initial"], &read["state"]), (&json!("A"), &json!("open")));
    assert_eq!(link.photograph(&service, "obama-1.jpg").await.expect(204), Value::Null);
    Passage::of("obama-3.jpg").granted(&service, &gate).await;

    // Once.
    link.photograph(&service, "obama-2.jpg").await.refused(410, "invitation_over");
    assert_eq!(link.state(&service).await, "used");
    assert_eq!(faces(&service, &link.employee).await, 1);
    let listed = service.get(&path(&link.employee)).await.expect(200)["items"][0].clone();
    assert_eq!((&listed["state"], &listed["attempts_left"]), (&json!("used"), &json!(19)));
    assert_ne!(listed["used_at"], Value::Null);

    // The trail says by which invitation, and whose key made that.
    let changes = service.get("/v1/changes?kind=face_encodings").await.expect(200);
    let change = &changes["items"][0];
    assert_eq!(change["author"], format!("invitation {}", link.id));
    assert_eq!(change["key_id"], made["created_by"]);
    let changes = service.get("/v1/changes?kind=invitations").await;
    assert!(!changes.text.contains("sha256"), "{}", changes.text);
    let changes = changes.expect(200);
    let actions: Vec<_> =
        changes["items"].as_array().unwrap().iter().map(|c| &c["action"]).collect();
    assert_eq!(actions, ["changed", "created"]);
    assert_eq!(audit(&service, &pool).await.faults, []);
}

#[sqlx::test]
async fn of_two_who_use_a_link_at_once_one_does(pool: PgPool) {
    let service = TestService::start(&pool).await;
    for _ in 0..4 {
        let employee = service.employee(json!({})).await;
        let link = Link::of(&service, &employee, json!({})).await;
        let (one, other) = tokio::join!(
            link.photograph(&service, "obama-1.jpg"),
            link.photograph(&service, "obama-2.jpg")
        );
        let mut answers = [one.status, other.status];
        answers.sort_unstable();
        assert_eq!(answers, [204, 410], "{} {}", one.text, other.text);
        assert_eq!(faces(&service, &employee).await, 1);
        service.delete(&format!("/v1/employees/{employee}")).await.expect(204);
    }
}

#[sqlx::test]
async fn a_photo_that_is_refused_uses_nothing_up_but_there_are_only_so_many(pool: PgPool) {
    let service =
        TestService::start_with(&pool, |config| config.invitations.attempts_max = 3).await;
    let employee = service.employee(json!({})).await;
    let link = Link::of(&service, &employee, json!({})).await;
    let problem = link.photograph(&service, "too-dark.jpg").await.refused(422, "low_quality");
    assert_eq!(problem["issues"][0], "too_dark");
    link.photograph(&service, "group-solvay-1927.jpg").await.refused(422, "multiple_faces");
    assert_eq!(link.read(&service).await.expect(200)["attempts_left"], 1);
    link.photograph(&service, "obama-1.jpg").await.expect(204);

    let other = service.employee(json!({})).await;
    let link = Link::of(&service, &other, json!({})).await;
    for photo in ["no-face-rocket.jpg", "truncated.jpg", "no-face-hubble.jpg"] {
        assert_eq!(link.photograph(&service, photo).await.status, 422, "{photo}");
    }
    link.assert_over(&service, "exhausted").await;
    // What is no photo at all costs none.
    let again = Link::of(&service, &other, json!({})).await;
    again.photograph(&service, "still.gif").await.refused(415, "unsupported_content_type");
    assert_eq!(again.read(&service).await.expect(200)["attempts_left"], 3);
}

#[sqlx::test]
async fn an_invitation_that_is_over_takes_no_photo_and_says_so_to_whoever_has_it(pool: PgPool) {
    let service = TestService::start(&pool).await;
    let person = async || {
        let employee = service.employee(json!({})).await;
        Link::of(&service, &employee, json!({})).await
    };
    let expired = person().await;
    execute(&pool, "update invitations set created_at = now() - interval '2 days', expires_at = now() - interval '1 second'").await;
    expired.assert_over(&service, "expired").await;

    let withdrawn = person().await;
    let one = format!("{}/{}", path(&withdrawn.employee), withdrawn.id);
    service.delete(&one).await.expect(204);
    service.delete(&one).await.expect(204);
    withdrawn.assert_over(&service, "revoked").await;
    let of_another = format!("{}/{}", path(&expired.employee), withdrawn.id);
    service.delete(&of_another).await.refused(404, "not_found");

    let older = person().await;
    let newer = Link::of(&service, &older.employee, json!({})).await;
    older.assert_over(&service, "revoked").await;
    assert_eq!(newer.state(&service).await, "open");

    // Somebody on the blocklist is told what everybody is.
    for status in ["revoked", "blocked"] {
        let link = person().await;
        service.set_status(&link.employee, status).await;
        link.assert_over(&service, "revoked").await;
    }

    let removed = person().await;
    service.delete(&format!("/v1/employees/{}", removed.employee)).await.expect(204);
    removed.read(&service).await.refused(404, "not_found");
    removed.photograph(&service, "obama-1.jpg").await.refused(404, "not_found");
}

#[sqlx::test]
async fn an_invitation_opens_no_more_than_the_key_that_made_it(pool: PgPool) {
    let service = TestService::start(&pool).await;
    let body = json!({"name": "front desk", "scopes": ["enroller"]});
    let key = service.post("/v1/keys", body).await.expect(201);
    let employee = service.employee(json!({})).await;
    let invite = service.bare(Method::POST, &path(&employee));
    let invite = invite.bearer_auth(key["key"].as_str().unwrap()).json(&json!({}));
    let made = send(invite).await.expect(201);
    assert_eq!(made["created_by"], key["key_id"]);
    let token = made["link"].as_str().unwrap().rsplit('#').next().unwrap().to_owned();
    let link = Link { id: id(&made, "invitation_id"), token, employee };
    assert_eq!(link.state(&service).await, "open");
    service.delete(&format!("/v1/keys/{}", key["key_id"].as_str().unwrap())).await.expect(204);
    link.assert_over(&service, "revoked").await;
}

#[sqlx::test]
async fn consent_is_given_with_the_photo_or_not_at_all(pool: PgPool) {
    let service = TestService::start_with(&pool, |config| {
        config.privacy.consent_required = true;
        config.invitations.consent_url = Some("https://example.org/terms".parse().unwrap());
    })
    .await;
    let employee = service.employee(json!({})).await;
    let consents = format!("/v1/employees/{employee}/consents");
    let link = Link::of(&service, &employee, json!({"consent_version": "terms 2026-01"})).await;
    let read = link.read(&service).await.expect(200);
    assert_eq!(read["consent_version"], "terms 2026-01");
    assert_eq!(read["consent_url"], "https://example.org/terms");
    for query in ["", "?consent_version=terms+2025-01"] {
        link.agree(&service, "obama-1.jpg", query).await.refused(409, "consent_missing");
    }
    let agreed = "?consent_version=terms+2026-01";
    link.agree(&service, "too-dark.jpg", agreed).await.refused(422, "low_quality");
    assert_eq!(service.get(&consents).await.expect(200)["items"], json!([]));
    link.agree(&service, "obama-1.jpg", agreed).await.expect(204);
    let given = service.get(&consents).await.expect(200);
    assert_eq!(given["items"][0]["text_version"], "terms 2026-01");
    let changes = service.get("/v1/changes?kind=consents").await.expect(200);
    assert_eq!(changes["items"][0]["author"], format!("invitation {}", link.id));

    // Nobody gets a link in vain: who has not agreed is to be asked.
    let other = service.employee(json!({})).await;
    service.post(&path(&other), json!({})).await.refused(409, "consent_missing");
    let consents = format!("/v1/employees/{other}/consents");
    service.post(&consents, json!({"text_version": "terms 2026-01"})).await.expect(201);
    // Where none is asked for none can be slipped in.
    let link = Link::of(&service, &other, json!({})).await;
    assert_eq!(link.read(&service).await.expect(200)["consent_url"], Value::Null);
    link.agree(&service, "biden-1.jpg", agreed).await.refused(409, "consent_missing");
    link.photograph(&service, "biden-1.jpg").await.expect(204);
}

#[sqlx::test]
async fn whoever_has_a_link_learns_nothing_of_others_nor_how_near_a_face_came(pool: PgPool) {
    let service = TestService::start_with(&pool, |config| config.enrolment.faces_max = 2).await;
    let other = service.enrolled("obama-1.jpg").await;
    let employee = service.enrolled("biden-1.jpg").await;
    let link = Link::of(&service, &employee, json!({})).await;
    let refused = link.photograph(&service, "collins-1.jpg").await.refused(409, "another_person");
    assert_eq!(refused["detail"], "the face does not match the employee's others");
    let refused = link.photograph(&service, "obama-2.jpg").await;
    assert!(!refused.text.contains(&other), "{}", refused.text);
    refused.refused(409, "ask_at_the_desk");

    service.enrol(&other, "obama-2.jpg").await;
    let link = Link::of(&service, &other, json!({})).await;
    link.photograph(&service, "obama-3.jpg").await.refused(409, "too_many_faces");
    assert_eq!(link.state(&service).await, "open");
}

/// Checks that a photo is refused in the words that tell nothing, that it counted and that nothing was stored.
async fn assert_sent_to_the_desk(service: &TestService, photo: &str, like: &str) {
    let newcomer = service.employee(json!({})).await;
    let link = Link::of(service, &newcomer, json!({})).await;
    let refused = link.photograph(service, photo).await;
    assert!(!refused.text.contains(like), "{}", refused.text);
    let told = refused.refused(409, "ask_at_the_desk");
    assert_eq!(told["detail"], "this face is to be enrolled at the desk");
    let read = link.read(service).await.expect(200);
    assert_eq!((&read["state"], &read["attempts_left"]), (&json!("open"), &json!(19)));
    assert_eq!(faces(service, &newcomer).await, 0);
    let read = service.get(&format!("/v1/employees/{newcomer}")).await.expect(200);
    assert_eq!(read["badge_required"], false);
}

#[sqlx::test]
async fn whoever_is_known_as_somebody_else_is_sent_to_the_desk_and_not_told_why(pool: PgPool) {
    let service =
        TestService::start_with(&pool, |config| config.server.metrics_public = true).await;
    let known = service.enrolled("obama-1.jpg").await;
    for (status, alarms) in [("active", 0.0), ("blocked", 1.0)] {
        service.set_status(&known, status).await;
        assert_sent_to_the_desk(&service, "obama-2.jpg", &known).await;
        assert_eq!(service.metric(ALARMS).await, alarms, "{status}");
    }
    let read = service.get(&format!("/v1/employees/{known}")).await.expect(200);
    assert_eq!(read["badge_required"], false);
}

#[sqlx::test]
async fn who_is_merely_like_somebody_needs_a_badge_but_like_a_blocked_person_goes_to_the_desk(
    pool: PgPool,
) {
    // Everybody is like everybody.
    let service = TestService::start_with(&pool, |config| {
        config.matching.margin = 4.0;
        config.server.metrics_public = true;
    })
    .await;
    let known = service.enrolled("biden-1.jpg").await;
    let alike = service.employee(json!({})).await;
    let link = Link::of(&service, &alike, json!({})).await;
    assert_eq!(link.photograph(&service, "obama-1.jpg").await.expect(204), Value::Null);
    for employee in [&known, &alike] {
        let read = service.get(&format!("/v1/employees/{employee}")).await.expect(200);
        assert_eq!(read["badge_required"], true);
    }
    assert_eq!(service.metric(ALARMS).await, 0.0);
    service.set_status(&known, "blocked").await;
    assert_sent_to_the_desk(&service, "collins-1.jpg", &known).await;
    assert_eq!(service.metric(ALARMS).await, 1.0);
}

#[sqlx::test]
async fn a_photo_for_an_invitation_that_is_over_is_refused_before_any_of_it_is_read(pool: PgPool) {
    let service = TestService::start(&pool).await;
    let employee = service.employee(json!({})).await;
    let link = Link::of(&service, &employee, json!({})).await;
    link.photograph(&service, "obama-1.jpg").await.expect(204);
    let mut stream = link.announce(&service).await;
    let mut answer = String::new();
    // Far sooner than a body is waited for.
    tokio::time::timeout(Duration::from_secs(20), stream.read_to_string(&mut answer))
        .await
        .expect("an answer")
        .unwrap();
    assert!(answer.starts_with("HTTP/1.1 410 "), "{answer}");
    assert!(answer.contains("invitation_over"), "{answer}");
}

#[sqlx::test]
async fn only_so_many_invited_photos_come_at_once_and_the_desk_does_not_notice(pool: PgPool) {
    let service = TestService::start(&pool).await;
    let people = [service.employee(json!({})).await, service.employee(json!({})).await];
    let others = Link::of(&service, &people[0], json!({})).await;
    let link = Link::of(&service, &people[1], json!({})).await;
    // This one is refused for what it is, and costs nothing, where there is a place.
    let status = async || link.photograph(&service, "still.gif").await.status;
    let mut slow = Vec::new();
    eventually("all places are taken", async || {
        slow.push(others.announce(&service).await);
        status().await == 429
    })
    .await;
    assert!(slow.len() >= INVITED_PHOTOS_MAX, "{}", slow.len());
    let busy = link.photograph(&service, "obama-1.jpg").await;
    assert_eq!(busy.header("retry-after"), Some("1"));
    busy.refused(429, "overloaded");
    assert_eq!(link.read(&service).await.expect(200)["attempts_left"], 20);
    service.enrolled("biden-1.jpg").await;
    drop(slow);
    eventually("the places are free again", async || status().await == 415).await;
    link.photograph(&service, "obama-1.jpg").await.expect(204);
}

#[sqlx::test]
async fn a_print_is_refused_where_enrolment_asks_for_liveness(pool: PgPool) {
    let service = TestService::start_with(&pool, |config| config.enrolment.liveness = true).await;
    let employee = service.employee(json!({})).await;
    let link = Link::of(&service, &employee, json!({})).await;
    link.photograph(&service, "print-attack-obama.jpg").await.refused(422, "spoof");
    link.photograph(&service, "obama-1.jpg").await.expect(204);
}

#[sqlx::test]
async fn whoever_guesses_tokens_learns_nothing_and_shuts_nobody_else_out(pool: PgPool) {
    let service =
        TestService::start_with(&pool, |config| config.server.wrong_keys_per_minute_max = 5).await;
    let employee = service.employee(json!({})).await;
    let link = Link::of(&service, &employee, json!({})).await;
    let ask = async |authorization: &str| {
        let request = service.bare(Method::GET, "/v1/invitation");
        send(request.header("authorization", authorization)).await
    };
    let missing = send(service.bare(Method::GET, "/v1/invitation")).await;
    assert_eq!(missing.header("www-authenticate"), Some("Invitation"));
    missing.refused(401, "invitation_required");
    let cut = format!("Invitation {}", &link.token[..42]);
    let as_a_key = format!("Bearer {}", link.token);
    let guess = format!("Invitation {}", "A".repeat(43));
    for wrong in [&cut, &as_a_key, &guess, "Invitation", "Invitation ===="] {
        let told = ask(wrong).await.refused(404, "not_found");
        assert_eq!(told["detail"], "there is no such invitation");
    }
    let shut_out = ask(&guess).await;
    assert_eq!(shut_out.header("retry-after"), Some("60"));
    shut_out.refused(429, "too_many_wrong_keys");
    // Whoever shares their address goes on: with a link, and with a key, be it for the first time.
    assert_eq!(link.state(&service).await, "open");
    link.photograph(&service, "obama-1.jpg").await.expect(204);
    let key = service.make_key(&[Scope::Viewer], None).await;
    send(service.bare(Method::GET, "/v1/gates").bearer_auth(&key)).await.expect(200);
    let wrong = service.bare(Method::GET, "/v1/gates").bearer_auth("wrong");
    send(wrong).await.refused(401, "unauthorized");
    ask(&guess).await.refused(429, "too_many_wrong_keys");
}

#[sqlx::test]
async fn whom_an_enroller_may_not_change_they_may_not_invite(pool: PgPool) {
    let service = TestService::start(&pool).await;
    let employee = service.employee(json!({})).await;
    let enroller = service.make_key(&[Scope::Enroller], None).await;
    let invite = async |employee: &str, body: Value| {
        let request = service.bare(Method::POST, &path(employee)).bearer_auth(&enroller);
        send(request.json(&body)).await
    };
    let made = invite(&employee, json!({})).await.expect(201);
    let one = format!("{}/{}", path(&employee), made["invitation_id"].as_str().unwrap());
    service.set_status(&employee, "blocked").await;
    invite(&employee, json!({})).await.refused(403, "missing_scope");
    let revoke = service.bare(Method::DELETE, &one).bearer_auth(&enroller);
    send(revoke).await.refused(403, "missing_scope");
    service.post(&path(&employee), json!({})).await.refused(409, "not_invitable");
    service.set_status(&employee, "revoked").await;
    invite(&employee, json!({})).await.refused(409, "not_invitable");
    invite(&Uuid::new_v4().to_string(), json!({})).await.refused(404, "not_found");
    for body in [
        json!({"expires_in_s": 59}),
        json!({"expires_in_s": 2_592_001}),
        json!({"expires_in_s": -1}),
        json!({"consent_version": ""}),
        json!({"token": "x"}),
    ] {
        service.post(&path(&employee), body).await.refused(422, "bad_value");
    }
}

#[sqlx::test]
async fn a_link_begins_with_where_people_reach_the_service(pool: PgPool) {
    let base = "https://example.org/limen/";
    let service = TestService::start_with(&pool, |config| {
        config.server.base_url = Some(base.parse().unwrap());
    })
    .await;
    let employee = service.employee(json!({})).await;
    let made = service.post(&path(&employee), json!({})).await.expect(201);
    let link = made["link"].as_str().unwrap();
    assert!(link.starts_with("https://example.org/limen/invitation#"), "{link}");
}

#[sqlx::test]
async fn the_page_runs_nothing_but_its_own_and_is_kept_by_nobody(pool: PgPool) {
    let service = TestService::start(&pool).await;
    let page = send(service.bare(Method::GET, "/invitation")).await;
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    assert_eq!(page.header("cache-control"), Some("no-store"));
    assert_eq!(page.header("referrer-policy"), Some("no-referrer"));
    let policy = page.header("content-security-policy").unwrap();
    for part in [
        "default-src 'none'",
        "script-src 'sha256-",
        "connect-src 'self'",
        "frame-ancestors 'none'",
    ] {
        assert!(policy.contains(part), "no {part} in {policy}");
    }
    assert!(!policy.contains("unsafe") && !policy.contains('*'), "{policy}");
    assert!(page.text.starts_with("<!DOCTYPE html>"));
    page.expect(200);
}

#[sqlx::test]
async fn invitations_are_purged_a_month_after_they_expired(pool: PgPool) {
    let service = TestService::start(&pool).await;
    let mut links = Vec::new();
    for days in [31, 29] {
        let employee = service.employee(json!({})).await;
        let link = Link::of(&service, &employee, json!({})).await;
        execute(
            &pool,
            &format!(
                "update invitations set created_at = now() - interval '40 days',
                     expires_at = now() - interval '{days} days' where id = '{}'",
                link.id
            ),
        )
        .await;
        links.push(link);
    }
    let _keeper = TestService::start_replica(&pool).await;
    eventually("the older one is purged", async || links[0].read(&service).await.status == 404)
        .await;
    links[1].assert_over(&service, "expired").await;
    assert_eq!(audit(&service, &pool).await.faults, []);
}

#[sqlx::test]
async fn no_token_is_stored_or_logged(pool: PgPool) {
    let service = TestService::start(&pool).await;
    let employee = service.employee(json!({})).await;
    let link = Link::of(&service, &employee, json!({})).await;
    let wrong = "B".repeat(43);

    let port = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
    let log = tempfile::NamedTempFile::new().unwrap();
    let mut limen = Command::new(env!("CARGO_BIN_EXE_limen"))
        .arg("serve")
        .env_remove("LIMEN_CONFIG")
        .env("DATABASE_URL", pool.connect_options().to_url_lossy().as_str())
        .env("LIMEN_SECRETS__KEYS", KEYS)
        .env("LIMEN_SERVER__BIND", format!("127.0.0.1:{port}"))
        .env("LIMEN_LOG__FILTER", "debug")
        .stdout(Stdio::null())
        .stderr(log.reopen().unwrap())
        .spawn()
        .unwrap();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let url = |path: &str| format!("http://127.0.0.1:{port}{path}");
    eventually("it is ready", async || {
        client.get(url("/readyz")).send().await.is_ok_and(|answer| answer.status() == 200)
    })
    .await;
    client.get(url("/invitation")).send().await.unwrap();
    for (token, status) in [(&link.token, 200), (&wrong, 404)] {
        let ask = client.get(url("/v1/invitation"));
        let answer = ask.header("authorization", format!("Invitation {token}")).send().await;
        assert_eq!(answer.unwrap().status(), status);
    }
    let photograph = client
        .post(url("/v1/invitation/face"))
        .header("authorization", format!("Invitation {}", link.token))
        .header("content-type", "image/jpeg");
    let answer = photograph.body(frame::bytes("obama-1.jpg")).send().await.unwrap();
    assert_eq!(answer.status(), 204);
    limen.kill().unwrap();
    limen.wait().unwrap();

    let logged = std::fs::read_to_string(log.path()).unwrap();
    assert!(logged.contains("/v1/invitation/face"), "{logged}");
    let stored: String = sqlx::query_scalar("select string_agg(i::text, '') from invitations i")
        .fetch_one(&pool)
        .await
        .unwrap();
    for text in [logged, stored] {
        assert!(!text.contains(&link.token) && !text.contains(&wrong), "{text}");
    }
}
