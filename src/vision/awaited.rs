//! An outcome that another thread is busy with.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use tch::TchError;

/// The outcome of what another thread does.
pub(super) struct Awaited<T>(Receiver<Result<T, TchError>>);

/// Where it says what came of it. One that is dropped before says that the thread broke down.
pub(super) type Outcome<T> = SyncSender<Result<T, TchError>>;

impl<T> Awaited<T> {
    pub fn new() -> (Outcome<T>, Self) {
        let (outcome, receiver) = sync_channel(1);
        (outcome, Self(receiver))
    }

    /// The outcome, once it is there.
    ///
    /// # Errors
    /// What the other thread met, or that it broke down.
    pub fn wait(self) -> Result<T, TchError> {
        let broke_down = |_| Err(TchError::Torch("the thread that helped broke down".into()));
        self.0.recv().unwrap_or_else(broke_down)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_other_thread_says_is_heard_and_its_panic_is_an_error() {
        let (outcome, awaited) = Awaited::new();
        let helper = std::thread::spawn(move || outcome.send(Ok(7)));
        assert_eq!(awaited.wait().unwrap(), 7);
        helper.join().unwrap().unwrap();

        let (outcome, awaited) = Awaited::<u8>::new();
        let helper = std::thread::spawn(move || {
            let _outcome = outcome;
            panic!("as a network may");
        });
        let error = awaited.wait().unwrap_err().to_string();
        assert!(error.contains("broke down"), "{error}");
        helper.join().unwrap_err();
    }
}
