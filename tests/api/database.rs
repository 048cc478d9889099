//! What the tests do to Postgres behind the service's back.

use sqlx::{AssertSqlSafe, Connection, PgConnection, PgPool};

/// Ends the connections of every service that listens for changes of the gallery.
pub async fn end_listeners(pool: &PgPool) -> i64 {
    sqlx::query_scalar(
        "select count(pg_terminate_backend(pid)) from pg_stat_activity
         where datname = current_database() and pid <> pg_backend_pid() and query ilike 'listen%'",
    )
    .fetch_one(pool)
    .await
    .unwrap()
}

/// Runs a statement while the triggers that tell of changes are off.
pub async fn change_in_silence(pool: &PgPool, statement: &'static str) {
    let mut transaction = pool.begin().await.unwrap();
    for sql in [
        "alter table face_encodings disable trigger face_encodings_notify_gallery",
        statement,
        "alter table face_encodings enable trigger face_encodings_notify_gallery",
    ] {
        sqlx::query(sql).execute(&mut *transaction).await.unwrap();
    }
    transaction.commit().await.unwrap();
}

/// A database that can be taken away and given back: what its clients see when Postgres is down.
pub struct Outage {
    database: String,
    elsewhere: PgConnection,
}

impl Outage {
    /// Ends every connection to the pool's database and lets no new one in.
    pub async fn begin(pool: &PgPool) -> Self {
        let database = pool.connect_options().get_database().unwrap().to_owned();
        let url = std::env::var("DATABASE_URL").unwrap();
        let mut elsewhere = PgConnection::connect(&url).await.unwrap();
        let shut = format!("alter database {database:?} allow_connections false");
        sqlx::query(AssertSqlSafe(shut)).execute(&mut elsewhere).await.unwrap();
        sqlx::query(
            "select count(pg_terminate_backend(pid)) from pg_stat_activity where datname = $1",
        )
        .bind(&database)
        .execute(&mut elsewhere)
        .await
        .unwrap();
        Self { database, elsewhere }
    }

    /// Lets everybody in again.
    pub async fn end(mut self) {
        let open = format!("alter database {:?} allow_connections true", self.database);
        sqlx::query(AssertSqlSafe(open)).execute(&mut self.elsewhere).await.unwrap();
    }
}
