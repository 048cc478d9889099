//! `/v1/session/oidc`: signing in by an OpenID provider. People are sent to it and come back, so that what went wrong
//! is said on the page that asks them to sign in.

use axum::Json;
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, LOCATION, SET_COOKIE};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use cookie::time::Duration as CookieAge;
use cookie::{Cookie, SameSite};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::super::auth::ApiKeyText;
use super::super::extract::{NoQuery, Query};
use super::super::{AppState, Problem};
use super::{SessionToken, Stranger};
use crate::oidc::{Attempt, Provider, ProviderError};
use crate::store::{ApiKey, StoreError};

/// Where the provider sends people back to, as it must know beforehand.
pub const OIDC_CALLBACK: &str = "/v1/session/oidc/callback";

/// Where people begin.
pub const OIDC_BEGIN: &str = "/v1/session/oidc";

/// The cookie of whoever is at the provider. It comes along when that sends them back, and with nothing else of
/// another site's.
const COOKIE: &str = "__Host-limen-sign-in";

/// Seconds that the browser of somebody who is at the provider remembers it.
const AWAY_S_MAX: i64 = 600;

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(ways)).routes(routes!(begin)).routes(routes!(finish))
}

/// How people may sign in, beside with a key.
#[derive(Debug, Serialize, ToSchema)]
struct WaysView {
    /// The OpenID provider that `/v1/session/oidc` leads to; null: none is named in `[oidc]`.
    provider: Option<ProviderView>,
}

#[derive(Debug, Serialize, ToSchema)]
struct ProviderView {
    /// Its name, for people.
    name: String,
    /// `/v1/session/oidc` at the address that the provider sends people back to: cookies are of that alone.
    url: String,
}

/// Shows how people may sign in.
#[utoipa::path(
    get, path = "/v1/session/ways", operation_id = "read_ways", tag = "session", security(()),
    responses((status = 200, description = "The ways", body = WaysView),
        (status = 400, description = "There are no parameters", body = Problem, content_type = "application/problem+json"))
)]
async fn ways(State(state): State<AppState>, _: NoQuery) -> Json<WaysView> {
    let provider = state.provider.as_ref().map(|provider| ProviderView {
        name: provider.name().to_owned(),
        url: provider.begun_at().to_owned(),
    });
    Json(WaysView { provider })
}

/// Why somebody comes back from the provider and is not signed in. The page that asks for a key has words for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::http) enum Refusal {
    /// Too many sign in at this moment.
    Busy,
    /// It took too long, was begun elsewhere or is over already.
    Stale,
    /// The provider signed nobody in, or not for us.
    Declined,
    /// The provider does not answer, or refuses us.
    Unavailable,
    /// What came back does not hold.
    Unproved,
    /// The provider says nothing of the person that `[oidc.roles]` names.
    NoRole,
    /// Their key was revoked.
    Revoked,
    /// A fault of ours.
    Failed,
}

impl Refusal {
    #[cfg(test)]
    pub const ALL: [Self; 8] = [
        Self::Busy,
        Self::Stale,
        Self::Declined,
        Self::Unavailable,
        Self::Unproved,
        Self::NoRole,
        Self::Revoked,
        Self::Failed,
    ];

    pub fn code(self) -> &'static str {
        match self {
            Self::Busy => "busy",
            Self::Stale => "stale",
            Self::Declined => "declined",
            Self::Unavailable => "unavailable",
            Self::Unproved => "unproved",
            Self::NoRole => "no_role",
            Self::Revoked => "revoked",
            Self::Failed => "failed",
        }
    }

    /// Back to the page that asks for a key, which says why.
    fn answer(self) -> Response {
        let page = format!("/console?refused={}", self.code());
        (StatusCode::SEE_OTHER, [(LOCATION, page), (SET_COOKIE, removal())], NOT_KEPT)
            .into_response()
    }
}

impl From<ProviderError> for Refusal {
    fn from(error: ProviderError) -> Self {
        tracing::warn!(%error, "nobody is signed in by the provider");
        match error {
            ProviderError::Unavailable(_) | ProviderError::RefusesUs(_) => Self::Unavailable,
            ProviderError::Busy => Self::Busy,
            ProviderError::Stale(_) => Self::Stale,
            ProviderError::Unproved(_) => Self::Unproved,
        }
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        tracing::warn!(%error, "nobody is signed in by the provider");
        Self::Failed
    }
}

impl From<rand::rand_core::OsError> for Refusal {
    fn from(error: rand::rand_core::OsError) -> Self {
        tracing::error!(%error, "nobody is signed in by the provider");
        Self::Failed
    }
}

const NOT_KEPT: [(axum::http::HeaderName, &str); 1] = [(CACHE_CONTROL, "no-store")];

/// Leads a browser to the provider, which sends it back to `/v1/session/oidc/callback`.
#[utoipa::path(
    get, path = "/v1/session/oidc", operation_id = "begin_oidc_session", tag = "session", security(()),
    responses((status = 303, description = "To the provider, or back to the console, which says why not"),
        (status = 400, description = "There are no parameters", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "No provider is named", body = Problem, content_type = "application/problem+json"))
)]
async fn begin(
    State(state): State<AppState>,
    _: NoQuery,
    Stranger(parts): Stranger,
) -> Result<Response, Problem> {
    let provider = named(&state, &parts)?;
    Ok(sent_away(provider).await.unwrap_or_else(Refusal::answer))
}

async fn sent_away(provider: &Provider) -> Result<Response, Refusal> {
    let attempt = Attempt::generate()?;
    let page = provider.page(&attempt).await?;
    let cookie = with_value(attempt.text(), AWAY_S_MAX).to_string();
    Ok((StatusCode::SEE_OTHER, [(LOCATION, page), (SET_COOKIE, cookie)], NOT_KEPT).into_response())
}

/// What the provider sends along (OpenID Connect Core 1.0, 3.1.2.5 and 3.1.2.6; RFC 9207).
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Callback {
    /// What the person is known by, once.
    code: Option<String>,
    /// Which attempt this is.
    state: Option<String>,
    /// Who says so.
    iss: Option<String>,
    /// Why there is no code, as a code,
    error: Option<String>,
    /// and for people.
    error_description: Option<String>,
}

/// Signs in whoever comes back from the provider: the answer has the cookie of a session and leads to the console.
#[utoipa::path(
    get, path = "/v1/session/oidc/callback", operation_id = "finish_oidc_session", tag = "session", security(()),
    params(Callback),
    responses((status = 303, description = "To the console, signed in, or to its page that says why not"),
        (status = 400, description = "A parameter comes twice", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "No provider is named", body = Problem, content_type = "application/problem+json"))
)]
async fn finish(
    State(state): State<AppState>,
    Query(callback): Query<Callback>,
    Stranger(parts): Stranger,
) -> Result<Response, Problem> {
    let provider = named(&state, &parts)?;
    Ok(signed_in(&state, &parts.headers, provider, callback).await.unwrap_or_else(Refusal::answer))
}

async fn signed_in(
    state: &AppState,
    headers: &HeaderMap,
    provider: &Provider,
    callback: Callback,
) -> Result<Response, Refusal> {
    let key = key(state, headers, provider, callback).await?;
    let token = SessionToken::generate()?;
    let id = key.draft.id;
    state.store.begin_session(&token.sha256(), id, state.settings.session_lifetime).await?;
    tracing::info!(key = %id, "signed in by the provider");
    let mut response = (StatusCode::SEE_OTHER, [(LOCATION, "/console")], NOT_KEPT).into_response();
    for cookie in [token.cookie(), removal()] {
        let cookie = cookie.parse().map_err(|_| Refusal::Failed)?;
        response.headers_mut().append(SET_COOKIE, cookie);
    }
    Ok(response)
}

/// The key of whoever comes back.
async fn key(
    state: &AppState,
    headers: &HeaderMap,
    provider: &Provider,
    callback: Callback,
) -> Result<ApiKey, Refusal> {
    let attempt = attempt(headers).ok_or(Refusal::Stale)?;
    // Nobody is led into a session that they did not begin.
    if !callback.state.is_some_and(|state| attempt.is(&state)) {
        return Err(Refusal::Stale);
    }
    if callback.iss.is_some_and(|issuer| issuer != provider.issuer()) {
        return Err(Refusal::Unproved);
    }
    let Some(code) = callback.code else {
        let (error, said) = (callback.error.unwrap_or_default(), callback.error_description);
        tracing::warn!(error, said, "the provider signed nobody in");
        // What the person did, or was to do; everything else is between the provider and us.
        let theirs =
            ["access_denied", "login_required", "interaction_required", "consent_required"];
        return Err(if theirs.contains(&&*error) {
            Refusal::Declined
        } else {
            Refusal::Unavailable
        });
    };
    let person = provider.person(&attempt, code).await?;
    let identity = &person.identity;
    if person.scopes.is_empty() {
        // Nor does what they signed in to before go on.
        if let Some(key) = state.store.key_of_identity(identity).await? {
            state.store.end_sessions(key.draft.id).await?;
        }
        return Err(Refusal::NoRole);
    }
    // Nobody has its secret: it opens nothing but through the provider.
    let draft =
        ApiKeyText::generate()?.draft(person.name.clone(), person.scopes.clone(), None, None);
    let key = state.store.key_of(identity, &draft).await?;
    if key.valid {
        return Ok(key);
    }
    tracing::warn!(key = %key.draft.id, "the key that stands for them was revoked");
    Err(Refusal::Revoked)
}

fn named<'a>(state: &'a AppState, parts: &Parts) -> Result<&'a Provider, Problem> {
    // Whoever only looks (HEAD) is not signed in.
    if parts.method != Method::GET {
        return Err(Problem::method_not_possible(&parts.method, &parts.uri));
    }
    state.provider.as_deref().ok_or_else(|| Problem::not_found("path"))
}

fn attempt(headers: &HeaderMap) -> Option<Attempt> {
    super::token::value(headers, COOKIE).and_then(|text| Attempt::read(&text))
}

fn removal() -> String {
    with_value(String::new(), 0).to_string()
}

fn with_value(value: String, age_s: i64) -> Cookie<'static> {
    Cookie::build((COOKIE, value))
        .path("/")
        .secure(true)
        .http_only(true)
        .same_site(SameSite::Lax)
        .max_age(CookieAge::seconds(age_s))
        .build()
}
