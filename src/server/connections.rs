//! Accepts connections: bounded in number, in the time a request's head may take, and in the time
//! that is left to them at the end.

use std::future::Future;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::HeaderValue;
use axum::http::header::CONNECTION;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use futures_util::FutureExt;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::unconstrained;
use tokio_io_timeout::TimeoutStream;
use tower_http::add_extension::AddExtension;
use tracing::{debug, info, warn};

use super::addresses::Addresses;
use crate::config::ServerConfig;
use crate::http::Origin;

/// How long to wait when no connection can be accepted (out of file descriptors, say).
const ACCEPT_RETRY: Duration = Duration::from_millis(100);

/// How long a connection that was made before the end may still begin a request: the way of a packet
/// or two, and a busy machine. No longer than `shutdown_grace`.
const LAST_REQUESTS: Duration = Duration::from_millis(250);

/// Limits of the connections.
#[derive(Clone, Copy, Debug)]
pub(super) struct ConnectionLimits {
    /// Connections at once; a further one waits in the system's queue.
    pub connections_max: usize,
    /// Connections at once from one address; a further one is closed.
    pub connections_per_address_max: usize,
    /// Time that a client may leave an answer unread.
    pub write_timeout: Duration,
    /// Bytes that are read of a connection at once: about what a request's head may have.
    pub head_bytes_max: usize,
    /// Time that the head of a request may take, counted from the one before.
    pub header_timeout: Duration,
    /// Time that is left to accepted requests after the signal to stop.
    pub shutdown_grace: Duration,
}

impl ConnectionLimits {
    /// Those of the configuration.
    pub fn of(config: &ServerConfig) -> Self {
        Self {
            connections_max: config.connections_max,
            connections_per_address_max: config.connections_per_address_max,
            write_timeout: Duration::from_millis(config.write_timeout_ms),
            head_bytes_max: config.head_bytes_max,
            header_timeout: Duration::from_millis(config.header_timeout_ms),
            shutdown_grace: Duration::from_millis(config.shutdown_grace_ms),
        }
    }
}

/// Serves `router` on `listener` until `shutdown` resolves and what was accepted is answered: every
/// request that comes on a connection made by then, or within [`LAST_REQUESTS`] or the grace of it, beyond
/// `connections_max` excepted. The answers then say `connection: close`.
pub(super) async fn serve(
    listener: TcpListener,
    router: Router,
    limits: &ConnectionLimits,
    shutdown: impl Future<Output = ()>,
) {
    // HTTP/1.1 alone: to tell HTTP/2 from it, a connection's first bytes are awaited without limit.
    let mut builder = Builder::new(TokioExecutor::new()).http1_only();
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_timeout)
        .max_buf_size(limits.head_bytes_max);
    let last_requests = LAST_REQUESTS.min(limits.shutdown_grace);
    let graceful = GracefulShutdown::new();
    let permits = Arc::new(Semaphore::new(limits.connections_max));
    let addresses = Addresses::new(limits.connections_per_address_max);
    let stopping = Arc::new(AtomicBool::new(false));
    let router = router.layer(from_fn_with_state(Arc::clone(&stopping), close_when_stopping));
    let end = async {
        shutdown.await;
        info!("stopping: answering what was accepted");
        stopping.store(true, Ordering::Relaxed);
        tokio::time::sleep(last_requests).await;
    };
    let serve = |(stream, address, permit): Accepted| {
        let Some(place) = addresses.enter(address) else {
            return;
        };
        let mut stream = TimeoutStream::new(stream);
        stream.set_write_timeout(Some(limits.write_timeout));
        let stream = TokioIo::new(Box::pin(stream));
        let service = AddExtension::new(router.clone(), Origin(address));
        let service = TowerToHyperService::new(service);
        let connection = builder.serve_connection(stream, service).into_owned();
        let connection = graceful.watch(connection);
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                debug!(%error, "a connection ended early");
            }
            drop((permit, place));
        });
    };
    let mut end = std::pin::pin!(end);
    loop {
        tokio::select! {
            biased;
            () = &mut end => break,
            accepted = accept(&listener, &permits, limits.write_timeout) => match accepted {
                Some(accepted) => serve(accepted),
                None => break,
            },
        }
    }
    // Those that wait to be accepted the system has accepted already.
    for _ in 0..limits.connections_max {
        // Otherwise tokio would have the task pause after some tens.
        match unconstrained(accept(&listener, &permits, limits.write_timeout))
            .now_or_never()
            .flatten()
        {
            Some(accepted) => serve(accepted),
            None => break,
        }
    }
    // New connections are refused from here on, not left to wait.
    drop(listener);
    // The last ones to come are not idle, they have not begun.
    tokio::time::sleep(last_requests).await;
    if tokio::time::timeout(limits.shutdown_grace, graceful.shutdown()).await.is_err() {
        warn!(grace_ms = limits.shutdown_grace.as_millis() as u64, "some requests were cut off");
    }
}

/// Tells whoever asks again that this connection takes no more.
async fn close_when_stopping(
    State(stopping): State<Arc<AtomicBool>>,
    request: Request,
    next: Next,
) -> Response {
    let mut response = next.run(request).await;
    if stopping.load(Ordering::Relaxed) {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// A connection, whose it is, and its permit.
type Accepted = (TcpStream, IpAddr, OwnedSemaphorePermit);

/// Sends answers at once, and ends the connection when what was sent is not acknowledged for so long: a client that
/// vanished without a word would else keep its place until the system gives up, after some 15 minutes.
fn prepare(stream: &TcpStream, unread_max: Duration) -> io::Result<()> {
    stream.set_nodelay(true)?;
    SockRef::from(stream).set_tcp_user_timeout(Some(unread_max))
}

/// The next connection; none when no permits will ever come.
async fn accept(
    listener: &TcpListener,
    permits: &Arc<Semaphore>,
    unread_max: Duration,
) -> Option<Accepted> {
    let permit = Arc::clone(permits).acquire_owned().await.ok()?;
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                if let Err(error) = prepare(&stream, unread_max) {
                    debug!(%error, "a connection keeps the system's settings");
                }
                return Some((stream, peer.ip().to_canonical(), permit));
            }
            Err(error) => {
                warn!(%error, "no connection can be accepted");
                tokio::time::sleep(ACCEPT_RETRY).await;
            }
        }
    }
}
