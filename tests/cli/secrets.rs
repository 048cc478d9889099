//! `limen secrets`, and where the keys may come from.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use sqlx::PgPool;

use super::{KEYS, fixture, limen, text, with_database};

/// The command against the test's database, with the keys of a file.
async fn with_file(pool: &PgPool, file: &Path, arguments: &[&str]) -> Command {
    let mut command = with_database(pool, arguments).await;
    command.env_remove("LIMEN_SECRETS__KEYS").env("LIMEN_SECRETS__KEYS_FILE", file);
    command.env("LIMEN_PHOTOS__KEEP", "true");
    command
}

async fn run(pool: &PgPool, file: &Path, arguments: &[&str]) -> Output {
    with_file(pool, file, arguments).await.output().unwrap()
}

fn mode(file: &Path) -> u32 {
    std::fs::metadata(file).unwrap().permissions().mode() & 0o777
}

/// What a table of `secrets status` says of a key: templates, gates, webhooks, photos, and what it is good for.
fn row<'a>(status: &'a str, key: &str) -> Vec<&'a str> {
    let rows = status.lines().map(|line| line.split('|').map(str::trim).collect::<Vec<_>>());
    let mut of_key = rows.filter(|cells| cells.get(1) == Some(&key));
    of_key.next().unwrap_or_else(|| panic!("no {key} in {status}"))[2..7].to_vec()
}

/// The ids that a file's comments name, in its order.
fn ids(file: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(file).unwrap();
    text.lines().map(|line| line.split_once(" # ").expect("an id").1.to_owned()).collect()
}

fn secret(file: &Path) -> String {
    std::fs::read_to_string(file).unwrap()[..43].to_owned()
}

#[test]
fn a_key_is_made_for_its_owner_alone_and_never_in_the_place_of_another() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("limen.keys");
    let create = || limen(&["secrets", "create", file.to_str().unwrap()]).output().unwrap();
    let made = create();
    assert_eq!(made.status.code(), Some(0), "{}", text(&made));
    assert_eq!(mode(&file), 0o600);
    assert!(text(&made).starts_with(&ids(&file)[0]) && !text(&made).contains(&secret(&file)));
    let before = std::fs::read(&file).unwrap();
    let again = create();
    assert_eq!(again.status.code(), Some(2), "{}", text(&again));
    assert_eq!(std::fs::read(&file).unwrap(), before);
}

#[sqlx::test]
async fn keys_are_rotated_step_by_step(pool: PgPool) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("limen.keys");
    let name = file.to_str().unwrap();
    let succeeds = async |arguments: &[&str]| {
        let output = run(&pool, &file, arguments).await;
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", text(&output));
        text(&output)
    };
    succeeds(&["secrets", "create", name]).await;
    succeeds(&["migrate"]).await;
    let photos = tempfile::tempdir().unwrap();
    std::fs::copy(fixture("obama-1.jpg"), photos.path().join("Barack_Obama.jpg")).unwrap();
    succeeds(&["enroll", photos.path().to_str().unwrap()]).await;
    let known = async || succeeds(&["recognize", &fixture("obama-3.jpg")]).await;
    known().await;
    let old = ids(&file)[0].clone();

    let staged = succeeds(&["secrets", "stage", name]).await;
    let new = ids(&file)[1].clone();
    assert_eq!((ids(&file), mode(&file)), (vec![old.clone(), new.clone()], 0o600));
    assert!(staged.contains(&format!("limen secrets promote {name} {new}")), "{staged}");
    known().await;
    let early = run(&pool, &file, &["secrets", "promote", name, &old]).await;
    assert!(text(&early).contains("seals already"), "{}", text(&early));
    succeeds(&["secrets", "promote", name, &new]).await;
    assert_eq!(ids(&file), [new.clone(), old.clone()]);
    known().await;

    let early = run(&pool, &file, &["secrets", "retire", name]).await;
    assert_eq!(early.status.code(), Some(2));
    assert!(text(&early).contains("limen secrets reseal"), "{}", text(&early));
    assert_eq!(ids(&file).len(), 2, "it stays");
    for count in [1, 0] {
        let resealed = format!("{count} templates are sealed anew, {count} photos");
        let said = succeeds(&["secrets", "reseal"]).await;
        assert!(said.contains(&resealed), "{said}");
    }
    let status = succeeds(&["secrets", "status"]).await;
    assert_eq!(row(&status, &new), ["1", "0", "0", "1", "seals"]);
    assert_eq!(row(&status, &old), ["0", "0", "0", "0", "opens"]);
    // What is under the old key still opens nothing else: a photo that is left behind keeps it.
    let left =
        "update face_photos set encoding = overlay(encoding placing decode($1, 'hex') from 2)";
    let put = async |key: &str| sqlx::query(left).bind(key).execute(&pool).await.unwrap();
    put(&old).await;
    let early = run(&pool, &file, &["secrets", "retire", name]).await;
    assert!(text(&early).contains("1 photo(s) are sealed under"), "{}", text(&early));
    put(&new).await;
    succeeds(&["secrets", "retire", name]).await;
    assert_eq!(ids(&file), std::slice::from_ref(&new));
    known().await;

    // With any other key it is told which is missing; and a lost key's templates can be given up.
    let webhook =
        "insert into webhooks (id, url, secret) values (gen_random_uuid(), 'https://example.org',
        overlay(decode(repeat('00', 80), 'hex') placing decode($1, 'hex') from 2))";
    sqlx::query(webhook).bind(&new).execute(&pool).await.unwrap();
    let lost =
        with_database(&pool, &["recognize", &fixture("obama-3.jpg")]).await.output().unwrap();
    assert_eq!(lost.status.code(), Some(2));
    assert!(text(&lost).contains(&new) && !text(&lost).contains(KEYS), "{}", text(&lost));
    let status = with_database(&pool, &["secrets", "status"]).await.output().unwrap();
    assert_eq!(status.status.code(), Some(1), "{}", text(&status));
    assert!(
        text(&status).contains("| 1         | 0     | 1        | 1      |"),
        "{}",
        text(&status)
    );
    let kept = run(&pool, &file, &["secrets", "drop", &new]).await;
    assert!(text(&kept).contains("not lost"), "{}", text(&kept));
    known().await;
    let barred = with_database(&pool, &["secrets", "drop", &new]).await.output().unwrap();
    assert!(text(&barred).contains("take-over"), "{}", text(&barred));
    let public = run(&pool, &file, &["audit", "keys"]).await;
    let take_over = ["audit", "take-over", "--public-key", text(&public).trim()].map(str::to_owned);
    let take_over = take_over.each_ref().map(String::as_str);
    let taken = with_database(&pool, &take_over).await.output().unwrap();
    assert_eq!(taken.status.code(), Some(0), "{}", text(&taken));
    let dropped = with_database(&pool, &["secrets", "drop", &new]).await.output().unwrap();
    assert!(text(&dropped).contains("1 templates removed"), "{}", text(&dropped));
    assert!(text(&dropped).contains("1 secret(s) of webhooks are lost"), "{}", text(&dropped));
}

#[sqlx::test]
async fn without_keys_nothing_is_done_that_needs_them_and_the_way_out_is_told(pool: PgPool) {
    let photo = fixture("obama-1.jpg");
    let photos = tempfile::tempdir().unwrap();
    std::fs::copy(&photo, photos.path().join("Barack_Obama.jpg")).unwrap();
    let needs: [&[&str]; 6] = [
        &["migrate"],
        &["key", "list"],
        &["serve"],
        &["recognize", &photo],
        &["evaluate", "lookalikes"],
        &["enroll", photos.path().to_str().unwrap()],
    ];
    for arguments in needs {
        let mut command = with_database(&pool, arguments).await;
        command.env_remove("LIMEN_SECRETS__KEYS").env("LIMEN_SERVER__BIND", "127.0.0.1:0");
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", text(&output));
        assert!(text(&output).contains("limen secrets create"), "{}", text(&output));
    }
    let mut two = with_database(&pool, &["key", "list"]).await;
    let two = two.env("LIMEN_SECRETS__KEYS_FILE", "limen.keys").output().unwrap();
    assert!(text(&two).contains("keys and keys_file are both set"), "{}", text(&two));
    assert!(!text(&two).contains(KEYS));
}

#[sqlx::test]
async fn keys_may_come_from_a_command_and_its_failure_is_told(pool: PgPool) {
    let status = async |command: &str, timeout_ms: &str| {
        let mut status = with_database(&pool, &["secrets", "status"]).await;
        status
            .env_remove("LIMEN_SECRETS__KEYS")
            .env("LIMEN_SECRETS__KEYS_COMMAND", command)
            .env("LIMEN_SECRETS__KEYS_COMMAND_TIMEOUT_MS", timeout_ms);
        status.output().unwrap()
    };
    let known = status(&format!("echo '# from a vault'; echo {KEYS}"), "10000").await;
    assert_eq!(known.status.code(), Some(0), "{}", text(&known));
    assert!(text(&known).contains("c095aebd943779ba") && !text(&known).contains(KEYS));

    let fails = status("echo the vault is shut >&2; exit 3", "10000").await;
    for part in ["the vault is shut", "exit status: 3", "keys_command"] {
        assert!(text(&fails).contains(part), "no {part:?} in {}", text(&fails));
    }
    let empty = status("echo", "10000").await;
    assert!(text(&empty).contains("there is no key"), "{}", text(&empty));
    let wrong = status(&format!("echo {KEYS}AAAA"), "10000").await;
    assert!(text(&wrong).contains("line 1 has 35 bytes"), "{}", text(&wrong));
    assert!(!text(&wrong).contains(KEYS), "{}", text(&wrong));

    let begun_at = Instant::now();
    let slow = status("sleep 60 & sleep 60", "300").await;
    assert!(text(&slow).contains("within 300 ms (`keys_command_timeout_ms`)"), "{}", text(&slow));
    let much = status("yes", "2000").await;
    assert_eq!(much.status.code(), Some(2), "{}", text(&much));
    assert!(begun_at.elapsed() < Duration::from_secs(30));
}

#[sqlx::test]
async fn a_file_that_others_can_read_is_warned_of(pool: PgPool) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("limen.keys");
    std::fs::write(&file, KEYS).unwrap();
    for (mode, warned) in [(0o644, true), (0o600, false)] {
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
        let output = run(&pool, &file, &["secrets", "status"]).await;
        assert_eq!(output.status.code(), Some(0), "{}", text(&output));
        assert_eq!(text(&output).contains("chmod 600"), warned, "{}", text(&output));
    }
}
