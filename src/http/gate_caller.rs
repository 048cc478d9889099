//! Who speaks for a gate: firmware, with a key or by a signature.

use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
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

/// A header that must come, parsed.
pub(super) fn required<T>(headers: &HeaderMap, name: &str) -> Result<T, Problem>
where
    T: std::str::FromStr<Err: std::fmt::Display>,
{
    optional(headers, name)?.ok_or_else(|| {
        Problem::bad_request("missing_header", format!("the header {name} is missing"))
    })
}

/// A header that may come, once, parsed.
pub(super) fn optional<T>(headers: &HeaderMap, name: &str) -> Result<Option<T>, Problem>
where
    T: std::str::FromStr<Err: std::fmt::Display>,
{
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        return Err(Problem::bad_request("bad_header", format!("the header {name} comes twice")));
    }
    let bad = |error: &dyn std::fmt::Display| {
        Problem::bad_request("bad_header", format!("the header {name} is not valid: {error}"))
    };
    let text = std::str::from_utf8(value.as_bytes()).map_err(|error| bad(&error))?;
    text.parse().map(Some).map_err(|error| bad(&error))
}
