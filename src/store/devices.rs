//! What gates sign with: the rows of `api_keys` that have a secret, and the table `device_clocks`.
//!
//! A credential is valid, ends, is revoked, listed and traced as any key. A row counts here while it can still open
//! something: the secret of one that cannot is never opened again.

use std::time::Duration;

use uuid::Uuid;
use zeroize::Zeroizing;

use super::ground::lock_access;
use super::sealing::key_id;
use super::{ApiKey, KeyDraft, Store, StoreError};
use crate::domain::{Author, GateId, KeyId};
use crate::secrets::{self, Context, OpenError, Purpose, Sealed};

/// Why the secret of a credential cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DeviceSecretError {
    /// It is an API key.
    #[error("it is no credential that signs")]
    NoCredential,
    /// The keys were not given.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It does not open.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// What it holds is no secret.
    #[error("a secret has 32 bytes")]
    Length,
}

/// What became of the moment at which a request was signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TakenTimestamp {
    /// Microseconds since 1970 by Postgres' clock.
    pub now_us: i64,
    /// Whether it was taken.
    pub taken: bool,
}

/// What a resealing of the secrets did.
#[derive(Debug)]
pub struct ResealedSecrets {
    /// How many are sealed under the first key now, which were not before.
    pub secrets: u64,
    /// Those that do not open, and why.
    pub unopened: Vec<(KeyId, OpenError)>,
}

/// The place of a secret: it opens in no other row, and for no other gate.
fn context(key: KeyId, gate: GateId) -> Context {
    Context::new("device secret").field(key.0.as_bytes()).field(gate.0.as_bytes())
}

impl Store {
    /// Creates a credential of the draft's gate; the others of that gate end after `overlap`, at once where it is
    /// zero. API keys that are bound to the gate stay.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when there is no such gate.
    pub async fn create_credential(
        &self,
        author: &Author,
        draft: &KeyDraft,
        secret: &[u8; 32],
        overlap: Duration,
    ) -> Result<(), StoreError> {
        let gate = draft.gate_id.ok_or(StoreError::NotFound("gate"))?;
        let sealed =
            self.keyring()?.seal(Purpose::DeviceSecret, &context(draft.id, gate), secret)?;
        let mut changing = self.changing(author).await?;
        // Of several that are made at once each sees those before it.
        lock_access(&mut changing).await?;
        sqlx::query!(
            "update api_keys set
                 revoked_at = case when $2::float8 = 0 then clock_timestamp() end,
                 expires_at = case when $2::float8 = 0 then expires_at
                                   else least(expires_at, clock_timestamp() + make_interval(secs => $2)) end
             where gate_id = $1 and signing_secret is not null and revoked_at is null",
            gate.0,
            overlap.as_secs_f64(),
        )
        .execute(&mut *changing)
        .await?;
        sqlx::query!(
            "insert into api_keys (id, name, secret_sha256, scopes, gate_id, expires_at, signing_secret)
             values ($1, $2, $3, $4, $5, $6, $7)",
            draft.id.0,
            draft.name.as_str(),
            &draft.secret_sha256,
            &draft.scopes.iter().map(ToString::to_string).collect::<Vec<_>>(),
            gate.0,
            draft.expires_at,
            sealed.as_bytes(),
        )
        .execute(&mut *changing)
        .await?;
        changing.commit().await
    }

    /// The secret of a credential.
    ///
    /// # Errors
    /// When it is an API key, or does not open.
    pub fn device_secret(&self, key: &ApiKey) -> Result<Zeroizing<[u8; 32]>, DeviceSecretError> {
        let (Some(stored), Some(gate)) = (&key.signing_secret, key.draft.gate_id) else {
            return Err(DeviceSecretError::NoCredential);
        };
        let sealed = Sealed::parse(stored.clone())?;
        let place = context(key.draft.id, gate);
        let plain = self.keyring()?.open(Purpose::DeviceSecret, &place, &sealed)?;
        let mut secret = Zeroizing::new([0; 32]);
        if plain.len() != secret.len() {
            return Err(DeviceSecretError::Length);
        }
        secret.copy_from_slice(&plain);
        Ok(secret)
    }

    /// Takes the moment at which a request was signed, if it is newer than that of every one before, whichever
    /// replica took those, and whenever; and if it lies at most `age_max` behind Postgres' clock and `skew_max`
    /// ahead of it. One statement, so that of two only one is taken.
    ///
    /// # Errors
    /// When Postgres does not answer.
    pub async fn take_timestamp(
        &self,
        key: KeyId,
        timestamp_us: i64,
        age_max: Duration,
        skew_max: Duration,
    ) -> Result<TakenTimestamp, StoreError> {
        let row = sqlx::query!(
            r#"with clock as materialized (
                   select (extract(epoch from clock_timestamp()) * 1000000)::bigint as now_us
               ), taken as (
                   insert into device_clocks (key_id, timestamp_us)
                   select $1, $2::bigint from clock where now_us - $2::bigint between -$4::bigint and $3::bigint
                   on conflict (key_id) do update set timestamp_us = excluded.timestamp_us
                   where device_clocks.timestamp_us < excluded.timestamp_us
                   returning key_id
               )
               select now_us as "now_us!", exists (select from taken) as "taken!" from clock"#,
            key.0,
            timestamp_us,
            age_max.as_micros() as i64,
            skew_max.as_micros() as i64,
        )
        .fetch_one(&self.pool)
        .await?;
        Ok(TakenTimestamp { now_us: row.now_us, taken: row.taken })
    }

    /// How many secrets of credentials are sealed under each key.
    ///
    /// # Errors
    /// When Postgres does not answer.
    pub async fn device_secrets_by_key(&self) -> Result<Vec<(secrets::KeyId, u64)>, StoreError> {
        sqlx::query!(
            r#"select substring(signing_secret from 2 for 8) as "key_id!", count(*) as "count!" from api_keys
               where signing_secret is not null and revoked_at is null and coalesce(expires_at > now(), true)
               group by 1 order by 1"#
        )
        .fetch_all(&self.pool)
        .await?
        .into_iter()
        .map(|row| Ok((key_id(row.key_id)?, row.count.unsigned_abs())))
        .collect()
    }

    /// Seals the secrets of credentials under the first key that are under another, one after the other: a change
    /// of a key waits for passages, and these for it.
    ///
    /// # Errors
    /// When Postgres does not answer, or the system gives no random numbers.
    pub async fn reseal_device_secrets(&self) -> Result<ResealedSecrets, StoreError> {
        let keys = self.keyring()?;
        let seals = keys.sealing_id();
        let rows = sqlx::query!(
            r#"select id, gate_id as "gate_id!", signing_secret as "signing_secret!" from api_keys
               where signing_secret is not null and revoked_at is null and coalesce(expires_at > now(), true)
                 and substring(signing_secret from 2 for 8) <> $1"#,
            seals.as_bytes(),
        )
        .fetch_all(&self.pool)
        .await?;
        let mut done = ResealedSecrets { secrets: 0, unopened: Vec::new() };
        for row in rows {
            let place = context(KeyId(row.id), GateId(row.gate_id));
            let plain = Sealed::parse(row.signing_secret.clone())
                .and_then(|sealed| keys.open(Purpose::DeviceSecret, &place, &sealed));
            match plain {
                Ok(plain) => {
                    let sealed = keys.seal(Purpose::DeviceSecret, &place, &plain)?;
                    // Not locked before: a change of a key takes the lock of 0008 before its row.
                    let updated = sqlx::query!(
                        "update api_keys set signing_secret = $3 where id = $1 and signing_secret = $2",
                        row.id,
                        row.signing_secret,
                        sealed.as_bytes(),
                    )
                    .execute(&self.pool)
                    .await?;
                    done.secrets += updated.rows_affected();
                }
                Err(error) => done.unopened.push((KeyId(row.id), error)),
            }
        }
        Ok(done)
    }

    /// Revokes the credentials whose secrets are sealed under a key that is lost; returns whose.
    ///
    /// # Errors
    /// When Postgres does not answer.
    pub async fn revoke_credentials_of_key(
        &self,
        author: &Author,
        key: secrets::KeyId,
    ) -> Result<Vec<GateId>, StoreError> {
        let mut changing = self.changing(author).await?;
        let gates: Vec<Uuid> = sqlx::query_scalar!(
            r#"update api_keys set revoked_at = now()
               where signing_secret is not null and revoked_at is null
                 and substring(signing_secret from 2 for 8) = $1
               returning gate_id as "gate_id!""#,
            key.as_bytes(),
        )
        .fetch_all(&mut *changing)
        .await?;
        changing.commit().await?;
        Ok(gates.into_iter().map(GateId).collect())
    }
}
