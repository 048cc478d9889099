//! The master keys that an operator keeps, and what they seal and open.

mod rotation;

use std::fmt;
use std::str::FromStr;

use aes_gcm::Aes256Gcm;
use aes_gcm::aead::{AeadInPlace, KeyInit};
use ed25519_dalek::{SigningKey, VerifyingKey};
use zeroize::Zeroizing;

use super::sealed::{NONCE_BYTES, Sealed};
use super::{Context, KeyId, MasterKey, MasterKeyError, Purpose};

/// One or more master keys: the first seals, all of them open.
///
/// Its text has a key a line, or several separated by commas, each 32 bytes in base64url; blank lines do not
/// count, nor what follows a `#`.
pub struct Keyring(Vec<Opened>);

/// A master key with what is derived from it, once.
struct Opened {
    id: KeyId,
    master: MasterKey,
    /// In the order of [`Purpose::ALL`].
    ciphers: [Aes256Gcm; Purpose::ALL.len()],
}

impl Opened {
    fn new(master: MasterKey) -> Self {
        let cipher = |purpose: Purpose| Aes256Gcm::new((&*master.derive(purpose.info())).into());
        Self { id: master.id(), ciphers: Purpose::ALL.map(cipher), master }
    }

    fn cipher(&self, purpose: Purpose) -> &Aes256Gcm {
        &self.ciphers[purpose as usize]
    }
}

/// Shows the ids: the secrets must never reach a log.
impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Keyring").field(&self.ids().collect::<Vec<_>>()).finish()
    }
}

/// The text holds no keys that can be used. None of it is repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyringError {
    /// No key at all.
    #[error("there is no key: expected 32 bytes in base64url, one key a line")]
    Empty,
    /// More than anybody rotates through.
    #[error("there are {count} keys; at most {} are allowed", Keyring::KEYS_MAX)]
    TooMany {
        /// How many there are.
        count: usize,
    },
    /// One of them is none.
    #[error("the key in line {line} {error}")]
    Key {
        /// Where it is, from 1.
        line: usize,
        /// What is wrong with it.
        error: MasterKeyError,
    },
    /// One is there twice.
    #[error("key {id} is there twice: remove one of them")]
    Duplicate {
        /// Which.
        id: KeyId,
    },
}

/// Why something was not sealed.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// Without a fresh nonce nothing may be sealed.
    #[error("the system gives no random numbers: {0}")]
    NoRandomness(#[from] rand::rand_core::OsError),
    /// More than AES-GCM seals at once.
    #[error("{bytes} bytes are too many to be sealed at once")]
    TooLong {
        /// How many they are.
        bytes: usize,
    },
}

/// Why something sealed does not open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// The ring does not have the key.
    #[error("it is sealed under key {id}, which is not among the keys given")]
    UnknownKey {
        /// Which it is.
        id: KeyId,
    },
    /// It was altered, or belongs to another place than the one that it was found in.
    #[error("it was altered, or belongs elsewhere")]
    Altered,
    /// The bytes are nothing that was ever sealed.
    #[error("{bytes} bytes that are nothing sealed")]
    Malformed {
        /// How many they are.
        bytes: usize,
    },
}

impl FromStr for Keyring {
    type Err = KeyringError;

    fn from_str(text: &str) -> Result<Self, KeyringError> {
        let mut keys = Vec::new();
        for (line, text) in (1..).zip(text.lines()) {
            let text = text.split_once('#').map_or(text, |(keys, _comment)| keys);
            for key in text.split(',').map(str::trim).filter(|key| !key.is_empty()) {
                keys.push(key.parse().map_err(|error| KeyringError::Key { line, error })?);
            }
        }
        Self::new(keys)
    }
}

impl Keyring {
    /// How many keys a ring has at most.
    pub const KEYS_MAX: usize = 16;

    /// A ring of these keys; the first seals.
    ///
    /// # Errors
    /// When there is none, more than [`KEYS_MAX`](Self::KEYS_MAX), or one twice.
    pub fn new(keys: Vec<MasterKey>) -> Result<Self, KeyringError> {
        if keys.is_empty() {
            return Err(KeyringError::Empty);
        }
        if keys.len() > Self::KEYS_MAX {
            return Err(KeyringError::TooMany { count: keys.len() });
        }
        let mut ring = Self(Vec::with_capacity(keys.len()));
        for key in keys.into_iter().map(Opened::new) {
            if ring.has(key.id) {
                return Err(KeyringError::Duplicate { id: key.id });
            }
            ring.0.push(key);
        }
        Ok(ring)
    }

    /// The ids of its keys; the first is that of the key that seals.
    pub fn ids(&self) -> impl Iterator<Item = KeyId> {
        self.0.iter().map(|key| key.id)
    }

    /// The id of the key that seals.
    #[must_use]
    pub fn sealing_id(&self) -> KeyId {
        self.sealing().id
    }

    /// Whether it opens what was sealed under this key.
    #[must_use]
    pub fn has(&self, id: KeyId) -> bool {
        self.ids().any(|own| own == id)
    }

    /// Seals `plain` under the first key, bound to its purpose and to the place it belongs to. A key seals up
    /// to 2³² times: nonces are drawn at random (NIST SP 800-38D, 8.3).
    ///
    /// # Errors
    /// When the system gives no random numbers, or `plain` has more than 64 GiB.
    pub fn seal(
        &self,
        purpose: Purpose,
        context: &Context,
        plain: &[u8],
    ) -> Result<Sealed, SealError> {
        use rand::TryRngCore;

        let key = self.sealing();
        let mut nonce = [0; NONCE_BYTES];
        rand::rngs::OsRng.try_fill_bytes(&mut nonce)?;
        let mut text = Zeroizing::new(plain.to_vec());
        let tag = key
            .cipher(purpose)
            .encrypt_in_place_detached((&nonce).into(), &associated(key.id, context), &mut text)
            .map_err(|_| SealError::TooLong { bytes: plain.len() })?;
        Ok(Sealed::new(key.id, &nonce, &text, &tag))
    }

    /// Opens what was sealed for this purpose and place, under any key of the ring.
    ///
    /// # Errors
    /// When the ring does not have its key, when it was altered, or when it was sealed for another purpose or
    /// place.
    pub fn open(
        &self,
        purpose: Purpose,
        context: &Context,
        sealed: &Sealed,
    ) -> Result<Zeroizing<Vec<u8>>, OpenError> {
        let id = sealed.key_id();
        let key = self.0.iter().find(|key| key.id == id).ok_or(OpenError::UnknownKey { id })?;
        let (nonce, ciphertext, tag) = sealed.parts();
        let mut text = Zeroizing::new(ciphertext.to_vec());
        key.cipher(purpose)
            .decrypt_in_place_detached(
                nonce.into(),
                &associated(id, context),
                &mut text,
                tag.into(),
            )
            .map_err(|_| OpenError::Altered)?;
        Ok(text)
    }

    /// The key that audit records are signed with: derived from the first key, for nothing else.
    #[must_use]
    pub fn signing_key(&self) -> SigningKey {
        self.sealing().master.signing_key()
    }

    /// What signatures of each key are checked with, in the ring's order; the first belongs to
    /// [`signing_key`](Self::signing_key).
    #[must_use]
    pub fn verifying_keys(&self) -> Vec<(KeyId, VerifyingKey)> {
        self.0.iter().map(|key| (key.id, key.master.signing_key().verifying_key())).collect()
    }

    fn sealing(&self) -> &Opened {
        // Made of at least one key.
        &self.0[0]
    }
}

/// What is authenticated beside the ciphertext.
fn associated(key: KeyId, context: &Context) -> Vec<u8> {
    [Sealed::header(key).as_slice(), context.as_bytes()].concat()
}

#[cfg(test)]
mod tests;
