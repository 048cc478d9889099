//! What stands at the address while the networks and the gallery are being loaded.

use std::sync::{Arc, OnceLock};

use axum::Router;
use axum::extract::Request;
use axum::response::IntoResponse;
use tower::ServiceExt;

use super::{LeftoverLimits, Problem, health, middleware};

/// Answers from the first moment: `/healthz` says alive, everything else 503 `starting`; once opened,
/// every request, on connections made before too, goes to the service. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Entrance {
    service: Arc<OnceLock<Router>>,
    leftover: LeftoverLimits,
}

impl Entrance {
    /// An entrance behind which there is no service yet.
    #[must_use]
    pub fn new(leftover: LeftoverLimits) -> Self {
        Self { service: Arc::default(), leftover }
    }

    /// From now on `service` answers.
    pub fn open(&self, service: Router) {
        // The first service stays: there is never a second.
        let _ = self.service.set(service);
    }

    /// The router to serve connections with.
    pub fn router(&self) -> Router {
        let waiting = middleware::named(
            Router::new().route("/healthz", axum::routing::get(health::healthz)).fallback(starting),
            self.leftover,
        );
        let opened = Arc::clone(&self.service);
        Router::new().fallback(async move |request: Request| {
            let router = opened.get().unwrap_or(&waiting).clone();
            router.oneshot(request).await.into_response()
        })
    }
}

async fn starting() -> Problem {
    Problem::unavailable("starting", "the networks and the gallery are being loaded")
}
