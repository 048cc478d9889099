//! Signs grants, so that a turnstile knows who opened it: see the crate `limen_grant`.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::TimeDelta;
use ed25519_dalek::SigningKey;
use limen_grant::{Grant, sign};

use super::Answered;
use crate::domain::Reason;

/// The key that grants are signed with, as its file has it: 32 secret bytes in base64url.
#[derive(Clone)]
pub struct GrantKey(SigningKey);

/// The text is no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is no key for grants, 32 bytes in base64url: `limen grant-key create` makes one")]
pub struct GrantKeyError;

/// Shows the public half: the secret one must never reach a log.
impl fmt::Debug for GrantKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GrantKey({})", self.public())
    }
}

impl std::str::FromStr for GrantKey {
    type Err = GrantKeyError;

    fn from_str(text: &str) -> Result<Self, GrantKeyError> {
        let bytes = URL_SAFE_NO_PAD.decode(text.trim()).map_err(|_| GrantKeyError)?;
        let secret: [u8; 32] = bytes.try_into().map_err(|_| GrantKeyError)?;
        Ok(Self(SigningKey::from_bytes(&secret)))
    }
}

impl GrantKey {
    /// A fresh key.
    ///
    /// # Errors
    /// When the system gives no random numbers.
    pub fn generate() -> Result<Self, rand::rand_core::OsError> {
        use rand::TryRngCore;

        let mut secret = [0; 32];
        rand::rngs::OsRng.try_fill_bytes(&mut secret)?;
        Ok(Self(SigningKey::from_bytes(&secret)))
    }

    /// What its file holds. A secret.
    #[must_use]
    pub fn secret(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.0.to_bytes())
    }

    /// What turnstiles check tokens with: 32 bytes in base64url.
    #[must_use]
    pub fn public(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.0.verifying_key().as_bytes())
    }
}

/// Signs what was granted, for a few seconds.
#[derive(Clone, Debug)]
pub struct GrantSigner {
    key: GrantKey,
    lifetime: TimeDelta,
}

impl GrantSigner {
    /// Tokens signed with `key` that expire after `lifetime`.
    #[must_use]
    pub fn new(key: GrantKey, lifetime: TimeDelta) -> Self {
        Self { key, lifetime }
    }

    /// The key's public half.
    #[must_use]
    pub fn public_key(&self) -> String {
        self.key.public()
    }

    /// The token of a passage, whose lifetime begins with its decision; none unless it was granted.
    #[must_use]
    pub fn sign(&self, Answered { passage, decided_at, .. }: &Answered) -> Option<String> {
        if passage.reason != Reason::Granted {
            return None;
        }
        let grant = Grant {
            gate: passage.request.gate_id.0.into_bytes(),
            passage: passage.id.0.into_bytes(),
            expires_at_ms: (*decided_at + self.lifetime).timestamp_millis().try_into().ok()?,
            open_ms: passage.open_ms,
        };
        let token = sign(&self.key.0, &grant, passage.request.event_id.as_str())?;
        Some(token.as_str().to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_read_as_it_is_written_and_hides_its_secret() {
        let key = GrantKey::generate().unwrap();
        let again: GrantKey = format!("{}\n", key.secret()).parse().unwrap();
        assert_eq!(again.public(), key.public());
        let shown = format!("{key:?}");
        assert!(shown.contains(&key.public()) && !shown.contains(&key.secret()), "{shown}");
        for text in ["", "short", &"A".repeat(44), &"=".repeat(43)] {
            assert!(text.parse::<GrantKey>().is_err(), "{text}");
        }
    }
}
