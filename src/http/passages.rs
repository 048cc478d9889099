//! `POST /v1/gates/G/passages`: does the gate open? `GET /v1/passages`: the trail.

use std::sync::Arc;

use axum::Json;
use axum::extract::{FromRequestParts, State};
use axum::http::request::Parts;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::auth::{Allowed, Caller, SeeTrail};
use super::extract::{NoQuery, Path, Query};
use super::frames::{FrameFile, FrameForm, Frames};
use super::gate_caller::GateCaller;
use super::header::{optional, required};
use super::moment::Moment;
use super::page::{self, Page};
use super::schema::{
    DecisionCode, DirectionCode, GateModeCode, NoticeCode, QualityFigureCode, ReasonCode,
    ToldReasonCode,
};
use super::{AppState, Problem};
use crate::domain::{
    BadgeId, Decision, Direction, EmployeeId, EventId, FaceSeen, Gate, GateId, GateMode,
    GatePolicy, KeyId, Notice, Passage, PassageId, PassageRequest, Permission, QualityFigure,
    Reason, View, ZoneId,
};
use crate::store::{Listed, ListedPassage, OfGate, PassageFilter};
use crate::vision::LookSettings;

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(pass))
        .routes(routes!(list))
        .routes(routes!(read))
        .routes(routes!(read_grant_key))
}

/// The gate's answer.
#[derive(Debug, Serialize, ToSchema)]
struct PassageAnswer {
    /// `grant` opens; everything else, errors included, does not.
    #[schema(value_type = DecisionCode)]
    decision: Decision,
    /// Why; see the table of reasons in the documentation.
    #[schema(value_type = ToldReasonCode)]
    reason: Reason,
    /// The employee, where one was identified.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Uuid>)]
    employee_id: Option<EmployeeId>,
    /// How long to open, in milliseconds; 0 unless granted.
    open_ms: u32,
    /// The passage's row in the trail.
    #[schema(value_type = Uuid)]
    passage_id: PassageId,
    /// With a grant, where grants are signed: what the turnstile checks with the key of `/v1/grant-key`.
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<String>,
}

impl PassageAnswer {
    fn new(passage: &Passage, token: Option<String>) -> Self {
        let (evidence, reason) = (&passage.evidence, passage.told());
        // A look-alike's face alone identifies nobody, and who is blocked the gate must not learn.
        let identified =
            evidence.is_match() && reason == passage.reason && reason != Reason::BadgeRequired;
        Self {
            decision: reason.decision(),
            reason,
            employee_id: evidence.employee_id.filter(|_| identified),
            open_ms: passage.open_ms,
            passage_id: passage.id,
            token,
        }
    }
}

/// Decides whether a gate opens, and records the decision.
#[utoipa::path(
    post, path = "/v1/gates/{gate_id}/passages", tag = "gates",
    params(("gate_id" = Uuid, Path, description = "The gate"),
        ("x-event-id" = String, Header, description =
            "The firmware's name for the event: 1 to 64 of A-Z a-z 0-9 . _ -. Repeating it with \
             the same frames repeats the answer"),
        ("x-captured-at" = DateTime<Utc>, Header, description =
            "When the (oldest) frame was captured, RFC 3339"),
        ("x-badge-id" = Option<String>, Header, description =
            "The badge that was shown: the face is then compared with its owner alone, unless the \
             gate's mode is `face`"),
        ("x-content-sha256" = Option<String>, Header, description =
            "SHA-256 of the body in hexadecimal, where the request is signed: `authorization: \
             Limen-HMAC-SHA256 ...` in the place of an API key, see docs/DEVICES.md")),
    request_body(description = "The frame, or multipart/form-data with parts named frame", content(
        (FrameFile = "image/jpeg"), (FrameFile = "image/png"), (FrameFile = "image/webp"),
        (FrameForm = "multipart/form-data"))),
    responses((status = 200, description = "The decision", body = PassageAnswer),
        (status = 404, description = "No such gate", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "The event id was used for other frames", body = Problem, content_type = "application/problem+json"))
)]
async fn pass(
    State(state): State<AppState>,
    head: PassageHead,
    frames: Frames,
) -> Result<Json<PassageAnswer>, Problem> {
    let gate = head.gate;
    let request = PassageRequest {
        gate_id: gate.id,
        event_id: head.event_id,
        captured_at: head.captured_at,
        badge_id: head.badge_id,
        frames_sha256: frames.sha256().await?,
        key_id: head.key_id,
    };
    let (answered, timings) = state
        .gatekeeper
        .pass(&gate, request, async || look(&state, &gate.policy, &frames).await)
        .await?;
    let passage = &answered.passage;
    state.metrics.stages(&timings);
    state.metrics.passage(passage.reason);
    tracing::info!(
        gate = %gate.id, passage = %passage.id, event = passage.request.event_id.as_str(),
        decision = passage.reason.decision().code(), reason = passage.reason.code(),
        "decided"
    );
    let signer = state.grant_signer.as_ref();
    let token = signer.and_then(|signer| signer.sign(&answered));
    Ok(Json(PassageAnswer::new(passage, token)))
}

/// The key that grants are signed with.
#[derive(Debug, Serialize, ToSchema)]
struct GrantKeyView {
    /// How they are signed.
    #[schema(example = "Ed25519")]
    algorithm: &'static str,
    /// 32 bytes in base64url.
    public_key: String,
}

/// Whoever may know the key: firmware, which may sign what it asks, or who provisions it.
struct GrantKeyReader;

impl FromRequestParts<AppState> for GrantKeyReader {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Problem> {
        let caller = Caller::of_gate(parts, state).await?;
        caller
            .require(Permission::SeePlaces)
            .or_else(|_| caller.require(Permission::SendFrames))?;
        Ok(Self)
    }
}

/// Shows the public key that grants are signed with.
#[utoipa::path(
    get, path = "/v1/grant-key", operation_id = "read_grant_key", tag = "gates",
    responses((status = 200, description = "The key", body = GrantKeyView),
        (status = 400, description = "There are no parameters", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "Grants are not signed here", body = Problem, content_type = "application/problem+json"))
)]
async fn read_grant_key(
    State(state): State<AppState>,
    _: GrantKeyReader,
    _: NoQuery,
) -> Result<Json<GrantKeyView>, Problem> {
    let signer = state.grant_signer.as_ref().ok_or_else(|| {
        Problem::not_found(
            "grant key: grants are not signed unless `grant_key_file` is set in [gates]",
        )
    })?;
    Ok(Json(GrantKeyView { algorithm: "Ed25519", public_key: signer.public_key() }))
}

/// Everything that a passage says before its frames: what is wrong with it is told before they are read.
/// What the gate refuses whatever they show is recorded with their hash, and so told after.
struct PassageHead {
    key_id: KeyId,
    gate: Gate,
    event_id: EventId,
    captured_at: DateTime<Utc>,
    badge_id: Option<BadgeId>,
}

impl FromRequestParts<AppState> for PassageHead {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Problem> {
        let GateCaller { key_id, gate } = GateCaller::from_request_parts(parts, state).await?;
        let headers = &parts.headers;
        let event_id = required(headers, "x-event-id")?;
        let captured_at = required::<Moment>(headers, "x-captured-at")?.0;
        let badge_id = optional(headers, "x-badge-id")?;
        Ok(Self { key_id, gate, event_id, captured_at, badge_id })
    }
}

pub(super) async fn look(
    state: &AppState,
    policy: &GatePolicy,
    frames: &Frames,
) -> Result<Vec<View<FaceSeen>>, Problem> {
    let settings = LookSettings {
        liveness_threshold: policy.liveness_threshold,
        pupil_distance_px_min: policy.pupil_distance_px_min,
        picture: false,
    };
    // One after the other in one place, so that a passage is looked at as a whole or not at all.
    let place = state.engine.place()?;
    let mut views = Vec::new();
    for frame in frames.iter() {
        let view = state.engine.look(place.clone(), frame.clone(), settings).await?;
        state.metrics.stages(&view.timings);
        views.push(view);
    }
    Ok(views)
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ListQuery {
    /// Only those of this gate.
    #[param(value_type = Option<Uuid>)]
    gate_id: Option<GateId>,
    /// Only those of the event that the gate calls so.
    #[param(value_type = Option<String>)]
    event_id: Option<EventId>,
    /// Only those of this employee.
    #[param(value_type = Option<Uuid>)]
    employee_id: Option<EmployeeId>,
    /// Only those with this decision.
    #[param(value_type = Option<DecisionCode>)]
    decision: Option<Decision>,
    /// Only those with this reason.
    #[param(value_type = Option<ReasonCode>)]
    reason: Option<Reason>,
    /// Only those through gates of this zone, as they then were.
    #[param(value_type = Option<Uuid>)]
    zone_id: Option<ZoneId>,
    /// Only those of which a rule that only reports had this to say.
    #[param(value_type = Option<NoticeCode>)]
    notice: Option<Notice>,
    /// Only those decided at or after this moment.
    #[param(value_type = Option<DateTime<Utc>>)]
    from: Option<Moment>,
    /// Only those decided before this moment.
    #[param(value_type = Option<DateTime<Utc>>)]
    until: Option<Moment>,
    /// Rows of the page.
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    #[param(value_type = Option<Uuid>)]
    cursor: Option<PassageId>,
}

/// A row of the trail.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PassageView {
    #[schema(value_type = Uuid)]
    passage_id: PassageId,
    #[schema(value_type = Uuid)]
    gate_id: GateId,
    event_id: String,
    captured_at: DateTime<Utc>,
    decided_at: DateTime<Utc>,
    #[schema(value_type = DecisionCode)]
    decision: Decision,
    #[schema(value_type = ReasonCode)]
    reason: Reason,
    open_ms: u32,
    /// What a rule that only reports had to say.
    #[schema(value_type = Option<NoticeCode>)]
    notice: Option<Notice>,
    /// The zone that the gate led into or out of.
    #[schema(value_type = Option<Uuid>)]
    zone_id: Option<ZoneId>,
    #[schema(value_type = Option<DirectionCode>)]
    direction: Option<Direction>,
    /// Whom the gate compared faces with.
    #[schema(value_type = Option<GateModeCode>)]
    mode: Option<GateMode>,
    #[schema(value_type = Option<Uuid>)]
    employee_id: Option<EmployeeId>,
    #[schema(value_type = Option<String>)]
    badge_id: Option<BadgeId>,
    /// The squared distance to the nearest template, 0 to 4; of several frames that were heard together, the mean.
    distance: Option<f32>,
    /// The τ that it had to stay under; null where a verifier decided.
    threshold: Option<f32>,
    /// Where a verifier decided: how likely it found it that the face is the badge's owner's, 0 to 1.
    probability: Option<f32>,
    /// The probability that had to be reached.
    probability_min: Option<f32>,
    /// Where the nearest person could not be told from the next: the squared distance to that one.
    second_distance: Option<f32>,
    /// By how much farther than the nearest they had to be.
    margin: Option<f32>,
    /// Where the face's picture was not good enough: the figure that missed its limit.
    #[schema(value_type = Option<QualityFigureCode>)]
    quality_figure: Option<QualityFigure>,
    /// What was measured.
    quality_value: Option<f32>,
    /// What it had to reach, or not to exceed.
    quality_limit: Option<f32>,
    liveness: Option<f32>,
    liveness_threshold: Option<f32>,
    model_id: Option<String>,
    /// The calibration that the threshold, or the least probability, followed from: its fingerprint.
    #[schema(value_type = Option<String>)]
    calibration: Option<Arc<str>>,
    /// How many changes of `/v1/changes` the policy that decided rested on.
    policy_version: Option<u64>,
    /// How many frames were looked at; 0 where the gate refused whatever they show.
    frames: u16,
    /// The passage of the same person after which this one was one too many, by `debounce_ms` or anti-passback.
    #[schema(value_type = Option<Uuid>)]
    earlier_passage_id: Option<PassageId>,
    /// Set where a repeated event lost its grant: the passage that was repeated.
    #[schema(value_type = Option<Uuid>)]
    replay_of: Option<PassageId>,
}

impl From<Passage> for PassageView {
    fn from(passage: Passage) -> Self {
        let Passage {
            id,
            request,
            reason,
            evidence,
            open_ms,
            notice,
            zone_id,
            direction,
            policy_version,
            mode,
            decided_at,
            replay_of,
        } = passage;
        Self {
            passage_id: id,
            gate_id: request.gate_id,
            event_id: request.event_id.as_str().to_owned(),
            captured_at: request.captured_at,
            decided_at,
            decision: reason.decision(),
            reason,
            open_ms,
            notice,
            zone_id,
            direction,
            mode,
            employee_id: evidence.employee_id,
            badge_id: request.badge_id,
            distance: evidence.distance.map(|d| d.value()),
            threshold: evidence.threshold.map(|t| t.value()),
            probability: evidence.likelihood.map(|l| l.probability.value()),
            probability_min: evidence.likelihood.map(|l| l.minimum.value()),
            second_distance: evidence.runner_up.map(|second| second.distance().value()),
            margin: evidence.runner_up.map(|second| second.margin()),
            quality_figure: evidence.shortfall.map(|shortfall| shortfall.figure()),
            quality_value: evidence.shortfall.map(|shortfall| shortfall.value()),
            quality_limit: evidence.shortfall.map(|shortfall| shortfall.limit()),
            liveness: evidence.liveness.map(|l| l.value()),
            liveness_threshold: evidence.liveness_threshold.map(|l| l.value()),
            model_id: evidence.model_id.map(|m| m.to_string()),
            calibration: evidence.calibration,
            policy_version,
            frames: evidence.frames,
            earlier_passage_id: evidence.earlier_passage_id,
            replay_of,
        }
    }
}

/// A passage of a list.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub(super) enum PassageEntry {
    Read(Box<PassageView>),
    Unreadable(UnreadablePassageView),
}

/// A passage that cannot be read: a newer version of Limen wrote it, or somebody altered it, which `limen audit
/// verify` tells.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct UnreadablePassageView {
    #[schema(value_type = Uuid)]
    passage_id: PassageId,
    #[schema(value_type = Uuid)]
    gate_id: GateId,
    /// True.
    unreadable: bool,
}

impl From<ListedPassage> for PassageEntry {
    fn from(listed: ListedPassage) -> Self {
        match listed {
            Listed::Read(passage) => Self::Read(Box::new(passage.into())),
            Listed::Unreadable(OfGate { id, gate_id }) => Self::Unreadable(UnreadablePassageView {
                passage_id: id,
                gate_id,
                unreadable: true,
            }),
        }
    }
}

/// Lists passages, the newest first.
#[utoipa::path(
    get, path = "/v1/passages", operation_id = "list_passages", tag = "passages", params(ListQuery),
    responses((status = 200, description = "A page", body = Page<PassageEntry>))
)]
async fn list(
    State(state): State<AppState>,
    _: Allowed<SeeTrail>,
    Query(query): Query<ListQuery>,
) -> Result<Json<Page<PassageEntry>>, Problem> {
    let (rows, _permit) = page::begin(query.limit, &state)?;
    let filter = PassageFilter {
        gate_id: query.gate_id,
        event_id: query.event_id,
        employee_id: query.employee_id,
        decision: query.decision,
        reason: query.reason,
        zone_id: query.zone_id,
        notice: query.notice,
        from: query.from.map(|moment| moment.0),
        until: query.until.map(|moment| moment.0),
    };
    let found = state.store.passages(&filter, query.cursor, rows + 1).await?;
    Ok(Json(Page::new(found, rows, |listed| listed.id().0)))
}

/// Shows a passage.
#[utoipa::path(
    get, path = "/v1/passages/{passage_id}", operation_id = "read_passage", tag = "passages",
    params(("passage_id" = Uuid, Path, description = "The passage")),
    responses((status = 200, description = "The passage", body = PassageView),
        (status = 404, description = "No such passage", body = Problem, content_type = "application/problem+json"))
)]
async fn read(
    State(state): State<AppState>,
    _: Allowed<SeeTrail>,
    _: NoQuery,
    Path(id): Path<PassageId>,
) -> Result<Json<PassageView>, Problem> {
    Ok(Json(state.store.passage(id).await?.into()))
}
