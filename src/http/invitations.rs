//! `/v1/employees/E/invitations`: links with which people photograph themselves, as the HR desk sees them.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::auth::{Allowed, ChangePeople, SeePeople};
use super::extract::{Json as Body, NoQuery, Path};
use super::invited::InvitationToken;
use super::schema::InvitationStateCode;
use super::{AppState, Problem};
use crate::domain::{
    EmployeeId, Invitation, InvitationId, InvitationState, KeyId, PageUrl, TextVersion,
};
use crate::store::NewInvitation;

/// The shortest time that an invitation may hold.
const LIFETIME_MIN: Duration = Duration::from_secs(60);

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(create, list)).routes(routes!(revoke))
}

/// What invitations are made with.
#[derive(Clone, Debug)]
pub struct InvitationSettings {
    /// What a link begins with; none: links are relative.
    pub base_url: Option<PageUrl>,
    /// How long one holds where its creation does not say.
    pub lifetime: Duration,
    /// The longest that one may hold.
    pub lifetime_max: Duration,
    /// Photos that may be sent with one.
    pub attempts_max: u32,
    /// Where people can read what they agree to.
    pub consent_url: Option<PageUrl>,
}

impl InvitationSettings {
    /// The link. What follows the `#` stays in the browser: no server and no proxy on the way sees it.
    fn link(&self, token: &InvitationToken) -> String {
        let base = self.base_url.as_ref().map_or("", PageUrl::as_str).trim_end_matches('/');
        format!("{base}/invitation#{}", token.reveal())
    }
}

/// An invitation, without its link.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct InvitationView {
    #[schema(value_type = Uuid)]
    invitation_id: InvitationId,
    #[schema(value_type = Uuid)]
    employee_id: EmployeeId,
    /// The API key that made it; once that opens nothing, neither does the invitation.
    #[schema(value_type = Option<uuid::Uuid>)]
    created_by: Option<KeyId>,
    /// Which text the person agrees to with the photo; null: no consent is asked for.
    #[schema(value_type = Option<String>)]
    consent_version: Option<TextVersion>,
    #[schema(value_type = InvitationStateCode)]
    state: InvitationState,
    /// Photos that may still be sent.
    attempts_left: u32,
    created_at: DateTime<Utc>,
    expires_at: DateTime<Utc>,
    /// When the face was enrolled.
    used_at: Option<DateTime<Utc>>,
}

impl From<Invitation> for InvitationView {
    fn from(invitation: Invitation) -> Self {
        Self {
            invitation_id: invitation.id,
            employee_id: invitation.employee_id,
            created_by: invitation.created_by,
            consent_version: invitation.consent_version,
            state: invitation.state,
            attempts_left: invitation.attempts_left,
            created_at: invitation.created_at,
            expires_at: invitation.expires_at,
            used_at: invitation.used_at,
        }
    }
}

/// An invitation to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct CreateInvitation {
    /// Seconds that it holds, 60 at least; default and maximum are the site's.
    expires_in_s: Option<u32>,
    /// Which text the person agrees to with the photo, as the site names its versions: 1 to 100 characters.
    /// Absent: no consent is asked for.
    #[schema(value_type = Option<String>)]
    consent_version: Option<TextVersion>,
}

/// A new invitation.
#[derive(Debug, Serialize, ToSchema)]
struct CreatedInvitation {
    #[serde(flatten)]
    view: InvitationView,
    /// The link for the person, shown this once.
    link: String,
}

/// Invites a person to photograph themself, once, and shows the link, once. One that was open before is over.
#[utoipa::path(
    post, path = "/v1/employees/{employee_id}/invitations", operation_id = "create_invitation", tag = "employees",
    request_body = CreateInvitation,
    params(("employee_id" = Uuid, Path, description = "The employee")),
    responses((status = 201, description = "Created", body = CreatedInvitation),
        (status = 404, description = "No such employee", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "The employee is revoked or on the blocklist, or would have to agree to a text", body = Problem, content_type = "application/problem+json"))
)]
async fn create(
    State(state): State<AppState>,
    Allowed(caller, _): Allowed<ChangePeople>,
    _: NoQuery,
    Path(employee_id): Path<EmployeeId>,
    Body(body): Body<CreateInvitation>,
) -> Result<(StatusCode, Json<CreatedInvitation>), Problem> {
    let settings = &state.settings.invitations;
    let asked = body.expires_in_s.map(|seconds| Duration::from_secs(seconds.into()));
    let lifetime = asked.unwrap_or(settings.lifetime);
    if !(LIFETIME_MIN..=settings.lifetime_max).contains(&lifetime) {
        let (min, max) = (LIFETIME_MIN.as_secs(), settings.lifetime_max.as_secs());
        let detail = format!("expires_in_s: must be {min} to {max}");
        return Err(Problem::unprocessable("bad_value", detail));
    }
    if body.consent_version.is_none() {
        let consents = state.store.consents(employee_id).await?;
        let holds = consents.iter().any(|consent| consent.withdrawn_at.is_none());
        // Whoever opened the link would learn it after their photo.
        if !holds && (state.settings.consent_required || !consents.is_empty()) {
            let detail = "consent_version: name the text that is to be agreed to: no consent of the employee's holds";
            return Err(Problem::conflict("consent_missing", detail));
        }
    }
    let token = InvitationToken::generate().map_err(Problem::internal)?;
    let new = NewInvitation {
        employee_id,
        token_sha256: token.sha256(),
        consent_version: body.consent_version,
        attempts_max: settings.attempts_max,
        lifetime,
    };
    let view = state.store.create_invitation(&caller.author(), &new).await?.into();
    let link = settings.link(&token);
    Ok((StatusCode::CREATED, Json(CreatedInvitation { view, link })))
}

/// The invitations of one employee.
#[derive(Debug, Serialize, ToSchema)]
struct InvitationList {
    items: Vec<InvitationView>,
}

/// Lists an employee's invitations, oldest first, without their links; those that expired long ago are gone.
#[utoipa::path(
    get, path = "/v1/employees/{employee_id}/invitations", operation_id = "list_invitations", tag = "employees",
    params(("employee_id" = Uuid, Path, description = "The employee")),
    responses((status = 200, description = "The invitations", body = InvitationList),
        (status = 404, description = "No such employee", body = Problem, content_type = "application/problem+json"))
)]
async fn list(
    State(state): State<AppState>,
    _: Allowed<SeePeople>,
    _: NoQuery,
    Path(employee_id): Path<EmployeeId>,
) -> Result<Json<InvitationList>, Problem> {
    let invitations = state.store.invitations(employee_id).await?;
    Ok(Json(InvitationList { items: invitations.into_iter().map(Into::into).collect() }))
}

/// Takes an invitation back. Once answered, no face is enrolled with it; one that was stays.
#[utoipa::path(
    delete, path = "/v1/employees/{employee_id}/invitations/{invitation_id}", operation_id = "revoke_invitation",
    tag = "employees",
    params(("employee_id" = Uuid, Path, description = "The employee"),
        ("invitation_id" = Uuid, Path, description = "The invitation")),
    responses((status = 204, description = "Taken back"),
        (status = 404, description = "No such invitation", body = Problem, content_type = "application/problem+json"))
)]
async fn revoke(
    State(state): State<AppState>,
    Allowed(caller, _): Allowed<ChangePeople>,
    _: NoQuery,
    Path((employee, invitation)): Path<(EmployeeId, InvitationId)>,
) -> Result<StatusCode, Problem> {
    state.store.revoke_invitation(&caller.author(), employee, invitation).await?;
    Ok(StatusCode::NO_CONTENT)
}
