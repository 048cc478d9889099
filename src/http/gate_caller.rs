//! Who speaks for a gate: firmware, with a key or by a signature.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use super::auth::Caller;
use super::extract::{NoQuery, Path};
use super::{AppState, Problem};
use crate::domain::{Gate, GateId, KeyId, Permission};

/// The gate of the path, and the key that may speak for it. There are no query parameters.
#[derive(Debug)]
pub(super) struct GateCaller {
    pub key_id: KeyId,
    pub gate: Gate,
}

impl FromRequestParts<AppState> for GateCaller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Problem> {
        let caller = Caller::of_gate(parts, state).await?;
        caller.require(Permission::SendFrames)?;
        let Path(gate_id) = Path::<GateId>::from_request_parts(parts, state).await?;
        caller.require_gate(gate_id)?;
        NoQuery::from_request_parts(parts, state).await?;
        let gate = state.store.gate(gate_id).await?;
        // Not asked again with the decision: a switch of this counts for the requests that begin after it.
        if gate.policy.signed_requests && !caller.signed {
            let detail = "this gate takes signed requests alone: see docs/DEVICES.md";
            return Err(Problem::forbidden("signature_required", detail));
        }
        Ok(Self { key_id: caller.key_id, gate })
    }
}
