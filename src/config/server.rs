//! `[server]`

use std::net::SocketAddr;
use std::time::Duration;

use garde::Validate;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use crate::domain::PageUrl;

/// The HTTP server and its limits.
#[derive(Clone, Debug, PartialEq, Deserialize, Validate)]
#[serde(default, deny_unknown_fields)]
pub struct ServerConfig {
    /// The address and port to listen on.
    #[garde(skip)]
    #[serde(deserialize_with = "address")]
    pub bind: SocketAddr,
    /// Where people reach this service: what a link in an invitation begins with, and where a provider of `[oidc]` sends
    /// people back to; absent: links are relative, and nobody signs in that way.
    #[garde(inner(custom(a_path_can_follow)))]
    pub base_url: Option<PageUrl>,
    /// Connections at once; a further one waits to be accepted.
    #[garde(range(min = 1, max = 100_000))]
    pub connections_max: usize,
    /// Connections at once from one address; a further one is closed. Behind a proxy every client has
    /// the proxy's address.
    #[garde(range(min = 1, max = 100_000))]
    pub connections_per_address_max: usize,
    /// Requests that are answered at once; one more gets 429. A pool of ten connections to Postgres
    /// serves a few hundred within `acquire_timeout_ms`.
    #[garde(range(min = 1, max = 10_000))]
    pub requests_max: usize,
    /// Bytes of frames, and of the forms that they come in, in memory at once, of all requests together;
    /// what would be more is answered with 429. Room for the largest passage at least.
    #[garde(range(min = 1_024, max = 1 << 40))]
    pub frame_bytes_in_flight_max: usize,
    /// Frames in one passage.
    #[garde(range(min = 1, max = 16))]
    pub frames_per_passage_max: usize,
    /// Bytes of a form beside its frames.
    #[garde(range(min = 1_024, max = 16_777_216))]
    pub form_bytes_max: usize,
    /// Bytes of a JSON body.
    #[garde(range(min = 1_024, max = 16_777_216))]
    pub json_bytes_max: usize,
    /// Bytes that are read of the rest of a refused request's body, so that the connection can go on.
    #[garde(range(max = 1 << 30))]
    pub leftover_bytes_max: usize,
    /// Milliseconds that are waited for them.
    #[garde(range(max = 60_000))]
    pub leftover_wait_ms: u64,
    /// Rows that one page of a list holds at most.
    #[garde(range(min = 1, max = 10_000))]
    pub page_rows_max: u32,
    /// Bytes that are read of a connection at once: about what a request's head may have.
    #[garde(range(min = 8_192, max = 1_048_576))]
    pub head_bytes_max: usize,
    /// Milliseconds that the head of a request may take to arrive.
    #[garde(range(min = 100, max = 600_000))]
    pub header_timeout_ms: u64,
    /// Milliseconds that a client may leave an answer unread before its connection is closed.
    #[garde(range(min = 100, max = 600_000))]
    pub write_timeout_ms: u64,
    /// Milliseconds from a request's head to its answer.
    #[garde(range(min = 100, max = 600_000))]
    pub request_timeout_ms: u64,
    /// Milliseconds that accepted requests are given after the signal to stop.
    #[garde(range(min = 0, max = 600_000))]
    pub shutdown_grace_ms: u64,
    /// Wrong API keys from one address within a minute, after which nothing more is looked up for it; a key
    /// that was right from there within the hour goes on opening.
    #[garde(range(min = 1, max = 1_000_000))]
    pub wrong_keys_per_minute_max: u32,
    /// Whether `/metrics` is open to anybody; otherwise it needs a key with the scope `metrics`.
    #[garde(skip)]
    pub metrics_public: bool,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            bind: SocketAddr::from(([127, 0, 0, 1], 8080)),
            base_url: None,
            connections_max: 1024,
            connections_per_address_max: 256,
            requests_max: 256,
            frame_bytes_in_flight_max: 256 << 20,
            frames_per_passage_max: 5,
            form_bytes_max: 16_384,
            json_bytes_max: 65_536,
            leftover_bytes_max: 1 << 20,
            leftover_wait_ms: 1_000,
            page_rows_max: 500,
            head_bytes_max: 65_536,
            header_timeout_ms: 5_000,
            write_timeout_ms: 10_000,
            request_timeout_ms: 10_000,
            shutdown_grace_ms: 15_000,
            wrong_keys_per_minute_max: 30,
            metrics_public: false,
        }
    }
}

impl ServerConfig {
    /// [`Self::request_timeout_ms`] as a duration.
    #[must_use]
    pub fn request_timeout(&self) -> Duration {
        Duration::from_millis(self.request_timeout_ms)
    }
}

fn address<'de, D: Deserializer<'de>>(from: D) -> Result<SocketAddr, D::Error> {
    let text = String::deserialize(from)?;
    text.parse().map_err(|_| {
        D::Error::custom(format!("{text:?} is no address and port such as 0.0.0.0:8080"))
    })
}

fn a_path_can_follow(url: &PageUrl, (): &()) -> garde::Result {
    if url.is_base() {
        return Ok(());
    }
    Err(garde::Error::new("must have neither a query nor a fragment: a path follows it"))
}
