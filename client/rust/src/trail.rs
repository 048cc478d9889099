//! The trail: what gates decided.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::operations::{LIST_PASSAGES, READ_PASSAGE};
use crate::{
    Decision, Direction, Error, GateMode, Limen, Notice, QualityFigure, Reason, Rows, answer,
};

/// A row of the trail.
#[derive(Clone, Debug, Deserialize)]
#[non_exhaustive]
pub struct Passage {
    /// The id.
    pub passage_id: Uuid,
    /// The gate.
    pub gate_id: Uuid,
    /// The gate's name for the event.
    pub event_id: String,
    /// When the frame was captured.
    pub captured_at: DateTime<Utc>,
    /// When it was decided.
    pub decided_at: DateTime<Utc>,
    /// What was decided.
    pub decision: Decision,
    /// Why.
    pub reason: Reason,
    /// How long the gate opened, in milliseconds.
    pub open_ms: u32,
    /// What a rule that only reports had to say.
    pub notice: Option<Notice>,
    /// The zone that the gate led into or out of.
    pub zone_id: Option<Uuid>,
    /// Which way.
    pub direction: Option<Direction>,
    /// Whom the gate compared faces with.
    pub mode: Option<GateMode>,
    /// Who it was, where somebody was identified.
    pub employee_id: Option<Uuid>,
    /// The badge that was shown.
    pub badge_id: Option<String>,
    /// The squared distance to the nearest template, 0 to 4; of several frames that were heard together, the mean.
    pub distance: Option<f32>,
    /// The τ that it had to stay under.
    pub threshold: Option<f32>,
    /// How likely a verifier found it that the face is the badge's owner's.
    pub probability: Option<f32>,
    /// The probability that had to be reached.
    pub probability_min: Option<f32>,
    /// Where the nearest person could not be told from the next: the squared distance to that one.
    pub second_distance: Option<f32>,
    /// By how much farther than the nearest they had to be.
    pub margin: Option<f32>,
    /// The figure that missed its limit, where the picture was not good enough.
    pub quality_figure: Option<QualityFigure>,
    /// What was measured.
    pub quality_value: Option<f32>,
    /// What it had to reach, or not to exceed.
    pub quality_limit: Option<f32>,
    /// 0 (an attack) to 1 (alive).
    pub liveness: Option<f32>,
    /// What it had to reach.
    pub liveness_threshold: Option<f32>,
    /// The encoder's model.
    pub model_id: Option<String>,
    /// How many frames were looked at.
    pub frames: u16,
    /// The passage of the same person after which this one was one too many.
    pub earlier_passage_id: Option<Uuid>,
    /// Where a repeated event lost its grant: the passage that was repeated.
    pub replay_of: Option<Uuid>,
}

/// A row of a list.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
#[non_exhaustive]
pub enum PassageEntry {
    /// A passage.
    Read(Box<Passage>),
    /// One that the service cannot read: a newer version wrote it, or somebody altered it.
    Unreadable {
        /// The id.
        passage_id: Uuid,
        /// The gate.
        gate_id: Uuid,
        /// True.
        unreadable: bool,
    },
}

/// Which passages are listed.
#[derive(Clone, Debug, Default, Serialize)]
pub struct PassageFilter {
    /// Only those of this gate.
    pub gate_id: Option<Uuid>,
    /// Only those of the event that the gate calls so.
    pub event_id: Option<String>,
    /// Only those of this employee.
    pub employee_id: Option<Uuid>,
    /// Only those with this decision.
    pub decision: Option<Decision>,
    /// Only those with this reason.
    pub reason: Option<Reason>,
    /// Only those through gates of this zone.
    pub zone_id: Option<Uuid>,
    /// Only those of which a rule that only reports had this to say.
    pub notice: Option<Notice>,
    /// Only those decided at or after this moment.
    pub from: Option<DateTime<Utc>>,
    /// Only those decided before this moment.
    pub until: Option<DateTime<Utc>>,
}

impl Limen {
    /// Lists passages, the newest first.
    #[must_use]
    pub fn passages(&self, filter: PassageFilter) -> Rows<PassageEntry> {
        self.rows(LIST_PASSAGES, &[], filter)
    }

    /// Shows a passage.
    ///
    /// # Errors
    /// When the service refuses or is not reached.
    pub async fn passage(&self, id: Uuid) -> Result<Passage, Error> {
        answer::read(self.request(READ_PASSAGE, &[id])).await
    }
}
