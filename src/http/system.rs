//! `GET /v1/system`: what runs here, and how it fares at a glance.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::auth::{Allowed, SeeChanges};
use super::extract::NoQuery;
use super::gate_states::{DecisionCountsView, LatencyView};
use super::overload::overload_limits;
use super::page;
use super::{AppState, Problem};
use crate::domain::risk::Calibration;
use crate::metrics::{ModelReading, Readings, revision};
use crate::store::SignedHead;
use crate::vision::NetworkFile;

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(read))
}

/// What does not change while the service runs.
#[derive(Clone, Debug)]
pub struct About {
    /// When it began to serve.
    pub started_at: Instant,
    /// The device that the networks run on.
    pub device: String,
    /// Threads that look at frames.
    pub workers: usize,
    /// The weights files that are loaded.
    pub networks: Vec<NetworkFile>,
}

/// A weights file that is loaded.
#[derive(Debug, Serialize, ToSchema)]
struct NetworkView {
    id: String,
    /// What the network does.
    #[schema(example = "encoder")]
    role: &'static str,
    file: String,
    /// In hexadecimal digits; a file with another is not loaded.
    sha256: String,
    /// SPDX identifier.
    licence: String,
    /// What is known of its training.
    training: String,
    /// The package that the original came in.
    source: String,
}

impl From<&NetworkFile> for NetworkView {
    fn from(network: &NetworkFile) -> Self {
        let NetworkFile { id, role, file, sha256, licence, training, source } = network.clone();
        Self { id, role, file, sha256, licence, training, source }
    }
}

/// What τ follows from.
#[derive(Debug, Serialize, ToSchema)]
struct CalibrationView {
    /// Eight digits that tell it from any other; passages name it.
    fingerprint: String,
    /// The data sets that were measured.
    sources: Vec<String>,
    people: u64,
    photos: u64,
    /// Photos in which no face was found.
    failures_to_acquire: u64,
    /// Pairs of photos of different people that were compared.
    impostor_pairs: u64,
    /// Pairs of photos of one person that were compared.
    genuine_pairs: u64,
    /// The smallest false match rate that the data support.
    smallest_fmr: f64,
}

impl From<&Calibration> for CalibrationView {
    fn from(calibration: &Calibration) -> Self {
        let data = &calibration.data;
        Self {
            fingerprint: calibration.fingerprint(),
            sources: data.sources.clone(),
            people: data.people,
            photos: data.photos,
            failures_to_acquire: data.failures_to_acquire,
            impostor_pairs: calibration.impostor.pairs,
            genuine_pairs: calibration.genuine.pairs,
            smallest_fmr: calibration.floor(),
        }
    }
}

/// How much is known by one model.
#[derive(Debug, Serialize, ToSchema)]
struct ModelView {
    model_id: String,
    people: usize,
    faces: usize,
}

impl From<&ModelReading> for ModelView {
    fn from(ModelReading { model, faces, people }: &ModelReading) -> Self {
        Self { model_id: model.to_string(), people: *people, faces: *faces }
    }
}

/// The gallery in memory.
#[derive(Debug, Serialize, ToSchema)]
struct GalleryView {
    people: usize,
    faces: usize,
    /// Seconds since it was last loaded whole; changes are followed in between.
    age_s: Option<f64>,
    /// By the model that is served, and the one that people move away from.
    models: Vec<ModelView>,
}

/// Postgres.
#[derive(Debug, Serialize, ToSchema)]
struct DatabaseView {
    ready: bool,
    /// The last migration that was applied.
    schema_version: Option<i64>,
    connections_open: u32,
    connections_idle: usize,
}

/// The chains of the trail.
#[derive(Debug, Serialize, ToSchema)]
struct AuditView {
    /// Of the gates, and one of the changes.
    chains: usize,
    /// Records that they have had.
    records: u64,
    /// Chains whose head is signed.
    signed: usize,
}

impl AuditView {
    fn of(heads: &[SignedHead]) -> Self {
        Self {
            chains: heads.len(),
            records: heads.iter().map(|signed| signed.head.length).sum(),
            signed: heads.iter().filter(|signed| signed.signature.is_some()).count(),
        }
    }
}

/// Frames that wait for a worker.
#[derive(Debug, Serialize, ToSchema)]
struct QueueView {
    waiting: usize,
    max: usize,
}

/// What runs here, and how it fares.
#[derive(Debug, Serialize, ToSchema)]
struct SystemView {
    version: &'static str,
    /// The commit that this was built from; `unknown` where the build did not know it.
    revision: &'static str,
    /// The device that the networks run on.
    #[schema(example = "cpu")]
    device: String,
    /// With which numbers the encoder computes.
    #[schema(example = "bf16")]
    precision: String,
    /// Threads that look at frames.
    workers: usize,
    /// Seconds since this replica began to serve.
    uptime_s: f64,
    /// The weights files that are loaded.
    networks: Vec<NetworkView>,
    /// The encoder's model.
    model_id: String,
    /// What τ follows from; null where it is fixed and nothing was calibrated.
    calibration: Option<CalibrationView>,
    gallery: GalleryView,
    database: DatabaseView,
    audit: AuditView,
    queue: QueueView,
    /// What all gates decided within 24 hours.
    passages_24h: DecisionCountsView,
    latency_ms: Option<LatencyView>,
    /// Requests that this replica refused with 429, by the setting whose limit was reached.
    overloads: BTreeMap<&'static str, u64>,
}

/// Says what runs here, and how it fares at a glance.
#[utoipa::path(
    get, path = "/v1/system", operation_id = "read_system", tag = "operation",
    responses((status = 200, description = "What runs here", body = SystemView),
        (status = 400, description = "There are no parameters", body = Problem, content_type = "application/problem+json"))
)]
async fn read(
    State(state): State<AppState>,
    _: Allowed<SeeChanges>,
    _: NoQuery,
) -> Result<Json<SystemView>, Problem> {
    let (_, _permit) = page::begin(None, &state)?;
    let (store, about) = (&state.store, &state.about);
    let readings = state.readings().await;
    let schema_version = store.schema_version().await?;
    let audit = AuditView::of(&store.heads().await?);
    let decisions = store.decisions_of_late().await?;
    let latency = store.latency_of_late().await?;
    let Readings { queue, connections, ready, gallery_age, .. } = readings;
    let overloads = overload_limits().map(|limit| (limit, state.metrics.overloads(limit)));
    Ok(Json(SystemView {
        version: env!("CARGO_PKG_VERSION"),
        revision: revision(),
        device: about.device.clone(),
        precision: state.engine.precision().to_string(),
        workers: about.workers,
        uptime_s: about.started_at.elapsed().as_secs_f64(),
        networks: about.networks.iter().map(NetworkView::from).collect(),
        model_id: state.matcher.model().to_string(),
        calibration: state.matcher.risk().calibration().map(CalibrationView::from),
        gallery: GalleryView {
            people: readings.gallery_people,
            faces: readings.gallery_faces,
            age_s: gallery_age.as_ref().map(Duration::as_secs_f64),
            models: readings.models.iter().map(ModelView::from).collect(),
        },
        database: DatabaseView {
            ready,
            schema_version,
            connections_open: connections.0,
            connections_idle: connections.1,
        },
        audit,
        queue: QueueView { waiting: queue.0, max: queue.1 },
        passages_24h: decisions.into(),
        latency_ms: latency.map(Into::into),
        overloads: overloads.into(),
    }))
}
