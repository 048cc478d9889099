//! MQTT: events reach a broker at least once and in each gate's order, whatever becomes of it; and no gate waits.

use std::time::{Duration, Instant};

use limen::config::{Config, PasswordText};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, IsCa, KeyPair,
};
use rustix::process::Signal;
use serde_json::json;
use sqlx::PgPool;
use tokio::net::TcpListener;

use crate::broker::{Broker, Listener, ScriptedBroker, Taken, free_port};
use crate::log::logged;
use crate::passage::Passage;
use crate::service::{TestService, config, eventually};
use crate::start::refusal;

async fn nobody(service: &TestService, gate: &str) {
    Passage::of("no-face-rocket.jpg").refused(service, gate, "no_face").await;
}

/// A configuration that publishes to a broker, and does not wait long for it.
fn to(url: String) -> impl Fn(&mut Config) + Clone {
    move |config| {
        config.server.metrics_public = true;
        config.mqtt.url = Some(url.parse().unwrap());
        config.mqtt.timeout_ms = 2_000;
        config.mqtt.retry_ms_min = 50;
        config.mqtt.retry_ms_max = 200;
    }
}

/// Holds that everything from `first` to `last` came, and nothing before what comes before it; returns how many came
/// again.
fn assert_in_order(positions: &[u64], first: u64, last: u64) -> usize {
    let mut expected = first;
    for position in positions {
        assert!(*position <= expected, "{position} came before {expected}: {positions:?}");
        expected = expected.max(position + 1);
    }
    assert_eq!(expected, last + 1, "{positions:?}");
    positions.len() - usize::try_from(last + 1 - first).unwrap()
}

#[sqlx::test]
async fn nothing_is_lost_or_overtaken_when_the_broker_is_killed(pool: PgPool) {
    let mut broker = Broker::open();
    let listener = Listener::start(&broker, None).await;
    let without = TestService::start_with(&pool, |_| {}).await;
    let gates = [without.gate(json!({})).await, without.gate(json!({"name": "south"})).await];
    nobody(&without, &gates[0]).await;
    let mut service = TestService::start_replica_with(&pool, to(broker.url())).await;
    listener.hears_status("online").await;
    for _ in 0..2 {
        nobody(&service, &gates[0]).await;
        nobody(&without, &gates[1]).await;
    }
    listener.hears(&gates[0], 3).await;
    listener.hears(&gates[1], 2).await;
    // What was recorded before anything was published for the first time it is not told of.
    assert_eq!(listener.positions(&gates[0]), [2, 3]);
    let event = listener.events(&gates[0]).remove(0);
    let passage = event["passage_id"].as_str().unwrap();
    let mut read = service.get(&format!("/v1/passages/{passage}")).await.expect(200);
    for (name, value) in
        [("event", json!("passage")), ("position", json!(2)), ("alarm", json!(false))]
    {
        assert_eq!(event[name], value, "{event}");
        read[name] = value;
    }
    assert!(event.as_object().unwrap().iter().all(|(name, value)| read[name] == *value), "{event}");
    assert_eq!(service.metric("limen_mqtt_connected").await, 1.0);
    eventually("four events are counted", async || {
        service.metric("limen_mqtt_published_total").await == 4.0
    })
    .await;

    broker.kill();
    nobody(&service, &gates[0]).await;
    nobody(&without, &gates[1]).await;
    eventually("the broker is missed", async || {
        service.metric("limen_mqtt_connected").await == 0.0
            && service.metric("limen_mqtt_backlog").await == 2.0
    })
    .await;
    broker.run();
    // Killed again, and started again, while passages are recorded.
    for number in 0..12 {
        nobody(&service, &gates[0]).await;
        nobody(&without, &gates[1]).await;
        match number {
            3 => broker.kill(),
            7 => broker.run(),
            _ => {}
        }
    }
    listener.hears(&gates[0], 16).await;
    listener.hears(&gates[1], 15).await;
    let again = assert_in_order(&listener.positions(&gates[0]), 2, 16)
        + assert_in_order(&listener.positions(&gates[1]), 1, 15);
    println!("{again} events came again");
    eventually("nothing waits", async || service.metric("limen_mqtt_backlog").await == 0.0).await;

    service.begin_stop();
    let begun_at = Instant::now();
    tokio::task::spawn_blocking(move || service.join()).await.unwrap().unwrap().unwrap();
    assert!(begun_at.elapsed() < Duration::from_secs(10), "{:?}", begun_at.elapsed());
    listener.hears_status("offline").await;
}

#[sqlx::test]
async fn another_replica_publishes_when_the_first_ends_or_loses_its_right(pool: PgPool) {
    let broker = Broker::open();
    let listener = Listener::start(&broker, None).await;
    let one = TestService::start_with(&pool, to(broker.url())).await;
    let gate = one.gate(json!({})).await;
    nobody(&one, &gate).await;
    listener.hears(&gate, 1).await;
    let other = TestService::start_replica_with(&pool, to(broker.url())).await;
    nobody(&other, &gate).await;
    listener.hears(&gate, 2).await;
    assert_eq!(other.metric("limen_mqtt_published_total").await, 0.0);

    assert_eq!(end_publisher(&pool).await, 1);
    for position in 3..=5 {
        nobody(&one, &gate).await;
        listener.hears(&gate, position).await;
    }
    eventually("one of them is connected", async || {
        one.metric("limen_mqtt_connected").await + other.metric("limen_mqtt_connected").await == 1.0
    })
    .await;
    let mut replicas = [one, other];
    if replicas[0].metric("limen_mqtt_connected").await != 1.0 {
        replicas.reverse();
    }
    let [mut first, second] = replicas;
    first.begin_stop();
    nobody(&second, &gate).await;
    listener.hears(&gate, 6).await;
    listener.hears_status("online").await;
    assert_eq!(second.metric("limen_mqtt_connected").await, 1.0);
    assert_in_order(&listener.positions(&gate), 1, 6);
}

#[sqlx::test]
async fn a_broker_that_hangs_delays_no_passage_and_not_the_end(pool: PgPool) {
    // It accepts, and never says a word.
    let silent = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("mqtt://{}", silent.local_addr().unwrap());
    let alone = TestService::start_with(&pool, |_| {}).await;
    let gate = alone.gate(json!({})).await;
    let pass = async |service: &TestService| {
        let begun_at = Instant::now();
        for _ in 0..10 {
            nobody(service, &gate).await;
        }
        begun_at.elapsed()
    };
    pass(&alone).await;
    let before = pass(&alone).await;
    let to = to(url);
    let mut service = TestService::start_replica_with(&pool, |config| {
        to(config);
        config.mqtt.timeout_ms = 60_000;
    })
    .await;
    let (_connection, _) = silent.accept().await.unwrap();
    let beside = pass(&service).await;
    println!("10 passages: {before:?} alone, {beside:?} while the broker hangs");
    assert!(beside < before * 2 + Duration::from_secs(10), "{before:?}, then {beside:?}");
    let begun_at = Instant::now();
    service.begin_stop();
    tokio::task::spawn_blocking(move || service.join()).await.unwrap().unwrap().unwrap();
    assert!(begun_at.elapsed() < Duration::from_secs(5), "{:?}", begun_at.elapsed());
}

#[sqlx::test]
async fn a_broker_that_falls_silent_while_events_are_published_is_told_again(pool: PgPool) {
    let broker = Broker::open();
    let listener = Listener::start(&broker, None).await;
    let service = TestService::start_with(&pool, to(broker.url())).await;
    let gate = service.gate(json!({})).await;
    nobody(&service, &gate).await;
    listener.hears(&gate, 1).await;
    broker.signal(Signal::STOP);
    for _ in 0..5 {
        nobody(&service, &gate).await;
    }
    eventually("it is given up", async || service.metric("limen_mqtt_connected").await == 0.0)
        .await;
    broker.signal(Signal::CONT);
    listener.hears(&gate, 6).await;
    assert_in_order(&listener.positions(&gate), 1, 6);
}

#[sqlx::test]
async fn events_that_the_broker_refuses_wait_until_it_takes_them(pool: PgPool) {
    let status_alone = [("acl", "topic readwrite limen/status\ntopic read #\n")];
    let broker = Broker::start("allow_anonymous true\nacl_file {}/acl", &status_alone);
    let listener = Listener::start(&broker, None).await;
    let service = TestService::start_with(&pool, to(broker.url())).await;
    let gate = service.gate(json!({})).await;
    listener.hears_status("online").await;
    nobody(&service, &gate).await;
    nobody(&service, &gate).await;
    eventually("the event is tried again", async || {
        service.metric("limen_mqtt_refused_total").await >= 2.0
    })
    .await;
    let before = service.metric("limen_mqtt_refused_total").await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let more = service.metric("limen_mqtt_refused_total").await - before;
    assert!(more <= 20.0, "{more} tries in a second");
    std::fs::write(broker.folder.path().join("acl"), "topic readwrite #\n").unwrap();
    broker.signal(Signal::HUP);
    listener.hears(&gate, 2).await;
    assert_eq!(listener.positions(&gate), [1, 2]);
    assert_eq!(service.metric("limen_mqtt_connected").await, 1.0);
}

/// Waits long after something failed often.
fn patient(config: &mut Config) {
    config.mqtt.retry_ms_max = 60_000;
}

#[sqlx::test]
async fn an_event_that_ends_the_connection_holds_up_its_gate_alone_and_is_not_hurried(
    pool: PgPool,
) {
    let without = TestService::start_with(&pool, |_| {}).await;
    let [guilty, other] = [without.gate(json!({})).await, without.gate(json!({"name": "b"})).await];
    let of_guilty = guilty.to_string();
    let takes = move |topic: &str| {
        if topic.contains(&of_guilty) { Taken::Not } else { Taken::Well }
    };
    let broker = ScriptedBroker::start(takes).await;
    logged(&broker.url);
    let to = to(broker.url.clone());
    let service = TestService::start_replica_with(&pool, |config| {
        to(config);
        patient(config);
    })
    .await;
    eventually("it is reached", async || service.metric("limen_mqtt_connected").await == 1.0).await;
    let begun_at = Instant::now();
    for position in 1..=20 {
        nobody(&service, &guilty).await;
        nobody(&service, &other).await;
        let what = format!("event {position} of the other gate");
        eventually(&what, async || broker.positions(&other).contains(&position)).await;
    }
    // Twice as long each time, from 50 ms on; and one may go with an event of the guilty one's.
    let (tried, took) = (broker.positions(&guilty), begun_at.elapsed());
    println!("{} connections in {took:?}", broker.connections());
    assert!(broker.connections() <= 9 + took.as_secs() as usize / 5, "{}", broker.connections());
    assert!(tried.iter().all(|position| *position == 1), "{tried:?}");
    assert_in_order(&broker.positions(&other), 1, 20);
    eventually("it is refused", async || service.metric("limen_mqtt_refused_total").await >= 1.0)
        .await;
    // The log does not flap: it is reached at first, perhaps missed once, and found again.
    let lines = logged(&broker.url);
    assert!(lines.len() <= 3, "{lines:?}");
    let told = logged(&format!("gate={guilty}"));
    let told: Vec<_> = told.iter().filter(|line| line.contains("ends the connection")).collect();
    assert_eq!(told.len(), 1, "{told:?}");
}

#[sqlx::test]
async fn what_is_acknowledged_as_the_connection_ends_is_not_published_again(pool: PgPool) {
    let broker = ScriptedBroker::start(|_| Taken::WithTheEnd).await;
    let service = TestService::start_with(&pool, to(broker.url.clone())).await;
    let gate = service.gate(json!({})).await;
    for position in 1..=5 {
        nobody(&service, &gate).await;
        let what = format!("event {position}");
        eventually(&what, async || broker.positions(&gate).contains(&position)).await;
    }
    eventually("all was acknowledged", async || service.metric("limen_mqtt_backlog").await == 0.0)
        .await;
    assert_eq!(broker.positions(&gate), [1, 2, 3, 4, 5]);
}

#[sqlx::test]
async fn an_event_that_is_too_large_for_the_broker_ends_no_connection(pool: PgPool) {
    let broker = Broker::start("allow_anonymous true\nmax_packet_size 450", &[]);
    let listener = Listener::start(&broker, None).await;
    let to = to(broker.url());
    let service = TestService::start_with(&pool, |config| {
        to(config);
        patient(config);
    })
    .await;
    let [large, other] = [service.gate(json!({})).await, service.gate(json!({"name": "b"})).await];
    listener.hears_status("online").await;
    let badge = "0123456789012345678901234567890123456789012345678901234567890123";
    Passage::of("no-face-rocket.jpg").badge(badge).decide(&service, &large).await;
    eventually("it is refused", async || service.metric("limen_mqtt_refused_total").await >= 2.0)
        .await;
    for position in 1..=5 {
        nobody(&service, &other).await;
        listener.hears(&other, position).await;
        assert_eq!(service.metric("limen_mqtt_connected").await, 1.0);
    }
    assert_eq!(listener.heard("limen/status"), ["online"]);
    assert_eq!(listener.positions(&large), [0; 0]);
}

#[sqlx::test]
async fn a_broker_that_ends_the_connection_with_a_refusal_takes_the_other_gates_events(
    pool: PgPool,
) {
    let without = TestService::start_with(&pool, |_| {}).await;
    let [denied, other] = [without.gate(json!({})).await, without.gate(json!({"name": "b"})).await];
    let acl = format!("topic deny limen/gates/{denied}/events\ntopic readwrite #\n");
    let settings = "allow_anonymous true\nacl_file {}/acl\nmax_queued_messages 0";
    let broker = Broker::start(settings, &[("acl", &acl)]);
    let listener = Listener::start(&broker, None).await;
    let to = to(broker.url());
    let service = TestService::start_replica_with(&pool, |config| {
        to(config);
        config.mqtt.retry_ms_max = 1_000;
    })
    .await;
    listener.hears_status("online").await;
    for position in 1..=5 {
        nobody(&service, &denied).await;
        nobody(&service, &other).await;
        listener.hears(&other, position).await;
    }
    eventually("it is refused", async || service.metric("limen_mqtt_refused_total").await >= 2.0)
        .await;
    assert_in_order(&listener.positions(&other), 1, 5);
    std::fs::write(broker.folder.path().join("acl"), "topic readwrite #\n").unwrap();
    broker.signal(Signal::HUP);
    listener.hears(&denied, 5).await;
    assert_in_order(&listener.positions(&denied), 1, 5);
}

#[sqlx::test]
async fn what_waits_is_counted_also_while_the_right_is_lost(pool: PgPool) {
    // Nobody listens there.
    let url = format!("mqtt://127.0.0.1:{}", free_port());
    let service = TestService::start_with(&pool, to(url)).await;
    let gate = service.gate(json!({})).await;
    // So that it is told of.
    eventually("it has begun", async || {
        let begun = sqlx::query_scalar("select exists (select from mqtt_outlet)");
        begun.fetch_one(&pool).await.unwrap()
    })
    .await;
    nobody(&service, &gate).await;
    let backlog = async || service.metric("limen_mqtt_backlog").await;
    eventually("one waits", async || backlog().await == 1.0).await;
    assert_eq!(end_publisher(&pool).await, 1);
    let begun_at = Instant::now();
    while begun_at.elapsed() < Duration::from_secs(5) {
        assert_eq!(backlog().await, 1.0, "after {:?}", begun_at.elapsed());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Ends the connection that holds the right to publish, as when it breaks.
async fn end_publisher(pool: &PgPool) -> i64 {
    let ended = sqlx::query_scalar(
        "select count(pg_terminate_backend(pid)) from pg_locks
         where locktype = 'advisory' and classid = 0 and objid = 1836151924
             and database = (select oid from pg_database where datname = current_database())",
    );
    ended.fetch_one(pool).await.unwrap()
}

#[sqlx::test]
async fn a_wrong_password_is_told_once_and_never_shown(pool: PgPool) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("passwords");
    std::fs::write(&file, "limen:right\n").unwrap();
    let hashed = std::process::Command::new("mosquitto_passwd").arg("-U").arg(&file).status();
    assert!(hashed.unwrap().success());
    let passwords = std::fs::read_to_string(&file).unwrap();
    let settings = "allow_anonymous false\npassword_file {}/passwords";
    let broker = Broker::start(settings, &[("passwords", &passwords)]);
    let of_broker = broker.url();
    logged(&of_broker);
    let with = |password: &'static str| {
        let to = to(broker.url());
        move |config: &mut Config| {
            to(config);
            config.mqtt.username = Some("limen".to_owned());
            config.mqtt.password = Some(PasswordText(password.to_owned()));
        }
    };
    let wrong = TestService::start_with(&pool, with("WRONG-SECRET")).await;
    eventually("it is told", async || !logged(&of_broker).is_empty()).await;
    // It is tried again meanwhile.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let lines = logged(&of_broker);
    let [line] = lines.as_slice() else { panic!("{lines:?}") };
    assert!(line.contains("does not accept the username, the password"), "{line}");
    assert!(line.contains("WARN"), "{line}");
    assert!(logged("WRONG-SECRET").is_empty());
    let gate = wrong.gate(json!({})).await;
    nobody(&wrong, &gate).await;
    drop(wrong);

    let listener = Listener::start(&broker, Some(("limen", "right"))).await;
    let _right = TestService::start_replica_with(&pool, with("right")).await;
    listener.hears(&gate, 1).await;
}

fn named(name: &str) -> CertificateParams {
    let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

fn authority(name: &str) -> CertifiedIssuer<'static, KeyPair> {
    let mut params = named(name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// A certificate and its key, as PEM.
fn issue(authority: &CertifiedIssuer<'_, KeyPair>, name: &str) -> (String, String) {
    let key = KeyPair::generate().unwrap();
    (named(name).signed_by(&key, authority).unwrap().pem(), key.serialize_pem())
}

#[sqlx::test]
async fn a_broker_is_reached_by_tls_at_an_address_of_ipv6(pool: PgPool) {
    let ours = authority("ours");
    let (certificate, key) = issue(&ours, "::1");
    let port = free_port();
    let settings = format!(
        "allow_anonymous true\nlistener {port} ::1\ncafile {{}}/ours.pem\ncertfile {{}}/broker.pem\n\
         keyfile {{}}/broker.key"
    );
    let files = [("ours.pem", &*ours.pem()), ("broker.pem", &*certificate), ("broker.key", &*key)];
    let broker = Broker::start(&settings, &files);
    let listener = Listener::start(&broker, None).await;
    let to = to(format!("mqtts://[::1]:{port}"));
    let ca = broker.folder.path().join("ours.pem");
    let _service = TestService::start_with(&pool, |config| {
        to(config);
        config.mqtt.ca_file = Some(ca);
    })
    .await;
    listener.hears_status("online").await;
}

#[sqlx::test]
async fn a_broker_is_known_by_its_own_authority_and_limen_by_its_certificate(pool: PgPool) {
    let (ours, theirs) = (authority("ours"), authority("theirs"));
    let issue = |name: &str| issue(&ours, name);
    let (certificate, key) = issue("localhost");
    let (limens, limens_key) = issue("limen");
    let port = free_port();
    // Whoever listens in the test does so without.
    let settings = format!(
        "allow_anonymous true\nlistener {port} 127.0.0.1\ncafile {{}}/ours.pem\ncertfile {{}}/broker.pem\n\
         keyfile {{}}/broker.key\nrequire_certificate true"
    );
    let files = [
        ("ours.pem", &*ours.pem()),
        ("theirs.pem", &*theirs.pem()),
        ("broker.pem", &*certificate),
        ("broker.key", &*key),
        ("limen.pem", &*limens),
        ("limen.key", &*limens_key),
    ];
    let broker = Broker::start(&settings, &files);
    let url = format!("mqtts://localhost:{port}");
    let with = |ca: &str, identity: bool| {
        let file = |name: &str| Some(broker.folder.path().join(name));
        let (ca, certificate, key) = (file(ca), file("limen.pem"), file("limen.key"));
        let to = to(url.clone());
        move |config: &mut Config| {
            to(config);
            config.mqtt.ca_file = ca;
            if identity {
                (config.mqtt.client_cert_file, config.mqtt.client_key_file) = (certificate, key);
            }
        }
    };
    logged(&url);
    let listener = Listener::start(&broker, None).await;
    let stranger = TestService::start_with(&pool, with("theirs.pem", true)).await;
    let gate = stranger.gate(json!({})).await;
    nobody(&stranger, &gate).await;
    eventually("the broker is not believed", async || {
        logged(&url).iter().any(|line| line.contains("invalid peer certificate"))
    })
    .await;
    drop(stranger);
    let nameless = TestService::start_replica_with(&pool, with("ours.pem", false)).await;
    eventually("a certificate is asked for", async || {
        logged(&url).iter().any(|line| line.contains("ertificate") && line.contains("equired"))
    })
    .await;
    drop(nameless);
    assert_eq!(listener.positions(&gate), [0; 0]);
    let _known = TestService::start_replica_with(&pool, with("ours.pem", true)).await;
    listener.hears(&gate, 1).await;

    let mut config = config(&pool);
    with("nowhere.pem", false)(&mut config);
    let message = refusal(&config).await;
    assert!(
        message.contains("`ca_file` in [mqtt]") && message.contains("nowhere.pem"),
        "{message}"
    );
}
