//! The table `sessions`.

use std::time::Duration;

use uuid::Uuid;

use super::{Store, StoreError};
use crate::domain::KeyId;

/// How a session is found: the SHA-256 of its token.
pub type SessionHash = [u8; 32];

/// Sessions that one key may have: the oldest gives way to one more.
const SESSIONS_PER_KEY_MAX: i64 = 32;

impl Store {
    /// Begins a session of a key's, which lasts no longer than `lifetime`.
    ///
    /// # Errors
    /// When Postgres does not answer.
    pub async fn begin_session(
        &self,
        session: &SessionHash,
        key: KeyId,
        lifetime: Duration,
    ) -> Result<(), StoreError> {
        let mut transaction = self.pool.begin().await?;
        sqlx::query!(
            "delete from sessions where ends_at <= now() or token_sha256 in (
                 select token_sha256 from sessions where key_id = $1
                 order by created_at desc offset $2)",
            key.0,
            SESSIONS_PER_KEY_MAX - 1,
        )
        .execute(&mut *transaction)
        .await?;
        sqlx::query!(
            "insert into sessions (token_sha256, key_id, ends_at)
             values ($1, $2, now() + make_interval(secs => $3))",
            session.as_slice(),
            key.0,
            lifetime.as_secs_f64(),
        )
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Whose session it is, if it goes on: it was used within `idle_max`, and is used now.
    ///
    /// # Errors
    /// When Postgres does not answer.
    pub async fn session(
        &self,
        session: &SessionHash,
        idle_max: Duration,
    ) -> Result<Option<KeyId>, StoreError> {
        let found = sqlx::query!(
            r#"select key_id, last_used_at < now() - interval '1 minute' as "use_is_due!"
               from sessions
               where token_sha256 = $1 and ends_at > now()
                 and last_used_at > now() - make_interval(secs => $2)"#,
            session.as_slice(),
            idle_max.as_secs_f64(),
        )
        .fetch_optional(&self.pool)
        .await?;
        let Some(found) = found else {
            return Ok(None);
        };
        if found.use_is_due {
            sqlx::query!(
                "update sessions set last_used_at = now() where token_sha256 = $1",
                session.as_slice()
            )
            .execute(&self.pool)
            .await?;
        }
        Ok(Some(KeyId(found.key_id)))
    }

    /// Ends every session of a key's.
    ///
    /// # Errors
    /// When Postgres does not answer.
    pub async fn end_sessions(&self, key: KeyId) -> Result<(), StoreError> {
        sqlx::query!("delete from sessions where key_id = $1", key.0).execute(&self.pool).await?;
        Ok(())
    }

    /// Ends a session; one that is over already stays so.
    ///
    /// # Errors
    /// When Postgres does not answer.
    pub async fn end_session(&self, session: &SessionHash) -> Result<(), StoreError> {
        let ended: Option<Uuid> = sqlx::query_scalar!(
            "delete from sessions where token_sha256 = $1 returning key_id",
            session.as_slice()
        )
        .fetch_optional(&self.pool)
        .await?;
        if let Some(key) = ended {
            tracing::info!(%key, "signed out");
        }
        Ok(())
    }
}
