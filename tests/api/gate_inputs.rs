//! What firmware reports beside passages: recorded once, in the gate's chain, and heard of by those who follow it.

use std::time::Duration;

use chrono::{SecondsFormat, TimeDelta, Utc};
use limen::domain::Scope;
use limen::store::Purged;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use sqlx::PgPool;
use uuid::Uuid;

use crate::answer::Answer;
use crate::audit::audit;
use crate::events::Stream;
use crate::passage::Passage;
use crate::service::{TestService, author, eventually, send};

/// A service whose metrics anybody reads.
async fn measured(pool: &PgPool) -> TestService {
    TestService::start_with(pool, |config| config.server.metrics_public = true).await
}

/// A report of a gate, now unless it says when.
fn request(service: &TestService, gate: &str, event: &str, mut body: Value) -> RequestBuilder {
    let now = Utc::now().to_rfc3339_opts(SecondsFormat::Micros, true);
    body.as_object_mut().unwrap().entry("happened_at").or_insert(now.into());
    let request = service.request(Method::POST, &format!("/v1/gates/{gate}/inputs"));
    request.header("x-event-id", event).json(&body)
}

/// Sends a report under an event id of its own.
pub async fn report(service: &TestService, gate: &str, body: Value) -> Answer {
    send(request(service, gate, &Uuid::new_v4().to_string(), body)).await
}

#[sqlx::test]
async fn a_report_is_recorded_once_however_often_it_comes(pool: PgPool) {
    let service = measured(&pool).await;
    let gate = service.gate(json!({})).await;
    let body = json!({"input": "request_to_exit", "happened_at": "2026-03-02T07:58:12.345678Z"});
    let ask = || request(&service, &gate, "exit-1", body.clone());
    let first = send(ask()).await.expect(200);
    assert_eq!(send(ask()).await.expect(200), first);
    assert_eq!(
        (&first["input"], &first["happened_at"], &first["passage_id"]),
        (&body["input"], &body["happened_at"], &Value::Null)
    );
    // The same event id for something else.
    let other = json!({"input": "door_closed", "happened_at": body["happened_at"]});
    send(request(&service, &gate, "exit-1", other)).await.refused(409, "event_id_reused");
    // Twenty at once.
    let asks = (0..20).map(|_| send(request(&service, &gate, "exit-2", body.clone())));
    let answers = futures_util::future::join_all(asks).await;
    let ids: Vec<_> =
        answers.into_iter().map(|answer| answer.expect(200)["input_id"].clone()).collect();
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");

    let listed = service.get(&format!("/v1/inputs?gate_id={gate}")).await.expect(200);
    assert_eq!(listed["items"].as_array().unwrap().len(), 2);
    assert_eq!(listed["items"][1], first);
    assert_eq!(service.ids("/v1/inputs", "input_id").await.len(), 2);
    for (query, found) in [
        ("input=request_to_exit", 2),
        ("input=door_held", 0),
        ("until=2026-03-03T00:00:00Z", 0),
        ("from=2026-03-03T00:00:00Z", 2),
    ] {
        let page = service.get(&format!("/v1/inputs?{query}")).await.expect(200);
        assert_eq!(page["items"].as_array().unwrap().len(), found, "{query}");
    }
    assert_eq!(service.metric(r#"limen_gate_inputs_total{kind="request_to_exit"}"#).await, 2.0);
    assert_eq!(audit(&service, &pool).await.faults, []);
}

#[sqlx::test]
async fn what_is_wrong_with_a_report_is_said_and_nothing_is_recorded(pool: PgPool) {
    let service = TestService::start(&pool).await;
    let gate = service.gate(json!({})).await;
    let other = service.gate(json!({"name": "south"})).await;
    service.enrolled("obama-1.jpg").await;
    let refused = Passage::of("biden-1.jpg").refused(&service, &gate, "unknown_person").await;
    let granted = Passage::of("obama-3.jpg").granted(&service, &gate).await;
    let ahead = (Utc::now() + TimeDelta::seconds(60)).to_rfc3339();
    for (at, body, status, code) in [
        (&gate, json!({"input": "kicked"}), 422, "bad_value"),
        (&gate, json!({"input": "door_held", "why": "x"}), 422, "bad_value"),
        (&gate, json!({"input": "door_held", "happened_at": "yesterday"}), 422, "bad_value"),
        (&gate, json!({"input": "door_held", "happened_at": ahead}), 422, "bad_value"),
        (
            &gate,
            json!({"input": "door_held", "passage_id": granted["passage_id"]}),
            422,
            "bad_value",
        ),
        (&gate, json!({"input": "rotation_done"}), 422, "bad_value"),
        (&gate, json!({"input": "rotation_done", "passage_event_id": "never"}), 422, "not_a_grant"),
        (
            &gate,
            json!({"input": "rotation_done", "passage_event_id": "x", "passage_id": granted["passage_id"]}),
            422,
            "bad_value",
        ),
        (
            &gate,
            json!({"input": "rotation_done", "passage_id": Uuid::new_v4()}),
            422,
            "not_a_grant",
        ),
        (
            &gate,
            json!({"input": "grant_unused", "passage_id": refused["passage_id"]}),
            422,
            "not_a_grant",
        ),
        (
            &other,
            json!({"input": "grant_unused", "passage_id": granted["passage_id"]}),
            422,
            "not_a_grant",
        ),
        (&Uuid::new_v4().to_string(), json!({"input": "door_held"}), 404, "not_found"),
    ] {
        report(&service, at, body).await.refused(status, code);
    }
    let path = format!("/v1/gates/{gate}/inputs");
    let body = json!({"input": "door_held", "happened_at": "2026-03-02T07:58:12Z"});
    service.post(&path, body.clone()).await.refused(400, "missing_header");
    // Of another gate's key, and of one that reads.
    let bound = service.make_key(&[Scope::Gate], Some(other.parse().unwrap())).await;
    let viewer = service.make_key(&[Scope::Viewer], None).await;
    for (key, code) in [(&bound, "wrong_gate"), (&viewer, "missing_scope")] {
        let ask = service.bare(Method::POST, &path).bearer_auth(key).header("x-event-id", "1");
        send(ask.json(&body)).await.refused(403, code);
    }
    // A gate that signs takes nothing else.
    service.patch(&format!("/v1/gates/{gate}"), json!({"signed_requests": true})).await.expect(200);
    report(&service, &gate, json!({"input": "door_held"})).await.refused(403, "signature_required");
    let listed = service.get("/v1/inputs").await.expect(200);
    assert_eq!(listed["items"], json!([]));
}

#[sqlx::test]
async fn a_grant_that_nobody_used_is_no_passage_of_the_persons(pool: PgPool) {
    let service =
        TestService::start_with(&pool, |config| config.gates.grant_token_ms = 1_500).await;
    let site = service.site(json!({})).await;
    let zone = service.zone(&site, json!({"anti_passback": "hard"})).await;
    let days = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];
    let hours = json!([{"days": days, "from": "00:00", "until": "24:00"}]);
    let schedule = service.schedule(json!({"hours": hours})).await;
    let rules = json!([{"zone_id": zone, "schedule_id": schedule}]);
    let group = service.group(json!({"rules": rules})).await;
    let employee = service.enrolled("obama-1.jpg").await;
    let member = format!("/v1/access-groups/{group}/members/{employee}");
    service.put(&member, json!({})).await.expect(200);
    let gate = service.gate(json!({"zone_id": zone, "debounce_ms": 600_000})).await;

    let first = Passage::of("obama-3.jpg");
    let granted = first.granted(&service, &gate).await;
    let again = Passage::of("obama-3.jpg");
    again.refused(&service, &gate, "already_granted").await;
    let unused = json!({"input": "grant_unused", "passage_id": granted["passage_id"]});
    // While a turnstile may still open on it, it is not over.
    report(&service, &gate, unused.clone()).await.refused(409, "grant_not_over");
    tokio::time::sleep(Duration::from_millis(1_600)).await;
    report(&service, &gate, unused.clone()).await.expect(200);
    // What became of a grant is said once.
    report(&service, &gate, unused).await.refused(409, "grant_settled");
    let used = json!({"input": "rotation_done", "passage_id": granted["passage_id"]});
    report(&service, &gate, used).await.refused(409, "grant_settled");
    // The event opens nothing any more, a new one does.
    first.refused(&service, &gate, "already_granted").await;
    // Its answer gets lost: the gate knows its own event alone, and repeats it when the frame is too old.
    let lost = Passage::of("obama-3.jpg");
    lost.granted(&service, &gate).await;
    service
        .patch(&format!("/v1/gates/{gate}"), json!({"frame_age_ms_max": 1_000}))
        .await
        .expect(200);
    tokio::time::sleep(Duration::from_millis(1_600)).await;
    lost.refused(&service, &gate, "stale_frame").await;
    let unused = json!({"input": "grant_unused", "passage_event_id": lost.event()});
    report(&service, &gate, unused).await.expect(200);
    service
        .patch(&format!("/v1/gates/{gate}"), json!({"frame_age_ms_max": 60_000}))
        .await
        .expect(200);
    let second = Passage::of("obama-3.jpg");
    let granted = second.granted(&service, &gate).await;
    // This time somebody goes through.
    let used = json!({"input": "rotation_done", "passage_id": granted["passage_id"]});
    report(&service, &gate, used).await.expect(200);
    second.refused(&service, &gate, "already_granted").await;
    service.patch(&format!("/v1/gates/{gate}"), json!({"debounce_ms": 0})).await.expect(200);
    Passage::of("obama-3.jpg").refused(&service, &gate, "anti_passback").await;

    let path = format!("/v1/inputs?passage_id={}", granted["passage_id"].as_str().unwrap());
    let page = service.get(&path).await.expect(200);
    assert_eq!(page["items"][0]["input"], "rotation_done");
    let export = service.get(&format!("/v1/employees/{employee}/export")).await.expect(200);
    assert_eq!(export["inputs"].as_array().unwrap().len(), 3);
    assert_eq!(audit(&service, &pool).await.faults, []);
}

#[sqlx::test]
async fn whoever_follows_a_gate_hears_of_its_door_between_its_passages(pool: PgPool) {
    let service = measured(&pool).await;
    let gate = service.gate(json!({})).await;
    let mut all = Stream::of(&service, "/v1/events").await;
    let mut alarms = Stream::of(&service, &format!("/v1/gates/{gate}/events?alarms=true")).await;
    Passage::of("no-face-rocket.jpg").refused(&service, &gate, "no_face").await;
    for input in ["request_to_exit", "door_forced", "door_closed"] {
        report(&service, &gate, json!({"input": input})).await.expect(200);
    }
    assert_eq!(service.metric(r#"limen_alarms_total{kind="door_held"}"#).await, 0.0);
    Passage::of("no-face-rocket.jpg").refused(&service, &gate, "no_face").await;
    let mut heard = Vec::new();
    for _ in 0..5 {
        let event = all.next().await.unwrap();
        let what = event["input"].as_str().or(event["reason"].as_str()).unwrap().to_owned();
        heard.push((event["position"].as_u64().unwrap(), what));
    }
    let told = ["no_face", "request_to_exit", "door_forced", "door_closed", "no_face"];
    assert_eq!(heard, (1..).zip(told.map(str::to_owned)).collect::<Vec<_>>());
    let alarm = alarms.next().await.unwrap();
    assert_eq!((&alarm["input"], &alarm["alarm"]), (&json!("door_forced"), &json!(true)));
    assert_eq!(service.metric(r#"limen_alarms_total{kind="door_forced"}"#).await, 1.0);
    // Resumed in the middle of what the door did.
    let path = format!("/v1/gates/{gate}/events?after=3");
    assert_eq!(Stream::of(&service, &path).await.next().await.unwrap()["input"], "door_closed");
}

#[sqlx::test]
async fn inputs_are_purged_with_the_passages_between_them(pool: PgPool) {
    let service = TestService::start(&pool).await;
    let gate = service.gate(json!({})).await;
    let id = gate.parse().unwrap();
    for _ in 0..2 {
        Passage::of("no-face-rocket.jpg").refused(&service, &gate, "no_face").await;
        report(&service, &gate, json!({"input": "door_held"})).await.expect(200);
    }
    let before = Utc::now();
    report(&service, &gate, json!({"input": "door_closed"})).await.expect(200);
    let purge = async |before| service.store.purge_records(&author(), id, before).await.unwrap();
    assert_eq!(purge(before).await, Purged { passages: 2, inputs: 2 });
    assert_eq!(purge(before).await, Purged::default());
    assert_eq!(service.store.gates_with_records_before(before).await.unwrap(), []);
    assert_eq!(audit(&service, &pool).await.faults, []);
    assert_eq!(service.ids("/v1/inputs", "input_id").await.len(), 1);
    // A gate that the trail names stays.
    service.delete(&format!("/v1/gates/{gate}")).await.refused(409, "gate_has_passages");
}

/// A commit takes its time, and the gate has none.
#[sqlx::test]
async fn an_alarm_is_raised_also_when_the_gate_hangs_up_before_its_answer(pool: PgPool) {
    let service = measured(&pool).await;
    let gate = service.gate(json!({})).await;
    let blocked = service.enrolled("obama-1.jpg").await;
    service.set_status(&blocked, "blocked").await;
    let slow = "create function take_time() returns trigger language plpgsql as
            $$ begin perform pg_sleep(1.5); return null; end $$;
        create constraint trigger slow after insert on gate_inputs deferrable initially deferred
            for each row execute function take_time();
        create constraint trigger slow after insert on passages deferrable initially deferred
            for each row execute function take_time()";
    sqlx::raw_sql(slow).execute(&pool).await.unwrap();
    let hasty = |request: RequestBuilder| request.timeout(Duration::from_millis(700)).send();
    let held = request(&service, &gate, "held", json!({"input": "door_held"}));
    assert!(hasty(held).await.unwrap_err().is_timeout());
    let seen = Passage::of("obama-3.jpg").request(&service, &gate);
    let seen = seen.timeout(Duration::from_millis(1_400)).send().await;
    assert!(seen.unwrap_err().is_timeout());
    for kind in ["door_held", "blocked"] {
        let counter = format!(r#"limen_alarms_total{{kind="{kind}"}}"#);
        eventually("the alarm", async || service.metric(&counter).await == 1.0).await;
    }
}
