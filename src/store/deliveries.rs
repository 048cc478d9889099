//! The tables `webhook_cursors` and `webhook_dead_letters`: what was delivered, and what could not be.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use super::{Store, StoreError};
use crate::domain::{Action, Author, DeadLetterId, GateId, Stream, WebhookId};

/// Dead letters of a webhook that are kept.
pub const DEAD_LETTERS_MAX: i64 = 10_000;

/// Characters of an error that are kept.
const ERROR_CHARS_MAX: usize = 500;

/// A gate of which something may have to be delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Due {
    /// The gate.
    pub gate_id: GateId,
    /// Up to here everything was delivered.
    pub position: u64,
    /// The last passage that there is.
    pub length: u64,
    /// How often the next event was tried in vain.
    pub attempts: u32,
}

/// An event that a webhook did not take.
#[derive(Clone, Debug, PartialEq)]
pub struct DeadLetter {
    /// Which.
    pub id: DeadLetterId,
    /// The gate of the event,
    pub gate_id: GateId,
    /// and its position there.
    pub position: u64,
    /// How often it was tried.
    pub attempts: u32,
    /// What went wrong the last time.
    pub last_error: String,
    /// When that was.
    pub failed_at: DateTime<Utc>,
    /// Whether it waits to be tried once more.
    pub retrying: bool,
}

struct DeadLetterRow {
    id: Uuid,
    gate_id: Uuid,
    position: i64,
    attempts: i32,
    last_error: String,
    failed_at: DateTime<Utc>,
    retrying: bool,
}

impl From<DeadLetterRow> for DeadLetter {
    fn from(row: DeadLetterRow) -> Self {
        Self {
            id: DeadLetterId(row.id),
            gate_id: GateId(row.gate_id),
            position: row.position.unsigned_abs(),
            attempts: row.attempts.unsigned_abs(),
            last_error: row.last_error,
            failed_at: row.failed_at,
            retrying: row.retrying,
        }
    }
}

impl Store {
    /// At most `limit` gates of which a webhook has something to deliver now, those first that have waited longest.
    ///
    /// # Errors
    /// When Postgres does not answer.
    pub async fn due(&self, webhook: WebhookId, limit: u32) -> Result<Vec<Due>, StoreError> {
        let rows = sqlx::query!(
            r#"select stream, length, coalesce(c.position, 0) as "position!",
                   coalesce(c.attempts, 0) as "attempts!"
               from webhooks
               join chains on stream <> $2 and (gate_ids = '{}' or stream = any(gate_ids))
               left join webhook_cursors c on c.webhook_id = webhooks.id and c.gate_id = stream
               where webhooks.id = $1 and enabled and length > coalesce(c.position, 0)
                   and (c.retry_at is null or c.retry_at <= now())
               order by c.tried_at nulls first
               limit $3"#,
            webhook.0,
            Stream::CHANGES.0,
            i64::from(limit),
        )
        .fetch_all(&self.pool)
        .await?;
        let due = rows.into_iter().map(|row| Due {
            gate_id: GateId(row.stream),
            position: row.position.unsigned_abs(),
            length: row.length.unsigned_abs(),
            attempts: row.attempts.unsigned_abs(),
        });
        Ok(due.collect())
    }

    /// Notes that a webhook has everything of a gate up to a position.
    ///
    /// # Errors
    /// When Postgres does not answer.
    pub async fn note_delivered(
        &self,
        webhook: WebhookId,
        gate: GateId,
        position: u64,
    ) -> Result<(), StoreError> {
        let mut connection = self.pool.acquire().await?;
        advance(&mut connection, webhook, gate, position).await
    }

    /// Notes that the event after a position was tried `attempts` times in vain, and is tried again after a while,
    /// unless the count was begun anew meanwhile.
    ///
    /// # Errors
    /// When Postgres does not answer.
    pub async fn note_failed(
        &self,
        webhook: WebhookId,
        gate: GateId,
        position: u64,
        attempts: u32,
        again_in: Duration,
    ) -> Result<(), StoreError> {
        sqlx::query!(
            "insert into webhook_cursors (webhook_id, gate_id, position, attempts, retry_at)
             select id, $2, $3, $4, now() + make_interval(secs => $5) from webhooks where id = $1
             on conflict (webhook_id, gate_id) do update
                 set position = excluded.position, attempts = excluded.attempts,
                     retry_at = excluded.retry_at, tried_at = now()
                 where webhook_cursors.position <= excluded.position
                     and webhook_cursors.attempts = excluded.attempts - 1",
            webhook.0,
            gate.0,
            position.cast_signed(),
            attempts.cast_signed(),
            again_in.as_secs_f64(),
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Gives an event up: it becomes a dead letter, and the gate's next event is the next. Of more than
    /// [`DEAD_LETTERS_MAX`] the oldest go.
    ///
    /// # Errors
    /// When Postgres does not answer.
    pub async fn give_up(
        &self,
        webhook: WebhookId,
        gate: GateId,
        position: u64,
        attempts: u32,
        error: &str,
    ) -> Result<(), StoreError> {
        let mut transaction = self.pool.begin().await?;
        sqlx::query!(
            "insert into webhook_dead_letters (id, webhook_id, gate_id, position, attempts, last_error)
             select $1, id, $3, $4, $5, $6 from webhooks where id = $2
             on conflict (webhook_id, gate_id, position) do nothing",
            DeadLetterId::generate().0,
            webhook.0,
            gate.0,
            position.cast_signed(),
            attempts.cast_signed(),
            shortened(error),
        )
        .execute(&mut *transaction)
        .await?;
        sqlx::query!(
            "delete from webhook_dead_letters where webhook_id = $1 and id <= (
                 select id from webhook_dead_letters where webhook_id = $1
                 order by id desc offset $2 limit 1)",
            webhook.0,
            DEAD_LETTERS_MAX,
        )
        .execute(&mut *transaction)
        .await?;
        advance(&mut transaction, webhook, gate, position).await?;
        Ok(transaction.commit().await?)
    }

    /// At most `limit` dead letters of a webhook, oldest first, beginning after `after`.
    ///
    /// # Errors
    /// When Postgres does not answer.
    pub async fn dead_letters(
        &self,
        webhook: WebhookId,
        after: Option<DeadLetterId>,
        limit: u32,
    ) -> Result<Vec<DeadLetter>, StoreError> {
        let rows = sqlx::query_as!(
            DeadLetterRow,
            "select id, gate_id, position, attempts, last_error, failed_at, retrying
             from webhook_dead_letters
             where webhook_id = $1 and ($2::uuid is null or id > $2) order by id limit $3",
            webhook.0,
            after.map(|id| id.0),
            i64::from(limit),
        );
        Ok(rows.fetch_all(&self.pool).await?.into_iter().map(DeadLetter::from).collect())
    }

    /// Has every dead letter of a webhook tried once more; returns how many there are.
    ///
    /// # Errors
    /// When Postgres does not answer.
    pub async fn retry_dead_letters(
        &self,
        author: &Author,
        webhook: WebhookId,
    ) -> Result<u64, StoreError> {
        let mut changing = self.changing(author).await?;
        let retried = sqlx::query!(
            "update webhook_dead_letters set retrying = true where webhook_id = $1",
            webhook.0
        );
        let retried = retried.execute(&mut *changing).await?.rows_affected();
        if retried > 0 {
            let details = format!(r#"{{"after": {{"retried": {retried}}}}}"#);
            let kind = "webhook_dead_letters";
            changing.note(Action::Changed, kind, webhook.0, None, &details).await?;
        }
        changing.commit().await?;
        Ok(retried)
    }

    /// At most `limit` dead letters of a webhook that are to be tried once more, those of a gate in their order.
    ///
    /// # Errors
    /// When Postgres does not answer.
    pub async fn dead_letters_to_retry(
        &self,
        webhook: WebhookId,
        limit: u32,
    ) -> Result<Vec<DeadLetter>, StoreError> {
        let rows = sqlx::query_as!(
            DeadLetterRow,
            "select id, gate_id, position, attempts, last_error, failed_at, retrying
             from webhook_dead_letters
             where webhook_id = $1 and retrying order by gate_id, position limit $2",
            webhook.0,
            i64::from(limit),
        );
        Ok(rows.fetch_all(&self.pool).await?.into_iter().map(DeadLetter::from).collect())
    }

    /// Removes the dead letters whose passages were purged: there is nothing left to deliver.
    ///
    /// # Errors
    /// When Postgres does not answer.
    pub async fn purge_dead_letters(&self) -> Result<(), StoreError> {
        sqlx::query!(
            "delete from webhook_dead_letters using chains
             where stream = webhook_dead_letters.gate_id and position <= purged"
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Removes a dead letter that was delivered after all, or whose passage was purged.
    ///
    /// # Errors
    /// When Postgres does not answer.
    pub async fn remove_dead_letter(&self, id: DeadLetterId) -> Result<(), StoreError> {
        sqlx::query!("delete from webhook_dead_letters where id = $1", id.0)
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// Notes that a dead letter failed once more.
    ///
    /// # Errors
    /// When Postgres does not answer.
    pub async fn note_dead(&self, id: DeadLetterId, error: &str) -> Result<(), StoreError> {
        sqlx::query!(
            "update webhook_dead_letters
             set retrying = false, attempts = attempts + 1, last_error = $2, failed_at = now() where id = $1",
            id.0,
            shortened(error),
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// How many passages webhooks that are switched on have not looked at yet.
    ///
    /// # Errors
    /// When Postgres does not answer.
    pub async fn webhook_backlog(&self) -> Result<u64, StoreError> {
        let backlog = sqlx::query_scalar!(
            r#"select coalesce(sum(length - coalesce(c.position, 0)), 0)::bigint as "backlog!"
               from webhooks
               join chains on stream <> $1 and (gate_ids = '{}' or stream = any(gate_ids))
               left join webhook_cursors c on c.webhook_id = webhooks.id and c.gate_id = stream
               where enabled"#,
            Stream::CHANGES.0,
        );
        Ok(backlog.fetch_one(&self.pool).await?.unsigned_abs())
    }
}

/// Nothing comes of it where the webhook was removed meanwhile, or another replica is further.
async fn advance(
    connection: &mut PgConnection,
    webhook: WebhookId,
    gate: GateId,
    position: u64,
) -> Result<(), StoreError> {
    sqlx::query!(
        "insert into webhook_cursors (webhook_id, gate_id, position)
         select id, $2, $3 from webhooks where id = $1
         on conflict (webhook_id, gate_id) do update
             set position = excluded.position, attempts = 0, retry_at = null, tried_at = now()
             where webhook_cursors.position < excluded.position",
        webhook.0,
        gate.0,
        position.cast_signed(),
    )
    .execute(connection)
    .await?;
    Ok(())
}

fn shortened(error: &str) -> String {
    error.chars().take(ERROR_CHARS_MAX).collect()
}
