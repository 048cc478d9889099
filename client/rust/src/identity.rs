//! Whom a frame shows, and whether they are alive, without any gate.

use std::collections::BTreeMap;

use reqwest::RequestBuilder;
use reqwest::header::CONTENT_TYPE;
use serde::Deserialize;
use uuid::Uuid;

use crate::frame::Body;
use crate::operations::{LIVENESS, RECOGNIZE, VERIFY};
use crate::{EmployeeStatus, Error, Frame, Issue, Limen, Outcome, Standing, answer};

/// Whom a frame shows. Says who it is, not whether they may pass: that is a gate's decision.
#[derive(Clone, Debug, Deserialize)]
#[non_exhaustive]
pub struct Identity {
    /// What came of the frame.
    pub outcome: Outcome,
    /// The claimed employee, or the one recognized.
    pub employee_id: Option<Uuid>,
    /// The employee's status, where one matched.
    pub employee_status: Option<EmployeeStatus>,
    /// Whether the employee may pass now by status and validity, where one matched.
    pub employee_standing: Option<Standing>,
    /// The squared distance to the nearest template, 0 to 4; none where nothing was compared.
    pub distance: Option<f32>,
    /// The τ that the distance must stay under; none where a verifier decides.
    pub threshold: Option<f32>,
    /// How likely a verifier finds it that the face is the claimed employee's, where one decides.
    pub probability: Option<f32>,
    /// The probability that must be reached.
    pub probability_min: Option<f32>,
    /// 0 (an attack) to 1 (alive).
    pub liveness: Option<f32>,
    /// What is wrong with the picture.
    #[serde(default)]
    pub issues: Vec<Issue>,
    /// The nearest people, the nearest first, where they were asked for.
    #[serde(default)]
    pub candidates: Vec<Candidate>,
    /// How many faces the frame shows.
    pub faces: usize,
    /// The model whose distances these are.
    pub model_id: String,
    /// Milliseconds in each stage.
    pub timings_ms: BTreeMap<String, f64>,
}

/// A person whom a face may show.
#[derive(Clone, Debug, Deserialize)]
#[non_exhaustive]
pub struct Candidate {
    /// Who.
    pub employee_id: Uuid,
    /// The squared distance of their nearest template, 0 to 4.
    pub distance: f32,
}

/// Whether the nearest face of a frame is alive.
#[derive(Clone, Debug, Deserialize)]
#[non_exhaustive]
pub struct Liveness {
    /// What came of the frame.
    pub outcome: Outcome,
    /// 0 (an attack) to 1 (alive); none where there is no face to judge.
    pub score: Option<f32>,
    /// The score that a live face must reach.
    pub threshold: f32,
    /// What is wrong with the picture.
    #[serde(default)]
    pub issues: Vec<Issue>,
    /// How many faces the frame shows.
    pub faces: usize,
    /// Milliseconds in each stage.
    pub timings_ms: BTreeMap<String, f64>,
}

impl Limen {
    /// 1:1: is this the claimed employee?
    ///
    /// # Errors
    /// When the service refuses or is not reached.
    pub async fn verify(&self, employee: Uuid, frame: &Frame) -> Result<Identity, Error> {
        let request = self.request(VERIFY, &[]).query(&[("employee_id", employee)]);
        answer::read(with(request, frame)?).await
    }

    /// 1:N: who is this, if anybody enrolled?
    ///
    /// # Errors
    /// When the service refuses or is not reached.
    pub async fn recognize(&self, frame: &Frame) -> Result<Identity, Error> {
        answer::read(with(self.request(RECOGNIZE, &[]), frame)?).await
    }

    /// As [`recognize`](Self::recognize), and lists the nearest people; the key needs the scope `officer` or `admin`
    /// too.
    ///
    /// # Errors
    /// When the service refuses or is not reached.
    pub async fn candidates(&self, frame: &Frame, count: usize) -> Result<Identity, Error> {
        let request = self.request(RECOGNIZE, &[]).query(&[("candidates", count)]);
        answer::read(with(request, frame)?).await
    }

    /// Is this a live face?
    ///
    /// # Errors
    /// When the service refuses or is not reached.
    pub async fn liveness(&self, frame: &Frame) -> Result<Liveness, Error> {
        answer::read(with(self.request(LIVENESS, &[]), frame)?).await
    }
}

/// A request whose body is a frame.
pub(crate) fn with(request: RequestBuilder, frame: &Frame) -> Result<RequestBuilder, Error> {
    let body = Body::of(std::slice::from_ref(frame))?;
    Ok(request.header(CONTENT_TYPE, body.kind).body(body.bytes))
}
