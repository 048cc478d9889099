//! An answer, read whole, and what is expected of it.

use reqwest::header::{CONTENT_TYPE, HeaderMap};
use serde_json::Value;

/// What the service answered.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    /// The body as JSON; null where it is none.
    pub json: Value,
    pub text: String,
}

impl Answer {
    pub async fn read(response: reqwest::Response) -> Self {
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let kind =
            headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        // A stream has no end: its head is the answer.
        let text = match kind {
            "text/event-stream" => String::new(),
            _ => response.text().await.expect("a body that can be read"),
        };
        let json = serde_json::from_str(&text).unwrap_or_default();
        Self { status, headers, json, text }
    }

    /// The body of an answer that must have this status.
    #[track_caller]
    pub fn expect(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text);
        self.json
    }

    /// The body of a problem that must have this status and code.
    #[track_caller]
    pub fn refused(self, status: u16, code: &str) -> Value {
        self.assert_problem();
        assert_eq!(
            (self.status, &self.json["code"]),
            (status, &Value::from(code)),
            "{}",
            self.text
        );
        self.json
    }

    /// Checks that a refusal has the shape of RFC 9457, and names the request.
    #[track_caller]
    pub fn assert_problem(&self) {
        let kind = self.headers.get(CONTENT_TYPE).map(|value| value.to_str().unwrap());
        assert_eq!(kind, Some("application/problem+json"), "{} {}", self.status, self.text);
        assert_eq!(self.json["status"], self.status, "{}", self.text);
        for member in ["code", "title", "detail", "instance"] {
            let text = self.json[member].as_str().unwrap_or_default();
            assert!(!text.is_empty(), "no {member} in {}", self.text);
        }
        assert_eq!(self.json["instance"].as_str(), self.header("x-request-id"));
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}
