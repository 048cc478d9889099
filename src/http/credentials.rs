//! `/v1/gates/G/credentials`: the secret that a gate signs its requests with.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use garde::Validate;
use rand::TryRngCore;
use rand::rngs::OsRng;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use zeroize::Zeroizing;

use super::auth::{Allowed, ManageKeys};
use super::extract::{Json as Body, NoQuery, Path, check};
use super::{AppState, Problem};
use crate::domain::{Author, Gate, GateId, KeyId, Scope};
use crate::store::{KeyDraft, Store, StoreError};

/// For how long a gate's older credentials go on beside a new one, where nobody says: its firmware has to get it.
pub const OVERLAP_DEFAULT: Duration = Duration::from_secs(86_400);

/// And for how long at most.
pub const OVERLAP_MAX: Duration = Duration::from_secs(30 * 86_400);

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(create))
}

/// What a gate signs with: an id, and a secret of 256 random bits that is stored sealed.
pub struct GateCredential {
    /// Its public half, which the signed requests name.
    pub id: KeyId,
    /// Whose it is.
    pub gate_id: GateId,
    secret: Zeroizing<[u8; 32]>,
}

/// Why there is no credential.
#[derive(Debug, thiserror::Error)]
pub enum CredentialError {
    /// Without random bits there is no secret.
    #[error("the system gives no random numbers: {0}")]
    NoRandomness(#[from] rand::rand_core::OsError),
    /// It could not be stored.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<CredentialError> for Problem {
    fn from(error: CredentialError) -> Self {
        match error {
            CredentialError::NoRandomness(error) => Self::internal(error),
            CredentialError::Store(error) => error.into(),
        }
    }
}

impl GateCredential {
    /// Makes a credential for a gate and stores it; the gate's others end after `overlap`.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when the gate was removed meanwhile.
    pub async fn create(
        store: &Store,
        author: &Author,
        gate: &Gate,
        overlap: Duration,
    ) -> Result<Self, CredentialError> {
        let mut secret = Zeroizing::new([0; 32]);
        OsRng.try_fill_bytes(&mut *secret)?;
        let new = Self { id: KeyId::generate(), gate_id: gate.id, secret };
        let draft = KeyDraft {
            id: new.id,
            name: gate
                .name
                .as_str()
                .parse()
                .map_err(|error| StoreError::Unstorable(format!("{error}")))?,
            secret_sha256: Sha256::digest(*new.secret).into(),
            scopes: [Scope::Gate].into(),
            gate_id: Some(gate.id),
            expires_at: None,
        };
        store.create_credential(author, &draft, &new.secret, overlap).await?;
        Ok(new)
    }

    /// What the gate's firmware needs: 32 bytes in base64url, to be shown once.
    #[must_use]
    pub fn secret(&self) -> Zeroizing<String> {
        Zeroizing::new(URL_SAFE_NO_PAD.encode(*self.secret))
    }
}

/// A credential to be created.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
struct CreateCredential {
    /// Seconds for which the gate's older credentials go on: 0 (they end at once) to 2,592,000; default 86,400.
    #[garde(range(max = OVERLAP_MAX.as_secs()))]
    overlap_s: Option<u64>,
}

/// A new credential.
#[derive(Debug, Serialize, ToSchema)]
struct CreatedCredential {
    #[schema(value_type = Uuid)]
    gate_id: GateId,
    /// What the signed requests name; `/v1/keys` lists it, and revokes it.
    #[schema(value_type = Uuid)]
    key_id: KeyId,
    /// 32 bytes in base64url, shown this once.
    secret: String,
}

/// Creates a credential that the gate signs its requests with, and ends its older ones.
#[utoipa::path(
    post, path = "/v1/gates/{gate_id}/credentials", operation_id = "create_credential", tag = "gates",
    request_body = CreateCredential, params(("gate_id" = Uuid, Path, description = "The gate")),
    responses((status = 201, description = "Created", body = CreatedCredential),
        (status = 404, description = "No such gate", body = Problem, content_type = "application/problem+json"))
)]
async fn create(
    State(state): State<AppState>,
    Allowed(caller, _): Allowed<ManageKeys>,
    _: NoQuery,
    Path(id): Path<GateId>,
    Body(body): Body<CreateCredential>,
) -> Result<(StatusCode, Json<CreatedCredential>), Problem> {
    check(&body)?;
    let overlap = body.overlap_s.map_or(OVERLAP_DEFAULT, Duration::from_secs);
    let gate = state.store.gate(id).await?;
    let new = GateCredential::create(&state.store, &caller.author(), &gate, overlap).await?;
    let secret = new.secret().to_string();
    Ok((StatusCode::CREATED, Json(CreatedCredential { gate_id: id, key_id: new.id, secret })))
}
