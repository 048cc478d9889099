//! What a service refuses to start with, and the way out that it names.

use std::future::pending;

use limen::domain::EmployeeId;
use limen::server;
use sqlx::PgPool;
use tokio::net::TcpListener;

use crate::database::{SilentPostgres, insert_face};
use crate::service::{config, eventually, send};

/// Why a service does not start on this database.
pub async fn refusal(config: &limen::config::Config) -> String {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let error = server::run(config, listener, pending()).await.expect_err("the service starts");
    format!("{error:#}")
}

#[sqlx::test]
async fn a_gallery_of_another_model_is_refused_with_the_way_out(pool: PgPool) {
    insert_face(&pool, EmployeeId::generate(), "another-model-4").await;
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
async fn a_postgres_that_falls_silent_while_the_service_starts_is_not_awaited_for_ever(
    pool: PgPool,
) {
    // Before the schema, the count of models, the news of changes, the gallery.
    for last_word in ["_sqlx_migrations", "group by model_id", "LISTEN", "array_agg"] {
        let silent = SilentPostgres::after(&pool, last_word).await;
        let mut config = config(&pool);
        config.database.url.0 = silent.url(&pool);
        config.database.acquire_timeout_ms = 1_000;
        config.database.statement_timeout_ms = 1_000;
        let message = refusal(&config).await;
        assert!(message.contains("did not answer"), "{last_word}: {message}");
        assert!(silent.is_silent(), "{last_word} was never said");
    }
}

#[sqlx::test]
async fn everything_that_the_networks_cannot_do_is_told_at_once(pool: PgPool) {
    let mut config = config(&pool);
    config.road.device = "cuda:99".parse().unwrap();
    config.road.encoding_size = 77;
    let message = refusal(&config).await;
    for part in ["Cuda(99)", "encoding_size", "128", "512"] {
        assert!(message.contains(part), "no {part:?} in {message}");
    }
    config.road.encoding_size = 128;
    config.matching.calibration = Some("no-such-file.toml".into());
    let message = refusal(&config).await;
    for part in ["Cuda(99)", "no-such-file.toml"] {
        assert!(message.contains(part), "no {part:?} in {message}");
    }
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
