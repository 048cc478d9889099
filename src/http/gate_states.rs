//! `GET /v1/gates/G/state`, `GET /v1/gate-states`: how gates fare.

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::auth::{Allowed, SeePlaces};
use super::extract::{NoQuery, Path, Query};
use super::page::{self, Page};
use super::schema::{DecisionCode, ReasonCode};
use super::{AppState, Problem};
use crate::domain::{Decision, GateId, GateName, PassageId, Permission, Reason};
use crate::store::{DecisionCounts, GateState, GateTrail, LastPassage, Latency};

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(read)).routes(routes!(list))
}

/// How a gate fares.
#[derive(Debug, Serialize, ToSchema)]
struct GateStateView {
    #[schema(value_type = Uuid)]
    gate_id: GateId,
    #[schema(value_type = String)]
    name: GateName,
    enabled: bool,
    /// When it last recorded a passage or an input, or used a key that is bound to it, which is noted to the minute;
    /// null: never.
    last_contact_at: Option<DateTime<Utc>>,
    /// The last passage; null: none. Absent for whoever may not see the trail.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<LastPassageView>, required = false)]
    last_passage: Option<Option<LastPassageView>>,
    /// What was decided within 24 hours; absent for whoever may not see the trail.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = DecisionCountsView, required = false)]
    last_24h: Option<DecisionCountsView>,
    /// From the capture of a passage's frame to its decision; null where there is nothing to tell it of. Absent for
    /// whoever may not see the trail.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<LatencyView>, required = false)]
    latency_ms: Option<Option<LatencyView>>,
}

/// The last passage of a gate.
#[derive(Debug, Serialize, ToSchema)]
struct LastPassageView {
    #[schema(value_type = Uuid)]
    passage_id: PassageId,
    decided_at: DateTime<Utc>,
    #[schema(value_type = DecisionCode)]
    decision: Decision,
    #[schema(value_type = ReasonCode)]
    reason: Reason,
}

/// How many passages were decided in which way.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DecisionCountsView {
    grant: u64,
    deny: u64,
    retry: u64,
}

/// From capture to decision in milliseconds, by the gate's clock and Postgres': of the newest passages of 24 hours, but
/// for repeated ones and those whose frame was too old.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct LatencyView {
    p50: f64,
    p99: f64,
    /// Of how many passages.
    samples: u64,
}

impl From<DecisionCounts> for DecisionCountsView {
    fn from(DecisionCounts { grant, deny, retry }: DecisionCounts) -> Self {
        Self { grant, deny, retry }
    }
}

impl From<Latency> for LatencyView {
    fn from(Latency { p50_ms, p99_ms, samples }: Latency) -> Self {
        Self { p50: p50_ms, p99: p99_ms, samples }
    }
}

impl From<LastPassage> for LastPassageView {
    fn from(LastPassage { id, decided_at, reason }: LastPassage) -> Self {
        Self { passage_id: id, decided_at, decision: reason.decision(), reason }
    }
}

impl From<GateState> for GateStateView {
    fn from(GateState { id, name, enabled, last_contact_at, trail }: GateState) -> Self {
        let (last, decisions, latency) = match trail {
            Some(GateTrail { last, decisions, latency }) => {
                (Some(last), Some(decisions), Some(latency))
            }
            None => (None, None, None),
        };
        Self {
            gate_id: id,
            name,
            enabled,
            last_contact_at,
            last_passage: last.map(|last| last.map(Into::into)),
            last_24h: decisions.map(Into::into),
            latency_ms: latency.map(|latency| latency.map(Into::into)),
        }
    }
}

/// Says how a gate fares; what it decided, only to whoever may see the trail.
#[utoipa::path(
    get, path = "/v1/gates/{gate_id}/state", operation_id = "read_gate_state", tag = "gates",
    params(("gate_id" = Uuid, Path, description = "The gate")),
    responses((status = 200, description = "How it fares", body = GateStateView),
        (status = 404, description = "No such gate", body = Problem, content_type = "application/problem+json"))
)]
async fn read(
    State(state): State<AppState>,
    Allowed(caller, _): Allowed<SeePlaces>,
    _: NoQuery,
    Path(id): Path<GateId>,
) -> Result<Json<GateStateView>, Problem> {
    let with_trail = caller.may(Permission::SeeTrail);
    Ok(Json(state.store.gate_state(id, with_trail).await?.into()))
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ListQuery {
    /// Rows of the page.
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    #[param(value_type = Option<Uuid>)]
    cursor: Option<GateId>,
}

/// Says how gates fare, in the order of their creation; what they decided, only to whoever may see the trail.
#[utoipa::path(
    get, path = "/v1/gate-states", operation_id = "list_gate_states", tag = "gates", params(ListQuery),
    responses((status = 200, description = "A page", body = Page<GateStateView>))
)]
async fn list(
    State(state): State<AppState>,
    Allowed(caller, _): Allowed<SeePlaces>,
    Query(query): Query<ListQuery>,
) -> Result<Json<Page<GateStateView>>, Problem> {
    let (rows, _permit) = page::begin(query.limit, &state)?;
    let with_trail = caller.may(Permission::SeeTrail);
    let found = state.store.gate_states(query.cursor, with_trail, rows + 1).await?;
    Ok(Json(Page::new(found, rows, |gate| gate.id.0)))
}
