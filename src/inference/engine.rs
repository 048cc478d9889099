//! The handle through which the service asks for a frame to be looked at.

use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;

use bytes::Bytes;
use crossbeam_channel::{Sender, unbounded};
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tracing::info;

use super::health::Health;
use super::memory;
use super::worker::{self, Job, Task};
use crate::domain::{FaceSeen, LivenessScore, View};
use crate::vision::{
    EncoderProfile, FrameFormat, LookError, LookSettings, OpenError, Precision, PreviousEncoder,
    Road, RoadSettings,
};

/// How the engine runs.
#[derive(Clone, Debug)]
pub struct EngineSettings {
    /// The folder with the weights and their manifest.
    pub weights_dir: PathBuf,
    /// Which networks, on which device, with which settings.
    pub road: RoadSettings,
    /// The encoder that people move away from, where one is served beside.
    pub previous: Option<PreviousEncoder>,
    /// Threads that each look at a frame; at least 1.
    pub workers: usize,
    /// Frames that may wait while every worker looks at one; one more is answered as overload.
    pub queue_max: usize,
}

/// Why the engine did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The networks could not be loaded.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The networks were loaded but do not run.
    #[error("the networks do not run: {0}")]
    WarmUp(#[from] LookError),
    /// The system gave no thread.
    #[error("an inference thread could not be started: {0}")]
    Thread(#[from] std::io::Error),
    /// A thread ended before it was ready.
    #[error("an inference thread ended before it was ready")]
    Ended,
}

/// Why a frame was not looked at.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// As many frames are waiting as may wait.
    #[error("all inference workers are busy and the queue is full")]
    Overloaded,
    /// The frame cannot be decoded, or a network failed on it.
    #[error(transparent)]
    Look(#[from] LookError),
    /// A network panicked; the worker goes on.
    #[error("the network broke down on this frame")]
    Panicked,
    /// The engine is shutting down.
    #[error("the inference engine has stopped")]
    Stopped,
}

/// A place among the frames that are looked at or wait, free again once every clone is gone. A request
/// takes one and keeps it for all its frames, which it shows one after another.
#[derive(Clone, Debug)]
pub struct Place(#[expect(dead_code, reason = "held")] Arc<OwnedSemaphorePermit>);

/// An encoded picture as it came.
#[derive(Clone)]
pub struct FrameBytes {
    /// JPEG, PNG or WebP.
    pub bytes: Bytes,
    /// What the sender says it is, where they say.
    pub declared: Option<FrameFormat>,
}

impl Place {
    pub(super) fn new(permit: OwnedSemaphorePermit) -> Self {
        Self(Arc::new(permit))
    }
}

/// Shows the size only: a frame must never reach a log.
impl std::fmt::Debug for FrameBytes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "FrameBytes({} bytes, {:?})", self.bytes.len(), self.declared)
    }
}

/// Owns the networks; looks at frames.
#[derive(Debug)]
pub struct Engine {
    jobs: Mutex<Option<Sender<Job>>>,
    /// One for each request whose frame is looked at or waits.
    places: Arc<Semaphore>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    encoder: EncoderProfile,
    previous: Option<EncoderProfile>,
    precision: Precision,
    queue_max: usize,
    health: Arc<Health>,
}

impl Engine {
    /// Starts the workers and waits until each has its networks loaded and warm. Blocks for
    /// seconds.
    ///
    /// # Errors
    /// [`StartError`]; then no thread stays: those that still load end when they have.
    pub fn start(settings: &EngineSettings) -> Result<Self, StartError> {
        memory::expect_frames();
        // The places bound it.
        let (jobs, queue) = unbounded();
        let workers = settings.workers.max(1);
        let (ready, readiness) = std::sync::mpsc::channel();
        // Loading is not worth threads that would stay.
        tch::set_num_threads(1);
        let mut road = Road::open(&settings.weights_dir, settings.road.clone())?;
        if let Some(previous) = &settings.previous {
            road = road.with_previous(previous)?;
        }
        let (road, asides) = road.with_helpers(workers);
        let health = Arc::new(Health::default());
        let threads = (0..workers)
            .map(|number| {
                let (road, queue, ready) = (road.clone(), queue.clone(), ready.clone());
                let asides = asides.clone();
                let health = Arc::clone(&health);
                std::thread::Builder::new()
                    .name(format!("inference-{number}"))
                    .spawn(move || worker::run(&road, &queue, &asides, &health, ready))
            })
            .collect::<Result<Vec<_>, _>>()?;
        drop(ready);
        for _ in &threads {
            readiness.recv().map_err(|_| StartError::Ended)??;
        }
        info!(model = %road.model(), precision = %road.precision(), workers, "the networks are warm");
        let (encoder, previous) = (road.profile().clone(), road.previous().cloned());
        let precision = road.precision();
        drop(road);
        memory::return_what_only_the_start_needed();
        Ok(Self {
            jobs: Mutex::new(Some(jobs)),
            places: Arc::new(Semaphore::new(workers + settings.queue_max)),
            threads: Mutex::new(threads),
            encoder,
            previous,
            precision,
            queue_max: settings.queue_max,
            health,
        })
    }

    /// What there is to know of the encoder.
    #[must_use]
    pub fn encoder(&self) -> &EncoderProfile {
        &self.encoder
    }

    /// What there is to know of the encoder that people move away from, where one is served beside.
    #[must_use]
    pub fn previous(&self) -> Option<&EncoderProfile> {
        self.previous.as_ref()
    }

    /// With which numbers the encoders compute.
    #[must_use]
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// Frames that wait for a worker now, and how many may.
    #[must_use]
    pub fn queue(&self) -> (usize, usize) {
        (self.jobs.lock().as_ref().map_or(0, |jobs| jobs.len().min(self.queue_max)), self.queue_max)
    }

    /// Travels the road from the bytes to the encoding. Dropping the future withdraws the frame.
    ///
    /// # Errors
    /// [`EngineError`].
    pub async fn look(
        &self,
        place: Place,
        frame: FrameBytes,
        settings: LookSettings,
    ) -> Result<View<FaceSeen>, EngineError> {
        let (reply, answer) = oneshot::channel();
        self.submit(place, frame, Task::Encode { settings, reply })?;
        answer.await.map_err(|_| EngineError::Stopped)?
    }

    /// Travels the road as far as liveness, and gives the nearest face's score whatever it is.
    ///
    /// # Errors
    /// [`EngineError`].
    pub async fn liveness(
        &self,
        place: Place,
        frame: FrameBytes,
        pupil_distance_px_min: f32,
    ) -> Result<View<LivenessScore>, EngineError> {
        let (reply, answer) = oneshot::channel();
        self.submit(place, frame, Task::Liveness { pupil_distance_px_min, reply })?;
        answer.await.map_err(|_| EngineError::Stopped)?
    }

    /// Takes no further frame, finishes those that wait and ends the threads. Blocks until then.
    pub fn stop(&self) {
        drop(self.jobs.lock().take());
        for thread in self.threads.lock().drain(..) {
            if thread.join().is_err() {
                tracing::error!("an inference thread had panicked");
            }
        }
    }

    /// Whether a request that came now would find no place.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.places.available_permits() == 0
    }

    /// Whether the networks still work: not once they failed on many frames in a row, as on a GPU that was
    /// lost.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.health.is_good()
    }

    /// A place for a request.
    ///
    /// # Errors
    /// [`EngineError::Overloaded`] when all are taken.
    pub fn place(&self) -> Result<Place, EngineError> {
        let permit = Arc::clone(&self.places).try_acquire_owned();
        permit.map(Place::new).map_err(|_| EngineError::Overloaded)
    }

    /// A place for who has time, if there is one now: they leave the queue to those who have none, and so never
    /// have more places together than there are workers.
    #[must_use]
    pub fn place_in_time(&self) -> Option<Place> {
        if self.places.available_permits() <= self.queue_max {
            return None;
        }
        self.place().ok()
    }

    fn submit(&self, place: Place, frame: FrameBytes, task: Task) -> Result<(), EngineError> {
        let jobs = self.jobs.lock();
        let jobs = jobs.as_ref().ok_or(EngineError::Stopped)?;
        jobs.send(Job::new(frame, task, place)).map_err(|_| EngineError::Stopped)
    }
}
