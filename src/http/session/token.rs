//! The cookie that a browser has in the place of an API key, and what keeps another site from using it.

use axum::http::header::COOKIE;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, Method};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cookie::{Cookie, SameSite};
use rand::TryRngCore;
use rand::rngs::OsRng;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::super::Problem;
use crate::store::SessionHash;

/// With this prefix browsers take it over TLS or from their own machine alone, and for this host alone.
const NAME: &str = "__Host-limen-session";

/// The header with which a request that changes something shows that it comes from our own pages.
pub(in crate::http) const CSRF_HEADER: HeaderName = HeaderName::from_static("x-csrf-token");

/// 256 random bits; stored only as their SHA-256.
pub(in crate::http) struct SessionToken([u8; 32]);

impl SessionToken {
    /// A fresh token.
    ///
    /// # Errors
    /// When the system gives no random numbers.
    pub fn generate() -> Result<Self, rand::rand_core::OsError> {
        let mut secret = [0; 32];
        OsRng.try_fill_bytes(&mut secret)?;
        Ok(Self(secret))
    }

    /// That of a request, if its cookie is one.
    pub fn of(headers: &HeaderMap) -> Option<Self> {
        let secret = URL_SAFE_NO_PAD.decode(value(headers, NAME)?).ok()?;
        Some(Self(secret.try_into().ok()?))
    }

    /// What is stored in its place.
    pub fn sha256(&self) -> SessionHash {
        Sha256::digest(self.0).into()
    }

    /// What our own pages know and another site's do not. It tells nothing of the token.
    pub fn csrf(&self) -> String {
        let hash = Sha256::new().chain_update("limen.csrf.1").chain_update(self.0).finalize();
        URL_SAFE_NO_PAD.encode(hash)
    }

    /// Checks that a request that may change something comes from our own pages: another site's could make the
    /// browser send the cookie, but neither read the token nor set the header.
    pub fn check_csrf(&self, parts: &Parts) -> Result<(), Problem> {
        if matches!(parts.method, Method::GET | Method::HEAD) {
            return Ok(());
        }
        let sent = parts.headers.get(CSRF_HEADER).map(|value| value.as_bytes());
        let same = sent.is_some_and(|sent| bool::from(sent.ct_eq(self.csrf().as_bytes())));
        if same {
            return Ok(());
        }
        let detail = "with a session's cookie, what changes something needs the header x-csrf-token: csrf_token of \
                      GET /v1/session";
        Err(Problem::forbidden("csrf_token_missing", detail))
    }

    /// The header that gives it to the browser, until the browser is closed.
    pub fn cookie(&self) -> String {
        with_value(URL_SAFE_NO_PAD.encode(self.0)).to_string()
    }

    /// The header that takes it back.
    pub fn removal() -> String {
        let mut cookie = with_value(String::new());
        cookie.make_removal();
        cookie.to_string()
    }
}

/// A cookie of a request. Of several with the name the first counts, as browsers send the most particular.
pub(super) fn value(headers: &HeaderMap, name: &str) -> Option<String> {
    let texts = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut cookies = texts.flat_map(Cookie::split_parse).filter_map(Result::ok);
    cookies.find(|cookie| cookie.name() == name).map(|cookie| cookie.value().to_owned())
}

fn with_value(value: String) -> Cookie<'static> {
    Cookie::build((NAME, value))
        .path("/")
        .secure(true)
        .http_only(true)
        .same_site(SameSite::Strict)
        .build()
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn headers(cookie: &str) -> HeaderMap {
        HeaderMap::from_iter([(COOKIE, HeaderValue::from_str(cookie).unwrap())])
    }

    #[test]
    fn a_token_reads_back_from_among_other_cookies() {
        let token = SessionToken::generate().unwrap();
        let sent = token.cookie();
        let pair = sent.split(';').next().unwrap();
        let read = SessionToken::of(&headers(&format!("theme=dark; {pair}; other"))).unwrap();
        assert_eq!(read.sha256(), token.sha256());
        for strange in ["", "theme=dark", "__Host-limen-session=", "__Host-limen-session=QUJD"] {
            assert!(SessionToken::of(&headers(strange)).is_none(), "{strange}");
        }
    }

    #[test]
    fn the_cookie_is_for_this_host_over_tls_and_for_no_script() {
        let sent = SessionToken::generate().unwrap().cookie();
        for attribute in ["Secure", "HttpOnly", "SameSite=Strict", "Path=/"] {
            assert!(sent.split("; ").any(|part| part == attribute), "{attribute}: {sent}");
        }
        assert!(!sent.contains("Domain"));
        assert!(SessionToken::removal().contains("Max-Age=0"));
    }

    #[test]
    fn what_pages_know_tells_nothing_of_the_token() {
        let token = SessionToken::generate().unwrap();
        assert_ne!(token.csrf(), URL_SAFE_NO_PAD.encode(token.sha256()));
        assert_ne!(token.csrf(), SessionToken::generate().unwrap().csrf());
    }
}
