//! `/v1/access-groups`: who may enter which zones, and when. `GET /v1/employees/E/access`: what their groups
//! give to one person.

use std::collections::BTreeSet;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use garde::Validate;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::auth::{Allowed, ChangeMembers, ChangePlaces, SeePeople, SeePlaces};
use super::extract::{Json as Body, NoQuery, Path, Query, check, stated};
use super::moment::Moment;
use super::page::{self, Page};
use super::{AppState, Problem};
use crate::domain::{
    AccessGroup, AccessRule, EmployeeId, GroupId, GroupName, ScheduleId, Validity, ZoneId,
};
use crate::store::{Access, GroupChange, Member, NewGroup};

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(create, list))
        .routes(routes!(read, change, delete))
        .routes(routes!(list_members))
        .routes(routes!(set_member, delete_member))
        .routes(routes!(list_access))
}

/// Members may enter a zone during a schedule.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "names the rule in the contract; it is read and sent as it is")]
struct GroupRule {
    #[schema(value_type = Uuid)]
    zone_id: ZoneId,
    #[schema(value_type = Uuid)]
    schedule_id: ScheduleId,
}

/// A group.
#[derive(Debug, Serialize, ToSchema)]
struct GroupView {
    #[schema(value_type = Uuid)]
    group_id: GroupId,
    #[schema(value_type = String)]
    name: GroupName,
    #[schema(value_type = Vec<GroupRule>)]
    rules: Vec<AccessRule>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl From<AccessGroup> for GroupView {
    fn from(group: AccessGroup) -> Self {
        Self {
            group_id: group.id,
            name: group.name,
            rules: group.rules,
            created_at: group.created_at,
            updated_at: group.updated_at,
        }
    }
}

/// A group to be created.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
struct CreateGroup {
    /// 1 to 100 characters; no other group may have it.
    #[garde(skip)]
    #[schema(value_type = String)]
    name: GroupName,
    /// Which zones its members may enter, and when: at most 200; default none.
    #[garde(length(max = 200))]
    #[serde(default)]
    #[schema(value_type = Vec<GroupRule>)]
    rules: BTreeSet<AccessRule>,
}

/// A change: what is absent stays.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
struct ChangeGroup {
    /// 1 to 100 characters; no other group may have it.
    #[garde(skip)]
    #[serde(default, deserialize_with = "stated")]
    #[schema(value_type = String, required = false)]
    name: Option<GroupName>,
    /// At most 200, which replace the old ones. Once answered, no gate grants on those that are gone.
    #[garde(length(max = 200))]
    #[serde(default, deserialize_with = "stated")]
    #[schema(value_type = Vec<GroupRule>, required = false)]
    rules: Option<BTreeSet<AccessRule>>,
}

/// Creates an access group.
#[utoipa::path(
    post, path = "/v1/access-groups", operation_id = "create_group", tag = "access", request_body = CreateGroup,
    responses((status = 201, description = "Created", body = GroupView),
        (status = 404, description = "No such zone or schedule", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "The name is taken", body = Problem, content_type = "application/problem+json"))
)]
async fn create(
    State(state): State<AppState>,
    Allowed(caller, _): Allowed<ChangePlaces>,
    _: NoQuery,
    Body(body): Body<CreateGroup>,
) -> Result<(StatusCode, Json<GroupView>), Problem> {
    check(&body)?;
    let group = state
        .store
        .create_group(&caller.author(), NewGroup { name: body.name, rules: body.rules })
        .await?;
    Ok((StatusCode::CREATED, Json(group.into())))
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ListQuery {
    /// Rows of the page.
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    #[param(value_type = Option<Uuid>)]
    cursor: Option<GroupId>,
}

/// Lists access groups in the order of their creation.
#[utoipa::path(
    get, path = "/v1/access-groups", operation_id = "list_groups", tag = "access", params(ListQuery),
    responses((status = 200, description = "A page", body = Page<GroupView>))
)]
async fn list(
    State(state): State<AppState>,
    _: Allowed<SeePlaces>,
    Query(query): Query<ListQuery>,
) -> Result<Json<Page<GroupView>>, Problem> {
    let (rows, _permit) = page::begin(query.limit, &state)?;
    let found = state.store.groups(query.cursor, rows + 1).await?;
    Ok(Json(Page::new(found, rows, |group| group.id.0)))
}

/// Shows an access group.
#[utoipa::path(
    get, path = "/v1/access-groups/{group_id}", operation_id = "read_group", tag = "access",
    params(("group_id" = Uuid, Path, description = "The group")),
    responses((status = 200, description = "The group", body = GroupView),
        (status = 404, description = "No such group", body = Problem, content_type = "application/problem+json"))
)]
async fn read(
    State(state): State<AppState>,
    _: Allowed<SeePlaces>,
    _: NoQuery,
    Path(id): Path<GroupId>,
) -> Result<Json<GroupView>, Problem> {
    Ok(Json(state.store.group(id).await?.into()))
}

/// Changes an access group.
#[utoipa::path(
    patch, path = "/v1/access-groups/{group_id}", operation_id = "change_group", tag = "access", request_body = ChangeGroup,
    params(("group_id" = Uuid, Path, description = "The group")),
    responses((status = 200, description = "Changed", body = GroupView),
        (status = 404, description = "No such group, zone or schedule", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "The name is taken", body = Problem, content_type = "application/problem+json"))
)]
async fn change(
    State(state): State<AppState>,
    Allowed(caller, _): Allowed<ChangePlaces>,
    _: NoQuery,
    Path(id): Path<GroupId>,
    Body(body): Body<ChangeGroup>,
) -> Result<Json<GroupView>, Problem> {
    check(&body)?;
    let change = GroupChange { name: body.name, rules: body.rules };
    Ok(Json(state.store.change_group(&caller.author(), id, change).await?.into()))
}

/// Removes an access group. Once answered, no gate grants on it.
#[utoipa::path(
    delete, path = "/v1/access-groups/{group_id}", operation_id = "delete_group", tag = "access",
    params(("group_id" = Uuid, Path, description = "The group")),
    responses((status = 204, description = "Removed"),
        (status = 404, description = "No such group", body = Problem, content_type = "application/problem+json"))
)]
async fn delete(
    State(state): State<AppState>,
    Allowed(caller, _): Allowed<ChangePlaces>,
    _: NoQuery,
    Path(id): Path<GroupId>,
) -> Result<StatusCode, Problem> {
    state.store.delete_group(&caller.author(), id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// That an employee belongs to a group.
#[derive(Debug, Serialize, ToSchema)]
struct MemberView {
    #[schema(value_type = Uuid)]
    group_id: GroupId,
    #[schema(value_type = Uuid)]
    employee_id: EmployeeId,
    valid_from: Option<DateTime<Utc>>,
    valid_until: Option<DateTime<Utc>>,
}

impl From<Member> for MemberView {
    fn from(member: Member) -> Self {
        Self {
            group_id: member.group_id,
            employee_id: member.employee_id,
            valid_from: member.validity.from,
            valid_until: member.validity.until,
        }
    }
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct MembersQuery {
    /// Rows of the page.
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    #[param(value_type = Option<Uuid>)]
    cursor: Option<EmployeeId>,
}

/// Lists the members of a group in the order in which they were created as employees.
#[utoipa::path(
    get, path = "/v1/access-groups/{group_id}/members", operation_id = "list_members", tag = "access",
    params(("group_id" = Uuid, Path, description = "The group"), MembersQuery),
    responses((status = 200, description = "A page", body = Page<MemberView>),
        (status = 404, description = "No such group", body = Problem, content_type = "application/problem+json"))
)]
async fn list_members(
    State(state): State<AppState>,
    _: Allowed<SeePeople>,
    Query(query): Query<MembersQuery>,
    Path(id): Path<GroupId>,
) -> Result<Json<Page<MemberView>>, Problem> {
    let (rows, _permit) = page::begin(query.limit, &state)?;
    let found = state.store.members(id, query.cursor, rows + 1).await?;
    Ok(Json(Page::new(found, rows, |member| member.employee_id.0)))
}

/// From when until when an employee belongs to a group.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SetMember {
    /// The first moment; absent or null: since ever.
    #[schema(value_type = Option<DateTime<Utc>>)]
    valid_from: Option<Moment>,
    /// The first moment after; absent or null: for ever.
    #[schema(value_type = Option<DateTime<Utc>>)]
    valid_until: Option<Moment>,
}

/// Makes an employee a member of a group, or changes from when until when they are one.
#[utoipa::path(
    put, path = "/v1/access-groups/{group_id}/members/{employee_id}", operation_id = "set_member", tag = "access", request_body = SetMember,
    params(("group_id" = Uuid, Path, description = "The group"),
        ("employee_id" = Uuid, Path, description = "The employee")),
    responses((status = 200, description = "A member", body = MemberView),
        (status = 404, description = "No such group or employee", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "The employee belongs to 100 groups", body = Problem, content_type = "application/problem+json"))
)]
async fn set_member(
    State(state): State<AppState>,
    Allowed(caller, _): Allowed<ChangeMembers>,
    _: NoQuery,
    Path((group_id, employee_id)): Path<(GroupId, EmployeeId)>,
    Body(body): Body<SetMember>,
) -> Result<Json<MemberView>, Problem> {
    let validity = Validity {
        from: body.valid_from.map(|moment| moment.0),
        until: body.valid_until.map(|moment| moment.0),
    };
    let member = Member { group_id, employee_id, validity };
    Ok(Json(state.store.set_member(&caller.author(), member).await?.into()))
}

/// Takes an employee out of a group. Once answered, no gate grants on their having been in it.
#[utoipa::path(
    delete, path = "/v1/access-groups/{group_id}/members/{employee_id}", operation_id = "delete_member", tag = "access",
    params(("group_id" = Uuid, Path, description = "The group"),
        ("employee_id" = Uuid, Path, description = "The employee")),
    responses((status = 204, description = "No longer a member"),
        (status = 404, description = "No such member", body = Problem, content_type = "application/problem+json"))
)]
async fn delete_member(
    State(state): State<AppState>,
    Allowed(caller, _): Allowed<ChangeMembers>,
    _: NoQuery,
    Path((group_id, employee_id)): Path<(GroupId, EmployeeId)>,
) -> Result<StatusCode, Problem> {
    state.store.delete_member(&caller.author(), group_id, employee_id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// What a group gives to one of its members.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AccessView {
    #[schema(value_type = Uuid)]
    group_id: GroupId,
    #[schema(value_type = String)]
    group_name: GroupName,
    valid_from: Option<DateTime<Utc>>,
    valid_until: Option<DateTime<Utc>>,
    #[schema(value_type = Vec<GroupRule>)]
    rules: Vec<AccessRule>,
}

impl From<Access> for AccessView {
    fn from(access: Access) -> Self {
        Self {
            group_id: access.group_id,
            group_name: access.group_name,
            valid_from: access.validity.from,
            valid_until: access.validity.until,
            rules: access.rules,
        }
    }
}

/// What the groups of one employee give.
#[derive(Debug, Serialize, ToSchema)]
struct AccessList {
    items: Vec<AccessView>,
}

/// Lists where an employee may go, and when, group by group.
#[utoipa::path(
    get, path = "/v1/employees/{employee_id}/access", operation_id = "list_access", tag = "access",
    params(("employee_id" = Uuid, Path, description = "The employee")),
    responses((status = 200, description = "The groups", body = AccessList),
        (status = 404, description = "No such employee", body = Problem, content_type = "application/problem+json"))
)]
async fn list_access(
    State(state): State<AppState>,
    _: Allowed<SeePeople>,
    _: NoQuery,
    Path(employee_id): Path<EmployeeId>,
) -> Result<Json<AccessList>, Problem> {
    let (_, _permit) = page::begin(None, &state)?;
    let access = state.store.access(employee_id).await?;
    Ok(Json(AccessList { items: access.into_iter().map(AccessView::from).collect() }))
}
