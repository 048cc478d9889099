//! `GET /metrics`: Prometheus.

use axum::extract::{FromRequestParts, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use axum::response::IntoResponse;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::auth::{Allowed, Metrics as MetricsScope};
use super::{AppState, Problem};

/// The text format that the metrics are written in.
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(metrics))
}

/// Whoever may read the metrics: everybody where they are public, else a key with the scope.
struct Reader;

impl FromRequestParts<AppState> for Reader {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Problem> {
        if !state.settings.metrics_public {
            Allowed::<MetricsScope>::from_request_parts(parts, state).await?;
        }
        Ok(Self)
    }
}

/// Everything that is counted and measured.
#[utoipa::path(
    get, path = "/metrics", tag = "operation",
    responses((status = 200, description = "OpenMetrics text", body = String,
        content_type = "application/openmetrics-text"))
)]
async fn metrics(State(state): State<AppState>, _: Reader) -> Result<impl IntoResponse, Problem> {
    let readings = state.readings().await;
    let text = state.metrics.render(&readings).map_err(Problem::internal)?;
    Ok(([(CONTENT_TYPE, OPENMETRICS)], text))
}
