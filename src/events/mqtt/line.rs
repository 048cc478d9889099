//! A connection to the broker: what is published on it, and what of that the broker has acknowledged.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{
    ConnectReturnCode, LastWill, Packet, PubAckReason, Publish, PublishProperties,
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
    /// The broker has said that it takes nothing so large. The next may be taken.
    #[error("its packet has {bytes} bytes, where the broker takes {max}")]
    TooLarge {
        /// What it has,
        bytes: usize,
        /// and may have.
        max: u32,
    },
    /// The broker did not acknowledge it, in time or at all. Nothing more is to be said to it here.
    #[error("not acknowledged")]
    Silent,
    /// The connection has ended: the broker was not told of it.
    #[error("not said any more")]
    Ended,
}

impl PublishError {
    /// Whether the broker is there, and wants this one alone not.
    pub fn is_refusal(self) -> bool {
        matches!(self, Self::Refused(_) | Self::TooLarge { .. })
    }
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
    /// It said why it does not want what it was sent, and ended it.
    #[error("the broker refuses what it is sent, and ends the connection ({0:?})")]
    Refused(PubAckReason),
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

/// Those who wait to hear whether the broker took what they published.
#[derive(Default)]
struct Waiting {
    /// What has no number yet, in its order.
    unnumbered: VecDeque<Acknowledged>,
    numbered: HashMap<u16, Acknowledged>,
}

fn is_taken(reason: PubAckReason) -> bool {
    matches!(reason, PubAckReason::Success | PubAckReason::NoMatchingSubscribers)
}

/// A connection that was made.
pub(super) struct Line {
    client: AsyncClient,
    waiting: Arc<Mutex<Waiting>>,
    /// The largest packet that the broker takes, where it has said so.
    packet_bytes_max: Option<u32>,
    timeout: Duration,
}

/// What must be polled for a connection to live.
pub(super) struct Pulse {
    events: EventLoop,
    waiting: Arc<Mutex<Waiting>>,
}

/// Something that is on its way to the broker.
pub(super) struct Published {
    answer: oneshot::Receiver<PubAckReason>,
    timeout: Duration,
}

impl Published {
    /// Waits until the broker has acknowledged it.
    pub async fn acknowledged(self) -> Result<(), PublishError> {
        match tokio::time::timeout(self.timeout, self.answer).await {
            Ok(Ok(reason)) if is_taken(reason) => Ok(()),
            Ok(Ok(reason)) => Err(PublishError::Refused(reason)),
            Ok(Err(_)) | Err(_) => Err(PublishError::Silent),
        }
    }
}

impl Line {
    /// Connects; `will` is a topic and what the broker keeps there should the connection end without a farewell.
    pub async fn connect(
        broker: &Broker,
        tls: Option<Arc<ClientConfig>>,
        will: (&str, &str),
    ) -> Result<(Self, Pulse), LineError> {
        let url = &broker.url;
        // By TLS it is what the certificate is looked up by.
        let host = if tls.is_some() { url.certified_host() } else { url.host() };
        let mut options = MqttOptions::new(&broker.client_id, host, url.port());
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
        let packet_bytes_max = loop {
            if let Event::Incoming(Packet::ConnAck(ack)) = events.poll().await? {
                break ack.properties.and_then(|properties| properties.max_packet_size);
            }
        };
        let waiting = Arc::<Mutex<_>>::default();
        let pulse = Pulse { events, waiting: Arc::clone(&waiting) };
        Ok((Self { client, waiting, packet_bytes_max, timeout: broker.timeout }, pulse))
    }

    /// Publishes something.
    pub fn publish(
        &self,
        topic: &str,
        retain: bool,
        payload: String,
        properties: PublishProperties,
    ) -> Result<Published, PublishError> {
        let payload = Bytes::from(payload);
        // Sent all the same it would end the connection.
        if let Some(max) = self.packet_bytes_max {
            let (payload, properties) = (payload.clone(), Some(properties.clone()));
            let mut publish = Publish::new(topic, QoS::AtLeastOnce, payload, properties);
            // It will have a number, whichever.
            publish.pkid = u16::MAX;
            let bytes = publish.size();
            if bytes > max as usize {
                return Err(PublishError::TooLarge { bytes, max });
            }
        }
        let (acknowledged, answer) = oneshot::channel();
        let mut waiting = self.waiting.lock();
        self.client
            .try_publish_with_properties(topic, QoS::AtLeastOnce, retain, payload, properties)
            // There is room for what may be unacknowledged, and a topic is one.
            .map_err(|_| PublishError::Ended)?;
        waiting.unnumbered.push_back(acknowledged);
        Ok(Published { answer, timeout: self.timeout })
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
        loop {
            match self.events.poll().await {
                Ok(event) => self.hears(event),
                // Polled again it would connect again.
                Err(error) => {
                    let mut error = error.into();
                    // What came with the end was read, and is not told of by itself.
                    while let Some(event) = self.events.state.events.pop_front() {
                        match event {
                            Event::Incoming(Packet::PubAck(ack)) if !is_taken(ack.reason) => {
                                error = LineError::Refused(ack.reason);
                            }
                            event => self.hears(event),
                        }
                    }
                    return error;
                }
            }
        }
    }

    fn hears(&self, event: Event) {
        let mut waiting = self.waiting.lock();
        match event {
            Event::Outgoing(Outgoing::Publish(number)) => {
                if let Some(acknowledged) = waiting.unnumbered.pop_front() {
                    waiting.numbered.insert(number, acknowledged);
                }
            }
            Event::Incoming(Packet::PubAck(ack)) => {
                if let Some(acknowledged) = waiting.numbered.remove(&ack.pkid) {
                    // Nobody may wait for it any more.
                    let _ = acknowledged.send(ack.reason);
                }
            }
            _ => {}
        }
    }
}
