//! Does the gate open?

use std::time::Duration;

use backon::{ExponentialBuilder, Retryable};
use chrono::{DateTime, SecondsFormat, Utc};
use reqwest::RequestBuilder;
use reqwest::header::CONTENT_TYPE;
use serde::Deserialize;
use uuid::Uuid;

use crate::frame::Body;
use crate::operations::PASS;
use crate::{Decision, Error, Frame, Limen, Reason, answer};

/// How often a passage or a report is asked at most.
const ATTEMPTS_MAX: usize = 3;
/// The first wait before it is asked again.
const RETRY_WAIT_MIN: Duration = Duration::from_millis(100);
/// The longest wait.
const RETRY_WAIT_MAX: Duration = Duration::from_secs(1);

/// Somebody in front of a gate: what its camera saw, under a name of its own.
#[derive(Clone, Debug)]
pub struct Ask {
    /// The frames, the oldest first.
    pub frames: Vec<Frame>,
    /// The gate's name for the event, 1 to 64 of A-Z a-z 0-9 . _ -: never used twice but to ask the same again.
    pub event_id: String,
    /// When the oldest frame was captured.
    pub captured_at: DateTime<Utc>,
    /// The badge that was shown.
    pub badge_id: Option<String>,
}

impl Ask {
    /// A frame that was captured now, under a name that nobody used.
    #[must_use]
    pub fn of(frame: Frame) -> Self {
        Self {
            frames: vec![frame],
            event_id: Uuid::new_v4().to_string(),
            captured_at: Utc::now(),
            badge_id: None,
        }
    }

    /// With a badge.
    #[must_use]
    pub fn with_badge(self, badge: impl Into<String>) -> Self {
        Self { badge_id: Some(badge.into()), ..self }
    }

    /// With one more frame of the same moment.
    #[must_use]
    pub fn and(mut self, frame: Frame) -> Self {
        self.frames.push(frame);
        self
    }

    pub(crate) fn body(&self) -> Result<Body, Error> {
        Body::of(&self.frames)
    }

    /// `x-captured-at`.
    pub(crate) fn captured_at(&self) -> String {
        self.captured_at.to_rfc3339_opts(SecondsFormat::Micros, true)
    }

    /// The request, with what it says beside the key.
    pub(crate) fn request(&self, request: RequestBuilder, body: &Body) -> RequestBuilder {
        let request = request
            .header(CONTENT_TYPE, &body.kind)
            .header("x-event-id", &self.event_id)
            .header("x-captured-at", self.captured_at())
            .body(body.bytes.clone());
        match &self.badge_id {
            Some(badge) => request.header("x-badge-id", badge),
            None => request,
        }
    }
}

/// The gate's answer.
#[derive(Clone, Debug, Deserialize)]
#[non_exhaustive]
pub struct PassageAnswer {
    /// [`Grant`](Decision::Grant) opens; everything else does not.
    pub decision: Decision,
    /// Why.
    pub reason: Reason,
    /// The employee, where one was identified.
    pub employee_id: Option<Uuid>,
    /// How long to open, in milliseconds; 0 unless granted.
    pub open_ms: u32,
    /// The passage's row in the trail.
    pub passage_id: Uuid,
    /// With a grant, where grants are signed: what a turnstile checks.
    pub token: Option<String>,
}

impl Limen {
    /// Decides whether a gate opens. Where an answer gets lost it is asked for again, under the same event id.
    ///
    /// # Errors
    /// When the service refuses or is not reached: the gate stays shut.
    pub async fn pass(&self, gate: Uuid, ask: &Ask) -> Result<PassageAnswer, Error> {
        let body = ask.body()?;
        let once = || answer::read(ask.request(self.request(PASS, &[gate]), &body));
        until_answered(once).await
    }
}

/// Asks again what may be answered in a moment.
pub(crate) async fn until_answered<T, F>(once: impl FnMut() -> F) -> Result<T, Error>
where
    F: Future<Output = Result<T, Error>>,
{
    let waits = ExponentialBuilder::default()
        .with_min_delay(RETRY_WAIT_MIN)
        .with_max_delay(RETRY_WAIT_MAX)
        .with_max_times(ATTEMPTS_MAX - 1)
        .with_jitter();
    once.retry(waits).when(Error::is_transient).await
}
