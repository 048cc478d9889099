//! A turnstile as firmware has it: it signs what it asks, and asks again where it hears nothing.

use std::time::Duration;

use anyhow::Context;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use chrono::{DateTime, SecondsFormat, Utc};
use limen_grant::{Hex, Request, body_hash};
use reqwest::{Client, StatusCode, Url};
use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::cast::Photo;
use super::service::{Service, retry_after};
use crate::domain::{Decision, EmployeeId, GateId, KeyId, PassageId, Reason};

/// What a gate is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub(super) struct Told {
    pub decision: Decision,
    pub reason: Reason,
    pub employee_id: Option<EmployeeId>,
    pub passage_id: PassageId,
}

/// What became of a request that was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Sent {
    Answered(Told),
    /// The service is too busy, or not ready: nothing was decided.
    Busy(Option<Duration>),
    /// The service did not take it: its status and code.
    Refused(String),
    /// It never left.
    Unreached,
    /// It left, and no answer came: what became of it nobody here knows.
    Lost(&'static str),
}

/// Frames as they are sent.
#[derive(Clone, Debug)]
pub(super) struct Frames {
    content_type: String,
    body: Bytes,
    sha256: [u8; 32],
}

impl Frames {
    /// One frame as it is, several as a form.
    pub fn new(photos: &[&Photo]) -> Self {
        let (content_type, body) = match photos {
            [photo] => (photo.format.media_type().to_owned(), photo.bytes.clone()),
            photos => form(photos),
        };
        Self { sha256: body_hash(&body), content_type, body }
    }
}

/// A form with a part named `frame` for each photo (RFC 7578).
fn form(photos: &[&Photo]) -> (String, Bytes) {
    // As random as the boundary of any client's: no photo holds it.
    let boundary = Uuid::new_v4().simple().to_string();
    let mut body = Vec::new();
    for photo in photos {
        let head = format!(
            "--{boundary}\r\ncontent-disposition: form-data; name=\"frame\"; filename=\"frame\"\r\n\
             content-type: {}\r\n\r\n",
            photo.format.media_type()
        );
        body.extend_from_slice(head.as_bytes());
        body.extend_from_slice(&photo.bytes);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
    (format!("multipart/form-data; boundary={boundary}"), body.into())
}

/// A request as it goes over the wire: whoever listens can send it again.
#[derive(Clone, Debug)]
pub(super) struct OnTheWire {
    url: Url,
    headers: Vec<(&'static str, String)>,
    body: Bytes,
}

/// A gate with its credential.
#[derive(Debug)]
pub(super) struct Turnstile {
    client: Client,
    url: Url,
    pub gate_id: GateId,
    pub key_id: KeyId,
    secret: Zeroizing<[u8; 32]>,
    /// When it signed last: of two requests the later is signed later.
    signed_us: u64,
}

impl Turnstile {
    /// What `POST /v1/gates/G/credentials` gave.
    pub fn new(service: &Service, gate_id: GateId, credential: &Value) -> anyhow::Result<Self> {
        let text = |name: &str| credential[name].as_str().unwrap_or_default();
        let secret = URL_SAFE_NO_PAD.decode(text("secret")).ok().and_then(|s| s.try_into().ok());
        Ok(Self {
            client: service.client.clone(),
            url: service.at(&format!("/v1/gates/{gate_id}/passages"))?,
            gate_id,
            key_id: KeyId(text("key_id").parse().context("a credential without a key_id")?),
            secret: Zeroizing::new(secret.context("a credential without a secret of 32 bytes")?),
            signed_us: 0,
        })
    }

    /// Signs a request about an event; each time anew, also where it is repeated.
    pub fn sign(&mut self, event: &str, captured_at: DateTime<Utc>, frames: &Frames) -> OnTheWire {
        let now_us = Utc::now().timestamp_micros().unsigned_abs();
        self.signed_us = now_us.max(self.signed_us + 1);
        let nonce = Uuid::new_v4().simple().to_string();
        let captured_at = captured_at.to_rfc3339_opts(SecondsFormat::Millis, true);
        let request = Request {
            method: "POST",
            path: self.url.path(),
            content_type: &frames.content_type,
            body_sha256: frames.sha256,
            timestamp_us: self.signed_us,
            nonce: &nonce,
            event,
            captured_at: &captured_at,
            badge: "",
        };
        let authorization = format!(
            "Limen-HMAC-SHA256 key={},timestamp={},nonce={nonce},signature={}",
            self.key_id,
            self.signed_us,
            request.sign(&self.secret).as_str()
        );
        let headers = vec![
            ("authorization", authorization),
            ("content-type", frames.content_type.clone()),
            ("x-content-sha256", Hex(&frames.sha256).to_string()),
            ("x-event-id", event.to_owned()),
            ("x-captured-at", captured_at),
        ];
        OnTheWire { url: self.url.clone(), headers, body: frames.body.clone() }
    }

    /// Sends a request as it is.
    pub async fn send(&self, wire: &OnTheWire) -> Sent {
        let request = self.client.post(wire.url.clone()).body(wire.body.clone());
        let headers = wire.headers.iter();
        let request = headers.fold(request, |request, (name, value)| request.header(*name, value));
        let response = match request.send().await {
            Ok(response) => response,
            Err(error) if error.is_connect() => return Sent::Unreached,
            Err(error) if error.is_timeout() => return Sent::Lost("timeout"),
            Err(_) => return Sent::Lost("broken_off"),
        };
        let (status, wait) = (response.status(), retry_after(&response));
        let Ok(body) = response.bytes().await else { return Sent::Lost("broken_off") };
        match status {
            StatusCode::OK => serde_json::from_slice(&body)
                .map_or_else(|_| Sent::Refused("unreadable answer".to_owned()), Sent::Answered),
            StatusCode::TOO_MANY_REQUESTS => Sent::Busy(wait),
            // Whether it decided before its database or its time gave out is not said.
            status if status.is_server_error() => Sent::Lost("server_error"),
            status => {
                let problem: Value = serde_json::from_slice(&body).unwrap_or_default();
                let code = problem["code"].as_str().unwrap_or_default();
                Sent::Refused(format!("{} {code}", status.as_u16()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vision::FrameFormat;

    #[test]
    fn several_frames_are_a_form_and_one_is_itself() {
        let photo = |text: &'static str| Photo { bytes: text.into(), format: FrameFormat::Jpeg };
        let (one, two) = (photo("one"), photo("two"));
        let frames = Frames::new(&[&one]);
        assert_eq!((frames.content_type.as_str(), &frames.body[..]), ("image/jpeg", &b"one"[..]));
        let frames = Frames::new(&[&one, &two]);
        let boundary = frames.content_type.strip_prefix("multipart/form-data; boundary=").unwrap();
        let text = String::from_utf8(frames.body.to_vec()).unwrap();
        let parts: Vec<_> = text.split(&format!("--{boundary}")).collect();
        assert_eq!((parts.len(), parts[0], parts[3]), (4, "", "--\r\n"));
        assert!(parts[1].contains("name=\"frame\"") && parts[1].ends_with("\r\n\r\none\r\n"));
        assert!(parts[2].ends_with("\r\n\r\ntwo\r\n"));
        assert_eq!(frames.sha256, body_hash(&frames.body));
    }
}
