//! `limen reencode`: a change of the encoder loses nobody whose photo is kept, and says whom else it leaves.

use std::path::Path;
use std::process::Output;
use std::time::Duration;

use limen::config::{Config, DatabaseUrl, KeysText};
use limen::domain::{Author, EmployeeId, FaceId};
use limen::server;
use limen::store::Store;
use serde_json::Value;
use sqlx::{AssertSqlSafe, ConnectOptions, PgPool};
use uuid::Uuid;

use super::{KEYS, fixture, text, with_database};

/// Runs a command with an encoder of 512 numbers, which keeps photos.
async fn old(pool: &PgPool, arguments: &[&str]) -> Output {
    let mut command = with_database(pool, arguments).await;
    command.env("LIMEN_ROAD__ENCODING_SIZE", "512").env("LIMEN_PHOTOS__KEEP", "true");
    command.output().unwrap()
}

/// Runs a command with the default encoder, of 128 numbers, which keeps photos.
async fn new(pool: &PgPool, arguments: &[&str]) -> Output {
    with_database(pool, arguments).await.env("LIMEN_PHOTOS__KEEP", "true").output().unwrap()
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", text(output)))
}

fn copy(photo: &str, to: &Path) {
    std::fs::create_dir_all(to.parent().unwrap()).unwrap();
    std::fs::copy(fixture(photo), to).unwrap();
}

/// Enrols photos, each under a name, with the old encoder.
async fn enrolled(pool: &PgPool, photos: &[(&str, &str)]) {
    let folder = tempfile::tempdir().unwrap();
    for (photo, name) in photos {
        copy(photo, &folder.path().join(name));
    }
    let output = old(pool, &["enroll", folder.path().to_str().unwrap()]).await;
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
}

async fn execute(pool: &PgPool, statement: &str) {
    sqlx::query(AssertSqlSafe(statement)).execute(pool).await.unwrap();
}

/// How many rows a statement counts.
async fn count(pool: &PgPool, of: &str) -> i64 {
    let count = format!("select count(*) from {of}");
    sqlx::query_scalar(AssertSqlSafe(count)).fetch_one(pool).await.unwrap()
}

const NEW_FACES: &str = "face_encodings where size = 128";

#[sqlx::test]
async fn kept_photos_are_moved_once_and_whoever_has_none_is_named(pool: PgPool) {
    enrolled(
        &pool,
        &[
            ("obama-1.jpg", "Barack_Obama/1.jpg"),
            ("obama-2.jpg", "Barack_Obama/2.jpg"),
            ("biden-1.jpg", "Joe_Biden.jpg"),
            ("collins-1.jpg", "Eileen_Collins.jpg"),
        ],
    )
    .await;
    execute(
        &pool,
        "delete from face_photos p using employees e where e.id = p.employee_id and e.name = 'Eileen Collins'",
    )
    .await;
    execute(&pool, "update face_photos set created_at = now() - interval '8 days'").await;
    let status = new(&pool, &["reencode", "--status", "--json"]).await;
    assert_eq!(status.status.code(), Some(1), "{}", text(&status));
    let before = json(&status);
    let counts = |of: &Value| ["moved", "to_move", "without_photo"].map(|n| of[n].as_u64());
    assert_eq!(counts(&before), [Some(0), Some(3), Some(1)], "{before}");
    assert_eq!(before["left"]["people"], 3);

    let dry = new(&pool, &["reencode", "--dry-run"]).await;
    assert!(text(&dry).contains("could be moved"), "{}", text(&dry));
    assert_eq!((dry.status.code(), count(&pool, NEW_FACES).await), (Some(1), 0));

    let refused = new(&pool, &["recognize", &fixture("obama-3.jpg")]).await;
    assert!(text(&refused).contains("limen reencode"), "{}", text(&refused));
    let moved = new(&pool, &["reencode", "--json"]).await;
    assert_eq!(moved.status.code(), Some(1), "{}", text(&moved));
    let report = json(&moved);
    assert_eq!((&report["moved"], &report["without_photo"]), (&3.into(), &1.into()), "{report}");
    assert_eq!(report["left"]["named"][0]["name"], "Eileen Collins");
    assert_eq!(report["failed"], Value::Array(Vec::new()));
    let again = new(&pool, &["reencode"]).await;
    let told = text(&again);
    assert!(told.contains("Eileen Collins (") && !told.contains("Joe Biden"), "{told}");
    let report = json(&new(&pool, &["reencode", "--json"]).await);
    assert_eq!((&report["moved"], &report["already_there"]), (&0.into(), &3.into()), "{report}");
    // The photos go on being kept, for as long as they were to be.
    let old_photos = "face_photos where created_at < now() - interval '7 days'";
    assert_eq!((count(&pool, "face_photos").await, count(&pool, old_photos).await), (6, 6));
    let by = "changes where kind = 'face_encodings' and author like 'limen reencode, run by %'
              and position is not null";
    assert_eq!(count(&pool, by).await, 3);

    // Whoever was named is enrolled again, and then everybody is known; by the old encoder, too.
    let folder = tempfile::tempdir().unwrap();
    copy("collins-1.jpg", &folder.path().join("Eileen_Collins.jpg"));
    new(&pool, &["enroll", folder.path().to_str().unwrap()]).await;
    let probe = fixture("obama-3.jpg");
    for known in [
        new(&pool, &["recognize", &probe, "--json"]).await,
        old(&pool, &["recognize", &probe, "--json"]).await,
    ] {
        assert_eq!(known.status.code(), Some(0), "{}", text(&known));
        assert_eq!(json(&known)["candidates"][0]["name"], "Barack Obama");
    }
    assert_eq!(new(&pool, &["reencode"]).await.status.code(), Some(0));

    let model = before["models"][0]["model"].as_str().unwrap();
    let asked = new(&pool, &["reencode", "--drop-old", model]).await;
    assert_eq!(asked.status.code(), Some(2), "{}", text(&asked));
    assert!(text(&asked).contains("4 faces of 3 people") && text(&asked).contains("--yes"));
    let dropped = new(&pool, &["reencode", "--drop-old", model, "--yes"]).await;
    assert_eq!(dropped.status.code(), Some(0), "{}", text(&dropped));
    assert!(text(&dropped).contains("4 faces of"), "{}", text(&dropped));
    assert_eq!((count(&pool, "face_encodings").await, count(&pool, NEW_FACES).await), (4, 4));
    assert_eq!(count(&pool, "face_photos").await, 4);
}

#[sqlx::test]
async fn a_photo_that_does_not_pass_any_more_is_told_and_its_person_keeps_the_old_face(
    pool: PgPool,
) {
    enrolled(&pool, &[("obama-1.jpg", "Barack_Obama.jpg")]).await;
    let mut command = with_database(&pool, &["reencode"]).await;
    let failed = command.env("LIMEN_ROAD__QUALITY__BRIGHTNESS_MIN", "220").output().unwrap();
    assert_eq!(failed.status.code(), Some(1), "{}", text(&failed));
    for part in ["Barack Obama", "too_dark", "1 of those enrolled"] {
        assert!(text(&failed).contains(part), "{part} in {}", text(&failed));
    }
    let model: String =
        sqlx::query_scalar("select model_id from face_encodings").fetch_one(&pool).await.unwrap();
    let refused = new(&pool, &["reencode", "--drop-old", &model, "--yes"]).await;
    assert_eq!(refused.status.code(), Some(2), "{}", text(&refused));
    assert!(text(&refused).contains("Barack Obama ("), "{}", text(&refused));
    assert_eq!(count(&pool, "face_encodings").await, 1);
    // Revoked, he would miss none.
    execute(&pool, "update employees set status = 'revoked'").await;
    let dropped = new(&pool, &["reencode", "--drop-old", &model, "--yes", "--json"]).await;
    assert_eq!(json(&dropped)["removed"], 1, "{}", text(&dropped));
    assert_eq!(count(&pool, "face_encodings").await, 0);
}

#[sqlx::test]
async fn the_blocked_come_first_and_nobody_is_moved_who_is_like_them(pool: PgPool) {
    // The older entry is not the blocked one.
    enrolled(&pool, &[("obama-1.jpg", "Ada.jpg")]).await;
    enrolled(&pool, &[("obama-2.jpg", "Bea.jpg")]).await;
    execute(&pool, "update employees set status = 'blocked' where name = 'Bea'").await;
    let moved = new(&pool, &["reencode", "--json"]).await;
    let report = json(&moved);
    assert_eq!((moved.status.code(), &report["moved"]), (Some(1), &1.into()), "{report}");
    assert_eq!(report["failed"][0]["name"], "Ada");
    assert!(report["failed"][0]["why"].as_str().unwrap().contains("blocklist"), "{report}");
    let left: Vec<String> = sqlx::query_scalar(
        "select e.name from employees e join face_encodings f on f.employee_id = e.id where f.size = 128",
    )
    .fetch_all(&pool)
    .await
    .unwrap();
    assert_eq!(left, ["Bea"]);
    assert_eq!(count(&pool, "changes where kind = 'alarms'").await, 1);
}

#[sqlx::test]
async fn a_face_that_is_removed_goes_with_what_was_made_of_its_photo_and_does_not_come_back(
    pool: PgPool,
) {
    enrolled(
        &pool,
        &[("obama-1.jpg", "Barack_Obama/1.jpg"), ("obama-2.jpg", "Barack_Obama/2.jpg")],
    )
    .await;
    assert_eq!(new(&pool, &["reencode"]).await.status.code(), Some(0));
    let mut config = Config::default();
    config.database.url = DatabaseUrl(pool.connect_options().to_url_lossy().into());
    config.secrets.keys = Some(KeysText(KEYS.to_owned()));
    let keyring = server::keyring(&config.secrets).await.unwrap();
    let store = Store::connect(&config.database.store()).await.unwrap().with_keyring(keyring);
    let (face, employee): (Uuid, Uuid) =
        sqlx::query_as("select id, employee_id from face_encodings where size = 128 limit 1")
            .fetch_one(&pool)
            .await
            .unwrap();
    let author = Author::command("test", "the tests");
    store.delete_face(&author, EmployeeId(employee), FaceId(face)).await.unwrap();
    assert_eq!((count(&pool, "face_encodings").await, count(&pool, NEW_FACES).await), (2, 1));
    let report = json(&new(&pool, &["reencode", "--json"]).await);
    assert_eq!((&report["moved"], &report["already_there"]), (&0.into(), &1.into()), "{report}");
}

#[sqlx::test]
async fn what_is_killed_goes_on_where_it_was(pool: PgPool) {
    let photos = ["obama-1.jpg", "biden-1.jpg", "collins-1.jpg", "hopper-1.jpg"];
    let names = ["Ada.jpg", "Bea.jpg", "Cid.jpg", "Dan.jpg"];
    let named: Vec<_> = photos.into_iter().zip(names).collect();
    enrolled(&pool, &named).await;
    let mut command = with_database(&pool, &["reencode"]).await;
    command.env("LIMEN_PHOTOS__KEEP", "true").env("LIMEN_INFERENCE__WORKERS", "1");
    let mut running = command.spawn().unwrap();
    while count(&pool, NEW_FACES).await == 0 && running.try_wait().unwrap().is_none() {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    running.kill().unwrap();
    running.wait().unwrap();
    let whole = "face_encodings f join face_photos p on p.id = f.id where f.size = 128";
    assert_eq!(count(&pool, NEW_FACES).await, count(&pool, whole).await, "none is half moved");
    // Postgres hears of the end of a killed client a moment later.
    let mut again = new(&pool, &["reencode", "--json"]).await;
    for _ in 0..50 {
        if again.status.code() != Some(2) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
        again = new(&pool, &["reencode", "--json"]).await;
    }
    assert_eq!(again.status.code(), Some(0), "{}", text(&again));
    assert_eq!((count(&pool, NEW_FACES).await, count(&pool, whole).await), (4, 4));
}
