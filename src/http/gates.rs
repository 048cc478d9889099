//! `/v1/gates`: the turnstiles and their policy.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use garde::Validate;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::auth::{Allowed, ChangePlaces, SeePlaces};
use super::extract::{Json as Body, NoQuery, Path, Query, check, stated};
use super::page::{self, Page};
use super::schema::{DirectionCode, GateModeCode};
use super::{AppState, Problem};
use crate::domain::{
    Direction, Gate, GateId, GateMode, GateName, GatePolicy, LivenessScore, ZoneId,
};
use crate::store::{GateChange, NewGate};

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(create, list)).routes(routes!(read, change, delete))
}

/// A gate.
#[derive(Debug, Serialize, ToSchema)]
struct GateView {
    #[schema(value_type = Uuid)]
    gate_id: GateId,
    #[schema(value_type = String)]
    name: GateName,
    enabled: bool,
    open_ms: u32,
    frame_age_ms_max: u32,
    pupil_distance_px_min: f32,
    /// Whom it compares a face with: everybody (`face`), the owner of the badge that must come along
    /// (`badge_and_face`), or that owner where a badge comes along (`badge_or_face`).
    #[schema(value_type = GateModeCode)]
    mode: GateMode,
    /// The liveness that a face must reach; null: not checked.
    liveness_threshold: Option<f32>,
    /// The zone that it leads into or out of; null: it opens for every employee of good standing.
    #[schema(value_type = Option<Uuid>)]
    zone_id: Option<ZoneId>,
    #[schema(value_type = DirectionCode)]
    direction: Direction,
    /// For so long after a person was let through this gate or another, this one stays shut to them.
    debounce_ms: u32,
    /// Whether its passages must be signed.
    signed_requests: bool,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl From<Gate> for GateView {
    fn from(gate: Gate) -> Self {
        let policy = gate.policy;
        Self {
            gate_id: gate.id,
            name: gate.name,
            enabled: policy.enabled,
            open_ms: policy.open_ms,
            frame_age_ms_max: policy.frame_age_ms_max,
            pupil_distance_px_min: policy.pupil_distance_px_min,
            mode: policy.mode,
            liveness_threshold: policy.liveness_threshold.map(LivenessScore::value),
            zone_id: policy.zone_id,
            direction: policy.direction,
            debounce_ms: policy.debounce_ms,
            signed_requests: policy.signed_requests,
            created_at: gate.created_at,
            updated_at: gate.updated_at,
        }
    }
}

/// A gate to be created.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
struct CreateGate {
    /// 1 to 100 characters; no other gate may have it.
    #[garde(skip)]
    #[schema(value_type = String)]
    name: GateName,
    /// Default true.
    #[garde(skip)]
    enabled: Option<bool>,
    /// 100 to 60,000; default 3,000.
    #[garde(range(min = 100, max = 60_000))]
    open_ms: Option<u32>,
    /// 100 to 600,000; default 5,000.
    #[garde(range(min = 100, max = 600_000))]
    frame_age_ms_max: Option<u32>,
    /// 8 to 1,000 pixels between the pupils; default from the configuration.
    #[garde(range(min = 8.0, max = 1_000.0))]
    pupil_distance_px_min: Option<f32>,
    /// Default `badge_or_face`.
    #[garde(skip)]
    #[schema(value_type = Option<GateModeCode>)]
    mode: Option<GateMode>,
    /// 0 to 1; null switches liveness off; default from the configuration.
    #[garde(skip)]
    #[serde(default, with = "serde_with::rust::double_option")]
    #[schema(value_type = Option<f32>)]
    liveness_threshold: Option<Option<LivenessScore>>,
    /// The zone that it leads into or out of; default none.
    #[garde(skip)]
    #[schema(value_type = Option<Uuid>)]
    zone_id: Option<ZoneId>,
    /// Default `in`.
    #[garde(skip)]
    #[schema(value_type = Option<DirectionCode>)]
    direction: Option<Direction>,
    /// 0 to 600,000; default 2,000.
    #[garde(range(max = 600_000))]
    debounce_ms: Option<u32>,
    /// Whether its passages must be signed; default false.
    #[garde(skip)]
    signed_requests: Option<bool>,
}

/// A change: what is absent stays.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
struct ChangeGate {
    /// 1 to 100 characters; no other gate may have it.
    #[garde(skip)]
    #[serde(default, deserialize_with = "stated")]
    #[schema(value_type = String, required = false)]
    name: Option<GateName>,
    /// A disabled gate denies everybody.
    #[garde(skip)]
    #[serde(default, deserialize_with = "stated")]
    #[schema(value_type = bool, required = false)]
    enabled: Option<bool>,
    /// 100 to 60,000.
    #[garde(range(min = 100, max = 60_000))]
    #[serde(default, deserialize_with = "stated")]
    #[schema(value_type = u32, required = false)]
    open_ms: Option<u32>,
    /// 100 to 600,000.
    #[garde(range(min = 100, max = 600_000))]
    #[serde(default, deserialize_with = "stated")]
    #[schema(value_type = u32, required = false)]
    frame_age_ms_max: Option<u32>,
    /// 8 to 1,000 pixels between the pupils.
    #[garde(range(min = 8.0, max = 1_000.0))]
    #[serde(default, deserialize_with = "stated")]
    #[schema(value_type = f32, required = false)]
    pupil_distance_px_min: Option<f32>,
    /// Whom it compares a face with.
    #[garde(skip)]
    #[serde(default, deserialize_with = "stated")]
    #[schema(value_type = GateModeCode, required = false)]
    mode: Option<GateMode>,
    /// 0 to 1; null switches liveness off.
    #[garde(skip)]
    #[serde(default, with = "serde_with::rust::double_option")]
    #[schema(value_type = Option<f32>)]
    liveness_threshold: Option<Option<LivenessScore>>,
    /// Null takes the gate out of its zone.
    #[garde(skip)]
    #[serde(default, with = "serde_with::rust::double_option")]
    #[schema(value_type = Option<Uuid>)]
    zone_id: Option<Option<ZoneId>>,
    /// Into the zone or out of it.
    #[garde(skip)]
    #[serde(default, deserialize_with = "stated")]
    #[schema(value_type = DirectionCode, required = false)]
    direction: Option<Direction>,
    /// 0 to 600,000.
    #[garde(range(max = 600_000))]
    #[serde(default, deserialize_with = "stated")]
    #[schema(value_type = u32, required = false)]
    debounce_ms: Option<u32>,
    /// Whether its passages must be signed.
    #[garde(skip)]
    #[serde(default, deserialize_with = "stated")]
    #[schema(value_type = bool, required = false)]
    signed_requests: Option<bool>,
}

/// Creates a gate.
#[utoipa::path(
    post, path = "/v1/gates", operation_id = "create_gate", tag = "gates", request_body = CreateGate,
    responses((status = 201, description = "Created", body = GateView),
        (status = 404, description = "No such zone", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "The name is taken", body = Problem, content_type = "application/problem+json"))
)]
async fn create(
    State(state): State<AppState>,
    Allowed(caller, _): Allowed<ChangePlaces>,
    _: NoQuery,
    Body(body): Body<CreateGate>,
) -> Result<(StatusCode, Json<GateView>), Problem> {
    check(&body)?;
    let default = &state.settings.new_gate;
    let policy = GatePolicy {
        enabled: body.enabled.unwrap_or(default.enabled),
        open_ms: body.open_ms.unwrap_or(default.open_ms),
        frame_age_ms_max: body.frame_age_ms_max.unwrap_or(default.frame_age_ms_max),
        pupil_distance_px_min: body.pupil_distance_px_min.unwrap_or(default.pupil_distance_px_min),
        mode: body.mode.unwrap_or(default.mode),
        liveness_threshold: body.liveness_threshold.unwrap_or(default.liveness_threshold),
        zone_id: body.zone_id.or(default.zone_id),
        direction: body.direction.unwrap_or(default.direction),
        debounce_ms: body.debounce_ms.unwrap_or(default.debounce_ms),
        signed_requests: body.signed_requests.unwrap_or(default.signed_requests),
    };
    let gate =
        state.store.create_gate(&caller.author(), NewGate { name: body.name, policy }).await?;
    Ok((StatusCode::CREATED, Json(gate.into())))
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

/// Lists gates in the order of their creation.
#[utoipa::path(
    get, path = "/v1/gates", operation_id = "list_gates", tag = "gates", params(ListQuery),
    responses((status = 200, description = "A page", body = Page<GateView>))
)]
async fn list(
    State(state): State<AppState>,
    _: Allowed<SeePlaces>,
    Query(query): Query<ListQuery>,
) -> Result<Json<Page<GateView>>, Problem> {
    let (rows, _permit) = page::begin(query.limit, &state)?;
    let found = state.store.gates(query.cursor, rows + 1).await?;
    Ok(Json(Page::new(found, rows, |gate| gate.id.0)))
}

/// Shows a gate.
#[utoipa::path(
    get, path = "/v1/gates/{gate_id}", operation_id = "read_gate", tag = "gates",
    params(("gate_id" = Uuid, Path, description = "The gate")),
    responses((status = 200, description = "The gate", body = GateView),
        (status = 404, description = "No such gate", body = Problem, content_type = "application/problem+json"))
)]
async fn read(
    State(state): State<AppState>,
    _: Allowed<SeePlaces>,
    _: NoQuery,
    Path(id): Path<GateId>,
) -> Result<Json<GateView>, Problem> {
    Ok(Json(state.store.gate(id).await?.into()))
}

/// Changes a gate.
#[utoipa::path(
    patch, path = "/v1/gates/{gate_id}", operation_id = "change_gate", tag = "gates", request_body = ChangeGate,
    params(("gate_id" = Uuid, Path, description = "The gate")),
    responses((status = 200, description = "Changed", body = GateView),
        (status = 404, description = "No such gate", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "The name is taken", body = Problem, content_type = "application/problem+json"))
)]
async fn change(
    State(state): State<AppState>,
    Allowed(caller, _): Allowed<ChangePlaces>,
    _: NoQuery,
    Path(id): Path<GateId>,
    Body(body): Body<ChangeGate>,
) -> Result<Json<GateView>, Problem> {
    check(&body)?;
    let change = GateChange {
        name: body.name,
        enabled: body.enabled,
        open_ms: body.open_ms,
        frame_age_ms_max: body.frame_age_ms_max,
        pupil_distance_px_min: body.pupil_distance_px_min,
        mode: body.mode,
        liveness_threshold: body.liveness_threshold,
        zone_id: body.zone_id,
        direction: body.direction,
        debounce_ms: body.debounce_ms,
        signed_requests: body.signed_requests,
    };
    Ok(Json(state.store.change_gate(&caller.author(), id, change).await?.into()))
}

/// Removes a gate that never decided anything; one with passages can be disabled instead.
#[utoipa::path(
    delete, path = "/v1/gates/{gate_id}", operation_id = "delete_gate", tag = "gates",
    params(("gate_id" = Uuid, Path, description = "The gate")),
    responses((status = 204, description = "Removed"),
        (status = 404, description = "No such gate", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "The trail names it", body = Problem, content_type = "application/problem+json"))
)]
async fn delete(
    State(state): State<AppState>,
    Allowed(caller, _): Allowed<ChangePlaces>,
    _: NoQuery,
    Path(id): Path<GateId>,
) -> Result<StatusCode, Problem> {
    state.store.delete_gate(&caller.author(), id).await?;
    Ok(StatusCode::NO_CONTENT)
}
