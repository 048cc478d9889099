//! What the handlers share.

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use parking_lot::Mutex;
use tokio::sync::{Semaphore, watch};

use super::invitations::InvitationSettings;
use super::leftover::LeftoverLimits;
use super::metrics::MetricsReaders;
use super::streams::Streams;
use super::system::About;
use super::wrong_keys::WrongKeys;
use crate::access::{EnrolmentRules, Enrolments, Gatekeeper, GrantSigner, Matcher};
use crate::domain::{EmployeeId, GatePolicy, LivenessScore, WebhookHosts};
use crate::events::Bell;
use crate::gallery::Gallery;
use crate::inference::Engine;
use crate::metrics::{Metrics, ModelReading, Readings};
use crate::oidc::Provider;
use crate::store::Store;
use crate::vision::LookSettings;

/// The limits and defaults that the handlers apply.
#[derive(Clone, Debug)]
pub struct HttpSettings {
    /// Bytes of one frame.
    pub frame_bytes_max: usize,
    /// Frames in one passage.
    pub frames_per_passage_max: usize,
    /// Bytes of a form beside its frames.
    pub form_bytes_max: usize,
    /// Bytes of a JSON body.
    pub json_bytes_max: usize,
    /// What is read of a body that nobody wanted.
    pub leftover: LeftoverLimits,
    /// How long a session lasts, however much it is used.
    pub session_lifetime: Duration,
    /// How long a session lasts that is not used.
    pub session_idle_max: Duration,
    /// Rows of one page of a list.
    pub page_rows_max: u32,
    /// Passages that a stream reads at once.
    pub event_rows_max: u32,
    /// Hosts that webhooks may be posted to.
    pub webhook_hosts: WebhookHosts,
    /// Candidates that a recognition may list.
    pub candidates_max: usize,
    /// From a request's head to its answer.
    pub request_timeout: Duration,
    /// Whether `/metrics` needs no key.
    pub metrics_public: bool,
    /// The liveness that verify, recognize and liveness ask for.
    pub liveness_threshold: LivenessScore,
    /// The smallest face for verify and recognize, in pixels between the pupils.
    pub pupil_distance_px_min: f32,
    /// What a new gate demands where its creation does not say.
    pub new_gate: GatePolicy,
    /// How long ago a request may have been signed.
    pub request_age_max: Duration,
    /// How far a gate's clock may run ahead of ours.
    pub clock_skew_max: Duration,
    /// How long after a grant a turnstile may open on it.
    pub grant_lifetime: TimeDelta,
    /// The smallest face for enrolment, in pixels between the pupils.
    pub enrolment_pupil_distance_px_min: f32,
    /// Whether a photo must look alive to be enrolled.
    pub enrolment_liveness: bool,
    /// Whether a consent must be on record before a face is enrolled.
    pub consent_required: bool,
    /// Faces that one person may have.
    pub faces_max: u32,
    /// Whether a new face that is like another person's makes both need their badge.
    pub lookalikes_need_badge: bool,
    /// Whether the picture of an enrolled face is kept.
    pub keep_photos: bool,
    /// Rows of one import.
    pub import_rows_max: usize,
    /// Photos of all imports that are looked at at once.
    pub import_photos_at_once: usize,
    /// What invitations are made with.
    pub invitations: InvitationSettings,
}

impl HttpSettings {
    /// How a photo is looked at that is to be enrolled.
    #[must_use]
    pub fn enrolment_look(&self) -> LookSettings {
        LookSettings {
            liveness_threshold: self.enrolment_liveness.then_some(self.liveness_threshold),
            pupil_distance_px_min: self.enrolment_pupil_distance_px_min,
            picture: self.keep_photos,
        }
    }

    /// Which faces are enrolled.
    #[must_use]
    pub fn enrolment_rules(&self) -> EnrolmentRules {
        EnrolmentRules {
            consent_required: self.consent_required,
            faces_max: self.faces_max,
            lookalikes_need_badge: self.lookalikes_need_badge,
        }
    }
}

/// Shared by every request; cheap to clone.
#[derive(Clone, Debug)]
pub struct AppState {
    /// What does not change while the service runs.
    pub about: Arc<About>,
    /// Looks at frames.
    pub engine: Arc<Engine>,
    /// Compares with the gallery.
    pub matcher: Matcher,
    /// Decides and records passages.
    pub gatekeeper: Gatekeeper,
    /// Signs grants, where there is a key to sign with.
    pub grant_signer: Option<Arc<GrantSigner>>,
    /// The enrolled encodings in memory.
    pub gallery: Arc<Gallery>,
    /// Postgres.
    pub store: Store,
    /// Counts.
    pub metrics: Arc<Metrics>,
    /// Who read the metrics of late.
    pub metrics_readers: Arc<Mutex<MetricsReaders>>,
    /// Who sent wrong keys of late.
    pub wrong_keys: WrongKeys,
    /// Who sent wrong tokens of invitations of late. Apart from the keys: whoever guesses those, in public, shuts
    /// out no gate.
    pub wrong_tokens: WrongKeys,
    /// Requests of any kind that may be in flight.
    pub request_permits: Arc<Semaphore>,
    /// Lists that may be read at once.
    pub list_permits: Arc<Semaphore>,
    /// Who may enrol now.
    pub enrolments: Enrolments,
    /// Streams of events that are open.
    pub streams: Streams,
    /// Streams that may read at once.
    pub stream_reads: Arc<Semaphore>,
    /// Imports that may run.
    pub import_permits: Arc<Semaphore>,
    /// Photos of invited people that may come and be looked at.
    pub invited_photos: Arc<Semaphore>,
    /// Photos of imports that are looked at.
    pub import_looks: Arc<Semaphore>,
    /// Rings when passages were recorded.
    pub bell: Bell,
    /// Whether the service was told to stop.
    pub stopping: watch::Receiver<bool>,
    /// Bytes of frames that may be in memory.
    pub frame_bytes: Arc<Semaphore>,
    /// Who signs people in that have no key, where a provider is named.
    pub provider: Option<Arc<Provider>>,
    /// Limits and defaults.
    pub settings: Arc<HttpSettings>,
}

impl AppState {
    /// Reads a person's templates again after a change that is committed already. Should that fail,
    /// the change stands all the same: the gallery is loaded again once Postgres answers, and until
    /// then every grant still re-reads the person and the template.
    pub async fn refresh_gallery(&self, employee: EmployeeId) {
        if let Err(error) = self.matcher.refresh(&self.store, employee).await {
            tracing::warn!(%error, %employee, "the gallery lags behind a committed change");
        }
    }

    /// The values of the gauges now.
    pub async fn readings(&self) -> Readings {
        let tau = self.matcher.recognize_threshold();
        let previous = self.matcher.previous().map(Matcher::recognize_threshold);
        let models = [Some(&self.matcher), self.matcher.previous()].into_iter().flatten();
        let reading = |matcher: &Matcher| ModelReading {
            model: matcher.model().clone(),
            faces: matcher.gallery().faces(),
            people: matcher.gallery().people(),
        };
        Readings {
            recognize_threshold: tau.threshold.value(),
            risk_supported: tau.supported && previous.is_none_or(|tau| tau.supported),
            queue: self.engine.queue(),
            gallery_faces: self.gallery.faces(),
            gallery_people: self.gallery.people(),
            models: models.map(reading).collect(),
            gallery_age: self.gallery.age(),
            connections: self.store.connections(),
            ready: self.store.ping().await.is_ok(),
        }
    }
}
