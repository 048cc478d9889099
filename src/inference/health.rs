//! Whether the networks still do what they did at the start.

use std::sync::atomic::{AtomicUsize, Ordering};

/// So many failures in a row are not the frames' fault: a GPU that was lost, memory that ran out.
const FAILURES_MAX: usize = 16;

/// Counts how often in a row a network failed, in all workers.
#[derive(Debug, Default)]
pub(super) struct Health(AtomicUsize);

impl Health {
    /// A frame was looked at to some end, or a network failed on it.
    pub fn note(&self, worked: bool) {
        if worked {
            self.0.store(0, Ordering::Relaxed);
        } else {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Whether the networks can be relied on.
    pub fn is_good(&self) -> bool {
        self.0.load(Ordering::Relaxed) < FAILURES_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_in_a_row_are_an_illness_until_something_works() {
        let health = Health::default();
        for _ in 1..FAILURES_MAX {
            health.note(false);
        }
        assert!(health.is_good());
        health.note(false);
        assert!(!health.is_good());
        health.note(true);
        assert!(health.is_good());
    }
}
