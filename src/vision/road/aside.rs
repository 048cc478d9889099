//! Liveness, judged by a thread that has nothing to do while the one that looks at the frame encodes the face.

use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded};
use parking_lot::Mutex;
use tch::TchError;

use super::{Approached, Road};
use crate::domain::LivenessScore;
use crate::vision::liveness::{Surroundings, judge};

/// A face whose liveness another thread waits for.
pub struct Aside {
    seen: Surroundings,
    reply: mpsc::SyncSender<Result<LivenessScore, TchError>>,
}

/// The way to whoever may judge. Clones know of each other's crowds.
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

/// What a thread waits for whose [`Aside`] was taken.
pub(super) struct Awaited(mpsc::Receiver<Result<LivenessScore, TchError>>);

impl Road {
    /// The same road, for so many threads; the liveness of faces on it and its clones is judged by whoever waits at the
    /// receiver just then and hands what comes to [`Road::judge`].
    #[must_use]
    pub fn with_helpers(self, threads: usize) -> (Self, Receiver<Aside>) {
        // Without room: nothing is handed over to those who are busy.
        let (asides, receiver) = bounded(0);
        let helpers = Helpers { asides, travelling_max: threads / 2, crowded_at: Arc::default() };
        (Self { helpers: Some(helpers), ..self }, receiver)
    }

    /// Judges and answers.
    pub fn judge(&self, Aside { seen, reply }: Aside) {
        // Nobody hears it when the encoder failed meanwhile.
        let _ = reply.send(judge(&self.liveness, &seen));
    }

    /// Hands a face's liveness over to somebody who can judge it now; none where all are busy.
    pub(super) fn hand_over(&self, approached: &Approached) -> Option<Awaited> {
        let helpers = self.helpers.as_ref()?;
        if helpers.are_busy(self.crowd.count()) {
            return None;
        }
        let seen = Surroundings::of(&approached.frame, &approached.detection.bounding_box);
        let (reply, awaited) = mpsc::sync_channel(1);
        if let Err(refused) = helpers.asides.try_send(Aside { seen, reply }) {
            // Nobody waits just now.
            self.judge(refused.into_inner());
        }
        Some(Awaited(awaited))
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

impl Awaited {
    /// The score, once it is there.
    pub fn wait(self) -> Result<LivenessScore, TchError> {
        let broke_down =
            |_| Err(TchError::Torch("the thread that judged liveness broke down".into()));
        self.0.recv().unwrap_or_else(broke_down)
    }
}
