//! An answer, read whole and within limits.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use reqwest::{RequestBuilder, Response};
use serde::de::DeserializeOwned;

use crate::{Error, Problem};

/// How long an answer may take.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
/// The longest answer that is read.
const ANSWER_BYTES_MAX: usize = 16 << 20;
/// As much of an answer that is none is told.
const DETAIL_CHARS_MAX: usize = 200;

/// Asks, and reads what is answered.
pub(crate) async fn read<T: DeserializeOwned>(request: RequestBuilder) -> Result<T, Error> {
    read_in_time(request.timeout(ANSWER_TIMEOUT)).await
}

/// As [`read`], for as long as the request or its client of HTTP allows.
pub(crate) async fn read_in_time<T: DeserializeOwned>(request: RequestBuilder) -> Result<T, Error> {
    let response = accepted(request.send().await?).await?;
    let (status, body) = (response.status().as_u16(), whole(response).await?);
    let unreadable =
        |error: serde_json::Error| Error::Unreadable { status, detail: error.to_string() };
    serde_json::from_slice(&body).map_err(unreadable)
}

/// Asks for something that is answered without a body.
pub(crate) async fn done(request: RequestBuilder) -> Result<(), Error> {
    accepted(request.timeout(ANSWER_TIMEOUT).send().await?).await.map(drop)
}

/// The answer, unless it refuses.
pub(crate) async fn accepted(response: Response) -> Result<Response, Error> {
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    let body = whole(response).await?;
    Err(match serde_json::from_slice::<Problem>(&body) {
        Ok(problem) if problem.status == status.as_u16() => problem.into(),
        _ => {
            let detail = String::from_utf8_lossy(&body).chars().take(DETAIL_CHARS_MAX).collect();
            Error::Unreadable { status: status.as_u16(), detail }
        }
    })
}

async fn whole(mut response: Response) -> Result<Bytes, Error> {
    let mut body = BytesMut::new();
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > ANSWER_BYTES_MAX {
            let detail = format!("it has more than {ANSWER_BYTES_MAX} bytes");
            return Err(Error::Unreadable { status: response.status().as_u16(), detail });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}
