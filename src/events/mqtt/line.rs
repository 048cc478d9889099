//! A connection to the broker: what is published on it, and what of that the broker has acknowledged.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{
    ConnectReturnCode, LastWill, Packet, PubAckReason, PublishProperties,
};
use rumqttc::v5::{AsyncClient, ConnectionError, Event, EventLoop, MqttOptions};
use rumqttc::{Outgoing, TlsConfiguration, Transport};
use rustls::ClientConfig;
use tokio::sync::oneshot;
use zeroize::Zeroizing;

use crate::domain::BrokerUrl;

/// What is published and not yet acknowledged, at most.
pub(super) const WINDOW: usize = 16;

/// How often the broker hears at least that Limen is there.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// How the broker is reached.
#[derive(Clone, Debug)]
pub struct Broker {
    /// Where it is.
    pub url: BrokerUrl,
    /// The user's name and password.
    pub login: Option<(String, Zeroizing<String>)>,
    /// The name of the connection.
    pub client_id: String,
    /// How long the broker may take to acknowledge anything.
    pub timeout: Duration,
}

/// Why something was not published.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum PublishError {
    /// The broker did not want it. The next may be taken.
    #[error("refused: {0:?}")]
    Refused(PubAckReason),
    /// The broker did not acknowledge it in time. Nothing more is to be said to it here.
    #[error("not acknowledged in time")]
    Silent,
}

/// Why a connection was not made, or ended.
#[derive(Debug, thiserror::Error)]
pub(super) enum LineError {
    /// The broker did not let Limen in.
    #[error("the broker does not accept the username, the password or the client_id ({0:?})")]
    NotAccepted(ConnectReturnCode),
    /// It is not there, or does not speak as it should.
    #[error("{0}")]
    Connection(ConnectionError),
    /// It did not answer.
    #[error("the broker does not answer")]
    Silent,
}

impl From<ConnectionError> for LineError {
    fn from(error: ConnectionError) -> Self {
        use ConnectReturnCode::{
            BadClientId, BadUserNamePassword, ClientIdentifierNotValid, NotAuthorized,
        };
        match error {
            ConnectionError::ConnectionRefused(
                code @ (BadClientId
                | BadUserNamePassword
                | ClientIdentifierNotValid
                | NotAuthorized),
            ) => Self::NotAccepted(code),
            ConnectionError::Timeout(_) => Self::Silent,
            error => Self::Connection(error),
        }
    }
}

/// Told whether the broker took what was published.
type Acknowledged = oneshot::Sender<PubAckReason>;

/// A connection that was made.
pub(super) struct Line {
    client: AsyncClient,
    /// What was published and has no number yet, in its order.
    unnumbered: Arc<Mutex<VecDeque<Acknowledged>>>,
    timeout: Duration,
}

/// What must be polled for a connection to live.
pub(super) struct Pulse {
    events: EventLoop,
    unnumbered: Arc<Mutex<VecDeque<Acknowledged>>>,
}

impl Line {
    /// Connects; `will` is a topic and what the broker keeps there should the connection end without a farewell.
    pub async fn connect(
        broker: &Broker,
        tls: Option<Arc<ClientConfig>>,
        will: (&str, &str),
    ) -> Result<(Self, Pulse), LineError> {
        let url = &broker.url;
        let mut options = MqttOptions::new(&broker.client_id, url.host(), url.port());
        options
            .set_clean_start(true)
            .set_keep_alive(KEEP_ALIVE)
            .set_connection_timeout(broker.timeout.as_secs())
            .set_last_will(LastWill::new(will.0, will.1, QoS::AtLeastOnce, true, None));
        if let Some((name, password)) = &broker.login {
            options.set_credentials(name, password.as_str());
        }
        if let Some(config) = tls {
            let config = TlsConfiguration::Rustls(config);
            options.set_transport(Transport::tls_with_config(config));
        }
        let (client, mut events) = AsyncClient::new(options, WINDOW);
        loop {
            if let Event::Incoming(Packet::ConnAck(_)) = events.poll().await? {
                break;
            }
        }
        let unnumbered = Arc::<Mutex<_>>::default();
        let pulse = Pulse { events, unnumbered: Arc::clone(&unnumbered) };
        Ok((Self { client, unnumbered, timeout: broker.timeout }, pulse))
    }

    /// Publishes something, and waits until the broker has acknowledged it.
    pub async fn publish(
        &self,
        topic: String,
        retain: bool,
        payload: impl Into<Vec<u8>>,
        properties: PublishProperties,
    ) -> Result<(), PublishError> {
        let (acknowledged, answer) = oneshot::channel();
        {
            let mut unnumbered = self.unnumbered.lock();
            let payload = payload.into();
            self.client
                .try_publish_with_properties(topic, QoS::AtLeastOnce, retain, payload, properties)
                // There is room for what may be unacknowledged, and a topic is one.
                .map_err(|_| PublishError::Silent)?;
            unnumbered.push_back(acknowledged);
        }
        match tokio::time::timeout(self.timeout, answer).await {
            Ok(Ok(PubAckReason::Success | PubAckReason::NoMatchingSubscribers)) => Ok(()),
            Ok(Ok(reason)) => Err(PublishError::Refused(reason)),
            Ok(Err(_)) | Err(_) => Err(PublishError::Silent),
        }
    }

    /// Takes leave, once what was published before is on its way.
    pub fn leave(&self) {
        // Where there is no room for it the broker hears by itself.
        let _ = self.client.try_disconnect();
    }
}

impl Pulse {
    /// Keeps the connection, and tells those who wait what was acknowledged; returns why it ended. To be polled to
    /// the end or dropped with the connection: what it was about to send would be lost.
    pub async fn beat(mut self) -> LineError {
        let mut numbered = HashMap::<u16, Acknowledged>::new();
        loop {
            match self.events.poll().await {
                Ok(Event::Outgoing(Outgoing::Publish(number))) => {
                    if let Some(acknowledged) = self.unnumbered.lock().pop_front() {
                        numbered.insert(number, acknowledged);
                    }
                }
                Ok(Event::Incoming(Packet::PubAck(ack))) => {
                    if let Some(acknowledged) = numbered.remove(&ack.pkid) {
                        // Nobody may wait for it any more.
                        let _ = acknowledged.send(ack.reason);
                    }
                }
                Ok(_) => {}
                // Polled again it would connect again.
                Err(error) => return error.into(),
            }
        }
    }
}
