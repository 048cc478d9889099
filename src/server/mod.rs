//! The service as a whole: loaded from the configuration, run until it is told to stop.

mod addresses;
mod connections;
mod heads;
mod keys;
mod matching;
mod mqtt;
mod oidc;
mod retention;

use std::future::Future;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tracing::{info, warn};

use crate::access::{
    Alarms, Enrolments, Gatekeeper, GrantSigner, ReEnrolment, ReEnrolmentRules, Told, check_models,
};
use crate::config::{Config, EventsConfig, ServerConfig};
use crate::events::{self, Bell, DeliverySettings};
use crate::gallery::{self, ResyncSettings};
use crate::http::{
    self, About, AppState, Entrance, HttpSettings, InvitationSettings, LeftoverLimits, Streams,
    WrongKeys,
};
use crate::inference::Engine;
use crate::metrics::Metrics;
use crate::store::{GalleryListener, Store};
use crate::vision::NetworkFile;
use connections::{ConnectionLimits, serve};
pub use keys::{grant_key, keyring, secret_file};
pub use matching::matcher;
use retention::Retention;

/// How long the broker is waited for at the end.
const FAREWELL: Duration = Duration::from_secs(3);

/// Serves `listener` until `shutdown` resolves, then takes no new connection, answers what was
/// accepted, and ends the workers.
///
/// It answers at once, and until the networks are warm and the gallery is loaded with nothing but
/// its being alive: see [`Entrance`].
///
/// # Errors
/// Whatever is missing, with the way to get it.
pub async fn run(
    config: &Config,
    listener: TcpListener,
    shutdown: impl Future<Output = ()>,
) -> anyhow::Result<()> {
    let address = listener.local_addr()?;
    let broker = mqtt::settings(config)?;
    let entrance = Entrance::new(leftover(&config.server));
    let (stop, stopping) = watch::channel(false);
    // Streams have no end of their own.
    let shutdown = async {
        shutdown.await;
        stop.send_replace(true);
    };
    let limits = ConnectionLimits::of(&config.server);
    let mut connections = std::pin::pin!(serve(listener, entrance.router(), &limits, shutdown));
    let (state, rope, listener) = tokio::select! {
        loaded = load(config, stopping) => loaded?,
        // Told to stop before there was anything to stop.
        () = &mut connections => return Ok(()),
    };
    entrance.open(http::router(state.clone()));
    let (model, people) = (&state.engine.encoder().model, state.gallery.people());
    info!(%address, %model, people, "serving");
    info!("the console: http://{}/console", reachable(address));

    let resync = ResyncSettings {
        interval: Duration::from_secs(config.database.resync_interval_s),
        retry: Duration::from_millis(config.database.resync_retry_ms),
    };
    let galleries = state.matcher.galleries().cloned().collect();
    let follower = tokio::spawn(gallery::follow(galleries, state.store.clone(), listener, resync));
    let ringer = tokio::spawn(events::ring(state.store.clone(), rope));
    let deliverer = events::Deliverer::new(
        delivery(&config.events),
        state.store.clone(),
        state.bell.clone(),
        Arc::clone(&state.metrics),
    );
    let deliverer = tokio::spawn(deliverer.context("webhooks cannot be delivered")?.run());
    let publisher = match broker {
        None => None,
        Some(settings) => {
            let (bell, metrics) = (state.bell.clone(), Arc::clone(&state.metrics));
            let publisher = events::Publisher::new(settings, state.store.clone(), bell, metrics)
                .context("[mqtt] of config.toml")?;
            Some(tokio::spawn(publisher.run(state.stopping.clone())))
        }
    };
    let kept = Retention {
        passages: config.privacy.passages_kept(),
        leavers: config.privacy.leavers_kept(),
        photos: config.photos.kept(),
        imports: config.privacy.imports_kept(),
        interval: config.privacy.retention_interval(),
    };
    let (gallery, metrics) = (Arc::clone(&state.gallery), Arc::clone(&state.metrics));
    let audit = config.audit.clone();
    let heads = audit.heads_file.map(|file| {
        tokio::spawn(heads::keep(file, config.audit.heads_interval(), state.store.clone()))
    });
    let retention = tokio::spawn(retention::keep(kept, state.store.clone(), gallery, metrics));
    connections.await;
    follower.abort();
    retention.abort();
    if let Some(heads) = heads {
        heads.abort();
    }
    ringer.abort();
    deliverer.abort();
    if let Some(mut publisher) = publisher {
        // It takes leave of the broker.
        if tokio::time::timeout(FAREWELL, &mut publisher).await.is_err() {
            publisher.abort();
        }
    }
    let engine = state.engine;
    tokio::task::spawn_blocking(move || engine.stop()).await?;
    // A Postgres that is silent does not hold up the end.
    let patience = config.database.store().acquire_timeout;
    if tokio::time::timeout(patience, state.store.close()).await.is_err() {
        warn!("Postgres did not take leave");
    }
    info!("stopped");
    Ok(())
}

/// How a browser on this machine reaches an address that is listened on.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

/// Connects to Postgres, loads and warms the networks and loads the gallery.
async fn load(
    config: &Config,
    stopping: watch::Receiver<bool>,
) -> anyhow::Result<(AppState, watch::Sender<()>, GalleryListener)> {
    let checked = config.clone();
    tokio::task::spawn_blocking(move || checked.check_networks()).await??;
    let keys = keyring(&config.secrets).await?;
    let ring = Arc::clone(&keys);
    let ids: Vec<_> = keys.ids().map(|id| id.to_string()).collect();
    info!(seals = %keys.sealing_id(), open = ids.join(" "), "the keys of the templates are known");
    let store = Store::connect(&config.database.store()).await.context(
        "Postgres cannot be reached; `url` in [database] of config.toml or DATABASE_URL says where it is",
    )?;
    let store = store.with_keyring(keys);
    store.check_schema().await?;
    store.sign_first_heads().await?;
    if let Some(file) = &config.audit.heads_file {
        heads::check(file).await?;
    }
    store.check_sealed().await?;
    store.check_signers().await?;
    for (key, secrets) in store.device_secrets_by_key().await? {
        if !ring.has(key) {
            warn!(%key, secrets, "gates sign with secrets under a key that is not here: they are refused");
        }
    }
    for (key, photos) in store.photos_by_key().await? {
        if !ring.has(key) {
            warn!(%key, photos, "photos are sealed under a key that is not here: they cannot be read");
        }
    }
    let settings = config.engine();
    info!(workers = settings.workers, device = %settings.road.device, "loading the networks");
    let engine = tokio::task::spawn_blocking(move || Engine::start(&settings)).await??;
    let weights = &config.inference.weights_dir;
    let verifier = config.matching.verifier(weights, &config.road)?;
    let about = About {
        started_at: Instant::now(),
        device: config.road.device.to_string(),
        workers: config.engine().workers,
        networks: NetworkFile::of_road(
            weights,
            &config.road,
            config.previous_encoder().as_ref(),
            verifier.is_some(),
        )?,
    };
    if let Some(verifier) = &verifier {
        let minimum = verifier.minimum().value();
        info!(minimum, "faces are compared with one person by a verifier");
    }
    let matcher = matcher(config, engine.encoder(), engine.previous())?.with_verifier(verifier);
    let stored = check_models(&store, &matcher).await??;
    let galleries: Vec<_> = matcher.galleries().cloned().collect();
    let loaded = gallery::load(&galleries, &store).await;
    let listener = loaded.context("the gallery cannot be loaded")?;
    let people: usize = galleries.iter().map(|gallery| gallery.people()).sum();
    ensure!(
        stored == 0 || people > 0,
        "none of the {stored} stored templates can be opened, although their keys are here: they were altered, \
         or their rows come from elsewhere. Restore a backup, or remove them and enrol these people again \
         (docs/ENCRYPTION.md)"
    );

    let grant_signer = match &config.gates.grant_key_file {
        None => None,
        Some(file) => {
            let key = grant_key(file).context("`grant_key_file` in [gates] of config.toml")?;
            info!(public_key = key.public(), "grants are signed");
            Some(Arc::new(GrantSigner::new(key, config.gates.grant_token_lifetime())))
        }
    };
    let (rope, bell) = Bell::new();
    let metrics = Arc::new(Metrics::new(matcher.model().as_str(), http::overload_limits()));
    let alarms = Arc::clone(&metrics);
    let alarms = Alarms::new(move |alarm, passage| http::raise_alarm(&alarms, alarm, passage));
    let clock_skew_max = config.gates.clock_skew_max();
    let enrolments = Enrolments::new(store.clone(), matcher.clone());
    let settings = Arc::new(http_settings(config));
    let re_enrolment = re_enrolment(config, &enrolments, &settings, &metrics);
    let gatekeeper = Gatekeeper::new(store.clone(), matcher.clone(), clock_skew_max, alarms)
        .with_re_enrolment(re_enrolment);
    let provider = oidc::provider(config)?.map(Arc::new);
    if let Some(provider) = provider.clone() {
        // Gates do not wait for it.
        tokio::spawn(async move { provider.look().await });
    }
    let state = AppState {
        about: Arc::new(about),
        metrics,
        metrics_readers: Arc::default(),
        wrong_keys: WrongKeys::new(config.server.wrong_keys_per_minute_max),
        wrong_tokens: WrongKeys::new(config.server.wrong_keys_per_minute_max),
        engine: Arc::new(engine),
        enrolments,
        gatekeeper,
        grant_signer,
        gallery: Arc::clone(matcher.gallery()),
        matcher,
        store,
        request_permits: Arc::new(Semaphore::new(config.server.requests_max)),
        // Lists may read much: gates keep the other half of the connections to Postgres.
        list_permits: Arc::new(Semaphore::new(config.database.connections_max as usize / 2)),
        streams: Streams::new(config.events.streams_max, config.events.streams_per_key_max),
        stream_reads: Arc::new(Semaphore::new(1)),
        import_permits: Arc::new(Semaphore::new(config.enrolment.imports_max)),
        invited_photos: Arc::new(Semaphore::new(http::INVITED_PHOTOS_MAX)),
        import_looks: Arc::new(Semaphore::new(photos_at_once(config))),
        bell,
        stopping,
        frame_bytes: Arc::new(Semaphore::new(config.server.frame_bytes_in_flight_max)),
        provider,
        settings,
    };
    Ok((state, rope, listener))
}

/// Who re-enrols at the gates, where the site wants it and there is a previous model.
fn re_enrolment(
    config: &Config,
    enrolments: &Enrolments,
    settings: &HttpSettings,
    metrics: &Arc<Metrics>,
) -> Option<ReEnrolment> {
    config.previous_encoder().filter(|_| config.previous.re_enrol_at_gate)?;
    let rules = ReEnrolmentRules {
        enrolment: settings.enrolment_rules(),
        pupil_distance_px_min: settings.enrolment_pupil_distance_px_min,
        liveness_threshold: settings.liveness_threshold,
    };
    let metrics = Arc::clone(metrics);
    let told = Told::new(move |outcome| metrics.outcome("re_enrol", outcome));
    Some(ReEnrolment::new(enrolments.clone(), rules, told))
}

fn delivery(config: &EventsConfig) -> DeliverySettings {
    DeliverySettings {
        hosts: config.webhook_hosts.clone(),
        timeout: config.webhook_timeout(),
        attempts_max: config.webhook_attempts_max,
        retry_min: config.webhook_retry_min(),
        retry_max: config.webhook_retry_max(),
        rows_max: config.rows_max,
    }
}

fn leftover(config: &ServerConfig) -> LeftoverLimits {
    LeftoverLimits {
        bytes_max: config.leftover_bytes_max,
        wait_max: Duration::from_millis(config.leftover_wait_ms),
    }
}

/// Photos of imports that are looked at at once: never more than there are workers.
fn photos_at_once(config: &Config) -> usize {
    let workers = config.engine().workers;
    match config.enrolment.import_photos_at_once {
        0 => workers,
        photos => photos.min(workers),
    }
}

fn http_settings(config: &Config) -> HttpSettings {
    HttpSettings {
        frame_bytes_max: config.road.frame.bytes_max,
        frames_per_passage_max: config.server.frames_per_passage_max,
        form_bytes_max: config.server.form_bytes_max,
        json_bytes_max: config.server.json_bytes_max,
        leftover: leftover(&config.server),
        session_lifetime: config.console.session_lifetime(),
        session_idle_max: config.console.session_idle_max(),
        page_rows_max: config.server.page_rows_max,
        event_rows_max: config.events.rows_max,
        webhook_hosts: config.events.webhook_hosts.clone(),
        candidates_max: config.matching.candidates_max,
        request_timeout: config.server.request_timeout(),
        metrics_public: config.server.metrics_public,
        liveness_threshold: config.matching.liveness_threshold,
        pupil_distance_px_min: config.matching.pupil_distance_px_min,
        new_gate: config.new_gate(),
        request_age_max: config.gates.request_age_max(),
        clock_skew_max: Duration::from_millis(config.gates.clock_skew_ms_max.into()),
        grant_lifetime: config.gates.grant_token_lifetime(),
        enrolment_pupil_distance_px_min: config.enrolment.pupil_distance_px_min,
        enrolment_liveness: config.enrolment.liveness,
        consent_required: config.privacy.consent_required,
        faces_max: config.enrolment.faces_max,
        lookalikes_need_badge: config.enrolment.lookalikes_need_badge,
        keep_photos: config.photos.keep,
        import_rows_max: config.enrolment.import_rows_max,
        import_photos_at_once: photos_at_once(config),
        invitations: InvitationSettings {
            base_url: config.server.base_url.clone(),
            lifetime: config.invitations.lifetime(),
            lifetime_max: config.invitations.lifetime_max(),
            attempts_max: config.invitations.attempts_max,
            consent_url: config.invitations.consent_url.clone(),
        },
    }
}
