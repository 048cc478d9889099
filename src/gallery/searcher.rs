//! The thread that searches, off the async ones.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender, unbounded};
use tokio::sync::oneshot;
use tracing::error;

use super::{Candidate, Gallery};
use crate::domain::{Encoding, EncodingError};

/// Why a search gave nothing.
#[derive(Debug, thiserror::Error)]
pub enum SearchError {
    /// The probe is of another model than the gallery.
    #[error(transparent)]
    Encoding(#[from] EncodingError),
    /// The search panicked.
    #[error("the search broke down")]
    Panicked,
}

/// A probe that waits, and where its answer goes.
struct Query {
    probe: Encoding,
    count: usize,
    reply: oneshot::Sender<Vec<Candidate>>,
}

/// Searches for whoever asks: probes that wait together share one pass over the gallery, none waits for
/// others to come.
#[derive(Clone, Debug)]
pub struct Searcher {
    gallery: Arc<Gallery>,
    /// Bounded by the requests that may be in flight. Once all clones are gone the thread ends.
    queries: Sender<Query>,
}

impl Searcher {
    /// Starts the thread; `probes_max`, at least 1, may share a pass. More than 16 gain nothing: the codes
    /// no longer wait for the memory then.
    ///
    /// # Errors
    /// When the system gives none.
    pub fn start(gallery: Arc<Gallery>, probes_max: usize) -> std::io::Result<Self> {
        let (queries, waiting) = unbounded();
        let searched = Arc::clone(&gallery);
        let thread = std::thread::Builder::new().name("search".into());
        thread.spawn(move || run(&searched, &waiting, probes_max))?;
        Ok(Self { gallery, queries })
    }

    /// What it searches.
    #[must_use]
    pub fn gallery(&self) -> &Arc<Gallery> {
        &self.gallery
    }

    /// As [`Gallery::search`].
    ///
    /// # Errors
    /// [`SearchError`].
    pub async fn search(
        &self,
        probe: Encoding,
        count: usize,
    ) -> Result<Vec<Candidate>, SearchError> {
        self.gallery.check_model(&probe)?;
        let (reply, answer) = oneshot::channel();
        let query = Query { probe, count, reply };
        self.queries.send(query).map_err(|_| SearchError::Panicked)?;
        answer.await.map_err(|_| SearchError::Panicked)
    }
}

/// Searches until nobody can ask any more.
fn run(gallery: &Gallery, waiting: &Receiver<Query>, probes_max: usize) {
    while let Ok(first) = waiting.recv() {
        let mut queries = vec![first];
        queries.extend(waiting.try_iter().take(probes_max.saturating_sub(1)));
        // Whoever asked hung up meanwhile.
        queries.retain(|query| !query.reply.is_closed());
        // The gallery is never changed by a search, so none is left half-changed by a panic.
        if catch_unwind(AssertUnwindSafe(|| answer(gallery, queries))).is_err() {
            error!("a search panicked; those who asked are refused and the thread goes on");
        }
    }
}

fn answer(gallery: &Gallery, queries: Vec<Query>) {
    let probes: Vec<&Encoding> = queries.iter().map(|query| &query.probe).collect();
    let count = queries.iter().map(|query| query.count).max().unwrap_or(0);
    let found = match gallery.search_all(&probes, count) {
        Ok(found) => found,
        // Each was checked when it was asked.
        Err(error) => return error!(%error, "a search failed"),
    };
    for (query, mut nearest) in queries.into_iter().zip(found) {
        nearest.truncate(query.count);
        // The receiver is gone when the client hung up meanwhile.
        let _ = query.reply.send(nearest);
    }
}

#[cfg(test)]
mod tests {
    use futures_util::future::join_all;

    use super::*;
    use crate::domain::{EmployeeId, ModelId};

    fn encoding(angle: f32, model: &str) -> Encoding {
        Encoding::normalised(vec![angle.cos(), angle.sin()], ModelId::new(model)).unwrap()
    }

    #[tokio::test]
    async fn each_of_many_who_ask_at_once_gets_their_own_answer() {
        let angle = |number: usize| number as f32 * 0.05;
        let ids: Vec<EmployeeId> = (0..100).map(|_| EmployeeId::generate()).collect();
        let people = ids.iter().enumerate().map(|(n, id)| (*id, encoding(angle(n), "a")));
        let gallery = Gallery::of(ModelId::new("a"), 2, people).unwrap();
        let searcher = Searcher::start(Arc::new(gallery), 16).unwrap();
        let searches = (0..100).map(|n| {
            let searcher = searcher.clone();
            async move { searcher.search(encoding(angle(n) + 0.01, "a"), 1 + n % 3).await.unwrap() }
        });
        for (number, found) in join_all(searches).await.iter().enumerate() {
            assert_eq!((found.len(), found[0].employee_id), (1 + number % 3, ids[number]));
        }
    }

    #[tokio::test]
    async fn a_probe_of_another_model_is_refused() {
        let gallery = Gallery::new(ModelId::new("a"), 2);
        let searcher = Searcher::start(Arc::new(gallery), 16).unwrap();
        let refused = searcher.search(encoding(0.0, "b"), 1).await;
        assert!(matches!(refused, Err(SearchError::Encoding(_))), "{refused:?}");
        assert_eq!(searcher.search(encoding(0.0, "a"), 1).await.unwrap(), []);
    }
}
