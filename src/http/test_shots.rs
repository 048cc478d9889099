//! `POST /v1/gates/G/test-shots`: what a gate would make of a frame, without a passage.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::{FromRequestParts, State};
use axum::http::request::Parts;
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::auth::{Allowed, ChangePlaces};
use super::explanation::{self, Check};
use super::extract::{NoQuery, Path};
use super::faces::QualityView;
use super::frames::{FrameFile, FrameForm, Frames, Room};
use super::header::optional;
use super::identity::milliseconds;
use super::moment::Moment;
use super::passages::look;
use super::schema::{DecisionCode, GateModeCode, NoticeCode, ReasonCode};
use super::{AppState, Problem};
use crate::domain::{
    BadgeId, Decision, EmployeeId, EmployeeName, Gate, GateId, GateMode, KeyId, Notice,
    PassageRequest, Reason, StageTimings,
};
use crate::store::{StoreError, Verdict};

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(shoot))
}

/// What a gate would answer. It has neither `decision` nor `open_ms` nor a token: no firmware can take it for an answer.
#[derive(Debug, Serialize, ToSchema)]
struct TestShot {
    #[schema(value_type = DecisionCode)]
    would_be: Decision,
    /// The rule that would decide.
    #[schema(value_type = ReasonCode)]
    reason: Reason,
    /// What that means.
    meaning: &'static str,
    /// What the turnstile should show.
    show: &'static str,
    /// What the officer should do.
    advice: &'static str,
    /// What a rule that only reports would have to say.
    #[schema(value_type = Option<NoticeCode>)]
    notice: Option<Notice>,
    /// The figures that were reached, against their limits.
    checks: Vec<Check>,
    #[schema(value_type = Option<Uuid>)]
    employee_id: Option<EmployeeId>,
    /// Their name, where they are known still.
    #[schema(value_type = Option<String>)]
    name: Option<EmployeeName>,
    /// The squared distance to the nearest template, 0 to 4; of several frames that were heard together, the mean.
    distance: Option<f32>,
    /// The τ that it had to stay under; null where a verifier decides.
    threshold: Option<f32>,
    /// Where a verifier decides: how likely it finds it that the face is the badge's owner's, 0 to 1.
    probability: Option<f32>,
    /// The probability that had to be reached.
    probability_min: Option<f32>,
    liveness: Option<f32>,
    liveness_threshold: Option<f32>,
    /// What was measured of the nearest face of the first frame that shows one.
    quality: Option<QualityView>,
    /// How many faces the first frame shows; 0 where it was not looked at.
    faces: usize,
    /// How many frames were looked at; 0 where the gate refuses whatever they show.
    frames: u16,
    model_id: Option<String>,
    /// Whom the gate compares faces with.
    #[schema(value_type = GateModeCode)]
    mode: GateMode,
    /// Milliseconds in each stage of the road, all frames together.
    timings_ms: BTreeMap<&'static str, f64>,
}

/// What the frames showed beside what was decided on.
#[derive(Default)]
struct Seen {
    quality: Option<QualityView>,
    faces: usize,
    timings: StageTimings,
}

impl TestShot {
    fn new(verdict: Verdict, mode: GateMode, name: Option<EmployeeName>, seen: Seen) -> Self {
        let Verdict { reason, notice, evidence, .. } = verdict;
        let [meaning, show, advice] = explanation::words(reason);
        Self {
            would_be: reason.decision(),
            reason,
            meaning,
            show,
            advice,
            notice,
            checks: Check::of(&evidence),
            employee_id: evidence.employee_id,
            name,
            distance: evidence.distance.map(|d| d.value()),
            threshold: evidence.threshold.map(|t| t.value()),
            probability: evidence.likelihood.map(|l| l.probability.value()),
            probability_min: evidence.likelihood.map(|l| l.minimum.value()),
            liveness: evidence.liveness.map(|l| l.value()),
            liveness_threshold: evidence.liveness_threshold.map(|l| l.value()),
            quality: seen.quality,
            faces: seen.faces,
            frames: evidence.frames,
            model_id: evidence.model_id.map(|m| m.to_string()),
            mode,
            timings_ms: milliseconds(&seen.timings),
        }
    }
}

/// Everything that a test shot says before its frames.
struct ShotHead {
    key_id: KeyId,
    gate: Gate,
    captured_at: DateTime<Utc>,
    badge_id: Option<BadgeId>,
}

impl FromRequestParts<AppState> for ShotHead {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Problem> {
        let Allowed(caller, _) = Allowed::<ChangePlaces>::from_request_parts(parts, state).await?;
        let Path(gate_id) = Path::<GateId>::from_request_parts(parts, state).await?;
        NoQuery::from_request_parts(parts, state).await?;
        let captured_at = optional::<Moment>(&parts.headers, "x-captured-at")?;
        let badge_id = optional(&parts.headers, "x-badge-id")?;
        let gate = state.store.gate(gate_id).await?;
        // By the clock that the age of frames is told by.
        let captured_at = match captured_at {
            Some(moment) => moment.0,
            None => state.store.now().await?,
        };
        Ok(Self { key_id: caller.key_id, gate, captured_at, badge_id })
    }
}

/// Says what a gate would make of frames now. It opens for nobody, and nothing is recorded or counted.
#[utoipa::path(
    post, path = "/v1/gates/{gate_id}/test-shots", operation_id = "test_gate", tag = "gates",
    params(("gate_id" = Uuid, Path, description = "The gate"),
        ("x-captured-at" = Option<DateTime<Utc>>, Header, description =
            "When the (oldest) frame was captured, RFC 3339; default: when the request came"),
        ("x-badge-id" = Option<String>, Header, description = "The badge that would be shown")),
    request_body(description = "The frame, or multipart/form-data with parts named frame", content(
        (FrameFile = "image/jpeg"), (FrameFile = "image/png"), (FrameFile = "image/webp"),
        (FrameForm = "multipart/form-data"))),
    responses((status = 200, description = "What it would be", body = TestShot),
        (status = 404, description = "No such gate", body = Problem, content_type = "application/problem+json"))
)]
async fn shoot(
    State(state): State<AppState>,
    _: Room,
    ShotHead { key_id, gate, captured_at, badge_id }: ShotHead,
    frames: Frames,
) -> Result<Json<TestShot>, Problem> {
    let request = PassageRequest {
        gate_id: gate.id,
        event_id: "test-shot".parse().map_err(Problem::internal)?,
        captured_at,
        badge_id,
        frames_sha256: frames.sha256().await?,
        key_id,
    };
    let mut seen = Seen::default();
    let look = async || {
        let views = look(&state, &gate.policy, &frames).await?;
        seen.quality = views.iter().find_map(|view| view.quality().copied().map(Into::into));
        seen.faces = views.first().map_or(0, |view| view.faces);
        views.iter().for_each(|view| seen.timings.add(&view.timings));
        Ok::<_, Problem>(views)
    };
    let (verdict, timings) = state.gatekeeper.rehearse(&gate, &request, look).await?;
    seen.timings.add(&timings);
    let name = match verdict.evidence.employee_id {
        Some(employee) => name(&state, employee).await?,
        None => None,
    };
    tracing::info!(gate = %gate.id, reason = verdict.reason.code(), "a test shot, which opens nothing");
    Ok(Json(TestShot::new(verdict, gate.policy.mode, name, seen)))
}

async fn name(state: &AppState, employee: EmployeeId) -> Result<Option<EmployeeName>, Problem> {
    match state.store.employee(employee).await {
        Ok(employee) => Ok(Some(employee.name)),
        // Removed since the gallery heard of them.
        Err(StoreError::NotFound(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
