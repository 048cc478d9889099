//! Whom is asked, and with which key.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::header::CONTENT_TYPE;
use reqwest::{Client, ClientBuilder, RequestBuilder, Url};
use serde::{Deserialize, Serialize};
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::operations::{GRANT_KEY, Operation, READY};
use crate::{Error, answer};

/// How long it may take to reach the service.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// For so long nothing may come: streams have a sign of life every 15 seconds.
const SILENCE_MAX: Duration = Duration::from_secs(45);

/// A service, and the API key that it is asked with. Cheap to clone.
#[derive(Clone)]
pub struct Limen {
    pub(crate) service: Service,
    key: Arc<Zeroizing<String>>,
}

impl fmt::Debug for Limen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Limen").field("service", &self.service).finish_non_exhaustive()
    }
}

/// The service can decide.
#[derive(Clone, Debug, Deserialize)]
#[non_exhaustive]
pub struct Ready {
    /// The encoder's model.
    pub model_id: String,
    /// People in the gallery.
    pub people: usize,
    /// Templates in the gallery.
    pub faces: usize,
}

#[derive(Deserialize)]
struct GrantKey {
    public_key: String,
}

impl Limen {
    /// The service at an address such as `https://limen.example.org`, with a key as `limen key create` prints it.
    ///
    /// # Errors
    /// When the address is none of HTTP, or the key cannot be sent.
    pub fn new(url: &str, key: &str) -> Result<Self, Error> {
        Self::with_http(url, key, http().build()?)
    }

    /// As [`new`](Self::new), over a client of HTTP with settings of its own: another authority, a proxy. It should
    /// have a `read_timeout` of more than 15 seconds, and no `timeout`, which would end streams of events.
    ///
    /// # Errors
    /// As with [`new`](Self::new).
    pub fn with_http(url: &str, key: &str, http: Client) -> Result<Self, Error> {
        if key.is_empty() || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(Error::Unusable("no API key: expected limen_<id>_<secret>".into()));
        }
        Ok(Self {
            service: Service::new(url, http)?,
            key: Arc::new(Zeroizing::new(key.to_owned())),
        })
    }

    /// Whether the service can decide; a problem says why not.
    ///
    /// # Errors
    /// When it cannot, or is not reached.
    pub async fn ready(&self) -> Result<Ready, Error> {
        answer::read(self.request(READY, &[])).await
    }

    /// The public key that grants are signed with.
    ///
    /// # Errors
    /// `not_found` where grants are not signed; when the service refuses or is not reached.
    pub async fn grant_key(&self) -> Result<[u8; 32], Error> {
        let key: GrantKey = answer::read(self.request(GRANT_KEY, &[])).await?;
        bytes_of(&key.public_key, "the public key of the service")
    }

    /// A request with the key.
    pub(crate) fn request(&self, operation: Operation, ids: &[Uuid]) -> RequestBuilder {
        self.service.request(operation, ids).bearer_auth(self.key.as_str())
    }

    /// A request with the key and a body.
    pub(crate) fn send<T: Serialize>(
        &self,
        operation: Operation,
        ids: &[Uuid],
        body: &T,
    ) -> Result<RequestBuilder, Error> {
        let request = self.request(operation, ids).header(CONTENT_TYPE, "application/json");
        Ok(request.body(json(body)?))
    }
}

/// A service, without a key.
#[derive(Clone, Debug)]
pub(crate) struct Service {
    http: Client,
    base: Url,
}

impl Service {
    pub fn new(url: &str, http: Client) -> Result<Self, Error> {
        let unusable =
            |why: &dyn fmt::Display| Error::Unusable(format!("no address of a service: {why}"));
        let base = Url::parse(url).map_err(|error| unusable(&error))?;
        if !["http", "https"].contains(&base.scheme()) {
            return Err(unusable(&"it must begin with http:// or https://"));
        }
        if base.query().is_some() || base.fragment().is_some() {
            return Err(unusable(&"it may have no ? and no #"));
        }
        Ok(Self { http, base })
    }

    pub fn request(&self, operation: Operation, ids: &[Uuid]) -> RequestBuilder {
        let mut url = self.base.clone();
        url.set_path(&self.path(operation, ids));
        self.http.request(operation.method(), url)
    }

    /// The path as it is sent.
    pub fn path(&self, operation: Operation, ids: &[Uuid]) -> String {
        format!("{}{}", self.base.path().trim_end_matches('/'), operation.path(ids))
    }
}

pub(crate) fn http() -> ClientBuilder {
    let http = Client::builder().connect_timeout(CONNECT_TIMEOUT).read_timeout(SILENCE_MAX);
    // What is asked of a service is for no other.
    http.redirect(reqwest::redirect::Policy::none())
}

/// A body of JSON.
pub(crate) fn json<T: Serialize>(body: &T) -> Result<Vec<u8>, Error> {
    serde_json::to_vec(body).map_err(|error| Error::Unusable(error.to_string()))
}

/// 32 bytes in base64url without padding.
pub(crate) fn bytes_of(text: &str, what: &str) -> Result<[u8; 32], Error> {
    let bytes = URL_SAFE_NO_PAD.decode(text).ok().and_then(|bytes| bytes.try_into().ok());
    bytes.ok_or_else(|| Error::Unusable(format!("{what} is not 32 bytes in base64url")))
}
