//! How the provider is asked.

use std::error::Error;
use std::pin::Pin;
use std::time::Duration;

use openidconnect::core::CoreErrorResponseType;
use openidconnect::{
    AsyncHttpClient, HttpRequest, HttpResponse, RequestTokenError, StandardErrorResponse,
    UserInfoError,
};
use reqwest::redirect::Policy;

use super::ProviderError;

/// Bytes of one answer: keys and tokens are far smaller.
const ANSWER_BYTES_MAX: usize = 1 << 20;

/// Why a request has no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum FetchError {
    #[error("{}", said(.0))]
    NotAnswered(reqwest::Error),
    #[error("an answer has more than {ANSWER_BYTES_MAX} bytes")]
    TooLarge,
    #[error(transparent)]
    Http(#[from] openidconnect::http::Error),
}

impl From<reqwest::Error> for FetchError {
    fn from(error: reqwest::Error) -> Self {
        Self::NotAnswered(error)
    }
}

/// Sends what the provider is asked.
#[derive(Debug)]
pub(super) struct Http(reqwest::Client);

impl Http {
    pub fn new(timeout: Duration) -> Result<Self, reqwest::Error> {
        // Whoever could have a request redirected would be sent a code and the secret.
        let client = reqwest::Client::builder().timeout(timeout).redirect(Policy::none());
        // From one sign-in to the next the provider has closed what was left open.
        let client = client.pool_max_idle_per_host(0);
        Ok(Self(client.user_agent(concat!("limen/", env!("CARGO_PKG_VERSION"))).build()?))
    }

    async fn fetch(&self, request: HttpRequest) -> Result<HttpResponse, FetchError> {
        let mut answer = self.0.execute(request.try_into()?).await?;
        let mut body = Vec::new();
        while let Some(bytes) = answer.chunk().await? {
            if body.len() + bytes.len() > ANSWER_BYTES_MAX {
                return Err(FetchError::TooLarge);
            }
            body.extend_from_slice(&bytes);
        }
        let mut response = openidconnect::http::Response::builder().status(answer.status());
        for (name, value) in answer.headers() {
            response = response.header(name, value);
        }
        Ok(response.body(body)?)
    }
}

impl<'c> AsyncHttpClient<'c> for Http {
    type Error = FetchError;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, FetchError>> + Send + 'c>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(self.fetch(request))
    }
}

pub(super) fn token_error(
    error: RequestTokenError<FetchError, StandardErrorResponse<CoreErrorResponseType>>,
) -> ProviderError {
    match error {
        RequestTokenError::ServerResponse(answer) => match answer.error() {
            CoreErrorResponseType::InvalidGrant => ProviderError::Stale(answer.to_string()),
            _ => ProviderError::RefusesUs(answer.to_string()),
        },
        other => ProviderError::Unavailable(said(&other)),
    }
}

pub(super) fn user_info_error(error: UserInfoError<FetchError>) -> ProviderError {
    match error {
        UserInfoError::Request(error) => ProviderError::Unavailable(said(&error)),
        other => ProviderError::Unproved(said(&other)),
    }
}

/// An error with its causes.
pub(super) fn said(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}
