//! `POST /v1/gates/G/inputs`: what firmware reports beside passages. `GET /v1/inputs`: the record of it.

use axum::Json;
use axum::extract::{FromRequestParts, State};
use axum::http::request::Parts;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use tracing::Instrument;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::auth::{Allowed, SeeTrail};
use super::extract::{self, Query};
use super::gate_caller::GateCaller;
use super::header::required;
use super::moment::Moment;
use super::page::{self, Page};
use super::schema::InputCode;
use super::{AppState, Problem, alarm};
use crate::domain::{
    EventId, GateId, GateInput, GateInputId, InputKind, InputReport, KeyId, PassageId,
};
use crate::store::{Conflict, InputFilter, Listed, ListedInput, OfGate};

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(report)).routes(routes!(list))
}

/// Everything that a report says before its body.
struct ReportHead {
    caller: GateCaller,
    event_id: EventId,
}

impl FromRequestParts<AppState> for ReportHead {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Problem> {
        let caller = GateCaller::from_request_parts(parts, state).await?;
        Ok(Self { caller, event_id: required(&parts.headers, "x-event-id")? })
    }
}

/// What a gate noticed.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewInput {
    #[schema(value_type = InputCode)]
    input: InputKind,
    /// When, by the gate's clock; it may be long ago, where the gate was cut off.
    #[schema(value_type = DateTime<Utc>)]
    happened_at: Moment,
    /// With `rotation_done` and `grant_unused`: the passage that was granted. No other input has one.
    #[schema(value_type = Option<Uuid>)]
    passage_id: Option<PassageId>,
    /// In its place, where the answer got lost: the `x-event-id` of the passage.
    #[schema(value_type = Option<String>)]
    passage_event_id: Option<EventId>,
}

/// What a gate reported, as recorded.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct InputView {
    #[schema(value_type = Uuid)]
    input_id: GateInputId,
    #[schema(value_type = Uuid)]
    gate_id: GateId,
    event_id: String,
    #[schema(value_type = InputCode)]
    input: InputKind,
    /// The grant that was used, or was not.
    #[schema(value_type = Option<Uuid>)]
    passage_id: Option<PassageId>,
    /// When, by the gate's clock.
    happened_at: DateTime<Utc>,
    recorded_at: DateTime<Utc>,
    /// The key that reported it.
    #[schema(value_type = Uuid)]
    key_id: KeyId,
}

impl From<GateInput> for InputView {
    fn from(GateInput { id, report, recorded_at }: GateInput) -> Self {
        Self {
            input_id: id,
            gate_id: report.gate_id,
            event_id: report.event_id.as_str().to_owned(),
            input: report.kind,
            passage_id: report.passage_id,
            happened_at: report.happened_at,
            recorded_at,
            key_id: report.key_id,
        }
    }
}

/// Records what a gate noticed: at its door, at the button inside, and whether anybody went through on a grant.
#[utoipa::path(
    post, path = "/v1/gates/{gate_id}/inputs", operation_id = "report_input", tag = "gates",
    params(("gate_id" = Uuid, Path, description = "The gate"),
        ("x-event-id" = String, Header, description =
            "The firmware's name for the event: 1 to 64 of A-Z a-z 0-9 . _ -. Repeating it records nothing more"),
        ("x-content-sha256" = Option<String>, Header, description =
            "SHA-256 of the body in hexadecimal, where the request is signed: see docs/DEVICES.md")),
    request_body = NewInput,
    responses((status = 200, description = "Recorded, now or when the event came first", body = InputView),
        (status = 404, description = "No such gate", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "The event id was used for something else, or what became of the grant was reported before", body = Problem, content_type = "application/problem+json"))
)]
async fn report(
    State(state): State<AppState>,
    ReportHead { caller, event_id }: ReportHead,
    extract::Json(input): extract::Json<NewInput>,
) -> Result<Json<InputView>, Problem> {
    let passage_id = match (input.passage_id, input.passage_event_id) {
        (passage, None) => passage,
        (None, Some(event)) => {
            let passage = state.store.passage_of_event(caller.gate.id, &event).await?;
            Some(passage.ok_or(Conflict::NotAGrant)?.id)
        }
        (Some(_), Some(_)) => {
            let detail = "passage_id, passage_event_id: one of them names the grant, not both";
            return Err(Problem::unprocessable("bad_value", detail));
        }
    };
    let report = InputReport {
        gate_id: caller.gate.id,
        event_id,
        kind: input.input,
        passage_id,
        happened_at: input.happened_at.0,
        key_id: caller.key_id,
    };
    check(&state, &report).await?;
    if let Some(input) = recorded_before(&state, &report).await? {
        return Ok(Json(input.into()));
    }
    // To the end, also when the gate hangs up meanwhile: what is recorded then still raises its alarm.
    let recorded = tokio::spawn(record(state, report).in_current_span());
    Ok(Json(recorded.await.map_err(Problem::internal)??.into()))
}

async fn record(state: AppState, report: InputReport) -> Result<GateInput, Problem> {
    let recorded = state.store.record_input(&report, state.settings.grant_lifetime).await?;
    let Some(input) = recorded else {
        // It came twice at once.
        let input = recorded_before(&state, &report).await?;
        return input.ok_or_else(|| Problem::not_found("input"));
    };
    state.metrics.gate_input(report.kind);
    if let Some(alarm) = report.kind.alarm() {
        alarm::raise_by_gate(&state.metrics, alarm, &input);
    }
    tracing::info!(
        gate = %report.gate_id, input = %input.id, event = report.event_id.as_str(),
        kind = report.kind.code(), "a gate reported"
    );
    Ok(input)
}

async fn check(state: &AppState, report: &InputReport) -> Result<(), Problem> {
    let code = report.kind.code();
    if report.kind.settles_a_grant() != report.passage_id.is_some() {
        let detail = if report.passage_id.is_some() {
            format!("passage_id: {code} names none")
        } else {
            format!("passage_id: {code} names the passage that was granted")
        };
        return Err(Problem::unprocessable("bad_value", detail));
    }
    let clock_skew_max = state.settings.clock_skew_max;
    let is_ahead = |now: DateTime<Utc>| report.happened_at > now + clock_skew_max;
    // Where this clock is slow, the one that all replicas share may know better.
    if is_ahead(Utc::now()) && is_ahead(state.store.now().await?) {
        let detail = format!(
            "happened_at: it is ahead by more than clock_skew_ms_max ({})",
            clock_skew_max.as_millis()
        );
        return Err(Problem::unprocessable("bad_value", detail));
    }
    Ok(())
}

/// What was recorded of the event before.
async fn recorded_before(
    state: &AppState,
    report: &InputReport,
) -> Result<Option<GateInput>, Problem> {
    let recorded = state.store.input_of_event(report.gate_id, &report.event_id).await?;
    match recorded {
        Some(input) if !input.report.says_the_same(report) => Err(Problem::conflict(
            "event_id_reused",
            "the event id was used for another input before",
        )),
        recorded => Ok(recorded),
    }
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ListQuery {
    /// Only those of this gate.
    #[param(value_type = Option<Uuid>)]
    gate_id: Option<GateId>,
    /// Only those of this kind.
    #[param(value_type = Option<InputCode>)]
    input: Option<InputKind>,
    /// Only that which says what became of this grant.
    #[param(value_type = Option<Uuid>)]
    passage_id: Option<PassageId>,
    /// Only those recorded at or after this moment.
    #[param(value_type = Option<DateTime<Utc>>)]
    from: Option<Moment>,
    /// Only those recorded before this moment.
    #[param(value_type = Option<DateTime<Utc>>)]
    until: Option<Moment>,
    /// Rows of the page.
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    #[param(value_type = Option<Uuid>)]
    cursor: Option<GateInputId>,
}

/// An input of a list.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub(super) enum InputEntry {
    Read(InputView),
    Unreadable(UnreadableInputView),
}

/// An input that cannot be read: a newer version of Limen wrote it, or somebody altered it, which `limen audit
/// verify` tells.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct UnreadableInputView {
    #[schema(value_type = Uuid)]
    input_id: GateInputId,
    #[schema(value_type = Uuid)]
    gate_id: GateId,
    /// True.
    unreadable: bool,
}

impl From<ListedInput> for InputEntry {
    fn from(listed: ListedInput) -> Self {
        match listed {
            Listed::Read(input) => Self::Read(input.into()),
            Listed::Unreadable(OfGate { id, gate_id }) => {
                Self::Unreadable(UnreadableInputView { input_id: id, gate_id, unreadable: true })
            }
        }
    }
}

/// Lists what gates reported, the newest first.
#[utoipa::path(
    get, path = "/v1/inputs", operation_id = "list_inputs", tag = "passages", params(ListQuery),
    responses((status = 200, description = "A page", body = Page<InputEntry>))
)]
async fn list(
    State(state): State<AppState>,
    _: Allowed<SeeTrail>,
    Query(query): Query<ListQuery>,
) -> Result<Json<Page<InputEntry>>, Problem> {
    let (rows, _permit) = page::begin(query.limit, &state)?;
    let filter = InputFilter {
        gate_id: query.gate_id,
        kind: query.input,
        passage_id: query.passage_id,
        from: query.from.map(|moment| moment.0),
        until: query.until.map(|moment| moment.0),
    };
    let found = state.store.inputs(&filter, query.cursor, rows + 1).await?;
    Ok(Json(Page::new(found, rows, |listed| listed.id().0)))
}
