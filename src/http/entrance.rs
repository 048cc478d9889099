//! What stands at the address while the networks and the gallery are being loaded.

use std::sync::{Arc, OnceLock};

use axum::Router;
use axum::extract::Request;
use axum::response::IntoResponse;
use tower::ServiceExt;

use super::{Problem, health, middleware};

/// Answers from the first moment: `/healthz` says alive, everything else 503 `starting`; once opened,
/// every request, on connections made before too, goes to the service. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Entrance(Arc<OnceLock<Router>>);

impl Entrance {
    /// From now on `service` answers.
    pub fn open(&self, service: Router) {
        // The first service stays: there is never a second.
        let _ = self.0.set(service);
    }

    /// The router to serve connections with.
    pub fn router(&self) -> Router {
        let waiting = middleware::named(
            Router::new().route("/healthz", axum::routing::get(health::healthz)).fallback(starting),
        );
        let opened = Arc::clone(&self.0);
        Router::new().fallback(async move |request: Request| {
            let router = opened.get().unwrap_or(&waiting).clone();
            router.oneshot(request).await.into_response()
        })
    }
}

async fn starting() -> Problem {
    Problem::unavailable("starting", "the networks and the gallery are being loaded")
}
