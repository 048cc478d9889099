//! What a gate signed: `authorization: Limen-HMAC-SHA256 key=...,timestamp=...,nonce=...,signature=...`.
//!
//! The text that is signed is the crate `limen_grant`'s, which firmware uses too (docs/DEVICES.md).

use axum::http::header::{AUTHORIZATION, CONTENT_TYPE};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use limen_grant::Request;
use uuid::Uuid;

use super::{HttpSettings, Problem};
use crate::domain::KeyId;
use crate::store::{ApiKey, Store};

/// The scheme of the header, and of the answer to what was not signed well.
pub(super) const SCHEME: &str = "Limen-HMAC-SHA256";

/// Digits of a moment in microseconds: the year 2286 has one more.
const TIMESTAMP_DIGITS_MAX: usize = 16;

/// Characters of a nonce.
const NONCE_LENGTHS: std::ops::RangeInclusive<usize> = 16..=64;

/// Whether a request claims to be signed.
pub(super) fn is_claimed(headers: &HeaderMap) -> bool {
    headers.get_all(AUTHORIZATION).iter().any(|value| {
        let scheme = value.as_bytes().split(|byte| *byte == b' ').next().unwrap_or_default();
        scheme.eq_ignore_ascii_case(SCHEME.as_bytes())
    })
}

/// A request as its signature has it.
#[derive(Debug)]
pub(super) struct Signed<'a> {
    /// The credential that it names.
    pub key: KeyId,
    /// What was signed.
    pub request: Request<'a>,
    signature: [u8; 32],
}

impl<'a> Signed<'a> {
    /// Reads what was signed; none where anything is missing, comes twice or is written in another way than the
    /// one there is.
    pub fn read(parts: &'a Parts) -> Option<Self> {
        let headers = &parts.headers;
        let authorization = at_most_one(headers, &AUTHORIZATION)?;
        let mut fields = authorization.strip_prefix(SCHEME)?.strip_prefix(' ')?.split(',');
        let mut field = |name: &str| fields.next()?.strip_prefix(name)?.strip_prefix('=');
        let key = uuid(field("key")?)?;
        let timestamp_us = timestamp(field("timestamp")?)?;
        let nonce = field("nonce").filter(|nonce| is_nonce(nonce))?;
        let signature = URL_SAFE_NO_PAD.decode(field("signature")?).ok()?.try_into().ok()?;
        if fields.next().is_some() {
            return None;
        }
        let header = |name: &'static str| at_most_one(headers, &HeaderName::from_static(name));
        let request = Request {
            method: parts.method.as_str(),
            path: parts.uri.path_and_query()?.as_str(),
            content_type: at_most_one(headers, &CONTENT_TYPE)?,
            body_sha256: sha256(header("x-content-sha256")?)?,
            timestamp_us,
            nonce,
            event: header("x-event-id")?,
            captured_at: header("x-captured-at")?,
            badge: header("x-badge-id")?,
        };
        Some(Self { key, request, signature })
    }

    /// Whether the credential is one, and signed this.
    pub fn is_by(&self, credential: &ApiKey, store: &Store) -> bool {
        if !credential.valid || !credential.signs() {
            return false;
        }
        match store.device_secret(credential) {
            Ok(secret) => self.request.is_signed(&secret, &self.signature),
            Err(error) => {
                let key = credential.draft.id;
                tracing::error!(%error, %key, "the secret of a gate's credential cannot be opened");
                false
            }
        }
    }

    /// Checks the moment at which it was signed, by Postgres' clock: microseconds since 1970.
    pub fn check_age(&self, now_us: i64, settings: &HttpSettings) -> Result<(), Problem> {
        let age_us = i128::from(now_us) - i128::from(self.request.timestamp_us);
        let age_us_max = settings.request_age_max.as_micros().cast_signed();
        let skew_us_max = settings.clock_skew_max.as_micros().cast_signed();
        if (-skew_us_max..=age_us_max).contains(&age_us) {
            return Ok(());
        }
        Err(Problem::badly_signed(
            "stale_request",
            format!(
                "the request was signed {} ms ago by the clock here; {} ms are allowed, and {} ms ahead of it",
                age_us / 1_000,
                age_us_max / 1_000,
                skew_us_max / 1_000
            ),
        ))
    }
}

/// The only value of a header; empty without one, none for several or what is no text.
fn at_most_one<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next().map_or(Some(""), |value| std::str::from_utf8(value.as_bytes()).ok());
    value.filter(|_| values.next().is_none())
}

/// An id in one of its two usual forms, not in every one that can be read.
fn uuid(text: &str) -> Option<KeyId> {
    let plain = matches!(text.len(), 32 | 36) && !text.bytes().any(|b| b.is_ascii_uppercase());
    Uuid::try_parse(text).ok().filter(|_| plain).map(KeyId)
}

fn timestamp(text: &str) -> Option<u64> {
    let plain = text.len() <= TIMESTAMP_DIGITS_MAX
        && text.bytes().all(|byte| byte.is_ascii_digit())
        && !text.starts_with('0');
    text.parse().ok().filter(|_| plain)
}

fn is_nonce(text: &str) -> bool {
    NONCE_LENGTHS.contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
}

/// Lower-case hexadecimal digits of a SHA-256.
fn sha256(text: &str) -> Option<[u8; 32]> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let (pairs, []) = text.as_bytes().as_chunks::<2>() else { return None };
    let bytes: Option<Vec<u8>> =
        pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect();
    bytes?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use axum::http::request::Builder;
    use limen_grant::Hex;

    use super::*;

    const SECRET: [u8; 32] = [7; 32];
    const KEY: &str = "0198c0de-0000-7000-8000-000000000001";

    fn request() -> Request<'static> {
        Request {
            method: "POST",
            path: "/v1/gates/x/passages",
            content_type: "image/jpeg",
            body_sha256: [0xab; 32],
            timestamp_us: 1_800_000_000_000_000,
            nonce: "AAAAAAAAAAAAAAAA",
            event: "event-1",
            captured_at: "2027-01-15T08:00:00Z",
            badge: "",
        }
    }

    fn authorization() -> String {
        let signature = request().sign(&SECRET);
        let Request { timestamp_us, nonce, .. } = request();
        format!(
            "{SCHEME} key={KEY},timestamp={timestamp_us},nonce={nonce},signature={}",
            signature.as_str()
        )
    }

    fn sent(authorization: &str) -> Builder {
        let signed = request();
        axum::http::Request::builder()
            .method(signed.method)
            .uri(signed.path)
            .header("authorization", authorization)
            .header("content-type", signed.content_type)
            .header("x-content-sha256", Hex(&signed.body_sha256).to_string())
            .header("x-event-id", signed.event)
            .header("x-captured-at", signed.captured_at)
    }

    fn parts(builder: Builder) -> Parts {
        builder.body(()).unwrap().into_parts().0
    }

    fn holds(builder: Builder) -> bool {
        let parts = parts(builder);
        assert!(is_claimed(&parts.headers));
        let signed = Signed::read(&parts);
        signed.is_some_and(|signed| signed.request.is_signed(&SECRET, &signed.signature))
    }

    #[test]
    fn a_request_is_read_as_it_was_signed() {
        assert!(holds(sent(&authorization())));
        assert!(holds(sent(&authorization().replace(KEY, &KEY.replace('-', "")))));
    }

    #[test]
    fn whatever_comes_twice_or_in_addition_is_no_signed_request() {
        let good = authorization();
        for (name, value) in [
            ("authorization", &*good),
            ("authorization", "Bearer limen_x_y"),
            ("content-type", "image/jpeg"),
            ("x-content-sha256", &"ab".repeat(32)),
            ("x-event-id", "event-1"),
            ("x-captured-at", "2027-01-15T08:00:00Z"),
            ("x-badge-id", "B-1"),
        ] {
            assert!(!holds(sent(&good).header(name, value)), "{name}");
        }
    }

    #[test]
    fn there_is_one_way_to_write_it() {
        let good = authorization();
        for (from, to) in [
            (SCHEME, "limen-hmac-sha256"),
            ("256 key", "256  key"),
            (",nonce", ", nonce"),
            ("key=0198", "key={0198"),
            ("c0de", "C0DE"),
            ("timestamp=1", "timestamp=01"),
            ("timestamp=1", "timestamp=+1"),
            ("timestamp=1", "timestamp=-1"),
            ("timestamp=18", "timestamp=99999999999999999999999999"),
            ("nonce=A", "nonce="),
            ("nonce=A", "nonce=+"),
            ("nonce=A", &format!("nonce={}", "A".repeat(50))),
            ("signature=", "signature=="),
            ("signature=", "signature=A"),
            (",signature", ",more=1,signature"),
        ] {
            let bad = good.replacen(from, to, 1);
            assert_ne!(bad, good);
            assert!(!holds(sent(&bad)), "{bad}");
        }
        assert!(!holds(sent(&format!("{good},more=1"))));
        for hash in ["", "ab", &"AB".repeat(32), &"ab".repeat(33), &"é".repeat(32)] {
            assert_eq!(sha256(hash), None, "{hash}");
        }
    }
}
