//! `/v1/employees/E/faces`: enrolment, one photo a face; the photo is not kept, but for the face where `[photos]` says so.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::auth::{Allowed, ChangePeople, SeePeople};
use super::extract::{NoQuery, Path, Query};
use super::frames::{FrameFile, FrameForm, OneFrame, Room};
use super::{AppState, Problem, alarm};
use crate::access::{Enrolled, EnrolmentError, Resemblances};
use crate::domain::{Author, EmployeeId, EmployeeStatus, FaceId, Likeness, Quality, Resemblance};
use crate::inference::Place;
use crate::store::{Face, StoreError};

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(enroll, list)).routes(routes!(delete))
}

/// An enrolled face; its encoding is never shown.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct FaceView {
    #[schema(value_type = Uuid)]
    face_id: FaceId,
    #[schema(value_type = Uuid)]
    employee_id: EmployeeId,
    /// The model that made its encoding.
    model_id: String,
    quality: QualityView,
    created_at: DateTime<Utc>,
}

/// What was measured of the photo.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct QualityView {
    /// Pixels between the pupils.
    pupil_distance_px: f32,
    /// Mean luma of the face, 0 to 255.
    brightness: f32,
    /// Variance of the Laplacian.
    sharpness: f32,
    /// The turn to a side, as a share of the pupil distance.
    yaw: f32,
    /// How far the head is bent down (over 0) or up: the nose's height between eyes and mouth,
    /// against the usual.
    pitch: f32,
    /// The tilt, in degrees.
    roll_degrees: f32,
}

impl From<Quality> for QualityView {
    fn from(quality: Quality) -> Self {
        Self {
            pupil_distance_px: quality.pupil_distance_px,
            brightness: quality.brightness,
            sharpness: quality.sharpness,
            yaw: quality.yaw,
            pitch: quality.pitch,
            roll_degrees: quality.roll_degrees,
        }
    }
}

impl From<Face> for FaceView {
    fn from(face: Face) -> Self {
        Self {
            face_id: face.id,
            employee_id: face.employee_id,
            model_id: face.model_id.to_string(),
            quality: face.quality.into(),
            created_at: face.created_at,
        }
    }
}

/// A new face.
#[derive(Debug, Serialize, ToSchema)]
struct EnrolledFace {
    #[serde(flatten)]
    face: FaceView,
    /// Another person whom a search might take the face for, if there is one, to be checked: a look-alike, or
    /// the same person entered twice.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<uuid::Uuid>)]
    looks_like: Option<EmployeeId>,
    /// True where from now on neither passes by the face alone: `badge_required` of the employees, but of those on
    /// the blocklist, who never pass.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    badge_required: bool,
}

/// What becomes of a face that is like another person's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Duplicates {
    /// It is enrolled, and told of.
    Flag,
    /// It is not enrolled.
    Refuse,
}

/// What becomes of a photo that is like another person's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum IfAlike {
    /// It is enrolled, and whoever enrols is told.
    Enrol,
    /// It is refused, and whoever enrols is told whom it is like.
    Refuse,
    /// It is refused where it is like a blocked person's, or very likely shows somebody else who is enrolled; whoever
    /// sends it is told neither whom it is like, nor which of the two.
    AskAtTheDesk,
}

impl From<Option<Duplicates>> for IfAlike {
    fn from(duplicates: Option<Duplicates>) -> Self {
        match duplicates {
            None | Some(Duplicates::Flag) => Self::Enrol,
            Some(Duplicates::Refuse) => Self::Refuse,
        }
    }
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct EnrollQuery {
    /// What becomes of a face that is like another person's; default `flag`.
    #[param(inline)]
    duplicates: Option<Duplicates>,
}

/// Enrols a photo. It is encoded once and not kept, but for the face where the site keeps those.
#[utoipa::path(
    post, path = "/v1/employees/{employee_id}/faces", operation_id = "enroll_face", tag = "employees",
    params(("employee_id" = Uuid, Path, description = "The employee"), EnrollQuery),
    request_body(description = "The photo", content(
        (FrameFile = "image/jpeg"), (FrameFile = "image/png"), (FrameFile = "image/webp"),
        (FrameForm = "multipart/form-data"))),
    responses((status = 201, description = "Enrolled", body = EnrolledFace),
        (status = 404, description = "No such employee", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "Enrolled already, too many faces, not like the person's others, or like another's", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "No face, several, or not good enough", body = Problem, content_type = "application/problem+json"))
)]
async fn enroll(
    State(state): State<AppState>,
    _: Room,
    Allowed(caller, _): Allowed<ChangePeople>,
    Query(query): Query<EnrollQuery>,
    Path(employee_id): Path<EmployeeId>,
    photo: OneFrame,
) -> Result<(StatusCode, Json<EnrolledFace>), Problem> {
    let employee = state.store.employee(employee_id).await?;
    let (place, author) = (state.engine.place()?, caller.author());
    let if_alike = query.duplicates.into();
    let enrolled = enroll_photo(&state, place, &author, employee.id, photo, if_alike).await?;
    let Enrolled { face, looks_like, badge_required } = enrolled?;
    let looks_like = looks_like.map(|other| other.employee_id);
    let face = face.into();
    Ok((StatusCode::CREATED, Json(EnrolledFace { face, looks_like, badge_required })))
}

/// Looks at a photo, and stores the face that it shows as the employee's; the inner error says why not.
pub(super) async fn enroll_photo(
    state: &AppState,
    place: Place,
    author: &Author,
    employee: EmployeeId,
    photo: OneFrame,
    if_alike: IfAlike,
) -> Result<Result<Enrolled, EnrolmentError>, Problem> {
    let settings = state.settings.enrolment_look();
    let view = state.engine.look(place, photo.frame.clone(), settings).await?;
    state.metrics.stages(&view.timings);
    let sha256 = photo.sha256().await?;
    let turn = state.enrolments.turn().await?;
    let like = match turn.resemblances(Some(employee), &view).await {
        Ok(like) => like,
        Err(EnrolmentError::Match(error)) => return Err(error.into()),
        // What is wrong with the photo is told below.
        Err(_) => Resemblances::default(),
    };
    if let Some(blocked) = like.blocked
        && state.store.employee(employee).await?.status != EmployeeStatus::Blocked
    {
        let may_go_on = alarm::raise_for_face(state, author, Some(employee), blocked).await;
        // The invited hear no more than others who are sent to the desk.
        if if_alike != IfAlike::AskAtTheDesk {
            may_go_on.inspect_err(|_| state.metrics.outcome("enrol", "refused"))?;
        }
    }
    if let Some(other) = like.nearest {
        let refusal = match if_alike {
            IfAlike::Enrol => None,
            IfAlike::Refuse => Some(duplicate(state, other).await),
            IfAlike::AskAtTheDesk => ask_at_the_desk(employee, other, like.blocked),
        };
        if let Some(problem) = refusal {
            state.metrics.outcome("enrol", "refused");
            return Err(problem);
        }
    }
    let rules = state.settings.enrolment_rules();
    let enrolled = turn.enroll(author, rules, employee, view, sha256).await;
    drop(turn);
    state.metrics.outcome("enrol", if enrolled.is_ok() { "enrolled" } else { "refused" });
    if let Ok(Enrolled { looks_like: Some(other), .. }) = &enrolled {
        let other = other.employee_id;
        tracing::warn!(%employee, %other, "the enrolled face looks like another person's");
    }
    Ok(enrolled)
}

/// The refusal of a face that only whoever looks after people may enrol, if it is one. The log alone says whose it is
/// like.
fn ask_at_the_desk(
    employee: EmployeeId,
    other: Resemblance,
    blocked: Option<EmployeeId>,
) -> Option<Problem> {
    if blocked.is_none() && other.likeness != Likeness::Double {
        return None;
    }
    let blocked = blocked.map(|blocked| blocked.to_string());
    let (other, likeness, distance) =
        (other.employee_id, other.likeness.code(), other.distance.value());
    tracing::warn!(
        %employee, %other, likeness, distance, blocked,
        "an invited person's face is like another person's: it was not enrolled"
    );
    Some(Problem::conflict("ask_at_the_desk", "this face is to be enrolled at the desk"))
}

/// Names whom the face is like.
async fn duplicate(state: &AppState, other: Resemblance) -> Problem {
    let (likeness, distance) = (other.likeness.code(), other.distance.value());
    let who = match state.store.employee(other.employee_id).await {
        Ok(employee) => match employee.badge_id {
            Some(badge) => format!("{} (badge {badge}, employee {})", employee.name, employee.id),
            None => format!("{} (employee {})", employee.name, employee.id),
        },
        // Removed since the gallery heard of them.
        Err(StoreError::NotFound(_)) => format!("employee {}", other.employee_id),
        Err(error) => return error.into(),
    };
    let detail = format!("the face is like that of {who}: {likeness}, distance {distance:.3}");
    Problem::conflict("duplicate_person", detail)
}

/// The enrolled faces of one employee.
#[derive(Debug, Serialize, ToSchema)]
struct FaceList {
    items: Vec<FaceView>,
}

/// Lists an employee's faces, oldest first.
#[utoipa::path(
    get, path = "/v1/employees/{employee_id}/faces", operation_id = "list_faces", tag = "employees",
    params(("employee_id" = Uuid, Path, description = "The employee")),
    responses((status = 200, description = "The faces", body = FaceList),
        (status = 404, description = "No such employee", body = Problem, content_type = "application/problem+json"))
)]
async fn list(
    State(state): State<AppState>,
    _: Allowed<SeePeople>,
    _: NoQuery,
    Path(employee_id): Path<EmployeeId>,
) -> Result<Json<FaceList>, Problem> {
    let faces = state.store.faces(employee_id).await?;
    Ok(Json(FaceList { items: faces.into_iter().map(FaceView::from).collect() }))
}

/// Removes a face.
#[utoipa::path(
    delete, path = "/v1/employees/{employee_id}/faces/{face_id}", operation_id = "delete_face", tag = "employees",
    params(("employee_id" = Uuid, Path, description = "The employee"),
        ("face_id" = Uuid, Path, description = "The face")),
    responses((status = 204, description = "Removed"),
        (status = 404, description = "No such face", body = Problem, content_type = "application/problem+json"))
)]
async fn delete(
    State(state): State<AppState>,
    Allowed(caller, _): Allowed<ChangePeople>,
    _: NoQuery,
    Path((employee_id, face_id)): Path<(EmployeeId, FaceId)>,
) -> Result<StatusCode, Problem> {
    state.store.delete_face(&caller.author(), employee_id, face_id).await?;
    state.refresh_gallery(employee_id).await;
    Ok(StatusCode::NO_CONTENT)
}
