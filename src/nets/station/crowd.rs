//! How many may still come.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Counts the threads that are under way with a frame: nobody waits for more than that.
#[derive(Clone, Debug, Default)]
pub struct Crowd(Arc<AtomicUsize>);

/// One of the crowd, until it is dropped.
#[derive(Debug)]
pub struct Travelling<'a>(&'a Crowd);

impl Crowd {
    /// Sets out with a frame.
    #[must_use]
    pub fn set_out(&self) -> Travelling<'_> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Travelling(self)
    }

    /// How many are under way.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

impl Drop for Travelling<'_> {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}
