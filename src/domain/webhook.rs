//! Who is told of passages without asking.

use std::str::FromStr;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use url::Url;

use super::{Decision, GateEvent, GateId, WebhookId};

/// Where events are posted to: `http` or `https`, without a user's name or password in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct WebhookUrl(Url);

/// Not the URL of a webhook.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WebhookUrlError {
    /// Too long.
    #[error("a webhook's URL has at most {} characters", WebhookUrl::CHARS_MAX)]
    TooLong,
    /// No URL.
    #[error("not a URL: {0}")]
    NotAUrl(#[from] url::ParseError),
    /// Neither http nor https.
    #[error("a webhook's URL is http or https, not {0}")]
    Scheme(String),
    /// It would be stored and shown as it is.
    #[error("a webhook's URL has no user's name and no password in it")]
    Credentials,
}

impl WebhookUrl {
    /// The longest URL, in characters.
    pub const CHARS_MAX: usize = 2_000;

    /// The host's name or address, in small letters.
    #[must_use]
    pub fn host(&self) -> &str {
        self.0.host_str().unwrap_or_default()
    }

    /// The URL as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl FromStr for WebhookUrl {
    type Err = WebhookUrlError;

    fn from_str(text: &str) -> Result<Self, WebhookUrlError> {
        let url: Url = text.parse()?;
        if url.as_str().len() > Self::CHARS_MAX {
            return Err(WebhookUrlError::TooLong);
        }
        if !matches!(url.scheme(), "http" | "https") {
            return Err(WebhookUrlError::Scheme(url.scheme().to_owned()));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(WebhookUrlError::Credentials);
        }
        Ok(Self(url))
    }
}

impl TryFrom<String> for WebhookUrl {
    type Error = WebhookUrlError;

    fn try_from(text: String) -> Result<Self, WebhookUrlError> {
        text.parse()
    }
}

impl From<WebhookUrl> for String {
    fn from(url: WebhookUrl) -> Self {
        url.0.into()
    }
}

/// The hosts that events may be posted to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct WebhookHosts(Option<Vec<String>>);

impl WebhookHosts {
    /// Whether this is one of them; any is, where none are named.
    #[must_use]
    pub fn allow(&self, url: &WebhookUrl) -> bool {
        let named = self.0.as_ref();
        named.is_none_or(|hosts| hosts.iter().any(|host| host.eq_ignore_ascii_case(url.host())))
    }
}

impl FromIterator<String> for WebhookHosts {
    fn from_iter<T: IntoIterator<Item = String>>(hosts: T) -> Self {
        Self(Some(hosts.into_iter().collect()))
    }
}

/// Which events a webhook wants.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WebhookFilter {
    /// Only those of these gates; of all, where there are none.
    pub gate_ids: Vec<GateId>,
    /// Only passages with these decisions; all events, where there are none.
    pub decisions: Vec<Decision>,
    /// Only those that raise an alarm.
    pub alarms: bool,
}

impl WebhookFilter {
    /// Whether it wants this event.
    #[must_use]
    pub fn wants(&self, event: &GateEvent) -> bool {
        (self.gate_ids.is_empty() || self.gate_ids.contains(&event.gate_id()))
            && (self.decisions.is_empty() || event.may_be_decided(&self.decisions))
            && (!self.alarms || event.is_alarm())
    }
}

/// A webhook, without its secret.
#[derive(Clone, Debug, PartialEq)]
pub struct Webhook {
    /// Which.
    pub id: WebhookId,
    /// Where events are posted to.
    pub url: WebhookUrl,
    /// Whether anything is delivered.
    pub enabled: bool,
    /// Which events it wants.
    pub filter: WebhookFilter,
    /// From when on it is told of passages.
    pub created_at: DateTime<Utc>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_webhook_is_posted_to_a_host_that_is_named_or_to_any() {
        let named: WebhookHosts =
            ["Building.example.org", "10.0.0.1"].map(str::to_owned).into_iter().collect();
        let nobody: WebhookHosts = [].into_iter().collect();
        for (url, expected) in [
            ("https://building.example.org/a", true),
            ("http://BUILDING.example.org:8080/", true),
            ("http://10.0.0.1/", true),
            ("http://167772161/", true),
            ("https://example.org/", false),
            ("https://building.example.org.example.com/", false),
            ("http://169.254.169.254/", false),
        ] {
            let url = url.parse().unwrap();
            assert_eq!(named.allow(&url), expected, "{url:?}");
            assert!(WebhookHosts::default().allow(&url) && !nobody.allow(&url));
        }
    }

    #[test]
    fn a_webhooks_url_is_plain_http_without_credentials() {
        for url in ["https://example.org/a?b=c", "http://10.0.0.1:8080/"] {
            assert_eq!(url.parse::<WebhookUrl>().unwrap().as_str(), url);
        }
        let long = format!("https://example.org/{}", "x".repeat(WebhookUrl::CHARS_MAX));
        for url in [
            "",
            "example.org",
            "ftp://example.org/",
            "file:///etc/passwd",
            "https://u:p@example.org/",
            "https://u@example.org/",
            "http://",
            &long,
        ] {
            assert!(url.parse::<WebhookUrl>().is_err(), "{url}");
        }
    }
}
