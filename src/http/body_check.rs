//! Whether a body is the one that was signed.

use std::sync::Arc;
use std::task::{Context, Poll, ready};

use axum::body::{Body, BodyDataStream};
use axum::extract::Request;
use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::Problem;

/// SHA-256 of the body as the signature has it; who checks a signature puts it into the request.
#[derive(Clone, Copy, Debug)]
pub(super) struct SignedBody(pub [u8; 32]);

/// Hashes a body while it is read, whoever reads it.
pub(super) struct BodyCheck {
    body: Arc<Mutex<Hashed>>,
    signed: SignedBody,
}

struct Hashed {
    body: BodyDataStream,
    hash: Sha256,
}

impl Hashed {
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, axum::Error>>> {
        let part = ready!(self.body.poll_next_unpin(context));
        if let Some(Ok(bytes)) = &part {
            self.hash.update(bytes);
        }
        Poll::Ready(part)
    }
}

fn parts(body: &Arc<Mutex<Hashed>>) -> impl Stream<Item = Result<Bytes, axum::Error>> + use<> {
    let body = Arc::clone(body);
    stream::poll_fn(move |context| body.lock().poll(context))
}

impl BodyCheck {
    /// Begins to hash the body of a signed request; none for one that is not signed.
    pub fn begin(request: Request) -> (Request, Option<Self>) {
        let Some(signed) = request.extensions().get::<SignedBody>().copied() else {
            return (request, None);
        };
        let (head, body) = request.into_parts();
        let hashed = Hashed { body: body.into_data_stream(), hash: Sha256::new() };
        let body = Arc::new(Mutex::new(hashed));
        let request = Request::from_parts(head, Body::from_stream(parts(&body)));
        (request, Some(Self { body, signed }))
    }

    /// Checks the body to its end. What its reader left, behind a form's last boundary, counts too, up to
    /// `rest_bytes_max`.
    pub async fn finish(self, rest_bytes_max: usize) -> Result<(), Problem> {
        let altered = || {
            Problem::badly_signed(
                "bad_signature",
                "the body is not the one that x-content-sha256 names",
            )
        };
        let (mut rest, mut rest_bytes) = (parts(&self.body), 0);
        while let Some(part) = rest.next().await {
            let part = part.map_err(|error| Problem::bad_request("body_interrupted", error))?;
            rest_bytes += part.len();
            if rest_bytes > rest_bytes_max {
                return Err(altered());
            }
        }
        let hash: [u8; 32] = self.body.lock().hash.clone().finalize().into();
        let same: bool = hash.ct_eq(&self.signed.0).into();
        if same { Ok(()) } else { Err(altered()) }
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    fn request(body: &'static [u8], signed: &[u8]) -> Request {
        let mut request = Request::new(Body::from(body));
        request.extensions_mut().insert(SignedBody(Sha256::digest(signed).into()));
        request
    }

    #[tokio::test]
    async fn a_body_that_was_read_in_part_is_checked_whole() {
        for (sent, read, right) in
            [(&b"frame"[..], true, true), (b"frame", false, true), (b"frames", true, false)]
        {
            let (request, check) = BodyCheck::begin(request(sent, b"frame"));
            if read {
                assert_eq!(request.into_body().collect().await.unwrap().to_bytes(), sent);
            }
            let checked = check.unwrap().finish(16).await;
            assert_eq!(checked.is_ok(), right, "{checked:?}");
        }
        let (_, check) = BodyCheck::begin(request(b"frame", b"frame"));
        assert!(check.unwrap().finish(4).await.is_err(), "more than may be left");
        assert!(BodyCheck::begin(Request::new(Body::empty())).1.is_none());
    }
}
