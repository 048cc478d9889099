//! What was sealed, as it is stored.

use std::fmt;

use super::{KeyId, OpenError};

/// Bytes of a nonce: 96 bits, drawn anew each time.
pub(super) const NONCE_BYTES: usize = 12;

/// Bytes of the tag, which tells whether anything was altered.
const TAG_BYTES: usize = 16;

/// The layout below and the ciphers that go with it.
const VERSION: u8 = 1;

/// Bytes before the nonce: the version and the key's id. They are authenticated with what is sealed.
const HEADER_BYTES: usize = 1 + KeyId::BYTES;

/// What was sealed:
///
/// ```text
/// version 1 | id of the master key 8 | nonce 12 | ciphertext | tag 16      (bytes)
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Sealed(Vec<u8>);

/// Shows the key's id and the length.
impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sealed({} bytes under {})", self.0.len(), self.key_id())
    }
}

impl Sealed {
    /// How many more bytes what is sealed has than what it holds.
    pub const OVERHEAD_BYTES: usize = HEADER_BYTES + NONCE_BYTES + TAG_BYTES;

    /// Reads the stored form.
    ///
    /// # Errors
    /// [`OpenError::Malformed`] when it is too short, or of a version that is not known.
    pub fn parse(bytes: Vec<u8>) -> Result<Self, OpenError> {
        if bytes.len() < Self::OVERHEAD_BYTES || bytes[0] != VERSION {
            return Err(OpenError::Malformed { bytes: bytes.len() });
        }
        Ok(Self(bytes))
    }

    /// The stored form.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The stored form.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    /// The master key that it was sealed under, as it says itself; only opening it shows whether that is so.
    #[must_use]
    pub fn key_id(&self) -> KeyId {
        let mut id = [0; KeyId::BYTES];
        id.copy_from_slice(&self.0[1..HEADER_BYTES]);
        KeyId::from_bytes(id)
    }

    pub(super) fn header(key: KeyId) -> [u8; HEADER_BYTES] {
        let mut header = [VERSION; HEADER_BYTES];
        header[1..].copy_from_slice(key.as_bytes());
        header
    }

    pub(super) fn new(
        key: KeyId,
        nonce: &[u8; NONCE_BYTES],
        ciphertext: &[u8],
        tag: &[u8],
    ) -> Self {
        Self([&Self::header(key), nonce.as_slice(), ciphertext, tag].concat())
    }

    /// Nonce, ciphertext and tag.
    pub(super) fn parts(&self) -> (&[u8; NONCE_BYTES], &[u8], &[u8; TAG_BYTES]) {
        let parts = self.0[HEADER_BYTES..].split_first_chunk().and_then(|(nonce, rest)| {
            rest.split_last_chunk().map(|(ciphertext, tag)| (nonce, ciphertext, tag))
        });
        parts.expect("at least `OVERHEAD_BYTES`: nothing shorter is made")
    }
}
