//! One enrolment after another, on whichever replica: from the search for whom a new face is like until it is found
//! itself. Of two photos of one person that come at once as two people's, the second meets the first.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::{Mutex, MutexGuard};

use super::{EnrolmentError, Matcher};
use crate::domain::ModelId;
use crate::gallery::Gallery;
use crate::store::{EnrolmentLock, Store};

/// What is stored in a transaction may bear a moment that lies so long before its end.
const SLACK: Duration = Duration::from_secs(60);

/// Who may enrol now. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Enrolments {
    store: Store,
    matcher: Matcher,
    /// When the last turn of this process began. Behind it only one waits for Postgres' lock.
    last: Arc<Mutex<Option<DateTime<Utc>>>>,
}

/// The turn of whoever enrols; over when dropped.
#[derive(Debug)]
pub struct Turn<'e> {
    pub(super) store: &'e Store,
    pub(super) matcher: &'e Matcher,
    _lock: EnrolmentLock,
    _last: MutexGuard<'e, Option<DateTime<Utc>>>,
}

impl Enrolments {
    /// That are compared by `matcher` and stored in `store`.
    #[must_use]
    pub fn new(store: Store, matcher: Matcher) -> Self {
        Self { store, matcher, last: Arc::default() }
    }

    /// What they are compared by.
    pub(super) fn matcher(&self) -> &Matcher {
        &self.matcher
    }

    /// Waits for a turn. The galleries then know every face that was enrolled in an earlier one.
    ///
    /// # Errors
    /// When Postgres does not answer, or others take too long.
    pub async fn turn(&self) -> Result<Turn<'_>, EnrolmentError> {
        let Self { store, matcher, last } = self;
        let mut last = last.lock().await;
        let galleries: Vec<&Gallery> = matcher.galleries().map(|gallery| &**gallery).collect();
        // What was stored before a gallery was read whole it knows.
        let since_read = |gallery: &&Gallery| {
            gallery.age().map_or(TimeDelta::MAX, |age| {
                TimeDelta::from_std(age + SLACK).unwrap_or(TimeDelta::MAX)
            })
        };
        let unread = galleries.iter().map(since_read).max().unwrap_or(TimeDelta::MAX);
        let models: Vec<&ModelId> = galleries.iter().map(|gallery| gallery.model()).collect();
        let (lock, recent) = store.lock_enrolment(&models, *last, unread).await?;
        for (employee, face) in recent {
            if !galleries.iter().any(|gallery| gallery.has_face(employee, face)) {
                matcher.refresh(store, employee).await?;
            }
        }
        *last = Some(lock.began_at());
        Ok(Turn { store, matcher, _lock: lock, _last: last })
    }
}
