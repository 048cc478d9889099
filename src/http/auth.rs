//! API keys, `authorization: Bearer limen_<id>_<secret>`, and what stands in the place of one: what gates sign, and
//! the cookie of a session.

use std::collections::BTreeSet;
use std::fmt;
use std::marker::PhantomData;
use std::net::{IpAddr, Ipv4Addr};
use std::str::FromStr;

use axum::extract::FromRequestParts;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use rand::TryRngCore;
use rand::rngs::OsRng;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use uuid::Uuid;

use super::body_check::SignedBody;
use super::session::SessionToken;
use super::signature::{self, Signed};
use super::{AppState, Problem};
use crate::domain::{Author, GateId, KeyId, KeyName, Permission, Scope};
use crate::store::{ApiKey, KeyDraft, SessionHash};

/// A key as its holder has it: `limen_<id, 32 hex digits>_<secret, 43 characters of base64url>`.
///
/// The secret has 256 random bits and is stored only as its SHA-256.
pub struct ApiKeyText {
    id: KeyId,
    secret: [u8; 32],
}

/// Not a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an API key: expected limen_<id>_<secret>")]
pub struct ApiKeyError;

impl ApiKeyText {
    /// A fresh key.
    ///
    /// # Errors
    /// When the system gives no random numbers.
    pub fn generate() -> Result<Self, rand::rand_core::OsError> {
        let mut secret = [0; 32];
        OsRng.try_fill_bytes(&mut secret)?;
        Ok(Self { id: KeyId::generate(), secret })
    }

    /// The row to store for it.
    #[must_use]
    pub fn draft(
        &self,
        name: KeyName,
        scopes: BTreeSet<Scope>,
        gate_id: Option<GateId>,
        expires_at: Option<DateTime<Utc>>,
    ) -> KeyDraft {
        KeyDraft { id: self.id, name, secret_sha256: self.hash(), scopes, gate_id, expires_at }
    }

    /// Whether it is the key that is stored, and that one is valid. A secret that signs is never shown itself.
    fn opens(&self, stored: &ApiKey) -> bool {
        let same: bool = stored.draft.secret_sha256.ct_eq(&self.hash()).into();
        same && stored.valid && !stored.signs()
    }

    fn hash(&self) -> [u8; 32] {
        Sha256::digest(self.secret).into()
    }
}

/// The whole key, to be shown once.
impl fmt::Display for ApiKeyText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "limen_{}_{}", self.id.0.simple(), URL_SAFE_NO_PAD.encode(self.secret))
    }
}

impl FromStr for ApiKeyText {
    type Err = ApiKeyError;

    fn from_str(text: &str) -> Result<Self, ApiKeyError> {
        let (id, secret) =
            text.strip_prefix("limen_").and_then(|rest| rest.split_once('_')).ok_or(ApiKeyError)?;
        let id = Uuid::try_parse(id).map_err(|_| ApiKeyError)?;
        let secret = URL_SAFE_NO_PAD.decode(secret).map_err(|_| ApiKeyError)?;
        Ok(Self { id: KeyId(id), secret: secret.try_into().map_err(|_| ApiKeyError)? })
    }
}

/// Where a request comes from; the server puts it into each.
#[derive(Clone, Copy, Debug)]
pub struct Origin(pub IpAddr);

/// Who asks, once the key was checked.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    /// The key.
    pub key_id: KeyId,
    /// Who uses it.
    pub name: KeyName,
    /// What it is for.
    pub scopes: BTreeSet<Scope>,
    gate_id: Option<GateId>,
    /// Whether the request was signed.
    pub signed: bool,
    /// The session whose cookie was sent in the place of the key.
    pub session: Option<SessionHash>,
}

impl Caller {
    /// Whether the key may do something.
    pub fn may(&self, permission: Permission) -> bool {
        self.scopes.iter().any(|scope| scope.allows(permission))
    }

    /// Checks that the key may do something.
    pub fn require(&self, permission: Permission) -> Result<(), Problem> {
        if self.may(permission) {
            return Ok(());
        }
        let scopes: Vec<_> = permission.scopes().map(Scope::code).collect();
        let detail = format!("this needs a key with the scope {}", scopes.join(" or "));
        Err(Problem::forbidden("missing_scope", detail))
    }

    /// Checks that the key is not bound to a gate.
    pub fn require_unbound(&self) -> Result<(), Problem> {
        if self.gate_id.is_none() {
            return Ok(());
        }
        Err(Problem::forbidden("wrong_gate", "this key may only ask for its gate's passages"))
    }

    /// Checks that the key may speak for a gate.
    pub fn require_gate(&self, gate: GateId) -> Result<(), Problem> {
        if self.gate_id.is_none_or(|bound| bound == gate) {
            return Ok(());
        }
        Err(Problem::forbidden("wrong_gate", "this key is bound to another gate"))
    }

    /// As whom the caller changes something.
    pub fn author(&self) -> Author {
        Author::key(self.key_id, &self.name, self.may(Permission::BlockPeople))
    }

    /// Checks the key of a request, or the session where it comes without one.
    pub async fn from_parts(parts: &Parts, state: &AppState) -> Result<Self, Problem> {
        let Some(header) = parts.headers.get(AUTHORIZATION) else {
            let token = SessionToken::of(&parts.headers).ok_or_else(|| {
                Problem::unauthorized("send the header authorization: Bearer limen_...")
            })?;
            return Self::by_session(parts, state, &token).await;
        };
        let key = header
            .to_str()
            .ok()
            .and_then(|text| text.split_once(' '))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
            .map_or("", |(_, key)| key.trim());
        Self::by_key(parts, state, key).await
    }

    /// Checks what a request offers as a key.
    pub async fn by_key(parts: &Parts, state: &AppState, text: &str) -> Result<Self, Problem> {
        let key: Option<ApiKeyText> = text.parse().ok();
        let id = key.as_ref().map(|key| key.id);
        let opens = |stored: &ApiKey| key.as_ref().is_some_and(|key| key.opens(stored));
        match Self::stored(parts, state, id, opens).await? {
            Some(stored) => Ok(Self::of(stored, parts, state, false).await),
            // One answer for everything that is wrong with a key, so that nothing can be learnt from it.
            None => Err(Problem::unauthorized("the API key is not valid")),
        }
    }

    /// Checks the session of a request, and that the key it began with still holds.
    async fn by_session(
        parts: &Parts,
        state: &AppState,
        token: &SessionToken,
    ) -> Result<Self, Problem> {
        let session = token.sha256();
        let key = match state.store.session(&session, state.settings.session_idle_max).await? {
            Some(key) => state.store.key(key).await?.filter(|key| key.valid),
            None => None,
        };
        let key = key.ok_or_else(Problem::signed_out)?;
        token.check_csrf(parts)?;
        let caller = Self::of(key, parts, state, false).await;
        Ok(Self { session: Some(session), ..caller })
    }

    /// Checks the signature of a request, where it is signed, else its key. What the body must then be goes with
    /// the request, to whoever reads it.
    pub async fn of_gate(parts: &mut Parts, state: &AppState) -> Result<Self, Problem> {
        if !signature::is_claimed(&parts.headers) {
            return Self::from_parts(parts, state).await;
        }
        let signed = Signed::read(parts);
        let id = signed.as_ref().map(|signed| signed.key);
        let opens = |stored: &ApiKey| {
            signed.as_ref().is_some_and(|signed| signed.is_by(stored, &state.store))
        };
        let stored = Self::stored(parts, state, id, opens).await?;
        let (Some(signed), Some(stored)) = (&signed, stored) else {
            let detail = "the request is not signed by a credential that is valid";
            return Err(Problem::badly_signed("bad_signature", detail));
        };
        // Only whoever has the secret is told more.
        let timestamp_us = signed.request.timestamp_us.cast_signed();
        let settings = &state.settings;
        let (age_max, skew_max) = (settings.request_age_max, settings.clock_skew_max);
        let taken = state.store.take_timestamp(signed.key, timestamp_us, age_max, skew_max).await?;
        signed.check_age(taken.now_us, settings)?;
        if !taken.taken {
            let detail =
                "a request with this timestamp or a later one was taken before; sign it anew";
            return Err(Problem::badly_signed("replayed_request", detail));
        }
        let body = SignedBody(signed.request.body_sha256);
        let caller = Self::of(stored, parts, state, true).await;
        parts.extensions.insert(body);
        Ok(caller)
    }

    /// The key that a request names, if it `opens`; counted against where the request comes from, if not.
    async fn stored(
        parts: &Parts,
        state: &AppState,
        id: Option<KeyId>,
        opens: impl FnOnce(&ApiKey) -> bool,
    ) -> Result<Option<ApiKey>, Problem> {
        let origin = origin(parts);
        let shut_out = state.wrong_keys.is_shut_out(origin, id);
        let _turn = match id {
            None if shut_out => return Err(Problem::too_many_wrong_keys()),
            Some(id) if shut_out => {
                let turn = state.wrong_keys.turn(id, &state.store).await?;
                Some(turn.ok_or_else(Problem::too_many_wrong_keys)?)
            }
            _ => None,
        };
        let named = match id {
            Some(id) => state.store.key(id).await?,
            None => None,
        };
        // A key that is valid stays known: whoever knows its id alone cannot shut its holder out.
        if let Some(id) = id.filter(|_| !named.as_ref().is_some_and(|key| key.valid)) {
            state.wrong_keys.forget(origin, id);
        }
        let stored = named.filter(opens);
        if stored.is_none() {
            if state.wrong_keys.count(origin) {
                tracing::warn!(%origin, "an origin has sent as many wrong keys as it may within a minute");
            }
            state.metrics.wrong_key();
            if shut_out {
                return Err(Problem::too_many_wrong_keys());
            }
        }
        Ok(stored)
    }

    /// Whoever has this key, which is used now.
    async fn of(stored: ApiKey, parts: &Parts, state: &AppState, signed: bool) -> Self {
        state.wrong_keys.know(origin(parts), stored.draft.id);
        if let Err(error) = state.store.note_use(&stored).await {
            tracing::warn!(%error, key = %stored.draft.id, "the use of a key was not noted");
        }
        let KeyDraft { id: key_id, name, scopes, gate_id, .. } = stored.draft;
        Self { key_id, name, scopes, gate_id, signed, session: None }
    }
}

/// Where a request comes from.
pub(super) fn origin(parts: &Parts) -> IpAddr {
    parts.extensions.get::<Origin>().map_or(Ipv4Addr::UNSPECIFIED.into(), |origin| origin.0)
}

impl FromRequestParts<AppState> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Problem> {
        Self::from_parts(parts, state).await
    }
}

/// A permission as a type, so that a handler's signature says what it asks for.
pub(super) trait Required: Send {
    const PERMISSION: Permission;
}

macro_rules! permission_types {
    ($($name:ident),* $(,)?) => {$(
        #[derive(Debug)]
        pub(super) struct $name;
        impl Required for $name {
            const PERMISSION: Permission = Permission::$name;
        }
    )*};
}
permission_types!(
    SendFrames,
    ReadMetrics,
    SeePeople,
    ChangePeople,
    ChangeStatus,
    ChangeMembers,
    SeePlaces,
    ChangePlaces,
    PardonPeople,
    SeeTrail,
    ExportPeople,
    ErasePeople,
    SeeChanges,
    ManageKeys,
    ManageWebhooks,
);

/// A caller whose key has the permission `P` and is not bound to a gate. Comes before the body among a
/// handler's arguments, so that nothing is read from a stranger.
#[derive(Debug)]
pub(super) struct Allowed<P>(pub Caller, pub PhantomData<P>);

impl<P: Required> FromRequestParts<AppState> for Allowed<P> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Problem> {
        let caller = Caller::from_parts(parts, state).await?;
        caller.require(P::PERMISSION)?;
        caller.require_unbound()?;
        Ok(Self(caller, PhantomData))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_key_reads_back_as_it_was_shown() {
        let key = ApiKeyText::generate().unwrap();
        let again: ApiKeyText = key.to_string().parse().unwrap();
        assert_eq!((again.id, again.hash()), (key.id, key.hash()));
    }

    #[test]
    fn what_is_stored_does_not_hold_the_secret() {
        let key = ApiKeyText::generate().unwrap();
        let draft = key.draft("test".parse().unwrap(), [Scope::Gate].into(), None, None);
        assert_ne!(draft.secret_sha256, key.secret);
    }

    proptest! {
        #[test]
        fn any_text_is_either_a_key_or_refused(text in "(limen_)?[0-9a-f]{0,40}_?[ -~]{0,60}") {
            if let Ok(key) = text.parse::<ApiKeyText>() {
                prop_assert!(key.to_string().starts_with("limen_"));
            }
        }
    }
}
