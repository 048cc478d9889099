//! `POST /v1/verify`: is this the claimed employee? (1:1)

use axum::Json;
use axum::extract::State;
use chrono::Utc;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::auth::{Allowed, SendFrames};
use super::extract::Query;
use super::frames::{FrameFile, FrameForm, OneFrame, Room};
use super::identity::{IdentityAnswer, Outcome, look};
use super::{AppState, Problem};
use crate::access::Probe;
use crate::domain::EmployeeId;

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(verify))
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct VerifyQuery {
    /// Who the person claims to be.
    #[param(value_type = uuid::Uuid)]
    employee_id: EmployeeId,
}

/// Compares a frame with the faces of the claimed employee.
#[utoipa::path(
    post, path = "/v1/verify", tag = "frames", params(VerifyQuery),
    request_body(description = "The frame", content(
        (FrameFile = "image/jpeg"), (FrameFile = "image/png"), (FrameFile = "image/webp"),
        (FrameForm = "multipart/form-data"))),
    responses((status = 200, description = "What came of it", body = IdentityAnswer),
        (status = 404, description = "No such employee", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "The employee has no face of this model", body = Problem, content_type = "application/problem+json"))
)]
async fn verify(
    State(state): State<AppState>,
    _: Room,
    _: Allowed<SendFrames>,
    Query(query): Query<VerifyQuery>,
    frame: OneFrame,
) -> Result<Json<IdentityAnswer>, Problem> {
    let employee = state.store.employee(query.employee_id).await?;
    let view = look(&state, &frame).await?;
    let model = state.matcher.model().to_string();
    let (mut answer, face) = IdentityAnswer::begin(view, model);
    answer.employee_id = Some(employee.id);
    match state.matcher.verifier() {
        None => answer.threshold = Some(state.matcher.verify_threshold().value()),
        Some(verifier) => answer.probability_min = Some(verifier.minimum().value()),
    }
    if let Some(face) = face {
        let found = state.matcher.claim(employee.id, &Probe::from(&face))?.ok_or_else(|| {
            Problem::conflict("not_enrolled", "the employee has no face of this model enrolled")
        })?;
        answer.judged_by(&found.scale);
        if let Some(likelihood) = found.likelihood {
            answer.threshold = None;
            answer.probability = Some(likelihood.probability.value());
            answer.probability_min = Some(likelihood.minimum.value());
        }
        answer.distance = Some(found.candidate.distance.value());
        answer.outcome = Outcome::NoMatch;
        if found.is_match() {
            answer.outcome = Outcome::Match;
            answer.employee_status = Some(employee.status);
            answer.employee_standing = Some(employee.standing(Utc::now()).code());
        }
    }
    state.metrics.outcome("verify", answer.outcome.name());
    Ok(Json(answer))
}
