//! `/v1/keys`: the API keys.

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

use super::auth::{Allowed, ApiKeyText, ManageKeys};
use super::extract::{Json as Body, NoQuery, Path, Query, check};
use super::moment::Moment;
use super::page::{self, Page};
use super::schema::ScopeCode;
use super::{AppState, Problem};
use crate::domain::{GateId, Identity, KeyId, KeyName, Scope};
use crate::store::ApiKey;

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(create, list))
        .routes(routes!(read, revoke))
        .routes(routes!(readmit))
}

/// An API key; its secret half is not known.
#[derive(Debug, Serialize, ToSchema)]
struct KeyView {
    #[schema(value_type = Uuid)]
    key_id: KeyId,
    /// Who uses it.
    #[schema(value_type = String)]
    name: KeyName,
    #[schema(value_type = Vec<ScopeCode>)]
    scopes: BTreeSet<Scope>,
    /// The gate whose passages alone it may ask for.
    #[schema(value_type = Option<Uuid>)]
    gate_id: Option<GateId>,
    created_at: DateTime<Utc>,
    /// From when on it opens nothing; null: it does not end by itself.
    expires_at: Option<DateTime<Utc>>,
    /// When it was revoked; a revoked key stays listed, so that its passages and changes can be traced to it.
    revoked_at: Option<DateTime<Utc>>,
    /// Whether its gate signs with it: it is never sent itself.
    signs: bool,
    /// Whom it stands for, where somebody signs in by the OpenID provider: nobody has its secret half. Null: it is
    /// sent itself.
    identity: Option<IdentityView>,
    /// When it was last used, to the minute; null: never.
    last_used_at: Option<DateTime<Utc>>,
}

impl From<ApiKey> for KeyView {
    fn from(key: ApiKey) -> Self {
        Self {
            signs: key.signs(),
            key_id: key.draft.id,
            name: key.draft.name,
            scopes: key.draft.scopes,
            gate_id: key.draft.gate_id,
            created_at: key.created_at,
            expires_at: key.draft.expires_at,
            revoked_at: key.revoked_at,
            last_used_at: key.last_used_at,
            identity: key.identity.map(|Identity { issuer, subject }| IdentityView {
                issuer,
                subject,
                readmitted_at: key.readmitted_at,
            }),
        }
    }
}

/// Somebody as an OpenID provider knows them.
#[derive(Debug, Serialize, ToSchema)]
struct IdentityView {
    /// The provider's URL.
    issuer: String,
    /// Whom it means; its `sub`.
    subject: String,
    /// Since when they may sign in again, with another key, after this one was revoked.
    readmitted_at: Option<DateTime<Utc>>,
}

/// A key to be created.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
struct CreateKey {
    /// Who will use it: 1 to 100 characters.
    #[garde(skip)]
    #[schema(value_type = String)]
    name: KeyName,
    /// What it is for: one at least.
    #[garde(length(min = 1))]
    #[schema(value_type = Vec<ScopeCode>)]
    scopes: BTreeSet<Scope>,
    /// Binds it to the passages of one gate; its scope is then `gate` alone.
    #[garde(skip)]
    #[schema(value_type = Option<Uuid>)]
    gate_id: Option<GateId>,
    /// From when on it opens nothing; default: it does not end by itself.
    #[garde(skip)]
    #[schema(value_type = Option<DateTime<Utc>>)]
    expires_at: Option<Moment>,
}

/// A new key.
#[derive(Debug, Serialize, ToSchema)]
struct CreatedKey {
    #[serde(flatten)]
    view: KeyView,
    /// The whole key, `limen_...`, shown this once.
    key: String,
}

/// Creates a key and shows it, once.
#[utoipa::path(
    post, path = "/v1/keys", operation_id = "create_key", tag = "keys", request_body = CreateKey,
    responses((status = 201, description = "Created", body = CreatedKey),
        (status = 404, description = "No such gate", body = Problem, content_type = "application/problem+json"))
)]
async fn create(
    State(state): State<AppState>,
    Allowed(caller, _): Allowed<ManageKeys>,
    _: NoQuery,
    Body(body): Body<CreateKey>,
) -> Result<(StatusCode, Json<CreatedKey>), Problem> {
    check(&body)?;
    if body.gate_id.is_some() && body.scopes != [Scope::Gate].into() {
        let detail = "scopes: a key that is bound to a gate has the scope gate alone";
        return Err(Problem::unprocessable("bad_value", detail));
    }
    let key = ApiKeyText::generate().map_err(Problem::internal)?;
    let expires_at = body.expires_at.map(|moment| moment.0);
    let draft = key.draft(body.name, body.scopes, body.gate_id, expires_at);
    let view = state.store.create_key(&caller.author(), &draft).await?.into();
    Ok((StatusCode::CREATED, Json(CreatedKey { view, key: key.to_string() })))
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ListQuery {
    /// Rows of the page.
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    #[param(value_type = Option<Uuid>)]
    cursor: Option<KeyId>,
}

/// Lists keys in the order of their creation, revoked ones too.
#[utoipa::path(
    get, path = "/v1/keys", operation_id = "list_keys", tag = "keys", params(ListQuery),
    responses((status = 200, description = "A page", body = Page<KeyView>))
)]
async fn list(
    State(state): State<AppState>,
    _: Allowed<ManageKeys>,
    Query(query): Query<ListQuery>,
) -> Result<Json<Page<KeyView>>, Problem> {
    let (rows, _permit) = page::begin(query.limit, &state)?;
    let found = state.store.keys_after(query.cursor, rows + 1).await?;
    Ok(Json(Page::new(found, rows, |key| key.draft.id.0)))
}

/// Shows a key, without its secret half.
#[utoipa::path(
    get, path = "/v1/keys/{key_id}", operation_id = "read_key", tag = "keys",
    params(("key_id" = Uuid, Path, description = "The key")),
    responses((status = 200, description = "The key", body = KeyView),
        (status = 404, description = "No such key", body = Problem, content_type = "application/problem+json"))
)]
async fn read(
    State(state): State<AppState>,
    _: Allowed<ManageKeys>,
    _: NoQuery,
    Path(id): Path<KeyId>,
) -> Result<Json<KeyView>, Problem> {
    let key = state.store.key(id).await?.ok_or_else(|| Problem::not_found("API key"))?;
    Ok(Json(key.into()))
}

/// Revokes a key. Once answered, it opens nothing.
#[utoipa::path(
    delete, path = "/v1/keys/{key_id}", operation_id = "revoke_key", tag = "keys",
    params(("key_id" = Uuid, Path, description = "The key")),
    responses((status = 204, description = "Revoked"),
        (status = 404, description = "No such key", body = Problem, content_type = "application/problem+json"))
)]
async fn revoke(
    State(state): State<AppState>,
    Allowed(caller, _): Allowed<ManageKeys>,
    _: NoQuery,
    Path(id): Path<KeyId>,
) -> Result<StatusCode, Problem> {
    state.store.revoke_key(&caller.author(), id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Lets whom a revoked key stood for sign in by the provider again, which gives them another key.
#[utoipa::path(
    delete, path = "/v1/keys/{key_id}/identity", operation_id = "readmit_key", tag = "keys",
    params(("key_id" = Uuid, Path, description = "The key")),
    responses((status = 204, description = "They may"),
        (status = 404, description = "No such key, or it is not revoked, or stands for nobody", body = Problem, content_type = "application/problem+json"))
)]
async fn readmit(
    State(state): State<AppState>,
    Allowed(caller, _): Allowed<ManageKeys>,
    _: NoQuery,
    Path(id): Path<KeyId>,
) -> Result<StatusCode, Problem> {
    state.store.readmit(&caller.author(), id).await?;
    Ok(StatusCode::NO_CONTENT)
}
