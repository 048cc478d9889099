//! `GET /healthz`: alive. `GET /readyz`: can decide.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{AppState, Problem};

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(healthz)).routes(routes!(readyz))
}

/// The one status of a service that answers.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Alive {
    Alive,
}

/// The one status of a service that can decide.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Ready {
    Ready,
}

/// The service runs.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Health {
    status: Alive,
    /// The version that runs.
    version: &'static str,
}

/// Says that the process answers.
#[utoipa::path(
    get, path = "/healthz", tag = "operation", security(()),
    responses((status = 200, description = "Alive", body = Health))
)]
pub(super) async fn healthz() -> Json<Health> {
    Json(Health { status: Alive::Alive, version: env!("CARGO_PKG_VERSION") })
}

/// The service can decide.
#[derive(Debug, Serialize, ToSchema)]
struct Readiness {
    status: Ready,
    /// The encoder's model.
    model_id: String,
    /// People in the gallery.
    people: usize,
    /// Templates in the gallery.
    faces: usize,
}

/// Says whether the networks are warm and work, the gallery is loaded and Postgres answers.
#[utoipa::path(
    get, path = "/readyz", tag = "operation", security(()),
    responses((status = 200, description = "Ready", body = Readiness),
        (status = 503, description = "Not ready; the detail says why", body = Problem, content_type = "application/problem+json"))
)]
async fn readyz(State(state): State<AppState>) -> Result<Json<Readiness>, Problem> {
    // Networks and gallery are loaded before this handler is reached: until then the entrance answers.
    state.store.ping().await?;
    if !state.engine.is_sound() {
        let detail = "the networks failed on one frame after another: see the log, and restart";
        return Err(Problem::unavailable("networks_failing", detail));
    }
    Ok(Json(Readiness {
        status: Ready::Ready,
        model_id: state.matcher.model().to_string(),
        people: state.gallery.people(),
        faces: state.gallery.faces(),
    }))
}
