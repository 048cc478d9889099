//! A gate that signs what it asks, and opens on a grant that holds.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use chrono::Utc;
use limen_grant::{Asked, Hex, Refusal, Request, body_hash, verify};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE};
use reqwest::{Client, RequestBuilder};
use tokio::sync::Mutex;
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::limen::{Service, bytes_of, http, json};
use crate::operations::{Operation, PASS, REPORT};
use crate::passage::until_answered;
use crate::{Ask, Decision, Error, PassageAnswer, RecordedInput, Report, answer};

/// How long an answer may take: somebody stands at the gate, whoever comes next waits for the same, and it is to be
/// asked again before the frame is stale.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);

/// What a gate signs with.
#[derive(Clone)]
pub struct Credential {
    gate: Uuid,
    key: Uuid,
    secret: Zeroizing<[u8; 32]>,
}

impl Credential {
    /// As `limen gate add` or `limen gate credential` print it; the secret is 32 bytes in base64url.
    ///
    /// # Errors
    /// When the secret is not that.
    pub fn new(gate: Uuid, key: Uuid, secret: &str) -> Result<Self, Error> {
        let secret = Zeroizing::new(bytes_of(secret, "the secret of a credential")?);
        Ok(Self { gate, key, secret })
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Credential");
        shown.field("gate", &self.gate).field("key", &self.key).finish_non_exhaustive()
    }
}

/// A gate: its credential, and the key that grants are signed with.
///
/// ```no_run
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use limen_client::{Ask, Credential, Frame, Input, Report, Turnstile};
///
/// let set = |name| std::env::var(name);
/// let credential =
///     Credential::new(set("GATE_ID")?.parse()?, set("KEY_ID")?.parse()?, &set("SECRET")?)?;
/// let gate = Turnstile::new("http://127.0.0.1:8080", credential, &set("PUBLIC_KEY")?)?;
///
/// let ask = Ask::of(Frame::read(std::fs::read("frame.jpg")?)?);
/// match gate.pass(&ask).await {
///     Ok(opening) => {
///         println!("open for {:?}", opening.open_for);
///         gate.report(&Report::of(Input::RotationDone).on_grant(&ask.event_id)).await?;
///     }
///     Err(shut) => println!("stay shut: {shut}"),
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Turnstile {
    service: Service,
    credential: Credential,
    public_key: [u8; 32],
    /// The last timestamp that was signed. Held while a request is on its way: of two at once the one that arrives
    /// late would be refused.
    signed_us: Mutex<u64>,
}

/// A grant that holds.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Opening {
    /// For how long to open.
    pub open_for: Duration,
    /// What was answered.
    pub answer: PassageAnswer,
}

/// Why a gate stays shut.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Shut {
    /// The service decided so.
    #[error("{}: {}", .0.decision, .0.reason)]
    Decided(Box<PassageAnswer>),
    /// A grant that nobody signed.
    #[error("a grant without a token")]
    Unsigned,
    /// A grant whose token does not hold.
    #[error("the token does not hold: {0}")]
    Token(Refusal),
    /// An answer got lost, and what was asked again has no decision either. There may be a grant all the same: once its
    /// time is over it is to be reported as [`grant_unused`](crate::Input::GrantUnused).
    #[error("an answer got lost: {0}")]
    Lost(#[source] Error),
    /// Nothing was decided.
    #[error(transparent)]
    Error(#[from] Error),
}

impl Turnstile {
    /// A gate of the service at an address; the key as `limen grant-key show` prints it. An answer that takes longer
    /// than 2 seconds is lost.
    ///
    /// # Errors
    /// When the address or the key is not valid.
    pub fn new(url: &str, credential: Credential, public_key: &str) -> Result<Self, Error> {
        Self::with_http(url, credential, public_key, http().timeout(ANSWER_TIMEOUT).build()?)
    }

    /// As [`new`](Self::new), over a client of HTTP with settings of its own: another authority, a proxy. It must have
    /// a `timeout`, of a few seconds: nothing else bounds how long an answer is awaited.
    ///
    /// # Errors
    /// As with [`new`](Self::new).
    pub fn with_http(
        url: &str,
        credential: Credential,
        public_key: &str,
        http: Client,
    ) -> Result<Self, Error> {
        let public_key = bytes_of(public_key, "the public key of grants")?;
        Ok(Self {
            service: Service::new(url, http)?,
            credential,
            public_key,
            signed_us: Mutex::new(0),
        })
    }

    /// Asks whether the gate opens, again where an answer gets lost. It opens on what this returns, once.
    ///
    /// # Errors
    /// Whatever keeps the gate shut.
    pub async fn pass(&self, ask: &Ask) -> Result<Opening, Shut> {
        let body = ask.body()?;
        let lost = AtomicBool::new(false);
        let once = async || {
            let signing = Signing {
                operation: PASS,
                content_type: &body.kind,
                body: &body.bytes,
                event: &ask.event_id,
                captured_at: &ask.captured_at(),
                badge: ask.badge_id.as_deref().unwrap_or_default(),
            };
            let mut last = self.signed_us.lock().await;
            let request = self.service.request(PASS, &[self.credential.gate]);
            let request = self.sign(ask.request(request, &body), &signing, &mut last);
            let answer = answer::read_in_time(request).await;
            let may_be_done = answer.as_ref().is_err_and(Error::may_be_done);
            lost.fetch_or(may_be_done, Ordering::Relaxed);
            answer
        };
        let answer: PassageAnswer = match until_answered(once).await {
            // What the last attempt says, a refusal for example, says nothing of those before it.
            Err(error) if lost.into_inner() => return Err(Shut::Lost(error)),
            answer => answer?,
        };
        if answer.decision != Decision::Grant {
            return Err(Shut::Decided(Box::new(answer)));
        }
        let token = answer.token.as_deref().ok_or(Shut::Unsigned)?;
        let now_ms = u64::try_from(Utc::now().timestamp_millis()).unwrap_or_default();
        let gate = self.credential.gate.into_bytes();
        let asked = Asked { gate, event: &ask.event_id, now_ms };
        let grant = verify(token, &self.public_key, &asked).map_err(Shut::Token)?;
        Ok(Opening { open_for: Duration::from_millis(grant.open_ms.into()), answer })
    }

    /// Reports what the gate noticed, again where the answer gets lost.
    ///
    /// # Errors
    /// When the service refuses or is not reached: then it is to be reported later.
    pub async fn report(&self, report: &Report) -> Result<RecordedInput, Error> {
        let body = json(report)?;
        let content_type = "application/json";
        let once = async || {
            let signing = Signing {
                operation: REPORT,
                content_type,
                body: &body,
                event: &report.event_id,
                captured_at: "",
                badge: "",
            };
            let mut last = self.signed_us.lock().await;
            let request = self.service.request(REPORT, &[self.credential.gate]);
            let request =
                request.header(CONTENT_TYPE, content_type).header("x-event-id", &report.event_id);
            answer::read_in_time(self.sign(request.body(body.clone()), &signing, &mut last)).await
        };
        until_answered(once).await
    }

    fn sign(
        &self,
        request: RequestBuilder,
        signing: &Signing<'_>,
        last: &mut u64,
    ) -> RequestBuilder {
        let Credential { gate, key, secret } = &self.credential;
        let now_us = u64::try_from(Utc::now().timestamp_micros()).unwrap_or_default();
        *last = now_us.max(*last + 1);
        let nonce = Uuid::new_v4().simple().to_string();
        let signed = Request {
            method: "POST",
            path: &self.service.path(signing.operation, &[*gate]),
            content_type: signing.content_type,
            body_sha256: body_hash(signing.body),
            timestamp_us: *last,
            nonce: &nonce,
            event: signing.event,
            captured_at: signing.captured_at,
            badge: signing.badge,
        };
        let signature = signed.sign(secret);
        let authorization = format!(
            "Limen-HMAC-SHA256 key={key},timestamp={:016},nonce={nonce},signature={}",
            signed.timestamp_us,
            signature.as_str()
        );
        request
            .header(AUTHORIZATION, authorization)
            .header("x-content-sha256", Hex(&signed.body_sha256).to_string())
    }
}

/// What is signed of a request, beside what the gate adds.
struct Signing<'a> {
    operation: Operation,
    content_type: &'a str,
    body: &'a [u8],
    event: &'a str,
    captured_at: &'a str,
    badge: &'a str,
}
