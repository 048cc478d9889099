//! The audit: who changed what is noted, and whoever alters the trail is found out.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::{SigningKey, VerifyingKey};
use limen::audit::{Fault, KeptHead, Verified, verify};
use limen::config::KeysText;
use limen::domain::Scope;
use limen::server;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::PgPool;
use uuid::Uuid;

use crate::gate_inputs::report;
use crate::passage::Passage;
use crate::service::{TestService, author, config, eventually, send, store};

/// The audit of a database, with the tests' keys.
pub async fn audit(service: &TestService, pool: &PgPool) -> Verified {
    let keys = server::keyring(&config(pool).secrets).await.unwrap();
    let trusted: Vec<_> = keys.verifying_keys().into_iter().map(|(_, key)| key).collect();
    verify(&service.store, &trusted, &[]).await.unwrap()
}

#[sqlx::test]
async fn every_change_is_noted_with_who_made_it_and_what_it_was_before(pool: PgPool) {
    let service = TestService::start(&pool).await;
    let officer = json!({"name": "front desk", "scopes": ["officer"]});
    let officer = service.post("/v1/keys", officer).await.expect(201);
    let employee = service.employee(json!({"name": "Ada"})).await;
    let path = format!("/v1/employees/{employee}");
    let request = service.bare(Method::PATCH, &path).bearer_auth(officer["key"].as_str().unwrap());
    send(request.json(&json!({"status": "suspended"}))).await.expect(200);

    let changes = service.get(&format!("/v1/changes?employee_id={employee}")).await.expect(200);
    let [suspended, created] = changes["items"].as_array().unwrap().as_slice() else {
        panic!("{changes}");
    };
    assert_eq!(suspended["author"], "front desk");
    assert_eq!(suspended["key_id"], officer["key_id"]);
    assert_eq!(
        (&suspended["kind"], &suspended["action"]),
        (&json!("employees"), &json!("changed"))
    );
    let details = json!({"before": {"status": "active"}, "after": {"status": "suspended"}});
    assert_eq!(suspended["details"], details);
    assert_eq!((&created["action"], &created["author"]), (&json!("created"), &json!("test")));
    assert_eq!(created["details"]["after"]["name"], "Ada");

    // What changes nothing is no change, and a failed one is none either.
    service.patch(&path, json!({"status": "suspended"})).await.expect(200);
    service.patch(&path, json!({"name": ""})).await.refused(422, "bad_value");
    let page = service.get(&format!("/v1/changes?employee_id={employee}")).await.expect(200);
    assert_eq!(page["items"].as_array().unwrap().len(), 2);

    let all = service.get("/v1/changes?limit=500").await;
    assert!(!all.text.contains("secret_sha256") && !all.text.contains("encoding"), "{}", all.text);
    assert_eq!(audit(&service, &pool).await.faults, []);
}

#[sqlx::test]
async fn what_another_client_of_the_database_changes_is_noted_too(pool: PgPool) {
    let service = TestService::start(&pool).await;
    let employee = service.employee(json!({})).await;
    let reinstate = "update employees set status = 'suspended'";
    sqlx::query(reinstate).execute(&pool).await.unwrap();
    let faults = audit(&service, &pool).await.faults;
    assert!(matches!(faults[..], [Fault::UnchainedChange { .. }]), "{faults:?}");
    // The next change chains it.
    service.gate(json!({})).await;
    assert_eq!(audit(&service, &pool).await.faults, []);
    let changes = service.get(&format!("/v1/changes?employee_id={employee}")).await.expect(200);
    let author = changes["items"][0]["author"].as_str().unwrap();
    assert!(author.starts_with("another client, as database role "), "{author}");
    assert_eq!(audit(&service, &pool).await.foreign.len(), 1);
}

#[sqlx::test]
async fn a_passage_says_which_policy_and_calibration_it_rests_on(pool: PgPool) {
    let service = TestService::start(&pool).await;
    service.enrolled("obama-1.jpg").await;
    let gate = service.gate(json!({})).await;
    Passage::of("obama-3.jpg").granted(&service, &gate).await;
    let before = service.trail().await.remove(0);
    assert_eq!(before["calibration"].as_str().unwrap().len(), 8, "{before}");
    service.patch(&format!("/v1/gates/{gate}"), json!({"open_ms": 1_000})).await.expect(200);
    Passage::of("obama-3.jpg").granted(&service, &gate).await;
    let after = service.trail().await.remove(0);
    let version = |row: &Value| row["policy_version"].as_u64().unwrap();
    assert_eq!(version(&after), version(&before) + 1);
    let heads = service.get("/v1/audit-heads").await.expect(200);
    assert_eq!(heads["items"][0]["length"].as_u64().unwrap(), version(&after));
    assert_eq!(heads["items"][1]["length"], 2);
}

#[sqlx::test]
async fn a_refusal_is_explained_with_its_figures_against_their_limits(pool: PgPool) {
    let service = TestService::start(&pool).await;
    service.enrolled("obama-1.jpg").await;
    let gate = service.gate(json!({})).await;
    let explain = async |frame: &'static str| {
        let answer = Passage::of(frame).decide(&service, &gate).await;
        let id = answer["passage_id"].as_str().unwrap();
        service.get(&format!("/v1/passages/{id}/explanation")).await.expect(200)
    };
    let stranger = explain("biden-1.jpg").await;
    assert_eq!(stranger["reason"], "unknown_person");
    assert_eq!(stranger["meaning"], "nobody enrolled is near enough");
    assert_eq!(stranger["advice"], "check the person; enrol if entitled");
    let checks = stranger["checks"].as_array().unwrap();
    let passed: Vec<_> = checks.iter().map(|check| (&check["figure"], &check["passed"])).collect();
    assert_eq!(passed, [(&json!("liveness"), &json!(true)), (&json!("distance"), &json!(false))]);
    assert!(checks[1]["value"].as_f64() >= checks[1]["limit"].as_f64(), "{stranger}");
    let known = explain("obama-3.jpg").await;
    assert!(
        known["checks"].as_array().unwrap().iter().all(|check| check["passed"] == true),
        "{known}"
    );
    assert_eq!(explain("no-face-hubble.jpg").await["checks"], json!([]));
    let nobody = format!("/v1/passages/{}/explanation", Uuid::new_v4());
    service.get(&nobody).await.refused(404, "not_found");
}

/// The explanation of an answer at a gate.
async fn explanation(service: &TestService, answer: &Value) -> Value {
    let id = answer["passage_id"].as_str().unwrap();
    service.get(&format!("/v1/passages/{id}/explanation")).await.expect(200)
}

/// The figure, and whether the value lies over the limit, of the one check of an explanation.
fn only_check(explanation: &Value) -> (String, bool) {
    let [check] = explanation["checks"].as_array().unwrap().as_slice() else {
        panic!("{explanation}");
    };
    assert_eq!(check["passed"], false, "{explanation}");
    let number = |name: &str| check[name].as_f64().unwrap();
    (check["figure"].as_str().unwrap().to_owned(), number("value").abs() > number("limit"))
}

#[sqlx::test]
async fn a_picture_that_is_not_good_enough_is_explained_by_the_figure_that_missed_its_limit(
    pool: PgPool,
) {
    let service = TestService::start_with(&pool, |config| config.road.quality.yaw_max = 0.2).await;
    let gate = service.gate(json!({})).await;
    for (frame, reason, figure, over) in [
        ("too-dark.jpg", "too_dark", "brightness", false),
        ("too-bright.jpg", "too_bright", "brightness", true),
        ("too-blurred.jpg", "too_blurred", "sharpness", false),
        ("turned-away.jpg", "turned_away", "yaw", true),
        ("face-too-small.jpg", "too_small", "pupil_distance_px", false),
    ] {
        let answer = Passage::of(frame).refused(&service, &gate, reason).await;
        // The device learns the reason, and no figure.
        let told: Vec<_> = answer.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(told, ["decision", "open_ms", "passage_id", "reason"]);
        let explained = explanation(&service, &answer).await;
        assert_eq!(only_check(&explained), (figure.to_owned(), over), "{reason}");
        let row = &service.trail().await[0];
        let check = &explained["checks"][0];
        assert_eq!(
            (&row["quality_figure"], &row["quality_value"], &row["quality_limit"]),
            (&check["figure"], &check["value"], &check["limit"])
        );
    }
    let demanding = TestService::start_replica_with(&pool, |config| {
        config.road.quality.feature_norm_min = Some(1e6);
    })
    .await;
    let answer = Passage::of("obama-1.jpg").refused(&demanding, &gate, "unclear").await;
    let explained = explanation(&service, &answer).await;
    assert_eq!(only_check(&explained), ("feature_norm".to_owned(), false));
    assert_eq!(audit(&service, &pool).await.faults, []);
}

#[sqlx::test]
async fn where_two_people_are_about_equally_near_the_explanation_says_how_near(pool: PgPool) {
    let service = TestService::start(&pool).await;
    let gate = service.gate(json!({})).await;
    for badge in ["B-1", "B-2"] {
        let employee = service.employee(json!({"badge_id": badge})).await;
        service.enrol(&employee, "obama-1.jpg").await;
    }
    let answer = Passage::of("obama-3.jpg").refused(&service, &gate, "ambiguous_person").await;
    let explained = explanation(&service, &answer).await;
    let checks = explained["checks"].as_array().unwrap();
    let figures: Vec<_> = checks.iter().map(|check| (&check["figure"], &check["passed"])).collect();
    let (yes, no) = (json!(true), json!(false));
    assert_eq!(
        figures,
        [(&json!("liveness"), &yes), (&json!("distance"), &yes), (&json!("second_distance"), &no)]
    );
    let (nearest, second) = (&checks[1], &checks[2]);
    assert_eq!(nearest["value"], second["value"], "one photo, twice");
    let margin = second["limit"].as_f64().unwrap() - nearest["value"].as_f64().unwrap();
    assert!((margin - 0.1).abs() < 1e-5, "{explained}");
    let row = &service.trail().await[0];
    assert_eq!(row["second_distance"], second["value"]);
    assert!((row["margin"].as_f64().unwrap() - 0.1).abs() < 1e-6, "{row}");
    assert_eq!(audit(&service, &pool).await.faults, []);
}

/// Does something to a table, looks, and sets it back to what it was.
async fn with_altered(pool: &PgPool, table: &str, set: &str, look: impl AsyncFnOnce()) {
    let run = async |statement: String| {
        sqlx::raw_sql(sqlx::AssertSqlSafe(statement)).execute(pool).await.unwrap();
    };
    run(format!("create table as_written as table {table}; update {table} set {set}")).await;
    look().await;
    run(format!(
        "delete from {table}; insert into {table} select * from as_written; drop table as_written"
    ))
    .await;
}

#[sqlx::test]
async fn a_record_that_cannot_be_read_hides_none_of_the_others(pool: PgPool) {
    let service = TestService::start(&pool).await;
    let employee = service.enrolled("obama-1.jpg").await;
    let gate = service.gate(json!({})).await;
    let mut passages = Vec::new();
    for _ in 0..2 {
        let granted = Passage::of("obama-3.jpg").granted(&service, &gate).await;
        let body = json!({"input": "rotation_done", "passage_id": granted["passage_id"]});
        let input = report(&service, &gate, body).await.expect(200);
        passages.push((granted["passage_id"].clone(), input["input_id"].clone()));
    }
    let [(passage, input), (other_passage, other_input)] = passages.try_into().unwrap();
    let export = format!("/v1/employees/{employee}/export");
    let listed = async |path: &str, part: &str| {
        service.get(path).await.expect(200)[part].as_array().unwrap().clone()
    };

    for set in [
        "notice = 'newer_notice'",
        "event_id = 'two words'",
        "captured_at = 'infinity'",
        "decided_at = '294000-01-01'",
        "face_ids = array[null::uuid]",
        "face_ids = array[array[id]]",
    ] {
        let set = format!("{set} where id = {}", quoted(&passage));
        with_altered(&pool, "passages", &set, async || {
            let unreadable = json!({"passage_id": passage, "gate_id": gate, "unreadable": true});
            for (path, part) in [
                ("/v1/passages", "items"),
                (&format!("/v1/passages?gate_id={gate}"), "items"),
                (&export, "passages"),
            ] {
                let rows = listed(path, part).await;
                assert_eq!(rows.len(), 2, "{set}: {rows:?}");
                assert_eq!(rows[0]["passage_id"], other_passage, "{set}");
                assert_eq!((&rows[0]["reason"], &rows[1]), (&json!("granted"), &unreadable));
            }
            let path = format!("/v1/passages/{}", passage.as_str().unwrap());
            for path in [format!("{path}/explanation"), path] {
                let answer = service.get(&path).await;
                assert!(answer.text.contains(passage.as_str().unwrap()), "{}", answer.text);
                answer.refused(500, "unreadable_record");
            }
            Passage::of("obama-3.jpg").granted(&service, &gate).await;
        })
        .await;
    }
    for set in
        ["event_id = 'two words'", "happened_at = '-infinity'", "recorded_at = '294000-01-01'"]
    {
        let set = format!("{set} where id = {}", quoted(&input));
        with_altered(&pool, "gate_inputs", &set, async || {
            let unreadable = json!({"input_id": input, "gate_id": gate, "unreadable": true});
            for (path, part) in [("/v1/inputs", "items"), (&export, "inputs")] {
                let rows = listed(path, part).await;
                assert_eq!(rows.len(), 2, "{set}: {rows:?}");
                assert_eq!((&rows[0]["input_id"], &rows[1]), (&other_input, &unreadable), "{set}");
            }
        })
        .await;
    }
    let changes = listed("/v1/changes", "items").await;
    let change = &changes[changes.len() - 1]["change_id"];
    let set = format!("changed_at = 'infinity' where id = {}", quoted(change));
    with_altered(&pool, "changes", &set, async || {
        let rows = listed("/v1/changes", "items").await;
        assert_eq!(rows.len(), changes.len());
        assert_eq!(rows[rows.len() - 1], json!({"change_id": change, "unreadable": true}));
    })
    .await;
}

fn quoted(id: &Value) -> String {
    format!("'{}'", id.as_str().unwrap())
}

#[sqlx::test]
async fn a_change_of_another_clients_that_cannot_be_read_keeps_nobody_from_changing_anything(
    pool: PgPool,
) {
    let service = TestService::start(&pool).await;
    sqlx::query(
        "insert into changes (id, changed_at, author, action, kind, subject_id)
         values (gen_random_uuid(), 'infinity', 'somebody', 'created', 'gates', gen_random_uuid())",
    )
    .execute(&pool)
    .await
    .unwrap();
    service.employee(json!({})).await;
    let faults = audit(&service, &pool).await.faults;
    assert!(matches!(faults[..], [Fault::UnchainedChange { .. }]), "{faults:?}");
}

#[sqlx::test]
async fn whatever_year_a_gate_believes_it_is_the_record_can_be_read(pool: PgPool) {
    let service = TestService::start(&pool).await;
    let gate = service.gate(json!({})).await;
    const YEAR_MS: i64 = 31_556_952_000;
    for (years, reason) in [(2_026, "stale_frame"), (-7_972, "frame_from_future")] {
        let odd = Passage::of("pixel-1x1.png").aged_ms(years * YEAR_MS);
        odd.refused(&service, &gate, reason).await;
    }
    let trail = service.trail().await;
    let captured: Vec<_> =
        trail.iter().map(|row| row["captured_at"].as_str().unwrap().get(..2)).collect();
    assert_eq!(captured, [Some("99"), Some("00")], "{trail:?}");
    assert_eq!(audit(&service, &pool).await.faults, []);
}

/// A trail of two gates and some changes.
async fn trail(service: &TestService) {
    service.enrolled("obama-1.jpg").await;
    for name in ["north", "south"] {
        let gate = service.gate(json!({"name": name})).await;
        for _ in 0..8 {
            Passage::of("obama-3.jpg").granted(service, &gate).await;
        }
        Passage::of("no-face-hubble.jpg").decide(service, &gate).await;
        Passage::of("too-dark.jpg").decide(service, &gate).await;
        for input in ["door_forced", "door_closed", "request_to_exit"] {
            report(service, &gate, json!({"input": input})).await.expect(200);
        }
    }
    for number in 0..8 {
        service.employee(json!({"name": format!("Somebody {number}")})).await;
    }
}

/// One way to alter the trail behind Limen's back: the statement, and the ids that the audit must name.
struct Manipulation {
    statement: String,
    named: BTreeSet<Uuid>,
    /// Whether the audit can name a position alone, for the record is gone.
    gone: bool,
}

#[derive(Clone, Debug, sqlx::FromRow)]
struct Row {
    kind: String,
    id: Uuid,
    gate_id: Option<Uuid>,
    position: i64,
}

/// A random manipulation of one of the tables.
fn manipulation(random: &mut StdRng, rows: &[Row]) -> Manipulation {
    let kind = *["passages", "passages", "gate_inputs", "changes"].choose(random).unwrap();
    let of_kind: Vec<&Row> = rows.iter().filter(|row| row.kind == kind).collect();
    let row = of_kind.choose(random).unwrap();
    let chain: Vec<&Row> = rows.iter().filter(|other| other.gate_id == row.gate_id).collect();
    let at = chain.iter().position(|other| other.id == row.id).unwrap();
    let next = chain.get(at + 1).map(|row| row.id);
    // Some time of these years, so that it differs from the true one.
    let seconds = random.random_range(1..100_000_000);
    let shifted = |column: &str| format!("{column} = {column} + interval '{seconds} seconds'");
    let altered = |set: String| (format!("update {kind} set {set} where id = '{}'", row.id), false);
    let noted_at = match kind {
        "passages" => "decided_at",
        "gate_inputs" => "recorded_at",
        _ => "changed_at",
    };
    let (statement, gone) = match random.random_range(0..8) {
        // Removed.
        0 => (format!("delete from {kind} where id = '{}'", row.id), true),
        // Cut off at the end, the head set back to what it then was.
        1 => {
            let stream = row.gate_id.unwrap_or_default();
            let hash = match at {
                0 => "decode(repeat('00', 32), 'hex')".to_owned(),
                _ => {
                    let before = chain[at - 1];
                    format!("(select hash from {} where id = '{}')", before.kind, before.id)
                }
            };
            let position = row.position;
            let set_back = format!(
                "update chains set hash = {hash}, length = {} where stream = '{stream}'",
                position - 1
            );
            let cut = chain[at..]
                .iter()
                .map(|row| format!("delete from {} where id = '{}'", row.kind, row.id));
            ([set_back].into_iter().chain(cut).collect::<Vec<_>>().join("; "), true)
        }
        // Moved: changes places with another.
        2 if chain.len() > 1 => {
            let other = loop {
                let other = chain.choose(random).unwrap();
                if other.id != row.id {
                    break other;
                }
            };
            let place = |row: &Row, position: i64| {
                format!("update {} set position = {position} where id = '{}'", row.kind, row.id)
            };
            let swap = [place(row, -1), place(other, row.position), place(row, other.position)];
            (swap.join("; "), false)
        }
        // Rechained: altered, and its own hash made to fit no other.
        3 => altered(format!(
            "{}, hash = decode(md5('{seconds}') || md5('x{seconds}'), 'hex')",
            shifted(noted_at)
        )),
        // Taken out of the chain; an input has nowhere else to be.
        4 if kind != "gate_inputs" => (
            format!(
                "update {kind} set position = null, hash = null, commitment = null where id = '{}'",
                row.id
            ),
            true,
        ),
        _ if kind == "gate_inputs" => {
            let columns = [
                shifted("recorded_at"),
                shifted("happened_at"),
                "happened_at = '-infinity'".to_owned(),
                "hash = '\\x00'".to_owned(),
                format!("event_id = 'forged-{seconds}'"),
                "input = case input when 'door_forced' then 'door_closed' else 'door_forced' end"
                    .to_owned(),
                format!("passage_id = '{}'", Uuid::from_u128(random.random())),
                format!("key_id = '{}'", Uuid::from_u128(random.random())),
                "input = 'nonsense'".to_owned(),
                "hash = sha256(hash)".to_owned(),
            ];
            altered(columns.choose(random).unwrap().clone())
        }
        _ if kind == "passages" => {
            let columns = [
                shifted("decided_at"),
                shifted("captured_at"),
                format!("event_id = 'forged-{seconds}'"),
                format!("open_ms = open_ms + {seconds}"),
                "policy_version = -policy_version".to_owned(),
                "frames = -frames, open_ms = -open_ms".to_owned(),
                "captured_at = 'infinity'".to_owned(),
                "decided_at = '294000-01-01'".to_owned(),
                "face_ids = array[null::uuid]".to_owned(),
                "face_ids = array[array[id]]".to_owned(),
                "hash = null".to_owned(),
                format!("employee_id = '{}'", Uuid::from_u128(random.random())),
                format!("badge_id = 'B-{seconds}'"),
                "employee_id = null, face_ids = '{}', badge_id = null, blind = null".to_owned(),
                format!("distance = {}", random.random_range(0.1..0.9_f32)),
                format!("threshold = {}", random.random_range(2.0..4.0_f32)),
                format!("frames = frames + {}", random.random_range(1..100)),
                "frames_sha256 = sha256(frames_sha256)".to_owned(),
                format!("key_id = '{}'", Uuid::from_u128(random.random())),
                format!("policy_version = {seconds}"),
                format!("calibration = '{seconds}'"),
                format!("quality_figure = 'yaw', quality_value = {seconds}, quality_limit = 0.2"),
                "quality_figure = case when quality_figure is null then 'yaw' end".to_owned(),
                format!("quality_value = {seconds}"),
                format!("quality_limit = {seconds}"),
                format!("second_distance = {}, margin = 0.1", random.random_range(0.1..0.9_f32)),
                "margin = 'infinity', second_distance = 0.5".to_owned(),
                "second_distance = 0.5".to_owned(),
                "probability = 0.9, probability_min = 0.5".to_owned(),
                "probability = 0.9".to_owned(),
                format!("earlier_passage_id = '{}'", Uuid::from_u128(random.random())),
                "notice = 'anti_passback'".to_owned(),
                "decision = 'deny', reason = 'suspended', open_ms = 0".to_owned(),
                "decision = 'nonsense'".to_owned(),
                "hash = sha256(hash)".to_owned(),
                "commitment = sha256(commitment)".to_owned(),
            ];
            altered(columns.choose(random).unwrap().clone())
        }
        _ => {
            let columns = [
                shifted("changed_at"),
                format!("author = 'somebody {seconds}'"),
                format!("key_id = '{}'", Uuid::from_u128(random.random())),
                "action = case action when 'created' then 'removed' else 'created' end".to_owned(),
                format!("kind = 'kind {seconds}'"),
                format!("subject_id = '{}'", Uuid::from_u128(random.random())),
                format!("employee_id = '{}'", Uuid::from_u128(random.random())),
                format!("details = '{{\"after\": {seconds}}}'"),
                "details = null, blind = null".to_owned(),
                "changed_at = 'infinity'".to_owned(),
                "by_limen = null".to_owned(),
                "hash = sha256(hash)".to_owned(),
            ];
            altered(columns.choose(random).unwrap().clone())
        }
    };
    let named = [Some(row.id), next].into_iter().flatten().collect();
    Manipulation { statement, named, gone }
}

/// `LIMEN_TEST_SEED` chooses others.
#[sqlx::test]
async fn every_one_of_a_thousand_random_manipulations_is_found_and_named(pool: PgPool) {
    let service = TestService::start(&pool).await;
    trail(&service).await;
    assert_eq!(audit(&service, &pool).await.faults, []);
    let read = "select 'changes' as kind, id, null::uuid as gate_id, position from changes
        union all select 'passages', id, gate_id, position from passages
        union all select 'gate_inputs', id, gate_id, position from gate_inputs
        order by 3, 4";
    let rows: Vec<Row> = sqlx::query_as(read).fetch_all(&pool).await.unwrap();
    let count = |kind: &str| rows.iter().filter(|row| row.kind == kind).count();
    assert_eq!((count("passages"), count("gate_inputs")), (20, 6));
    assert!(count("changes") > 12, "{}", count("changes"));
    // Whoever alters the trail is master of the database: no constraint stands in the way.
    for table in ["passages", "gate_inputs", "changes"] {
        let drop = format!(
            "select 'alter table {table} drop constraint ' || conname from pg_constraint
             where conrelid = '{table}'::regclass and contype in ('c', 'f')"
        );
        let drops: Vec<String> =
            sqlx::query_scalar(sqlx::AssertSqlSafe(drop)).fetch_all(&pool).await.unwrap();
        for drop in drops {
            sqlx::query(sqlx::AssertSqlSafe(drop)).execute(&pool).await.unwrap();
        }
    }
    let copies = "create table passages_as_written as table passages;
        create table gate_inputs_as_written as table gate_inputs;
        create table changes_as_written as table changes;
        create table chains_as_written as table chains";
    sqlx::raw_sql(copies).execute(&pool).await.unwrap();
    let restore =
        "delete from passages; delete from gate_inputs; delete from changes; delete from chains;
        insert into passages select * from passages_as_written;
        insert into gate_inputs select * from gate_inputs_as_written;
        insert into changes select * from changes_as_written;
        insert into chains select * from chains_as_written";

    let seed = std::env::var("LIMEN_TEST_SEED").map_or(5, |seed| seed.parse().unwrap());
    let mut random = StdRng::seed_from_u64(seed);
    let mut connection = pool.acquire().await.unwrap();
    for number in 0..1_000 {
        let Manipulation { statement, named, gone } = manipulation(&mut random, &rows);
        sqlx::raw_sql(sqlx::AssertSqlSafe(statement.clone()))
            .execute(&mut *connection)
            .await
            .unwrap();
        let faults = audit(&service, &pool).await.faults;
        let names = faults.iter().filter_map(Fault::record).any(|id| named.contains(&id));
        let gap = faults
            .iter()
            .any(|fault| matches!(fault, Fault::Missing { .. } | Fault::BadSignature { .. }));
        assert!(names || (gone && gap), "{number} (seed {seed}): {statement}\n{faults:#?}");
        sqlx::raw_sql(restore).execute(&mut *connection).await.unwrap();
    }
    assert_eq!(audit(&service, &pool).await.faults, []);
}

#[sqlx::test]
async fn what_was_done_to_the_trail_is_still_found_after_limen_went_on(pool: PgPool) {
    let service = TestService::start(&pool).await;
    service.enrolled("obama-1.jpg").await;
    let gate = service.gate(json!({})).await;
    for _ in 0..3 {
        Passage::of("obama-3.jpg").granted(&service, &gate).await;
    }
    // The end is cut off, and the head made to fit; of the changes, too.
    let cut = format!(
        "delete from passages where position = 3;
         update chains set length = 2, hash = (select hash from passages where position = 2)
         where stream = '{gate}'"
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(cut)).execute(&pool).await.unwrap();
    let bad = |faults: &[Fault]| faults.iter().any(|f| matches!(f, Fault::BadSignature { .. }));
    assert!(bad(&audit(&service, &pool).await.faults));
    Passage::of("obama-3.jpg").granted(&service, &gate).await;
    service.employee(json!({})).await;
    assert!(bad(&audit(&service, &pool).await.faults), "signed over");
    service.store.migrate().await.unwrap();
    service.store.sign_heads_anew().await.unwrap();
    assert!(bad(&audit(&service, &pool).await.faults), "signed over");
}

#[sqlx::test]
async fn what_another_client_says_of_itself_proves_nothing(pool: PgPool) {
    let service = TestService::start(&pool).await;
    service.enrolled("obama-1.jpg").await;
    let gate = service.gate(json!({})).await;
    Passage::of("obama-3.jpg").granted(&service, &gate).await;
    // In somebody's name, an erasure that never was, a gate that was not removed, a passage in no place.
    let forged = "begin; set local limen.author = 'front desk';
        update passages set employee_id = null, face_ids = '{}', blind = null;
        insert into erasures (id, records) select gen_random_uuid(), array_agg(id) from passages;
        commit;
        insert into passages select (jsonb_populate_record(p, '{\"position\": 0, \"event_id\": \"forged\"}'::jsonb
            || jsonb_build_object('id', gen_random_uuid()))).* from passages p limit 1";
    sqlx::raw_sql(forged).execute(&pool).await.unwrap();
    service.employee(json!({})).await;
    let verified = audit(&service, &pool).await;
    let found = |wanted: fn(&Fault) -> bool| verified.faults.iter().any(wanted);
    assert!(found(|fault| matches!(fault, Fault::PersonRemoved { .. })), "{verified:?}");
    assert!(found(|fault| matches!(fault, Fault::OutOfPlace { position: 0, .. })), "{verified:?}");
    assert_eq!(verified.foreign.len(), 1, "{verified:?}");
    let removed = "delete from passages; delete from gates";
    sqlx::raw_sql(removed).execute(&pool).await.unwrap();
    service.employee(json!({})).await;
    let faults = audit(&service, &pool).await.faults;
    assert!(faults.iter().any(|fault| matches!(fault, Fault::ChainGone { .. })), "{faults:?}");
    sqlx::raw_sql("truncate employees cascade").execute(&pool).await.unwrap_err();
}

#[sqlx::test]
async fn a_trail_that_is_set_back_as_a_whole_contradicts_the_heads_that_were_kept(pool: PgPool) {
    let service = TestService::start(&pool).await;
    service.enrolled("obama-1.jpg").await;
    let gate = service.gate(json!({})).await;
    Passage::of("obama-3.jpg").granted(&service, &gate).await;
    sqlx::raw_sql(
        "create table earlier as table passages; create table earlier_heads as table chains",
    )
    .execute(&pool)
    .await
    .unwrap();
    Passage::of("obama-2.jpg").granted(&service, &gate).await;
    let kept = service.store.heads().await.unwrap();
    let keys = server::keyring(&config(&pool).secrets).await.unwrap();
    let trusted: Vec<_> = keys.verifying_keys().into_iter().map(|(_, key)| key).collect();
    assert_eq!(verify(&service.store, &trusted, &kept).await.unwrap().faults, []);

    let set_back = "delete from passages; insert into passages select * from earlier;
        delete from chains; insert into chains select * from earlier_heads";
    sqlx::raw_sql(set_back).execute(&pool).await.unwrap();
    assert_eq!(verify(&service.store, &trusted, &[]).await.unwrap().faults, []);
    let faults = verify(&service.store, &trusted, &kept).await.unwrap().faults;
    assert!(matches!(faults[..], [Fault::SetBack { position: 2, .. }]), "{faults:?}");
    // A head that nobody trusted signed proves nothing.
    let strangers = verify(&service.store, &[], &kept).await.unwrap().faults;
    assert!(strangers.iter().any(|fault| matches!(fault, Fault::BadSignature { .. })));
}

#[sqlx::test]
async fn a_viewer_sees_the_trail_and_not_who_changed_what(pool: PgPool) {
    let service = TestService::start(&pool).await;
    let viewer = service.make_key(&[Scope::Viewer], None).await;
    send(service.bare(Method::GET, "/v1/passages").bearer_auth(&viewer)).await.expect(200);
    let changes = send(service.bare(Method::GET, "/v1/changes").bearer_auth(&viewer)).await;
    changes.refused(403, "missing_scope");
}

#[sqlx::test]
async fn the_service_keeps_the_heads_in_a_file_as_they_move(pool: PgPool) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("heads");
    let kept = file.clone();
    let service = TestService::start_with(&pool, |config| {
        config.audit.heads_file = Some(kept);
        config.audit.heads_interval_s = 1;
    })
    .await;
    service.enrolled("obama-1.jpg").await;
    let gate = service.gate(json!({})).await;
    Passage::of("obama-3.jpg").granted(&service, &gate).await;
    let heads = || -> Vec<KeptHead> {
        let text = std::fs::read_to_string(&file).unwrap_or_default();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let is_there = |head: &KeptHead| head.gate_id.is_some() && head.length == 1;
    eventually("the passage's head is kept", async || heads().iter().any(is_there)).await;
    let signed: Vec<_> = heads().iter().map(|head| head.signed().unwrap()).collect();
    let keys = server::keyring(&config(&pool).secrets).await.unwrap();
    let trusted: Vec<_> = keys.verifying_keys().into_iter().map(|(_, key)| key).collect();
    assert_eq!(verify(&service.store, &trusted, &signed).await.unwrap().faults, []);
    // What has not moved is not written again.
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    assert_eq!(heads().iter().filter(|head| is_there(head)).count(), 1);
}

#[sqlx::test]
async fn changes_of_every_table_that_is_noted_can_be_asked_for_and_of_nothing_else(pool: PgPool) {
    let service = TestService::start(&pool).await;
    let tables = "select distinct event_object_table::text from information_schema.triggers
                  where action_statement like '%note_change%'";
    let tables: Vec<String> = sqlx::query_scalar(tables).fetch_all(&pool).await.unwrap();
    assert!(tables.len() > 15, "{tables:?}");
    for kind in tables.iter().map(String::as_str).chain(["alarms", "chains", "exports"]) {
        service.get(&format!("/v1/changes?kind={kind}")).await.expect(200);
    }
    service.get("/v1/changes?kind=employee").await.refused(400, "bad_query");
}

#[sqlx::test]
async fn whoever_has_the_wrong_keys_writes_nothing_and_a_lost_key_is_taken_over(pool: PgPool) {
    let service = TestService::start(&pool).await;
    service.gate(json!({})).await;
    let mut config = config(&pool);
    config.secrets.keys = Some(KeysText("8PHy8_T19vf4-fr7_P3-_wABAgMEBQYHCAkKCwwNDg8".to_owned()));
    let other = server::keyring(&config.secrets).await.unwrap();
    let (old, new) = (&service.store, store(&config).await.with_keyring(other));
    let old_key = service.store.heads().await.unwrap()[0].signature.unwrap().1;
    let error = new.check_signers().await.unwrap_err().to_string();
    assert!(error.contains(&URL_SAFE_NO_PAD.encode(old_key)), "{error}");
    old.check_signers().await.unwrap();

    let lost = VerifyingKey::from_bytes(&old_key).unwrap();
    let stranger = SigningKey::from_bytes(&[9; 32]).verifying_key();
    assert_eq!(new.take_over_heads(&author(), &stranger).await.unwrap(), 0);
    assert!(new.check_signers().await.is_err());
    let heads = service.store.heads().await.unwrap().len();
    assert_eq!(new.take_over_heads(&author(), &lost).await.unwrap(), heads);
    new.check_signers().await.unwrap();
    let told = service.get("/v1/changes?kind=chains").await.expect(200);
    assert_eq!(told["items"].as_array().unwrap().len(), 1, "{told}");
}
