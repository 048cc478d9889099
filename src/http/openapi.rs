//! `GET /openapi.json`: the contract, generated from the handlers' types.

use std::sync::LazyLock;

use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use bytes::Bytes;
use utoipa::openapi::path::Operation;
use utoipa::openapi::security::{
    ApiKey as ApiKeyScheme, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme,
};
use utoipa::openapi::{
    ContentBuilder, OpenApi as Document, PathItem, Ref, Response, ResponseBuilder,
};
use utoipa::{Modify, OpenApi};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{AppState, Problem};

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(openapi))
}

/// What the document says beside the routes.
#[derive(OpenApi)]
#[openapi(
    info(title = "Limen", license(name = "Apache-2.0 OR MIT", identifier = "Apache-2.0 OR MIT"),
        description = "Decides whether a turnstile opens for a face. Errors are RFC 9457 \
            application/problem+json with a stable `code`. Anything but an explicit `grant` means \
            that the gate stays shut."),
    components(schemas(Problem)),
    security(("api_key" = []), ("session" = [])),
    modifiers(&ApiKey),
    tags((name = "frames", description = "Who is in a frame, and is it a live face?"),
        (name = "gates", description = "The turnstiles and their decisions"),
        (name = "employees", description = "The people and their faces"),
        (name = "invited", description = "What whoever has the link of an invitation may do"),
        (name = "access", description = "Who may go where, and when"),
        (name = "passages", description = "The trail"),
        (name = "webhooks", description = "Who is told of passages without asking"),
        (name = "privacy", description = "What people may ask for: consent, a copy, erasure"),
        (name = "keys", description = "The API keys"),
        (name = "session", description = "Signing in, for browsers"),
        (name = "audit", description = "Who changed what, and proof of the trail"),
        (name = "operation", description = "Health and metrics"))
)]
pub(super) struct Contract;

struct ApiKey;

impl Modify for ApiKey {
    fn modify(&self, document: &mut Document) {
        let bearer = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some(
                "An API key, made by `limen key create`; a gate may sign its passages in the place of sending one \
                 (docs/DEVICES.md)",
            ))
            .build();
        document
            .components
            .get_or_insert_default()
            .add_security_scheme("api_key", SecurityScheme::Http(bearer));
        let session = ApiKeyValue::with_description(
            "__Host-limen-session",
            "The cookie of `POST /v1/session`, for browsers. Whatever changes something needs the header `x-csrf-token` \
             beside it: `csrf_token` of `GET /v1/session`",
        );
        document
            .components
            .get_or_insert_default()
            .add_security_scheme("session", SecurityScheme::ApiKey(ApiKeyScheme::Cookie(session)));
        let invitation = ApiKeyValue::with_description(
            "authorization",
            "`Invitation` and the token: what follows the `#` of an invitation's link (docs/INVITATIONS.md)",
        );
        document.components.get_or_insert_default().add_security_scheme(
            "invitation",
            SecurityScheme::ApiKey(ApiKeyScheme::Header(invitation)),
        );
    }
}

/// The contract: what the handlers state, and the refusals that follow from what an operation takes.
#[must_use]
pub fn contract() -> Document {
    let mut document = super::api().into_openapi();
    for (path, item) in &mut document.paths.paths {
        let PathItem { get, put, post, patch, delete, .. } = item;
        for operation in [get, put, post, patch, delete].into_iter().flatten() {
            add_refusals(path, operation);
        }
    }
    document
}

/// The refusals that the extractors and the middleware answer with, so that no handler has to state
/// them; what a handler states of its own stays.
fn add_refusals(path: &str, operation: &mut Operation) {
    let takes_parameters = operation.parameters.as_ref().is_some_and(|list| !list.is_empty());
    let takes_body = operation.request_body.is_some();
    // Only what is open without one states a security of its own.
    let needs_key = operation.security.is_none();
    let refusals = [
        (takes_parameters || takes_body, "400", "The request cannot be understood"),
        (needs_key, "401", "A valid API key is needed"),
        (needs_key, "403", "The API key does not allow this"),
        (true, "408", "Not received or not answered in time"),
        (takes_body, "413", "Larger than allowed"),
        (takes_body, "415", "Not a media type that is read here"),
        (takes_parameters || takes_body, "422", "Understood, but not usable"),
        (path != "/healthz", "429", "Overloaded: try again after `retry-after` seconds"),
        (true, "500", "A fault of the service; the log has it under the request's id"),
        (path != "/healthz", "503", "Starting, stopping, or the database does not answer"),
    ];
    let responses = &mut operation.responses.responses;
    for (_, status, description) in refusals.into_iter().filter(|(applies, ..)| *applies) {
        responses.entry(status.to_owned()).or_insert_with(|| problem(description).into());
    }
}

fn problem(description: &str) -> Response {
    let schema = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
    ResponseBuilder::new()
        .description(description)
        .content("application/problem+json", schema)
        .build()
}

/// This document.
#[utoipa::path(
    get, path = "/openapi.json", tag = "operation", security(()),
    responses((status = 200, description = "OpenAPI 3.1", body = Object))
)]
async fn openapi() -> Result<impl IntoResponse, Problem> {
    static TEXT: LazyLock<Result<Bytes, String>> =
        LazyLock::new(|| contract().to_json().map(Bytes::from).map_err(|error| error.to_string()));
    let text = TEXT.as_ref().map_err(Problem::internal)?;
    Ok(([(CONTENT_TYPE, "application/json")], text.clone()))
}
