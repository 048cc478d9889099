//! Where the MQTT broker is.

use std::net::IpAddr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use url::Url;

/// `mqtts://host` or `mqtt://host`, with a port where it is not the usual one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct BrokerUrl(Url);

/// Not the URL of a broker.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BrokerUrlError {
    /// No URL.
    #[error("not a URL: {0}")]
    NotAUrl(#[from] url::ParseError),
    /// Neither mqtt nor mqtts.
    #[error("a broker's URL is mqtts or mqtt, not {0}")]
    Scheme(String),
    /// It would be logged.
    #[error(
        "a broker's URL has no user's name and no password in it: `username` and `password_file` say them"
    )]
    Credentials,
    /// Nothing but a host and a port is looked at.
    #[error("a broker's URL has a host, and nothing after the port")]
    NotAHost,
}

impl BrokerUrl {
    /// The host's name or address.
    #[must_use]
    pub fn host(&self) -> &str {
        self.0.host_str().unwrap_or_default()
    }

    /// The host as certificates have it: an address of IPv6 is not in brackets.
    #[must_use]
    pub fn certified_host(&self) -> &str {
        self.host().trim_start_matches('[').trim_end_matches(']')
    }

    /// The port; 8883 with TLS and 1883 without, where none is named.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.0.port().unwrap_or(if self.has_tls() { 8883 } else { 1883 })
    }

    /// Whether it is reached by TLS.
    #[must_use]
    pub fn has_tls(&self) -> bool {
        self.0.scheme() == "mqtts"
    }

    /// Whether nothing that is said to it leaves this machine.
    #[must_use]
    pub fn is_here(&self) -> bool {
        let host = self.certified_host();
        host == "localhost" || host.parse().is_ok_and(|address: IpAddr| address.is_loopback())
    }
}

impl std::fmt::Display for BrokerUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for BrokerUrl {
    type Err = BrokerUrlError;

    fn from_str(text: &str) -> Result<Self, BrokerUrlError> {
        let url: Url = text.parse()?;
        if !matches!(url.scheme(), "mqtt" | "mqtts") {
            return Err(BrokerUrlError::Scheme(url.scheme().to_owned()));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(BrokerUrlError::Credentials);
        }
        let more = !matches!(url.path(), "" | "/") || url.query().or(url.fragment()).is_some();
        if url.host_str().is_none_or(str::is_empty) || more {
            return Err(BrokerUrlError::NotAHost);
        }
        Ok(Self(url))
    }
}

impl TryFrom<String> for BrokerUrl {
    type Error = BrokerUrlError;

    fn try_from(text: String) -> Result<Self, BrokerUrlError> {
        text.parse()
    }
}

impl From<BrokerUrl> for String {
    fn from(url: BrokerUrl) -> Self {
        url.0.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_brokers_url_is_a_host_and_a_port() {
        for (text, host, port, tls, here) in [
            ("mqtts://broker.example.org", "broker.example.org", 8883, true, false),
            ("mqtt://10.1.2.3/", "10.1.2.3", 1883, false, false),
            ("mqtt://localhost:11883", "localhost", 11883, false, true),
            ("mqtt://127.0.0.1", "127.0.0.1", 1883, false, true),
            ("mqtt://[::1]", "[::1]", 1883, false, true),
        ] {
            let url: BrokerUrl = text.parse().unwrap();
            let found = (url.host(), url.port(), url.has_tls(), url.is_here());
            assert_eq!(found, (host, port, tls, here), "{text}");
        }
        for text in [
            "",
            "broker.example.org",
            "https://broker.example.org",
            "mqtts://",
            "mqtts://user@broker.example.org",
            "mqtts://user:password@broker.example.org",
            "mqtts://broker.example.org/topic",
            "mqtts://broker.example.org?client_id=a",
        ] {
            assert!(text.parse::<BrokerUrl>().is_err(), "{text}");
        }
    }
}
