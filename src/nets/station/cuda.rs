//! What `tch` does not hand on of libtorch's CUDA: streams and graphs. See `cuda.cpp`.
//!
//! A network of a hundred layers is some hundred launches, of which each costs the processor 5 to 10 us,
//! far more than the GPU takes for it. A graph (Gray, "Getting Started with CUDA Graphs", NVIDIA 2019)
//! records them once and launches them as one.

use tch::TchError;

#[cfg(libtorch_cuda)]
mod shim {
    use std::ffi::{CStr, c_char, c_int, c_void};

    use tch::TchError;

    unsafe extern "C" {
        pub fn limen_cuda_take_stream(device: c_int) -> *mut c_char;
        pub fn limen_cuda_graph_begin(graph: *mut *mut c_void) -> *mut c_char;
        pub fn limen_cuda_graph_end(graph: *mut c_void) -> *mut c_char;
        pub fn limen_cuda_graph_replay(graph: *mut c_void) -> *mut c_char;
        pub fn limen_cuda_graph_drop(graph: *mut c_void);
    }

    /// What a function of the shim returned.
    ///
    /// # Safety
    /// It is null or was returned by the shim just now.
    pub unsafe fn told(error: *mut c_char) -> Result<(), TchError> {
        if error.is_null() {
            return Ok(());
        }
        // SAFETY: a text that ends with 0, allocated with `malloc`, which nobody else has.
        unsafe {
            let text = CStr::from_ptr(error).to_string_lossy().into_owned();
            libc::free(error.cast());
            Err(TchError::Torch(text))
        }
    }
}

/// From here on the calling thread computes on GPU `device`, on a stream of its own: what it has queued waits for
/// no other thread's.
///
/// # Errors
/// When CUDA refuses.
#[cfg(libtorch_cuda)]
pub(super) fn take_stream(device: usize) -> Result<(), TchError> {
    let index = i32::try_from(device).map_err(|_| TchError::Torch(format!("no GPU {device}")))?;
    // SAFETY: any number may be asked for.
    unsafe { shim::told(shim::limen_cuda_take_stream(index)) }
}

/// A libtorch without CUDA has no streams, nor a GPU that would ask for one.
#[cfg(not(libtorch_cuda))]
pub(super) fn take_stream(_: usize) -> Result<(), TchError> {
    Err(no_cuda())
}

/// What a thread once queued on its stream, to be queued again as a whole. It reads and writes the very
/// tensors that it did then.
pub(super) struct Graph(#[cfg(libtorch_cuda)] std::ptr::NonNull<std::ffi::c_void>);

#[cfg(libtorch_cuda)]
impl Graph {
    /// Records what `steps` queue, which is not computed meanwhile, and what they return. They must have
    /// run before: what libtorch does at a first call cannot be recorded.
    ///
    /// # Errors
    /// When a step cannot be recorded, such as one that waits for the GPU.
    pub fn record<T>(steps: impl FnOnce() -> Result<T, TchError>) -> Result<(Self, T), TchError> {
        // libtorch keeps a list of those who record, and does not guard it.
        static ONE_AT_A_TIME: parking_lot::Mutex<()> = parking_lot::Mutex::new(());
        let _alone = ONE_AT_A_TIME.lock();
        let mut graph = std::ptr::null_mut();
        // SAFETY: the pointer is written before it is read.
        let begun = unsafe { shim::told(shim::limen_cuda_graph_begin(&raw mut graph)) };
        let graph = std::ptr::NonNull::new(graph).map(Self);
        begun?;
        let graph = graph.ok_or_else(no_cuda)?;
        // A stream that is left recording would refuse everything after.
        let recorded = std::panic::catch_unwind(std::panic::AssertUnwindSafe(steps));
        // SAFETY: it was begun by this thread just now.
        let ended = unsafe { shim::told(shim::limen_cuda_graph_end(graph.0.as_ptr())) };
        let panicked =
            |_| Err(TchError::Torch("a network panicked while it was recorded".to_owned()));
        let recorded = recorded.unwrap_or_else(panicked)?;
        ended?;
        Ok((graph, recorded))
    }

    /// Queues it all again.
    ///
    /// # Errors
    /// When CUDA refuses.
    pub fn replay(&self) -> Result<(), TchError> {
        // SAFETY: it was recorded.
        unsafe { shim::told(shim::limen_cuda_graph_replay(self.0.as_ptr())) }
    }
}

#[cfg(libtorch_cuda)]
impl Drop for Graph {
    fn drop(&mut self) {
        // SAFETY: made by the shim and dropped once.
        unsafe { shim::limen_cuda_graph_drop(self.0.as_ptr()) }
    }
}

#[cfg(not(libtorch_cuda))]
impl Graph {
    pub fn record<T>(_: impl FnOnce() -> Result<T, TchError>) -> Result<(Self, T), TchError> {
        Err(no_cuda())
    }

    pub fn replay(&self) -> Result<(), TchError> {
        Err(no_cuda())
    }
}

fn no_cuda() -> TchError {
    TchError::Torch("this libtorch has no CUDA".to_owned())
}
