//! What opens a gate, and what does not.

extern crate std;

use std::collections::HashSet;
use std::string::{String, ToString};

use proptest::prelude::*;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::*;

const NOW: u64 = 1_800_000_000_000;

fn key() -> SigningKey {
    SigningKey::from_bytes(&[7; 32])
}

fn grant() -> Grant {
    Grant { gate: [1; 16], passage: [2; 16], expires_at_ms: NOW + 5_000, open_ms: 3_000 }
}

fn asked() -> Asked<'static> {
    Asked { gate: [1; 16], event: "event-1", now_ms: NOW }
}

fn token() -> String {
    sign(&key(), &grant(), "event-1").unwrap().as_str().to_string()
}

fn opens(token: &str, asked: &Asked<'_>) -> Result<Grant, Refusal> {
    verify(token, key().verifying_key().as_bytes(), asked)
}

#[test]
fn a_signed_grant_opens_its_gate_for_its_event_until_it_expires() {
    assert_eq!(opens(&token(), &asked()), Ok(grant()));
    assert_eq!(opens(&token(), &Asked { now_ms: NOW + 4_999, ..asked() }), Ok(grant()));
    for (asked, refusal) in [
        (Asked { gate: [3; 16], ..asked() }, Refusal::Gate),
        (Asked { event: "event-2", ..asked() }, Refusal::Event),
        (Asked { event: "event-", ..asked() }, Refusal::Event),
        (Asked { event: "", ..asked() }, Refusal::Event),
        (Asked { now_ms: NOW + 5_000, ..asked() }, Refusal::Expired),
        (Asked { now_ms: u64::MAX, ..asked() }, Refusal::Expired),
        (Asked { now_ms: NOW - 1, ..asked() }, Refusal::FromFuture),
        (Asked { now_ms: 0, ..asked() }, Refusal::FromFuture),
    ] {
        assert_eq!(opens(&token(), &asked), Err(refusal), "{asked:?}");
    }
}

#[test]
fn another_key_opens_nothing() {
    let other = SigningKey::from_bytes(&[8; 32]);
    let forged = sign(&other, &grant(), "event-1").unwrap();
    assert_eq!(opens(forged.as_str(), &asked()), Err(Refusal::Signature));
    assert_eq!(
        verify(&token(), other.verifying_key().as_bytes(), &asked()),
        Err(Refusal::Signature)
    );
    // A point of small order, under which some signatures hold for any message.
    assert!(verify(&token(), &[0; 32], &asked()).is_err());
}

#[test]
fn an_event_id_has_1_to_64_bytes() {
    let long = "e".repeat(64);
    let longest = sign(&key(), &grant(), &long).unwrap();
    assert!(longest.as_str().len() <= TOKEN_LEN_MAX);
    assert_eq!(opens(longest.as_str(), &Asked { event: &long, ..asked() }), Ok(grant()));
    assert!(
        sign(&key(), &grant(), &"e".repeat(65)).is_none() && sign(&key(), &grant(), "").is_none()
    );
}

#[test]
fn what_is_no_token_is_refused() {
    for text in ["", "A", "not a token", "====", &"A".repeat(86), &"A".repeat(1_000), "\u{e9}"] {
        assert!(opens(text, &asked()).is_err(), "{text}");
    }
    let token = token();
    for len in 0..token.len() {
        assert!(opens(&token[..len], &asked()).is_err(), "{len}");
    }
    assert!(opens(&(token.clone() + "A"), &asked()).is_err());
    assert!(opens(&(token + "="), &asked()).is_err());
}

/// 10,000 different tokens: altered anywhere in one to three places, made of the halves of two genuine ones, or signed
/// by somebody else.
#[test]
fn a_forged_token_opens_nothing() {
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut random = StdRng::seed_from_u64(7);
    let genuine = token();
    let mut forged = HashSet::new();
    while forged.len() < 10_000 {
        let another = Grant { passage: random.random(), ..grant() };
        let text = match random.random_range(0..10) {
            0 => {
                let stranger = SigningKey::from_bytes(&random.random());
                sign(&stranger, &another, "event-1").unwrap().as_str().to_string()
            }
            1 => {
                let other = sign(&key(), &another, "event-1").unwrap();
                let place = random.random_range(0..genuine.len());
                let spliced = genuine[..place].to_string() + &other.as_str()[place..];
                if spliced == other.as_str() {
                    continue;
                }
                spliced
            }
            _ => {
                let mut altered = genuine.clone().into_bytes();
                for _ in 0..random.random_range(1..=3) {
                    let place = random.random_range(0..altered.len());
                    altered[place] = alphabet[random.random_range(0..alphabet.len())];
                }
                String::from_utf8(altered).unwrap()
            }
        };
        if text == genuine {
            continue;
        }
        assert!(opens(&text, &asked()).is_err(), "{text}");
        forged.insert(text);
    }
}

proptest! {
    #[test]
    fn what_was_signed_is_what_is_read(
        gate: [u8; 16], passage: [u8; 16], open_ms: u32, left in 1u64..=5_000,
        event in "[A-Za-z0-9._-]{1,64}",
    ) {
        let grant = Grant { gate, passage, expires_at_ms: NOW + left, open_ms };
        let token = sign(&key(), &grant, &event).unwrap();
        prop_assert_eq!(opens(token.as_str(), &Asked { gate, event: &event, now_ms: NOW }), Ok(grant));
    }

    #[test]
    fn any_text_is_refused(text in ".{0,300}") {
        prop_assert!(opens(&text, &asked()).is_err());
    }
}

/// The example of docs/DEVICES.md.
fn request() -> Request<'static> {
    Request {
        method: "POST",
        path: "/v1/gates/0198c0de-0000-7000-8000-000000000001/passages",
        content_type: "image/jpeg",
        body_sha256: body_hash(b"frame"),
        timestamp_us: 1_800_000_000_000_000,
        nonce: "q83vASNFZ4mrze8B",
        event: "event-1",
        captured_at: "2027-01-15T08:00:00.000Z",
        badge: "",
    }
}

#[test]
fn the_documented_request_has_the_documented_signature() {
    let secret: [u8; 32] = core::array::from_fn(|n| n as u8);
    let document = include_str!("../../docs/DEVICES.md");
    let signature = request().sign(&secret);
    for part in [signature.as_str(), &Hex(&request().body_sha256).to_string()] {
        assert!(document.contains(part), "docs/DEVICES.md has no {part}");
    }
}

#[test]
fn every_part_of_a_request_is_signed() {
    let secret = [7; 32];
    let mut bytes = [0; 32];
    Base64UrlUnpadded::decode(request().sign(&secret).as_str(), &mut bytes).unwrap();
    assert!(request().is_signed(&secret, &bytes) && !request().is_signed(&[8; 32], &bytes));
    let other = request();
    for altered in [
        Request { method: "PUT", ..other },
        Request { path: "/v1/gates/0198c0de-0000-7000-8000-000000000002/passages", ..other },
        Request { content_type: "image/png", ..other },
        Request { body_sha256: body_hash(b"another"), ..other },
        Request { timestamp_us: other.timestamp_us + 1, ..other },
        Request { nonce: "q83vASNFZ4mrze8C", ..other },
        Request { event: "event-2", ..other },
        Request { captured_at: "2027-01-15T08:00:00.001Z", ..other },
        Request { badge: "B-1", ..other },
        // The same characters, on other lines.
        Request { event: "", captured_at: "event-1", badge: other.captured_at, ..other },
    ] {
        assert!(!altered.is_signed(&secret, &bytes), "{altered:?}");
    }
    for cut in [&bytes[..31], &[], &[bytes, bytes].concat()[..]] {
        assert!(!request().is_signed(&secret, cut));
    }
}
