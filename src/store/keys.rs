//! The table `api_keys`.

use std::collections::{BTreeSet, HashSet};

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{Store, StoreError};
use crate::domain::{Author, GateId, Identity, KeyId, KeyName, Scope};

/// A key to be created; only the hash of its secret is stored.
#[derive(Clone, Debug)]
pub struct KeyDraft {
    /// Its public half.
    pub id: KeyId,
    /// Who uses it.
    pub name: KeyName,
    /// SHA-256 of its secret half.
    pub secret_sha256: [u8; 32],
    /// What it allows; at least one.
    pub scopes: BTreeSet<Scope>,
    /// The gate whose passages alone it may ask for, where it is bound to one.
    pub gate_id: Option<GateId>,
    /// From when on it opens nothing; none: it does not end by itself.
    pub expires_at: Option<DateTime<Utc>>,
}

/// A key as stored.
#[derive(Clone, Debug)]
pub struct ApiKey {
    /// What was drafted.
    pub draft: KeyDraft,
    /// When it was created.
    pub created_at: DateTime<Utc>,
    /// When it was revoked.
    pub revoked_at: Option<DateTime<Utc>>,
    /// When it was last used, to the minute; none: never.
    pub last_used_at: Option<DateTime<Utc>>,
    /// Whether it opens anything, by Postgres' clock: it was not revoked and has not ended.
    pub valid: bool,
    /// Whom it stands for, where somebody signs in by an OpenID provider: nobody has its secret half.
    pub identity: Option<Identity>,
    /// Since when whom a revoked one stood for may sign in again, with another.
    pub readmitted_at: Option<DateTime<Utc>>,
    /// Whether it is time to note that it is used.
    use_is_due: bool,
    /// The sealed secret of one that signs.
    pub(super) signing_secret: Option<Vec<u8>>,
}

impl ApiKey {
    /// Whether it is a credential that a gate signs with, rather than a key that is shown itself.
    #[must_use]
    pub fn signs(&self) -> bool {
        self.signing_secret.is_some()
    }
}

/// A statement that gives whole rows, from what stands after the columns. They are named:
/// Postgres refuses to run a prepared `*` once a migration has added one, and a replica of before would
/// answer nothing until its connections end.
macro_rules! key_row {
    ($after:literal $(, $value:expr)* $(,)?) => {
        sqlx::query_as!(
            $crate::store::keys::KeyRow,
            "select "
                + r#"id as "id!", name as "name!", secret_sha256 as "secret_sha256!", scopes as "scopes!", gate_id,
             created_at as "created_at!", revoked_at, expires_at, oidc_issuer, oidc_subject,
             readmitted_at, signing_secret, last_used_at as "last_used_at?",
             revoked_at is null and coalesce(expires_at > now(), true) as "valid!",
             coalesce(last_used_at < now() - interval '1 minute', true) as "use_is_due!"
             from api_keys left join api_key_uses on key_id = id "#
                + $after
            $(, $value)*
        )
    };
}

pub(super) use key_row;

pub(super) struct KeyRow {
    pub(super) id: Uuid,
    pub(super) name: String,
    pub(super) secret_sha256: Vec<u8>,
    pub(super) scopes: Vec<String>,
    pub(super) gate_id: Option<Uuid>,
    pub(super) created_at: DateTime<Utc>,
    pub(super) revoked_at: Option<DateTime<Utc>>,
    pub(super) expires_at: Option<DateTime<Utc>>,
    pub(super) last_used_at: Option<DateTime<Utc>>,
    pub(super) oidc_issuer: Option<String>,
    pub(super) oidc_subject: Option<String>,
    pub(super) readmitted_at: Option<DateTime<Utc>>,
    pub(super) signing_secret: Option<Vec<u8>>,
    pub(super) valid: bool,
    pub(super) use_is_due: bool,
}

impl TryFrom<KeyRow> for ApiKey {
    type Error = StoreError;

    fn try_from(row: KeyRow) -> Result<Self, StoreError> {
        Ok(Self {
            draft: KeyDraft {
                id: KeyId(row.id),
                name: row.name.try_into().map_err(StoreError::corrupt)?,
                secret_sha256: row
                    .secret_sha256
                    .try_into()
                    .map_err(|_| StoreError::corrupt("a key's hash is not 32 bytes"))?,
                scopes: row
                    .scopes
                    .iter()
                    .map(|s| s.parse())
                    .collect::<Result<_, _>>()
                    .map_err(StoreError::corrupt)?,
                gate_id: row.gate_id.map(GateId),
                expires_at: row.expires_at,
            },
            created_at: row.created_at,
            revoked_at: row.revoked_at,
            last_used_at: row.last_used_at,
            valid: row.valid,
            identity: row
                .oidc_issuer
                .zip(row.oidc_subject)
                .map(|(issuer, subject)| Identity { issuer, subject }),
            readmitted_at: row.readmitted_at,
            use_is_due: row.use_is_due,
            signing_secret: row.signing_secret,
        })
    }
}

impl Store {
    /// The keys that are neither revoked nor over.
    ///
    /// # Errors
    /// When Postgres does not answer.
    pub async fn valid_keys(&self) -> Result<HashSet<KeyId>, StoreError> {
        let ids = sqlx::query_scalar!(
            "select id from api_keys where revoked_at is null and coalesce(expires_at > now(), true)"
        );
        Ok(ids.fetch_all(&self.pool).await?.into_iter().map(KeyId).collect())
    }

    /// Creates a key.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when it is bound to a gate that does not exist.
    pub async fn create_key(
        &self,
        author: &Author,
        draft: &KeyDraft,
    ) -> Result<ApiKey, StoreError> {
        let mut changing = self.changing(author).await?;
        let scopes: Vec<String> = draft.scopes.iter().map(Scope::to_string).collect();
        sqlx::query!(
            "insert into api_keys (id, name, secret_sha256, scopes, gate_id, expires_at)
             values ($1, $2, $3, $4, $5, $6)",
            draft.id.0,
            draft.name.as_str(),
            &draft.secret_sha256,
            &scopes,
            draft.gate_id.map(|id| id.0),
            draft.expires_at,
        )
        .execute(&mut *changing)
        .await?;
        let key =
            key_row!("where id = $1", draft.id.0).fetch_one(&mut *changing).await?.try_into()?;
        changing.commit().await?;
        Ok(key)
    }

    /// The key with this public half, revoked or not.
    ///
    /// # Errors
    /// When Postgres does not answer.
    pub async fn key(&self, id: KeyId) -> Result<Option<ApiKey>, StoreError> {
        key_row!("where id = $1", id.0)
            .fetch_optional(&self.pool)
            .await?
            .map(ApiKey::try_from)
            .transpose()
    }

    /// Every key, oldest first.
    ///
    /// # Errors
    /// When Postgres does not answer.
    pub async fn keys(&self) -> Result<Vec<ApiKey>, StoreError> {
        key_row!("order by id")
            .fetch_all(&self.pool)
            .await?
            .into_iter()
            .map(ApiKey::try_from)
            .collect()
    }

    /// At most `limit` keys in the order of their creation, beginning after `after`.
    ///
    /// # Errors
    /// When Postgres does not answer.
    pub async fn keys_after(
        &self,
        after: Option<KeyId>,
        limit: u32,
    ) -> Result<Vec<ApiKey>, StoreError> {
        key_row!(
            "where ($1::uuid is null or id > $1) order by id limit $2",
            after.map(|id| id.0),
            i64::from(limit),
        )
        .fetch_all(&self.pool)
        .await?
        .into_iter()
        .map(ApiKey::try_from)
        .collect()
    }

    /// Notes that a key is used now, where that is due.
    ///
    /// # Errors
    /// When Postgres does not answer.
    pub async fn note_use(&self, key: &ApiKey) -> Result<(), StoreError> {
        if !key.use_is_due {
            return Ok(());
        }
        sqlx::query!(
            "insert into api_key_uses (key_id, last_used_at) values ($1, now())
             on conflict (key_id) do update set last_used_at = now()
             where api_key_uses.last_used_at < now() - interval '1 minute'",
            key.draft.id.0,
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Revokes a key at once; revoking it again changes nothing.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when there is none.
    pub async fn revoke_key(&self, author: &Author, id: KeyId) -> Result<(), StoreError> {
        let mut changing = self.changing(author).await?;
        let revoked = sqlx::query!(
            "update api_keys set revoked_at = coalesce(revoked_at, now()) where id = $1",
            id.0
        )
        .execute(&mut *changing)
        .await?
        .rows_affected();
        if revoked == 0 {
            return Err(StoreError::NotFound("API key"));
        }
        changing.commit().await
    }
}
