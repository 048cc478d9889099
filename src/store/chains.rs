//! The table `chains`: where each chain of the trail ends.

use std::fmt;

use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use sqlx::PgConnection;
use uuid::Uuid;

use super::{Store, StoreError};
use crate::domain::{ChainHash, Head, Stream};
use crate::secrets::Keyring;

/// Signs where chains end.
#[derive(Clone)]
pub(super) struct HeadSigner(SigningKey);

impl HeadSigner {
    /// Signs with the ring's first key.
    pub fn new(keyring: &Keyring) -> Self {
        Self(keyring.signing_key())
    }

    /// The public key that its signatures are checked with.
    fn public(&self) -> [u8; 32] {
        self.0.verifying_key().to_bytes()
    }

    /// The signature, and the public key that it is checked with.
    fn sign(&self, message: &[u8]) -> ([u8; 64], [u8; 32]) {
        (self.0.sign(message).to_bytes(), self.public())
    }
}

impl fmt::Debug for HeadSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HeadSigner")
    }
}

/// A head with the signature that was made of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignedHead {
    /// The head.
    pub head: Head,
    /// Ed25519 over [`Head::message`], and the public key that it was made for; none as long as nothing was
    /// chained.
    pub signature: Option<([u8; 64], [u8; 32])>,
}

impl SignedHead {
    /// Whether that key signed the head.
    #[must_use]
    pub fn is_signed_by(&self, key: &VerifyingKey) -> bool {
        self.signature.is_some_and(|(signature, public)| {
            let signature = Signature::from_bytes(&signature);
            key.as_bytes() == &public && key.verify_strict(&self.head.message(), &signature).is_ok()
        })
    }
}

pub(super) struct HeadRow {
    pub stream: Uuid,
    pub length: i64,
    pub hash: Vec<u8>,
    pub purged: i64,
    pub purged_hash: Vec<u8>,
    pub unchained: i64,
    pub signature: Option<Vec<u8>>,
    pub signed_by: Option<Vec<u8>>,
}

impl TryFrom<HeadRow> for SignedHead {
    type Error = StoreError;

    fn try_from(row: HeadRow) -> Result<Self, StoreError> {
        let signature = match (row.signature, row.signed_by) {
            (Some(signature), Some(key)) => Some((bytes(signature)?, bytes(key)?)),
            _ => None,
        };
        let head = Head {
            stream: Stream(row.stream),
            length: row.length.unsigned_abs(),
            hash: ChainHash(bytes(row.hash)?),
            purged: row.purged.unsigned_abs(),
            purged_hash: ChainHash(bytes(row.purged_hash)?),
            unchained: row.unchained.unsigned_abs(),
        };
        Ok(Self { head, signature })
    }
}

/// A statement that gives whole rows, from what stands after the columns.
macro_rules! head_row {
    ($after:literal $(, $value:expr)* $(,)?) => {
        sqlx::query_as!(
            $crate::store::chains::HeadRow,
            "select stream, length, hash, purged, purged_hash, unchained, signature, signed_by from chains "
                + $after
            $(, $value)*
        )
    };
}
pub(super) use head_row;

impl Store {
    /// Where every chain ends: that of the changes first.
    ///
    /// # Errors
    /// When Postgres does not answer.
    pub async fn heads(&self) -> Result<Vec<SignedHead>, StoreError> {
        let rows = head_row!("order by stream").fetch_all(&self.pool).await?;
        rows.into_iter().map(SignedHead::try_from).collect()
    }

    /// Signs the heads with the ring's first key that another key of the ring signed; those that none of them
    /// did stay as they are, for the audit to find.
    ///
    /// # Errors
    /// When Postgres does not answer.
    pub async fn sign_heads_anew(&self) -> Result<(), StoreError> {
        let signer = self.head_signer.as_ref().ok_or(StoreError::NoKeyring)?;
        let trusted = self.keyring()?.verifying_keys();
        for signed in self.heads().await? {
            if signed.signature.is_some_and(|(_, key)| key == signer.public()) {
                continue;
            }
            let mut transaction = self.pool.begin().await?;
            let signed = lock(&mut transaction, signed.head.stream).await?;
            if trusted.iter().any(|(_, key)| signed.is_signed_by(key)) {
                self.advance(&mut transaction, &signed.head).await?;
                transaction.commit().await?;
            }
        }
        Ok(())
    }

    /// Signs the heads of chains that begin: of a database that has none, all.
    pub(super) async fn sign_first_heads(&self) -> Result<(), StoreError> {
        let mut transaction = self.pool.begin().await?;
        // Once something was chained, what is not signed is for the audit to find.
        if lock(&mut transaction, Stream::CHANGES).await?.signature.is_some() {
            return Ok(());
        }
        let heads = head_row!("for update").fetch_all(&mut *transaction).await?;
        for row in heads {
            self.advance(&mut transaction, &SignedHead::try_from(row)?.head).await?;
        }
        Ok(transaction.commit().await?)
    }

    /// Puts down where a chain ends now, signed. The chain was locked.
    pub(super) async fn advance(
        &self,
        connection: &mut PgConnection,
        head: &Head,
    ) -> Result<(), StoreError> {
        let signer = self.head_signer.as_ref().ok_or(StoreError::NoKeyring)?;
        let (signature, signed_by) = signer.sign(&head.message());
        let advanced = sqlx::query!(
            "update chains set length = $2, hash = $3, purged = $4, purged_hash = $5,
                 unchained = $6, signature = $7, signed_by = $8
             where stream = $1",
            head.stream.0,
            head.length.cast_signed(),
            &head.hash.0,
            head.purged.cast_signed(),
            &head.purged_hash.0,
            head.unchained.cast_signed(),
            &signature,
            &signed_by,
        )
        .execute(connection)
        .await?;
        if advanced.rows_affected() == 1 { Ok(()) } else { Err(StoreError::NotFound("chain")) }
    }
}

/// The head of a chain, which nobody else goes on with until the commit.
pub(super) async fn lock(
    connection: &mut PgConnection,
    stream: Stream,
) -> Result<SignedHead, StoreError> {
    let row =
        head_row!("where stream = $1 for update", stream.0).fetch_optional(connection).await?;
    row.ok_or(StoreError::NotFound("chain"))?.try_into()
}

/// Bytes of a column whose length the schema holds.
pub(super) fn bytes<const N: usize>(stored: Vec<u8>) -> Result<[u8; N], StoreError> {
    let length = stored.len();
    stored.try_into().map_err(|_| StoreError::corrupt(format!("{length} bytes where {N} are kept")))
}
