//! Links with which people photograph themselves.

use std::str::FromStr;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use url::Url;

use super::decision::codes;
use super::{EmployeeId, InvitationId, KeyId, TextVersion};

codes! {
    /// Whether an invitation still takes a photo, and why not.
    InvitationState {
        /// It does.
        Open = "open",
        /// A face was enrolled with it.
        Used = "used",
        /// It was taken back or replaced, or the person or the key that made it is no longer valid.
        Revoked = "revoked",
        /// Its time is over.
        Expired = "expired",
        /// As many photos were refused as may be.
        Exhausted = "exhausted",
    }
}

/// That a person may photograph themself, once.
#[derive(Clone, Debug, PartialEq)]
pub struct Invitation {
    /// Limen's id.
    pub id: InvitationId,
    /// Whose face it is for.
    pub employee_id: EmployeeId,
    /// The API key that made it.
    pub created_by: Option<KeyId>,
    /// Which text the person agrees to with the photo; none: no consent is asked for.
    pub consent_version: Option<TextVersion>,
    /// Photos that may still be sent.
    pub attempts_left: u32,
    /// Whether it still takes one.
    pub state: InvitationState,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// The first moment at which it takes none.
    pub expires_at: DateTime<Utc>,
    /// When the face was enrolled.
    pub used_at: Option<DateTime<Utc>>,
}

/// A page for people to open: `http` or `https`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PageUrl(Url);

/// Not the address of a page.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PageUrlError {
    /// No URL.
    #[error("not a URL such as https://limen.example.org: {0}")]
    NotAUrl(#[from] url::ParseError),
    /// Neither http nor https.
    #[error("a page's URL is http or https, not {0}")]
    Scheme(String),
}

impl PageUrl {
    /// The URL as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// Whether a path can follow it: it has neither a query nor a fragment.
    #[must_use]
    pub fn is_base(&self) -> bool {
        self.0.query().is_none() && self.0.fragment().is_none()
    }
}

impl FromStr for PageUrl {
    type Err = PageUrlError;

    fn from_str(text: &str) -> Result<Self, PageUrlError> {
        let url: Url = text.parse()?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(PageUrlError::Scheme(url.scheme().to_owned()));
        }
        Ok(Self(url))
    }
}

impl TryFrom<String> for PageUrl {
    type Error = PageUrlError;

    fn try_from(text: String) -> Result<Self, PageUrlError> {
        text.parse()
    }
}

impl From<PageUrl> for String {
    fn from(url: PageUrl) -> Self {
        url.0.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_opened_by_http_and_a_path_follows_a_plain_address_alone() {
        for (url, is_base) in [
            ("https://limen.example.org", true),
            ("http://10.0.0.1:8080/limen/", true),
            ("https://example.org/terms?version=2", false),
            ("https://example.org/#terms", false),
        ] {
            assert_eq!(url.parse::<PageUrl>().unwrap().is_base(), is_base, "{url}");
        }
        for url in ["", "limen.example.org", "javascript:alert(1)", "data:text/html,x"] {
            assert!(url.parse::<PageUrl>().is_err(), "{url}");
        }
    }
}
