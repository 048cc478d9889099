//! What firmware does with an answer: it opens on a token that holds, and on nothing else.
//!
//! ```sh
//! cargo build -p limen-grant --example turnstile
//! PUBLIC_KEY=$(curl -sS -H "authorization: Bearer $KEY" localhost:8080/v1/grant-key | jq -r .public_key)
//! TOKEN=$(curl -sS -H "authorization: Bearer $KEY" -H "x-event-id: $EVENT" \
//!   -H "x-captured-at: $(date -u +%FT%TZ)" -H 'content-type: image/jpeg' --data-binary @frame.jpg \
//!   localhost:8080/v1/gates/$GATE/passages | jq -r .token)
//! target/debug/examples/turnstile "$PUBLIC_KEY" "$GATE" "$EVENT" "$TOKEN"
//! ```

use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use base64ct::{Base64UrlUnpadded, Encoding};
use limen_grant::{Asked, verify};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [key, gate, event, token] = &arguments[..] else {
        eprintln!("usage: turnstile PUBLIC_KEY GATE_ID EVENT_ID TOKEN");
        return ExitCode::from(2);
    };
    let mut key_bytes = [0; 32];
    if !Base64UrlUnpadded::decode(key, &mut key_bytes).is_ok_and(|bytes| bytes.len() == 32) {
        eprintln!("{key} is no public key in base64url");
        return ExitCode::from(2);
    }
    let Some(gate) = uuid(gate) else {
        eprintln!("{gate} is no UUID");
        return ExitCode::from(2);
    };
    // A clock before 1970 opens nothing: every token is then from the future.
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let now_ms = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
    match verify(token, &key_bytes, &Asked { gate, event, now_ms }) {
        Ok(grant) => {
            println!("open for {} ms", grant.open_ms);
            ExitCode::SUCCESS
        }
        Err(refusal) => {
            println!("stay shut: {refusal}");
            ExitCode::FAILURE
        }
    }
}

fn uuid(text: &str) -> Option<[u8; 16]> {
    let digits: String = text.chars().filter(|c| *c != '-').collect();
    u128::from_str_radix(&digits, 16).ok().filter(|_| digits.len() == 32).map(u128::to_be_bytes)
}
