//! The engine that owns the networks: worker threads, places that bound what waits, oneshot
//! answers.
//!
//! Bytes go in, domain types come out; no tensor crosses into the rest of the service.

mod engine;
mod health;
mod memory;
mod worker;

pub use engine::{Engine, EngineError, EngineSettings, FrameBytes, Place, StartError};
