//! `/v1/employees`: the people.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::auth::{Allowed, ChangePeople, ChangeStatus, SeePeople};
use super::extract::{Json as Body, NoQuery, Path, Query, stated};
use super::moment::Moment;
use super::page::{self, Page};
use super::schema::EmployeeStatusCode;
use super::{AppState, Problem};
use crate::domain::{
    BadgeId, Department, Employee, EmployeeId, EmployeeName, EmployeeStatus, GroupId, Permission,
    Validity, in_one_form,
};
use crate::store::{EmployeeChange, EmployeeFilter, NewEmployee};

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(create, list)).routes(routes!(read, change, delete))
}

/// An employee.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct EmployeeView {
    #[schema(value_type = Uuid)]
    employee_id: EmployeeId,
    /// The code on the person's badge.
    #[schema(value_type = Option<String>)]
    badge_id: Option<BadgeId>,
    #[schema(value_type = String)]
    name: EmployeeName,
    #[schema(value_type = Option<String>)]
    department: Option<Department>,
    /// Whatever the site keeps.
    #[schema(value_type = Object)]
    metadata: Value,
    valid_from: Option<DateTime<Utc>>,
    valid_until: Option<DateTime<Utc>>,
    #[schema(value_type = EmployeeStatusCode)]
    status: EmployeeStatus,
    /// Whether the face alone does not open: it is too like somebody else's.
    badge_required: bool,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl From<Employee> for EmployeeView {
    fn from(employee: Employee) -> Self {
        Self {
            employee_id: employee.id,
            badge_id: employee.badge_id,
            name: employee.name,
            department: employee.department,
            metadata: employee.metadata,
            valid_from: employee.validity.from,
            valid_until: employee.validity.until,
            status: employee.status,
            badge_required: employee.badge_required,
            created_at: employee.created_at,
            updated_at: employee.updated_at,
        }
    }
}

/// An employee to be created.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct CreateEmployee {
    /// 1 to 200 characters.
    #[schema(value_type = String)]
    name: EmployeeName,
    /// 1 to 64 characters; no other employee may have it.
    #[schema(value_type = Option<String>)]
    badge_id: Option<BadgeId>,
    /// 1 to 200 characters.
    #[schema(value_type = Option<String>)]
    department: Option<Department>,
    /// Whatever the site keeps.
    #[serde(default)]
    #[schema(value_type = Object)]
    metadata: Map<String, Value>,
    /// The first moment the person may pass.
    #[schema(value_type = Option<DateTime<Utc>>)]
    valid_from: Option<Moment>,
    /// The first moment the person may no longer pass.
    #[schema(value_type = Option<DateTime<Utc>>)]
    valid_until: Option<Moment>,
    /// `active` when absent.
    #[schema(value_type = Option<EmployeeStatusCode>)]
    status: Option<EmployeeStatus>,
    /// Whether the face alone does not open; default false.
    badge_required: Option<bool>,
}

/// Creates an employee.
#[utoipa::path(
    post, path = "/v1/employees", operation_id = "create_employee", tag = "employees", request_body = CreateEmployee,
    responses((status = 201, description = "Created", body = EmployeeView),
        (status = 409, description = "The badge is taken", body = Problem, content_type = "application/problem+json"))
)]
async fn create(
    State(state): State<AppState>,
    Allowed(caller, _): Allowed<ChangePeople>,
    _: NoQuery,
    Body(body): Body<CreateEmployee>,
) -> Result<(StatusCode, Json<EmployeeView>), Problem> {
    if body.status == Some(EmployeeStatus::Blocked) {
        caller.require(Permission::BlockPeople)?;
    }
    let new = NewEmployee {
        badge_id: body.badge_id,
        name: body.name,
        department: body.department,
        metadata: body.metadata.into(),
        validity: Validity {
            from: body.valid_from.map(|moment| moment.0),
            until: body.valid_until.map(|moment| moment.0),
        },
        status: body.status.unwrap_or(EmployeeStatus::Active),
        badge_required: body.badge_required.unwrap_or(false),
    };
    let employee = state.store.create_employee(&caller.author(), new).await?;
    Ok((StatusCode::CREATED, Json(employee.into())))
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ListQuery {
    /// Only the one with this badge.
    #[param(value_type = Option<String>)]
    badge_id: Option<BadgeId>,
    /// Only those whose name contains this, in any case.
    name: Option<String>,
    /// Only those whose name, badge or department contains this, in any case.
    query: Option<String>,
    /// Only members of this group.
    #[param(value_type = Option<Uuid>)]
    group_id: Option<GroupId>,
    /// Only those with this status.
    #[param(value_type = Option<EmployeeStatusCode>)]
    status: Option<EmployeeStatus>,
    /// Only those who need a badge, or those who do not.
    badge_required: Option<bool>,
    /// Rows of the page.
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    #[param(value_type = Option<Uuid>)]
    cursor: Option<EmployeeId>,
}

/// Lists employees in the order of their creation.
#[utoipa::path(
    get, path = "/v1/employees", operation_id = "list_employees", tag = "employees", params(ListQuery),
    responses((status = 200, description = "A page", body = Page<EmployeeView>))
)]
async fn list(
    State(state): State<AppState>,
    _: Allowed<SeePeople>,
    Query(query): Query<ListQuery>,
) -> Result<Json<Page<EmployeeView>>, Problem> {
    for (parameter, text) in [("name", &query.name), ("query", &query.query)] {
        if text.as_ref().is_some_and(|text| text.contains('\0')) {
            let detail = format!("{parameter}: NUL is in no name, badge or department");
            return Err(Problem::bad_request("bad_query", detail));
        }
    }
    let (rows, _permit) = page::begin(query.limit, &state)?;
    let filter = EmployeeFilter {
        badge_id: query.badge_id,
        name_contains: query.name.as_deref().map(in_one_form),
        contains: query.query.as_deref().map(in_one_form),
        group_id: query.group_id,
        status: query.status,
        badge_required: query.badge_required,
    };
    let found = state.store.employees(&filter, query.cursor, rows + 1).await?;
    Ok(Json(Page::new(found, rows, |employee| employee.id.0)))
}

/// Shows an employee.
#[utoipa::path(
    get, path = "/v1/employees/{employee_id}", operation_id = "read_employee", tag = "employees",
    params(("employee_id" = Uuid, Path, description = "The employee")),
    responses((status = 200, description = "The employee", body = EmployeeView),
        (status = 404, description = "No such employee", body = Problem, content_type = "application/problem+json"))
)]
async fn read(
    State(state): State<AppState>,
    _: Allowed<SeePeople>,
    _: NoQuery,
    Path(id): Path<EmployeeId>,
) -> Result<Json<EmployeeView>, Problem> {
    Ok(Json(state.store.employee(id).await?.into()))
}

/// A change: what is absent stays; null clears where it is listed.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ChangeEmployee {
    #[serde(default, deserialize_with = "stated")]
    #[schema(value_type = String, required = false)]
    name: Option<EmployeeName>,
    #[serde(default, with = "serde_with::rust::double_option")]
    #[schema(value_type = Option<String>)]
    badge_id: Option<Option<BadgeId>>,
    #[serde(default, with = "serde_with::rust::double_option")]
    #[schema(value_type = Option<String>)]
    department: Option<Option<Department>>,
    /// Replaces the old object.
    #[serde(default, deserialize_with = "stated")]
    #[schema(value_type = Object, required = false)]
    metadata: Option<Map<String, Value>>,
    #[serde(default, with = "serde_with::rust::double_option")]
    #[schema(value_type = Option<DateTime<Utc>>)]
    valid_from: Option<Option<Moment>>,
    #[serde(default, with = "serde_with::rust::double_option")]
    #[schema(value_type = Option<DateTime<Utc>>)]
    valid_until: Option<Option<Moment>>,
    /// Once answered, no gate grants on the old status.
    #[serde(default, deserialize_with = "stated")]
    #[schema(value_type = EmployeeStatusCode, required = false)]
    status: Option<EmployeeStatus>,
    /// Whether the face alone does not open. Once answered, no gate grants on what it was.
    #[serde(default, deserialize_with = "stated")]
    #[schema(value_type = bool, required = false)]
    badge_required: Option<bool>,
}

/// Changes an employee; suspends, revokes and blocks. An officer may change the status alone; an enroller blocks
/// nobody, and lets nobody off the blocklist.
#[utoipa::path(
    patch, path = "/v1/employees/{employee_id}", operation_id = "change_employee", tag = "employees", request_body = ChangeEmployee,
    params(("employee_id" = Uuid, Path, description = "The employee")),
    responses((status = 200, description = "Changed", body = EmployeeView),
        (status = 404, description = "No such employee", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "The badge is taken", body = Problem, content_type = "application/problem+json"))
)]
async fn change(
    State(state): State<AppState>,
    Allowed(caller, _): Allowed<ChangeStatus>,
    _: NoQuery,
    Path(id): Path<EmployeeId>,
    Body(body): Body<ChangeEmployee>,
) -> Result<Json<EmployeeView>, Problem> {
    let change = EmployeeChange {
        badge_id: body.badge_id,
        name: body.name,
        department: body.department,
        metadata: body.metadata.map(Value::from),
        valid_from: body.valid_from.map(|change| change.map(|moment| moment.0)),
        valid_until: body.valid_until.map(|change| change.map(|moment| moment.0)),
        status: body.status,
        badge_required: body.badge_required,
    };
    if change.status == Some(EmployeeStatus::Blocked) {
        caller.require(Permission::BlockPeople)?;
    }
    if change.is_more_than_status() {
        caller.require(Permission::ChangePeople)?;
    }
    let employee = state.store.change_employee(&caller.author(), id, change).await?;
    state.refresh_gallery(id).await;
    Ok(Json(employee.into()))
}

/// Removes an employee with every face of theirs; the trail keeps their passages.
#[utoipa::path(
    delete, path = "/v1/employees/{employee_id}", operation_id = "delete_employee", tag = "employees",
    params(("employee_id" = Uuid, Path, description = "The employee")),
    responses((status = 204, description = "Removed"),
        (status = 404, description = "No such employee", body = Problem, content_type = "application/problem+json"))
)]
async fn delete(
    State(state): State<AppState>,
    Allowed(caller, _): Allowed<ChangePeople>,
    _: NoQuery,
    Path(id): Path<EmployeeId>,
) -> Result<StatusCode, Problem> {
    state.store.delete_employee(&caller.author(), id).await?;
    state.refresh_gallery(id).await;
    Ok(StatusCode::NO_CONTENT)
}
