//! The token that a grant of Limen's carries, and how a turnstile checks it without a network; and how the turnstile
//! signs what it asks ([`Request`], docs/DEVICES.md).
//!
//! Firmware that opens on `"decision": "grant"` trusts whatever answers it. A token is bound to the gate, to
//! the event that the gate asked about and to a few seconds, and signed with a key that only the service has
//! (Ed25519, RFC 8032): nobody else can open a gate, nor with what was seen at another event. Within its seconds a
//! token holds as often as it is checked: a gate that has opened forgets the event.
//!
//! | bytes | what |
//! |---|---|
//! | 1 | version, 1 |
//! | 16 | the gate's UUID |
//! | 16 | the passage's UUID |
//! | 8 | when it expires: milliseconds since 1970, big-endian |
//! | 4 | how long to open: milliseconds, big-endian |
//! | 1 to 64 | the event id, as the gate sent it |
//! | 64 | the signature of `"limen grant 1"`, a zero byte, and all of the above |
//!
//! in base64url without padding (RFC 4648, section 5). No heap, no panic.
#![no_std]

// A static library on a system has its panic handler from there; without one, nothing here panics.
#[cfg(all(feature = "c", not(target_os = "none")))]
extern crate std;

#[cfg(all(feature = "c", target_os = "none"))]
#[panic_handler]
fn stay_shut(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}

use base64ct::{Base64UrlUnpadded, Encoding};
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};

#[cfg(feature = "c")]
mod c;
mod request;

pub use request::{Hex, Request, RequestSignature, body_hash};

/// The longest event id, in bytes.
pub const EVENT_LEN_MAX: usize = 64;
/// The longest time that a token may be valid for, in milliseconds.
pub const LIFETIME_MS_MAX: u64 = 5_000;
/// The longest token, in characters.
pub const TOKEN_LEN_MAX: usize = (HEAD_LEN + EVENT_LEN_MAX + SIGNATURE_LEN).div_ceil(3) * 4;

const VERSION: u8 = 1;
const CONTEXT: &[u8] = b"limen grant 1\0";
const HEAD_LEN: usize = 1 + 16 + 16 + 8 + 4;
const SIGNATURE_LEN: usize = Signature::BYTE_SIZE;
const PAYLOAD_LEN_MAX: usize = HEAD_LEN + EVENT_LEN_MAX;

/// What was granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The gate's UUID.
    pub gate: [u8; 16],
    /// The passage's UUID.
    pub passage: [u8; 16],
    /// When the grant expires: milliseconds since 1970.
    pub expires_at_ms: u64,
    /// How long to open, in milliseconds.
    pub open_ms: u32,
}

/// What a gate asked, and when it is told.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The gate's own UUID.
    pub gate: [u8; 16],
    /// The event id that it sent.
    pub event: &'a str,
    /// Milliseconds since 1970 by its own clock.
    pub now_ms: u64,
}

/// Why a token opens nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It is no token.
    Malformed,
    /// It is of another version.
    Version,
    /// The key is no public key of Ed25519.
    Key,
    /// It was not signed with the key.
    Signature,
    /// It is for another gate.
    Gate,
    /// It is for another event.
    Event,
    /// It has expired.
    Expired,
    /// It would be valid for longer than any may: the service's clock and the gate's differ.
    FromFuture,
}

impl core::fmt::Display for Refusal {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Malformed => "this is no token",
            Self::Version => "a token of another version",
            Self::Key => "the key is no public key of Ed25519",
            Self::Signature => "not signed with this key",
            Self::Gate => "for another gate",
            Self::Event => "for another event",
            Self::Expired => "expired",
            Self::FromFuture => "valid for too long: the clocks differ",
        })
    }
}

impl core::error::Error for Refusal {}

/// A token as text.
#[derive(Clone)]
pub struct Token {
    text: [u8; TOKEN_LEN_MAX],
    len: usize,
}

impl Token {
    /// Its characters.
    #[must_use]
    pub fn as_str(&self) -> &str {
        core::str::from_utf8(&self.text[..self.len]).unwrap_or_default()
    }
}

/// Signs a grant for an event.
///
/// None when the event id has no or too many bytes.
#[must_use]
pub fn sign(key: &SigningKey, grant: &Grant, event: &str) -> Option<Token> {
    if event.is_empty() || event.len() > EVENT_LEN_MAX {
        return None;
    }
    let mut bytes = Bytes::new();
    bytes.put(&[VERSION]);
    bytes.put(&grant.gate);
    bytes.put(&grant.passage);
    bytes.put(&grant.expires_at_ms.to_be_bytes());
    bytes.put(&grant.open_ms.to_be_bytes());
    bytes.put(event.as_bytes());
    let signature = key.sign(Message::of(bytes.all()).all());
    bytes.put(&signature.to_bytes());
    let mut text = [0; TOKEN_LEN_MAX];
    let len = Base64UrlUnpadded::encode(bytes.all(), &mut text).ok()?.len();
    Some(Token { text, len })
}

/// Checks a token against what the gate asked; `key` is the service's public key, 32 bytes.
///
/// # Errors
/// [`Refusal`]: the gate stays shut.
pub fn verify(token: &str, key: &[u8; 32], asked: &Asked<'_>) -> Result<Grant, Refusal> {
    let mut buffer = [0; PAYLOAD_LEN_MAX + SIGNATURE_LEN];
    let bytes = Base64UrlUnpadded::decode(token, &mut buffer).map_err(|_| Refusal::Malformed)?;
    let payload_len = bytes.len().checked_sub(SIGNATURE_LEN).ok_or(Refusal::Malformed)?;
    if !(HEAD_LEN + 1..=PAYLOAD_LEN_MAX).contains(&payload_len) {
        return Err(Refusal::Malformed);
    }
    let (payload, signature) = bytes.split_at(payload_len);
    let signature = Signature::from_slice(signature).map_err(|_| Refusal::Malformed)?;
    let key = VerifyingKey::from_bytes(key).map_err(|_| Refusal::Key)?;
    key.verify_strict(Message::of(payload).all(), &signature).map_err(|_| Refusal::Signature)?;

    let mut rest = payload;
    if take::<1>(&mut rest)? != [VERSION] {
        return Err(Refusal::Version);
    }
    let grant = Grant {
        gate: take(&mut rest)?,
        passage: take(&mut rest)?,
        expires_at_ms: u64::from_be_bytes(take(&mut rest)?),
        open_ms: u32::from_be_bytes(take(&mut rest)?),
    };
    if grant.gate != asked.gate {
        return Err(Refusal::Gate);
    }
    if rest != asked.event.as_bytes() {
        return Err(Refusal::Event);
    }
    match grant.expires_at_ms.checked_sub(asked.now_ms) {
        None | Some(0) => Err(Refusal::Expired),
        Some(left) if left > LIFETIME_MS_MAX => Err(Refusal::FromFuture),
        Some(_) => Ok(grant),
    }
}

fn take<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], Refusal> {
    let (taken, left) = rest.split_first_chunk::<N>().ok_or(Refusal::Malformed)?;
    *rest = left;
    Ok(*taken)
}

/// Bytes laid one after another, as many as a message has.
struct Bytes {
    bytes: [u8; CONTEXT.len() + PAYLOAD_LEN_MAX + SIGNATURE_LEN],
    len: usize,
}

impl Bytes {
    fn new() -> Self {
        Self { bytes: [0; CONTEXT.len() + PAYLOAD_LEN_MAX + SIGNATURE_LEN], len: 0 }
    }

    fn put(&mut self, more: &[u8]) {
        let end = self.len + more.len();
        if let Some(place) = self.bytes.get_mut(self.len..end) {
            place.copy_from_slice(more);
            self.len = end;
        }
    }

    fn all(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

/// What is signed: the payload behind words that no other protocol signs.
struct Message;

impl Message {
    fn of(payload: &[u8]) -> Bytes {
        let mut message = Bytes::new();
        message.put(CONTEXT);
        message.put(payload);
        message
    }
}

#[cfg(test)]
mod tests;
