//! `POST /v1/gates/G/passages`: whom the gate opens for, and what the trail says of it.

use chrono::{TimeDelta, Utc};
use futures_util::future::join_all;
use limen::domain::{Scope, Threshold};
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::PgPool;
use uuid::Uuid;

use crate::frame;
use crate::passage::Passage;
use crate::service::{TestService, id, send};

#[sqlx::test]
async fn an_enrolled_person_passes_and_the_trail_says_why(pool: PgPool) {
    let service = TestService::start(&pool).await;
    let gate = service.gate(json!({"open_ms": 4_000})).await;
    let employee = service.enrolled("obama-1.jpg").await;

    let answer = Passage::of("obama-3.jpg").granted(&service, &gate).await;
    assert_eq!(answer["open_ms"], 4_000);
    assert_eq!(answer["employee_id"], employee.as_str());

    let trail = service.trail().await;
    assert_eq!(trail.len(), 1);
    let row = &trail[0];
    assert_eq!(row["passage_id"], answer["passage_id"]);
    assert_eq!(row["gate_id"], gate.as_str());
    assert_eq!(row["employee_id"], employee.as_str());
    assert_eq!((&row["decision"], &row["reason"]), (&"grant".into(), &"granted".into()));
    assert_eq!((&row["open_ms"], &row["frames"]), (&4_000.into(), &1.into()));
    let number = |name: &str| row[name].as_f64().unwrap();
    assert!((0.2..0.8).contains(&number("distance")), "{row}");
    assert!(number("distance") < number("threshold"));
    assert!(number("liveness") >= number("liveness_threshold"));
    let ready = service.get("/readyz").await.expect(200);
    assert_eq!(row["model_id"], ready["model_id"]);
}

#[sqlx::test]
async fn a_stranger_stays_out_and_is_not_named(pool: PgPool) {
    let service = TestService::start(&pool).await;
    let gate = service.gate(json!({})).await;
    Passage::of("biden-1.jpg").refused(&service, &gate, "unknown_person").await;
    service.enrolled("obama-1.jpg").await;

    let answer = Passage::of("biden-1.jpg").refused(&service, &gate, "unknown_person").await;
    assert_eq!((&answer["decision"], &answer["employee_id"]), (&"deny".into(), &Value::Null));
    let row = &service.trail().await[0];
    assert_eq!(row["employee_id"], Value::Null);
    assert!(row["distance"].as_f64() > row["threshold"].as_f64());
}

#[sqlx::test]
async fn a_print_of_an_enrolled_face_stays_out(pool: PgPool) {
    let service = TestService::start(&pool).await;
    let gate = service.gate(json!({})).await;
    service.enrolled("obama-1.jpg").await;

    let answer = Passage::of("print-attack-obama.jpg").refused(&service, &gate, "spoof").await;
    assert_eq!((&answer["decision"], &answer["employee_id"]), (&"deny".into(), &Value::Null));
    let row = &service.trail().await[0];
    assert!(row["liveness"].as_f64() < row["liveness_threshold"].as_f64());
    assert_eq!(row["distance"], Value::Null);
}

#[sqlx::test]
async fn the_employees_status_and_validity_decide_at_every_passage(pool: PgPool) {
    let service = TestService::start(&pool).await;
    let gate = service.gate(json!({})).await;
    let employee = service.enrolled("obama-1.jpg").await;
    let path = format!("/v1/employees/{employee}");
    let in_hours = |hours| Utc::now() + TimeDelta::hours(hours);

    for (change, reason) in [
        (json!({"status": "suspended"}), "suspended"),
        (json!({"status": "active"}), "granted"),
        (json!({"valid_until": in_hours(-1)}), "expired"),
        (json!({"valid_from": in_hours(1), "valid_until": null}), "not_yet_valid"),
        (json!({"valid_from": in_hours(-1), "valid_until": in_hours(1)}), "granted"),
        (json!({"status": "revoked"}), "revoked"),
    ] {
        service.patch(&path, change).await.expect(200);
        let answer = Passage::of("obama-3.jpg").decide(&service, &gate).await;
        assert_eq!(answer["reason"], reason);
        assert_eq!(answer["decision"], if reason == "granted" { "grant" } else { "deny" });
    }
}

#[sqlx::test]
async fn a_badge_narrows_the_comparison_to_its_owner(pool: PgPool) {
    let service = TestService::start(&pool).await;
    let gate = service.gate(json!({})).await;
    let obama = service.employee(json!({"badge_id": "B-1"})).await;
    service.enrol(&obama, "obama-1.jpg").await;
    let biden = service.employee(json!({"badge_id": "B-2"})).await;
    service.enrol(&biden, "biden-1.jpg").await;
    service.employee(json!({"badge_id": "B-3"})).await;

    let face = || Passage::of("obama-3.jpg");
    let granted = face().badge("B-1").granted(&service, &gate).await;
    assert_eq!(granted["employee_id"], obama.as_str());
    let other = face().badge("B-2").refused(&service, &gate, "face_does_not_match_badge").await;
    assert_eq!(other["employee_id"], Value::Null, "the face is not the badge owner's");
    face().badge("B-3").refused(&service, &gate, "not_enrolled").await;
    face().badge("B-9").refused(&service, &gate, "unknown_badge").await;

    // The badge moves to somebody else: with it goes what it opened.
    service.patch(&format!("/v1/employees/{obama}"), json!({"badge_id": null})).await.expect(200);
    face().badge("B-1").refused(&service, &gate, "unknown_badge").await;
}

#[sqlx::test]
async fn the_policy_of_the_gate_is_applied(pool: PgPool) {
    let service = TestService::start(&pool).await;
    let gate = service.gate(json!({"mode": "badge_and_face"})).await;
    let path = format!("/v1/gates/{gate}");
    let employee = service.employee(json!({"badge_id": "B-1"})).await;
    service.enrol(&employee, "obama-1.jpg").await;

    Passage::of("obama-3.jpg").refused(&service, &gate, "badge_required").await;
    Passage::of("obama-3.jpg").badge("B-1").granted(&service, &gate).await;

    let change = json!({"mode": "badge_or_face", "pupil_distance_px_min": 500});
    service.patch(&path, change).await.expect(200);
    let retry = Passage::of("obama-3.jpg").refused(&service, &gate, "too_small").await;
    assert_eq!(retry["decision"], "retry");

    service.patch(&path, json!({"enabled": false})).await.expect(200);
    Passage::of("obama-3.jpg").badge("B-1").refused(&service, &gate, "gate_disabled").await;
}

#[sqlx::test]
async fn a_gate_compares_as_its_mode_says_and_no_badge_opens_alone(pool: PgPool) {
    let service = TestService::start(&pool).await;
    let obama = service.employee(json!({"badge_id": "B-1"})).await;
    service.enrol(&obama, "obama-1.jpg").await;
    let biden = service.employee(json!({"badge_id": "B-2"})).await;
    service.enrol(&biden, "biden-1.jpg").await;
    // With no badge, with one's own, another's and nobody's.
    for (mode, reasons) in [
        ("face", ["granted", "granted", "granted", "granted"]),
        (
            "badge_and_face",
            ["badge_required", "granted", "face_does_not_match_badge", "unknown_badge"],
        ),
        ("badge_or_face", ["granted", "granted", "face_does_not_match_badge", "unknown_badge"]),
    ] {
        let gate = service.gate(json!({"name": mode, "mode": mode})).await;
        let face = || Passage::of("obama-3.jpg");
        let passages = [face(), face().badge("B-1"), face().badge("B-2"), face().badge("B-9")];
        for (passage, reason) in passages.iter().zip(reasons) {
            let answer = passage.decide(&service, &gate).await;
            assert_eq!(answer["reason"], reason, "{mode}: {answer}");
            let row = &service.trail().await[0];
            assert_eq!((&row["reason"], &row["mode"]), (&reason.into(), &mode.into()));
            if reason == "granted" {
                assert_eq!(answer["employee_id"], obama.as_str());
                assert_eq!(row["employee_id"], obama.as_str());
                assert_eq!(passage.decide(&service, &gate).await, answer, "{mode}: repeated");
            }
        }
        assert_eq!(service.trail().await[0]["badge_id"], "B-9", "{mode}: what came is recorded");
        let nobody = Passage::of("no-face-rocket.jpg").badge("B-1");
        nobody.refused(&service, &gate, "no_face").await;
        let reason = if mode == "face" { "unknown_person" } else { "face_does_not_match_badge" };
        Passage::of("collins-1.jpg").badge("B-1").refused(&service, &gate, reason).await;
    }
}

#[sqlx::test]
async fn a_repeated_grant_does_not_outlive_the_comparison_that_the_gate_asks_for(pool: PgPool) {
    let service = TestService::start(&pool).await;
    let employee = service.employee(json!({"badge_id": "B-1"})).await;
    service.enrol(&employee, "obama-1.jpg").await;
    let gate = service.gate(json!({"mode": "face"})).await;
    let path = format!("/v1/gates/{gate}");
    let (alone, with_badge) = (Passage::of("obama-2.jpg"), Passage::of("obama-3.jpg").badge("B-1"));
    alone.granted(&service, &gate).await;
    with_badge.granted(&service, &gate).await;

    service.patch(&path, json!({"mode": "badge_and_face"})).await.expect(200);
    alone.refused(&service, &gate, "badge_required").await;
    // The badge was not looked at when it came.
    with_badge.refused(&service, &gate, "stale_frame").await;
    let with_badge = Passage::of("obama-3.jpg").badge("B-1");
    let first = with_badge.granted(&service, &gate).await;
    service.patch(&path, json!({"mode": "badge_or_face"})).await.expect(200);
    assert_eq!(with_badge.granted(&service, &gate).await, first, "the badge counts as before");
    service.patch(&path, json!({"mode": "face"})).await.expect(200);
    with_badge.refused(&service, &gate, "stale_frame").await;
}

#[sqlx::test]
async fn a_frame_must_be_fresh(pool: PgPool) {
    let service = TestService::start(&pool).await;
    let gate = service.gate(json!({"frame_age_ms_max": 20_000})).await;
    service.enrolled("obama-1.jpg").await;

    let aged = |age_ms| Passage::of("obama-3.jpg").aged_ms(age_ms);
    aged(20_500).refused(&service, &gate, "stale_frame").await;
    aged(86_400_000).refused(&service, &gate, "stale_frame").await;
    aged(-60_000).refused(&service, &gate, "frame_from_future").await;
    aged(10_000).granted(&service, &gate).await;
    // Clocks differ a little.
    aged(-1_000).granted(&service, &gate).await;
}

#[sqlx::test]
async fn a_frame_that_shows_no_usable_face_asks_for_another(pool: PgPool) {
    let service = TestService::start_with(&pool, |config| config.road.quality.yaw_max = 0.2).await;
    let gate = service.gate(json!({})).await;
    for (frame, reason) in [
        ("no-face-rocket.jpg", "no_face"),
        ("pixel-1x1.png", "no_face"),
        ("group-solvay-1927.jpg", "multiple_faces"),
        ("too-dark.jpg", "too_dark"),
        ("too-bright.jpg", "too_bright"),
        ("too-blurred.jpg", "too_blurred"),
        ("turned-away.jpg", "turned_away"),
        ("face-too-small.jpg", "too_small"),
    ] {
        let answer = Passage::of(frame).refused(&service, &gate, reason).await;
        assert_eq!(answer["decision"], "retry", "{frame}");
    }
    assert_eq!(service.trail().await.len(), 8, "each of them is in the trail");
}

#[sqlx::test]
async fn the_frames_of_one_passage_must_agree(pool: PgPool) {
    let service = TestService::start(&pool).await;
    let gate = service.gate(json!({})).await;
    service.enrolled("obama-1.jpg").await;

    let frames = Passage::of_frames;
    frames(&["obama-1.jpg", "obama-3.jpg"]).granted(&service, &gate).await;
    assert_eq!(service.trail().await[0]["frames"], 2);
    frames(&["no-face-rocket.jpg", "obama-3.jpg"]).granted(&service, &gate).await;
    let stranger = ["obama-3.jpg", "biden-1.jpg"];
    frames(&stranger).refused(&service, &gate, "frames_disagree").await;
    service.enrolled("biden-1.jpg").await;
    frames(&stranger).refused(&service, &gate, "frames_disagree").await;
    let print = ["obama-1.jpg", "print-attack-obama.jpg", "obama-3.jpg"];
    frames(&print).refused(&service, &gate, "spoof").await;
}

#[sqlx::test]
async fn a_frame_that_is_too_far_by_itself_counts_with_the_others(pool: PgPool) {
    let service = TestService::start(&pool).await;
    let employee = service.employee(json!({"badge_id": "B-1"})).await;
    service.enrol(&employee, "obama-1.jpg").await;
    let found = service.post_frame("/v1/recognize?candidates=1", "obama-3.jpg").await.expect(200);
    let distance = found["candidates"][0]["distance"].as_f64().unwrap();
    drop(service);

    // The photo that enrolled is as near as can be: the mean is half of the other's distance.
    let tau = Threshold::try_from(0.75 * distance as f32).ok();
    let service = TestService::start_with(&pool, |config| {
        (config.matching.recognize_threshold, config.matching.verify_threshold) = (tau, tau);
    })
    .await;
    let gate = service.gate(json!({})).await;
    let (near, far) = ("obama-1.jpg", "obama-3.jpg");
    Passage::of(far).refused(&service, &gate, "unknown_person").await;
    Passage::of_frames(&[near, far]).granted(&service, &gate).await;
    let mean = service.trail().await[0]["distance"].as_f64().unwrap();
    assert!((mean - distance / 2.0).abs() < 1e-3, "{mean} {distance}");
    Passage::of_frames(&[near, far]).badge("B-1").granted(&service, &gate).await;
    // Too far together.
    Passage::of_frames(&[near, far, far, far, far])
        .refused(&service, &gate, "frames_disagree")
        .await;
    let badge = Passage::of_frames(&[near, far, far, far, far]).badge("B-1");
    badge.refused(&service, &gate, "face_does_not_match_badge").await;
    // A stranger is too far by themself, however near the other frames are.
    let stranger = || Passage::of_frames(&[near, near, near, near, "biden-1.jpg"]);
    stranger().refused(&service, &gate, "frames_disagree").await;
    stranger().badge("B-1").refused(&service, &gate, "face_does_not_match_badge").await;
    // Nor does a frame count for a badge's owner that shows another who is enrolled, however near it is to the owner.
    service.enrolled(far).await;
    let other = Passage::of_frames(&[near, far]).badge("B-1");
    other.refused(&service, &gate, "face_does_not_match_badge").await;
}

#[sqlx::test]
async fn a_repeated_event_gets_its_first_answer(pool: PgPool) {
    let service = TestService::start(&pool).await;
    let gate = service.gate(json!({})).await;
    service.enrolled("obama-1.jpg").await;

    let granted = Passage::of("obama-3.jpg");
    let first = granted.granted(&service, &gate).await;
    assert_eq!(granted.granted(&service, &gate).await, first);
    let denied = Passage::of("biden-1.jpg");
    let first = denied.refused(&service, &gate, "unknown_person").await;
    assert_eq!(denied.decide(&service, &gate).await, first);
    assert_eq!(service.trail().await.len(), 2, "a repetition adds nothing");

    // An event id says what was shown; it cannot be given to something else.
    let reused = granted.clone().with_frame("obama-1.jpg").send(&service, &gate).await;
    reused.refused(409, "event_id_reused");
    let reused = granted.clone().badge("B-1").send(&service, &gate).await;
    reused.refused(409, "event_id_reused");
    // At another gate it is another event.
    let other = service.gate(json!({"name": "south"})).await;
    granted.granted(&service, &other).await;
}

#[sqlx::test]
async fn a_repeated_grant_does_not_outlive_a_revocation(pool: PgPool) {
    let service = TestService::start(&pool).await;
    let gate = service.gate(json!({})).await;
    let employee = service.enrolled("obama-1.jpg").await;
    let passage = Passage::of("obama-3.jpg");
    let first = passage.granted(&service, &gate).await;

    service.set_status(&employee, "revoked").await;
    let again = passage.refused(&service, &gate, "revoked").await;
    assert_ne!(again["passage_id"], first["passage_id"]);

    let trail = service.trail().await;
    let replay = trail.iter().find(|row| row["passage_id"] == again["passage_id"]).unwrap();
    assert_eq!(replay["replay_of"], first["passage_id"]);
    assert_eq!(replay["reason"], "revoked");
    let original = trail.iter().find(|row| row["passage_id"] == first["passage_id"]).unwrap();
    assert_eq!(original["reason"], "granted", "what happened is not rewritten");

    // What was withdrawn stays withdrawn: the trail's last word is what the gate was told last.
    service.set_status(&employee, "active").await;
    let withdrawn = passage.refused(&service, &gate, "revoked").await;
    assert_eq!(withdrawn["passage_id"], again["passage_id"]);
    Passage::of("obama-3.jpg").granted(&service, &gate).await;
}

#[sqlx::test]
async fn a_repeated_grant_does_not_outlive_the_frame(pool: PgPool) {
    let service = TestService::start(&pool).await;
    let gate = service.gate(json!({})).await;
    service.enrolled("obama-1.jpg").await;
    let passage = Passage::of("obama-3.jpg").aged_ms(5_000);
    passage.granted(&service, &gate).await;

    let path = format!("/v1/gates/{gate}");
    service.patch(&path, json!({"frame_age_ms_max": 4_000})).await.expect(200);
    passage.refused(&service, &gate, "stale_frame").await;
}

#[sqlx::test]
async fn ten_identical_events_at_once_are_one_passage(pool: PgPool) {
    let service = TestService::start(&pool).await;
    let gate = service.gate(json!({})).await;
    service.enrolled("obama-1.jpg").await;

    let passage = Passage::of("obama-3.jpg");
    let answers = join_all((0..10).map(|_| passage.granted(&service, &gate))).await;
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    assert_eq!(service.trail().await.len(), 1);
}

#[sqlx::test]
async fn a_request_that_names_no_gate_or_event_is_refused(pool: PgPool) {
    let service = TestService::start(&pool).await;
    let gate = service.gate(json!({})).await;
    let passage = || Passage::of("obama-3.jpg");

    passage().send(&service, &Uuid::new_v4().to_string()).await.refused(404, "not_found");
    passage().send(&service, "not-a-uuid").await.refused(400, "bad_path");

    let headers = [("x-event-id", "e-1"), ("x-captured-at", "2024-01-01T00:00:00Z")];
    let path = format!("/v1/gates/{gate}/passages");
    let frame = || service.frame_request(&path, frame::bytes("pixel-1x1.png"), "image/png");
    for (missing, _) in headers {
        let present = headers.iter().filter(|(name, _)| *name != missing);
        let request = present.fold(frame(), |request, (name, value)| request.header(*name, *value));
        send(request).await.refused(400, "missing_header");
    }
    let long = "e".repeat(65);
    for (event, captured_at, badge) in [
        ("two words", "2024-01-01T00:00:00Z", "B-1"),
        ("", "2024-01-01T00:00:00Z", "B-1"),
        (&long, "2024-01-01T00:00:00Z", "B-1"),
        ("e-1", "yesterday", "B-1"),
        ("e-1", "1700000000", "B-1"),
        ("e-1", "2024-01-01T00:00:00Z", " "),
        ("e-1", "2024-01-01T00:00:00Z", &"b".repeat(65)),
    ] {
        let request = frame()
            .header("x-event-id", event)
            .header("x-captured-at", captured_at)
            .header("x-badge-id", badge);
        send(request).await.refused(400, "bad_header");
    }
    assert!(service.trail().await.is_empty());

    // Which of two badges was meant?
    for (name, value) in
        [("x-badge-id", "B-2"), ("x-event-id", "other"), ("x-captured-at", "2024-01-01T00:00:00Z")]
    {
        let request = Passage::of("obama-3.jpg").badge("B-1").request(&service, &gate);
        send(request.header(name, value)).await.refused(400, "bad_header");
    }
}

#[sqlx::test]
async fn a_capture_time_that_postgres_cannot_hold_is_no_fault_of_the_service(pool: PgPool) {
    let service = TestService::start(&pool).await;
    let gate = service.gate(json!({})).await;
    for year in ["-262000", "-9999", "+262000"] {
        let request = service
            .frame_request(
                &format!("/v1/gates/{gate}/passages"),
                frame::bytes("pixel-1x1.png"),
                "image/png",
            )
            .header("x-event-id", format!("e{year}"))
            .header("x-captured-at", format!("{year}-01-01T00:00:00Z"));
        let answer = send(request).await;
        assert!(answer.status < 500, "{year}: {}", answer.text);
        assert_ne!(answer.json["decision"], "grant");
    }
}

#[sqlx::test]
async fn a_key_that_is_bound_to_a_gate_opens_no_other(pool: PgPool) {
    let service = TestService::start(&pool).await;
    let (north, south) =
        (service.gate(json!({})).await, service.gate(json!({"name": "south"})).await);
    service.enrolled("obama-1.jpg").await;
    let key = service.make_key(&[Scope::Gate], Some(north.parse().unwrap())).await;

    let with_key = |gate: &str| {
        let path = format!("/v1/gates/{gate}/passages");
        let body = frame::bytes("obama-3.jpg");
        let request = service.bare(Method::POST, &path).bearer_auth(&key).body(body);
        request
            .header("content-type", "image/jpeg")
            .header("x-event-id", "e-1")
            .header("x-captured-at", Utc::now().to_rfc3339())
    };
    assert_eq!(send(with_key(&north)).await.expect(200)["decision"], "grant");
    send(with_key(&south)).await.refused(403, "wrong_gate");
}

#[sqlx::test]
async fn the_trail_is_paged_and_filtered(pool: PgPool) {
    let service = TestService::start(&pool).await;
    let gate = service.gate(json!({})).await;
    let other = service.gate(json!({"name": "south"})).await;
    let employee = service.enrolled("obama-1.jpg").await;
    let mut passages = Vec::new();
    for frame in ["obama-3.jpg", "biden-1.jpg", "pixel-1x1.png", "obama-1.jpg"] {
        passages.push(id(&Passage::of(frame).decide(&service, &gate).await, "passage_id"));
    }
    let between = Utc::now();
    passages.push(id(&Passage::of("pixel-1x1.png").decide(&service, &other).await, "passage_id"));
    passages.reverse();

    let mut seen = Vec::new();
    let mut path = "/v1/passages?limit=2".to_owned();
    loop {
        let page = service.get(&path).await.expect(200);
        seen.extend(page["items"].as_array().unwrap().iter().map(|row| id(row, "passage_id")));
        let Some(cursor) = page["next_cursor"].as_str() else {
            break;
        };
        path = format!("/v1/passages?limit=2&cursor={cursor}");
    }
    assert_eq!(seen, passages, "every passage once, the newest first");
    let one = service.get(&format!("/v1/passages/{}", passages[0])).await.expect(200);
    assert_eq!((&one["passage_id"], &one["gate_id"]), (&(*passages[0]).into(), &(*other).into()));
    let unknown = format!("/v1/passages/{}", uuid::Uuid::now_v7());
    service.get(&unknown).await.refused(404, "not_found");
    service.get("/v1/passages?event_id=a/b").await.refused(400, "bad_query");

    let time = between.to_rfc3339_opts(chrono::SecondsFormat::Micros, true);
    for (filter, count) in [
        (format!("gate_id={gate}"), 4),
        (format!("employee_id={employee}"), 2),
        ("decision=retry".to_owned(), 2),
        ("reason=unknown_person".to_owned(), 1),
        (format!("from={time}"), 1),
        (format!("until={time}"), 4),
        (format!("gate_id={other}&decision=grant"), 0),
        (format!("event_id={}", one["event_id"].as_str().unwrap()), 1),
        (format!("gate_id={gate}&event_id={}", one["event_id"].as_str().unwrap()), 0),
    ] {
        let page = service.get(&format!("/v1/passages?{filter}")).await.expect(200);
        assert_eq!(page["items"].as_array().unwrap().len(), count, "{filter}");
    }
    for filter in
        ["decision=maybe", "reason=luck", "limit=0", "limit=501", "cursor=x", "colour=red"]
    {
        service.get(&format!("/v1/passages?{filter}")).await.refused(400, "bad_query");
    }
}
