//! What a gate notices beside its passages.

use chrono::{DateTime, Utc};
use reqwest::header::CONTENT_TYPE;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::limen::json;
use crate::operations::REPORT;
use crate::passage::until_answered;
use crate::{Error, Input, Limen, answer};

/// A report of a gate's.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The gate's name for the event: 1 to 64 of A-Z a-z 0-9 . _ -. Repeated it records nothing more.
    #[serde(skip)]
    pub event_id: String,
    /// What it noticed.
    pub input: Input,
    /// When, by its clock; it may be long ago.
    pub happened_at: DateTime<Utc>,
    /// With `rotation_done` and `grant_unused`: the event id of the passage that was granted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub passage_event_id: Option<String>,
}

impl Report {
    /// Something that was noticed now.
    #[must_use]
    pub fn of(input: Input) -> Self {
        let event_id = Uuid::new_v4().to_string();
        Self { event_id, input, happened_at: Utc::now(), passage_event_id: None }
    }

    /// What became of the grant that was asked for under this event id.
    #[must_use]
    pub fn on_grant(self, event: impl Into<String>) -> Self {
        Self { passage_event_id: Some(event.into()), ..self }
    }
}

/// A report, as recorded.
#[derive(Clone, Debug, Deserialize)]
#[non_exhaustive]
pub struct RecordedInput {
    /// The id.
    pub input_id: Uuid,
    /// Whose it is.
    pub gate_id: Uuid,
    /// The gate's name for it.
    pub event_id: String,
    /// What was noticed.
    pub input: Input,
    /// The grant that was used, or was not.
    pub passage_id: Option<Uuid>,
    /// When, by the gate's clock.
    pub happened_at: DateTime<Utc>,
    /// When it was recorded.
    pub recorded_at: DateTime<Utc>,
}

impl Limen {
    /// Reports what a gate noticed; again where the answer gets lost, under the same event id.
    ///
    /// # Errors
    /// When the service refuses or is not reached: then it is to be reported later.
    pub async fn report(&self, gate: Uuid, report: &Report) -> Result<RecordedInput, Error> {
        let body = json(report)?;
        let once = || {
            let request = self.request(REPORT, &[gate]).header("x-event-id", &report.event_id);
            answer::read(request.header(CONTENT_TYPE, "application/json").body(body.clone()))
        };
        until_answered(once).await
    }
}
