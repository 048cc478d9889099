//! What the link of an invitation holds, and a request that bears it.

use std::str::FromStr;

use axum::extract::FromRequestParts;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rand::TryRngCore;
use rand::rngs::OsRng;
use sha2::{Digest, Sha256};

use super::super::auth::origin;
use super::super::{AppState, Problem};
use crate::store;

/// The scheme of the header `authorization: Invitation <token>`.
pub(in crate::http) const SCHEME: &str = "Invitation";

/// 256 random bits, in base64url; stored only as their SHA-256.
pub(in crate::http) struct InvitationToken([u8; 32]);

/// Not a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not the token of an invitation")]
pub(in crate::http) struct InvitationTokenError;

impl InvitationToken {
    /// A fresh token.
    ///
    /// # Errors
    /// When the system gives no random numbers.
    pub fn generate() -> Result<Self, rand::rand_core::OsError> {
        let mut secret = [0; 32];
        OsRng.try_fill_bytes(&mut secret)?;
        Ok(Self(secret))
    }

    /// The text for the link. Shown once, and never logged.
    pub fn reveal(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.0)
    }

    /// What is stored in its place.
    pub fn sha256(&self) -> [u8; 32] {
        Sha256::digest(self.0).into()
    }
}

impl FromStr for InvitationToken {
    type Err = InvitationTokenError;

    fn from_str(text: &str) -> Result<Self, InvitationTokenError> {
        let secret = URL_SAFE_NO_PAD.decode(text).map_err(|_| InvitationTokenError)?;
        Ok(Self(secret.try_into().map_err(|_| InvitationTokenError)?))
    }
}

/// Whoever has the link of an invitation, over or not: who else shares their address does not matter. Wrong tokens
/// are counted, apart from wrong keys; nothing is learnt by them.
#[derive(Debug)]
pub(super) struct Bearer(pub store::Invited);

impl FromRequestParts<AppState> for Bearer {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Problem> {
        let header = parts.headers.get(AUTHORIZATION).ok_or_else(Problem::uninvited)?;
        let token: Option<InvitationToken> = header
            .to_str()
            .ok()
            .and_then(|text| text.split_once(' '))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case(SCHEME))
            .and_then(|(_, token)| token.trim().parse().ok());
        let invited = match token {
            Some(token) => state.store.invited(&token.sha256()).await?,
            None => None,
        };
        if let Some(invited) = invited {
            return Ok(Self(invited));
        }
        let origin = origin(parts);
        if state.wrong_tokens.is_shut_out(origin, None) {
            return Err(Problem::too_many_wrong_tokens());
        }
        if state.wrong_tokens.count(origin) {
            tracing::warn!(%origin, "an origin has sent as many wrong invitations as it may within a minute");
        }
        state.metrics.wrong_key();
        Err(Problem::not_found("invitation"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_token_reads_back_as_it_was_shown_and_its_hash_does_not_hold_it() {
        let token = InvitationToken::generate().unwrap();
        let again: InvitationToken = token.reveal().parse().unwrap();
        assert_eq!(again.0, token.0);
        assert_eq!(token.reveal().len(), 43);
        assert_ne!(token.sha256(), token.0);
    }

    proptest! {
        #[test]
        fn any_text_is_either_a_token_or_refused(text in "[ -~]{0,60}") {
            if let Ok(token) = text.parse::<InvitationToken>() {
                prop_assert_eq!(token.reveal(), text);
            }
        }
    }
}
