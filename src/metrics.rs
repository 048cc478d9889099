//! Every metric, declared once, with the help text that Prometheus shows.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

use crate::domain::{Alarm, InputKind, ModelId, Reason, StageTimings};

/// The labels of an answered request.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct RequestLabels {
    /// `GET`, `POST`, ...
    pub method: String,
    /// The route's pattern, never the path itself.
    pub route: String,
    /// The status code.
    pub status: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StageLabels {
    stage: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DecisionLabels {
    decision: &'static str,
    reason: &'static str,
}

impl DecisionLabels {
    fn of(reason: Reason) -> Self {
        Self { decision: reason.decision().code(), reason: reason.code() }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KindLabels {
    kind: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabels {
    task: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OverloadLabels {
    limit: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ModelLabels {
    model: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ConnectionLabels {
    state: &'static str,
}

/// What came of a delivery to a webhook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// It was taken.
    Delivered,
    /// It was not, and is tried again.
    Failed,
    /// It was given up.
    Dead,
}

impl Delivery {
    const ALL: [Self; 3] = [Self::Delivered, Self::Failed, Self::Dead];

    fn labels(self) -> DeliveryLabels {
        let outcome = match self {
            Self::Delivered => "delivered",
            Self::Failed => "failed",
            Self::Dead => "dead",
        };
        DeliveryLabels { outcome }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DeliveryLabels {
    outcome: &'static str,
}

/// How much is known by one model.
#[derive(Clone, Debug)]
pub struct ModelReading {
    /// Which.
    pub model: ModelId,
    /// Faces that its gallery's templates were fused of.
    pub faces: usize,
    /// People in its gallery.
    pub people: usize,
}

/// The values of the gauges, read when Prometheus asks.
#[derive(Clone, Debug, Default)]
pub struct Readings {
    /// Frames that wait for an inference worker, and how many may.
    pub queue: (usize, usize),
    /// Faces that the gallery's templates were fused of.
    pub gallery_faces: usize,
    /// People in the gallery.
    pub gallery_people: usize,
    /// The models that are served: the configured one, then the one that people move away from.
    pub models: Vec<ModelReading>,
    /// Time since the gallery was last loaded whole; none before the first time.
    pub gallery_age: Option<Duration>,
    /// τ of 1:N now.
    pub recognize_threshold: f32,
    /// Whether the calibration supports the accepted risk at the gallery's size.
    pub risk_supported: bool,
    /// Connections of the pool: open, idle.
    pub connections: (u32, usize),
    /// Whether the service is ready.
    pub ready: bool,
}

/// All metrics of the service.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    requests: Family<RequestLabels, Counter>,
    request_seconds: Family<RequestLabels, Histogram>,
    stage_seconds: Family<StageLabels, Histogram>,
    passages: Family<DecisionLabels, Counter>,
    alarms: Family<KindLabels, Counter>,
    gate_inputs: Family<KindLabels, Counter>,
    outcomes: Family<OutcomeLabels, Counter>,
    overloads: Family<OverloadLabels, Counter>,
    wrong_keys: Counter,
    purged_passages: Counter,
    purged_photos: Counter,
    purged_inputs: Counter,
    erased_people: Counter,
    webhook_deliveries: Family<DeliveryLabels, Counter>,
    webhook_backlog: Gauge,
    mqtt_published: Counter,
    mqtt_refused: Counter,
    mqtt_connected: Gauge,
    mqtt_backlog: Gauge,
    queue_depth: Gauge,
    queue_max: Gauge,
    gallery_faces: Gauge,
    gallery_people: Gauge,
    model_faces: Family<ModelLabels, Gauge>,
    model_people: Family<ModelLabels, Gauge>,
    people_left: Gauge,
    gallery_age_seconds: Gauge<f64, std::sync::atomic::AtomicU64>,
    recognize_threshold: Gauge<f64, std::sync::atomic::AtomicU64>,
    risk_supported: Gauge,
    connections: Family<ConnectionLabels, Gauge>,
    ready: Gauge,
}

/// The commit that this was built from, where the build knew it.
#[must_use]
pub fn revision() -> &'static str {
    option_env!("LIMEN_REVISION").filter(|commit| !commit.is_empty()).unwrap_or("unknown")
}

/// 1 ms to 8 s.
fn latency() -> Histogram {
    Histogram::new(exponential_buckets(0.001, 2.0, 14))
}

impl Metrics {
    /// Registers every metric. `model` is the encoder's id, `limits` those that a request can run into.
    #[must_use]
    pub fn new(model: &str, limits: impl IntoIterator<Item = &'static str>) -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("limen"),
            requests: Family::default(),
            request_seconds: Family::new_with_constructor(latency),
            stage_seconds: Family::new_with_constructor(latency),
            passages: Family::default(),
            wrong_keys: Counter::default(),
            purged_passages: Counter::default(),
            purged_photos: Counter::default(),
            purged_inputs: Counter::default(),
            erased_people: Counter::default(),
            webhook_deliveries: Family::default(),
            webhook_backlog: Gauge::default(),
            mqtt_published: Counter::default(),
            mqtt_refused: Counter::default(),
            mqtt_connected: Gauge::default(),
            mqtt_backlog: Gauge::default(),
            alarms: Family::default(),
            gate_inputs: Family::default(),
            outcomes: Family::default(),
            overloads: Family::default(),
            queue_depth: Gauge::default(),
            queue_max: Gauge::default(),
            gallery_faces: Gauge::default(),
            gallery_people: Gauge::default(),
            model_faces: Family::default(),
            model_people: Family::default(),
            people_left: Gauge::default(),
            gallery_age_seconds: Gauge::default(),
            recognize_threshold: Gauge::default(),
            risk_supported: Gauge::default(),
            connections: Family::default(),
            ready: Gauge::default(),
        };
        metrics.register(model);
        // From the first scrape on: an increase from nothing to the first attack would not be seen.
        for reason in Reason::ALL {
            drop(metrics.passages.get_or_create(&DecisionLabels::of(reason)));
        }
        for alarm in Alarm::ALL {
            drop(metrics.alarms.get_or_create(&KindLabels { kind: alarm.code() }));
        }
        for kind in InputKind::ALL {
            drop(metrics.gate_inputs.get_or_create(&KindLabels { kind: kind.code() }));
        }
        for delivery in Delivery::ALL {
            drop(metrics.webhook_deliveries.get_or_create(&delivery.labels()));
        }
        for limit in limits {
            drop(metrics.overloads.get_or_create(&OverloadLabels { limit }));
        }
        metrics
    }

    fn register(&mut self, model: &str) {
        let registry = &mut self.registry;
        registry.register(
            "build",
            "The version that runs, the commit it was built from and the encoder it runs",
            Info::new(vec![
                ("version", env!("CARGO_PKG_VERSION").to_owned()),
                ("revision", revision().to_owned()),
                ("model", model.to_owned()),
            ]),
        );
        registry.register("http_requests", "Answered requests", self.requests.clone());
        registry.register_with_unit(
            "http_request_duration",
            "Time from a request's head to its answer",
            Unit::Seconds,
            self.request_seconds.clone(),
        );
        registry.register_with_unit(
            "stage_duration",
            "Time in each stage of the road, for a frame or, from match on, a passage",
            Unit::Seconds,
            self.stage_seconds.clone(),
        );
        registry.register(
            "passages",
            "Answers at the gates, by decision and reason; a repeated event counts again",
            self.passages.clone(),
        );
        registry.register(
            "alarms",
            "Alarms, by kind; a repeated event raises none again",
            self.alarms.clone(),
        );
        registry.register(
            "gate_inputs",
            "What gates reported beside passages, by kind",
            self.gate_inputs.clone(),
        );
        registry.register(
            "outcomes",
            "Outcomes of verify, recognize, liveness, enrolment, import and re_enrol",
            self.outcomes.clone(),
        );
        registry.register(
            "overloads",
            "Requests refused with 429, by the setting whose limit was reached",
            self.overloads.clone(),
        );
        registry.register(
            "wrong_keys",
            "Requests whose API key was not valid; those from addresses that are shut out for it not counted",
            self.wrong_keys.clone(),
        );
        registry.register(
            "purged_passages",
            "Passages that were removed because their time was over",
            self.purged_passages.clone(),
        );
        registry.register(
            "purged_inputs",
            "Inputs of gates that were removed because their time was over",
            self.purged_inputs.clone(),
        );
        registry.register(
            "purged_photos",
            "Photos that were purged because they are not kept, or their time was over",
            self.purged_photos.clone(),
        );
        registry.register(
            "erased_people",
            "People who were erased because they had left long enough ago",
            self.erased_people.clone(),
        );
        registry.register(
            "webhook_deliveries",
            "Events posted to webhooks, by outcome: delivered, failed (it is tried again) or dead (it was given up)",
            self.webhook_deliveries.clone(),
        );
        registry.register(
            "webhook_backlog",
            "Passages that webhooks have not been told of yet; 0 where another replica delivers",
            self.webhook_backlog.clone(),
        );
        registry.register(
            "mqtt_published",
            "Events that the MQTT broker has acknowledged",
            self.mqtt_published.clone(),
        );
        registry.register(
            "mqtt_refused",
            "Events that the MQTT broker has refused; they are tried again",
            self.mqtt_refused.clone(),
        );
        registry.register(
            "mqtt_connected",
            "1 where this replica is connected to the MQTT broker; one replica is at a time",
            self.mqtt_connected.clone(),
        );
        registry.register(
            "mqtt_backlog",
            "Passages that the MQTT broker has not been told of yet; 0 where another replica publishes",
            self.mqtt_backlog.clone(),
        );
        registry.register(
            "inference_queue_depth",
            "Frames that wait for an inference worker",
            self.queue_depth.clone(),
        );
        registry.register(
            "inference_queue_max",
            "Frames that may wait for an inference worker",
            self.queue_max.clone(),
        );
        registry.register(
            "gallery_faces",
            "Faces that the gallery's templates were fused of",
            self.gallery_faces.clone(),
        );
        registry.register(
            "gallery_people",
            "People in the gallery, one template each",
            self.gallery_people.clone(),
        );
        registry.register(
            "model_faces",
            "Faces by the model that is served and made them; of the previous one, those of who has none of the other",
            self.model_faces.clone(),
        );
        registry.register(
            "model_people",
            "People by the model that they are known by",
            self.model_people.clone(),
        );
        registry.register(
            "people_left",
            "People who are known by the previous model alone; 0 where none is served",
            self.people_left.clone(),
        );
        registry.register_with_unit(
            "gallery_age",
            "Time since the gallery was last loaded whole; changes are followed in between",
            Unit::Seconds,
            self.gallery_age_seconds.clone(),
        );
        registry.register(
            "recognize_threshold",
            "The squared distance that a match of 1:N must stay under; falls as the gallery grows",
            self.recognize_threshold.clone(),
        );
        registry.register(
            "risk_supported",
            "1 when the calibration supports the accepted risk at the gallery's size; 0: ask for a badge",
            self.risk_supported.clone(),
        );
        registry.register(
            "database_connections",
            "Connections of the pool to Postgres",
            self.connections.clone(),
        );
        registry.register(
            "ready",
            "1 when the networks are warm, the gallery is loaded and Postgres answers",
            self.ready.clone(),
        );
    }

    /// Notes an answered request.
    pub fn request(&self, labels: RequestLabels, duration: Duration) {
        self.request_seconds.get_or_create(&labels).observe(duration.as_secs_f64());
        self.requests.get_or_create(&labels).inc();
    }

    /// Notes how long each stage of the road took.
    pub fn stages(&self, timings: &StageTimings) {
        for (stage, duration) in timings.iter() {
            let labels = StageLabels { stage: stage.name() };
            self.stage_seconds.get_or_create(&labels).observe(duration.as_secs_f64());
        }
    }

    /// Notes an answer at a gate.
    pub fn passage(&self, reason: Reason) {
        self.passages.get_or_create(&DecisionLabels::of(reason)).inc();
    }

    /// Notes an alarm.
    pub fn alarm(&self, alarm: Alarm) {
        self.alarms.get_or_create(&KindLabels { kind: alarm.code() }).inc();
    }

    /// Notes what a gate reported.
    pub fn gate_input(&self, kind: InputKind) {
        self.gate_inputs.get_or_create(&KindLabels { kind: kind.code() }).inc();
    }

    /// Notes an outcome of a task that is not a passage.
    pub fn outcome(&self, task: &'static str, outcome: &'static str) {
        self.outcomes.get_or_create(&OutcomeLabels { task, outcome }).inc();
    }

    /// Notes a request that was refused because the `limit` of this name was reached.
    pub fn overload(&self, limit: &'static str) {
        self.overloads.get_or_create(&OverloadLabels { limit }).inc();
    }

    /// How many requests were refused because the `limit` of this name was reached.
    #[must_use]
    pub fn overloads(&self, limit: &'static str) -> u64 {
        self.overloads.get_or_create(&OverloadLabels { limit }).get()
    }

    /// Notes a request whose API key was not valid.
    pub fn wrong_key(&self) {
        self.wrong_keys.inc();
    }

    /// Notes passages and inputs that were removed because their time was over.
    pub fn records_purged(&self, passages: u64, inputs: u64) {
        self.purged_passages.inc_by(passages);
        self.purged_inputs.inc_by(inputs);
    }

    /// Notes photos that were purged.
    pub fn photos_purged(&self, photos: u64) {
        self.purged_photos.inc_by(photos);
    }

    /// Notes a person who was erased for having left long enough ago.
    pub fn person_erased(&self) {
        self.erased_people.inc();
    }

    /// Notes what came of a delivery to a webhook.
    pub fn webhook_delivery(&self, delivery: Delivery) {
        self.webhook_deliveries.get_or_create(&delivery.labels()).inc();
    }

    /// Notes how many passages webhooks have not been told of yet.
    pub fn webhook_backlog(&self, passages: u64) {
        self.webhook_backlog.set(passages.cast_signed());
    }

    /// Notes an event that the broker acknowledged.
    pub fn mqtt_published(&self) {
        self.mqtt_published.inc();
    }

    /// Notes an event that the broker refused.
    pub fn mqtt_refused(&self) {
        self.mqtt_refused.inc();
    }

    /// Notes whether the broker is connected.
    pub fn mqtt_connected(&self, connected: bool) {
        self.mqtt_connected.set(connected.into());
    }

    /// Notes how many passages the broker has not been told of yet.
    pub fn mqtt_backlog(&self, passages: u64) {
        self.mqtt_backlog.set(passages.cast_signed());
    }

    /// Everything in OpenMetrics text form, the gauges set to `readings`.
    ///
    /// # Errors
    /// When the text cannot be formatted.
    pub fn render(&self, readings: &Readings) -> Result<String, std::fmt::Error> {
        self.queue_depth.set(readings.queue.0 as i64);
        self.queue_max.set(readings.queue.1 as i64);
        self.gallery_faces.set(readings.gallery_faces as i64);
        self.gallery_people.set(readings.gallery_people as i64);
        for ModelReading { model, faces, people } in &readings.models {
            let labels = ModelLabels { model: model.to_string() };
            self.model_faces.get_or_create(&labels).set(*faces as i64);
            self.model_people.get_or_create(&labels).set(*people as i64);
        }
        self.people_left.set(readings.models.get(1).map_or(0, |previous| previous.people as i64));
        self.gallery_age_seconds.set(readings.gallery_age.map_or(f64::NAN, |a| a.as_secs_f64()));
        self.recognize_threshold.set(readings.recognize_threshold.into());
        self.risk_supported.set(readings.risk_supported.into());
        for (state, value) in
            [("open", i64::from(readings.connections.0)), ("idle", readings.connections.1 as i64)]
        {
            self.connections.get_or_create(&ConnectionLabels { state }).set(value);
        }
        self.ready.set(readings.ready.into());
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry)?;
        Ok(text)
    }
}
