//! How a gate signs what it asks, so that nobody else can ask in its name.

use core::fmt::{self, Write};

use base64ct::{Base64UrlUnpadded, Encoding};
use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};

/// What a gate asks: everything that its signature covers. What is not sent is empty.
///
/// No field has a line feed: HTTP knows none in a header or a path.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// `POST`
    pub method: &'a str,
    /// `/v1/gates/G/passages`, exactly as it is sent, with a query if there is one.
    pub path: &'a str,
    /// The header `content-type`.
    pub content_type: &'a str,
    /// SHA-256 of the body, see [`body_hash`]; in hexadecimal it is also the header `x-content-sha256`.
    pub body_sha256: [u8; 32],
    /// Microseconds since 1970 by the gate's clock, more than in any request before.
    pub timestamp_us: u64,
    /// 16 to 64 random characters of base64url.
    pub nonce: &'a str,
    /// The header `x-event-id`.
    pub event: &'a str,
    /// The header `x-captured-at`.
    pub captured_at: &'a str,
    /// The header `x-badge-id`.
    pub badge: &'a str,
}

/// SHA-256 of a body.
#[must_use]
pub fn body_hash(body: &[u8]) -> [u8; 32] {
    Sha256::digest(body).into()
}

/// A signature as text: base64url without padding.
#[derive(Clone, Copy)]
pub struct RequestSignature([u8; 43]);

impl RequestSignature {
    /// Its characters.
    #[must_use]
    pub fn as_str(&self) -> &str {
        core::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl Request<'_> {
    /// Signs it (HMAC-SHA-256) with the secret of the gate's credential.
    #[must_use]
    pub fn sign(&self, secret: &[u8; 32]) -> RequestSignature {
        let mut text = [0; 43];
        // 32 bytes are 43 characters.
        let _ = Base64UrlUnpadded::encode(&self.mac(secret).finalize().into_bytes(), &mut text);
        RequestSignature(text)
    }

    /// Whether these 32 bytes are its signature; says nothing by the time that it takes.
    #[must_use]
    pub fn is_signed(&self, secret: &[u8; 32], signature: &[u8]) -> bool {
        self.mac(secret).verify_slice(signature).is_ok()
    }

    /// What is signed: words that no other protocol signs and the fields, one a line.
    fn mac(&self, secret: &[u8; 32]) -> Hmac<Sha256> {
        // A whole block as the key, which has the same meaning as fewer bytes: this cannot fail.
        let mut block = [0; 64];
        block[..32].copy_from_slice(secret);
        let mut lines = Lines(<Hmac<Sha256> as Mac>::new(&block.into()));
        let Self { method, path, content_type, body_sha256, timestamp_us, .. } = self;
        let Self { nonce, event, captured_at, badge, .. } = self;
        let _ = write!(
            lines,
            "limen.request.1\n{method}\n{path}\n{content_type}\n{}\n{timestamp_us}\n{nonce}\n{event}\n\
             {captured_at}\n{badge}",
            Hex(body_sha256)
        );
        lines.0
    }
}

/// Text that goes into a signature as it is written.
struct Lines(Hmac<Sha256>);

impl Write for Lines {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.update(text.as_bytes());
        Ok(())
    }
}

/// Bytes as hexadecimal digits, as the header `x-content-sha256` has them.
#[derive(Clone, Copy, Debug)]
pub struct Hex<'a>(pub &'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}
