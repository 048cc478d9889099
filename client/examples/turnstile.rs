//! What firmware does: it signs what it asks, opens on a token that holds and on nothing else, and reports that
//! somebody went through.
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

/// How long an answer is awaited: shorter than frames may be old, so that there is time to ask again.
const PATIENCE: Duration = Duration::from_secs(2);

/// The longest that a token opens.
const TOKEN_LIFETIME_MAX: Duration = Duration::from_secs(5);

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let opened = match &arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [address, frame] => ask(address, frame, ""),
        [address, frame, badge] => ask(address, frame, badge),
        [key, gate, event, token] => check(key, gate, event, token).map(open),
        _ => {
            Err("usage: turnstile HOST:PORT FRAME [BADGE] | PUBLIC_KEY GATE_ID EVENT_ID TOKEN"
                .into())
        }
    };
    match opened {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("stay shut: {error}");
            ExitCode::FAILURE
        }
    }
}

/// A gate and its credential.
struct Gate {
    address: String,
    id: String,
    key: String,
    secret: [u8; 32],
}

/// One thing that is asked.
struct Ask<'a> {
    path: &'a str,
    content_type: &'a str,
    event: &'a str,
    captured_at: &'a str,
    badge: &'a str,
    body: &'a [u8],
}

/// Asks for a passage with a frame that was captured now, opens on a token that holds, and reports what became of the
/// grant.
fn ask(address: &str, frame: &str, badge: &str) -> Result<(), Box<dyn Error>> {
    let set = |name| std::env::var(name).map_err(|_| format!("{name} is not set"));
    let secret = bytes(&set("SECRET")?)?;
    let gate = Gate { address: address.into(), id: set("GATE_ID")?, key: set("KEY_ID")?, secret };
    let public_key = set("PUBLIC_KEY")?;
    let event = random()?;
    let ask = Ask {
        path: "passages",
        content_type: if frame.ends_with(".png") { "image/png" } else { "image/jpeg" },
        event: &event,
        captured_at: &now_text(),
        badge,
        body: &std::fs::read(frame)?,
    };
    // An answer that got lost is asked for again: the same event and frame, signed anew.
    let first = gate.send(&ask);
    let lost = first.is_err();
    let answer = first.or_else(|_| gate.send(&ask));
    if let Ok(answer) = &answer {
        let denied = matches!(text(answer, "decision"), Some("deny" | "retry"));
        // What was refused (4xx, but what came too late) granted nothing either. It says nothing of what was decided
        // before, where that answer got lost.
        let refused = answer.starts_with("HTTP/1.1 4") && !answer.starts_with("HTTP/1.1 408 ");
        if denied || (refused && !lost) {
            return Err(answer.as_str().into());
        }
    }
    let opened = answer.and_then(|answer| {
        // Where the token is does not matter: it proves itself.
        let token = text(&answer, "token").ok_or_else(|| answer.clone())?;
        check(&public_key, &gate.id, &event, token)
    });
    // It opens before anything else is sent: who waits does not wait for a report. Here the turnstile turns, and is shut
    // again.
    let opened = opened.map(open);
    // Where it did not, the answer got lost or its token does not hold: there may be a grant all the same, on which
    // nobody opens once its token has expired.
    if opened.is_err() {
        std::thread::sleep(TOKEN_LIFETIME_MAX);
    }
    let became = if opened.is_ok() { "rotation_done" } else { "grant_unused" };
    // Real firmware keeps a report that got lost and sends it again under its own event id. `not_a_grant`: there was
    // none.
    if let Err(error) = gate.report(became, &event) {
        eprintln!("{became} was not recorded: {error}");
    }
    opened
}

fn open(open_ms: u32) {
    println!("open for {open_ms} ms");
}

impl Gate {
    /// Reports what became of a grant, by the event that asked for it.
    fn report(&self, input: &str, event: &str) -> Result<(), Box<dyn Error>> {
        let now = now_text();
        let body =
            format!(r#"{{"input":"{input}","happened_at":"{now}","passage_event_id":"{event}"}}"#);
        let answer = self.send(&Ask {
            path: "inputs",
            content_type: "application/json",
            event: &random()?,
            captured_at: "",
            badge: "",
            body: body.as_bytes(),
        })?;
        if answer.starts_with("HTTP/1.1 200 ") { Ok(()) } else { Err(answer.into()) }
    }

    /// Signs what is asked, and returns the answer as it comes.
    fn send(&self, ask: &Ask) -> Result<String, Box<dyn Error>> {
        let Self { address, id, key, secret } = self;
        let Ask { content_type, event, captured_at, badge, body, .. } = *ask;
        let path = format!("/v1/gates/{id}/{}", ask.path);
        let nonce = random()?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
        let request = Request {
            method: "POST",
            path: &path,
            content_type,
            body_sha256: body_hash(body),
            timestamp_us: u64::try_from(now.as_micros())?,
            nonce: &nonce,
            event,
            captured_at,
            badge,
        };
        let signature = request.sign(secret);
        let mut head = format!(
            "POST {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-length: {}\r\n\
             authorization: Limen-HMAC-SHA256 key={key},timestamp={},nonce={nonce},signature={}\r\n\
             content-type: {content_type}\r\nx-content-sha256: {}\r\nx-event-id: {event}\r\n",
            body.len(),
            request.timestamp_us,
            signature.as_str(),
            Hex(&request.body_sha256),
        );
        for (name, value) in [("x-captured-at", captured_at), ("x-badge-id", badge)] {
            if !value.is_empty() {
                head.push_str(&format!("{name}: {value}\r\n"));
            }
        }
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        stream.write_all(head.as_bytes())?;
        stream.write_all(b"\r\n")?;
        stream.write_all(body)?;
        let mut answer = String::new();
        stream.take(65_536).read_to_string(&mut answer)?;
        Ok(answer)
    }
}

/// A text of an answer; real firmware has a parser.
fn text<'a>(answer: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = answer.split_once(&format!("\"{name}\":\""))?;
    rest.split_once('"').map(|(value, _)| value)
}

fn now_text() -> String {
    humantime::format_rfc3339_millis(SystemTime::now()).to_string()
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
