//! The service as whoever administers it asks it: JSON with an API key.

use std::time::Duration;

use anyhow::{Context, ensure};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER};
use reqwest::{Client, Method, RequestBuilder, StatusCode, Url};
use serde_json::Value;
use tokio::time::sleep;

use super::cast::Photo;

/// How often what the service is too busy for is asked again.
const REPEATS_MAX: u32 = 60;

/// How long is waited before that at least, and at most.
const WAIT: [Duration; 2] = [Duration::from_millis(200), Duration::from_secs(5)];

/// Pages of a list that are read at most.
const PAGES_MAX: u32 = 100_000;

/// What the service refused, and why.
#[derive(Debug, thiserror::Error)]
#[error("{request}: {status} {code}: {detail}")]
pub(super) struct Refused {
    request: String,
    pub status: u16,
    /// The problem's stable code.
    pub code: String,
    detail: String,
}

/// A service, and a key to it.
#[derive(Clone, Debug)]
pub(super) struct Service {
    pub client: Client,
    url: Url,
    key: String,
}

impl Service {
    pub fn new(url: &Url, key: &str, timeout: Duration) -> anyhow::Result<Self> {
        let scheme = url.scheme();
        ensure!(["http", "https"].contains(&scheme), "--url begins with http:// or https://");
        // Each gate has a connection of its own, as real ones have.
        let client = Client::builder().timeout(timeout).no_proxy().build()?;
        Ok(Self { client, url: url.clone(), key: key.to_owned() })
    }

    /// The address of a path.
    pub fn at(&self, path: &str) -> anyhow::Result<Url> {
        self.url.join(path).with_context(|| format!("{path} does not fit {}", self.url))
    }

    pub async fn get(&self, path: &str) -> anyhow::Result<Value> {
        Ok(serde_json::from_slice(&self.ask(Method::GET, path, |request| request).await?)?)
    }

    /// Reads every page of a list, whose path has a query already; `item` takes the rows.
    pub async fn list(
        &self,
        path: &str,
        mut item: impl FnMut(Value) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let mut cursor = String::new();
        for _ in 0..PAGES_MAX {
            let mut page = self.get(&format!("{path}{cursor}")).await?;
            let Some(Value::Array(items)) = page.get_mut("items").map(Value::take) else {
                anyhow::bail!("{path}: the answer is no list");
            };
            items.into_iter().try_for_each(&mut item)?;
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return Ok(()),
            }
        }
        anyhow::bail!("{path} has more than {PAGES_MAX} pages")
    }

    pub async fn post(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        self.send(Method::POST, path, body).await
    }

    pub async fn patch(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        self.send(Method::PATCH, path, body).await
    }

    async fn send(&self, method: Method, path: &str, body: &Value) -> anyhow::Result<Value> {
        let body = serde_json::to_vec(body)?;
        let answer = self
            .ask(method, path, |request| {
                request.header(CONTENT_TYPE, "application/json").body(body.clone())
            })
            .await?;
        Ok(serde_json::from_slice(&answer)?)
    }

    pub async fn post_photo(&self, path: &str, photo: &Photo) -> anyhow::Result<Value> {
        let answer = self
            .ask(Method::POST, path, |request| {
                request.header(CONTENT_TYPE, photo.format.media_type()).body(photo.bytes.clone())
            })
            .await?;
        Ok(serde_json::from_slice(&answer)?)
    }

    pub async fn delete(&self, path: &str) -> anyhow::Result<()> {
        self.ask(Method::DELETE, path, |request| request).await.map(drop)
    }

    /// The text of the metrics, of this service or of another replica.
    pub async fn metrics(&self, url: &Url) -> anyhow::Result<String> {
        let answer = self.ask_at(Method::GET, url.clone(), |request| request).await?;
        Ok(String::from_utf8_lossy(&answer).into_owned())
    }

    async fn ask(
        &self,
        method: Method,
        path: &str,
        with: impl Fn(RequestBuilder) -> RequestBuilder,
    ) -> anyhow::Result<Vec<u8>> {
        self.ask_at(method, self.at(path)?, with).await
    }

    /// Asks, and asks again while the service is too busy.
    async fn ask_at(
        &self,
        method: Method,
        url: Url,
        with: impl Fn(RequestBuilder) -> RequestBuilder,
    ) -> anyhow::Result<Vec<u8>> {
        let named = format!("{method} {}", url.path());
        let mut repeats = 0;
        loop {
            let request = self.client.request(method.clone(), url.clone());
            let request = with(request.header(AUTHORIZATION, format!("Bearer {}", self.key)));
            let response =
                request.send().await.with_context(|| format!("{named} is not answered"))?;
            let status = response.status();
            let wait = retry_after(&response);
            let body = response.bytes().await.with_context(|| format!("{named} broke off"))?;
            if status.is_success() {
                return Ok(body.into());
            }
            if status == StatusCode::TOO_MANY_REQUESTS && repeats < REPEATS_MAX {
                repeats += 1;
                sleep(wait.unwrap_or_default().clamp(WAIT[0], WAIT[1])).await;
                continue;
            }
            return Err(refused(named, status, &body).into());
        }
    }
}

/// For how long an answer asks to wait.
pub(super) fn retry_after(response: &reqwest::Response) -> Option<Duration> {
    let seconds = response.headers().get(RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds))
}

/// What a problem says.
fn refused(request: String, status: StatusCode, body: &[u8]) -> Refused {
    let problem: Value = serde_json::from_slice(body).unwrap_or_default();
    let text = |name: &str| problem[name].as_str().unwrap_or_default().to_owned();
    Refused { request, status: status.as_u16(), code: text("code"), detail: text("detail") }
}

/// The stable code with which the service refused, where it did.
pub(super) fn refused_with(error: &anyhow::Error) -> Option<&str> {
    error.downcast_ref::<Refused>().map(|refused| refused.code.as_str())
}
