//! The service as a whole: built from the configuration, run until it is told to stop.

mod connections;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tracing::info;

use crate::access::{Gatekeeper, Matcher, check_models};
use crate::config::Config;
use crate::gallery::{self, Gallery};
use crate::http::{self, AppState, HttpSettings};
use crate::inference::Engine;
use crate::metrics::Metrics;
use crate::store::Store;
use connections::{ConnectionLimits, serve};

/// The service, ready to answer.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    state: AppState,
    limits: ConnectionLimits,
    resync_interval: Duration,
}

impl Server {
    /// Connects to Postgres, loads and warms the networks and loads the gallery. The listener
    /// takes its first connection only when all of this is done.
    ///
    /// # Errors
    /// Whatever is missing, with the way to get it.
    pub async fn build(config: &Config, listener: TcpListener) -> anyhow::Result<Self> {
        let store = Store::connect(&config.database.store()).await.context(
            "Postgres cannot be reached; `url` in [database] of config.toml or DATABASE_URL says where it is",
        )?;
        store.check_schema().await?;
        let settings = config.engine();
        info!(workers = settings.workers, device = %settings.road.device, "loading the networks");
        let engine = tokio::task::spawn_blocking(move || Engine::start(&settings)).await??;
        let encoder = engine.encoder().clone();
        let gallery = Arc::new(Gallery::new(encoder.model.clone(), encoder.encoding_size));
        check_models(&store, &gallery).await??;
        gallery.resync(&store).await.context("the gallery cannot be loaded")?;

        let matcher =
            Matcher::new(Arc::clone(&gallery), config.matching.thresholds(encoder.thresholds));
        let state = AppState {
            metrics: Arc::new(Metrics::new(encoder.model.as_str())),
            engine: Arc::new(engine),
            gatekeeper: Gatekeeper::new(store.clone(), matcher.clone()),
            matcher,
            gallery,
            store,
            request_permits: Arc::new(Semaphore::new(config.server.requests_max)),
            frame_permits: Arc::new(Semaphore::new(config.server.frame_requests_max)),
            settings: Arc::new(http_settings(config)),
        };
        Ok(Self {
            listener,
            state,
            limits: ConnectionLimits {
                connections_max: config.server.connections_max,
                write_timeout: Duration::from_millis(config.server.write_timeout_ms),
                header_timeout: Duration::from_millis(config.server.header_timeout_ms),
                shutdown_grace: Duration::from_millis(config.server.shutdown_grace_ms),
            },
            resync_interval: config.database.resync_interval(),
        })
    }

    /// Answers until `shutdown` resolves, then takes no new connection, answers what was
    /// accepted, and ends the workers.
    ///
    /// # Errors
    /// When the listener's address cannot be read.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> anyhow::Result<()> {
        let Self { listener, state, limits, resync_interval } = self;
        info!(
            address = %listener.local_addr()?,
            model = %state.engine.encoder().model,
            people = state.gallery.people(),
            "serving"
        );
        let follower = tokio::spawn(gallery::follow(
            Arc::clone(&state.gallery),
            state.store.clone(),
            resync_interval,
        ));
        let (engine, store) = (Arc::clone(&state.engine), state.store.clone());
        serve(listener, http::router(state), &limits, shutdown).await;
        follower.abort();
        tokio::task::spawn_blocking(move || engine.stop()).await?;
        store.close().await;
        info!("stopped");
        Ok(())
    }
}

fn http_settings(config: &Config) -> HttpSettings {
    HttpSettings {
        frame_bytes_max: config.road.frame.bytes_max,
        frames_per_passage_max: config.server.frames_per_passage_max,
        json_bytes_max: config.server.json_bytes_max,
        page_rows_max: config.server.page_rows_max,
        candidates_max: config.matching.candidates_max,
        request_timeout: config.server.request_timeout(),
        metrics_public: config.server.metrics_public,
        liveness_threshold: config.matching.liveness_threshold,
        pupil_distance_px_min: config.matching.pupil_distance_px_min,
        enrolment_pupil_distance_px_min: config.enrolment.pupil_distance_px_min,
        enrolment_liveness: config.enrolment.liveness,
        faces_max: config.enrolment.faces_max,
    }
}
