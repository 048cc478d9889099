//! What a service refuses to start with, and the way out that it names.

use std::future::pending;

use limen::domain::{EmployeeId, FaceId};
use limen::server;
use sqlx::PgPool;
use tokio::net::TcpListener;

use crate::service::{config, eventually, send};

/// Why a service does not start on this database.
async fn refusal(config: &limen::config::Config) -> String {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let error = server::run(config, listener, pending()).await.expect_err("the service starts");
    format!("{error:#}")
}

#[sqlx::test]
async fn a_gallery_of_another_model_is_refused_with_the_way_out(pool: PgPool) {
    let employee = EmployeeId::generate().0;
    sqlx::query("insert into employees (id, name) values ($1, 'Somebody')")
        .bind(employee)
        .execute(&pool)
        .await
        .unwrap();
    sqlx::query(
        "insert into face_encodings (id, employee_id, model_id, encoding, size, pupil_distance_px,
             brightness, sharpness, yaw, roll_degrees, photo_sha256)
         values ($1, $2, 'another-model-4', $3, 4, 60, 120, 200, 0, 0, $4)",
    )
    .bind(FaceId::generate().0)
    .bind(employee)
    .bind(0.5f32.to_le_bytes().repeat(4))
    .bind(vec![0u8; 32])
    .execute(&pool)
    .await
    .unwrap();

    let message = refusal(&config(&pool)).await;
    for part in ["1 face(s)", "another-model-4", "config.toml", "limen enroll", "--replace-model"] {
        assert!(message.contains(part), "no {part:?} in {message}");
    }
}

#[sqlx::test(migrations = false)]
async fn a_database_without_the_schema_is_refused_with_the_way_out(pool: PgPool) {
    let message = refusal(&config(&pool)).await;
    assert!(message.contains("limen migrate"), "{message}");
}

#[sqlx::test]
async fn a_postgres_that_is_not_there_is_refused_with_the_way_out(pool: PgPool) {
    let mut config = config(&pool);
    config.database.url.0 = "postgres://nobody:SECRET@127.0.0.1:1/nothing".to_owned();
    let message = refusal(&config).await;
    assert!(message.contains("DATABASE_URL"), "{message}");
    assert!(!message.contains("SECRET"), "{message}");
}

#[sqlx::test]
async fn weights_that_are_not_there_are_refused_with_their_name(pool: PgPool) {
    let mut config = config(&pool);
    config.inference.weights_dir = "no-such-folder".into();
    let message = refusal(&config).await;
    assert!(message.contains("no-such-folder"), "{message}");
}

#[sqlx::test]
async fn a_service_that_still_loads_is_alive_and_not_ready(pool: PgPool) {
    let config = config(&pool);
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    // Held back: the gallery cannot be read before this transaction ends.
    let mut transaction = pool.begin().await.unwrap();
    sqlx::query("lock table face_encodings in access exclusive mode")
        .execute(&mut *transaction)
        .await
        .unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let running =
        tokio::spawn(
            async move { server::run(&config, listener, async { drop(stopped.await) }).await },
        );

    // One connection throughout: it is told of the change as well.
    let client = reqwest::Client::builder().no_proxy().pool_max_idle_per_host(1).build().unwrap();
    let get = |path: &str| send(client.get(format!("http://{address}{path}")));
    get("/healthz").await.expect(200);
    let refusal = get("/readyz").await;
    assert_eq!(refusal.header("retry-after"), Some("1"));
    refusal.refused(503, "starting");
    get("/v1/employees").await.refused(503, "starting");

    transaction.rollback().await.unwrap();
    eventually("the service is ready", async || get("/readyz").await.status == 200).await;
    get("/v1/employees").await.refused(401, "unauthorized");
    stop.send(()).unwrap();
    running.await.unwrap().unwrap();
}

#[sqlx::test]
async fn a_service_that_is_told_to_stop_while_it_loads_stops(pool: PgPool) {
    let config = config(&pool);
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let mut transaction = pool.begin().await.unwrap();
    sqlx::query("lock table face_encodings in access exclusive mode")
        .execute(&mut *transaction)
        .await
        .unwrap();
    server::run(&config, listener, std::future::ready(())).await.unwrap();
}
