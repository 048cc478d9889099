//! Heads that are kept elsewhere than in the database.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::domain::{ChainHash, Head, Stream};
use crate::store::SignedHead;

/// Where a chain ends, signed: kept elsewhere, it proves what the trail was then. In a file, one line of JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct KeptHead {
    /// When it was read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read_at: Option<DateTime<Utc>>,
    /// The gate; none: what was administered.
    pub gate_id: Option<Uuid>,
    /// How many records the chain has had.
    pub length: u64,
    /// The hash of the last one, in hexadecimal digits.
    pub hash: String,
    /// How many of them were purged when their time was over,
    pub purged: u64,
    /// and the hash of the last of those.
    pub purged_hash: String,
    /// Records from before there were chains.
    pub unchained: u64,
    /// Ed25519, in base64url; none where it was never signed.
    pub signature: Option<String>,
    /// The public key that it was made for, in base64url.
    pub public_key: Option<String>,
}

/// Why a line is no head.
#[derive(Debug, thiserror::Error)]
pub enum KeptHeadError {
    /// Not JSON of this form.
    #[error("no head: {0}")]
    Form(#[from] serde_json::Error),
    /// A hash, a signature or a key of a wrong form.
    #[error("no head: {0} is not of the right form")]
    Value(&'static str),
}

impl KeptHead {
    /// A head as it is to be kept.
    #[must_use]
    pub fn new(signed: &SignedHead, read_at: DateTime<Utc>) -> Self {
        let SignedHead { head, signature } = signed;
        Self {
            read_at: Some(read_at),
            gate_id: Some(head.stream.0).filter(|_| head.stream != Stream::CHANGES),
            length: head.length,
            hash: head.hash.to_string(),
            purged: head.purged,
            purged_hash: head.purged_hash.to_string(),
            unchained: head.unchained,
            signature: signature.map(|(signature, _)| URL_SAFE_NO_PAD.encode(signature)),
            public_key: signature.map(|(_, key)| URL_SAFE_NO_PAD.encode(key)),
        }
    }

    /// Reads a line.
    ///
    /// # Errors
    /// When it is no head.
    pub fn signed(&self) -> Result<SignedHead, KeptHeadError> {
        let signature = match (&self.signature, &self.public_key) {
            (Some(signature), Some(key)) => Some((base64(signature)?, base64(key)?)),
            _ => None,
        };
        let head = Head {
            stream: self.gate_id.map_or(Stream::CHANGES, Stream),
            length: self.length,
            hash: hash(&self.hash)?,
            purged: self.purged,
            purged_hash: hash(&self.purged_hash)?,
            unchained: self.unchained,
        };
        Ok(SignedHead { head, signature })
    }
}

fn base64<const N: usize>(text: &str) -> Result<[u8; N], KeptHeadError> {
    let bytes = URL_SAFE_NO_PAD.decode(text).ok().and_then(|bytes| bytes.try_into().ok());
    bytes.ok_or(KeptHeadError::Value("a signature or a key"))
}

fn hash(text: &str) -> Result<ChainHash, KeptHeadError> {
    let wrong = KeptHeadError::Value("a hash");
    if text.len() != 64 || !text.is_ascii() {
        return Err(wrong);
    }
    let mut bytes = [0; 32];
    for (byte, digits) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
        let digits = std::str::from_utf8(digits).unwrap_or_default();
        *byte = u8::from_str_radix(digits, 16).map_err(|_| KeptHeadError::Value("a hash"))?;
    }
    Ok(ChainHash(bytes))
}
