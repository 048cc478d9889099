//! What verify and recognize answer: the shape they share.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use super::Problem;
use super::frames::OneFrame;
use super::schema::{EmployeeStatusCode, IssueCode, StandingCode};
use super::state::AppState;
use crate::access::Scale;
use crate::domain::{EmployeeId, EmployeeStatus, FaceSeen, Sighting, StageTimings, View};
use crate::gallery::Candidate;
use crate::vision::LookSettings;

/// What came of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Outcome {
    /// The face is that of the employee named.
    Match,
    /// The face is not that of the claimed employee.
    NoMatch,
    /// The face is nobody's who is enrolled.
    Unknown,
    /// Two enrolled people are about equally near (recognize only).
    Ambiguous,
    /// No face was found.
    NoFace,
    /// Several faces are about equally near.
    MultipleFaces,
    /// The face is taken for a print, a screen or a mask.
    Spoof,
    /// The face's picture is not good enough; `issues` says why.
    LowQuality,
    /// The face is taken for a live one (liveness only).
    Live,
}

impl Outcome {
    pub fn name(self) -> &'static str {
        match self {
            Self::Match => "match",
            Self::NoMatch => "no_match",
            Self::Unknown => "unknown",
            Self::Ambiguous => "ambiguous",
            Self::NoFace => "no_face",
            Self::MultipleFaces => "multiple_faces",
            Self::Spoof => "spoof",
            Self::LowQuality => "low_quality",
            Self::Live => "live",
        }
    }
}

/// A person whom the face may show.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CandidateView {
    #[schema(value_type = uuid::Uuid)]
    employee_id: EmployeeId,
    /// The squared distance of the person's nearest template, 0 to 4.
    distance: f32,
}

/// Whom a frame shows. Says who it is, not whether they may pass: that is a gate's decision.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct IdentityAnswer {
    pub outcome: Outcome,
    /// The claimed employee, or the one recognized.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<uuid::Uuid>)]
    pub employee_id: Option<EmployeeId>,
    /// The employee's status, where one matched.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<EmployeeStatusCode>)]
    pub employee_status: Option<EmployeeStatus>,
    /// Whether the employee may pass now by status and validity, where one matched. A gate asks more.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<StandingCode>)]
    pub employee_standing: Option<&'static str>,
    /// The squared distance to the nearest template, 0 to 4; absent where nothing was compared.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub distance: Option<f32>,
    /// The τ that the distance must stay under; absent where a verifier decides.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threshold: Option<f32>,
    /// How likely a verifier finds it that the face is the claimed employee's, 0 to 1; absent where none decides, or
    /// nothing was compared.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub probability: Option<f32>,
    /// The probability that must be reached, where a verifier decides.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub probability_min: Option<f32>,
    /// 0 (an attack) to 1 (alive); absent where the road ended before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub liveness: Option<f32>,
    /// What is wrong with the picture.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<IssueCode>)]
    pub issues: Vec<&'static str>,
    /// The nearest people by the model below, the nearest first, where `candidates` asked for them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub candidates: Option<Vec<CandidateView>>,
    /// How many faces the frame shows.
    pub faces: usize,
    /// The model whose distances these are.
    pub model_id: String,
    /// Milliseconds in each stage of the road.
    pub timings_ms: BTreeMap<&'static str, f64>,
}

/// Milliseconds by stage, to the microsecond.
pub(super) fn milliseconds(timings: &StageTimings) -> BTreeMap<&'static str, f64> {
    timings
        .iter()
        .map(|(stage, duration)| (stage.name(), duration.as_micros() as f64 / 1000.0))
        .collect()
}

/// Looks at the frame of a verification or recognition.
pub(super) async fn look(state: &AppState, frame: &OneFrame) -> Result<View<FaceSeen>, Problem> {
    let settings = LookSettings {
        liveness_threshold: Some(state.settings.liveness_threshold),
        pupil_distance_px_min: state.settings.pupil_distance_px_min,
        picture: false,
    };
    let view = state.engine.look(state.engine.place()?, frame.frame.clone(), settings).await?;
    state.metrics.stages(&view.timings);
    Ok(view)
}

impl IdentityAnswer {
    /// Says by which model the distance was measured, and by which τ it is judged.
    pub fn judged_by(&mut self, scale: &Scale) {
        (self.threshold, self.model_id) = (Some(scale.threshold.value()), scale.model.to_string());
        self.probability_min = None;
    }

    /// The answer to a frame that cannot be compared, or the face that can.
    pub fn begin(view: View<FaceSeen>, model_id: String) -> (Self, Option<FaceSeen>) {
        let mut answer = Self {
            outcome: Outcome::NoFace,
            employee_id: None,
            employee_status: None,
            employee_standing: None,
            distance: None,
            threshold: None,
            probability: None,
            probability_min: None,
            liveness: None,
            issues: Vec::new(),
            candidates: None,
            faces: view.faces,
            model_id,
            timings_ms: milliseconds(&view.timings),
        };
        match view.sighting {
            Sighting::NoFace => {}
            Sighting::MultipleFaces => answer.outcome = Outcome::MultipleFaces,
            Sighting::LowQuality { issues, .. } => {
                answer.outcome = Outcome::LowQuality;
                answer.issues = issues.iter().map(|issue| issue.code()).collect();
            }
            Sighting::Spoof { liveness } => {
                answer.outcome = Outcome::Spoof;
                answer.liveness = Some(liveness.value());
            }
            Sighting::Face(face) => {
                answer.liveness = face.liveness.map(|score| score.value());
                return (answer, Some(face));
            }
        }
        (answer, None)
    }
}

impl From<Candidate> for CandidateView {
    fn from(candidate: Candidate) -> Self {
        Self { employee_id: candidate.employee_id, distance: candidate.distance.value() }
    }
}
