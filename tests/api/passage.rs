//! A person in front of a gate: one `POST /v1/gates/G/passages`.

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use reqwest::{Method, RequestBuilder};
use serde_json::Value;
use uuid::Uuid;

use crate::answer::Answer;
use crate::frame;
use crate::service::{TestService, send};

/// What the firmware sends.
#[derive(Clone, Debug)]
pub struct Passage {
    frames: Vec<&'static str>,
    event: String,
    captured_at: DateTime<Utc>,
    badge: Option<&'static str>,
}

impl Passage {
    /// One frame, captured now, under an event id of its own.
    pub fn of(frame: &'static str) -> Self {
        Self::of_frames(&[frame])
    }

    /// Several frames, captured now, under an event id of their own.
    pub fn of_frames(frames: &[&'static str]) -> Self {
        let event = Uuid::new_v4().to_string();
        Self { frames: frames.to_vec(), event, captured_at: Utc::now(), badge: None }
    }

    /// Its event id.
    pub fn event(&self) -> &str {
        &self.event
    }

    pub fn badge(self, badge: &'static str) -> Self {
        Self { badge: Some(badge), ..self }
    }

    /// Captured so many milliseconds ago (in the future when negative).
    pub fn aged_ms(self, age_ms: i64) -> Self {
        Self { captured_at: Utc::now() - TimeDelta::milliseconds(age_ms), ..self }
    }

    /// The same event with another frame.
    pub fn with_frame(self, frame: &'static str) -> Self {
        Self { frames: vec![frame], ..self }
    }

    /// The request, with the key for everything.
    pub fn request(&self, service: &TestService, gate: &str) -> RequestBuilder {
        let request = service
            .request(Method::POST, &format!("/v1/gates/{gate}/passages"))
            .header("x-event-id", &self.event)
            .header("x-captured-at", self.captured_at.to_rfc3339_opts(SecondsFormat::Millis, true));
        let request = match self.badge {
            Some(badge) => request.header("x-badge-id", badge),
            None => request,
        };
        match self.frames[..] {
            [one] => request.header("content-type", frame::media_type(one)).body(frame::bytes(one)),
            _ => request.multipart(frame::form(&self.frames)),
        }
    }

    /// Sends it.
    pub async fn send(&self, service: &TestService, gate: &str) -> Answer {
        send(self.request(service, gate)).await
    }

    /// Sends it; returns the decision's body.
    pub async fn decide(&self, service: &TestService, gate: &str) -> Value {
        self.send(service, gate).await.expect(200)
    }

    /// Sends it and expects a grant; returns the body.
    pub async fn granted(&self, service: &TestService, gate: &str) -> Value {
        let answer = self.decide(service, gate).await;
        assert_eq!((&answer["decision"], &answer["reason"]), (&"grant".into(), &"granted".into()));
        answer
    }

    /// Sends it and expects that the gate stays shut for this reason; returns the body.
    pub async fn refused(&self, service: &TestService, gate: &str, reason: &str) -> Value {
        let answer = self.decide(service, gate).await;
        assert_ne!(answer["decision"], "grant", "{answer}");
        assert_eq!(
            (&answer["reason"], &answer["open_ms"]),
            (&reason.into(), &0.into()),
            "{answer}"
        );
        answer
    }
}
