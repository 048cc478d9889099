//! `/v1/schedules`: weekly hours, by the clocks of the site where they are asked for.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use garde::Validate;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::auth::{Allowed, ChangePlaces, SeePlaces};
use super::extract::{Json as Body, NoQuery, Path, Query, check, stated};
use super::page::{self, Page};
use super::schema::DayCode;
use super::{AppState, Problem};
use crate::domain::{ClockTime, Day, Hours, Schedule, ScheduleId, ScheduleName};
use crate::store::{NewSchedule, ScheduleChange};

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(create, list)).routes(routes!(read, change, delete))
}

/// From one time of some days until another: of the same day, or of the next where it is not later.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "names the hours in the contract; they are read and sent as they are")]
struct ScheduleHours {
    /// 1 to 7 different days on which they begin.
    #[schema(value_type = Vec<DayCode>)]
    days: Vec<Day>,
    /// The first minute: 00:00 to 23:59.
    #[schema(value_type = String)]
    from: ClockTime,
    /// The first minute after: 00:00 to 24:00, not as `from`.
    #[schema(value_type = String)]
    until: ClockTime,
}

/// A schedule.
#[derive(Debug, Serialize, ToSchema)]
struct ScheduleView {
    #[schema(value_type = Uuid)]
    schedule_id: ScheduleId,
    #[schema(value_type = String)]
    name: ScheduleName,
    #[schema(value_type = Vec<ScheduleHours>)]
    hours: Vec<Hours>,
    /// Whether the hours hold on a site's holidays too.
    on_holidays: bool,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl From<Schedule> for ScheduleView {
    fn from(schedule: Schedule) -> Self {
        Self {
            schedule_id: schedule.id,
            name: schedule.name,
            hours: schedule.hours,
            on_holidays: schedule.on_holidays,
            created_at: schedule.created_at,
            updated_at: schedule.updated_at,
        }
    }
}

/// A schedule to be created.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
struct CreateSchedule {
    /// 1 to 100 characters; no other schedule may have it.
    #[garde(skip)]
    #[schema(value_type = String)]
    name: ScheduleName,
    /// 1 to 50; outside all of them the schedule does not hold.
    #[garde(length(min = 1, max = 50))]
    #[schema(value_type = Vec<ScheduleHours>)]
    hours: Vec<Hours>,
    /// Whether the hours hold on a site's holidays too; default false.
    #[garde(skip)]
    on_holidays: Option<bool>,
}

/// A change: what is absent stays.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
struct ChangeSchedule {
    /// 1 to 100 characters; no other schedule may have it.
    #[garde(skip)]
    #[serde(default, deserialize_with = "stated")]
    #[schema(value_type = String, required = false)]
    name: Option<ScheduleName>,
    /// 1 to 50, which replace the old ones.
    #[garde(length(min = 1, max = 50))]
    #[serde(default, deserialize_with = "stated")]
    #[schema(value_type = Vec<ScheduleHours>, required = false)]
    hours: Option<Vec<Hours>>,
    /// Whether the hours hold on a site's holidays too.
    #[garde(skip)]
    #[serde(default, deserialize_with = "stated")]
    #[schema(value_type = bool, required = false)]
    on_holidays: Option<bool>,
}

/// Creates a schedule.
#[utoipa::path(
    post, path = "/v1/schedules", operation_id = "create_schedule", tag = "access", request_body = CreateSchedule,
    responses((status = 201, description = "Created", body = ScheduleView),
        (status = 409, description = "The name is taken", body = Problem, content_type = "application/problem+json"))
)]
async fn create(
    State(state): State<AppState>,
    Allowed(caller, _): Allowed<ChangePlaces>,
    _: NoQuery,
    Body(body): Body<CreateSchedule>,
) -> Result<(StatusCode, Json<ScheduleView>), Problem> {
    check(&body)?;
    let new = NewSchedule {
        name: body.name,
        hours: body.hours,
        on_holidays: body.on_holidays.unwrap_or(false),
    };
    let schedule = state.store.create_schedule(&caller.author(), new).await?;
    Ok((StatusCode::CREATED, Json(schedule.into())))
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ListQuery {
    /// Rows of the page.
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    #[param(value_type = Option<Uuid>)]
    cursor: Option<ScheduleId>,
}

/// Lists schedules in the order of their creation.
#[utoipa::path(
    get, path = "/v1/schedules", operation_id = "list_schedules", tag = "access", params(ListQuery),
    responses((status = 200, description = "A page", body = Page<ScheduleView>))
)]
async fn list(
    State(state): State<AppState>,
    _: Allowed<SeePlaces>,
    Query(query): Query<ListQuery>,
) -> Result<Json<Page<ScheduleView>>, Problem> {
    let (rows, _permit) = page::begin(query.limit, &state)?;
    let found = state.store.schedules(query.cursor, rows + 1).await?;
    Ok(Json(Page::new(found, rows, |schedule| schedule.id.0)))
}

/// Shows a schedule.
#[utoipa::path(
    get, path = "/v1/schedules/{schedule_id}", operation_id = "read_schedule", tag = "access",
    params(("schedule_id" = Uuid, Path, description = "The schedule")),
    responses((status = 200, description = "The schedule", body = ScheduleView),
        (status = 404, description = "No such schedule", body = Problem, content_type = "application/problem+json"))
)]
async fn read(
    State(state): State<AppState>,
    _: Allowed<SeePlaces>,
    _: NoQuery,
    Path(id): Path<ScheduleId>,
) -> Result<Json<ScheduleView>, Problem> {
    Ok(Json(state.store.schedule(id).await?.into()))
}

/// Changes a schedule. Once answered, no gate grants by the hours of before.
#[utoipa::path(
    patch, path = "/v1/schedules/{schedule_id}", operation_id = "change_schedule", tag = "access", request_body = ChangeSchedule,
    params(("schedule_id" = Uuid, Path, description = "The schedule")),
    responses((status = 200, description = "Changed", body = ScheduleView),
        (status = 404, description = "No such schedule", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "The name is taken", body = Problem, content_type = "application/problem+json"))
)]
async fn change(
    State(state): State<AppState>,
    Allowed(caller, _): Allowed<ChangePlaces>,
    _: NoQuery,
    Path(id): Path<ScheduleId>,
    Body(body): Body<ChangeSchedule>,
) -> Result<Json<ScheduleView>, Problem> {
    check(&body)?;
    let change =
        ScheduleChange { name: body.name, hours: body.hours, on_holidays: body.on_holidays };
    Ok(Json(state.store.change_schedule(&caller.author(), id, change).await?.into()))
}

/// Removes a schedule that no access group names.
#[utoipa::path(
    delete, path = "/v1/schedules/{schedule_id}", operation_id = "delete_schedule", tag = "access",
    params(("schedule_id" = Uuid, Path, description = "The schedule")),
    responses((status = 204, description = "Removed"),
        (status = 404, description = "No such schedule", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "An access group names it", body = Problem, content_type = "application/problem+json"))
)]
async fn delete(
    State(state): State<AppState>,
    Allowed(caller, _): Allowed<ChangePlaces>,
    _: NoQuery,
    Path(id): Path<ScheduleId>,
) -> Result<StatusCode, Problem> {
    state.store.delete_schedule(&caller.author(), id).await?;
    Ok(StatusCode::NO_CONTENT)
}
