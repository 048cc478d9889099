//! The table `webhooks`: who is told of passages without asking.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::sealing::key_id;
use super::{Conflict, Store, StoreError};
use crate::domain::{
    Author, Decision, GateId, Stream, Webhook, WebhookFilter, WebhookId, WebhookUrl,
};
use crate::secrets::{Context, KeyId, OpenError, Purpose, Sealed};

/// Webhooks that there may be: each is delivered to by a task of its own.
pub const WEBHOOKS_MAX: i64 = 32;

/// A change of a webhook; what is absent stays.
#[derive(Clone, Debug, Default)]
pub struct WebhookChange {
    /// Where events are posted to.
    pub url: Option<WebhookUrl>,
    /// Whether anything is delivered.
    pub enabled: Option<bool>,
    /// Only those of these gates.
    pub gate_ids: Option<Vec<GateId>>,
    /// Only those with these decisions.
    pub decisions: Option<Vec<Decision>>,
    /// Only those that raise an alarm.
    pub alarms: Option<bool>,
}

struct WebhookRow {
    id: Uuid,
    url: String,
    enabled: bool,
    gate_ids: Vec<Uuid>,
    decisions: Vec<String>,
    alarms: bool,
    created_at: DateTime<Utc>,
}

impl TryFrom<WebhookRow> for Webhook {
    type Error = StoreError;

    fn try_from(row: WebhookRow) -> Result<Self, StoreError> {
        let decision = |code: String| serde_json::from_value(code.into());
        let decisions = row.decisions.into_iter().map(decision).collect::<Result<_, _>>();
        Ok(Self {
            id: WebhookId(row.id),
            url: row.url.parse().map_err(StoreError::corrupt)?,
            enabled: row.enabled,
            filter: WebhookFilter {
                gate_ids: row.gate_ids.into_iter().map(GateId).collect(),
                decisions: decisions.map_err(StoreError::corrupt)?,
                alarms: row.alarms,
            },
            created_at: row.created_at,
        })
    }
}

/// A statement that gives whole rows, from what stands after the columns.
macro_rules! webhook_row {
    ($after:literal $(, $value:expr)* $(,)?) => {
        sqlx::query_as!(
            WebhookRow,
            "select id, url, enabled, gate_ids, decisions, alarms, created_at from webhooks " + $after
            $(, $value)*
        )
    };
}

impl Store {
    /// Creates a webhook, which begins with what is recorded after; its secret is sealed.
    ///
    /// # Errors
    /// [`Conflict::TooManyWebhooks`] beyond [`WEBHOOKS_MAX`], [`StoreError::NotFound`] where it names a gate that
    /// there is not.
    pub async fn create_webhook(
        &self,
        author: &Author,
        url: &WebhookUrl,
        filter: &WebhookFilter,
        secret: &str,
    ) -> Result<Webhook, StoreError> {
        let id = WebhookId::generate();
        let keys = self.keyring()?;
        let sealed = keys.seal(Purpose::WebhookSecret, &context(id), secret.as_bytes())?;
        let mut changing = self.changing(author).await?;
        gates_exist(&mut changing, &filter.gate_ids).await?;
        // So that two of them do not count the same.
        sqlx::raw_sql("lock table webhooks in share row exclusive mode")
            .execute(&mut *changing)
            .await?;
        let count = sqlx::query_scalar!(r#"select count(*) as "count!" from webhooks"#);
        if count.fetch_one(&mut *changing).await? >= WEBHOOKS_MAX {
            return Err(StoreError::Conflict(Conflict::TooManyWebhooks));
        }
        sqlx::query!(
            "insert into webhooks (id, url, gate_ids, decisions, alarms, secret)
             values ($1, $2, $3, $4, $5, $6)",
            id.0,
            url.as_str(),
            &uuids(&filter.gate_ids),
            &codes(&filter.decisions),
            filter.alarms,
            sealed.as_bytes(),
        )
        .execute(&mut *changing)
        .await?;
        begin_now(&mut changing, id, &[]).await?;
        let webhook =
            webhook_row!("where id = $1", id.0).fetch_one(&mut *changing).await?.try_into()?;
        changing.commit().await?;
        Ok(webhook)
    }

    /// Every webhook, oldest first.
    ///
    /// # Errors
    /// When Postgres does not answer.
    pub async fn webhooks(&self) -> Result<Vec<Webhook>, StoreError> {
        let rows = webhook_row!("order by id").fetch_all(&self.pool).await?;
        rows.into_iter().map(Webhook::try_from).collect()
    }

    /// One webhook.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when there is none.
    pub async fn webhook(&self, id: WebhookId) -> Result<Webhook, StoreError> {
        let row = webhook_row!("where id = $1", id.0).fetch_optional(&self.pool).await?;
        row.ok_or(StoreError::NotFound("webhook"))?.try_into()
    }

    /// What deliveries of a webhook are signed with.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when there is none, [`StoreError::Corrupt`] when it does not open.
    pub async fn webhook_secret(&self, id: WebhookId) -> Result<Zeroizing<Vec<u8>>, StoreError> {
        let stored = sqlx::query_scalar!("select secret from webhooks where id = $1", id.0)
            .fetch_optional(&self.pool)
            .await?
            .ok_or(StoreError::NotFound("webhook"))?;
        let opened = self.open_webhook_secret(id, stored)?;
        opened.map_err(|error| StoreError::corrupt(format!("the secret of webhook {id}: {error}")))
    }

    fn open_webhook_secret(
        &self,
        id: WebhookId,
        stored: Vec<u8>,
    ) -> Result<Result<Zeroizing<Vec<u8>>, OpenError>, StoreError> {
        let keys = self.keyring()?;
        let open = |sealed| keys.open(Purpose::WebhookSecret, &context(id), &sealed);
        Ok(Sealed::parse(stored).and_then(open))
    }

    /// Changes a webhook. Of gates that it now wants and did not before, it begins with what is recorded after. What
    /// waits because it failed is tried at once where the URL is another or it is switched on.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when there is none, or where it names a gate that there is not.
    pub async fn change_webhook(
        &self,
        author: &Author,
        id: WebhookId,
        change: &WebhookChange,
    ) -> Result<Webhook, StoreError> {
        let mut changing = self.changing(author).await?;
        let before: Webhook = webhook_row!("where id = $1 for no key update", id.0)
            .fetch_optional(&mut *changing)
            .await?
            .ok_or(StoreError::NotFound("webhook"))?
            .try_into()?;
        // One that was removed since may stay.
        let new = change.gate_ids.iter().flatten();
        let new: Vec<_> =
            new.filter(|gate| !before.filter.gate_ids.contains(gate)).copied().collect();
        gates_exist(&mut changing, &new).await?;
        if change.gate_ids.is_some() && !before.filter.gate_ids.is_empty() {
            begin_now(&mut changing, id, &before.filter.gate_ids).await?;
        }
        sqlx::query!(
            "update webhooks set url = coalesce($2, url), enabled = coalesce($3, enabled),
                 gate_ids = coalesce($4, gate_ids), decisions = coalesce($5, decisions),
                 alarms = coalesce($6, alarms)
             where id = $1",
            id.0,
            change.url.as_ref().map(WebhookUrl::as_str),
            change.enabled,
            change.gate_ids.as_deref().map(uuids) as Option<Vec<Uuid>>,
            change.decisions.as_deref().map(codes) as Option<Vec<String>>,
            change.alarms,
        )
        .execute(&mut *changing)
        .await?;
        let webhook: Webhook =
            webhook_row!("where id = $1", id.0).fetch_one(&mut *changing).await?.try_into()?;
        if webhook.url != before.url || (webhook.enabled && !before.enabled) {
            sqlx::query!(
                "update webhook_cursors set attempts = 0, retry_at = null
                 where webhook_id = $1 and attempts > 0",
                id.0,
            )
            .execute(&mut *changing)
            .await?;
        }
        changing.commit().await?;
        Ok(webhook)
    }

    /// Removes a webhook with its dead letters.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when there is none.
    pub async fn delete_webhook(&self, author: &Author, id: WebhookId) -> Result<(), StoreError> {
        let mut changing = self.changing(author).await?;
        let deleted = sqlx::query!("delete from webhooks where id = $1", id.0)
            .execute(&mut *changing)
            .await?;
        if deleted.rows_affected() == 0 {
            return Err(StoreError::NotFound("webhook"));
        }
        changing.commit().await
    }

    /// How many secrets of webhooks are sealed under each key.
    ///
    /// # Errors
    /// When Postgres does not answer.
    pub async fn webhook_secrets_by_key(&self) -> Result<Vec<(KeyId, u64)>, StoreError> {
        let counts = sqlx::query!(
            r#"select key_id as "key_id!", count(*) as "count!" from webhooks group by key_id order by key_id"#
        );
        let counts = counts.fetch_all(&self.pool).await?.into_iter();
        counts.map(|row| Ok((key_id(row.key_id)?, row.count.unsigned_abs()))).collect()
    }

    /// Seals the secrets of webhooks under the first key that are under another; returns how many, and those that
    /// do not open.
    ///
    /// # Errors
    /// When Postgres does not answer, or the system gives no random numbers.
    pub async fn reseal_webhook_secrets(
        &self,
    ) -> Result<(u64, Vec<(WebhookId, OpenError)>), StoreError> {
        let keys = self.keyring()?;
        let seals = keys.sealing_id();
        let mut transaction = self.pool.begin().await?;
        let rows = sqlx::query!(
            "select id, secret from webhooks where key_id <> $1 for no key update",
            seals.as_bytes(),
        )
        .fetch_all(&mut *transaction)
        .await?;
        let (mut resealed, mut unopened) = (0, Vec::new());
        for row in rows {
            let id = WebhookId(row.id);
            let secret = match self.open_webhook_secret(id, row.secret)? {
                Ok(secret) => secret,
                Err(error) => {
                    unopened.push((id, error));
                    continue;
                }
            };
            let sealed = keys.seal(Purpose::WebhookSecret, &context(id), &secret)?;
            sqlx::query!(
                "update webhooks set secret = $2 where id = $1",
                row.id,
                sealed.as_bytes()
            )
            .execute(&mut *transaction)
            .await?;
            resealed += 1;
        }
        transaction.commit().await?;
        Ok((resealed, unopened))
    }
}

/// The row that a secret belongs to. Its bytes open in no other.
fn context(id: WebhookId) -> Context {
    Context::new("webhook secret").field(id.0.as_bytes())
}

/// Whether there are these gates: of one that is misspelt nothing would ever be heard.
async fn gates_exist(connection: &mut PgConnection, gates: &[GateId]) -> Result<(), StoreError> {
    let exist = sqlx::query_scalar!(
        r#"select not exists (
               select from unnest($1::uuid[]) as named (id)
               where not exists (select from gates where gates.id = named.id)) as "exist!""#,
        &uuids(gates),
    );
    let exist = exist.fetch_one(connection).await?;
    if exist { Ok(()) } else { Err(StoreError::NotFound("gate")) }
}

/// Has a webhook begin with what is recorded after now, of every gate but these.
async fn begin_now(
    connection: &mut PgConnection,
    id: WebhookId,
    except: &[GateId],
) -> Result<(), StoreError> {
    sqlx::query!(
        "insert into webhook_cursors (webhook_id, gate_id, position)
         select $1, stream, length from chains where stream <> $2 and stream <> all($3)
         on conflict (webhook_id, gate_id) do update
             set position = excluded.position, attempts = 0, retry_at = null",
        id.0,
        Stream::CHANGES.0,
        &uuids(except),
    )
    .execute(connection)
    .await?;
    Ok(())
}

fn uuids(gates: &[GateId]) -> Vec<Uuid> {
    gates.iter().map(|gate| gate.0).collect()
}

fn codes(decisions: &[Decision]) -> Vec<String> {
    decisions.iter().map(|decision| decision.code().to_owned()).collect()
}
