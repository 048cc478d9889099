//! `/v1/sites`: places with clocks and a calendar of their own.

use std::collections::BTreeSet;
use std::str::FromStr;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;
use garde::Validate;
use serde::{Deserialize, Serialize};
use serde_with::DeserializeFromStr;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::auth::{Allowed, ChangePlaces, SeePlaces};
use super::extract::{Json as Body, NoQuery, Path, Query, check, stated};
use super::moment::Date;
use super::page::{self, Page};
use super::{AppState, Problem};
use crate::domain::{Site, SiteId, SiteName};
use crate::store::{NewSite, SiteChange};

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(create, list)).routes(routes!(read, change, delete))
}

/// A site.
#[derive(Debug, Serialize, ToSchema)]
struct SiteView {
    #[schema(value_type = Uuid)]
    site_id: SiteId,
    #[schema(value_type = String)]
    name: SiteName,
    /// By whose clocks the schedules of its zones are read: a name of the IANA database.
    time_zone: &'static str,
    /// Days on which only those schedules hold that say so, sorted.
    holidays: Vec<NaiveDate>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl From<Site> for SiteView {
    fn from(site: Site) -> Self {
        Self {
            site_id: site.id,
            name: site.name,
            time_zone: site.time_zone.name(),
            holidays: site.holidays,
            created_at: site.created_at,
            updated_at: site.updated_at,
        }
    }
}

/// A time zone by its name.
#[derive(Clone, Copy, Debug, DeserializeFromStr)]
struct TimeZone(Tz);

impl FromStr for TimeZone {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        name.parse::<Tz>().map(Self).map_err(|_| {
            format!(
                "`{name}` is no time zone: expected a name of the IANA database such as Europe/Berlin"
            )
        })
    }
}

/// A site to be created.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
struct CreateSite {
    /// 1 to 100 characters; no other site may have it.
    #[garde(skip)]
    #[schema(value_type = String)]
    name: SiteName,
    /// A name of the IANA database, such as Europe/Berlin.
    #[garde(skip)]
    #[schema(value_type = String)]
    time_zone: TimeZone,
    /// At most 1,000 days on which only those schedules hold that say so; default none.
    #[garde(length(max = 1_000))]
    #[serde(default)]
    #[schema(value_type = Vec<NaiveDate>)]
    holidays: BTreeSet<Date>,
}

/// A change: what is absent stays.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
struct ChangeSite {
    /// 1 to 100 characters; no other site may have it.
    #[garde(skip)]
    #[serde(default, deserialize_with = "stated")]
    #[schema(value_type = String, required = false)]
    name: Option<SiteName>,
    /// A name of the IANA database, such as Europe/Berlin.
    #[garde(skip)]
    #[serde(default, deserialize_with = "stated")]
    #[schema(value_type = String, required = false)]
    time_zone: Option<TimeZone>,
    /// At most 1,000 days, which replace the old ones.
    #[garde(length(max = 1_000))]
    #[serde(default, deserialize_with = "stated")]
    #[schema(value_type = Vec<NaiveDate>, required = false)]
    holidays: Option<BTreeSet<Date>>,
}

fn days(dates: BTreeSet<Date>) -> BTreeSet<NaiveDate> {
    dates.into_iter().map(|date| date.0).collect()
}

/// Creates a site.
#[utoipa::path(
    post, path = "/v1/sites", operation_id = "create_site", tag = "access", request_body = CreateSite,
    responses((status = 201, description = "Created", body = SiteView),
        (status = 409, description = "The name is taken", body = Problem, content_type = "application/problem+json"))
)]
async fn create(
    State(state): State<AppState>,
    Allowed(caller, _): Allowed<ChangePlaces>,
    _: NoQuery,
    Body(body): Body<CreateSite>,
) -> Result<(StatusCode, Json<SiteView>), Problem> {
    check(&body)?;
    let new =
        NewSite { name: body.name, time_zone: body.time_zone.0, holidays: days(body.holidays) };
    let site = state.store.create_site(&caller.author(), new).await?;
    Ok((StatusCode::CREATED, Json(site.into())))
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ListQuery {
    /// Rows of the page.
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    #[param(value_type = Option<Uuid>)]
    cursor: Option<SiteId>,
}

/// Lists sites in the order of their creation.
#[utoipa::path(
    get, path = "/v1/sites", operation_id = "list_sites", tag = "access", params(ListQuery),
    responses((status = 200, description = "A page", body = Page<SiteView>))
)]
async fn list(
    State(state): State<AppState>,
    _: Allowed<SeePlaces>,
    Query(query): Query<ListQuery>,
) -> Result<Json<Page<SiteView>>, Problem> {
    let (rows, _permit) = page::begin(query.limit, &state)?;
    let found = state.store.sites(query.cursor, rows + 1).await?;
    Ok(Json(Page::new(found, rows, |site| site.id.0)))
}

/// Shows a site.
#[utoipa::path(
    get, path = "/v1/sites/{site_id}", operation_id = "read_site", tag = "access",
    params(("site_id" = Uuid, Path, description = "The site")),
    responses((status = 200, description = "The site", body = SiteView),
        (status = 404, description = "No such site", body = Problem, content_type = "application/problem+json"))
)]
async fn read(
    State(state): State<AppState>,
    _: Allowed<SeePlaces>,
    _: NoQuery,
    Path(id): Path<SiteId>,
) -> Result<Json<SiteView>, Problem> {
    Ok(Json(state.store.site(id).await?.into()))
}

/// Changes a site. Once answered, no gate grants by the clocks or holidays of before.
#[utoipa::path(
    patch, path = "/v1/sites/{site_id}", operation_id = "change_site", tag = "access", request_body = ChangeSite,
    params(("site_id" = Uuid, Path, description = "The site")),
    responses((status = 200, description = "Changed", body = SiteView),
        (status = 404, description = "No such site", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "The name is taken", body = Problem, content_type = "application/problem+json"))
)]
async fn change(
    State(state): State<AppState>,
    Allowed(caller, _): Allowed<ChangePlaces>,
    _: NoQuery,
    Path(id): Path<SiteId>,
    Body(body): Body<ChangeSite>,
) -> Result<Json<SiteView>, Problem> {
    check(&body)?;
    let change = SiteChange {
        name: body.name,
        time_zone: body.time_zone.map(|zone| zone.0),
        holidays: body.holidays.map(days),
    };
    Ok(Json(state.store.change_site(&caller.author(), id, change).await?.into()))
}

/// Removes a site that has no zones.
#[utoipa::path(
    delete, path = "/v1/sites/{site_id}", operation_id = "delete_site", tag = "access",
    params(("site_id" = Uuid, Path, description = "The site")),
    responses((status = 204, description = "Removed"),
        (status = 404, description = "No such site", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "It has zones", body = Problem, content_type = "application/problem+json"))
)]
async fn delete(
    State(state): State<AppState>,
    Allowed(caller, _): Allowed<ChangePlaces>,
    _: NoQuery,
    Path(id): Path<SiteId>,
) -> Result<StatusCode, Problem> {
    state.store.delete_site(&caller.author(), id).await?;
    Ok(StatusCode::NO_CONTENT)
}
