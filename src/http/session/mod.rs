//! `/v1/session`: signing in, for browsers, with an API key or by an OpenID provider. A key is sent once; a cookie that
//! no script can read stands for it from then on, until it ends, is signed out or the key is revoked.

mod oidc;
mod token;

use std::collections::BTreeSet;

use axum::Json;
use axum::extract::{FromRequestParts, State};
use axum::http::header::{CACHE_CONTROL, SET_COOKIE};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::auth::Caller;
use super::extract::{Json as Body, NoQuery};
use super::schema::{PermissionCode, ScopeCode};
use super::{AppState, Problem};
use crate::domain::{KeyId, KeyName, Permission, Scope};
#[cfg(test)]
pub(super) use oidc::Refusal;
pub use oidc::{OIDC_BEGIN, OIDC_CALLBACK};
pub(super) use token::{CSRF_HEADER, SessionToken};

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(read, begin, end)).merge(oidc::routes())
}

/// Who asks.
#[derive(Debug, Serialize, ToSchema)]
struct SessionView {
    /// The key that was signed in with.
    #[schema(value_type = Uuid)]
    key_id: KeyId,
    /// Who uses it.
    #[schema(value_type = String)]
    name: KeyName,
    #[schema(value_type = Vec<ScopeCode>)]
    scopes: BTreeSet<Scope>,
    /// What they allow.
    #[schema(value_type = Vec<PermissionCode>)]
    permissions: Vec<Permission>,
    /// What the header `x-csrf-token` must be of every request of this session that may change something; null: a
    /// key was sent with this request, and no cookie.
    csrf_token: Option<String>,
}

impl SessionView {
    fn new(caller: &Caller, token: Option<&SessionToken>) -> Self {
        Self {
            key_id: caller.key_id,
            name: caller.name.clone(),
            scopes: caller.scopes.clone(),
            permissions: Permission::ALL.into_iter().filter(|p| caller.may(*p)).collect(),
            csrf_token: token.map(SessionToken::csrf),
        }
    }
}

/// Shows who asks, and what they may do.
#[utoipa::path(
    get, path = "/v1/session", operation_id = "read_session", tag = "session",
    responses((status = 200, description = "Who asks", body = SessionView),
        (status = 400, description = "There are no parameters", body = Problem, content_type = "application/problem+json"))
)]
async fn read(caller: Caller, _: NoQuery, headers: HeaderMap) -> Result<Response, Problem> {
    caller.require_unbound()?;
    let token = SessionToken::of(&headers).filter(|_| caller.session.is_some());
    let view = Json(SessionView::new(&caller, token.as_ref()));
    Ok(([(CACHE_CONTROL, "no-store")], view).into_response())
}

/// Signs in.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct BeginSession {
    /// An API key, `limen_...`, that is not bound to a gate.
    key: String,
}

/// Where a request comes from, for whoever has no key yet.
struct Stranger(Parts);

impl FromRequestParts<AppState> for Stranger {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &AppState) -> Result<Self, Problem> {
        Ok(Self(parts.clone()))
    }
}

/// Signs in with an API key of a person's: the answer has a cookie that stands for it. Wrong keys count as any.
#[utoipa::path(
    post, path = "/v1/session", operation_id = "begin_session", tag = "session", security(()),
    request_body = BeginSession,
    responses((status = 201, description = "Signed in", body = SessionView),
        (status = 401, description = "The key is not valid", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "The key is no person's", body = Problem, content_type = "application/problem+json"))
)]
async fn begin(
    State(state): State<AppState>,
    _: NoQuery,
    Stranger(parts): Stranger,
    Body(body): Body<BeginSession>,
) -> Result<Response, Problem> {
    let caller = Caller::by_key(&parts, &state, body.key.trim()).await?;
    caller.require_unbound()?;
    // A turnstile's key or Prometheus' gets nothing out of a browser.
    caller.require(Permission::SeePeople)?;
    signed_in(&state, &caller).await
}

/// Begins a session for whoever was let in.
async fn signed_in(state: &AppState, caller: &Caller) -> Result<Response, Problem> {
    let token = SessionToken::generate().map_err(Problem::internal)?;
    let lifetime = state.settings.session_lifetime;
    state.store.begin_session(&token.sha256(), caller.key_id, lifetime).await?;
    tracing::info!(key = %caller.key_id, "signed in");
    let headers = [(SET_COOKIE, token.cookie()), (CACHE_CONTROL, "no-store".to_owned())];
    let view = SessionView::new(caller, Some(&token));
    Ok((StatusCode::CREATED, headers, Json(view)).into_response())
}

/// Signs out: the cookie opens nothing any more. Without one there is nothing to do.
#[utoipa::path(
    delete, path = "/v1/session", operation_id = "end_session", tag = "session", security(()),
    responses((status = 204, description = "Signed out"),
        (status = 400, description = "There are no parameters", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "Not from our own pages", body = Problem, content_type = "application/problem+json"))
)]
async fn end(
    State(state): State<AppState>,
    _: NoQuery,
    Stranger(parts): Stranger,
) -> Result<Response, Problem> {
    if let Some(token) = SessionToken::of(&parts.headers) {
        token.check_csrf(&parts)?;
        state.store.end_session(&token.sha256()).await?;
    }
    Ok((StatusCode::NO_CONTENT, [(SET_COOKIE, SessionToken::removal())]).into_response())
}
