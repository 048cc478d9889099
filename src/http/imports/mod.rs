//! `/v1/imports`: many people and photos in one upload, read as it arrives and kept nowhere.

mod archive;
mod intake;
mod lines;
mod list;
mod person;
mod row;
mod run;
mod upload;

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use tracing::Instrument;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::auth::{Allowed, ChangePeople, SeePeople};
use super::extract::{NoQuery, Path, Query};
use super::faces::Duplicates;
use super::frames::FrameFile;
use super::header::optional;
use super::overload::Overload;
use super::page::{self, Page};
use super::schema::{ImportStateCode, LikenessCode, RowOutcomeCode};
use super::{AppState, Problem};
use crate::domain::{
    Author, BadgeId, EmployeeId, EmployeeName, FaceId, Import, ImportId, ImportKey, ImportProblem,
    ImportRow, ImportState, Likeness, Permission, RowCounts, RowOutcome,
};
use crate::store::ImportedRow;
use run::Run;

/// Where an import is begun: it may take longer than any other request.
pub(super) const PATH: &str = "/v1/imports";

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(import, list_imports))
        .routes(routes!(read))
        .routes(routes!(list_rows))
}

/// How rows and photos come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    /// `people.csv`, then the photos that it names.
    Zip,
    /// A JSON object a line.
    Ndjson,
}

impl Format {
    fn of(headers: &HeaderMap) -> Result<Self, Problem> {
        let sent = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let essence = sent.and_then(|value| value.split(';').next()).unwrap_or_default().trim();
        match &*essence.to_ascii_lowercase() {
            "application/zip" | "application/x-zip-compressed" => Ok(Self::Zip),
            "application/x-ndjson" | "application/jsonl" => Ok(Self::Ndjson),
            _ => Err(Problem::unsupported(
                "not_an_import",
                "send an import as content-type: application/zip (people.csv, then photos) or \
                 application/x-ndjson",
            )),
        }
    }
}

/// An import, and how far it is.
#[derive(Debug, Serialize, ToSchema)]
struct ImportView {
    #[schema(value_type = Uuid)]
    import_id: ImportId,
    /// What the client called it.
    #[schema(value_type = Option<String>)]
    key: Option<ImportKey>,
    #[schema(value_type = ImportStateCode)]
    state: ImportState,
    /// How often it was sent; the figures are of the last time.
    run: u32,
    rows: RowCountsView,
    /// Rows of the list; null where it comes line by line, or was not read yet.
    rows_listed: Option<u64>,
    bytes_read: u64,
    /// Photos in the archive that no row names.
    photos_unnamed: u64,
    /// Why it ended before its end.
    problem: Option<ReasonView>,
    started_at: DateTime<Utc>,
    ended_at: Option<DateTime<Utc>>,
}

/// How many rows came to what.
#[derive(Debug, Serialize, ToSchema)]
struct RowCountsView {
    /// A face was stored.
    enrolled: u64,
    /// A person was created, without a photo.
    created: u64,
    /// What was known of the person was changed.
    updated: u64,
    /// All of it was there before.
    unchanged: u64,
    /// Nothing was done.
    refused: u64,
}

/// A code and a sentence.
#[derive(Debug, Serialize, ToSchema)]
struct ReasonView {
    /// As that of a problem.
    code: String,
    detail: String,
}

impl From<ImportProblem> for ReasonView {
    fn from(ImportProblem { code, detail }: ImportProblem) -> Self {
        Self { code, detail }
    }
}

impl From<Import> for ImportView {
    fn from(import: Import) -> Self {
        let RowCounts { enrolled, created, updated, unchanged, refused } = import.progress.rows;
        Self {
            import_id: import.id,
            key: import.key,
            state: import.state,
            run: import.run,
            rows: RowCountsView { enrolled, created, updated, unchanged, refused },
            rows_listed: import.progress.rows_listed,
            bytes_read: import.progress.bytes_read,
            photos_unnamed: import.progress.photos_unnamed,
            problem: import.problem.map(ReasonView::from),
            started_at: import.started_at,
            ended_at: import.ended_at,
        }
    }
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ImportQuery {
    /// What becomes of a face that is like another person's; default `refuse`.
    #[param(inline)]
    duplicates: Option<Duplicates>,
}

/// Imports people and photos, as they arrive. Answers when all was read; what became of each row can be asked for
/// meanwhile. Sent again with the same `idempotency-key` it goes on: what is there already is left as it is.
#[utoipa::path(
    post, path = "/v1/imports", operation_id = "import_people", tag = "employees",
    params(ImportQuery, ("idempotency-key" = Option<String>, Header,
        description = "What the client calls the import, to go on with it: 1 to 64 characters")),
    request_body(description = "A ZIP archive that begins with people.csv, or one JSON object a line",
        content((FrameFile = "application/zip"), (FrameFile = "application/x-ndjson"))),
    responses((status = 200, description = "All was read", body = ImportView),
        (status = 409, description = "The import with this key runs", body = Problem, content_type = "application/problem+json"))
)]
async fn import(
    State(state): State<AppState>,
    Allowed(caller, _): Allowed<ChangePeople>,
    Query(query): Query<ImportQuery>,
    headers: HeaderMap,
    request: Request,
) -> Result<Json<ImportView>, Problem> {
    // A row may name groups.
    caller.require(Permission::ChangeMembers)?;
    let key = optional::<ImportKey>(&headers, "idempotency-key")?;
    let format = Format::of(&headers)?;
    let place = Arc::clone(&state.import_permits).try_acquire_owned();
    let place = place.map_err(|_| Problem::overloaded(Overload::Imports))?;
    let author = caller.author();
    let import = state.store.begin_import(&author, key.as_ref()).await?;
    tracing::info!(import = %import.id, run = import.run, "an import begins");
    let run = Run {
        // So that each of its changes leads to it.
        author: Author { name: format!("{}, import {}", author.name, import.id), ..author },
        state,
        import,
        format,
        duplicates: query.duplicates.unwrap_or(Duplicates::Refuse),
        _place: place,
    };
    // Whoever hangs up has it end by what then does not come, and not in the midst of a row.
    let run = tokio::spawn(run.import(request.into_body()).in_current_span());
    Ok(Json(run.await.map_err(Problem::internal)??.into()))
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ListQuery {
    /// Only those that clients called so: one of each API key.
    #[param(value_type = Option<String>)]
    key: Option<ImportKey>,
    /// Rows of the page.
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    #[param(value_type = Option<Uuid>)]
    cursor: Option<ImportId>,
}

/// Lists imports, the newest first.
#[utoipa::path(
    get, path = "/v1/imports", operation_id = "list_imports", tag = "employees", params(ListQuery),
    responses((status = 200, description = "A page", body = Page<ImportView>))
)]
async fn list_imports(
    State(state): State<AppState>,
    _: Allowed<SeePeople>,
    Query(query): Query<ListQuery>,
) -> Result<Json<Page<ImportView>>, Problem> {
    let (rows, _permit) = page::begin(query.limit, &state)?;
    let found = state.store.imports(query.key.as_ref(), query.cursor, rows + 1).await?;
    Ok(Json(Page::new(found, rows, |import| import.id.0)))
}

/// Shows how far an import is.
#[utoipa::path(
    get, path = "/v1/imports/{import_id}", operation_id = "read_import", tag = "employees",
    params(("import_id" = Uuid, Path, description = "The import")),
    responses((status = 200, description = "The import", body = ImportView),
        (status = 404, description = "No such import", body = Problem, content_type = "application/problem+json"))
)]
async fn read(
    State(state): State<AppState>,
    _: Allowed<SeePeople>,
    _: NoQuery,
    Path(id): Path<ImportId>,
) -> Result<Json<ImportView>, Problem> {
    Ok(Json(state.store.import(id).await?.into()))
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct RowsQuery {
    /// Only those that came to this.
    #[param(value_type = Option<RowOutcomeCode>)]
    outcome: Option<RowOutcome>,
    /// Only those behind this line: `next_after` of the page before.
    after: Option<u64>,
    /// Rows of the page.
    limit: Option<u32>,
}

/// What became of a row.
#[derive(Debug, Serialize, ToSchema)]
struct ImportRowView {
    /// Its line, from 1.
    line: u64,
    /// What it calls the person by: the badge, the employee's id or the name.
    person: String,
    #[schema(value_type = RowOutcomeCode)]
    outcome: RowOutcome,
    /// Why it was refused.
    reason: Option<ReasonView>,
    #[schema(value_type = Option<Uuid>)]
    employee_id: Option<EmployeeId>,
    /// Whether the person was created for it, in whichever run.
    created: bool,
    /// The face that was stored for it.
    #[schema(value_type = Option<Uuid>)]
    face_id: Option<FaceId>,
    /// Whom else the face is like, the nearest, if anybody.
    looks_like: Option<ResemblanceView>,
}

/// Whom a face is like.
#[derive(Debug, Serialize, ToSchema)]
struct ResemblanceView {
    #[schema(value_type = Uuid)]
    employee_id: EmployeeId,
    /// Null where they were removed since.
    #[schema(value_type = Option<String>)]
    name: Option<EmployeeName>,
    #[schema(value_type = Option<String>)]
    badge_id: Option<BadgeId>,
    /// `double`: very likely the same person, entered twice.
    #[schema(value_type = LikenessCode)]
    likeness: Likeness,
    /// The squared distance to the other's template.
    distance: f32,
}

impl From<ImportedRow> for ImportRowView {
    fn from(ImportedRow { row, looks_like: other }: ImportedRow) -> Self {
        let ImportRow { line, person, outcome, refusal, employee_id, created, face_id, looks_like } =
            row;
        let (name, badge_id) = other.map_or((None, None), |(name, badge)| (Some(name), badge));
        let looks_like = looks_like.map(|like| ResemblanceView {
            employee_id: like.employee_id,
            name,
            badge_id,
            likeness: like.likeness,
            distance: like.distance.value(),
        });
        let reason = refusal.map(ReasonView::from);
        Self { line, person, outcome, reason, employee_id, created, face_id, looks_like }
    }
}

/// What became of a row of an import that is about one person.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct OwnImportRowView {
    #[schema(value_type = Uuid)]
    import_id: ImportId,
    line: u64,
    #[schema(value_type = RowOutcomeCode)]
    outcome: RowOutcome,
    /// Why it was refused.
    reason: Option<ReasonView>,
}

impl From<(ImportId, ImportRow)> for OwnImportRowView {
    fn from((import_id, row): (ImportId, ImportRow)) -> Self {
        let reason = row.refusal.map(ReasonView::from);
        Self { import_id, line: row.line, outcome: row.outcome, reason }
    }
}

/// A page of an import's rows.
#[derive(Debug, Serialize, ToSchema)]
struct ImportRowPage {
    items: Vec<ImportRowView>,
    /// What to send as `after` for the next page; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_after: Option<u64>,
}

/// Lists what became of an import's rows, in their order.
#[utoipa::path(
    get, path = "/v1/imports/{import_id}/rows", operation_id = "list_import_rows", tag = "employees",
    params(("import_id" = Uuid, Path, description = "The import"), RowsQuery),
    responses((status = 200, description = "A page", body = ImportRowPage),
        (status = 404, description = "No such import", body = Problem, content_type = "application/problem+json"))
)]
async fn list_rows(
    State(state): State<AppState>,
    _: Allowed<SeePeople>,
    Path(id): Path<ImportId>,
    Query(query): Query<RowsQuery>,
) -> Result<Json<ImportRowPage>, Problem> {
    let (rows, _permit) = page::begin(query.limit, &state)?;
    let after = query.after.unwrap_or(0);
    let mut found = state.store.import_rows(id, query.outcome, after, rows + 1).await?;
    let more = found.len() > rows as usize;
    found.truncate(rows as usize);
    let next_after = found.last().filter(|_| more).map(|last| last.row.line);
    Ok(Json(ImportRowPage { items: found.into_iter().map(Into::into).collect(), next_after }))
}
