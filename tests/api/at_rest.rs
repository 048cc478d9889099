//! What whoever holds the database, and not the key, can do with it: read no template, and make nobody known.

use std::process::{Command, Output};
use std::time::Duration;

use limen::config::{Config, KeysText};
use limen::domain::{EmployeeId, ModelId};
use limen::secrets::{KeyId, Keyring, MasterKey, OpenError};
use limen::store::{Store, StoreError, TemplateError};
use serde_json::json;
use sqlx::{AssertSqlSafe, Connection, PgConnection, PgPool};

use crate::database::insert_face;
use crate::passage::Passage;
use crate::service::{KEYS, TestService, author, config, eventually, store};
use crate::start::refusal;

/// A program of the newest Postgres that is installed.
fn postgres_program(name: &str) -> Command {
    let newest = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .filter_map(|version| version.ok()?.path().join("bin").join(name).canonicalize().ok())
        .max_by_key(|path| path.iter().filter_map(|part| part.to_str()?.parse::<u32>().ok()).max());
    Command::new(newest.unwrap_or_else(|| name.into()))
}

fn succeeded(output: std::io::Result<Output>) -> Vec<u8> {
    let output = output.expect("a program of Postgres");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// The URL of a database beside the one of `DATABASE_URL`.
fn url_of(database: &str) -> String {
    let url = std::env::var("DATABASE_URL").unwrap();
    let (server, query) = url.split_once('?').unwrap_or((&url, ""));
    format!("{}/{database}?{query}", &server[..server.rfind('/').unwrap()])
}

async fn database_of(pool: &PgPool) -> String {
    sqlx::query_scalar("select current_database()").fetch_one(pool).await.unwrap()
}

/// What `pg_dump` writes of the test's database.
async fn dump(pool: &PgPool) -> Vec<u8> {
    let url = url_of(&database_of(pool).await);
    succeeded(postgres_program("pg_dump").args(["--no-owner", &url]).output())
}

async fn execute(pool: &PgPool, statement: &str) -> u64 {
    let done = sqlx::query(AssertSqlSafe(statement)).execute(pool).await;
    done.unwrap_or_else(|error| panic!("{statement}: {error}")).rows_affected()
}

async fn model(pool: &PgPool) -> ModelId {
    let id: String = sqlx::query_scalar("select model_id from face_encodings limit 1")
        .fetch_one(pool)
        .await
        .unwrap();
    ModelId::new(id)
}

/// An employee's encoding as it was stored before it was sealed.
async fn plain(store: &Store, pool: &PgPool, employee: &str) -> Vec<u8> {
    let row = store.gallery_of(employee.parse().unwrap(), &model(pool).await, None).await.unwrap();
    row.expect("a face").template().expect("a template").to_le_bytes()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Whether bytes hold, from anywhere on, numbers that are a direction of unit length.
fn holds_a_template(bytes: &[u8], size: usize) -> bool {
    bytes.windows(size * 4).any(|window| {
        let (numbers, _) = window.as_chunks::<4>();
        let squares = numbers.iter().map(|number| f64::from(f32::from_le_bytes(*number)).powi(2));
        (squares.sum::<f64>() - 1.0).abs() < 0.01
    })
}

/// Gives the rows back the form that they had before templates were sealed, as whoever owns the tables can.
async fn unseal(pool: &PgPool, employee: &str, plain: &[u8]) {
    execute(pool, "alter table face_encodings drop constraint face_encodings_sealed_check").await;
    sqlx::query("update face_encodings set encoding = $2 where employee_id = $1::uuid")
        .bind(employee)
        .bind(plain)
        .execute(pool)
        .await
        .unwrap();
}

/// As the migration leaves a database from before.
async fn demand_sealing_from_now_on(pool: &PgPool) {
    execute(
        pool,
        "alter table face_encodings
             add constraint face_encodings_sealed_check check (key_id is not null) not valid",
    )
    .await;
}

/// Waits until a service has heard of every change so far: news come in order.
async fn in_step(service: &TestService, pool: &PgPool, witness: &str, photo: &str) {
    for status in ["suspended", "active"] {
        execute(pool, &format!("update employees set status = '{status}' where id = '{witness}'"))
            .await;
        eventually("the news arrive", async || {
            let answer = service.post_frame("/v1/recognize", photo).await.expect(200);
            answer["employee_status"] == status
        })
        .await;
    }
}

/// A ring with these keys, as the configuration names it.
fn with_keys(keys: &str) -> impl FnOnce(&mut Config) {
    let keys = keys.to_owned();
    |config| config.secrets.keys = Some(KeysText(keys))
}

#[sqlx::test]
async fn a_dump_holds_no_template(pool: PgPool) {
    let service = TestService::start(&pool).await;
    let employee = service.enrolled("obama-1.jpg").await;
    service.enrol(&employee, "obama-2.jpg").await;
    service.enrolled("biden-1.jpg").await;
    let face = service.get(&format!("/v1/employees/{employee}/faces")).await.expect(200);
    service
        .delete(&format!(
            "/v1/employees/{employee}/faces/{}",
            face["items"][0]["face_id"].as_str().unwrap()
        ))
        .await
        .expect(204);
    let known = plain(&service.store, &pool, &employee).await;
    let parts: Vec<String> = known.chunks(8).map(hex).collect();

    let stored = async || -> Vec<Vec<u8>> {
        sqlx::query_scalar("select encoding from face_encodings").fetch_all(&pool).await.unwrap()
    };
    let text = String::from_utf8(dump(&pool).await).unwrap();
    assert!(text.contains("Somebody"), "a dump of this database");
    assert!(!parts.iter().any(|part| text.contains(part)), "eight bytes of a template");
    let all = stored().await;
    assert_eq!(all.len(), 2);
    assert!(!all.iter().any(|bytes| holds_a_template(bytes, 128)));

    // Such a search finds what is there to be found.
    unseal(&pool, &employee, &known).await;
    let text = String::from_utf8(dump(&pool).await).unwrap();
    assert!(parts.iter().all(|part| text.contains(part)));
    assert!(stored().await.iter().any(|bytes| holds_a_template(bytes, 128)));
}

#[sqlx::test]
async fn a_template_in_another_row_than_its_own_is_nobodys(pool: PgPool) {
    let service = TestService::start(&pool).await;
    let gate = service.gate(json!({})).await;
    // Who may not pass, and who may; both could be moved to whoever has a badge.
    let stranger = service.enrolled("biden-1.jpg").await;
    let officer = service.enrolled("obama-1.jpg").await;
    service.enrolled("collins-1.jpg").await;
    Passage::of("obama-3.jpg").granted(&service, &gate).await;

    let encoding_of = |owner: &str| {
        format!("(select encoding from kept where employee_id = '{owner}' order by id limit 1)")
    };
    execute(&pool, "create table kept as select * from face_encodings").await;
    let set = |employee: &str, what: &str| {
        format!("update face_encodings set {what} where employee_id = '{employee}'")
    };
    let restore = "update face_encodings f set employee_id = k.employee_id, model_id = k.model_id,
                       encoding = k.encoding from kept k where k.id = f.id";
    let attacks = [
        // Another person's bytes.
        vec![set(&officer, &format!("encoding = {}", encoding_of(&stranger)))],
        // A row that is given to another person.
        vec![
            format!("delete from face_encodings where employee_id = '{officer}'"),
            set(&stranger, &format!("employee_id = '{officer}'")),
        ],
        // A bit of the ciphertext.
        vec![set(&officer, "encoding = set_byte(encoding, 60, get_byte(encoding, 60) # 1)")],
    ];
    for attack in attacks {
        for statement in &attack {
            assert_eq!(execute(&pool, statement).await, 1, "{statement}");
        }
        eventually("the template is nobody's", async || {
            let answer = service.post_frame("/v1/recognize", "obama-3.jpg").await.expect(200);
            answer["outcome"] == "unknown"
        })
        .await;
        Passage::of("obama-3.jpg").refused(&service, &gate, "unknown_person").await;
        let impostor = Passage::of("biden-1.jpg").decide(&service, &gate).await;
        assert_ne!(impostor["employee_id"], officer.as_str(), "{attack:?}");

        execute(&pool, "insert into face_encodings (id, employee_id, model_id, encoding, size,
                            pupil_distance_px, brightness, sharpness, yaw, pitch, roll_degrees, photo_sha256)
                        select id, employee_id, model_id, encoding, size, pupil_distance_px, brightness,
                            sharpness, yaw, pitch, roll_degrees, photo_sha256
                        from kept k where not exists (select from face_encodings f where f.id = k.id)").await;
        execute(&pool, restore).await;
        eventually("all is as it was", async || {
            let answer = service.post_frame("/v1/recognize", "obama-3.jpg").await.expect(200);
            answer["outcome"] == "match"
        })
        .await;
    }
    Passage::of("obama-3.jpg").granted(&service, &gate).await;
}

#[sqlx::test]
async fn a_template_of_another_model_person_face_or_size_does_not_open(pool: PgPool) {
    let store = store(&config(&pool)).await;
    let (employee, model) = (EmployeeId::generate(), ModelId::new("a-model"));
    insert_face(&pool, employee, model.as_str()).await;
    let opened = async |model: &ModelId| {
        store.gallery_of(employee, model, None).await.unwrap().expect("a face").template().map(drop)
    };
    assert_eq!(opened(&model).await, Ok(()));
    let altered = Err(TemplateError::Open(OpenError::Altered));

    execute(&pool, "update face_encodings set model_id = 'another-model'").await;
    assert_eq!(opened(&ModelId::new("another-model")).await, altered);
    execute(&pool, "update face_encodings set model_id = 'a-model'").await;
    assert_eq!(opened(&model).await, Ok(()));
    let other = EmployeeId::generate();
    execute(&pool, &format!("insert into employees (id, name) values ('{other}', 'Other')")).await;
    execute(&pool, &format!("update face_encodings set employee_id = '{other}'")).await;
    let moved = store.gallery_of(other, &model, None).await.unwrap().expect("a face");
    assert_eq!(moved.template().map(drop), altered);
    execute(&pool, &format!("update face_encodings set employee_id = '{employee}'")).await;
    assert_eq!(opened(&model).await, Ok(()));
    execute(&pool, "update face_encodings set id = gen_random_uuid()").await;
    assert_eq!(opened(&model).await, altered);

    // A template of four numbers is not one of two of its numbers.
    execute(
        &pool,
        "update face_encodings
         set size = 2, encoding = substring(encoding from 1 for 29) || substring(encoding from 38)",
    )
    .await;
    assert_eq!(opened(&model).await, altered);
}

#[sqlx::test]
async fn who_writes_into_the_database_makes_nobody_known(pool: PgPool) {
    let service = TestService::start(&pool).await;
    let gate = service.gate(json!({})).await;
    let witness = service.enrolled("collins-1.jpg").await;
    let stranger = service.enrolled("biden-1.jpg").await;
    let known = plain(&service.store, &pool, &stranger).await;
    let planted = "update face_encodings set encoding = $2 where employee_id = $1::uuid";
    let plant =
        async || sqlx::query(planted).bind(&stranger).bind(&known).execute(&pool).await.map(drop);
    assert!(plant().await.is_err(), "the schema takes nothing that is not sealed");

    // Whoever owns the tables can do without the schema's leave.
    unseal(&pool, &stranger, &known).await;
    in_step(&service, &pool, &witness, "collins-1.jpg").await;
    Passage::of("biden-1.jpg").refused(&service, &gate, "unknown_person").await;
    Passage::of("collins-1.jpg").granted(&service, &gate).await;

    // No service starts on it, and no migration seals it for them, whatever they say was not done yet.
    for demanded in [false, true] {
        if demanded {
            demand_sealing_from_now_on(&pool).await;
        }
        let message = refusal(&config(&pool)).await;
        for part in ["1 stored template(s) are not sealed", "limen secrets drop unsealed"] {
            assert!(message.contains(part), "no {part:?} in {message}");
        }
        let migrated = service.store.migrate().await;
        assert!(matches!(migrated, Err(StoreError::Planted { faces: 1 })), "{migrated:?}");
    }
    assert_eq!(service.store.delete_faces_of_key(&author(), None).await.unwrap(), 1);
    assert_eq!(service.store.migrate().await.unwrap(), 0);
    let service = TestService::start_replica(&pool).await;
    Passage::of("collins-1.jpg").granted(&service, &gate).await;
    Passage::of("biden-1.jpg").refused(&service, &gate, "unknown_person").await;
}

/// The bytes of the table's file, as whoever has the disk sees them.
async fn file(pool: &PgPool) -> Vec<u8> {
    execute(pool, "checkpoint").await;
    sqlx::query_scalar("select pg_read_binary_file(pg_relation_filepath('face_encodings'))")
        .fetch_one(pool)
        .await
        .unwrap()
}

fn holds(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

#[sqlx::test]
async fn templates_from_before_are_sealed_by_the_migration_and_known_as_before(pool: PgPool) {
    let service = TestService::start(&pool).await;
    let gate = service.gate(json!({})).await;
    let employee = service.enrolled("obama-1.jpg").await;
    let known = plain(&service.store, &pool, &employee).await;
    let store = service.store.clone();
    drop(service);
    unseal(&pool, &employee, &known).await;
    demand_sealing_from_now_on(&pool).await;
    assert!(holds(&file(&pool).await, &known), "there it can be read");
    let message = refusal(&config(&pool)).await;
    assert!(message.contains("run `limen migrate`"), "{message}");

    // Whoever writes elsewhere on the server, as since before, sees to it that Postgres keeps what was there before.
    let mut elsewhere = PgConnection::connect(&url_of("postgres")).await.unwrap();
    sqlx::raw_sql("begin; select pg_current_xact_id()").execute(&mut elsewhere).await.unwrap();
    let soon = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        sqlx::raw_sql("rollback").execute(&mut elsewhere).await.unwrap();
    };
    let (migrated, _) = tokio::join!(store.migrate(), soon);
    assert_eq!(migrated.unwrap(), 1);
    assert!(!holds(&file(&pool).await, &known[..16]), "the table was written anew");
    assert_eq!(store.migrate().await.unwrap(), 0, "done once");
    let service = TestService::start_replica(&pool).await;
    Passage::of("obama-3.jpg").granted(&service, &gate).await;
}

#[sqlx::test(migrations = false)]
async fn a_database_of_the_version_before_is_migrated_whole(pool: PgPool) {
    let migrations = sqlx::migrate!();
    migrations.run_to(9, &pool).await.unwrap();
    let (model, people) = (ModelId::new("a-model"), 600);
    for at in 0..people {
        let employee = EmployeeId::generate();
        sqlx::query("insert into employees (id, name) values ($1, 'Somebody')")
            .bind(employee.0)
            .execute(&pool)
            .await
            .unwrap();
        sqlx::query(
            "insert into face_encodings (id, employee_id, model_id, encoding, size, pupil_distance_px,
                 brightness, sharpness, yaw, roll_degrees, photo_sha256)
             values (gen_random_uuid(), $1, $2, $3, 4, 60, 120, 200, 0, 0, $4)",
        )
        .bind(employee.0)
        .bind(model.as_str())
        .bind([1.0f32, at as f32, 0.0, 0.0].map(f32::to_le_bytes).concat())
        .bind(vec![0u8; 32])
        .execute(&pool)
        .await
        .unwrap();
    }
    let store = store(&config(&pool)).await;
    assert_eq!(store.migrate().await.unwrap(), people);
    let page = store.gallery_page(&model, None, None).await.unwrap();
    let slopes = page.iter().map(|row| {
        let template = row.template().expect("a template");
        (template.values()[1] / template.values()[0]).round() as u64
    });
    assert_eq!(slopes.collect::<Vec<_>>(), (0..people).collect::<Vec<_>>());
    assert_eq!(store.check_sealed().await.unwrap(), people);
}

#[sqlx::test]
async fn a_restored_dump_works_with_its_key_and_explains_itself_without(pool: PgPool) {
    let service = TestService::start(&pool).await;
    let gate = service.gate(json!({})).await;
    service.enrolled("obama-1.jpg").await;
    let dump = dump(&pool).await;
    drop(service);

    let name = format!("{}_restored", database_of(&pool).await);
    let mut server = PgConnection::connect(&url_of("postgres")).await.unwrap();
    let create = format!("drop database if exists {name:?}; create database {name:?}");
    for statement in create.split(';') {
        sqlx::query(AssertSqlSafe(statement)).execute(&mut server).await.unwrap();
    }
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), dump).unwrap();
    let mut psql = postgres_program("psql");
    psql.args([
        "-qX",
        "-v",
        "ON_ERROR_STOP=1",
        "-f",
        file.path().to_str().unwrap(),
        &url_of(&name),
    ]);
    succeeded(psql.output());

    let restored = PgPool::connect(&url_of(&name)).await.unwrap();
    let service = TestService::start(&restored).await;
    Passage::of("obama-3.jpg").granted(&service, &gate).await;
    drop(service);

    let other = MasterKey::generate().unwrap();
    let mut wrong = config(&restored);
    with_keys(&other.secret())(&mut wrong);
    let message = refusal(&wrong).await;
    let needed = KEYS.parse::<MasterKey>().unwrap().id();
    for part in [
        "1 stored template(s)",
        &needed.to_string(),
        &other.id().to_string(),
        "[secrets] of config.toml",
        "limen secrets drop",
    ] {
        assert!(message.contains(part), "no {part:?} in {message}");
    }
    assert!(!message.contains(KEYS) && !message.contains(other.secret().as_str()), "{message}");
    wrong.secrets.keys = None;
    let message = refusal(&wrong).await;
    assert!(message.contains("limen secrets create"), "{message}");

    restored.close().await;
    let drop = format!("drop database {name:?} with (force)");
    sqlx::query(AssertSqlSafe(drop)).execute(&mut server).await.unwrap();
}

#[sqlx::test]
async fn a_service_whose_every_template_was_altered_does_not_start_as_if_nobody_were_enrolled(
    pool: PgPool,
) {
    let service = TestService::start(&pool).await;
    service.enrolled("obama-1.jpg").await;
    drop(service);
    execute(&pool, "update face_encodings set id = gen_random_uuid()").await;
    let message = refusal(&config(&pool)).await;
    assert!(message.contains("none of the 1 stored templates can be opened"), "{message}");
}

/// How many templates are sealed under each key.
async fn census(store: &Store) -> Vec<(KeyId, u64)> {
    let counts = store.faces_by_key().await.unwrap();
    counts.into_iter().map(|(key, faces)| (key.expect("sealed"), faces)).collect()
}

#[sqlx::test]
async fn keys_are_rotated_while_gates_open(pool: PgPool) {
    let (old, new) = (MasterKey::generate().unwrap(), MasterKey::generate().unwrap());
    let staged = format!("{},{}", *old.secret(), *new.secret());
    let promoted = format!("{},{}", *new.secret(), *old.secret());
    let known = async |service: &TestService, gate: &str| {
        Passage::of("obama-3.jpg").granted(service, gate).await;
        Passage::of("biden-1.jpg").granted(service, gate).await;
    };

    let first = TestService::start_with(&pool, with_keys(&old.secret())).await;
    let gate = first.gate(json!({})).await;
    first.enrolled("obama-1.jpg").await;
    first.enrolled("biden-1.jpg").await;
    known(&first, &gate).await;

    // Replicas of two steps are always beside each other.
    let second = TestService::start_replica_with(&pool, with_keys(&staged)).await;
    known(&second, &gate).await;
    drop(first);
    let third = TestService::start_replica_with(&pool, with_keys(&promoted)).await;
    let collins = third.enrolled("collins-1.jpg").await;
    eventually(
        "the replica of the step before opens what is sealed under the new key",
        async || {
            let answer = second.post_frame("/v1/recognize", "collins-1.jpg").await.expect(200);
            answer["employee_id"] == collins.as_str()
        },
    )
    .await;
    known(&second, &gate).await;
    drop(second);
    let mut halfway = [(old.id(), 2), (new.id(), 1)];
    halfway.sort();
    assert_eq!(census(&third.store).await, halfway);

    // A row that a grant holds just then keeps nobody waiting, and is come back to.
    let mut holder = pool.begin().await.unwrap();
    sqlx::query("select from face_encodings where key_id = $1 order by id limit 1 for share")
        .bind(old.id().as_bytes().as_slice())
        .execute(&mut *holder)
        .await
        .unwrap();
    let step = third.store.reseal(None).await.unwrap().expect("a face");
    assert_eq!((step.faces, step.unopened.len()), (1, 0));
    assert!(third.store.reseal(None).await.unwrap().is_none());
    known(&third, &gate).await;
    holder.rollback().await.unwrap();
    assert_eq!(third.store.reseal(None).await.unwrap().expect("a face").faces, 1);
    assert_eq!(census(&third.store).await, [(new.id(), 3)]);
    known(&third, &gate).await;

    let fourth = TestService::start_replica_with(&pool, with_keys(&new.secret())).await;
    drop(third);
    known(&fourth, &gate).await;
    Passage::of("collins-1.jpg").granted(&fourth, &gate).await;
}

#[sqlx::test]
async fn what_does_not_open_is_told_by_a_resealing_and_left_as_it_is(pool: PgPool) {
    let (good, bad) = (EmployeeId::generate(), EmployeeId::generate());
    for employee in [good, bad] {
        insert_face(&pool, employee, "a-model").await;
    }
    execute(
        &pool,
        &format!(
            "update face_encodings set encoding = set_byte(encoding, 40, get_byte(encoding, 40) # 1)
             where employee_id = '{bad}'"
        ),
    )
    .await;
    let before: Vec<u8> =
        sqlx::query_scalar("select encoding from face_encodings where employee_id = $1")
            .bind(bad.0)
            .fetch_one(&pool)
            .await
            .unwrap();
    let new = MasterKey::generate().unwrap();
    let ring: Keyring = format!("{},{KEYS}", *new.secret()).parse().unwrap();
    let store = store(&config(&pool)).await.with_keyring(ring.into());
    let step = store.reseal(None).await.unwrap().expect("faces");
    let unopened: Vec<_> = step.unopened.into_iter().map(|(who, _, why)| (who, why)).collect();
    assert_eq!(unopened, [(bad, TemplateError::Open(OpenError::Altered))]);
    assert_eq!(step.faces, 1);
    let after: Vec<u8> =
        sqlx::query_scalar("select encoding from face_encodings where employee_id = $1")
            .bind(bad.0)
            .fetch_one(&pool)
            .await
            .unwrap();
    assert_eq!(before, after);
}
