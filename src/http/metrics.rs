//! `GET /metrics`: Prometheus.

use axum::extract::{FromRequestParts, State};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE};
use axum::http::request::Parts;
use axum::response::IntoResponse;
use sha2::{Digest, Sha256};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::auth::{Allowed, Metrics as MetricsScope};
use super::{AppState, Problem};

/// The text format that the metrics are written in.
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(metrics))
}

/// Whoever may read the metrics: everybody where they are public, else a key with the scope. While
/// Postgres does not answer, when they are needed most, the key that read them last may go on.
struct Reader;

impl FromRequestParts<AppState> for Reader {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Problem> {
        if state.settings.metrics_public {
            return Ok(Self);
        }
        let key: Option<[u8; 32]> =
            parts.headers.get(AUTHORIZATION).map(|key| Sha256::digest(key).into());
        let allowed = Allowed::<MetricsScope>::from_request_parts(parts, state).await;
        let mut last = state.metrics_reader.lock();
        match allowed {
            Ok(_) => *last = key,
            Err(problem) if problem.is_unavailable() && last.is_some() && *last == key => {}
            Err(problem) => {
                // Revoked, say.
                last.take_if(|last| !problem.is_unavailable() && Some(*last) == key);
                return Err(problem);
            }
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
