//! The body of an import as it arrives.

use std::io;
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use tokio::sync::watch;

use crate::http::Problem;

/// What has arrived of an import.
#[derive(Debug, Default)]
pub(super) struct Arrived {
    /// Bytes of the body.
    pub bytes: AtomicU64,
    /// Rows of the list, once it was read.
    pub rows_listed: OnceLock<u64>,
    /// Photos that no row names.
    pub photos_unnamed: AtomicU64,
}

/// Why a body ended before its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
enum Cut {
    #[error("nothing came for {} ms", .0.as_millis())]
    Silence(Duration),
    #[error("the connection was cut")]
    Connection,
    #[error("the service is stopping")]
    Stopping,
}

/// The parts of a body. It may take as long as it takes, but not be silent for `silence_max` while it is waited for:
/// a part is waited for when those before were taken.
pub(super) fn parts(
    body: Body,
    silence_max: Duration,
    stopping: watch::Receiver<bool>,
    arrived: Arc<Arrived>,
) -> impl Stream<Item = io::Result<Bytes>> + Send {
    let begin = (body.into_data_stream(), stopping);
    stream::try_unfold(begin, move |(mut body, mut stopping)| {
        let arrived = Arc::clone(&arrived);
        async move {
            let part = tokio::select! {
                biased;
                () = stopped(&mut stopping) => return Err(io::Error::other(Cut::Stopping)),
                part = tokio::time::timeout(silence_max, body.next()) => part,
            };
            match part {
                Err(_) => Err(io::Error::other(Cut::Silence(silence_max))),
                Ok(None) => Ok(None),
                Ok(Some(Err(_))) => Err(io::Error::other(Cut::Connection)),
                Ok(Some(Ok(part))) => {
                    arrived.bytes.fetch_add(part.len() as u64, Ordering::Relaxed);
                    Ok(Some((part, (body, stopping))))
                }
            }
        }
    })
}

async fn stopped(stopping: &mut watch::Receiver<bool>) {
    while !*stopping.borrow() {
        // Also when nobody is left who could say so.
        if stopping.changed().await.is_err() {
            return;
        }
    }
}

/// Why the body was cut, where that is what went wrong.
pub(super) fn cut(error: &io::Error) -> Option<Problem> {
    let cut = error.get_ref()?.downcast_ref::<Cut>()?;
    Some(match cut {
        Cut::Silence(_) => Problem::timeout(cut),
        Cut::Connection => Problem::bad_request("body_interrupted", cut),
        Cut::Stopping => Problem::unavailable("stopping", cut),
    })
}
