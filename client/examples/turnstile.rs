//! What firmware does: it signs what it asks, and opens on a token that holds, and on nothing else.
//!
//! ```sh
//! cargo build -p limen-grant --example turnstile
//! export GATE_ID=... KEY_ID=... SECRET=...                   # as `limen gate add north` prints them
//! export PUBLIC_KEY=...                                      # as `limen grant-key show grant.key` prints it
//! target/debug/examples/turnstile localhost:8080 frame.jpg   # and a badge, where one is shown
//! ```
//!
//! With the answer to another client's request, here one with an API key:
//!
//! ```sh
//! PUBLIC_KEY=$(curl -sS -H "authorization: Bearer $KEY" localhost:8080/v1/grant-key | jq -r .public_key)
//! TOKEN=$(curl -sS -H "authorization: Bearer $KEY" -H "x-event-id: $EVENT" \
//!   -H "x-captured-at: $(date -u +%FT%TZ)" -H 'content-type: image/jpeg' --data-binary @frame.jpg \
//!   localhost:8080/v1/gates/$GATE/passages | jq -r .token)
//! target/debug/examples/turnstile "$PUBLIC_KEY" "$GATE" "$EVENT" "$TOKEN"
//! ```

use std::error::Error;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64ct::{Base64UrlUnpadded, Encoding};
use limen_grant::{Asked, Hex, Request, body_hash, verify};

/// How long an answer is awaited; the gate stays shut after it.
const PATIENCE: Duration = Duration::from_secs(5);

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let opened = match &arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [address, frame] => ask(address, frame, ""),
        [address, frame, badge] => ask(address, frame, badge),
        [key, gate, event, token] => check(key, gate, event, token),
        _ => {
            Err("usage: turnstile HOST:PORT FRAME [BADGE] | PUBLIC_KEY GATE_ID EVENT_ID TOKEN"
                .into())
        }
    };
    match opened {
        Ok(open_ms) => {
            println!("open for {open_ms} ms");
            ExitCode::SUCCESS
        }
        Err(error) => {
            println!("stay shut: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Signs a frame that was captured now, asks for a passage and checks the answer.
fn ask(address: &str, frame: &str, badge: &str) -> Result<u32, Box<dyn Error>> {
    let set = |name| std::env::var(name).map_err(|_| format!("{name} is not set"));
    let (gate, key, public_key) = (set("GATE_ID")?, set("KEY_ID")?, set("PUBLIC_KEY")?);
    let secret = bytes(&set("SECRET")?)?;
    let body = std::fs::read(frame)?;
    let path = format!("/v1/gates/{gate}/passages");
    let (event, nonce) = (random()?, random()?);
    let now = SystemTime::now();
    let captured_at = humantime::format_rfc3339_millis(now).to_string();
    let request = Request {
        method: "POST",
        path: &path,
        content_type: if frame.ends_with(".png") { "image/png" } else { "image/jpeg" },
        body_sha256: body_hash(&body),
        timestamp_us: u64::try_from(now.duration_since(UNIX_EPOCH)?.as_micros())?,
        nonce: &nonce,
        event: &event,
        captured_at: &captured_at,
        badge,
    };
    let signature = request.sign(&secret);
    let mut head = format!(
        "POST {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-length: {}\r\n\
         authorization: Limen-HMAC-SHA256 key={key},timestamp={},nonce={nonce},signature={}\r\n\
         content-type: {}\r\nx-content-sha256: {}\r\nx-event-id: {event}\r\nx-captured-at: {captured_at}\r\n",
        body.len(),
        request.timestamp_us,
        signature.as_str(),
        request.content_type,
        Hex(&request.body_sha256),
    );
    if !badge.is_empty() {
        head.push_str(&format!("x-badge-id: {badge}\r\n"));
    }
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.write_all(head.as_bytes())?;
    stream.write_all(b"\r\n")?;
    stream.write_all(&body)?;
    let mut answer = String::new();
    stream.take(65_536).read_to_string(&mut answer)?;
    // Where the token is does not matter: it proves itself.
    let token = answer.split_once("\"token\":\"").and_then(|(_, rest)| rest.split_once('"'));
    let (token, _) = token.ok_or(answer.as_str())?;
    check(&public_key, &gate, &event, token)
}

/// For how long a token opens.
fn check(key: &str, gate: &str, event: &str, token: &str) -> Result<u32, Box<dyn Error>> {
    let gate = uuid(gate).ok_or("the gate's id is no UUID")?;
    // A clock before 1970 opens nothing: every token is then from the future.
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let now_ms = u64::try_from(now.as_millis())?;
    Ok(verify(token, &bytes(key)?, &Asked { gate, event, now_ms })?.open_ms)
}

/// 32 bytes in base64url.
fn bytes(text: &str) -> Result<[u8; 32], Box<dyn Error>> {
    let mut bytes = [0; 32];
    let read = Base64UrlUnpadded::decode(text, &mut bytes).map_err(|_| "a key is not base64url")?;
    if read.len() == 32 { Ok(bytes) } else { Err("a key has 32 bytes".into()) }
}

/// 24 random characters, which nobody used before.
fn random() -> Result<String, Box<dyn Error>> {
    let mut bytes = [0; 18];
    std::fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    let mut text = [0; 24];
    Ok(Base64UrlUnpadded::encode(&bytes, &mut text).map_err(|_| "too long")?.to_owned())
}

fn uuid(text: &str) -> Option<[u8; 16]> {
    let digits: String = text.chars().filter(|c| *c != '-').collect();
    u128::from_str_radix(&digits, 16).ok().filter(|_| digits.len() == 32).map(u128::to_be_bytes)
}
