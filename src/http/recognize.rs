//! `POST /v1/recognize`: who is this, if anybody enrolled? (1:N)

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
use super::identity::{CandidateView, IdentityAnswer, Outcome, look};
use super::{AppState, Problem};
use crate::access::{Found, Probe, Whom};
use crate::domain::Permission;
use crate::store::StoreError;

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(recognize))
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct RecognizeQuery {
    /// List this many of the nearest people; needs the scope `officer` or `admin` too.
    candidates: Option<usize>,
}

/// Compares a frame with everybody.
#[utoipa::path(
    post, path = "/v1/recognize", tag = "frames", params(RecognizeQuery),
    request_body(description = "The frame", content(
        (FrameFile = "image/jpeg"), (FrameFile = "image/png"), (FrameFile = "image/webp"),
        (FrameForm = "multipart/form-data"))),
    responses((status = 200, description = "What came of it", body = IdentityAnswer))
)]
async fn recognize(
    State(state): State<AppState>,
    _: Room,
    Allowed(caller, _): Allowed<SendFrames>,
    Query(query): Query<RecognizeQuery>,
    frame: OneFrame,
) -> Result<Json<IdentityAnswer>, Problem> {
    if let Some(candidates) = query.candidates {
        caller.require(Permission::SeeCandidates)?;
        let candidates_max = state.settings.candidates_max;
        if !(1..=candidates_max).contains(&candidates) {
            let detail = format!("candidates must be 1 to {candidates_max}, not {candidates}");
            return Err(Problem::bad_request("bad_query", detail));
        }
    }
    let threshold = state.matcher.recognize_threshold().threshold;
    let view = look(&state, &frame).await?;
    let model = state.matcher.model().to_string();
    let (mut answer, face) = IdentityAnswer::begin(view, model);
    answer.threshold = Some(threshold.value());
    if let Some(face) = face {
        let count = query.candidates.unwrap_or(1);
        let found = state.matcher.find(&Probe::from(&face), count).await?;
        answer.judged_by(&found.scale);
        answer.distance = found.nearest.first().map(|candidate| candidate.distance.value());
        answer.outcome = match found.whom {
            Whom::Known(Found { candidate: person, .. }) => {
                answer.employee_id = Some(person.employee_id);
                answer.employee_status = Some(person.status);
                match state.store.employee(person.employee_id).await {
                    Ok(employee) => {
                        answer.employee_standing = Some(employee.standing(Utc::now()).code());
                        Outcome::Match
                    }
                    // Removed since the gallery heard of them.
                    Err(StoreError::NotFound(_)) => {
                        (answer.employee_id, answer.employee_status) = (None, None);
                        Outcome::Unknown
                    }
                    Err(error) => return Err(error.into()),
                }
            }
            Whom::Ambiguous(_) => Outcome::Ambiguous,
            Whom::Unknown => Outcome::Unknown,
        };
        let nearest = found.nearest.into_iter().map(CandidateView::from);
        answer.candidates = query.candidates.map(|count| nearest.take(count).collect());
    }
    state.metrics.outcome("recognize", answer.outcome.name());
    Ok(Json(answer))
}
