//! `GET /openapi.json`: the contract, generated from the handlers' types.

use axum::http::header::CONTENT_TYPE;
use axum::routing::{MethodRouter, get};
use bytes::Bytes;
use utoipa::openapi::OpenApi as Document;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi};

use super::{AppState, Problem};

/// What the document says beside the routes.
#[derive(OpenApi)]
#[openapi(
    info(title = "Limen", license(name = "Apache-2.0 OR MIT", identifier = "Apache-2.0 OR MIT"),
        description = "Decides whether a turnstile opens for a face. Errors are RFC 9457 \
            application/problem+json with a stable `code`. Anything but an explicit `grant` means \
            that the gate stays shut."),
    security(("api_key" = [])),
    modifiers(&ApiKey),
    tags((name = "frames", description = "Who is in a frame, and is it a live face?"),
        (name = "gates", description = "The turnstiles and their decisions"),
        (name = "employees", description = "The people and their faces"),
        (name = "passages", description = "The trail"),
        (name = "operation", description = "Health and metrics"))
)]
pub(super) struct Contract;

struct ApiKey;

impl Modify for ApiKey {
    fn modify(&self, document: &mut Document) {
        let bearer = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some("An API key, made by `limen key create`"))
            .build();
        document
            .components
            .get_or_insert_default()
            .add_security_scheme("api_key", SecurityScheme::Http(bearer));
    }
}

/// A handler that answers with the document.
pub(super) fn serve(document: &Document) -> MethodRouter<AppState> {
    let text = document.to_json().map(Bytes::from).map_err(|error| error.to_string());
    get(async move || {
        text.map(|text| ([(CONTENT_TYPE, "application/json")], text)).map_err(Problem::internal)
    })
}
