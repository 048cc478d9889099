//! `GET /v1/changes`: what was administered, and by whom. `GET /v1/audit-heads`: where the chains of the trail end.

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::auth::{Allowed, SeeChanges};
use super::extract::{NoQuery, Query};
use super::moment::Moment;
use super::page::{self, Page};
use super::schema::ActionCode;
use super::{AppState, Problem};
use crate::audit::KeptHead;
use crate::domain::{Action, Change, ChangeId, EmployeeId, KeyId};
use crate::store::{ChangeFilter, Listed, ListedChange};

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(heads))
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ListQuery {
    /// Only those that this key asked for.
    #[param(value_type = Option<Uuid>)]
    key_id: Option<KeyId>,
    /// Only those of the thing with this id.
    subject_id: Option<Uuid>,
    /// Only those that concern this person.
    #[param(value_type = Option<Uuid>)]
    employee_id: Option<EmployeeId>,
    /// Only those of this kind of thing: the table's name, such as `employees` or `gates`.
    kind: Option<String>,
    /// Only those made at or after this moment.
    #[param(value_type = Option<DateTime<Utc>>)]
    from: Option<Moment>,
    /// Only those made before this moment.
    #[param(value_type = Option<DateTime<Utc>>)]
    until: Option<Moment>,
    /// Rows of the page.
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    #[param(value_type = Option<Uuid>)]
    cursor: Option<ChangeId>,
}

/// What can have changed: a table's name, or what is noted beside those.
const KINDS: [&str; 22] = [
    "access_groups",
    "access_rules",
    "alarms",
    "api_keys",
    "chains",
    "consents",
    "employees",
    "erasures",
    "exports",
    "face_encodings",
    "face_photos",
    "gates",
    "group_members",
    "imports",
    "invitations",
    "pardons",
    "purges",
    "schedules",
    "sites",
    "webhook_dead_letters",
    "webhooks",
    "zones",
];

/// A change of a list.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub(super) enum ChangeEntry {
    Read(ChangeView),
    Unreadable(UnreadableChangeView),
}

/// A change that cannot be read: a newer version of Limen wrote it, or somebody altered it, which `limen audit
/// verify` tells.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct UnreadableChangeView {
    #[schema(value_type = Uuid)]
    change_id: ChangeId,
    /// True.
    unreadable: bool,
}

impl From<ListedChange> for ChangeEntry {
    fn from(listed: ListedChange) -> Self {
        match listed {
            Listed::Read(change) => Self::Read(change.into()),
            Listed::Unreadable(change_id) => {
                Self::Unreadable(UnreadableChangeView { change_id, unreadable: true })
            }
        }
    }
}

/// One change of one thing.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ChangeView {
    #[schema(value_type = Uuid)]
    change_id: ChangeId,
    changed_at: DateTime<Utc>,
    /// The API key that asked; null for the command line, and for other clients of the database.
    #[schema(value_type = Option<Uuid>)]
    key_id: Option<KeyId>,
    /// The name of the key, of the command, or of the database's role.
    author: String,
    #[schema(value_type = ActionCode)]
    action: Action,
    /// What kind of thing: the table's name; `exports`: everything about a person was taken out.
    kind: String,
    /// Which; of a member or a rule, the group; of an export, the person.
    subject_id: Uuid,
    /// The person whom it concerns, if anybody.
    #[schema(value_type = Option<Uuid>)]
    employee_id: Option<EmployeeId>,
    /// Whether Limen made it; of another client of the database nothing but that is known.
    by_limen: bool,
    /// The values `before` and `after`, but for secrets and encodings; null once the person was erased.
    #[schema(value_type = Option<Object>)]
    details: Option<Box<RawValue>>,
}

impl From<Change> for ChangeView {
    fn from(change: Change) -> Self {
        Self {
            change_id: change.id,
            changed_at: change.changed_at,
            key_id: change.key_id,
            author: change.author,
            action: change.action,
            kind: change.kind,
            subject_id: change.subject_id,
            employee_id: change.employee_id,
            by_limen: change.by_limen,
            // Postgres wrote it as JSON; whoever altered it since has the audit to answer to.
            details: change.details.and_then(|details| RawValue::from_string(details).ok()),
        }
    }
}

/// Lists changes, the newest first.
#[utoipa::path(
    get, path = "/v1/changes", operation_id = "list_changes", tag = "audit", params(ListQuery),
    responses((status = 200, description = "A page", body = Page<ChangeEntry>))
)]
async fn list(
    State(state): State<AppState>,
    _: Allowed<SeeChanges>,
    Query(query): Query<ListQuery>,
) -> Result<Json<Page<ChangeEntry>>, Problem> {
    if let Some(kind) = query.kind.as_ref().filter(|kind| !KINDS.contains(&kind.as_str())) {
        let detail = format!("kind: {kind:?} is none of {}", KINDS.join(", "));
        return Err(Problem::bad_request("bad_query", detail));
    }
    let (rows, _permit) = page::begin(query.limit, &state)?;
    let filter = ChangeFilter {
        key_id: query.key_id,
        subject_id: query.subject_id,
        employee_id: query.employee_id,
        kind: query.kind,
        from: query.from.map(|moment| moment.0),
        until: query.until.map(|moment| moment.0),
    };
    let found = state.store.changes(&filter, query.cursor, rows + 1).await?;
    Ok(Json(Page::new(found, rows, |listed| listed.id().0)))
}

/// Where every chain ends.
#[derive(Debug, Serialize, ToSchema)]
struct HeadList {
    items: Vec<KeptHead>,
}

/// Lists where the chains of the trail end now: that of the changes first.
#[utoipa::path(
    get, path = "/v1/audit-heads", operation_id = "list_audit_heads", tag = "audit",
    responses((status = 200, description = "The heads", body = HeadList),
        (status = 400, description = "There are no parameters", body = Problem, content_type = "application/problem+json"))
)]
async fn heads(
    State(state): State<AppState>,
    _: Allowed<SeeChanges>,
    _: NoQuery,
) -> Result<Json<HeadList>, Problem> {
    let (heads, read_at) = (state.store.heads().await?, Utc::now());
    let items = heads.iter().map(|signed| KeptHead::new(signed, read_at)).collect();
    Ok(Json(HeadList { items }))
}
