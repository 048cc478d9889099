//! `/invitation`: the page on which a person photographs themself, and what it asks of the service.
//!
//! The token stands behind the `#` of the link and comes in a header: no address that is logged, remembered by a
//! proxy or handed on as a referrer has it.

mod open;
mod page;
mod texts;
mod token;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::extract::{NoQuery, Query};
use super::faces::{IfAlike, enroll_photo};
use super::frames::{FrameFile, FrameForm, OneFrame, Room};
use super::schema::InvitationStateCode;
use super::{AppState, Problem};
use crate::access::EnrolmentError;
use crate::domain::{Author, InvitationState, PageUrl, TextVersion};
use crate::store::{self, Conflict, StoreError};
use open::Open;
pub use open::PHOTOS_MAX;
use token::Bearer;
pub(super) use token::{InvitationToken, SCHEME};

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(show_page)).routes(routes!(read)).routes(routes!(enroll))
}

/// The page. It is the same for everybody: what it is for it learns with the token.
#[utoipa::path(
    get, path = "/invitation", operation_id = "show_invitation_page", tag = "invited", security(()),
    responses((status = 200, description = "The page", body = String, content_type = "text/html"))
)]
async fn show_page(State(state): State<AppState>) -> impl IntoResponse {
    (page::headers(), page::html(state.settings.keep_photos))
}

/// What an invitation is for, as far as whoever found its link may know.
#[derive(Debug, Serialize, ToSchema)]
struct InvitedView {
    #[schema(value_type = InvitationStateCode)]
    state: InvitationState,
    /// The first letter of the person's name, so that nobody photographs themself for somebody else by mistake.
    initial: String,
    /// Which text the person is asked to agree to; null: none.
    #[schema(value_type = Option<String>)]
    consent_version: Option<TextVersion>,
    /// Where it can be read; null: the site does not say.
    #[schema(value_type = Option<String>)]
    consent_url: Option<PageUrl>,
    /// Photos that may still be sent.
    attempts_left: u32,
    expires_at: DateTime<Utc>,
}

/// Says what an invitation is for, and whether it is over.
#[utoipa::path(
    get, path = "/v1/invitation", operation_id = "read_invitation", tag = "invited", security(("invitation" = [])),
    responses((status = 200, description = "The invitation", body = InvitedView),
        (status = 400, description = "There are no parameters", body = Problem, content_type = "application/problem+json"),
        (status = 401, description = "There is no token", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "No such invitation", body = Problem, content_type = "application/problem+json"))
)]
async fn read(
    State(state): State<AppState>,
    _: NoQuery,
    Bearer(invited): Bearer,
) -> Json<InvitedView> {
    let store::Invited { invitation, initial } = invited;
    let consent_url =
        invitation.consent_version.as_ref().and(state.settings.invitations.consent_url.clone());
    Json(InvitedView {
        state: invitation.state,
        initial,
        consent_url,
        consent_version: invitation.consent_version,
        attempts_left: invitation.attempts_left,
        expires_at: invitation.expires_at,
    })
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Agreed {
    /// The version of the text that the person agrees to: `consent_version` of the invitation, where it has one.
    #[param(value_type = Option<String>)]
    consent_version: Option<TextVersion>,
}

/// Enrols a photo of the invited person, under the same demands as any, but no face that is like a blocked person's or
/// very likely somebody else's who is enrolled: that is for the desk. Enrolling uses the invitation up; a photo that
/// is refused does not, but of those there may be so many and no more.
#[utoipa::path(
    post, path = "/v1/invitation/face", operation_id = "enroll_invited_face", tag = "invited",
    security(("invitation" = [])), params(Agreed),
    request_body(description = "The photo", content(
        (FrameFile = "image/jpeg"), (FrameFile = "image/png"), (FrameFile = "image/webp"),
        (FrameForm = "multipart/form-data"))),
    responses((status = 204, description = "Enrolled"),
        (status = 401, description = "There is no token", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "No such invitation", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "Not agreed to, too many faces, not like the person's others, or for the desk", body = Problem, content_type = "application/problem+json"),
        (status = 410, description = "The invitation is over", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "No face, several, or not good enough", body = Problem, content_type = "application/problem+json"))
)]
async fn enroll(
    State(state): State<AppState>,
    _: Room,
    Query(agreed): Query<Agreed>,
    Open { invitation, permit: _permit }: Open,
    photo: OneFrame,
) -> Result<StatusCode, Problem> {
    if agreed.consent_version != invitation.consent_version {
        let detail = "consent_version: send the version that the invitation asks to agree to, or none where it \
                      asks for none";
        return Err(Problem::conflict("consent_missing", detail));
    }
    // Before the attempt is counted: a busy service costs nobody one.
    let place = state.engine.place()?;
    if !state.store.take_attempt(invitation.id).await? {
        return Err(Conflict::InvitationOver.into());
    }
    let author = Author::invited(invitation.id, invitation.created_by);
    let employee = invitation.employee_id;
    let if_alike = IfAlike::AskAtTheDesk;
    match enroll_photo(&state, place, &author, employee, photo, if_alike).await? {
        Ok(_) => Ok(StatusCode::NO_CONTENT),
        Err(error) => Err(told(error)),
    }
}

/// What the invited are told of a refusal: what they can mend. How near a face came to another is for nobody who
/// could try until it fits, and why somebody may not enrol any more is the site's business.
fn told(error: EnrolmentError) -> Problem {
    match error {
        EnrolmentError::AnotherPerson { distance, threshold } => {
            Conflict::AnotherPerson { distance, threshold }.into()
        }
        EnrolmentError::Store(
            StoreError::NotFound(_)
            | StoreError::KeyRevoked
            | StoreError::Conflict(Conflict::Blocked),
        ) => Conflict::InvitationOver.into(),
        error => error.into(),
    }
}
