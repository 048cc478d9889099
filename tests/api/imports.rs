//! `/v1/imports`: many people and photos in one upload, which can be sent again until all of it is done.

use std::time::{Duration, Instant};

use async_zip::base::write::ZipFileWriter;
use async_zip::{Compression, ZipEntryBuilder};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use chrono::Utc;
use futures_util::io::AsyncWriteExt;
use futures_util::{StreamExt, stream};
use limen::domain::Scope;
use reqwest::{Body, Method, RequestBuilder};
use serde_json::{Value, json};
use sqlx::PgPool;
use tokio::sync::mpsc;
use uuid::Uuid;

use crate::answer::Answer;
use crate::frame;
use crate::passage::Passage;
use crate::service::{TestService, eventually, id, send};

const ZIP: &str = "application/zip";
const NDJSON: &str = "application/x-ndjson";
const ALARMS: &str = "limen_alarms_total{kind=\"blocked\"}";

/// An archive of `people.csv` and these fixtures, each under its name.
async fn archive(list: &str, photos: &[&str]) -> Vec<u8> {
    let photos: Vec<_> = photos.iter().map(|name| (*name, frame::bytes(name))).collect();
    let mut files = vec![("people.csv", list.as_bytes())];
    files.extend(photos.iter().map(|(name, bytes)| (*name, bytes.as_slice())));
    zip(&files).await
}

async fn zip(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = ZipFileWriter::new(Vec::new());
    for (name, bytes) in files {
        let entry = ZipEntryBuilder::new((*name).into(), Compression::Deflate);
        zip.write_entry_whole(entry, bytes).await.unwrap();
    }
    zip.close().await.unwrap()
}

/// As `zip`, by a program that does not know sizes beforehand: they stand behind each file.
async fn streamed_zip(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = ZipFileWriter::new(Vec::new());
    for (name, bytes) in files {
        let entry = ZipEntryBuilder::new((*name).into(), Compression::Deflate);
        let mut entry = zip.write_entry_stream(entry).await.unwrap();
        entry.write_all(bytes).await.unwrap();
        entry.close().await.unwrap();
    }
    zip.close().await.unwrap()
}

/// A line of NDJSON: these fields and a fixture.
fn line(mut fields: Value, photo: &str) -> String {
    fields["photo"] = STANDARD.encode(frame::bytes(photo)).into();
    format!("{fields}\n")
}

fn request(
    service: &TestService,
    kind: &str,
    query: &str,
    body: impl Into<Body>,
) -> RequestBuilder {
    let path = format!("/v1/imports{query}");
    service.request(Method::POST, &path).header("content-type", kind).body(body)
}

async fn import(service: &TestService, kind: &str, body: impl Into<Body>) -> Answer {
    send(request(service, kind, "", body)).await
}

/// The rows of an import.
async fn rows(service: &TestService, import: &Value) -> Vec<Value> {
    let path = format!("/v1/imports/{}/rows?limit=500", id(import, "import_id"));
    service.get(&path).await.expect(200)["items"].as_array().unwrap().clone()
}

/// Line, outcome and reason of each row.
fn told(rows: &[Value]) -> Vec<(u64, &str, &str)> {
    let told = rows.iter().map(|row| {
        let reason = row["reason"]["code"].as_str().unwrap_or_default();
        (row["line"].as_u64().unwrap(), row["outcome"].as_str().unwrap(), reason)
    });
    told.collect()
}

/// The newest import.
async fn newest(service: &TestService) -> Value {
    service.get("/v1/imports").await.expect(200)["items"][0].clone()
}

async fn by_badge(service: &TestService, badge: &str) -> Option<Value> {
    let found = service.get(&format!("/v1/employees?badge_id={badge}")).await.expect(200);
    found["items"].get(0).cloned()
}

#[sqlx::test]
async fn an_archive_enrols_its_people_and_says_of_each_row_what_became_of_it(pool: PgPool) {
    let service = TestService::start(&pool).await;
    let group = service.group(json!({"name": "night shift"})).await;
    let list = "badge_id,name,department,groups,valid_until,consent_version,photo\n\
                B-1,Barack Obama,,night shift,2099-01-01T00:00:00Z,2026-01,obama-1.jpg\n\
                B-1,Barack Obama,,,,,obama-2.jpg\n\
                B-2,Joe Biden,Engines,,,,biden-1.jpg\n\
                B-3,Hubble,,,,,no-face-hubble.jpg\n\
                B-4,Nobody,,,,,nowhere.jpg\n\
                B-5,Somebody,,day shift,,,collins-1.jpg\n\
                B-6,Someone,,,tomorrow,,collins-1.jpg\n\
                B-7,Without a Photo,,,,,\n\
                B-8,,,,,,hopper-1.jpg\n\
                B-9,Text,,,,,text-named.jpg\n";
    let photos = [
        "obama-1.jpg",
        "obama-2.jpg",
        "biden-1.jpg",
        "no-face-hubble.jpg",
        "collins-1.jpg",
        "hopper-1.jpg",
        "text-named.jpg",
        "exif-1.jpg",
    ];
    let done = import(&service, ZIP, archive(list, &photos).await).await.expect(200);
    assert_eq!((&done["state"], &done["problem"]), (&json!("finished"), &Value::Null), "{done}");
    let counts = json!({"enrolled": 3, "created": 1, "updated": 0, "unchanged": 0, "refused": 6});
    assert_eq!((&done["rows"], &done["rows_listed"]), (&counts, &json!(10)), "{done}");
    assert_eq!(done["photos_unnamed"], 1);
    let rows = rows(&service, &done).await;
    assert_eq!(
        told(&rows),
        [
            (2, "enrolled", ""),
            (3, "enrolled", ""),
            (4, "enrolled", ""),
            (5, "refused", "no_face"),
            (6, "refused", "photo_missing"),
            (7, "refused", "unknown_group"),
            (8, "refused", "bad_value"),
            (9, "created", ""),
            (10, "refused", "bad_value"),
            (11, "refused", "not_an_image"),
        ]
    );
    assert!(rows[6]["reason"]["detail"].as_str().unwrap().contains("valid_until"), "{}", rows[6]);
    assert!(rows[8]["reason"]["detail"].as_str().unwrap().contains("name"), "{}", rows[8]);

    let obama = by_badge(&service, "B-1").await.unwrap();
    assert_eq!(
        (&obama["name"], &obama["valid_until"]),
        (&json!("Barack Obama"), &json!("2099-01-01T00:00:00Z"))
    );
    let employee = id(&obama, "employee_id");
    assert_eq!((&rows[0]["employee_id"], &rows[0]["person"]), (&json!(employee), &json!("B-1")));
    let path = format!("/v1/employees/{employee}");
    let faces = service.get(&format!("{path}/faces")).await.expect(200);
    assert_eq!(faces["items"][0]["face_id"], rows[0]["face_id"]);
    assert_eq!(faces["items"].as_array().unwrap().len(), 2);
    let access = service.get(&format!("{path}/access")).await.expect(200);
    assert_eq!(access["items"][0]["group_id"], group.as_str());
    let consents = service.get(&format!("{path}/consents")).await.expect(200);
    assert_eq!(consents["items"][0]["text_version"], "2026-01");
    assert_eq!(by_badge(&service, "B-2").await.unwrap()["department"], "Engines");
    // Whoever is refused is not there, and whoever is there passes.
    for badge in ["B-3", "B-4", "B-5", "B-6", "B-8", "B-9"] {
        assert_eq!(by_badge(&service, badge).await, None, "{badge}");
    }
    let gate = service.gate(json!({})).await;
    Passage::of("obama-3.jpg").granted(&service, &gate).await;

    // What was changed leads to the import, and pages and filters lead to its rows.
    let changes = service.get(&format!("/v1/changes?employee_id={employee}")).await.expect(200);
    let author = format!("test, import {}", id(&done, "import_id"));
    for change in changes["items"].as_array().unwrap() {
        assert_eq!((&change["author"], &change["by_limen"]), (&json!(author), &json!(true)));
    }
    let begun = service.get("/v1/changes?kind=imports").await.expect(200);
    assert_eq!(begun["items"][0]["subject_id"], done["import_id"]);
    let path = format!("/v1/imports/{}", id(&done, "import_id"));
    assert_eq!(service.get(&path).await.expect(200), done);
    let refused = format!("{path}/rows?outcome=refused&limit=4");
    let page = service.get(&refused).await.expect(200);
    assert_eq!((page["items"].as_array().unwrap().len(), &page["next_after"]), (4, &json!(8)));
    let page = service.get(&format!("{refused}&after=8")).await.expect(200);
    assert_eq!((page["items"].as_array().unwrap().len(), page.get("next_after")), (2, None));
    assert_eq!(service.ids("/v1/imports", "import_id").await, [id(&done, "import_id")]);
    let nowhere = format!("/v1/imports/{}", Uuid::new_v4());
    service.get(&nowhere).await.refused(404, "not_found");
    service.get(&format!("{nowhere}/rows")).await.refused(404, "not_found");
}

#[sqlx::test]
async fn the_same_import_again_does_only_what_is_missing(pool: PgPool) {
    let service = TestService::start(&pool).await;
    let again = async |body: Vec<u8>| {
        send(request(&service, ZIP, "", body).header("idempotency-key", "staff-2026")).await
    };
    let photos = ["obama-1.jpg", "biden-1.jpg"];
    let list =
        "badge_id,name,photo\nB-1,Obama,obama-1.jpg\nB-2,Biden,biden-1.jpg\nB-3,Nobody,x.jpg\n";
    let first = again(archive(list, &photos).await).await.expect(200);
    assert_eq!((&first["rows"]["enrolled"], &first["rows"]["refused"]), (&json!(2), &json!(1)));
    let changes = service.get("/v1/changes?limit=500").await.expect(200);
    let looks = "limen_outcomes_total{task=\"import\",outcome=\"enrolled\"}";
    let second = again(archive(list, &photos).await).await.expect(200);
    assert_eq!((&second["import_id"], &second["run"]), (&first["import_id"], &json!(2)));
    assert_eq!(second["rows"]["unchanged"], 2, "{second}");
    assert_eq!(service.get("/v1/changes?limit=500").await.expect(200), changes, "{looks}");
    assert_eq!(
        told(&rows(&service, &second).await),
        [(2, "unchanged", ""), (3, "unchanged", ""), (4, "refused", "photo_missing")]
    );
    // Without what was wrong, and with what is new.
    let list =
        "badge_id,name,department,photo\nB-1,obama,,obama-1.jpg\nB-2,Biden,Engines,biden-1.jpg\n";
    let third = again(archive(list, &photos).await).await.expect(200);
    assert_eq!(told(&rows(&service, &third).await), [(2, "unchanged", ""), (3, "updated", "")]);
    assert_eq!(by_badge(&service, "B-2").await.unwrap()["department"], "Engines");
    let listed = service.get("/v1/imports?key=staff-2026").await.expect(200);
    assert_eq!(listed["items"], json!([third]));
    // One without a key stands for itself.
    let other = import(&service, ZIP, archive(list, &photos).await).await.expect(200);
    assert_ne!(other["import_id"], third["import_id"]);
}

#[sqlx::test]
async fn lines_of_json_are_imported_too_and_people_are_found_as_they_are_named(pool: PgPool) {
    let service = TestService::start(&pool).await;
    let known = service.employee(json!({"name": "Ada", "badge_id": "B-1"})).await;
    for _ in 0..2 {
        service.employee(json!({"name": "Twice There"})).await;
    }
    let body = [
        line(json!({"badge_id": "B-1", "name": "ada"}), "obama-1.jpg"),
        line(json!({"badge_id": "B-1", "name": "Grace"}), "biden-1.jpg"),
        line(json!({"name": "Twice There"}), "biden-1.jpg"),
        "\n".to_owned(),
        line(json!({"name": "By Name", "groups": []}), "biden-1.jpg"),
        line(json!({"name": "by name"}), "biden-1.jpg"),
        format!("{}\n", json!({"employee_id": known, "name": "Ada Lovelace", "badge_id": "B-9"})),
        format!("{}\n", json!({"employee_id": Uuid::new_v4()})),
        format!("{}\n", json!({"badge_id": "B-5", "name": "X", "photo": "no base64!"})),
        "{\"badge_id\": \n".to_owned(),
        format!("{}\n", json!({"badge_id": "B-6", "surname": "Y"})),
        format!(
            "{}",
            json!({"badge_id": "B-7", "name": "Last", "valid_from": "2027-01-01T00:00:00Z"})
        ),
    ];
    let done = import(&service, NDJSON, body.concat()).await.expect(200);
    assert_eq!((&done["rows_listed"], &done["state"]), (&Value::Null, &json!("finished")));
    assert_eq!(
        told(&rows(&service, &done).await),
        [
            (1, "enrolled", ""),
            (2, "refused", "another_name"),
            (3, "refused", "ambiguous_name"),
            (5, "enrolled", ""),
            (6, "unchanged", ""),
            (7, "updated", ""),
            (8, "refused", "not_found"),
            (9, "refused", "bad_value"),
            (10, "refused", "bad_value"),
            (11, "refused", "bad_value"),
            (12, "created", ""),
        ]
    );
    let ada = service.get(&format!("/v1/employees/{known}")).await.expect(200);
    assert_eq!((&ada["name"], &ada["badge_id"]), (&json!("Ada Lovelace"), &json!("B-9")));
    let nothing = import(&service, NDJSON, "").await.expect(200);
    assert_eq!(nothing["state"], "finished");
}

#[sqlx::test]
async fn a_face_that_is_anothers_is_refused_with_their_name_and_told_of_where_it_may_be(
    pool: PgPool,
) {
    let service = TestService::start(&pool).await;
    let first = service.employee(json!({"name": "Barack Obama", "badge_id": "B-0"})).await;
    service.enrol(&first, "obama-1.jpg").await;
    // One is like somebody who is there, the other like somebody of the same list.
    let list = "badge_id,name,photo\nB-1,B. Obama,obama-2.jpg\nB-2,Joe,biden-1.jpg\nB-3,Joseph,b/biden.jpg\n";
    let (obama, biden) = (frame::bytes("obama-2.jpg"), frame::bytes("biden-1.jpg"));
    let files = [
        ("people.csv", list.as_bytes()),
        ("obama-2.jpg", &obama),
        ("biden-1.jpg", &biden),
        ("b/biden.jpg", &biden),
    ];
    let done = import(&service, ZIP, zip(&files).await).await.expect(200);
    let found = rows(&service, &done).await;
    assert_eq!(
        told(&found),
        [
            (2, "refused", "duplicate_person"),
            (3, "enrolled", ""),
            (4, "refused", "duplicate_person")
        ]
    );
    let like = &found[0]["looks_like"];
    assert_eq!((&like["employee_id"], &like["name"]), (&json!(first), &json!("Barack Obama")));
    assert_eq!((&like["badge_id"], &like["likeness"]), (&json!("B-0"), &json!("double")));
    assert!(like["distance"].as_f64().unwrap() > 0.0, "{like}");
    assert_eq!(found[2]["looks_like"]["badge_id"], "B-2");
    assert!(found[2]["looks_like"]["distance"].as_f64().unwrap() < 1e-3, "{}", found[2]);
    assert_eq!(by_badge(&service, "B-1").await, None);

    let flagged = request(&service, ZIP, "?duplicates=flag", zip(&files).await);
    let flagged = send(flagged).await.expect(200);
    let found = rows(&service, &flagged).await;
    assert_eq!(told(&found), [(2, "enrolled", ""), (3, "unchanged", ""), (4, "enrolled", "")]);
    assert_eq!(found[0]["looks_like"]["badge_id"], "B-0");
    assert_eq!(by_badge(&service, "B-1").await.unwrap()["badge_required"], true);

    // One photo by itself is checked alike, where that is asked for.
    let other = service.employee(json!({"name": "Another"})).await;
    let path = format!("/v1/employees/{other}/faces");
    let refused = service.post_frame(&format!("{path}?duplicates=refuse"), "biden-1.jpg").await;
    let refused = refused.refused(409, "duplicate_person");
    let detail = refused["detail"].as_str().unwrap();
    assert!(detail.contains("badge B-") && detail.contains("double"), "{detail}");
    let new = service.post_frame(&format!("{path}?duplicates=refuse"), "collins-1.jpg").await;
    new.expect(201);
    service
        .post_frame(&format!("{path}?duplicates=x"), "biden-1.jpg")
        .await
        .refused(400, "bad_query");
}

#[sqlx::test]
async fn whoever_is_blocked_and_entered_anew_raises_an_alarm(pool: PgPool) {
    let service =
        TestService::start_with(&pool, |config| config.server.metrics_public = true).await;
    let blocked = service.employee(json!({"status": "blocked"})).await;
    service.enrol(&blocked, "obama-1.jpg").await;
    service.enrol(&blocked, "obama-3.jpg").await;
    service.enrolled("biden-1.jpg").await;
    assert_eq!(service.metric(ALARMS).await, 0.0, "their own faces raise none");
    let body = line(json!({"badge_id": "B-1", "name": "John Smith"}), "obama-2.jpg");
    let done = import(&service, NDJSON, body.clone()).await.expect(200);
    assert_eq!(told(&rows(&service, &done).await), [(1, "refused", "duplicate_person")]);
    assert_eq!(service.metric(ALARMS).await, 1.0);
    send(request(&service, NDJSON, "?duplicates=flag", body)).await.expect(200);
    assert_eq!(service.metric(ALARMS).await, 2.0);
    let employee = service.employee(json!({"name": "J. Smith"})).await;
    let path = format!("/v1/employees/{employee}/faces");
    service.post_frame(&path, "obama-2.jpg").await.expect(201);
    assert_eq!(service.metric(ALARMS).await, 3.0);
    // Who may not change anything of the blocked does not by an import either.
    let enroller = service.make_key(&[Scope::Enroller], None).await;
    let body = format!("{}\n", json!({"employee_id": blocked, "name": "Somebody Else"}));
    let ask = service.bare(Method::POST, "/v1/imports").bearer_auth(&enroller);
    let done = send(ask.header("content-type", NDJSON).body(body)).await.expect(200);
    assert_eq!(told(&rows(&service, &done).await), [(1, "refused", "missing_scope")]);
}

#[sqlx::test]
async fn an_archive_that_cannot_be_read_says_where_and_what_came_before_stands(pool: PgPool) {
    let service = TestService::start(&pool).await;
    let list = "badge_id,name,photo\nB-1,Obama,obama-1.jpg\nB-2,Biden,biden-1.jpg\n";
    let whole = archive(list, &["obama-1.jpg", "biden-1.jpg"]).await;
    let (obama, bomb) = (frame::bytes("obama-1.jpg"), vec![0; 120 << 20]);
    let cut = whole[..whole.len() * 3 / 4].to_vec();
    let mut damaged = whole.clone();
    let at = damaged.len() / 2;
    damaged[at] ^= 0x55;
    let mut encrypted = whole.clone();
    encrypted[6] |= 1;
    let bombed = zip(&[("people.csv", list.as_bytes()), ("bomb.jpg", &bomb)]).await;
    for (body, code, told) in [
        (cut, "bad_archive", "file 3 of the archive"),
        (damaged, "bad_archive", "of the archive"),
        (encrypted, "bad_archive", "is encrypted"),
        (bombed, "bad_archive", "unpacks to more than"),
        (b"PK\x03\x04 is not enough".to_vec(), "bad_archive", "file 1"),
        (b"badge_id,name\nB-1,Obama\n".to_vec(), "bad_archive", "does not begin as a file"),
        (zip(&[]).await, "bad_archive", "file 1"),
        (zip(&[("obama-1.jpg", &obama)]).await, "bad_archive", "must begin with people.csv"),
        (zip(&[("people.csv", b"surname,photo\n")]).await, "bad_list", "line 1: what field 1"),
        (zip(&[("people.csv", b"")]).await, "bad_list", "line 1"),
    ] {
        let problem = import(&service, ZIP, body).await.refused(422, code);
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains(told), "{told}: {detail}");
        // Names of photos are people's, and this is kept.
        for trace in ["obama", "biden", "surname"] {
            assert!(!detail.contains(trace), "{detail}");
        }
        let noted = newest(&service).await;
        assert_eq!((&noted["state"], &noted["problem"]["code"]), (&json!("broken"), &json!(code)));
        assert!(detail.contains(&id(&noted, "import_id")), "{detail}");
    }
    // Of the first the photo came that was whole.
    assert!(by_badge(&service, "B-1").await.is_some());
    assert_eq!(by_badge(&service, "B-2").await, None);
    import(&service, "text/csv", "badge_id\n").await.refused(415, "not_an_import");
    service.assert_ready().await;
}

#[sqlx::test]
async fn archives_are_read_whatever_program_made_them(pool: PgPool) {
    let service = TestService::start_with(&pool, |config| {
        config.road.frame.bytes_max = 400_000;
        config.enrolment.import_rows_max = 2;
    })
    .await;
    let (obama, biden) = (frame::bytes("obama-1.jpg"), frame::bytes("biden-1.jpg"));
    // Sizes behind the files, a folder around all of them, letters taken apart, files of the system.
    let list =
        "badge_id;name;photo\r\nB-1;Obama;Jos\u{e9}.jpg\r\nB-2;Biden;staff/photos/biden.jpg\r\n";
    let files = [
        ("staff/", &b""[..]),
        ("__MACOSX/staff/._people.csv", b"x"),
        ("staff/people.csv", list.as_bytes()),
        ("staff/.DS_Store", b"x"),
        ("staff/Jose\u{301}.jpg", &obama),
        ("staff/photos/biden.jpg", &biden),
    ];
    let done = import(&service, ZIP, streamed_zip(&files).await).await.expect(200);
    assert_eq!(
        (&done["rows"]["enrolled"], &done["photos_unnamed"]),
        (&json!(2), &json!(0)),
        "{done}"
    );
    // Too large a photo is one row's, too many rows are nobody's.
    let large =
        [("people.csv", &b"badge_id,name,photo\nB-3,X,x.jpg\n"[..]), ("x.jpg", &[7; 400_001])];
    let done = import(&service, ZIP, zip(&large).await).await.expect(200);
    assert_eq!(told(&rows(&service, &done).await), [(2, "refused", "frame_too_large")]);
    let line = format!("{}\n", json!({"badge_id": "B-4", "name": "X"}));
    import(&service, NDJSON, line.repeat(3)).await.refused(413, "too_many_rows");
    assert!(by_badge(&service, "B-4").await.is_some());
    let long = format!("{{\"badge_id\": \"{}\"}}\n{line}", "x".repeat(1 << 20));
    let done = import(&service, NDJSON, long).await.expect(200);
    assert_eq!(
        told(&rows(&service, &done).await),
        [(1, "refused", "frame_too_large"), (2, "unchanged", "")]
    );
}

/// A body whose parts are sent by hand.
fn by_hand() -> (mpsc::UnboundedSender<Result<Bytes, std::io::Error>>, Body) {
    let (parts, body) = mpsc::unbounded_channel();
    let body = stream::unfold(body, async |mut body| Some((body.recv().await?, body)));
    (parts, Body::wrap_stream(body.boxed()))
}

#[sqlx::test]
async fn progress_is_seen_while_it_runs_and_a_cut_upload_goes_on_where_it_was(pool: PgPool) {
    let service = TestService::start(&pool).await;
    let (first, second) = (
        line(json!({"badge_id": "B-1", "name": "Obama"}), "obama-1.jpg"),
        line(json!({"badge_id": "B-2", "name": "Biden"}), "biden-1.jpg"),
    );
    let keyed = |body: Body| request(&service, NDJSON, "", body).header("idempotency-key", "k");
    let (parts, body) = by_hand();
    let running = tokio::spawn(keyed(body).send());
    parts.send(Ok(first.clone().into())).unwrap();
    eventually("the first row is enrolled", async || {
        newest(&service).await["rows"]["enrolled"] == 1
    })
    .await;
    let seen = newest(&service).await;
    assert_eq!((&seen["state"], &seen["ended_at"]), (&json!("running"), &Value::Null));
    assert!(seen["bytes_read"].as_u64().unwrap() >= first.len() as u64, "{seen}");
    assert_eq!(told(&rows(&service, &seen).await), [(1, "enrolled", "")]);
    send(keyed("".into())).await.refused(409, "import_running");

    parts.send(Ok(second[..100].to_owned().into())).unwrap();
    parts.send(Err(std::io::Error::other("the line is cut"))).unwrap();
    assert!(running.await.unwrap().is_err());
    eventually("it is known to be interrupted", async || {
        newest(&service).await["state"] == "interrupted"
    })
    .await;
    assert_eq!(newest(&service).await["problem"]["code"], "body_interrupted");
    assert_eq!(by_badge(&service, "B-2").await, None, "half a row is none");
    let done = send(keyed([first, second].concat().into())).await.expect(200);
    assert_eq!((&done["run"], &done["state"]), (&json!(2), &json!("finished")));
    assert_eq!(told(&rows(&service, &done).await), [(1, "unchanged", ""), (2, "enrolled", "")]);
}

#[sqlx::test]
async fn a_long_upload_takes_as_long_as_it_takes_and_a_silent_one_is_cut(pool: PgPool) {
    let service = TestService::start_with(&pool, |config| {
        config.server.request_timeout_ms = 1_000;
        config.enrolment.imports_max = 1;
    })
    .await;
    let (parts, body) = by_hand();
    let started_at = Instant::now();
    let running = tokio::spawn(request(&service, NDJSON, "", body).send());
    for number in 0..6 {
        let row = json!({"badge_id": format!("B-{number}"), "name": "Somebody"});
        parts.send(Ok(format!("{row}\n").into())).unwrap();
        tokio::time::sleep(Duration::from_millis(400)).await;
    }
    import(&service, NDJSON, "").await.refused(429, "overloaded");
    let answer = Answer::read(running.await.unwrap().unwrap()).await;
    let problem = answer.refused(408, "timeout");
    assert!(problem["detail"].as_str().unwrap().contains("1000 ms"), "{problem}");
    let after = started_at.elapsed();
    assert!(after > Duration::from_secs(3) && after < Duration::from_secs(10), "{after:?}");
    let noted = newest(&service).await;
    assert_eq!((&noted["state"], &noted["rows"]["created"]), (&json!("interrupted"), &json!(6)));
    import(&service, NDJSON, "").await.expect(200);
}

#[sqlx::test]
async fn an_import_whose_replica_is_gone_is_interrupted_and_can_go_on(pool: PgPool) {
    let service = TestService::start(&pool).await;
    let body = line(json!({"badge_id": "B-1", "name": "Obama"}), "obama-1.jpg");
    let again = async || {
        send(request(&service, NDJSON, "", body.clone()).header("idempotency-key", "k")).await
    };
    again().await.expect(200);
    let silent =
        "update imports set state = 'running', ended_at = null, heard_at = now() - interval '31 s'";
    sqlx::query(silent).execute(&pool).await.unwrap();
    assert_eq!(newest(&service).await["state"], "interrupted");
    let done = again().await.expect(200);
    assert_eq!((&done["state"], &done["rows"]["unchanged"]), (&json!("finished"), &json!(1)));
}

#[sqlx::test]
async fn whoever_is_erased_is_in_no_import_and_imports_go_in_their_time(pool: PgPool) {
    let service = TestService::start(&pool).await;
    let body = [
        line(json!({"badge_id": "B-1815", "name": "Ada Lovelace"}), "obama-1.jpg"),
        line(json!({"badge_id": "B-1815", "name": "Ada Lovelace"}), "no-face-hubble.jpg"),
        line(json!({"name": "Ada Lovelace"}), "text-named.jpg"),
        line(json!({"badge_id": "B-2", "name": "Grace"}), "obama-2.jpg"),
        line(json!({"name": "ADA \t lovelace "}), "text-named.jpg"),
        line(json!({"badge_id": " b-1815", "name": "Ada"}), "text-named.jpg"),
        format!("{}\n", json!({"badge_id": 18_151_210, "name": "Ada Lovelace"})),
        format!("{}\n", json!({"badge_id": "B-3", "Ada Lovelace": true})),
    ];
    let done = import(&service, NDJSON, body.concat()).await.expect(200);
    let found = rows(&service, &done).await;
    assert_eq!(found[3]["looks_like"]["name"], "Ada Lovelace", "{}", found[3]);
    let employee = id(&found[0], "employee_id");
    let export = service.get(&format!("/v1/employees/{employee}/export")).await.expect(200);
    let own = export["import_rows"].as_array().unwrap();
    assert_eq!(told(own), [(1, "enrolled", ""), (2, "refused", "no_face")]);
    assert_eq!(own[0]["import_id"], done["import_id"]);
    let path = format!("/v1/employees/{employee}/erasure");
    send(service.request(Method::POST, &path)).await.expect(200);
    let left = rows(&service, &done).await;
    assert_eq!(
        told(&left),
        [
            (4, "refused", "duplicate_person"),
            (7, "refused", "bad_value"),
            (8, "refused", "bad_value")
        ]
    );
    assert_eq!(left[0]["looks_like"], Value::Null);
    let read = "select coalesce(string_agg(r::text, ' '), '') from import_rows r";
    let text: String = sqlx::query_scalar(read).fetch_one(&pool).await.unwrap();
    for trace in ["lovelace", "b-1815", "18151210", &employee] {
        assert!(!text.to_lowercase().contains(trace), "{trace} is in {text}");
    }
    assert_eq!(service.store.purge_imports(Utc::now()).await.unwrap(), 1);
    let read = "select count(*) from import_rows";
    assert_eq!(sqlx::query_scalar::<_, i64>(read).fetch_one(&pool).await.unwrap(), 0);
}

#[sqlx::test]
async fn whoever_is_erased_while_their_row_is_not_stored_yet_is_not_written_back(pool: PgPool) {
    let service = TestService::start(&pool).await;
    let (parts, body) = by_hand();
    let running = tokio::spawn(request(&service, NDJSON, "", body).send());
    let row = json!({"badge_id": "B-1815", "name": "Ada Lovelace"});
    parts.send(Ok(format!("{row}\n").into())).unwrap();
    eventually("the row is done", async || by_badge(&service, "B-1815").await.is_some()).await;
    let employee = id(&by_badge(&service, "B-1815").await.unwrap(), "employee_id");
    let path = format!("/v1/employees/{employee}/erasure");
    send(service.request(Method::POST, &path)).await.expect(200);
    drop(parts);
    let done = Answer::read(running.await.unwrap().unwrap()).await.expect(200);
    assert_eq!(done["rows"]["created"], 1, "{done}");
    let read = "select coalesce(string_agg(r::text, ' '), '') from import_rows r";
    let text: String = sqlx::query_scalar(read).fetch_one(&pool).await.unwrap();
    for trace in ["Lovelace", "B-1815", &employee] {
        assert!(!text.contains(trace), "{trace} is in {text}");
    }
}

/// The faces of a person.
async fn faces(service: &TestService, employee: &str) -> Value {
    service.get(&format!("/v1/employees/{employee}/faces")).await.expect(200)["items"].clone()
}

#[sqlx::test]
async fn a_row_whose_person_cannot_be_changed_as_it_says_gives_them_no_face(pool: PgPool) {
    let service = TestService::start(&pool).await;
    let later = json!({"name": "Obama", "badge_id": "V-1", "valid_from": "2027-06-01T00:00:00Z"});
    let later = service.employee(later).await;
    let other = service.employee(json!({"name": "Biden", "badge_id": "V-2"})).await;
    let ends = json!({"badge_id": "V-1", "valid_until": "2027-01-01T00:00:00Z"});
    let body = [
        line(ends, "obama-1.jpg"),
        line(json!({"employee_id": other, "badge_id": "V-1"}), "biden-1.jpg"),
    ];
    let done = import(&service, NDJSON, body.concat()).await.expect(200);
    assert_eq!(
        told(&rows(&service, &done).await),
        [(1, "refused", "validity_empty"), (2, "refused", "badge_taken")]
    );
    for employee in [&later, &other] {
        assert_eq!(faces(&service, employee).await, json!([]));
    }
    // Nor is anybody changed by a row whose face is not theirs.
    service.enrol(&later, "obama-1.jpg").await;
    let body = line(json!({"badge_id": "V-1", "department": "Kitchen"}), "biden-1.jpg");
    let done = import(&service, NDJSON, body).await.expect(200);
    assert_eq!(told(&rows(&service, &done).await), [(1, "refused", "another_person")]);
    assert_eq!(by_badge(&service, "V-1").await.unwrap()["department"], Value::Null);
}

#[sqlx::test]
async fn whoever_cannot_be_put_into_all_groups_gets_neither_some_of_them_nor_a_face(pool: PgPool) {
    let service = TestService::start(&pool).await;
    let employee = service.employee(json!({"badge_id": "B-1"})).await;
    for group in ["day", "night"] {
        service.group(json!({"name": group})).await;
    }
    let many = "with made as (insert into access_groups (id, name)
                    select gen_random_uuid(), 'group ' || n from generate_series(1, 99) n returning id)
                insert into group_members (group_id, employee_id) select id, $1::uuid from made";
    sqlx::query(many).bind(&employee).execute(&pool).await.unwrap();
    let row = |groups: &[&str]| line(json!({"badge_id": "B-1", "groups": groups}), "obama-1.jpg");
    let done = import(&service, NDJSON, row(&["day", "night"])).await.expect(200);
    assert_eq!(told(&rows(&service, &done).await), [(1, "refused", "too_many_groups")]);
    assert_eq!(faces(&service, &employee).await, json!([]));
    let joined = async || {
        let access = service.get(&format!("/v1/employees/{employee}/access")).await.expect(200);
        access["items"].as_array().unwrap().len()
    };
    assert_eq!(joined().await, 99);
    // As many as there may be.
    for _ in 0..2 {
        let done = import(&service, NDJSON, row(&["night"])).await.expect(200);
        assert_ne!(rows(&service, &done).await[0]["outcome"], "refused");
        assert_eq!(joined().await, 100);
    }
}

#[sqlx::test]
async fn a_consent_that_was_withdrawn_is_not_given_again_by_the_same_file(pool: PgPool) {
    let service = TestService::start(&pool).await;
    let row = |department: &str| {
        let mut fields = json!({"badge_id": "B-1", "name": "Obama", "department": department});
        fields["consent_version"] = "2026-01".into();
        line(fields, "obama-1.jpg")
    };
    let done = import(&service, NDJSON, row("Engines")).await.expect(200);
    assert_eq!(told(&rows(&service, &done).await), [(1, "enrolled", "")]);
    let employee = id(&by_badge(&service, "B-1").await.unwrap(), "employee_id");
    let consents = format!("/v1/employees/{employee}/consents");
    let given = service.get(&consents).await.expect(200)["items"][0].clone();
    service.delete(&format!("{consents}/{}", id(&given, "consent_id"))).await.expect(204);

    let done = import(&service, NDJSON, row("Kitchen")).await.expect(200);
    assert_eq!(told(&rows(&service, &done).await), [(1, "refused", "consent_withdrawn")]);
    assert_eq!(faces(&service, &employee).await, json!([]));
    assert_eq!(by_badge(&service, "B-1").await.unwrap()["department"], "Engines");
    let listed = service.get(&consents).await.expect(200);
    assert_eq!(listed["items"].as_array().unwrap().len(), 1, "{listed:?}");
    // Who agrees again does so by themself.
    service.post(&consents, json!({"text_version": "2026-01"})).await.expect(201);
    let done = import(&service, NDJSON, row("Kitchen")).await.expect(200);
    assert_eq!(told(&rows(&service, &done).await), [(1, "enrolled", "")]);
}

#[sqlx::test]
async fn the_same_idempotency_key_of_another_is_another_import(pool: PgPool) {
    let service = TestService::start(&pool).await;
    let body = format!("{}\n", json!({"badge_id": "B-1", "name": "Somebody"}));
    let own = request(&service, NDJSON, "", body).header("idempotency-key", "staff");
    let own = send(own).await.expect(200);
    let enroller = service.make_key(&[Scope::Enroller], None).await;
    let other = service.bare(Method::POST, "/v1/imports").bearer_auth(&enroller);
    let other = other.header("content-type", NDJSON).header("idempotency-key", "staff");
    let other = send(other.body("")).await.expect(200);
    assert_ne!(other["import_id"], own["import_id"]);
    assert_eq!(other["run"], 1);
    assert_eq!(told(&rows(&service, &own).await), [(1, "created", "")]);
    let listed = service.get("/v1/imports?key=staff").await.expect(200);
    assert_eq!(listed["items"], json!([other, own]));
}

#[sqlx::test]
async fn two_people_of_one_name_do_not_become_one(pool: PgPool) {
    let service = TestService::start(&pool).await;
    service.group(json!({"name": "night shift"})).await;
    let body = [
        json!({"name": "Li Wei", "department": "Engines"}),
        json!({"name": "li wei", "department": "Kitchen"}),
        json!({"name": "Li Wei", "valid_until": "2099-01-01T00:00:00Z"}),
        json!({"name": "Li Wei", "groups": ["night shift"]}),
        json!({"name": "Li Wei", "department": "Engines"}),
        json!({"badge_id": "B-1", "name": "Li Wei", "department": "Kitchen"}),
    ];
    let body = body.map(|row| format!("{row}\n")).concat();
    let again = async || {
        let sent = request(&service, NDJSON, "", body.clone()).header("idempotency-key", "k");
        rows(&service, &send(sent).await.expect(200)).await
    };
    let created = |rows: &[Value]| -> Vec<_> {
        rows.iter().map(|row| row["created"].as_bool().unwrap()).collect()
    };
    let found = again().await;
    assert_eq!(
        told(&found),
        [
            (1, "created", ""),
            (2, "refused", "ambiguous_name"),
            (3, "refused", "ambiguous_name"),
            (4, "refused", "ambiguous_name"),
            (5, "unchanged", ""),
            (6, "created", ""),
        ]
    );
    assert_eq!(created(&found), [true, false, false, false, false, true]);
    let path = format!("/v1/employees/{}", id(&found[0], "employee_id"));
    let first = service.get(&path).await.expect(200);
    assert_eq!((&first["department"], &first["valid_until"]), (&json!("Engines"), &Value::Null));
    // Now there are two, and a name alone is neither; who was new stays told.
    let found = again().await;
    assert_eq!(found[0]["reason"]["code"], "ambiguous_name");
    assert_eq!((&found[5]["outcome"], &found[5]["created"]), (&json!("unchanged"), &json!(true)));
}

#[sqlx::test]
async fn where_consent_is_asked_for_a_row_brings_it_or_is_refused(pool: PgPool) {
    let service =
        TestService::start_with(&pool, |config| config.privacy.consent_required = true).await;
    let body = [
        line(json!({"badge_id": "B-1", "name": "Obama"}), "obama-1.jpg"),
        line(json!({"badge_id": "B-2", "name": "Biden", "consent_version": "1"}), "biden-1.jpg"),
    ];
    let done = import(&service, NDJSON, body.concat()).await.expect(200);
    let found = rows(&service, &done).await;
    assert_eq!(told(&found), [(1, "refused", "consent_missing"), (2, "enrolled", "")]);
    assert_eq!(by_badge(&service, "B-1").await, None);
}

#[sqlx::test]
async fn a_key_that_is_revoked_meanwhile_imports_nothing_more(pool: PgPool) {
    let service = TestService::start(&pool).await;
    let key = service.make_key(&[Scope::Enroller], None).await;
    let (parts, body) = by_hand();
    let ask = service.bare(Method::POST, "/v1/imports").bearer_auth(&key);
    let running = tokio::spawn(ask.header("content-type", NDJSON).body(body).send());
    let row = |badge: &str| format!("{}\n", json!({"badge_id": badge, "name": "Somebody"}));
    parts.send(Ok(row("B-1").into())).unwrap();
    eventually("a row is done", async || by_badge(&service, "B-1").await.is_some()).await;
    let id = key.split('_').nth(1).unwrap();
    service.delete(&format!("/v1/keys/{id}")).await.expect(204);
    parts.send(Ok(row("B-2").into())).unwrap();
    let answer = Answer::read(running.await.unwrap().unwrap()).await;
    answer.refused(401, "unauthorized");
    assert_eq!(by_badge(&service, "B-2").await, None);
    assert_eq!(newest(&service).await["state"], "interrupted");
}
