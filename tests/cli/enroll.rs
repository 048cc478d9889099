//! `limen enroll`: once, by one run at a time, and nobody twice unnoticed.

use std::path::Path;

use serde_json::Value;
use sqlx::PgPool;

use super::{fixture, text, with_database};

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
    assert!(text(&first).contains("1 person created"), "{}", text(&first));

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
    for part in ["enrolled, but check", "Barack Obama (", "both need a badge"] {
        assert!(text(&other).contains(part), "{part} in {}", text(&other));
    }

    let listed =
        with_database(&pool, &["evaluate", "lookalikes", "--json"]).await.output().unwrap();
    let pairs: Value = serde_json::from_slice(&listed.stdout).unwrap();
    assert_eq!(pairs.as_array().unwrap().len(), 1, "{pairs}");
    assert_eq!(pairs[0]["under_threshold"], true);
    assert_eq!(pairs[0]["look_alikes"], true);
}

#[sqlx::test]
async fn look_alikes_are_made_to_need_their_badges_however_few_pairs_are_listed(pool: PgPool) {
    let photos = tempfile::tempdir().unwrap();
    for (photo, name) in [
        ("obama-1.jpg", "Ada.jpg"),
        ("obama-2.jpg", "Bea.jpg"),
        ("obama-3.jpg", "Cid.jpg"),
        ("biden-1.jpg", "Dan.jpg"),
    ] {
        copy(photo, &photos.path().join(name));
    }
    let mut enrolment = with_database(&pool, &["enroll", photos.path().to_str().unwrap()]).await;
    enrolment.env("LIMEN_ENROLMENT__LOOKALIKES_NEED_BADGE", "false");
    let enrolled = enrolment.output().unwrap();
    assert!(!text(&enrolled).contains("need a badge"), "{}", text(&enrolled));
    let in_need = async || -> Vec<String> {
        sqlx::query_scalar("select name from employees where badge_required order by name")
            .fetch_all(&pool)
            .await
            .unwrap()
    };
    let list = async |arguments: &[&str]| {
        let arguments = [&["evaluate", "lookalikes", "--count", "1"], arguments].concat();
        let listed = with_database(&pool, &arguments).await.output().unwrap();
        assert_eq!(listed.status.code(), Some(0), "{}", text(&listed));
        text(&listed)
    };
    assert!(list(&[]).await.contains("--require-badge"), "the way out is named");
    assert!(in_need().await.is_empty(), "listing changes nothing");

    let told = list(&["--require-badge"]).await;
    assert_eq!(in_need().await, ["Ada", "Bea", "Cid"]);
    for name in ["Ada", "Bea", "Cid"] {
        assert!(told.contains(&format!("limen: {name} (")), "{told}");
    }
    assert!(!told.contains("limen: Dan"), "{told}");
    assert!(!list(&["--require-badge"]).await.contains("from now on"), "they do already");
}

#[sqlx::test]
async fn a_photo_of_somebody_else_does_not_go_to_whom_the_file_names(pool: PgPool) {
    let photos = tempfile::tempdir().unwrap();
    let [first, second] = ["first", "second"].map(|folder| photos.path().join(folder));
    copy("obama-1.jpg", &first.join("Barack_Obama.jpg"));
    let known = with_database(&pool, &["enroll", first.to_str().unwrap()]).await.output().unwrap();
    assert_eq!(known.status.code(), Some(0), "{}", text(&known));
    // However the name is capitalised it is his.
    copy("biden-1.jpg", &second.join("barack_obama.jpg"));
    let other = with_database(&pool, &["enroll", second.to_str().unwrap()]).await.output().unwrap();
    assert_eq!(other.status.code(), Some(1), "{}", text(&other));
    for part in ["0 enrolled, 0 enrolled before, 1 refused", "does not match"] {
        assert!(text(&other).contains(part), "{part} in {}", text(&other));
    }
    let people: i64 =
        sqlx::query_scalar("select count(*) from employees").fetch_one(&pool).await.unwrap();
    assert_eq!(people, 1);
}

#[sqlx::test]
async fn a_badge_without_a_name_is_no_second_entry_of_somebody_called_so(pool: PgPool) {
    let photos = tempfile::tempdir().unwrap();
    copy("biden-1.jpg", &photos.path().join("B-17.jpg"));
    let folder = photos.path().to_str().unwrap();
    let named = with_database(&pool, &["enroll", folder]).await.output().unwrap();
    assert_eq!(named.status.code(), Some(0), "{}", text(&named));
    let csv = photos.path().join("people.csv");
    std::fs::write(&csv, "photo,badge_id\nB-17.jpg,B-17\n").unwrap();
    let badge = with_database(&pool, &["enroll", csv.to_str().unwrap()]).await.output().unwrap();
    assert_eq!(badge.status.code(), Some(1), "{}", text(&badge));
    assert!(text(&badge).contains("B-17 is known without a badge"), "{}", text(&badge));
}

#[sqlx::test]
async fn two_entries_of_a_person_in_one_run_are_told_of(pool: PgPool) {
    let photos = tempfile::tempdir().unwrap();
    // Neighbours in the plan, so that both are looked at at once.
    copy("obama-1.jpg", &photos.path().join("Ada.jpg"));
    copy("obama-1.jpg", &photos.path().join("Bea.jpg"));
    let folder = photos.path().to_str().unwrap();
    let run = with_database(&pool, &["enroll", folder])
        .await
        .env("LIMEN_INFERENCE__WORKERS", "2")
        .output()
        .unwrap();
    assert_eq!(run.status.code(), Some(0), "{}", text(&run));
    for part in ["enrolled, but check", "2 people created"] {
        assert!(text(&run).contains(part), "{part} in {}", text(&run));
    }
}

#[sqlx::test]
async fn names_that_differ_in_capitals_are_one_person(pool: PgPool) {
    let photos = tempfile::tempdir().unwrap();
    copy("obama-1.jpg", &photos.path().join("Barack_Obama.jpg"));
    copy("obama-2.jpg", &photos.path().join("barack_obama.jpg"));
    let folder = photos.path().to_str().unwrap();
    let enrolled = with_database(&pool, &["enroll", folder]).await.output().unwrap();
    assert!(text(&enrolled).contains("2 enrolled, 0 enrolled before"), "{}", text(&enrolled));
    assert!(text(&enrolled).contains("1 person created"), "{}", text(&enrolled));
    let again = with_database(&pool, &["enroll", folder]).await.output().unwrap();
    assert_eq!(again.status.code(), Some(0), "{}", text(&again));
}

#[sqlx::test]
async fn another_encoder_replaces_the_faces_and_whoever_is_left_is_named_and_can_be_dropped(
    pool: PgPool,
) {
    let photos = tempfile::tempdir().unwrap();
    copy("obama-1.jpg", &photos.path().join("Barack_Obama.jpg"));
    copy("biden-1.jpg", &photos.path().join("Joe_Biden.jpg"));
    let folder = photos.path().to_str().unwrap();
    let of_512 = async |arguments: &[&str]| {
        let mut command = with_database(&pool, arguments).await;
        command.env("LIMEN_ROAD__ENCODING_SIZE", "512").output().unwrap()
    };
    let of_128 = async |arguments: &[&str]| with_database(&pool, arguments).await.output().unwrap();
    assert_eq!(of_512(&["enroll", folder]).await.status.code(), Some(0));

    std::fs::remove_file(photos.path().join("Joe_Biden.jpg")).unwrap();
    let replaced = of_128(&["enroll", folder, "--replace-model"]).await;
    assert!(text(&replaced).contains("1 enrolled"), "{}", text(&replaced));
    assert!(text(&replaced).contains("1 of those enrolled have no face of"), "{}", text(&replaced));
    assert!(text(&replaced).contains("  Joe Biden ("), "{}", text(&replaced));

    let models = text(&of_128(&["gallery", "models"]).await);
    assert!(models.contains("Joe Biden") && !models.contains("Barack Obama"), "{models}");
    let model = |note: bool| {
        let mut rows = models.lines().filter(|line| line.contains('@') && line.contains('|'));
        let row = rows.find(|row| row.contains("configured") == note).expect("a row");
        row.split('|').nth(1).unwrap().trim().to_owned()
    };
    let (configured, other) = (model(true), model(false));
    let refused = of_128(&["gallery", "drop", &configured]).await;
    assert_eq!(refused.status.code(), Some(2), "{}", text(&refused));
    let dropped = of_128(&["gallery", "drop", &other]).await;
    assert!(text(&dropped).contains("1 faces of"), "{}", text(&dropped));
    assert_eq!(of_128(&["gallery", "drop", &other]).await.status.code(), Some(2));
    let left: Vec<String> =
        sqlx::query_scalar("select model_id from face_encodings").fetch_all(&pool).await.unwrap();
    assert_eq!(left, [configured]);
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
    assert!(text(&refused).contains("another `limen enroll` or"), "{}", text(&refused));
}
