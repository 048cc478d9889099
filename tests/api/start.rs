//! What a service refuses to start with, and the way out that it names.

use limen::domain::{EmployeeId, FaceId};
use limen::server::Server;
use sqlx::PgPool;
use tokio::net::TcpListener;

use crate::service::config;

/// Why a service does not start on this database.
async fn refusal(config: &limen::config::Config) -> String {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let error = Server::build(config, listener).await.expect_err("the service starts");
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
