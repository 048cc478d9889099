//! The command line as a user runs it: the real binary, real photos, a real Postgres.

#[path = "cli/audit.rs"]
mod audit;
#[path = "kit/development_data.rs"]
mod development_data;
#[path = "cli/enroll.rs"]
mod enroll;
#[path = "cli/gate.rs"]
mod gate;
#[path = "cli/reencode.rs"]
mod reencode;
#[path = "cli/secrets.rs"]
mod secrets;
#[path = "cli/train.rs"]
mod train;
#[path = "cli/train_liveness.rs"]
mod train_liveness;

use std::process::{Command, Output};

use serde_json::Value;
use sqlx::PgPool;

/// The key that the tests' templates are sealed under.
const KEYS: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";

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
    command.env("LIMEN_SECRETS__KEYS", KEYS);
    // A slow machine is no Postgres that is away.
    command.env("LIMEN_DATABASE__ACQUIRE_TIMEOUT_MS", "20000");
    command.env("LIMEN_DATABASE__STATEMENT_TIMEOUT_MS", "60000");
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
