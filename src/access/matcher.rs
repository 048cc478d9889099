//! Compares a probe with the gallery.

use std::sync::Arc;

use crate::domain::{EmployeeId, Encoding, EncodingError, ModelId, Thresholds};
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

/// Compares probes with the gallery, off the async threads.
#[derive(Clone, Debug)]
pub struct Matcher {
    gallery: Arc<Gallery>,
    thresholds: Thresholds,
}

impl Matcher {
    /// A matcher over `gallery`.
    #[must_use]
    pub fn new(gallery: Arc<Gallery>, thresholds: Thresholds) -> Self {
        Self { gallery, thresholds }
    }

    /// The model whose encodings it compares.
    #[must_use]
    pub fn model(&self) -> &ModelId {
        self.gallery.model()
    }

    /// The τ of each kind of comparison.
    #[must_use]
    pub fn thresholds(&self) -> Thresholds {
        self.thresholds
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
