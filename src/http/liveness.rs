//! `POST /v1/liveness`: is this a live face?

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::auth::{Allowed, SendFrames};
use super::extract::NoQuery;
use super::frames::{FrameFile, FrameForm, OneFrame, Room};
use super::identity::{Outcome, milliseconds};
use super::schema::IssueCode;
use super::{AppState, Problem};
use crate::domain::Sighting;

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(liveness))
}

/// Whether the nearest face of a frame is alive.
#[derive(Debug, Serialize, ToSchema)]
struct LivenessAnswer {
    outcome: Outcome,
    /// 0 (an attack) to 1 (alive); absent where there is no face to judge.
    #[serde(skip_serializing_if = "Option::is_none")]
    score: Option<f32>,
    /// The score that a live face must reach.
    threshold: f32,
    /// What is wrong with the picture.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<IssueCode>)]
    issues: Vec<&'static str>,
    /// How many faces the frame shows.
    faces: usize,
    /// Milliseconds in each stage of the road.
    timings_ms: BTreeMap<&'static str, f64>,
}

/// Tells a live face from a presentation attack.
#[utoipa::path(
    post, path = "/v1/liveness", tag = "frames",
    request_body(description = "The frame", content(
        (FrameFile = "image/jpeg"), (FrameFile = "image/png"), (FrameFile = "image/webp"),
        (FrameForm = "multipart/form-data"))),
    responses((status = 200, description = "What came of it", body = LivenessAnswer))
)]
async fn liveness(
    State(state): State<AppState>,
    _: Room,
    _: Allowed<SendFrames>,
    _: NoQuery,
    frame: OneFrame,
) -> Result<Json<LivenessAnswer>, Problem> {
    let threshold = state.settings.liveness_threshold;
    let pupil_distance_px_min = state.settings.pupil_distance_px_min;
    let place = state.engine.place()?;
    let view = state.engine.liveness(place, frame.frame.clone(), pupil_distance_px_min).await?;
    state.metrics.stages(&view.timings);
    let (outcome, score, issues) = match view.sighting {
        Sighting::NoFace => (Outcome::NoFace, None, Vec::new()),
        Sighting::MultipleFaces => (Outcome::MultipleFaces, None, Vec::new()),
        Sighting::LowQuality { issues, .. } => (Outcome::LowQuality, None, issues),
        Sighting::Spoof { liveness } => (Outcome::Spoof, Some(liveness.value()), Vec::new()),
        Sighting::Face(score) => {
            let outcome = if score.is_live(threshold) { Outcome::Live } else { Outcome::Spoof };
            (outcome, Some(score.value()), Vec::new())
        }
    };
    state.metrics.outcome("liveness", outcome.name());
    Ok(Json(LivenessAnswer {
        outcome,
        score,
        threshold: threshold.value(),
        issues: issues.iter().map(|issue| issue.code()).collect(),
        faces: view.faces,
        timings_ms: milliseconds(&view.timings),
    }))
}
