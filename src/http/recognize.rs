//! `POST /v1/recognize`: who is this, if anybody enrolled? (1:N)

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::auth::{Allowed, Gate};
use super::extract::Query;
use super::frames::{FrameForm, OneFrame};
use super::identity::{CandidateView, IdentityAnswer, Outcome, look};
use super::{AppState, Problem};
use crate::store::Scope;

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(recognize))
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct RecognizeQuery {
    /// List this many of the nearest people; needs the scope `admin`.
    candidates: Option<usize>,
}

/// Compares a frame with everybody.
#[utoipa::path(
    post, path = "/v1/recognize", tag = "frames", params(RecognizeQuery),
    request_body(description = "The frame", content(
        (Vec<u8> = "image/jpeg"), (Vec<u8> = "image/png"), (Vec<u8> = "image/webp"),
        (FrameForm = "multipart/form-data"))),
    responses((status = 200, description = "What came of it", body = IdentityAnswer))
)]
async fn recognize(
    State(state): State<AppState>,
    Allowed(caller, _): Allowed<Gate>,
    Query(query): Query<RecognizeQuery>,
    frame: OneFrame,
) -> Result<Json<IdentityAnswer>, Problem> {
    if let Some(candidates) = query.candidates {
        caller.require(Scope::Admin)?;
        let candidates_max = state.settings.candidates_max;
        if !(1..=candidates_max).contains(&candidates) {
            let detail = format!("candidates must be 1 to {candidates_max}, not {candidates}");
            return Err(Problem::bad_request("bad_query", detail));
        }
    }
    let threshold = state.matcher.recognize_threshold().threshold;
    let view = look(&state, &frame).await?;
    let model = state.matcher.model().to_string();
    let (mut answer, face) = IdentityAnswer::begin(view, threshold.value(), model);
    if let Some(face) = face {
        let nearest = state.matcher.nearest(face.encoding, query.candidates.unwrap_or(1)).await?;
        answer.distance = nearest.first().map(|candidate| candidate.distance.value());
        answer.outcome = Outcome::Unknown;
        if let Some(first) = nearest.first().filter(|first| first.distance.is_match(threshold)) {
            answer.outcome = Outcome::Match;
            answer.employee_id = Some(first.employee_id);
            answer.employee_status = Some(first.status);
        }
        answer.candidates =
            query.candidates.map(|_| nearest.into_iter().map(CandidateView::from).collect());
    }
    state.metrics.outcome("recognize", answer.outcome.name());
    Ok(Json(answer))
}
