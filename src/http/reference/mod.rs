//! `GET /docs`: the contract as a page to read.

mod curl;
mod operation;
mod page;
mod roles;
mod schema;

use axum::response::IntoResponse;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::AppState;

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(show))
}

/// This document as a page: every operation, who may ask for it, what it takes and what it answers.
#[utoipa::path(
    get, path = "/docs", operation_id = "show_reference", tag = "operation", security(()),
    responses((status = 200, description = "The page", body = String, content_type = "text/html"))
)]
async fn show() -> impl IntoResponse {
    (page::headers(), page::html())
}
