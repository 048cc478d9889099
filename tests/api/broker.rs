//! A mosquitto of a test's own, which it may kill and start again, and somebody who listens to it.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use rumqttc::v5::mqttbytes::v5::{
    ConnAck, ConnectReturnCode, Disconnect, DisconnectReasonCode, Packet, PubAck, PubAckReason,
    Publish,
};
use rumqttc::v5::mqttbytes::{Error, QoS};
use rumqttc::v5::{AsyncClient, Event, MqttOptions};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinHandle;

use crate::service::eventually;

/// A broker.
pub struct Broker {
    pub folder: TempDir,
    pub port: u16,
    process: Option<Child>,
}

impl Broker {
    /// Starts one with these settings beside its port, and these files; `{}` in the settings is their folder.
    pub fn start(settings: &str, files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            fs::write(folder.path().join(name), text).unwrap();
        }
        let mut broker = Self { folder, port: free_port(), process: None };
        broker.configure(settings);
        broker.run();
        broker
    }

    /// One that anybody may use.
    pub fn open() -> Self {
        Self::start("allow_anonymous true", &[])
    }

    fn configure(&self, settings: &str) {
        let folder = self.folder.path().display().to_string();
        let port = self.port;
        // It keeps who subscribed, also when it is killed.
        let text = format!(
            "user root\nlistener {port} 127.0.0.1\npersistence true\npersistence_location {folder}/\n\
             autosave_on_changes true\nautosave_interval 1\nlog_dest none\n{}\n",
            settings.replace("{}", &folder)
        );
        fs::write(self.folder.path().join("mosquitto.conf"), text).unwrap();
    }

    /// Starts it, or starts it again.
    pub fn run(&mut self) {
        // Debian keeps it where only root looks.
        let debian = Path::new("/usr/sbin/mosquitto");
        let program = if debian.exists() { debian } else { Path::new("mosquitto") };
        let process = Command::new(program)
            .arg("-c")
            .arg(self.folder.path().join("mosquitto.conf"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("there is no mosquitto here: ./dev test installs it");
        self.process = Some(process);
        let started_at = Instant::now();
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            assert!(started_at.elapsed() < Duration::from_secs(10), "mosquitto does not start");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Kills it.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        let id = self.process.as_ref().expect("it runs").id();
        kill_process(Pid::from_raw(id.try_into().unwrap()).unwrap(), signal).unwrap();
    }

    pub fn url(&self) -> String {
        format!("mqtt://127.0.0.1:{}", self.port)
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.kill();
    }
}

pub fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port()
}

/// Somebody who hears everything that is published, also what came while they were away.
pub struct Listener {
    heard: Arc<parking_lot::Mutex<Vec<Publish>>>,
    task: JoinHandle<()>,
}

impl Listener {
    /// Listens to a broker, as a user where it asks for one.
    pub async fn start(broker: &Broker, login: Option<(&str, &str)>) -> Self {
        let mut options = MqttOptions::new("listener", "127.0.0.1", broker.port);
        options.set_clean_start(false).set_session_expiry_interval(Some(3_600));
        if let Some((name, password)) = login {
            options.set_credentials(name, password);
        }
        let (client, mut events) = AsyncClient::new(options, 8);
        let heard = Arc::<parking_lot::Mutex<Vec<_>>>::default();
        let keeps = Arc::clone(&heard);
        let (subscribed, mut ready) = tokio::sync::watch::channel(false);
        let task = tokio::spawn(async move {
            loop {
                match events.poll().await {
                    Ok(Event::Incoming(Packet::ConnAck(ack))) if !ack.session_present => {
                        client.subscribe("#", QoS::AtLeastOnce).await.unwrap();
                    }
                    Ok(Event::Incoming(Packet::SubAck(_))) => {
                        subscribed.send_replace(true);
                    }
                    Ok(Event::Incoming(Packet::Publish(publish))) => keeps.lock().push(publish),
                    Ok(_) => {}
                    Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
                }
            }
        });
        let ready = ready.wait_for(|ready| *ready);
        tokio::time::timeout(Duration::from_secs(10), ready).await.expect("subscribed").unwrap();
        Self { heard, task }
    }

    /// What was published to a topic, in its order.
    pub fn heard(&self, topic: &str) -> Vec<String> {
        let heard = self.heard.lock();
        let of_topic = heard.iter().filter(|publish| publish.topic == topic.as_bytes());
        of_topic.map(|publish| String::from_utf8(publish.payload.to_vec()).unwrap()).collect()
    }

    /// The events of a gate, as they came.
    pub fn events(&self, gate: &str) -> Vec<Value> {
        let heard = self.heard(&format!("limen/gates/{gate}/events"));
        heard.iter().map(|text| serde_json::from_str(text).unwrap()).collect()
    }

    /// The positions of a gate's events, as they came.
    pub fn positions(&self, gate: &str) -> Vec<u64> {
        self.events(gate).iter().map(|event| event["position"].as_u64().unwrap()).collect()
    }

    /// Waits for the event of a gate at this position.
    pub async fn hears(&self, gate: &str, position: u64) {
        let what = format!("event {position} of {gate}");
        eventually(&what, async || self.positions(gate).contains(&position)).await;
    }

    /// Waits for a status.
    pub async fn hears_status(&self, status: &str) {
        let last = || self.heard("limen/status").pop();
        eventually(status, async || last().as_deref() == Some(status)).await;
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What a scripted broker does with an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It acknowledges it.
    Well,
    /// It acknowledges it, and ends the connection in the same breath.
    WithTheEnd,
    /// It ends the connection.
    Not,
}

/// A broker that says what a test wants of it, as no well-meant one does.
pub struct ScriptedBroker {
    pub url: String,
    /// The events that it was sent: topic and payload.
    sent: Arc<parking_lot::Mutex<Vec<(String, Value)>>>,
    connections: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl ScriptedBroker {
    /// `takes` is given an event's topic.
    pub async fn start(takes: impl Fn(&str) -> Taken + Clone + Send + 'static) -> Self {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("mqtt://{}", listener.local_addr().unwrap());
        let sent = Arc::<parking_lot::Mutex<Vec<_>>>::default();
        let connections = Arc::<AtomicUsize>::default();
        let (keeps, counts) = (Arc::clone(&sent), Arc::clone(&connections));
        let task = tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                counts.fetch_add(1, Ordering::Relaxed);
                let (keeps, takes) = (Arc::clone(&keeps), takes.clone());
                tokio::spawn(async move {
                    let mut said = BytesMut::new();
                    while client.read_buf(&mut said).await.is_ok_and(|read| read > 0) {
                        loop {
                            let packet = match Packet::read(&mut said, None) {
                                Ok(packet) => packet,
                                Err(Error::InsufficientBytes(_)) => break,
                                // A farewell of two bytes, which the crate does not read.
                                Err(Error::PayloadRequired) => return,
                                Err(error) => panic!("{error}"),
                            };
                            let (answers, ends) = answers(packet, &keeps, &takes);
                            client.write_all(&answers).await.unwrap();
                            if ends {
                                return;
                            }
                        }
                    }
                });
            }
        });
        Self { url, sent, connections, task }
    }

    /// The positions of a gate's events, as they were sent.
    pub fn positions(&self, gate: &str) -> Vec<u64> {
        let sent = self.sent.lock();
        let of_gate = sent.iter().filter(|(topic, _)| topic.contains(gate));
        of_gate.map(|(_, event)| event["position"].as_u64().unwrap()).collect()
    }

    /// How often it was connected to.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }
}

impl Drop for ScriptedBroker {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What is answered to a packet, and whether the connection then ends.
fn answers(
    packet: Packet,
    sent: &parking_lot::Mutex<Vec<(String, Value)>>,
    takes: &impl Fn(&str) -> Taken,
) -> (BytesMut, bool) {
    let mut taken = Taken::Well;
    let answer = match packet {
        Packet::Connect(..) => Some(Packet::ConnAck(ConnAck {
            session_present: false,
            code: ConnectReturnCode::Success,
            properties: None,
        })),
        Packet::PingReq(_) => Some(Packet::PingResp(rumqttc::v5::mqttbytes::v5::PingResp)),
        Packet::Publish(publish) => {
            let topic = String::from_utf8(publish.topic.to_vec()).unwrap();
            if topic.ends_with("/events") {
                taken = takes(&topic);
                let event = serde_json::from_slice(&publish.payload).unwrap();
                sent.lock().push((topic, event));
            }
            let mut ack = PubAck::new(publish.pkid, None);
            ack.reason = PubAckReason::Success;
            (taken != Taken::Not).then_some(Packet::PubAck(ack))
        }
        _ => None,
    };
    let ends = taken != Taken::Well;
    let end = Packet::Disconnect(Disconnect::new(DisconnectReasonCode::NotAuthorized));
    let mut bytes = BytesMut::new();
    for packet in answer.into_iter().chain(ends.then_some(end)) {
        packet.write(&mut bytes, None).unwrap();
    }
    (bytes, ends)
}
