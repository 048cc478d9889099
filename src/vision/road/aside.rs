//! What a thread that has nothing to do takes on for one that looks at a frame.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded};
use parking_lot::Mutex;
use tch::TchError;

use super::Road;
use crate::vision::awaited::Awaited;

/// A part of a look, with where its outcome goes.
pub struct Aside(Box<dyn FnOnce(&Road) + Send>);

/// The way to whoever may help. Clones know of each other's crowds.
#[derive(Clone, Debug)]
pub(super) struct Helpers {
    asides: Sender<Aside>,
    /// The most that are under way where there is time to help.
    travelling_max: usize,
    /// When there were last more.
    crowded_at: Arc<Mutex<Option<Instant>>>,
}

/// How long after a crowd nobody is asked to help. Where frames come one after another without a pause, a helper is soon
/// wanted for one, and to wait for it is dearer than what it spares: see `benches/RESULTS.md`.
const CALM: Duration = Duration::from_millis(50);

impl Road {
    /// The same road, for so many threads; parts of looks on it and its clones are done by whoever waits at the receiver
    /// just then and hands what comes to [`Road::help`].
    #[must_use]
    pub fn with_helpers(self, threads: usize) -> (Self, Receiver<Aside>) {
        // Without room: nothing is handed over to those who are busy.
        let (asides, receiver) = bounded(0);
        let helpers = Helpers { asides, travelling_max: threads / 2, crowded_at: Arc::default() };
        (Self { helpers: Some(helpers), ..self }, receiver)
    }

    /// Does it, and answers whoever waits.
    pub fn help(&self, Aside(work): Aside) {
        work(self);
    }

    /// Hands what `part` makes ready over to somebody who can do it now; none where all are busy, and it is the caller's
    /// to do or to leave.
    pub(super) fn aside<T, W>(&self, part: impl FnOnce() -> W) -> Option<Awaited<T>>
    where
        T: Send + 'static,
        W: FnOnce(&Self) -> Result<T, TchError> + Send + 'static,
    {
        let helpers = self.helpers.as_ref()?;
        if helpers.are_busy(self.crowd.count()) {
            return None;
        }
        let work = part();
        let (outcome, awaited) = Awaited::new();
        // Nobody hears it where the look has ended meanwhile.
        let aside = Aside(Box::new(move |road| drop(outcome.send(work(road)))));
        helpers.asides.try_send(aside).ok().map(|()| awaited)
    }
}

impl Helpers {
    /// Whether there is no time to help with so many under way, or was none a moment ago.
    fn are_busy(&self, travelling: usize) -> bool {
        let mut crowded_at = self.crowded_at.lock();
        if travelling > self.travelling_max {
            *crowded_at = Some(Instant::now());
        }
        crowded_at.is_some_and(|then| then.elapsed() < CALM)
    }
}
