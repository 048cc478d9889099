//! One attempt to sign in, which the browser that makes it carries in a cookie.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use openidconnect::{CsrfToken, Nonce, PkceCodeVerifier};
use rand::TryRngCore;
use rand::rngs::OsRng;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// 256 random bits. All that ties the parts of an attempt together follows from them, so that no replica keeps
/// anything: what the browser must bring back, what the ID token must hold, and what the code is good with alone.
#[derive(Clone)]
pub struct Attempt([u8; 32]);

impl Attempt {
    /// A fresh one.
    ///
    /// # Errors
    /// When the system gives no random numbers.
    pub fn generate() -> Result<Self, rand::rand_core::OsError> {
        let mut secret = [0; 32];
        OsRng.try_fill_bytes(&mut secret)?;
        Ok(Self(secret))
    }

    /// As the browser keeps it.
    #[must_use]
    pub fn text(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.0)
    }

    /// What [`Self::text`] is of.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        Some(Self(URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()?))
    }

    /// Whether it is this attempt that somebody came back from.
    #[must_use]
    pub fn is(&self, state: &str) -> bool {
        self.part("state").as_bytes().ct_eq(state.as_bytes()).into()
    }

    pub(super) fn state(&self) -> CsrfToken {
        CsrfToken::new(self.part("state"))
    }

    pub(super) fn nonce(&self) -> Nonce {
        Nonce::new(self.part("nonce"))
    }

    pub(super) fn verifier(&self) -> PkceCodeVerifier {
        PkceCodeVerifier::new(self.part("verifier"))
    }

    /// 43 characters that tell nothing of the others.
    fn part(&self, name: &str) -> String {
        let hash = Sha256::new()
            .chain_update("limen.oidc.1.")
            .chain_update(name)
            .chain_update(self.0)
            .finalize();
        URL_SAFE_NO_PAD.encode(hash)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attempt_reads_back_and_knows_its_own_state_alone() {
        let attempt = Attempt::generate().unwrap();
        let again = Attempt::read(&attempt.text()).unwrap();
        let other = Attempt::generate().unwrap();
        let state = attempt.state().secret().clone();
        assert!(again.is(&state) && !other.is(&state) && !again.is(""));
        for text in ["", "QUJD", "no base64!"] {
            assert!(Attempt::read(text).is_none(), "{text}");
        }
    }

    #[test]
    fn the_parts_of_an_attempt_are_all_different() {
        let attempt = Attempt::generate().unwrap();
        let (state, nonce) = (attempt.part("state"), attempt.part("nonce"));
        let verifier = attempt.part("verifier");
        assert!(state != nonce && nonce != verifier && verifier != state);
        assert_ne!(attempt.text(), verifier);
    }
}
