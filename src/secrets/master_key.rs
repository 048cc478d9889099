//! A master key, and what is derived from it.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::alphabet::URL_SAFE;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use ed25519_dalek::SigningKey;
use hkdf::Hkdf;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

/// base64url, written without padding and read with or without it.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// What HKDF derives the id from, and the key of audit signatures by. Another text is another key.
const ID_INFO: &str = "limen key id v1";
const SIGNATURE_INFO: &str = "limen audit signature v1";

/// Names a master key and tells nothing about it: the start of the SHA-256 of a key derived from it for
/// nothing else.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyId([u8; Self::BYTES]);

impl KeyId {
    /// Bytes of an id.
    pub const BYTES: usize = 8;

    /// An id, as it was stored.
    #[must_use]
    pub fn from_bytes(bytes: [u8; Self::BYTES]) -> Self {
        Self(bytes)
    }

    /// As it is stored.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; Self::BYTES] {
        &self.0
    }
}

/// The text is no id of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an id of a key has 16 hexadecimal digits")]
pub struct KeyIdError;

impl FromStr for KeyId {
    type Err = KeyIdError;

    fn from_str(text: &str) -> Result<Self, KeyIdError> {
        let digits = text.len() == 2 * Self::BYTES && text.bytes().all(|b| b.is_ascii_hexdigit());
        let id = u64::from_str_radix(text, 16).ok().filter(|_| digits).ok_or(KeyIdError)?;
        Ok(Self(id.to_be_bytes()))
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", u64::from_be_bytes(self.0))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({self})")
    }
}

/// 32 secret bytes, from which everything else is derived.
pub struct MasterKey(Zeroizing<[u8; Self::BYTES]>);

/// The text is no master key. It is not repeated, since it may be a mistyped one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MasterKeyError {
    /// Not base64url.
    #[error("is not base64url (A-Z a-z 0-9 - _)")]
    Text,
    /// Of another length.
    #[error("has {bytes} bytes; a key has {} (43 characters of base64url)", MasterKey::BYTES)]
    Length {
        /// How many it has.
        bytes: usize,
    },
}

/// Shows the id: the secret must never reach a log.
impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MasterKey({})", self.id())
    }
}

impl FromStr for MasterKey {
    type Err = MasterKeyError;

    fn from_str(text: &str) -> Result<Self, MasterKeyError> {
        let bytes = Zeroizing::new(BASE64.decode(text).map_err(|_| MasterKeyError::Text)?);
        let mut key = Zeroizing::new([0; Self::BYTES]);
        if bytes.len() != key.len() {
            return Err(MasterKeyError::Length { bytes: bytes.len() });
        }
        key.copy_from_slice(&bytes);
        Ok(Self(key))
    }
}

impl MasterKey {
    /// Bytes of a key.
    pub const BYTES: usize = 32;

    /// A fresh key.
    ///
    /// # Errors
    /// When the system gives no random numbers.
    pub fn generate() -> Result<Self, rand::rand_core::OsError> {
        use rand::TryRngCore;

        let mut key = Zeroizing::new([0; Self::BYTES]);
        rand::rngs::OsRng.try_fill_bytes(&mut *key)?;
        Ok(Self(key))
    }

    /// What its owner keeps: base64url without padding. A secret.
    #[must_use]
    pub fn secret(&self) -> Zeroizing<String> {
        Zeroizing::new(BASE64.encode(*self.0))
    }

    /// Its name.
    #[must_use]
    pub fn id(&self) -> KeyId {
        let hash = Sha256::digest(*self.derive(ID_INFO));
        let mut id = [0; KeyId::BYTES];
        id.copy_from_slice(&hash[..KeyId::BYTES]);
        KeyId(id)
    }

    /// The key that audit records are signed with.
    #[must_use]
    pub(super) fn signing_key(&self) -> SigningKey {
        SigningKey::from_bytes(&self.derive(SIGNATURE_INFO))
    }

    /// A key of its own for whatever `info` names.
    pub(super) fn derive(&self, info: &str) -> Zeroizing<[u8; 32]> {
        let mut key = Zeroizing::new([0; 32]);
        Hkdf::<Sha256>::new(None, &*self.0)
            .expand(info.as_bytes(), &mut *key)
            .expect("HKDF-SHA256 gives up to 8,160 bytes");
        key
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_read_as_it_is_written_and_hides_its_secret() {
        let key = MasterKey::generate().unwrap();
        for text in [key.secret().to_string(), format!("{}=", *key.secret())] {
            assert_eq!(text.parse::<MasterKey>().unwrap().id(), key.id(), "{text}");
        }
        assert_eq!(format!("{key:?}"), format!("MasterKey({})", key.id()));
    }

    #[test]
    fn an_id_is_read_as_it_is_written() {
        let id = MasterKey::generate().unwrap().id();
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!("00000000000000ff".parse(), Ok(KeyId::from_bytes([0, 0, 0, 0, 0, 0, 0, 255])));
        for text in ["", "ff", "+0000000000000ff", "00000000000000fg", "00000000000000ff0"] {
            assert_eq!(text.parse::<KeyId>(), Err(KeyIdError), "{text}");
        }
    }

    #[test]
    fn what_is_no_key_is_refused_and_not_repeated() {
        let parse = |text: &str| text.parse::<MasterKey>().unwrap_err();
        assert_eq!(parse("not a key!"), MasterKeyError::Text);
        assert_eq!(parse(&"+".repeat(43)), MasterKeyError::Text);
        assert_eq!(parse("c2hvcnQ"), MasterKeyError::Length { bytes: 5 });
        let told = parse("c2hvcnQ").to_string();
        assert!(told.contains("32") && !told.contains("c2hvcnQ"), "{told}");
    }
}
