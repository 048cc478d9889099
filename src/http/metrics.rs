//! `GET /metrics`: Prometheus.

use axum::extract::{FromRequestParts, State};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE};
use axum::http::request::Parts;
use axum::response::IntoResponse;
use sha2::{Digest, Sha256};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::auth::{Allowed, ReadMetrics};
use super::{AppState, Problem};

/// The text format that the metrics are written in.
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(metrics))
}

/// Whoever may read the metrics: everybody where they are public, else a key with the scope. While
/// Postgres does not answer, when they are needed most, the keys that read them of late may go on.
struct Reader;

/// SHA-256 of the authorizations that read the metrics of late, each once, the latest last.
#[derive(Debug, Default)]
pub struct MetricsReaders(Vec<[u8; 32]>);

impl MetricsReaders {
    /// As many Prometheus servers as may go on.
    const MAX: usize = 8;

    fn remember(&mut self, key: [u8; 32]) {
        self.forget(key);
        if self.0.len() == Self::MAX {
            self.0.remove(0);
        }
        self.0.push(key);
    }

    fn forget(&mut self, key: [u8; 32]) {
        self.0.retain(|reader| *reader != key);
    }
}

impl FromRequestParts<AppState> for Reader {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Problem> {
        if state.settings.metrics_public {
            return Ok(Self);
        }
        let allowed = Allowed::<ReadMetrics>::from_request_parts(parts, state).await;
        let Some(authorization) = parts.headers.get(AUTHORIZATION) else {
            return allowed.map(|_| Self);
        };
        let key = Sha256::digest(authorization).into();
        let mut readers = state.metrics_readers.lock();
        match allowed {
            Ok(_) => readers.remember(key),
            Err(problem) if problem.is_unavailable() && readers.0.contains(&key) => {}
            Err(problem) => {
                // Revoked, say.
                if !problem.is_unavailable() {
                    readers.forget(key);
                }
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
