//! The table `chains`: where each chain of the trail ends.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use sqlx::PgConnection;
use tracing::error;
use uuid::Uuid;

use super::{Store, StoreError};
use crate::domain::{Action, Author, ChainHash, Head, Stream};
use crate::secrets::Keyring;

/// Signs where chains end.
#[derive(Clone)]
pub(super) struct HeadSigner {
    key: SigningKey,
    /// What the ring's signatures are checked with.
    trusted: Vec<VerifyingKey>,
}

impl HeadSigner {
    /// Signs with the ring's first key.
    pub fn new(keyring: &Keyring) -> Self {
        let trusted = keyring.verifying_keys().into_iter().map(|(_, key)| key).collect();
        Self { key: keyring.signing_key(), trusted }
    }

    /// The public key that its signatures are checked with.
    fn public(&self) -> [u8; 32] {
        self.key.verifying_key().to_bytes()
    }

    /// The signature, and the public key that it is checked with.
    fn sign(&self, message: &[u8]) -> ([u8; 64], [u8; 32]) {
        (self.key.sign(message).to_bytes(), self.public())
    }

    /// Whether a key of the ring signed that head.
    fn signed(&self, head: &SignedHead) -> bool {
        self.trusted.iter().any(|key| head.is_signed_by(key))
    }
}

impl fmt::Debug for HeadSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HeadSigner")
    }
}

/// Where a chain ends, while it is locked.
#[derive(Clone, Copy, Debug)]
pub(super) struct ChainEnd {
    pub head: Head,
    /// Whether a key of the ring signed it so.
    pub sound: bool,
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
    pub unchained_passages: i64,
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
        let stream = Stream(row.stream);
        let count = |count: i64| {
            u64::try_from(count)
                .map_err(|_| StoreError::corrupt(format!("{stream}: a count is negative")))
        };
        let head = Head {
            stream,
            length: count(row.length)?,
            hash: ChainHash(bytes(row.hash)?),
            purged: count(row.purged)?,
            purged_hash: ChainHash(bytes(row.purged_hash)?),
            unchained: count(row.unchained_passages)?,
        };
        Ok(Self { head, signature })
    }
}

/// A statement that gives whole rows, from what stands after the columns.
macro_rules! head_row {
    ($after:literal $(, $value:expr)* $(,)?) => {
        sqlx::query_as!(
            $crate::store::chains::HeadRow,
            "select stream, length, hash, purged, purged_hash, unchained_passages, signature, signed_by from chains "
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

    /// The keys whose signatures of heads are trusted.
    ///
    /// # Errors
    /// [`StoreError::NoKeyring`] without keys.
    pub fn trusted_signers(&self) -> Result<&[VerifyingKey], StoreError> {
        Ok(&self.head_signer.as_ref().ok_or(StoreError::NoKeyring)?.trusted)
    }

    /// Checks that the keys belong to this database: whoever writes under others breaks every chain that they touch.
    ///
    /// # Errors
    /// [`StoreError::UnknownSigner`] when a head was signed with a key that is not among them.
    pub async fn check_signers(&self) -> Result<(), StoreError> {
        let trusted = &self.head_signer.as_ref().ok_or(StoreError::NoKeyring)?.trusted;
        // What no key signed is for the audit to find, and bars nobody.
        let mut signers = self.heads().await?.into_iter().filter_map(|signed| {
            let (_, key) = signed.signature?;
            VerifyingKey::from_bytes(&key).is_ok_and(|key| signed.is_signed_by(&key)).then_some(key)
        });
        let known = |key: &[u8; 32]| trusted.iter().any(|trusted| trusted.as_bytes() == key);
        let signer = signers.find(|key| !known(key));
        signer.map_or(Ok(()), |signer| {
            let given = trusted.iter().map(VerifyingKey::to_bytes).collect();
            Err(StoreError::UnknownSigner { signer, given })
        })
    }

    /// Signs the heads with the ring's first key that `old`, which is lost, signed; returns how many. It is noted as a
    /// change.
    ///
    /// # Errors
    /// When Postgres does not answer.
    pub async fn take_over_heads(
        &self,
        author: &Author,
        old: &VerifyingKey,
    ) -> Result<usize, StoreError> {
        let mut changing = self.changing(author).await?;
        // All of them or none, with the note; the chain of the changes last, as whoever locks two does.
        let rows = head_row!("order by stream desc for update").fetch_all(&mut *changing).await?;
        let heads = rows.into_iter().map(SignedHead::try_from).collect::<Result<Vec<_>, _>>()?;
        let taken: Vec<Head> = heads
            .iter()
            .filter(|signed| signed.is_signed_by(old))
            .map(|signed| signed.head)
            .collect();
        if taken.is_empty() {
            // Nothing is chained behind heads that are still another's.
            return Ok(0);
        }
        for head in &taken {
            self.advance(&mut changing, &ChainEnd { head: *head, sound: true }).await?;
        }
        let taken = taken.len();
        let details = serde_json::json!({
            "before": {"signed_by": URL_SAFE_NO_PAD.encode(old.as_bytes())},
            "after": {"heads_signed_anew": taken},
        });
        let (kind, subject) = ("chains", Stream::CHANGES.0);
        changing.note(Action::Changed, kind, subject, None, &details.to_string()).await?;
        changing.commit().await?;
        Ok(taken)
    }

    /// Signs the heads with the ring's first key that another key of the ring signed; those that none of them
    /// did stay as they are, for the audit to find.
    ///
    /// # Errors
    /// When Postgres does not answer.
    pub async fn sign_heads_anew(&self) -> Result<(), StoreError> {
        let signer = self.head_signer.as_ref().ok_or(StoreError::NoKeyring)?;
        for signed in self.heads().await? {
            if signed.signature.is_some_and(|(_, key)| key == signer.public()) {
                continue;
            }
            let mut transaction = self.pool.begin().await?;
            let end = self.lock(&mut transaction, signed.head.stream).await?;
            if end.sound {
                self.advance(&mut transaction, &end).await?;
                transaction.commit().await?;
            }
        }
        Ok(())
    }

    /// Signs the heads of chains that begin, where nothing was chained or signed yet.
    ///
    /// # Errors
    /// When Postgres does not answer.
    pub async fn sign_first_heads(&self) -> Result<(), StoreError> {
        let mut transaction = self.pool.begin().await?;
        // The chain of the changes last, as whoever locks two does.
        let rows =
            head_row!("order by stream desc for update").fetch_all(&mut *transaction).await?;
        let heads = rows.into_iter().map(SignedHead::try_from).collect::<Result<Vec<_>, _>>()?;
        let new = |signed: &SignedHead| {
            signed.signature.is_none() && signed.head.length == 0 && signed.head.purged == 0
        };
        // Once anything was signed or chained, what is not signed is for the audit to find.
        if !heads.iter().all(new) {
            return Ok(());
        }
        for SignedHead { head, .. } in heads {
            self.advance(&mut transaction, &ChainEnd { head, sound: true }).await?;
        }
        Ok(transaction.commit().await?)
    }

    /// Where a chain ends, with which nobody else goes on until the commit.
    pub(super) async fn lock(
        &self,
        connection: &mut PgConnection,
        stream: Stream,
    ) -> Result<ChainEnd, StoreError> {
        let row = head_row!("where stream = $1 for update", stream.0).fetch_optional(connection);
        let signed: SignedHead = row.await?.ok_or(StoreError::NotFound("chain"))?.try_into()?;
        let sound = self.head_signer.as_ref().ok_or(StoreError::NoKeyring)?.signed(&signed);
        if !sound {
            error!(%stream, "the head of this chain is not what Limen signed: run `limen audit verify`");
        }
        Ok(ChainEnd { head: signed.head, sound })
    }

    /// Puts down where a chain ends now, signed. The chain was locked. One whose head was not what Limen signed
    /// goes on and is not signed again: the audit finds it.
    pub(super) async fn advance(
        &self,
        connection: &mut PgConnection,
        ChainEnd { head, sound }: &ChainEnd,
    ) -> Result<(), StoreError> {
        let signer = self.head_signer.as_ref().ok_or(StoreError::NoKeyring)?;
        let (signature, signed_by) = signer.sign(&head.message());
        let advanced = sqlx::query!(
            "update chains set length = $2, hash = $3, purged = $4, purged_hash = $5,
                 unchained_passages = $6,
                 signature = case when $9 then $7 else signature end,
                 signed_by = case when $9 then $8 else signed_by end
             where stream = $1",
            head.stream.0,
            head.length.cast_signed(),
            &head.hash.0,
            head.purged.cast_signed(),
            &head.purged_hash.0,
            head.unchained.cast_signed(),
            &signature,
            &signed_by,
            sound,
        )
        .execute(connection)
        .await?;
        if advanced.rows_affected() == 1 { Ok(()) } else { Err(StoreError::NotFound("chain")) }
    }
}

/// Bytes of a column whose length the schema holds.
pub(super) fn bytes<const N: usize>(stored: Vec<u8>) -> Result<[u8; N], StoreError> {
    let length = stored.len();
    stored.try_into().map_err(|_| StoreError::corrupt(format!("{length} bytes where {N} are kept")))
}
