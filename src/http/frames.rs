//! Frames out of a request: the raw body, or `multipart/form-data` with `frame` parts.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{FromRequest, FromRequestParts, Multipart, Request};
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::request::Parts;
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use utoipa::ToSchema;

use super::body_check::BodyCheck;
use super::held::Held;
use super::overload::Overload;
use super::{AppState, Problem};
use crate::inference::FrameBytes;
use crate::vision::{DecodeError, FrameFormat};

/// How frames come in a form.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "names the form in the contract; the parts are read as they arrive")]
pub(super) struct FrameForm {
    /// A picture each, with its own content type.
    #[schema(value_type = Vec<String>, format = Binary)]
    frame: Vec<Vec<u8>>,
}

/// A frame as a body of its own.
#[derive(Debug, ToSchema)]
#[schema(value_type = String, format = Binary)]
#[expect(dead_code, reason = "names the body in the contract")]
pub(super) struct FrameFile(Vec<u8>);

/// One to [`super::HttpSettings::frames_per_passage_max`] frames, each of which keeps its part of the
/// memory that all may take for as long as it is anywhere.
#[derive(Debug)]
pub(super) struct Frames(Vec<FrameBytes>);

impl Frames {
    /// SHA-256 over all frames and their lengths.
    ///
    /// # Errors
    /// When the thread that hashes breaks down.
    pub async fn sha256(&self) -> Result<[u8; 32], Problem> {
        let frames: Vec<Bytes> = self.iter().map(|frame| frame.bytes.clone()).collect();
        let hash = tokio::task::spawn_blocking(move || {
            let mut hash = Sha256::new();
            for frame in frames {
                hash.update((frame.len() as u64).to_le_bytes());
                hash.update(&frame);
            }
            hash.finalize().into()
        });
        hash.await.map_err(Problem::internal)
    }

    /// The frames as sent.
    pub fn iter(&self) -> impl Iterator<Item = &FrameBytes> {
        self.0.iter()
    }
}

impl FromRequest<AppState> for Frames {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &AppState) -> Result<Self, Problem> {
        let held = Held::nothing_of(&state.frame_bytes);
        let (request, check) = BodyCheck::begin(request);
        let content_type = request
            .headers()
            .get(CONTENT_TYPE)
            .map(|value| value.to_str().unwrap_or_default().to_owned());
        let frames = match content_type {
            Some(kind) if is_multipart(&kind) => multipart(request, state, held).await?,
            kind => vec![raw(request, kind.as_deref(), state, held).await?],
        };
        if let Some(check) = check {
            check.finish(state.settings.form_bytes_max).await?;
        }
        Ok(Self(frames))
    }
}

/// There is a place for a frame now, though it is kept for nobody. Asked before the key is looked up and
/// before the body is read, so that most of what is sent away under overload costs little. Not asked of
/// passages: a repeated event is answered from the trail.
#[derive(Debug)]
pub(super) struct Room;

impl FromRequestParts<AppState> for Room {
    type Rejection = Problem;

    async fn from_request_parts(_: &mut Parts, state: &AppState) -> Result<Self, Problem> {
        if state.engine.is_full() { Err(Problem::overloaded(Overload::Frames)) } else { Ok(Self) }
    }
}

/// Exactly one frame.
#[derive(Debug)]
pub(super) struct OneFrame {
    /// The frame as sent.
    pub frame: FrameBytes,
}

impl OneFrame {
    /// SHA-256 of the frame's bytes.
    ///
    /// # Errors
    /// When the thread that hashes breaks down.
    pub async fn sha256(&self) -> Result<[u8; 32], Problem> {
        let frame = self.frame.bytes.clone();
        let hash = tokio::task::spawn_blocking(move || Sha256::digest(&frame).into());
        hash.await.map_err(Problem::internal)
    }
}

impl FromRequest<AppState> for OneFrame {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &AppState) -> Result<Self, Problem> {
        let Frames(mut frames) = Frames::from_request(request, state).await?;
        match (frames.pop(), frames.len()) {
            (Some(frame), 0) => Ok(Self { frame }),
            (_, others) => {
                let detail = format!("this takes one frame, {} were sent", others + 1);
                Err(Problem::bad_request("too_many_frames", detail))
            }
        }
    }
}

fn is_multipart(content_type: &str) -> bool {
    content_type.trim_start().to_ascii_lowercase().starts_with("multipart/form-data")
}

/// Which format a frame's content type declares.
fn declared(content_type: Option<&str>) -> Result<FrameFormat, Problem> {
    content_type.and_then(FrameFormat::from_media_type).ok_or_else(|| {
        let sent = content_type.unwrap_or("none");
        Problem::unsupported(
            "unsupported_content_type",
            format!(
                "send a frame as image/jpeg, image/png or image/webp, or as multipart/form-data \
                 with parts named frame; the content-type sent is {sent}"
            ),
        )
    })
}

async fn raw(
    request: Request,
    content_type: Option<&str>,
    state: &AppState,
    held: Held,
) -> Result<FrameBytes, Problem> {
    let declared = Some(declared(content_type)?);
    let bytes_max = state.settings.frame_bytes_max;
    let bytes = read(request, bytes_max, "frame", |bytes| held.more(bytes)).await?;
    if bytes.is_empty() {
        return Err(DecodeError::Empty.into());
    }
    Ok(FrameBytes { bytes: held.until_gone(bytes), declared })
}

async fn multipart(
    request: Request,
    state: &AppState,
    held: Held,
) -> Result<Vec<FrameBytes>, Problem> {
    let frames_max = state.settings.frames_per_passage_max;
    let frame_bytes_max = state.settings.frame_bytes_max;
    let body_bytes_max = frames_max * frame_bytes_max + state.settings.form_bytes_max;
    check_length(&request, body_bytes_max, "body")?;
    // All that comes is counted, not only what turns out to be a frame: the rest is kept as well.
    let refused = Arc::new(Mutex::new(None));
    let request = request.map(|body| {
        let (held, refused) = (held.clone(), Arc::clone(&refused));
        let counted = Body::new(Limited::new(body, body_bytes_max)).into_data_stream();
        Body::from_stream(counted.map(move |part| {
            let part = part?;
            held.more(part.len()).map_err(|problem| {
                let error = axum::Error::new(problem.code());
                *refused.lock() = Some(problem);
                error
            })?;
            Ok::<_, axum::Error>(part)
        }))
    });
    let bad = |error: axum::extract::multipart::MultipartError| match (
        refused.lock().take(),
        error.status().as_u16(),
    ) {
        (Some(problem), _) => problem,
        (None, 413) => too_large("body", body_bytes_max),
        (None, _) => Problem::bad_request("bad_multipart", error.body_text()),
    };
    let mut multipart = Multipart::from_request(request, state)
        .await
        .map_err(|error| Problem::bad_request("bad_multipart", error.body_text()))?;
    let mut frames = Vec::new();
    while let Some(mut field) = multipart.next_field().await.map_err(bad)? {
        let name = field.name().unwrap_or_default();
        if name != "frame" {
            let detail = format!("unknown part {name:?}: the parts must be named frame");
            return Err(Problem::bad_request("unknown_part", detail));
        }
        if frames.len() == frames_max {
            let detail = format!("at most {frames_max} frames are allowed");
            return Err(Problem::bad_request("too_many_frames", detail));
        }
        let declared = Some(declared(field.content_type())?);
        let mut bytes = Vec::new();
        while let Some(chunk) = field.chunk().await.map_err(bad)? {
            if bytes.len() + chunk.len() > frame_bytes_max {
                return Err(too_large("frame", frame_bytes_max));
            }
            bytes.extend_from_slice(&chunk);
        }
        if bytes.is_empty() {
            return Err(DecodeError::Empty.into());
        }
        frames.push(FrameBytes { bytes: held.clone().until_gone(bytes), declared });
    }
    if frames.is_empty() {
        let detail = "the form has no part named frame";
        return Err(Problem::bad_request("missing_frame", detail));
    }
    Ok(frames)
}

/// Reads a body of at most `bytes_max`; one that announces more is not read at all.
pub(super) async fn read_body(
    request: Request,
    bytes_max: usize,
    what: &str,
) -> Result<Bytes, Problem> {
    read(request, bytes_max, what, |_| Ok(())).await
}

/// As [`read_body`]; `may_keep` is asked of every part before it is kept.
async fn read(
    request: Request,
    bytes_max: usize,
    what: &str,
    mut may_keep: impl FnMut(usize) -> Result<(), Problem>,
) -> Result<Bytes, Problem> {
    check_length(&request, bytes_max, what)?;
    let mut body = Limited::new(request.into_body(), bytes_max);
    let mut bytes = BytesMut::new();
    while let Some(part) = body.frame().await {
        let part = part.map_err(|error| match error.is::<LengthLimitError>() {
            true => too_large(what, bytes_max),
            false => Problem::bad_request("body_interrupted", error),
        })?;
        if let Some(data) = part.data_ref() {
            may_keep(data.len())?;
            bytes.extend_from_slice(data);
        }
    }
    Ok(bytes.freeze())
}

fn check_length(request: &Request, bytes_max: usize, what: &str) -> Result<(), Problem> {
    let announced = request
        .headers()
        .get(CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.parse::<u64>().ok());
    match announced {
        Some(bytes) if bytes > bytes_max as u64 => Err(too_large(what, bytes_max)),
        _ => Ok(()),
    }
}

fn too_large(what: &str, bytes_max: usize) -> Problem {
    let detail = format!("the {what} is larger than the allowed {bytes_max} bytes");
    Problem::too_large(if what == "frame" { "frame_too_large" } else { "body_too_large" }, detail)
}
