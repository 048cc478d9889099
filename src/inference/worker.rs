//! One inference thread: travels the road with frames from the queue.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc;
use std::time::Instant;

use crossbeam_channel::{Receiver, select};
use tokio::sync::oneshot;
use tracing::error;

use super::engine::{EngineError, FrameBytes, Place};
use super::health::Health;
use crate::domain::{FaceSeen, LivenessScore, Stage, StageTimings, View};
use crate::vision::{Aside, LookError, LookSettings, Road};

type Reply<F> = oneshot::Sender<Result<View<F>, EngineError>>;

/// A frame that waits, and where its answer goes.
pub(super) struct Job {
    frame: FrameBytes,
    task: Task,
    submitted_at: Instant,
    /// Given back when the frame has been looked at.
    place: Place,
}

/// How far the road is to be travelled.
pub(super) enum Task {
    /// As far as the encoding.
    Encode { settings: LookSettings, reply: Reply<FaceSeen> },
    /// As far as the liveness score.
    Liveness { pupil_distance_px_min: f32, reply: Reply<LivenessScore> },
}

impl Job {
    pub(super) fn new(frame: FrameBytes, task: Task, place: Place) -> Self {
        Self { frame, task, submitted_at: Instant::now(), place }
    }
}

/// Warms the networks, says so, and then looks at frames until the queue is closed, and does parts of
/// the other workers' looks while there is no frame.
pub(super) fn run(
    road: &Road,
    queue: &Receiver<Job>,
    asides: &Receiver<Aside>,
    health: &Health,
    ready: mpsc::Sender<Result<(), LookError>>,
) {
    // The workers are the parallelism: a second thread inside each would only get in their way.
    tch::set_num_threads(1);
    let warm = road.warm_up();
    let failed = warm.is_err();
    let _ = ready.send(warm);
    if failed {
        return;
    }
    // Whoever waits for all workers hears of one that panics meanwhile by the channel's end.
    drop(ready);
    loop {
        select! {
            recv(queue) -> job => match job {
                Ok(job) => look(road, job, health),
                Err(_) => return,
            },
            recv(asides) -> aside => {
                // Whoever waits for it hears of a panic.
                if let Ok(aside) = aside
                    && catch_unwind(AssertUnwindSafe(|| road.help(aside))).is_err()
                {
                    error!("a network panicked beside a look, which is refused where it wanted to know; the worker goes on");
                }
            },
        }
    }
}

fn look(road: &Road, Job { frame, task, submitted_at, place }: Job, health: &Health) {
    match task {
        Task::Encode { settings, reply } => {
            answer(reply, (submitted_at, place), health, |timings| {
                road.look(&frame.bytes, frame.declared, &settings, timings)
            });
        }
        Task::Liveness { pupil_distance_px_min, reply } => {
            answer(reply, (submitted_at, place), health, |timings| {
                road.look_alive(&frame.bytes, frame.declared, pupil_distance_px_min, timings)
            });
        }
    }
}

/// Looks at a frame unless nobody waits for it any more.
fn answer<F>(
    reply: Reply<F>,
    (submitted_at, place): (Instant, Place),
    health: &Health,
    look: impl FnOnce(StageTimings) -> Result<View<F>, LookError>,
) {
    if reply.is_closed() {
        return;
    }
    let mut timings = StageTimings::default();
    timings.push(Stage::Queue, submitted_at.elapsed());
    // The networks are never changed by a look, so none is left half-changed by a panic.
    let view = catch_unwind(AssertUnwindSafe(|| look(timings)));
    let view = match view {
        Ok(view) => view.map_err(EngineError::Look),
        Err(_) => {
            error!("a network panicked; the frame is refused and the worker goes on");
            Err(EngineError::Panicked)
        }
    };
    health.note(!matches!(
        view,
        Err(EngineError::Panicked | EngineError::Look(LookError::Torch(_) | LookError::Encode(_)))
    ));
    // Before the answer: whoever hears it may come with the next frame at once.
    drop(place);
    // The receiver is gone when the client hung up meanwhile.
    let _ = reply.send(view);
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::sync::Semaphore;

    use super::*;
    use crate::domain::Sighting;

    fn place() -> Place {
        Place::new(Arc::new(Semaphore::new(1)).try_acquire_owned().unwrap())
    }

    /// What the worker answers when it looks at a frame so.
    fn answered(
        look: impl FnOnce() -> Result<View<FaceSeen>, LookError>,
    ) -> Result<View<FaceSeen>, EngineError> {
        let (reply, mut answered) = oneshot::channel();
        answer(reply, (Instant::now(), place()), &Health::default(), |_| look());
        answered.try_recv().expect("an answer, whatever happens")
    }

    #[test]
    fn a_panic_in_a_network_is_an_error_of_that_frame_and_the_next_is_looked_at() {
        let panicked = answered(|| {
            // What libtorch's panicking operations do where shapes do not fit.
            let _ = tch::Tensor::from_slice(&[1f32, 2.0]).view([3i64]);
            unreachable!("the shape does not fit");
        });
        assert!(matches!(panicked, Err(EngineError::Panicked)), "{panicked:?}");

        let faceless = View {
            sighting: Sighting::NoFace,
            faces: 0,
            nearest: None,
            size_px: [1, 1],
            timings: Default::default(),
        };
        assert_eq!(answered(|| Ok(faceless)).unwrap().faces, 0);
    }

    #[test]
    fn a_frame_that_nobody_waits_for_is_not_looked_at() {
        let (reply, gone) = oneshot::channel::<Result<View<FaceSeen>, EngineError>>();
        drop(gone);
        answer(reply, (Instant::now(), place()), &Health::default(), |_| {
            unreachable!("nobody waits")
        });
    }
}
