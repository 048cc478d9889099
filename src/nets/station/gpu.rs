//! A network on a GPU, in a thread of its own.
//!
//! A GPU takes about as long for one small picture as for many. So the threads that travel the road with a
//! frame each leave their picture here and wait, and what has come meanwhile, and comes within a moment,
//! travels as one batch.

use std::any::Any;
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, unbounded};
use tch::{Cuda, Device, Kind, TchError, Tensor};
use tracing::warn;

use super::pinned::Pinned;
use super::plan::Plans;
use super::{Batching, Crowd, Model, Pictures, cuda};
use crate::nets::Compute;

/// How long a GPU may take for a batch and what was before it; one that takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(30);

/// One thread's way to the network. A clone is for another thread.
pub(super) struct Gpu {
    thread: Arc<Thread>,
    /// Where this thread lays what it brings. It is free again once the answer is there.
    brought: RefCell<Pinned>,
}

/// The thread of the network, which ends with the last way to it.
struct Thread {
    requests: Option<Sender<Request>>,
    handle: Option<JoinHandle<()>>,
}

/// What one thread brought: `[N, height, width, 3]` bytes.
struct Request {
    pictures: Tensor,
    reply: mpsc::SyncSender<Result<Vec<f32>, TchError>>,
}

impl Request {
    fn count(&self) -> usize {
        self.pictures.size().first().map_or(0, |count| *count as usize)
    }
}

impl Clone for Gpu {
    fn clone(&self) -> Self {
        let device = self.brought.borrow().device();
        Self { thread: Arc::clone(&self.thread), brought: RefCell::new(Pinned::new(device)) }
    }
}

impl Gpu {
    pub fn start<M: Model>(
        model: M,
        compute: Compute,
        batching: Batching,
        crowd: Crowd,
    ) -> Result<Self, std::io::Error> {
        let (requests, queue) = unbounded();
        let name = format!("gpu-{}", M::NAME);
        let handle = std::thread::Builder::new().name(name).spawn(move || {
            let (plans, said) = (Plans::new(compute), Pinned::new(compute.device));
            Server { model, compute, batching, plans, said }.run(&queue, &crowd);
        })?;
        let thread = Thread { requests: Some(requests), handle: Some(handle) };
        let brought = RefCell::new(Pinned::new(compute.device));
        Ok(Self { thread: Arc::new(thread), brought })
    }

    pub fn ask(&self, Pictures { rgb, size }: Pictures<'_>) -> Result<Vec<f32>, TchError> {
        let ended = || TchError::Torch("the GPU's thread has ended".to_owned());
        let mut brought = self.brought.borrow_mut();
        let size = [-1, i64::from(size.1), i64::from(size.0), 3];
        let pictures = brought.hold(rgb)?.f_view(size)?;
        let (reply, answer) = mpsc::sync_channel(1);
        let requests = self.thread.requests.as_ref().ok_or_else(ended)?;
        requests.send(Request { pictures, reply }).map_err(|_| ended())?;
        match answer.recv_timeout(PATIENCE) {
            Ok(answer) => answer,
            Err(mpsc::RecvTimeoutError::Disconnected) => Err(ended()),
            Err(mpsc::RecvTimeoutError::Timeout) => {
                // The GPU may read it yet: it is left to it.
                brought.leave();
                Err(TchError::Torch(format!("the GPU has not answered in {PATIENCE:?}")))
            }
        }
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        drop(self.requests.take());
        if let Some(handle) = self.handle.take() {
            // What panics there is caught there.
            let _ = handle.join();
        }
    }
}

/// What the thread of a network has.
struct Server<M> {
    model: M,
    compute: Compute,
    batching: Batching,
    /// The network for the batches that were met so far.
    plans: Plans,
    /// Where the network's numbers arrive.
    said: Pinned,
}

impl<M: Model> Server<M> {
    fn run(mut self, queue: &Receiver<Request>, crowd: &Crowd) {
        let _no_grad = tch::no_grad_guard();
        if let Err(error) = self.prepare() {
            warn!(%error, network = M::NAME, "the GPU could not be prepared");
        }
        while let Ok(first) = queue.recv() {
            let mut waiting = self.gather(first, queue, crowd);
            while let Some(first) = waiting.first() {
                let size = first.pictures.size()[1..].to_vec();
                let fits = |other: &Request| other.pictures.size()[1..] == size;
                let (batch, others) = waiting.into_iter().partition(fits);
                self.serve(batch);
                waiting = others;
            }
        }
    }

    /// What is there, and what comes before the wait is over or nobody is left who could come.
    fn gather(&self, first: Request, queue: &Receiver<Request>, crowd: &Crowd) -> Vec<Request> {
        let until = Instant::now() + self.batching.wait;
        let mut pictures = first.count();
        let mut gathered = vec![first];
        while pictures < self.batching.pictures_max {
            let next = queue.try_recv().ok().or_else(|| {
                let all = gathered.len() >= crowd.count();
                if all { None } else { queue.recv_deadline(until).ok() }
            });
            let Some(next) = next else { break };
            pictures += next.count();
            gathered.push(next);
        }
        gathered
    }

    /// Answers requests of one size.
    fn serve(&mut self, batch: Vec<Request>) {
        let answered = catch_unwind(AssertUnwindSafe(|| self.answer(&batch)));
        let answer = answered.unwrap_or_else(|panic| Err(TchError::Torch(what_it_said(&*panic))));
        match answer.and_then(|answer| self.said.receive(&answer)) {
            Ok(rows) => {
                let pictures: usize = batch.iter().map(Request::count).sum();
                let each = rows.len() / pictures.max(1);
                let mut rest = rows;
                for request in &batch {
                    let (own, others) = rest.split_at(each * request.count());
                    rest = others;
                    // Nobody hears it when that thread has ended.
                    let _ = request.reply.send(Ok(own.to_vec()));
                }
            }
            Err(error) => {
                let error = error.to_string();
                for request in &batch {
                    let _ = request.reply.send(Err(TchError::Torch(error.clone())));
                }
            }
        }
    }

    /// A row for each picture, still on the GPU.
    fn answer(&mut self, batch: &[Request]) -> Result<Tensor, TchError> {
        // None waits for the one before: they are pinned.
        let there = batch.iter().map(|request| {
            request.pictures.f_to_device_(self.compute.device, Kind::Uint8, true, false)
        });
        self.plans.answer(&self.model, &there.collect::<Result<Vec<_>, _>>()?)
    }

    /// Takes a stream, and records the network for every batch there can be where its pictures are always of
    /// one size, so that no frame waits for that.
    fn prepare(&mut self) -> Result<(), TchError> {
        let Device::Cuda(index) = self.compute.device else { return Ok(()) };
        // The weights were copied on another stream.
        Cuda::synchronize(index as i64);
        cuda::take_stream(index)?;
        let Some((width, height)) = self.model.size() else { return Ok(()) };
        let mut pictures = 1;
        while pictures <= self.batching.pictures_max {
            self.plans.prepare(&self.model, [pictures as i64, height.into(), width.into()]);
            pictures *= 2;
        }
        Ok(())
    }
}

/// What a panic had to say.
fn what_it_said(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    format!("the network panicked: {}", text.unwrap_or("for no stated reason"))
}
