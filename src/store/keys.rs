//! The table `api_keys`.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Store, StoreError};
use crate::domain::{GateId, KeyId};

/// What a key allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Frames: passages, verify, recognize, liveness.
    Gate,
    /// People, faces, gates, the trail, and the candidates of a recognition.
    Admin,
    /// `/metrics`.
    Metrics,
}

impl Scope {
    /// The stored form, also that of the command line.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Gate => "gate",
            Self::Admin => "admin",
            Self::Metrics => "metrics",
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Scope {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        [Self::Gate, Self::Admin, Self::Metrics]
            .into_iter()
            .find(|scope| scope.as_str() == text)
            .ok_or_else(|| format!("{text:?} is no scope: gate, admin or metrics"))
    }
}

/// A key to be created; only the hash of its secret is stored.
#[derive(Clone, Debug)]
pub struct KeyDraft {
    /// Its public half.
    pub id: KeyId,
    /// Who uses it.
    pub name: String,
    /// SHA-256 of its secret half.
    pub secret_sha256: [u8; 32],
    /// What it allows; at least one.
    pub scopes: BTreeSet<Scope>,
    /// The gate whose passages alone it may ask for, where it is bound to one.
    pub gate_id: Option<GateId>,
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
}

/// A statement that gives whole rows, from what stands before the columns and after them. They are named:
/// Postgres refuses to run a prepared `*` once a migration has added one, and a replica of before would
/// answer nothing until its connections end.
macro_rules! key_row {
    ($before:literal, $after:literal $(, $value:expr)* $(,)?) => {
        sqlx::query_as!(
            $crate::store::keys::KeyRow,
            $before
                + "id, name, secret_sha256, scopes, gate_id, created_at, revoked_at"
                + $after
            $(, $value)*
        )
    };
}

struct KeyRow {
    id: Uuid,
    name: String,
    secret_sha256: Vec<u8>,
    scopes: Vec<String>,
    gate_id: Option<Uuid>,
    created_at: DateTime<Utc>,
    revoked_at: Option<DateTime<Utc>>,
}

impl TryFrom<KeyRow> for ApiKey {
    type Error = StoreError;

    fn try_from(row: KeyRow) -> Result<Self, StoreError> {
        Ok(Self {
            draft: KeyDraft {
                id: KeyId(row.id),
                name: row.name,
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
            },
            created_at: row.created_at,
            revoked_at: row.revoked_at,
        })
    }
}

impl Store {
    /// Creates a key.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when it is bound to a gate that does not exist.
    pub async fn create_key(&self, draft: &KeyDraft) -> Result<(), StoreError> {
        let scopes: Vec<String> = draft.scopes.iter().map(Scope::to_string).collect();
        sqlx::query!(
            "insert into api_keys (id, name, secret_sha256, scopes, gate_id)
             values ($1, $2, $3, $4, $5)",
            draft.id.0,
            draft.name,
            &draft.secret_sha256,
            &scopes,
            draft.gate_id.map(|id| id.0),
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// The key with this public half, revoked or not.
    ///
    /// # Errors
    /// When Postgres does not answer.
    pub async fn key(&self, id: KeyId) -> Result<Option<ApiKey>, StoreError> {
        key_row!("select ", " from api_keys where id = $1", id.0)
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
        key_row!("select ", " from api_keys order by id")
            .fetch_all(&self.pool)
            .await?
            .into_iter()
            .map(ApiKey::try_from)
            .collect()
    }

    /// Revokes a key at once; revoking it again changes nothing.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when there is none.
    pub async fn revoke_key(&self, id: KeyId) -> Result<(), StoreError> {
        let revoked = sqlx::query!(
            "update api_keys set revoked_at = coalesce(revoked_at, now()) where id = $1",
            id.0
        )
        .execute(&self.pool)
        .await?
        .rows_affected();
        if revoked == 0 { Err(StoreError::NotFound("API key")) } else { Ok(()) }
    }
}
