//! `POST /v1/audit-checks`: whether the newest records of the trail are as they were written.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use garde::Validate;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::auth::{Allowed, SeeChanges};
use super::extract::{Json as Body, NoQuery, check};
use super::page;
use super::{AppState, Problem};
use crate::audit::{CheckLimits, Checked, Fault, check_newest};
use crate::domain::{GateId, Stream};

/// Records of each chain where nobody says how many.
const RECORDS_DEFAULT: u32 = 1_000;

/// How long a check may take.
const TIME_MAX: Duration = Duration::from_secs(5);

/// Faults that are told of; how many were found is told anyway.
const FAULTS_MAX: usize = 100;

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(run))
}

/// What to read again.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
struct CheckTrail {
    /// The newest records of each chain: 1 to 10,000; default 1,000.
    #[garde(range(min = 1, max = 10_000))]
    records: Option<u32>,
    /// Only the chain of this gate; default all of them.
    #[garde(skip)]
    #[schema(value_type = Option<Uuid>)]
    gate_id: Option<GateId>,
}

/// Something that is wrong with the trail.
#[derive(Debug, Serialize, ToSchema)]
struct FaultView {
    /// The record that it is about, if it is about one.
    record_id: Option<Uuid>,
    /// What is wrong.
    fault: String,
}

impl From<&Fault> for FaultView {
    fn from(fault: &Fault) -> Self {
        Self { record_id: fault.record(), fault: fault.to_string() }
    }
}

/// Whether the newest records are as they were written.
#[derive(Debug, Serialize, ToSchema)]
struct TrailCheck {
    /// Records that were read.
    checked: u64,
    /// Chains that were read.
    chains: u64,
    /// Whether nothing is wrong with what was read.
    sound: bool,
    /// What is wrong, at most 100.
    faults: Vec<FaultView>,
    /// How many things are.
    faults_found: usize,
    /// Whether all that was asked for was read: false where the time was over before.
    complete: bool,
    /// Records whose person was removed; whether by an erasure only `limen audit verify` tells, which reads the whole
    /// trail.
    erased: u64,
}

impl From<Checked> for TrailCheck {
    fn from(Checked { chains, records, erased, complete, faults }: Checked) -> Self {
        Self {
            checked: records,
            chains,
            sound: faults.is_empty(),
            faults: faults.iter().take(FAULTS_MAX).map(FaultView::from).collect(),
            faults_found: faults.len(),
            complete,
            erased,
        }
    }
}

/// Reads the newest records of the trail again and names whatever was altered, removed or added among them, what stands
/// in no chain, and chains that are gone. Of what lies before, only `limen audit verify` tells.
#[utoipa::path(
    post, path = "/v1/audit-checks", operation_id = "check_trail", tag = "audit", request_body = CheckTrail,
    responses((status = 200, description = "What was found", body = TrailCheck),
        (status = 404, description = "No such gate", body = Problem, content_type = "application/problem+json"))
)]
async fn run(
    State(state): State<AppState>,
    _: Allowed<SeeChanges>,
    _: NoQuery,
    Body(body): Body<CheckTrail>,
) -> Result<Json<TrailCheck>, Problem> {
    check(&body)?;
    let (_, _permit) = page::begin(None, &state)?;
    let only = match body.gate_id {
        Some(gate) => Some(Stream::from(state.store.gate(gate).await?.id)),
        None => None,
    };
    let records = body.records.unwrap_or(RECORDS_DEFAULT).into();
    let checked = check_newest(&state.store, only, CheckLimits { records, time: TIME_MAX }).await?;
    if !checked.faults.is_empty() {
        tracing::error!(faults = checked.faults.len(), "the trail is not as it was written");
    }
    Ok(Json(checked.into()))
}
