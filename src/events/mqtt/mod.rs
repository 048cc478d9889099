//! MQTT: events are published to a broker, by one replica at a time; should it end, another goes on.

mod line;
mod progress;
mod round;
mod tls;

use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use rumqttc::v5::mqttbytes::v5::PublishProperties;
use rustls::ClientConfig;
use tokio::sync::watch;
use tracing::{info, warn};

pub use line::Broker;
pub use tls::{TlsError, TlsSettings};

use super::Bell;
use super::backoff::Backoff;
use super::said::Said;
use crate::metrics::Metrics;
use crate::store::{Courier, Right, Store, StoreError};
use line::{Line, LineError, PublishError};
use progress::Progress;

/// How often the right to publish is asked for, or made sure of.
const KEEP: Duration = Duration::from_secs(2);

/// How often the trail is looked at although nobody rang.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// How long a farewell to the broker may take, which then tells by itself that Limen is gone.
const FAREWELL: Duration = Duration::from_secs(1);

/// What is published, and to whom.
#[derive(Clone, Debug)]
pub struct MqttSettings {
    /// The broker.
    pub broker: Broker,
    /// How it is known; used where its URL says so.
    pub tls: TlsSettings,
    /// What every topic begins with.
    pub topic: String,
    /// The wait after the first failure; it doubles with each.
    pub retry_min: Duration,
    /// The longest wait.
    pub retry_max: Duration,
    /// Passages that one statement reads.
    pub rows_max: u32,
}

/// Publishes, where it has the right to.
#[derive(Debug)]
pub struct Publisher {
    settings: MqttSettings,
    tls: Option<Arc<ClientConfig>>,
    backoff: Backoff,
    store: Store,
    bell: Bell,
    metrics: Arc<Metrics>,
}

/// Why a connection ended.
#[derive(Debug, thiserror::Error)]
enum End {
    #[error(transparent)]
    Line(#[from] LineError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the service stops")]
    Stopped,
}

impl From<PublishError> for End {
    fn from(_: PublishError) -> Self {
        Self::Line(LineError::Silent)
    }
}

impl Publisher {
    /// One that publishes nothing yet.
    ///
    /// # Errors
    /// When TLS cannot be made of what was given.
    pub fn new(
        settings: MqttSettings,
        store: Store,
        bell: Bell,
        metrics: Arc<Metrics>,
    ) -> Result<Self, TlsError> {
        let tls = settings.broker.url.has_tls();
        let tls = tls.then(|| tls::client_config(&settings.tls)).transpose()?;
        let backoff = Backoff { min: settings.retry_min, max: settings.retry_max };
        Ok(Self { settings, tls, backoff, store, bell, metrics })
    }

    /// Publishes whenever no other replica does, until the service stops.
    pub async fn run(self, mut stopping: watch::Receiver<bool>) {
        let mut said = Said::default();
        loop {
            let serving = AssertUnwindSafe(self.serve(&mut said, &mut stopping)).catch_unwind();
            let why = match serving.await {
                Ok(Ok(())) => return,
                Ok(Err(error)) => format!("lost touch with the database: {error}"),
                // The log has told where.
                Err(_) => "broke down, and begins anew".to_owned(),
            };
            self.metrics.mqtt_connected(false);
            said.says(why, |text| warn!("mqtt: {text}"));
            if rest(KEEP, &mut stopping).await {
                return;
            }
        }
    }

    /// Waits for the right, and publishes for as long as it is held; returns when the service stops.
    async fn serve(
        &self,
        said: &mut Said,
        stopping: &mut watch::Receiver<bool>,
    ) -> Result<(), StoreError> {
        let mut courier = self.store.courier(Right::Mqtt).await?;
        while !courier.holds().await? {
            // Whoever publishes counts it.
            self.metrics.mqtt_backlog(0);
            if rest(KEEP, stopping).await {
                return Ok(());
            }
        }
        tokio::select! {
            ended = self.keep(courier) => ended,
            ended = self.connections(said, stopping) => ended,
        }
    }

    /// Keeps the right, and looks how much there is to publish, until the database does not answer.
    async fn keep(&self, mut courier: Courier) -> Result<(), StoreError> {
        loop {
            // It is held: the connection is the same.
            courier.holds().await?;
            let backlog = self.store.patiently(self.store.mqtt_backlog()).await?;
            self.metrics.mqtt_backlog(backlog);
            tokio::time::sleep(KEEP).await;
        }
    }

    /// Connects to the broker again and again, until the service stops.
    async fn connections(
        &self,
        said: &mut Said,
        stopping: &mut watch::Receiver<bool>,
    ) -> Result<(), StoreError> {
        let progress = Progress::new(self.store.patiently(self.store.published()).await?);
        let mut failures = 0;
        loop {
            let ended = self.connection(&progress, &mut failures, said, stopping).await;
            self.metrics.mqtt_connected(false);
            // What was acknowledged just before the end.
            if progress.note(&self.store).await? {
                failures = 0;
            }
            match ended {
                _ if *stopping.borrow() => return Ok(()),
                End::Stopped => return Ok(()),
                End::Store(error) => return Err(error),
                End::Line(error) => {
                    if let Some(gate) = progress.cut_off(self.backoff) {
                        // The broker is there, and the gate waits longer each time.
                        self.metrics.mqtt_refused();
                        if progress.is_news() {
                            warn!(%gate, %error, "mqtt: an event ends the connection; its gate's later ones wait");
                        }
                    } else {
                        failures += 1;
                        let text = format!("{} is not reached: {error}", self.settings.broker.url);
                        said.says(text, |text| warn!("mqtt: {text}; events wait"));
                    }
                }
            }
            if rest(self.backoff.after(failures), stopping).await {
                return Ok(());
            }
        }
    }

    /// Connects once, and publishes until the connection ends; returns why it did.
    async fn connection(
        &self,
        progress: &Progress,
        failures: &mut u32,
        said: &mut Said,
        stopping: &mut watch::Receiver<bool>,
    ) -> End {
        let MqttSettings { broker, topic, .. } = &self.settings;
        let status = format!("{topic}/status");
        let connecting = Line::connect(broker, self.tls.clone(), (&status, "offline"));
        let connected = tokio::select! {
            connected = tokio::time::timeout(broker.timeout, connecting) => connected,
            _ = stopping.wait_for(|stop| *stop) => return End::Stopped,
        };
        let (line, pulse) = match connected {
            Ok(Ok(connected)) => connected,
            Ok(Err(error)) => return error.into(),
            Err(_) => return LineError::Silent.into(),
        };
        let mut talk = pin!(async {
            // From the first answer on the connection is one.
            self.says(&line, &status, "online").await?;
            self.metrics.mqtt_connected(true);
            self.publish(&line, progress, failures, said, stopping).await?;
            let farewell = self.says(&line, &status, "offline");
            let _ = tokio::time::timeout(FAREWELL, farewell).await;
            line.leave();
            // The broker then ends the connection.
            tokio::time::sleep(FAREWELL).await;
            Ok::<(), End>(())
        });
        tokio::select! {
            error = pulse.beat() => {
                // It hears what was acknowledged with the end.
                let _ = talk.as_mut().now_or_never();
                error.into()
            }
            ended = &mut talk => ended.err().unwrap_or(End::Stopped),
        }
    }

    /// Has the broker keep what Limen's status is.
    async fn says(&self, line: &Line, topic: &str, status: &str) -> Result<(), PublishError> {
        let properties = PublishProperties::default();
        let said = match line.publish(topic, true, status.to_owned(), properties) {
            Ok(published) => published.acknowledged().await,
            Err(error) => Err(error),
        };
        match said {
            Err(error) if error.is_refusal() => {
                warn!(%error, topic, "mqtt: the broker does not keep the status");
                Ok(())
            }
            said => said,
        }
    }

    /// Publishes what there is and what comes, until the service stops.
    async fn publish(
        &self,
        line: &Line,
        progress: &Progress,
        failures: &mut u32,
        said: &mut Said,
        stopping: &mut watch::Receiver<bool>,
    ) -> Result<(), End> {
        let mut bell = self.bell.clone();
        let (begun_at, mut took) = (Instant::now(), false);
        while !*stopping.borrow() {
            // After failures a connection is only believed in once it has taken an event, or lasted.
            if *failures == 0 || took || begun_at.elapsed() > self.settings.retry_max {
                *failures = 0;
                let text = format!("{} is reached", self.settings.broker.url);
                said.says(text, |text| info!("mqtt: {text}"));
            }
            let round = self.round(line, progress).await?;
            took |= round.took;
            if round.more {
                continue;
            }
            let wait = progress.earliest_retry().map_or(LOOK_AGAIN, |wait| wait.min(LOOK_AGAIN));
            tokio::select! {
                () = bell.heard() => {}
                stop = rest(wait, stopping) => if stop { break },
            }
        }
        Ok(())
    }
}

/// Waits, but not beyond the end of the service; says whether that has come.
async fn rest(time: Duration, stopping: &mut watch::Receiver<bool>) -> bool {
    // Also when nobody is left who could say so.
    tokio::time::timeout(time, stopping.wait_for(|stop| *stop)).await.is_ok()
}
