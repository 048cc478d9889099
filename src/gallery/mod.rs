//! The enrolled encodings in memory: verify (1:1), search (1:N), coherence with Postgres.
//!
//! The gallery only proposes whom a face belongs to. Whether that person may pass is read from
//! Postgres under a lock before every grant, so a gallery that lags can refuse, never open.
//!
//! A person is one template, all their faces fused ([`Encoding::fused`]).

mod index;
mod memory;
mod searcher;
mod sync;

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use arc_swap::ArcSwap;
use parking_lot::Mutex;

use crate::domain::{EmployeeId, EmployeeStatus, Encoding, EncodingError, FaceId, ModelId};
pub use index::Candidate;
use index::{Index, Person};
pub use searcher::{SearchError, Searcher};
pub use sync::{ResyncSettings, follow, load, refresh, resync};

/// The gallery of one model.
#[derive(Debug)]
pub struct Gallery {
    model: ModelId,
    /// The model that people move to: who has a face of it is not in this gallery.
    superseded_by: Option<ModelId>,
    /// Whoever searches keeps the one they found: a change puts another in its place.
    index: ArcSwap<Index>,
    /// How often another index was put in its place.
    version: AtomicU64,
    /// When it was last known to equal Postgres.
    synced_at: Mutex<Option<Instant>>,
    /// Held by whoever puts another index in its place, from reading Postgres until then, so that an
    /// older reading never overwrites a newer. While everything is read again it lists who changed
    /// since that began.
    changing: tokio::sync::Mutex<Option<HashSet<EmployeeId>>>,
    /// Everything is read again by one at a time.
    resyncing: tokio::sync::Mutex<()>,
}

impl Gallery {
    /// An empty gallery for encodings of `size` numbers made by `model`.
    #[must_use]
    pub fn new(model: ModelId, size: usize) -> Self {
        Self {
            model,
            superseded_by: None,
            index: ArcSwap::from_pointee(Index::new(size)),
            version: AtomicU64::new(0),
            synced_at: Mutex::new(None),
            changing: tokio::sync::Mutex::new(None),
            resyncing: tokio::sync::Mutex::new(()),
        }
    }

    /// As [`new`](Self::new), of a model that people move away from: it holds those who have no face of `current`.
    #[must_use]
    pub fn previous(model: ModelId, size: usize, current: ModelId) -> Self {
        Self { superseded_by: Some(current), ..Self::new(model, size) }
    }

    /// A gallery of these people, each with one template; it follows no database.
    ///
    /// # Errors
    /// When an encoding is of another model or size.
    pub fn of(
        model: ModelId,
        size: usize,
        people: impl IntoIterator<Item = (EmployeeId, Encoding)>,
    ) -> Result<Self, EncodingError> {
        let gallery = Self::new(model, size);
        let mut index = Index::new(size);
        for (employee_id, encoding) in people {
            gallery.check_model(&encoding)?;
            let status = EmployeeStatus::Active;
            let person = Person { employee_id, face_ids: [FaceId::generate()].into(), status };
            if !index.put(person, encoding.values()) {
                let found = encoding.values().len();
                return Err(EncodingError::Size { found, expected: size });
            }
        }
        gallery.index.store(Arc::new(index));
        Ok(gallery)
    }

    /// The model whose encodings it holds.
    #[must_use]
    pub fn model(&self) -> &ModelId {
        &self.model
    }

    /// A number that grows with every change of who is in it.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.version.load(Ordering::SeqCst)
    }

    /// How many faces the templates were fused of.
    #[must_use]
    pub fn faces(&self) -> usize {
        self.index.load().faces()
    }

    /// How many people it holds.
    #[must_use]
    pub fn people(&self) -> usize {
        self.index.load().people()
    }

    /// How long ago it was last known to equal Postgres.
    #[must_use]
    pub fn age(&self) -> Option<std::time::Duration> {
        self.synced_at.lock().map(|at| at.elapsed())
    }

    /// The `count` nearest people, the nearest first; a person's distance is that of their
    /// template. Exact: nobody nearer is passed over (property-tested against brute force). Takes
    /// time in proportion to the gallery, so async code calls it on a blocking thread.
    ///
    /// # Errors
    /// When `probe` is of another model.
    pub fn search(&self, probe: &Encoding, count: usize) -> Result<Vec<Candidate>, EncodingError> {
        Ok(self.search_all(&[probe], count)?.pop().unwrap_or_default())
    }

    /// As [`search`](Self::search), for several probes in one pass.
    ///
    /// # Errors
    /// When a probe is of another model.
    pub fn search_all(
        &self,
        probes: &[&Encoding],
        count: usize,
    ) -> Result<Vec<Vec<Candidate>>, EncodingError> {
        probes.iter().try_for_each(|probe| self.check_model(probe))?;
        let probes: Vec<&[f32]> = probes.iter().map(|probe| probe.values()).collect();
        Ok(self.index.load().search(&probes, count))
    }

    /// One employee; none when the employee has no face.
    ///
    /// # Errors
    /// When `probe` is of another model.
    pub fn verify(
        &self,
        employee: EmployeeId,
        probe: &Encoding,
    ) -> Result<Option<Candidate>, EncodingError> {
        self.check_model(probe)?;
        Ok(self.index.load().verify(employee, probe.values()))
    }

    /// Whether an employee is known.
    #[must_use]
    pub fn has(&self, employee: EmployeeId) -> bool {
        self.index.load().faces_of(employee).is_some()
    }

    /// What an employee is compared by; none when the employee has no face.
    #[must_use]
    pub fn template(&self, employee: EmployeeId) -> Option<Encoding> {
        let index = self.index.load();
        Encoding::normalised(index.template_of(employee)?.to_vec(), self.model.clone()).ok()
    }

    /// One employee, and what `judge` says of their template; none when the employee has no face.
    ///
    /// # Errors
    /// When `probe` is of another model.
    pub fn verify_with<T>(
        &self,
        employee: EmployeeId,
        probe: &Encoding,
        judge: impl FnOnce(&[f32]) -> T,
    ) -> Result<Option<(Candidate, T)>, EncodingError> {
        self.check_model(probe)?;
        let index = self.index.load();
        // Of one index, so that both are of one template.
        let candidate = index.verify(employee, probe.values());
        Ok(candidate.zip(index.template_of(employee).map(judge)))
    }

    /// Whether a face of an employee's is known.
    #[must_use]
    pub fn has_face(&self, employee: EmployeeId, face: FaceId) -> bool {
        self.index.load().faces_of(employee).is_some_and(|faces| faces.contains(&face))
    }

    fn check_model(&self, probe: &Encoding) -> Result<(), EncodingError> {
        if *probe.model() == self.model {
            return Ok(());
        }
        Err(EncodingError::ModelMismatch { left: probe.model().clone(), right: self.model.clone() })
    }
}
