//! What a person may ask for: consents, an export of everything, erasure.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::auth::{Allowed, ChangePeople, ErasePeople, ExportPeople, SeePeople};
use super::changes::ChangeEntry;
use super::employees::EmployeeView;
use super::extract::{Json as Body, NoQuery, Path};
use super::faces::FaceView;
use super::gate_inputs::InputEntry;
use super::groups::AccessView;
use super::imports::OwnImportRowView;
use super::invitations::InvitationView;
use super::moment::Moment;
use super::page;
use super::passages::PassageEntry;
use super::{AppState, Problem};
use crate::domain::{Consent, ConsentId, EmployeeId, Erased, FaceId, TextVersion};
use crate::store::{ChangeFilter, Store, StoreError};

/// Passages, and changes, of one person that an export holds at most, the newest.
const EXPORT_ROWS_MAX: u32 = 50_000;

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(give, list))
        .routes(routes!(withdraw))
        .routes(routes!(export))
        .routes(routes!(erase))
}

/// That a person agreed to be recognized.
#[derive(Debug, Serialize, ToSchema)]
struct ConsentView {
    #[schema(value_type = Uuid)]
    consent_id: ConsentId,
    #[schema(value_type = Uuid)]
    employee_id: EmployeeId,
    /// Which text the person agreed to, as the site names its versions.
    #[schema(value_type = String)]
    text_version: TextVersion,
    given_at: DateTime<Utc>,
    /// When it was taken back; null: it holds.
    withdrawn_at: Option<DateTime<Utc>>,
}

impl From<Consent> for ConsentView {
    fn from(consent: Consent) -> Self {
        Self {
            consent_id: consent.id,
            employee_id: consent.employee_id,
            text_version: consent.text_version,
            given_at: consent.given_at,
            withdrawn_at: consent.withdrawn_at,
        }
    }
}

/// A consent to be recorded.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct GiveConsent {
    /// Which text the person agreed to, as the site names its versions: 1 to 100 characters.
    #[schema(value_type = String)]
    text_version: TextVersion,
    /// When; default now.
    #[schema(value_type = Option<DateTime<Utc>>)]
    given_at: Option<Moment>,
}

/// The consents of one person.
#[derive(Debug, Serialize, ToSchema)]
struct ConsentList {
    items: Vec<ConsentView>,
}

/// Records that a person agreed to be recognized.
#[utoipa::path(
    post, path = "/v1/employees/{employee_id}/consents", operation_id = "give_consent", tag = "privacy", request_body = GiveConsent,
    params(("employee_id" = Uuid, Path, description = "The employee")),
    responses((status = 201, description = "Recorded", body = ConsentView),
        (status = 404, description = "No such employee", body = Problem, content_type = "application/problem+json"))
)]
async fn give(
    State(state): State<AppState>,
    Allowed(caller, _): Allowed<ChangePeople>,
    _: NoQuery,
    Path(employee): Path<EmployeeId>,
    Body(body): Body<GiveConsent>,
) -> Result<(StatusCode, Json<ConsentView>), Problem> {
    let given_at = body.given_at.map(|moment| moment.0);
    let author = caller.author();
    let given = state.store.give_consent(&author, employee, &body.text_version, given_at).await?;
    Ok((StatusCode::CREATED, Json(given.into())))
}

/// Lists what a person agreed to, oldest first, consents that were taken back too.
#[utoipa::path(
    get, path = "/v1/employees/{employee_id}/consents", operation_id = "list_consents", tag = "privacy",
    params(("employee_id" = Uuid, Path, description = "The employee")),
    responses((status = 200, description = "The consents", body = ConsentList),
        (status = 404, description = "No such employee", body = Problem, content_type = "application/problem+json"))
)]
async fn list(
    State(state): State<AppState>,
    _: Allowed<SeePeople>,
    _: NoQuery,
    Path(employee): Path<EmployeeId>,
) -> Result<Json<ConsentList>, Problem> {
    let items = state.store.consents(employee).await?.into_iter().map(Into::into).collect();
    Ok(Json(ConsentList { items }))
}

/// Takes a consent back. The person's faces go with the last one that held.
#[utoipa::path(
    delete, path = "/v1/employees/{employee_id}/consents/{consent_id}", operation_id = "withdraw_consent", tag = "privacy",
    params(("employee_id" = Uuid, Path, description = "The employee"),
        ("consent_id" = Uuid, Path, description = "The consent")),
    responses((status = 204, description = "Taken back"),
        (status = 404, description = "No such consent", body = Problem, content_type = "application/problem+json"))
)]
async fn withdraw(
    State(state): State<AppState>,
    Allowed(caller, _): Allowed<ChangePeople>,
    _: NoQuery,
    Path((employee, consent)): Path<(EmployeeId, ConsentId)>,
) -> Result<StatusCode, Problem> {
    state.store.withdraw_consent(&caller.author(), employee, consent).await?;
    state.refresh_gallery(employee).await;
    Ok(StatusCode::NO_CONTENT)
}

/// The picture of an enrolled face.
#[derive(Debug, Serialize, ToSchema)]
struct PhotoView {
    #[schema(value_type = Uuid)]
    face_id: FaceId,
    /// The bytes of a JPEG, in base64.
    jpeg: String,
}

/// Everything that is stored about one person, also one who was removed, but for the templates: numbers that say nothing to anybody but the
/// network that made them.
#[derive(Debug, Serialize, ToSchema)]
struct Export {
    exported_at: DateTime<Utc>,
    /// Null for somebody who was removed, of whom the trail remains.
    employee: Option<EmployeeView>,
    faces: Vec<FaceView>,
    /// The pictures that are kept of the faces; none where the site keeps none.
    photos: Vec<PhotoView>,
    consents: Vec<ConsentView>,
    invitations: Vec<InvitationView>,
    access: Vec<AccessView>,
    /// What became of the rows of imports about them.
    import_rows: Vec<OwnImportRowView>,
    /// Theirs, and those for which a badge was shown that they have had and nobody was identified; the newest 50,000,
    /// the newest first.
    passages: Vec<PassageEntry>,
    /// What gates said became of the person's grants; the newest 50,000, the newest first.
    inputs: Vec<InputEntry>,
    /// The newest 50,000, the newest first; this export is one of them.
    changes: Vec<ChangeEntry>,
}

/// Exports everything that is stored about one person, and notes so among the changes.
#[utoipa::path(
    get, path = "/v1/employees/{employee_id}/export", operation_id = "export_employee", tag = "privacy",
    params(("employee_id" = Uuid, Path, description = "The employee")),
    responses((status = 200, description = "Everything", body = Export),
        (status = 404, description = "Nothing is stored about such a person", body = Problem, content_type = "application/problem+json"))
)]
async fn export(
    State(state): State<AppState>,
    Allowed(caller, _): Allowed<ExportPeople>,
    _: NoQuery,
    Path(id): Path<EmployeeId>,
) -> Result<Json<Export>, Problem> {
    let (_, _permit) = page::begin(None, &state)?;
    let store = &state.store;
    // Before anything is read: nothing is taken out of which nobody would know.
    store.note_export(&caller.author(), id).await?;
    tracing::info!(employee = %id, key = %caller.key_id, "everything about a person was exported");
    let changes = ChangeFilter { employee_id: Some(id), ..ChangeFilter::default() };
    Ok(Json(Export {
        exported_at: Utc::now(),
        employee: unless_removed(store.employee(id).await)?.map(Into::into),
        faces: views(store.faces(id).await)?,
        photos: photos(store, id).await?,
        consents: views(store.consents(id).await)?,
        invitations: views(store.invitations(id).await)?,
        access: views(store.access(id).await)?,
        import_rows: views(store.import_rows_of(id, EXPORT_ROWS_MAX).await)?,
        passages: views(store.passages_about(id, EXPORT_ROWS_MAX).await)?,
        inputs: views(store.inputs_of(id, EXPORT_ROWS_MAX).await)?,
        changes: views(store.changes(&changes, None, EXPORT_ROWS_MAX).await)?,
    }))
}

async fn photos(store: &Store, employee: EmployeeId) -> Result<Vec<PhotoView>, Problem> {
    let photos = store.photos(employee).await?.into_iter();
    Ok(photos.map(|(face_id, jpeg)| PhotoView { face_id, jpeg: STANDARD.encode(&*jpeg) }).collect())
}

fn views<R, V: From<R>>(rows: Result<Vec<R>, StoreError>) -> Result<Vec<V>, Problem> {
    let rows = unless_removed(rows)?.unwrap_or_default();
    Ok(rows.into_iter().map(V::from).collect())
}

/// What is stored of a person; none of one who was removed.
fn unless_removed<T>(read: Result<T, StoreError>) -> Result<Option<T>, StoreError> {
    match read {
        Err(StoreError::NotFound(_)) => Ok(None),
        read => read.map(Some),
    }
}

/// What a person was erased out of.
#[derive(Debug, Serialize, ToSchema)]
struct ErasedView {
    /// Passages that do not say any more whose they were.
    passages: u64,
    /// Changes that do not say any more what they were.
    changes: u64,
}

impl From<Erased> for ErasedView {
    fn from(Erased { passages, changes }: Erased) -> Self {
        Self { passages, changes }
    }
}

/// Erases a person, also one who was removed before: everything that is stored about them, and whose passages
/// and changes theirs were. The chains of the trail stay whole.
#[utoipa::path(
    post, path = "/v1/employees/{employee_id}/erasure", operation_id = "erase_employee", tag = "privacy",
    params(("employee_id" = Uuid, Path, description = "The employee")),
    responses((status = 200, description = "Erased", body = ErasedView),
        (status = 404, description = "Nothing is stored about such a person", body = Problem, content_type = "application/problem+json"))
)]
async fn erase(
    State(state): State<AppState>,
    Allowed(caller, _): Allowed<ErasePeople>,
    _: NoQuery,
    Path(employee): Path<EmployeeId>,
) -> Result<Json<ErasedView>, Problem> {
    let erased = state.store.erase(&caller.author(), employee).await;
    state.refresh_gallery(employee).await;
    Ok(Json(erased?.into()))
}
