//! A refusal often comes before the body was read. What is left of it is then in the way of the
//! connection's next request, so it is read and thrown away where it is short, and the client is told
//! that the connection ends where it is not.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, HttpBody};
use axum::extract::{Request, State};
use axum::http::HeaderValue;
use axum::http::header::{CONNECTION, EXPECT};
use axum::middleware::Next;
use axum::response::Response;
use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use parking_lot::Mutex;

/// How much is read to be thrown away.
#[derive(Clone, Copy, Debug)]
pub struct LeftoverLimits {
    /// The most bytes.
    pub bytes_max: usize,
    /// The longest that is waited for them.
    pub wait_max: Duration,
}

/// Where a body goes that nobody read to its end.
type Leftover = Arc<Mutex<Option<Body>>>;

/// A body that goes to its leftover when it is dropped.
struct Returned {
    body: Body,
    leftover: Leftover,
}

impl HttpBody for Returned {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }
}

impl Drop for Returned {
    fn drop(&mut self) {
        *self.leftover.lock() = Some(std::mem::take(&mut self.body));
    }
}

/// Sees to what the handler left of the request's body.
pub(super) async fn clear(
    State(limits): State<LeftoverLimits>,
    request: Request,
    next: Next,
) -> Response {
    // A client that waits for leave to send has sent nothing that could be in the way.
    let waits = request.headers().contains_key(EXPECT);
    let leftover = Leftover::default();
    let request = request.map(|body| Body::new(Returned { body, leftover: Arc::clone(&leftover) }));
    let mut response = next.run(request).await;
    let left = leftover.lock().take().filter(|body| !body.is_end_stream());
    if let Some(body) = left
        && (waits || !thrown_away(body, limits).await)
    {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// Reads a body to its end; false when it is too long or too slow.
async fn thrown_away(body: Body, limits: LeftoverLimits) -> bool {
    let announced = body.size_hint().exact().unwrap_or(0);
    if announced > limits.bytes_max as u64 {
        return false;
    }
    let mut rest = Limited::new(body, limits.bytes_max);
    let end = async {
        // Each piece is dropped as it comes.
        while let Some(frame) = rest.frame().await {
            if frame.is_err() {
                return false;
            }
        }
        true
    };
    matches!(tokio::time::timeout(limits.wait_max, end).await, Ok(true))
}
