//! `/v1/zones`: the parts of a site, entered and left through gates.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use garde::Validate;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::auth::{Allowed, ChangePlaces, PardonPeople, SeePlaces};
use super::extract::{Json as Body, NoQuery, Path, Query, check, stated};
use super::page::{self, Page};
use super::schema::AntiPassbackCode;
use super::{AppState, Problem};
use crate::domain::{AntiPassback, EmployeeId, PardonId, SiteId, Zone, ZoneId, ZoneName};
use crate::store::{NewZone, Pardon, ZoneChange};

/// Half a day, unless a zone says otherwise.
const ANTI_PASSBACK_RESET_S_DEFAULT: u32 = 43_200;

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(create, list))
        .routes(routes!(read, change, delete))
        .routes(routes!(pardon))
}

/// A zone.
#[derive(Debug, Serialize, ToSchema)]
struct ZoneView {
    #[schema(value_type = Uuid)]
    zone_id: ZoneId,
    #[schema(value_type = Uuid)]
    site_id: SiteId,
    #[schema(value_type = String)]
    name: ZoneName,
    /// What becomes of one who enters twice without leaving, or leaves twice: nothing, reported, refused.
    #[schema(value_type = AntiPassbackCode)]
    anti_passback: AntiPassback,
    /// After so many seconds nobody knows any more whether a person is inside.
    anti_passback_reset_s: u32,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl From<Zone> for ZoneView {
    fn from(zone: Zone) -> Self {
        Self {
            zone_id: zone.id,
            site_id: zone.site_id,
            name: zone.name,
            anti_passback: zone.anti_passback,
            anti_passback_reset_s: zone.anti_passback_reset_s,
            created_at: zone.created_at,
            updated_at: zone.updated_at,
        }
    }
}

/// A zone to be created.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
struct CreateZone {
    /// Where it lies, for good.
    #[garde(skip)]
    #[schema(value_type = Uuid)]
    site_id: SiteId,
    /// 1 to 100 characters; no other zone of the site may have it.
    #[garde(skip)]
    #[schema(value_type = String)]
    name: ZoneName,
    /// Default `off`.
    #[garde(skip)]
    #[schema(value_type = Option<AntiPassbackCode>)]
    anti_passback: Option<AntiPassback>,
    /// 60 to 2,592,000; default 43,200.
    #[garde(range(min = 60, max = 2_592_000))]
    anti_passback_reset_s: Option<u32>,
}

/// A change: what is absent stays.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
struct ChangeZone {
    /// 1 to 100 characters; no other zone of the site may have it.
    #[garde(skip)]
    #[serde(default, deserialize_with = "stated")]
    #[schema(value_type = String, required = false)]
    name: Option<ZoneName>,
    /// What becomes of one who enters twice without leaving, or leaves twice.
    #[garde(skip)]
    #[serde(default, deserialize_with = "stated")]
    #[schema(value_type = AntiPassbackCode, required = false)]
    anti_passback: Option<AntiPassback>,
    /// 60 to 2,592,000.
    #[garde(range(min = 60, max = 2_592_000))]
    #[serde(default, deserialize_with = "stated")]
    #[schema(value_type = u32, required = false)]
    anti_passback_reset_s: Option<u32>,
}

/// Creates a zone.
#[utoipa::path(
    post, path = "/v1/zones", operation_id = "create_zone", tag = "access", request_body = CreateZone,
    responses((status = 201, description = "Created", body = ZoneView),
        (status = 404, description = "No such site", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "The name is taken", body = Problem, content_type = "application/problem+json"))
)]
async fn create(
    State(state): State<AppState>,
    Allowed(caller, _): Allowed<ChangePlaces>,
    _: NoQuery,
    Body(body): Body<CreateZone>,
) -> Result<(StatusCode, Json<ZoneView>), Problem> {
    check(&body)?;
    let new = NewZone {
        site_id: body.site_id,
        name: body.name,
        anti_passback: body.anti_passback.unwrap_or(AntiPassback::Off),
        anti_passback_reset_s: body.anti_passback_reset_s.unwrap_or(ANTI_PASSBACK_RESET_S_DEFAULT),
    };
    let zone = state.store.create_zone(&caller.author(), new).await?;
    Ok((StatusCode::CREATED, Json(zone.into())))
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ListQuery {
    /// Only those of this site.
    #[param(value_type = Option<Uuid>)]
    site_id: Option<SiteId>,
    /// Rows of the page.
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    #[param(value_type = Option<Uuid>)]
    cursor: Option<ZoneId>,
}

/// Lists zones in the order of their creation.
#[utoipa::path(
    get, path = "/v1/zones", operation_id = "list_zones", tag = "access", params(ListQuery),
    responses((status = 200, description = "A page", body = Page<ZoneView>))
)]
async fn list(
    State(state): State<AppState>,
    _: Allowed<SeePlaces>,
    Query(query): Query<ListQuery>,
) -> Result<Json<Page<ZoneView>>, Problem> {
    let (rows, _permit) = page::begin(query.limit, &state)?;
    let found = state.store.zones(query.site_id, query.cursor, rows + 1).await?;
    Ok(Json(Page::new(found, rows, |zone| zone.id.0)))
}

/// Shows a zone.
#[utoipa::path(
    get, path = "/v1/zones/{zone_id}", operation_id = "read_zone", tag = "access",
    params(("zone_id" = Uuid, Path, description = "The zone")),
    responses((status = 200, description = "The zone", body = ZoneView),
        (status = 404, description = "No such zone", body = Problem, content_type = "application/problem+json"))
)]
async fn read(
    State(state): State<AppState>,
    _: Allowed<SeePlaces>,
    _: NoQuery,
    Path(id): Path<ZoneId>,
) -> Result<Json<ZoneView>, Problem> {
    Ok(Json(state.store.zone(id).await?.into()))
}

/// Changes a zone. Once answered, no gate grants on what was before.
#[utoipa::path(
    patch, path = "/v1/zones/{zone_id}", operation_id = "change_zone", tag = "access", request_body = ChangeZone,
    params(("zone_id" = Uuid, Path, description = "The zone")),
    responses((status = 200, description = "Changed", body = ZoneView),
        (status = 404, description = "No such zone", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "The name is taken", body = Problem, content_type = "application/problem+json"))
)]
async fn change(
    State(state): State<AppState>,
    Allowed(caller, _): Allowed<ChangePlaces>,
    _: NoQuery,
    Path(id): Path<ZoneId>,
    Body(body): Body<ChangeZone>,
) -> Result<Json<ZoneView>, Problem> {
    check(&body)?;
    let change = ZoneChange {
        name: body.name,
        anti_passback: body.anti_passback,
        anti_passback_reset_s: body.anti_passback_reset_s,
    };
    Ok(Json(state.store.change_zone(&caller.author(), id, change).await?.into()))
}

/// Removes a zone that no gate and no access group names.
#[utoipa::path(
    delete, path = "/v1/zones/{zone_id}", operation_id = "delete_zone", tag = "access",
    params(("zone_id" = Uuid, Path, description = "The zone")),
    responses((status = 204, description = "Removed"),
        (status = 404, description = "No such zone", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "A gate or an access group names it", body = Problem, content_type = "application/problem+json"))
)]
async fn delete(
    State(state): State<AppState>,
    Allowed(caller, _): Allowed<ChangePlaces>,
    _: NoQuery,
    Path(id): Path<ZoneId>,
) -> Result<StatusCode, Problem> {
    state.store.delete_zone(&caller.author(), id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Whom to pardon.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct CreatePardon {
    #[schema(value_type = Uuid)]
    employee_id: EmployeeId,
}

/// An officer's word that a person's way through a zone begins anew.
#[derive(Debug, Serialize, ToSchema)]
struct PardonView {
    #[schema(value_type = Uuid)]
    pardon_id: PardonId,
    #[schema(value_type = Uuid)]
    zone_id: ZoneId,
    #[schema(value_type = Uuid)]
    employee_id: EmployeeId,
    /// Anti-passback forgets what was before.
    pardoned_at: DateTime<Utc>,
}

impl From<Pardon> for PardonView {
    fn from(pardon: Pardon) -> Self {
        Self {
            pardon_id: pardon.id,
            zone_id: pardon.zone_id,
            employee_id: pardon.employee_id,
            pardoned_at: pardon.pardoned_at,
        }
    }
}

/// Lets an employee enter or leave a zone again, whichever way they last went.
#[utoipa::path(
    post, path = "/v1/zones/{zone_id}/pardons", operation_id = "create_pardon", tag = "access", request_body = CreatePardon,
    params(("zone_id" = Uuid, Path, description = "The zone")),
    responses((status = 201, description = "Pardoned", body = PardonView),
        (status = 404, description = "No such zone or employee", body = Problem, content_type = "application/problem+json"))
)]
async fn pardon(
    State(state): State<AppState>,
    Allowed(caller, _): Allowed<PardonPeople>,
    _: NoQuery,
    Path(id): Path<ZoneId>,
    Body(body): Body<CreatePardon>,
) -> Result<(StatusCode, Json<PardonView>), Problem> {
    let pardon = state.store.pardon(&caller.author(), id, body.employee_id, caller.key_id).await?;
    tracing::info!(zone = %id, employee = %body.employee_id, pardon = %pardon.id, "pardoned");
    Ok((StatusCode::CREATED, Json(pardon.into())))
}
