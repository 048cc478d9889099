//! The blocklist: the gate stays shut, says what it says to strangers, and somebody hears of it.

use limen::domain::Scope;
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::database::change_in_silence;
use crate::frame;
use crate::passage::Passage;
use crate::service::{TestService, eventually, send};

const ALARMS: &str = "limen_alarms_total{kind=\"blocked\"}";

async fn start(pool: &PgPool) -> TestService {
    TestService::start_with(pool, |config| config.server.metrics_public = true).await
}

/// What the gate was told, without what differs between any two passages.
fn told(mut answer: Value) -> Value {
    answer.as_object_mut().unwrap().remove("passage_id").expect("a passage");
    answer
}

/// Checks that the newest passage is that of a blocked person, and that it raised an alarm: the `alarms`th.
async fn assert_alarm(service: &TestService, employee: &str, alarms: f64) -> Value {
    let row = service.trail().await.remove(0);
    assert_eq!((&row["decision"], &row["reason"]), (&"deny".into(), &"blocked".into()), "{row}");
    assert_eq!(row["employee_id"], employee, "{row}");
    assert!(row["distance"].as_f64() < row["threshold"].as_f64(), "{row}");
    assert_eq!(service.metric(ALARMS).await, alarms);
    row
}

#[sqlx::test]
async fn a_blocked_person_is_told_what_a_stranger_is_and_the_trail_names_them(pool: PgPool) {
    let service = start(&pool).await;
    assert_eq!(service.metric(ALARMS).await, 0.0);
    let blocked = service.employee(json!({"badge_id": "B-1", "status": "blocked"})).await;
    service.enrol(&blocked, "obama-1.jpg").await;
    let mut alarms = 0.0;
    for mode in ["face", "badge_or_face"] {
        let gate = service.gate(json!({"name": mode, "mode": mode})).await;
        let stranger =
            Passage::of("collins-1.jpg").refused(&service, &gate, "unknown_person").await;
        let passage = Passage::of("obama-3.jpg");
        let answer = passage.decide(&service, &gate).await;
        assert_eq!(told(answer.clone()), told(stranger), "{mode}");
        alarms += 1.0;
        let row = assert_alarm(&service, &blocked, alarms).await;
        assert_eq!(row["passage_id"], answer["passage_id"]);

        // Whoever asks again hears the same, and nobody else does.
        assert_eq!(passage.decide(&service, &gate).await, answer);
        assert_eq!(service.metric(ALARMS).await, alarms, "an event raises one alarm");
    }
    let page = service.get("/v1/passages?reason=blocked").await.expect(200);
    assert_eq!(page["items"].as_array().unwrap().len(), 2);
    let recognized = service.post_frame("/v1/recognize", "obama-3.jpg").await.expect(200);
    assert_eq!(recognized["employee_status"], "blocked");
    assert_eq!(recognized["employee_standing"], "blocked");
}

#[sqlx::test]
async fn no_badge_hides_a_blocked_person(pool: PgPool) {
    let service = start(&pool).await;
    let blocked = service.employee(json!({"badge_id": "B-1", "status": "blocked"})).await;
    service.enrol(&blocked, "obama-1.jpg").await;
    let biden = service.employee(json!({"badge_id": "B-2"})).await;
    service.enrol(&biden, "biden-1.jpg").await;
    service.employee(json!({"badge_id": "B-3"})).await;
    let gate = service.gate(json!({"mode": "badge_and_face"})).await;

    let stranger = Passage::of("collins-1.jpg").badge("B-2");
    let stranger = stranger.refused(&service, &gate, "face_does_not_match_badge").await;
    // Their own, a stolen one, one without a face, one of nobody.
    for (number, badge) in (1..).zip(["B-1", "B-2", "B-3", "B-9"]) {
        let answer = Passage::of("obama-3.jpg").badge(badge).decide(&service, &gate).await;
        assert_eq!(told(answer), told(stranger.clone()), "{badge}");
        let row = assert_alarm(&service, &blocked, number.into()).await;
        assert_eq!(row["badge_id"], badge);
    }
    Passage::of("biden-1.jpg").badge("B-2").granted(&service, &gate).await;
    Passage::of("collins-1.jpg")
        .badge("B-1")
        .refused(&service, &gate, "face_does_not_match_badge")
        .await;
    assert_eq!(service.metric(ALARMS).await, 4.0, "a blocked person's badge is not their face");
}

#[sqlx::test]
async fn one_frame_that_shows_a_blocked_person_is_enough_but_not_their_picture(pool: PgPool) {
    let service = start(&pool).await;
    let blocked = service.enrolled("obama-1.jpg").await;
    service.set_status(&blocked, "blocked").await;
    service.enrolled("biden-1.jpg").await;
    let gate = service.gate(json!({})).await;
    let frames = ["biden-1.jpg", "obama-3.jpg", "no-face-rocket.jpg"];
    Passage::of_frames(&frames).refused(&service, &gate, "unknown_person").await;
    assert_eq!(assert_alarm(&service, &blocked, 1.0).await["frames"], 3);
    for frames in [&["print-attack-obama.jpg"][..], &["obama-3.jpg", "print-attack-obama.jpg"]] {
        Passage::of_frames(frames).refused(&service, &gate, "spoof").await;
    }
    assert_eq!(service.metric(ALARMS).await, 1.0);
}

#[sqlx::test]
async fn whoever_cannot_be_told_from_a_blocked_person_stays_out(pool: PgPool) {
    // However far apart they are.
    let service = TestService::start_with(&pool, |config| {
        config.matching.margin = 1.0;
        config.server.metrics_public = true;
    })
    .await;
    let blocked = service.enrolled("obama-1.jpg").await;
    let double = service.employee(json!({"badge_id": "B-2"})).await;
    service.enrol(&double, "obama-2.jpg").await;
    let gate = service.gate(json!({})).await;
    Passage::of("obama-3.jpg").refused(&service, &gate, "ambiguous_person").await;
    service.set_status(&blocked, "blocked").await;
    Passage::of("obama-3.jpg").refused(&service, &gate, "unknown_person").await;
    assert_alarm(&service, &blocked, 1.0).await;
    // Who they are not they can show with their badge; somebody hears of it all the same.
    Passage::of("obama-3.jpg").badge("B-2").granted(&service, &gate).await;
    assert_eq!(service.trail().await[0]["notice"], "like_blocked");
    assert_eq!(service.metric(ALARMS).await, 2.0);
    service.set_status(&blocked, "active").await;
    Passage::of("obama-3.jpg").refused(&service, &gate, "ambiguous_person").await;
    Passage::of("obama-3.jpg").badge("B-2").granted(&service, &gate).await;
    assert_eq!(service.metric(ALARMS).await, 2.0);

    // However many are nearer still.
    for _ in 0..3 {
        service.enrolled("obama-3.jpg").await;
    }
    service.set_status(&blocked, "blocked").await;
    Passage::of("obama-3.jpg").refused(&service, &gate, "unknown_person").await;
    assert_alarm(&service, &blocked, 3.0).await;
}

#[sqlx::test]
async fn a_grant_that_is_repeated_does_not_outlive_the_block(pool: PgPool) {
    let service = start(&pool).await;
    let employee = service.enrolled("obama-1.jpg").await;
    let gate = service.gate(json!({})).await;
    let passage = Passage::of("obama-3.jpg");
    let first = passage.granted(&service, &gate).await;

    service.set_status(&employee, "blocked").await;
    let again = passage.refused(&service, &gate, "unknown_person").await;
    assert_eq!(again["employee_id"], Value::Null);
    let row = assert_alarm(&service, &employee, 1.0).await;
    assert_eq!(row["replay_of"], first["passage_id"]);
    assert_eq!(passage.refused(&service, &gate, "unknown_person").await, again);
    assert_eq!(service.metric(ALARMS).await, 1.0, "an event raises one alarm");

    service.set_status(&employee, "active").await;
    Passage::of("obama-3.jpg").granted(&service, &gate).await;
}

/// Whom the face was like beside the badge's owner is not recorded: it may be whoever is blocked since.
#[sqlx::test]
async fn a_grant_by_badge_is_not_repeated_once_anybody_is_blocked(pool: PgPool) {
    let service = start(&pool).await;
    let owner = service.employee(json!({"badge_id": "B-1"})).await;
    service.enrol(&owner, "obama-1.jpg").await;
    let other = service.enrolled("biden-1.jpg").await;
    let gate = service.gate(json!({"debounce_ms": 0})).await;
    let [by_badge, by_face] = [Passage::of("obama-3.jpg").badge("B-1"), Passage::of("obama-3.jpg")];
    for passage in [&by_badge, &by_face, &by_face, &by_badge] {
        passage.granted(&service, &gate).await;
    }
    service.set_status(&other, "blocked").await;
    let again = by_badge.refused(&service, &gate, "stale_frame").await;
    assert_eq!(by_badge.refused(&service, &gate, "stale_frame").await, again);
    by_face.granted(&service, &gate).await;
    Passage::of("obama-3.jpg").badge("B-1").granted(&service, &gate).await;

    // That of whoever is blocked themself is an alarm.
    let last = Passage::of("obama-2.jpg").badge("B-1");
    last.granted(&service, &gate).await;
    service.set_status(&owner, "blocked").await;
    last.refused(&service, &gate, "face_does_not_match_badge").await;
    assert_alarm(&service, &owner, 1.0).await;
}

/// The gallery only proposes: it need not have heard of the block, nor of its end.
#[sqlx::test]
async fn who_is_blocked_is_read_with_the_decision(pool: PgPool) {
    let service = start(&pool).await;
    let employee = service.enrolled("obama-1.jpg").await;
    let gate = service.gate(json!({"mode": "badge_and_face"})).await;
    let biden = service.employee(json!({"badge_id": "B-2"})).await;
    service.enrol(&biden, "biden-1.jpg").await;
    let stolen = || Passage::of("obama-3.jpg").badge("B-2");
    change_in_silence(&pool, "update employees set status = 'blocked' where badge_id is null")
        .await;
    stolen().refused(&service, &gate, "face_does_not_match_badge").await;
    assert_alarm(&service, &employee, 1.0).await;

    service.set_status(&employee, "blocked").await;
    eventually("the gallery hears of it", async || {
        let recognized = service.post_frame("/v1/recognize", "obama-3.jpg").await.expect(200);
        recognized["employee_status"] == "blocked"
    })
    .await;
    change_in_silence(&pool, "update employees set status = 'active'").await;
    stolen().refused(&service, &gate, "face_does_not_match_badge").await;
    assert_eq!(service.trail().await[0]["reason"], "face_does_not_match_badge");
    assert_eq!(service.metric(ALARMS).await, 1.0);
}

#[sqlx::test]
async fn a_face_like_a_blocked_persons_is_enrolled_by_an_officer_alone_and_changes_nobody(
    pool: PgPool,
) {
    let service = start(&pool).await;
    let blocked = service.enrolled("obama-1.jpg").await;
    service.set_status(&blocked, "blocked").await;
    let known = async || {
        let employee = service.get(&format!("/v1/employees/{blocked}")).await.expect(200);
        let changes = service.get(&format!("/v1/changes?employee_id={blocked}")).await.expect(200);
        (employee, changes)
    };
    let before = known().await;
    assert_eq!(before.0["badge_required"], false);

    let double = service.employee(json!({})).await;
    let path = format!("/v1/employees/{double}/faces");
    for (alarms, query) in [(1.0, ""), (2.0, "?duplicates=refuse")] {
        let enroller = service.make_key(&[Scope::Enroller], None).await;
        let photo = service
            .bare(Method::POST, &format!("{path}{query}"))
            .bearer_auth(&enroller)
            .header("content-type", frame::media_type("obama-2.jpg"))
            .body(frame::bytes("obama-2.jpg"));
        let refused = send(photo).await.refused(403, "missing_scope");
        assert!(!refused.to_string().contains(&blocked), "{refused}");
        assert_eq!(service.metric(ALARMS).await, alarms);
    }
    let page = service.get("/v1/changes?kind=alarms").await.expect(200);
    let alarms = page["items"].as_array().unwrap();
    assert_eq!(alarms.len(), 2, "{page}");
    let (subject, about) = (&alarms[0]["subject_id"], &alarms[0]["employee_id"]);
    assert_eq!((subject, about), (&json!(blocked), &json!(double)));
    assert_eq!(service.get(&path).await.expect(200)["items"], json!([]));

    let face = service.post_frame(&path, "obama-2.jpg").await.expect(201);
    assert_eq!((&face["looks_like"], &face["badge_required"]), (&json!(blocked), &json!(true)));
    let read = service.get(&format!("/v1/employees/{double}")).await.expect(200);
    assert_eq!(read["badge_required"], true);
    assert_eq!(known().await, before);
    assert_eq!(service.metric(ALARMS).await, 3.0);
}

#[sqlx::test]
async fn a_badge_of_their_own_under_another_name_hides_no_blocked_person(pool: PgPool) {
    let service = start(&pool).await;
    let blocked = service.enrolled("obama-1.jpg").await;
    let double = service.employee(json!({"badge_id": "F-1"})).await;
    service.enrol(&double, "obama-3.jpg").await;
    service.set_status(&blocked, "blocked").await;
    let mut alarms = 0.0;
    for mode in ["badge_and_face", "badge_or_face"] {
        let gate = service.gate(json!({"name": mode, "mode": mode})).await;
        // Nearer to the new photo than to the old one: their badge says that they are another, and somebody hears of it.
        let answer = Passage::of("obama-3.jpg").badge("F-1").granted(&service, &gate).await;
        assert!(!answer.to_string().contains("blocked"), "{answer}");
        assert_eq!(service.trail().await[0]["notice"], "like_blocked");
        alarms += 1.0;
        assert_eq!(service.metric(ALARMS).await, alarms);
        // The very face of who is blocked opens nothing,
        let stolen = || Passage::of("obama-1.jpg").badge("F-1");
        stolen().refused(&service, &gate, "face_does_not_match_badge").await;
        alarms += 1.0;
        assert_alarm(&service, &blocked, alarms).await;
        // and no more where they are blocked twice.
        let again = service.employee(json!({"status": "blocked"})).await;
        service.enrol(&again, "obama-1.jpg").await;
        alarms = service.metric(ALARMS).await;
        stolen().refused(&service, &gate, "face_does_not_match_badge").await;
        assert_eq!(service.trail().await[0]["reason"], "blocked");
        alarms += 1.0;
        assert_eq!(service.metric(ALARMS).await, alarms);
        service.delete(&format!("/v1/employees/{again}")).await.expect(204);
    }
}
