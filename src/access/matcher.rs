//! Compares a probe with the gallery.

use std::sync::Arc;

use parking_lot::Mutex;
use tracing::{info, warn};

use crate::domain::risk::{RiskPolicy, Tau};
use crate::domain::{EmployeeId, Encoding, EncodingError, ModelId, Threshold};
use crate::gallery::{Candidate, Gallery};

/// Why a probe could not be compared.
#[derive(Debug, thiserror::Error)]
pub enum MatchError {
    /// The probe is of another model than the gallery.
    #[error(transparent)]
    Encoding(#[from] EncodingError),
    /// The search broke down.
    #[error("the search broke down: {0}")]
    Search(#[from] tokio::task::JoinError),
}

/// Compares probes with the gallery, off the async threads, and knows the τ to judge them by.
#[derive(Clone, Debug)]
pub struct Matcher {
    gallery: Arc<Gallery>,
    risk: Arc<RiskPolicy>,
    /// τ of 1:N when it was last asked for, so that changes can be told.
    last: Arc<Mutex<Option<Tau>>>,
}

impl Matcher {
    /// A matcher over `gallery` at the accepted `risk`.
    #[must_use]
    pub fn new(gallery: Arc<Gallery>, risk: RiskPolicy) -> Self {
        Self { gallery, risk: Arc::new(risk), last: Arc::default() }
    }

    /// The model whose encodings it compares.
    #[must_use]
    pub fn model(&self) -> &ModelId {
        self.gallery.model()
    }

    /// τ of a comparison with one employee (1:1).
    #[must_use]
    pub fn verify_threshold(&self, employee: EmployeeId) -> Threshold {
        self.risk.verify(self.gallery.faces_of(employee)).threshold
    }

    /// τ of a search (1:N) in the gallery as it is now. Every change of it is logged.
    #[must_use]
    pub fn recognize_threshold(&self) -> Tau {
        let templates = self.gallery.faces();
        let tau = self.risk.recognize(templates);
        let before = self.last.lock().replace(tau);
        if before != Some(tau) {
            let threshold = tau.threshold.value();
            info!(threshold, templates, supported = tau.supported, "the threshold of 1:N changed");
            if !tau.supported && before.is_none_or(|before| before.supported) {
                warn!(
                    templates,
                    max_fpir = self.risk.risk().max_fpir,
                    "the calibration cannot show that a gallery of this size keeps within the \
                     accepted risk; ask for a badge (1:1): see `limen threshold`"
                );
            }
        }
        tau
    }

    /// The `count` nearest people (1:N), whether under the threshold or not.
    ///
    /// # Errors
    /// [`MatchError`].
    pub async fn nearest(
        &self,
        probe: Encoding,
        count: usize,
    ) -> Result<Vec<Candidate>, MatchError> {
        let gallery = Arc::clone(&self.gallery);
        Ok(tokio::task::spawn_blocking(move || gallery.search(&probe, count)).await??)
    }

    /// The nearest template of the claimed employee (1:1), whether under the threshold or not;
    /// none when the employee has none of this model.
    ///
    /// # Errors
    /// [`MatchError`].
    pub fn claimed(
        &self,
        employee: EmployeeId,
        probe: &Encoding,
    ) -> Result<Option<Candidate>, MatchError> {
        Ok(self.gallery.verify(employee, probe)?)
    }
}
