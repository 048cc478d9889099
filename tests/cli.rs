//! The command line as a user runs it: the real binary, real photos, a real Postgres.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;
use sqlx::PgPool;

fn limen(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_limen"));
    command.args(arguments).env_remove("LIMEN_CONFIG");
    command
}

/// The command against the database of the test.
async fn with_database(pool: &PgPool, arguments: &[&str]) -> Command {
    let database: String =
        sqlx::query_scalar("select current_database()").fetch_one(pool).await.unwrap();
    let url = std::env::var("DATABASE_URL").unwrap();
    let (server, query) = url.split_once('?').unwrap_or((&url, ""));
    let server = &server[..server.rfind('/').unwrap()];
    let mut command = limen(arguments);
    command.env("DATABASE_URL", format!("{server}/{database}?{query}"));
    command
}

fn fixture(name: &str) -> String {
    format!("tests/fixtures/{name}")
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[test]
fn two_photos_of_one_person_match_and_the_exit_status_says_so() {
    let photos = [fixture("obama-1.jpg"), fixture("obama-2.jpg")];
    let output = limen(&["verify", &photos[0], &photos[1], "--json"]).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    let verdict: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(verdict["outcome"], "match");
    assert!(verdict["distance"].as_f64() < verdict["threshold"].as_f64());
}

#[test]
fn photos_of_two_people_do_not_match_and_the_exit_status_is_1() {
    let output =
        limen(&["verify", &fixture("obama-1.jpg"), &fixture("biden-1.jpg")]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output).contains("different people"));
}

#[test]
fn a_photo_that_cannot_be_compared_is_an_error_that_names_it() {
    for (photo, why) in [
        ("no-face-rocket.jpg", "no face was found"),
        ("truncated.jpg", "truncated"),
        ("absent.jpg", "cannot be read"),
    ] {
        let output = limen(&["verify", &fixture("obama-1.jpg"), &fixture(photo)]).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{photo}");
        let said = text(&output);
        assert!(said.contains(photo) && said.contains(why), "{photo}: {said}");
    }
}

#[test]
fn a_print_is_refused_where_liveness_is_asked_for() {
    let print = fixture("print-attack-obama.jpg");
    let output =
        limen(&["verify", &fixture("obama-1.jpg"), &print, "--liveness"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output).contains("print or a screen"));
}

#[test]
fn a_tampered_weights_file_is_told_and_never_loaded() {
    let folder = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir("weights").unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_file() {
            std::fs::copy(entry.path(), folder.path().join(entry.file_name())).unwrap();
        }
    }
    let encoder = folder.path().join("mobilefacenet.safetensors");
    let mut bytes = std::fs::read(&encoder).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&encoder, bytes).unwrap();

    let set = ("LIMEN_INFERENCE__WEIGHTS_DIR", folder.path());
    let verify = limen(&["weights", "verify"]).env(set.0, set.1).output().unwrap();
    assert_eq!(verify.status.code(), Some(1), "{}", text(&verify));
    assert!(text(&verify).contains("BAD     mobilefacenet.safetensors"));

    let photo = fixture("obama-1.jpg");
    let used = limen(&["verify", &photo, &photo]).env(set.0, set.1).output().unwrap();
    assert_eq!(used.status.code(), Some(2));
    assert!(text(&used).contains("mobilefacenet"), "{}", text(&used));
}

#[test]
fn every_error_of_the_configuration_is_told_at_once() {
    let output = limen(&["weights", "list"])
        .env("LIMEN_SERVER__CONNECTIONS_MAX", "0")
        .env("LIMEN_MATCHING__VERIFY_THRESHOLD", "9")
        .env("LIMEN_LOG__COLOUR", "blue")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    for part in ["server.connections_max", "matching.verify_threshold", "log.colour"] {
        assert!(text(&output).contains(part), "{part} is missing in {}", text(&output));
    }
}

fn copy(photo: &str, to: &Path) {
    std::fs::create_dir_all(to.parent().unwrap()).unwrap();
    std::fs::copy(fixture(photo), to).unwrap();
}

#[sqlx::test]
async fn a_folder_is_enrolled_once_and_the_refused_are_listed(pool: PgPool) {
    let photos = tempfile::tempdir().unwrap();
    copy("obama-1.jpg", &photos.path().join("Barack_Obama/1.jpg"));
    copy("obama-2.jpg", &photos.path().join("Barack_Obama/2.jpg"));
    copy("biden-1.jpg", &photos.path().join("Joe_Biden.jpg"));
    copy("no-face-rocket.jpg", &photos.path().join("Nobody.jpg"));
    let folder = photos.path().to_str().unwrap();

    let first = with_database(&pool, &["enroll", folder]).await.output().unwrap();
    assert_eq!(first.status.code(), Some(1), "{}", text(&first));
    assert!(text(&first).contains("3 enrolled, 0 enrolled before, 1 refused"), "{}", text(&first));
    assert!(text(&first).contains("no face was found"));

    let again = with_database(&pool, &["enroll", folder]).await.output().unwrap();
    assert!(text(&again).contains("0 enrolled, 3 enrolled before, 1 refused"), "{}", text(&again));
    let names: Vec<String> = sqlx::query_scalar("select name from employees order by name")
        .fetch_all(&pool)
        .await
        .unwrap();
    assert_eq!(names, ["Barack Obama", "Joe Biden"]);

    let probe = fixture("obama-3.jpg");
    let known = with_database(&pool, &["recognize", &probe, "--json"]).await.output().unwrap();
    assert_eq!(known.status.code(), Some(0), "{}", text(&known));
    let recognition: Value = serde_json::from_slice(&known.stdout).unwrap();
    assert_eq!(recognition["candidates"][0]["name"], "Barack Obama");
    let stranger = fixture("collins-1.jpg");
    let unknown = with_database(&pool, &["recognize", &stranger]).await.output().unwrap();
    assert_eq!(unknown.status.code(), Some(1), "{}", text(&unknown));
}

#[sqlx::test]
async fn a_csv_enrols_by_badge_and_a_badge_finds_its_owner_again(pool: PgPool) {
    let photos = tempfile::tempdir().unwrap();
    copy("obama-1.jpg", &photos.path().join("a.jpg"));
    copy("obama-2.jpg", &photos.path().join("B-1.jpg"));
    let csv = photos.path().join("people.csv");
    std::fs::write(&csv, "photo,badge_id,name,department\na.jpg,B-1,Barack Obama,Oval\n").unwrap();
    let enrolled = with_database(&pool, &["enroll", csv.to_str().unwrap()]).await.output().unwrap();
    assert_eq!(enrolled.status.code(), Some(0), "{}", text(&enrolled));

    // The file's name is the badge: the photo goes to its owner, not to a new person.
    std::fs::remove_file(photos.path().join("a.jpg")).unwrap();
    let folder = photos.path().to_str().unwrap();
    let again = with_database(&pool, &["enroll", folder]).await.output().unwrap();
    assert_eq!(again.status.code(), Some(0), "{}", text(&again));
    let faces: Vec<(String, i64)> = sqlx::query_as(
        "select e.badge_id, count(*) from employees e join face_encodings f on f.employee_id = e.id
         group by 1",
    )
    .fetch_all(&pool)
    .await
    .unwrap();
    assert_eq!(faces, [("B-1".to_owned(), 2)]);
}

#[sqlx::test]
async fn a_second_entry_of_a_person_is_refused_or_told_of(pool: PgPool) {
    let photos = tempfile::tempdir().unwrap();
    copy("obama-1.jpg", &photos.path().join("Barack_Obama.jpg"));
    let folder = photos.path().to_str().unwrap().to_owned();
    let first = with_database(&pool, &["enroll", &folder]).await.output().unwrap();
    assert!(text(&first).contains("1 people created"), "{}", text(&first));

    // Somebody known without a badge does not get a second self with one.
    copy("obama-2.jpg", &photos.path().join("b.jpg"));
    let csv = photos.path().join("people.csv");
    std::fs::write(&csv, "photo,badge_id,name\nb.jpg,B-9,Barack Obama\n").unwrap();
    let badge = with_database(&pool, &["enroll", csv.to_str().unwrap()]).await.output().unwrap();
    assert_eq!(badge.status.code(), Some(1), "{}", text(&badge));
    assert!(text(&badge).contains("known without a badge"), "{}", text(&badge));

    // Under another name the face is enrolled, and somebody is asked to look.
    std::fs::write(&csv, "photo,badge_id,name\nb.jpg,B-9,Barry\n").unwrap();
    let other = with_database(&pool, &["enroll", csv.to_str().unwrap()]).await.output().unwrap();
    assert_eq!(other.status.code(), Some(0), "{}", text(&other));
    for part in ["enrolled, but check", "Barack Obama ("] {
        assert!(text(&other).contains(part), "{part} in {}", text(&other));
    }

    let listed =
        with_database(&pool, &["evaluate", "lookalikes", "--json"]).await.output().unwrap();
    let pairs: Value = serde_json::from_slice(&listed.stdout).unwrap();
    assert_eq!(pairs.as_array().unwrap().len(), 1, "{pairs}");
    assert_eq!(pairs[0]["under_threshold"], true);
}

#[sqlx::test]
async fn one_enrolment_runs_at_a_time(pool: PgPool) {
    let mut holder = pool.acquire().await.unwrap();
    let held: bool = sqlx::query_scalar("select pg_try_advisory_lock($1)")
        .bind(0x6c_696d_656e_i64)
        .fetch_one(&mut *holder)
        .await
        .unwrap();
    assert!(held);
    let photos = tempfile::tempdir().unwrap();
    copy("obama-1.jpg", &photos.path().join("Barack_Obama.jpg"));
    let folder = photos.path().to_str().unwrap();
    let refused = with_database(&pool, &["enroll", folder]).await.output().unwrap();
    assert_eq!(refused.status.code(), Some(2));
    assert!(text(&refused).contains("another `limen enroll` runs"), "{}", text(&refused));
}

#[sqlx::test]
async fn a_key_is_shown_once_and_can_be_revoked(pool: PgPool) {
    let create = ["key", "create", "--name", "north", "--scope", "gate"];
    let created = with_database(&pool, &create).await.output().unwrap();
    let key = String::from_utf8(created.stdout).unwrap();
    assert!(key.starts_with("limen_"), "{key}");
    let listed = with_database(&pool, &["key", "list"]).await.output().unwrap();
    let secret = key.trim().rsplit('_').next().unwrap();
    assert!(text(&listed).contains("north") && !text(&listed).contains(secret));
    let id: uuid::Uuid =
        sqlx::query_scalar("select id from api_keys").fetch_one(&pool).await.unwrap();
    let revoked = with_database(&pool, &["key", "revoke", &id.to_string()]).await.output().unwrap();
    assert_eq!(revoked.status.code(), Some(0), "{}", text(&revoked));
}
