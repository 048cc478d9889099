//! One delivery: an event, signed and posted.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::Utc;
use hmac::{Hmac, Mac};
use rand::TryRngCore;
use rand::rngs::OsRng;
use reqwest::header::CONTENT_TYPE;
use reqwest::redirect::Policy;
use reqwest::{Client, StatusCode};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::domain::{Webhook, WebhookHosts};

/// Characters of an error that are kept.
const ERROR_CHARS_MAX: usize = 300;

/// A secret that deliveries are signed with: 256 random bits, as 43 characters of base64url.
///
/// # Errors
/// When the system gives no random numbers.
pub fn webhook_secret() -> Result<Zeroizing<String>, rand::rand_core::OsError> {
    let mut bytes = Zeroizing::new([0; 32]);
    OsRng.try_fill_bytes(&mut *bytes)?;
    Ok(Zeroizing::new(URL_SAFE_NO_PAD.encode(*bytes)))
}

/// Why an event was not delivered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum PostError {
    /// It was answered, but not with 2xx.
    #[error("answered {0}")]
    Status(StatusCode),
    /// Nothing was sent.
    #[error("`webhook_hosts` in [events] of config.toml does not name the host")]
    HostNotAllowed,
    /// It was not answered.
    #[error("{0}")]
    NotAnswered(String),
}

/// Posts events.
#[derive(Clone, Debug)]
pub(super) struct Poster {
    client: Client,
    hosts: WebhookHosts,
}

impl Poster {
    /// `timeout`: how long an answer is awaited; `hosts`: those that may be posted to.
    pub fn new(timeout: Duration, hosts: WebhookHosts) -> Result<Self, reqwest::Error> {
        // What was signed for one address is sent to no other, be it by a redirect or a proxy.
        let client = Client::builder().timeout(timeout).redirect(Policy::none()).no_proxy();
        let client = client.user_agent(concat!("limen/", env!("CARGO_PKG_VERSION"))).build()?;
        Ok(Self { client, hosts })
    }

    /// Posts a body; only 2xx is an answer. What else it says is not read.
    pub async fn post(
        &self,
        webhook: &Webhook,
        secret: &[u8],
        body: String,
    ) -> Result<(), PostError> {
        if !self.hosts.allow(&webhook.url) {
            return Err(PostError::HostNotAllowed);
        }
        let timestamp = Utc::now().timestamp().to_string();
        let signature = sign(secret, &timestamp, &body);
        let request = self.client.post(webhook.url.as_str());
        let request = request
            .header(CONTENT_TYPE, "application/json")
            .header("limen-webhook-id", webhook.id.to_string())
            .header("limen-timestamp", timestamp)
            .header("limen-signature", format!("v1={signature}"))
            .body(body);
        let answer = request.send().await.map_err(|error| PostError::NotAnswered(said(error)))?;
        if answer.status().is_success() { Ok(()) } else { Err(PostError::Status(answer.status())) }
    }
}

/// HMAC-SHA256 over `timestamp.body`, as hexadecimal digits.
fn sign(secret: &[u8], timestamp: &str, body: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("HMAC takes keys of any length");
    mac.update(format!("{timestamp}.{body}").as_bytes());
    format!("{:x}", mac.finalize().into_bytes())
}

/// An error with its causes, without the URL, which may hold a token.
fn said(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text.chars().take(ERROR_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Computed with Python's hmac.
    #[test]
    fn a_signature_is_what_pythons_hmac_computes() {
        assert_eq!(
            sign(b"Jefe", "1700000000", r#"{"event":"passage"}"#),
            "44bbedf09a91919527e0f6fa62f167ecea32fdc7e868bedee7dae46a219856a6"
        );
    }
}
