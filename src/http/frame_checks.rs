//! `POST /v1/frames/check`: would this frame do for enrolment? Nothing of it is stored or recorded.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::auth::{Allowed, ChangePeople};
use super::extract::NoQuery;
use super::faces::QualityView;
use super::frames::{FrameFile, FrameForm, OneFrame, Room};
use super::identity::milliseconds;
use super::overload::Overload;
use super::schema::{IssueCode, QualityFigureCode};
use super::{AppState, Problem};
use crate::domain::{
    Detection, FaceSeen, LivenessScore, QualityFigure, QualityIssue, Shortfall, Sighting, View,
};
use crate::vision::LookSettings;

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(check))
}

/// What an enrolment would say of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Fitness {
    /// The face can be enrolled.
    Fit,
    /// No face was found.
    NoFace,
    /// Several faces are about equally near.
    MultipleFaces,
    /// The face's picture is not good enough.
    LowQuality,
    /// The face is taken for a print, a screen or a mask.
    Spoof,
}

/// Something that is wrong with the picture.
#[derive(Debug, Serialize, ToSchema)]
struct IssueView {
    #[schema(value_type = IssueCode)]
    code: &'static str,
    /// What the person in it can do about it.
    #[schema(example = "move closer")]
    detail: &'static str,
}

impl From<QualityIssue> for IssueView {
    fn from(issue: QualityIssue) -> Self {
        Self { code: issue.code(), detail: issue.advice() }
    }
}

/// A figure that missed its limit.
#[derive(Debug, Serialize, ToSchema)]
struct ShortfallView {
    #[schema(value_type = QualityFigureCode)]
    figure: QualityFigure,
    value: f32,
    /// What it had to reach, or not to exceed.
    limit: f32,
}

impl From<Shortfall> for ShortfallView {
    fn from(shortfall: Shortfall) -> Self {
        Self { figure: shortfall.figure(), value: shortfall.value(), limit: shortfall.limit() }
    }
}

/// How large the frame is, upright; a side may be a few pixels longer than it was sent.
#[derive(Debug, Serialize, ToSchema)]
struct SizeView {
    width: u32,
    height: u32,
}

/// Where the nearest face is, in pixels of the frame, upright; it may reach over the edges.
#[derive(Debug, Serialize, ToSchema)]
struct PlaceView {
    x: f32,
    y: f32,
    width: f32,
    height: f32,
    /// Pixels between the pupils, as the detector places them.
    pupil_distance_px: f32,
}

impl From<Detection> for PlaceView {
    fn from(detection: Detection) -> Self {
        let place = detection.bounding_box;
        Self {
            x: place.x,
            y: place.y,
            width: place.width,
            height: place.height,
            pupil_distance_px: detection.landmarks.pupil_distance(),
        }
    }
}

/// Whether a frame would do for enrolment, and what to do where it would not.
#[derive(Debug, Serialize, ToSchema)]
struct FrameCheck {
    fit: bool,
    outcome: Fitness,
    /// What is wrong with the picture.
    issues: Vec<IssueView>,
    /// By how much the first of them.
    shortfall: Option<ShortfallView>,
    frame: SizeView,
    /// How many faces the frame shows.
    faces: usize,
    /// The nearest face; null where none was chosen.
    face: Option<PlaceView>,
    /// What was measured of its picture; null where the road ended before, or at liveness.
    quality: Option<QualityView>,
    /// 0 (an attack) to 1 (alive); null where the road ended before, or liveness is not asked for.
    liveness: Option<f32>,
    /// What must be reached; null where liveness is not asked for.
    liveness_threshold: Option<f32>,
    /// Milliseconds in each stage of the road.
    timings_ms: BTreeMap<&'static str, f64>,
}

impl FrameCheck {
    fn new(view: View<FaceSeen>, liveness_threshold: Option<LivenessScore>) -> Self {
        let quality = view.quality().copied().map(QualityView::from);
        let (mut issues, mut shortfall, mut liveness) = (Vec::new(), None, None);
        let outcome = match view.sighting {
            Sighting::NoFace => Fitness::NoFace,
            Sighting::MultipleFaces => Fitness::MultipleFaces,
            Sighting::LowQuality { issues: found, shortfall: missed, .. } => {
                issues = found.into_iter().map(IssueView::from).collect();
                shortfall = missed.map(ShortfallView::from);
                Fitness::LowQuality
            }
            Sighting::Spoof { liveness: score } => {
                liveness = Some(score);
                Fitness::Spoof
            }
            Sighting::Face(face) => {
                liveness = face.liveness;
                Fitness::Fit
            }
        };
        let [width, height] = view.size_px;
        Self {
            fit: outcome == Fitness::Fit,
            outcome,
            issues,
            shortfall,
            frame: SizeView { width, height },
            faces: view.faces,
            face: view.nearest.map(PlaceView::from),
            quality,
            liveness: liveness.map(LivenessScore::value),
            liveness_threshold: liveness_threshold.map(LivenessScore::value),
            timings_ms: milliseconds(&view.timings),
        }
    }
}

/// Says whether a frame would do for enrolment, several times a second for whoever stands before a camera. Stores and
/// records nothing; looked at only while a worker is free, so that a gate waits for one look at most.
#[utoipa::path(
    post, path = "/v1/frames/check", operation_id = "check_frame", tag = "employees",
    request_body(description = "The frame", content(
        (FrameFile = "image/jpeg"), (FrameFile = "image/png"), (FrameFile = "image/webp"),
        (FrameForm = "multipart/form-data"))),
    responses((status = 200, description = "Whether it would do", body = FrameCheck))
)]
async fn check(
    State(state): State<AppState>,
    _: Room,
    _: Allowed<ChangePeople>,
    _: NoQuery,
    frame: OneFrame,
) -> Result<Json<FrameCheck>, Problem> {
    let place = state.engine.place_in_time();
    let place = place.ok_or_else(|| Problem::overloaded(Overload::FrameChecks))?;
    let settings = LookSettings { picture: false, ..state.settings.enrolment_look() };
    let view = state.engine.look(place, frame.frame, settings).await?;
    state.metrics.stages(&view.timings);
    Ok(Json(FrameCheck::new(view, settings.liveness_threshold)))
}
