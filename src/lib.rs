//! Limen decides whether a turnstile opens for a face.
//!
//! A turnstile sends a camera frame; Limen answers whether the gate opens, for whom, and why.
//! *Limen* is Latin for threshold: the doorway, and the τ that a distance must stay under.
//!
//! # The road a frame travels
//!
//! ```text
//! bytes -> decode -> detect -> align -> quality -> liveness -> encode -> match -> decide -> record -> open
//!          '------------------- vision -------------------------------'   gallery '----- access ----'  http
//! ```
//!
//! # Where things are
//!
//! | module | what |
//! |---|---|
//! | [`domain`] | plain types without I/O: `Frame`, `Detection`, `Encoding`, `Employee`, `Gate`, `Decision` |
//! | [`nets`] | the networks, their weights and the manifest that vouches for them; where they stand, on the processor or a GPU |
//! | [`vision`] | the steps from bytes to an encoding, each a small function |
//! | [`inference`] | the threads that look at frames, and the places that bound what waits for them |
//! | [`gallery`] | the enrolled encodings in memory, kept equal to Postgres |
//! | [`access`] | who may pass: match, decide (pure), sign, enrol |
//! | [`audit`] | whether the trail is as it was written |
//! | [`events`] | what those are told who follow the trail: streams, webhooks and MQTT |
//! | [`store`] | Postgres; the only place with SQL |
//! | [`secrets`] | the operator's keys, and what is sealed under them |
//! | [`http`] | the API; one file a resource |
//! | [`evaluate`] | how often it errs, on labelled photos |
//! | [`train`] | from labelled photos to the numbers of a network |
//! | [`calibrate`] | from measured distances to the calibration that τ follows from |
//! | [`samples`] | portraits that a first start is shown with |
//! | [`server`] | builds the service from the configuration and runs it |
//! | [`cli`] | one file a subcommand |
//! | [`config`], [`metrics`], [`telemetry`] | what can be set, counted and logged |
//!
//! `kernels/` is a crate of its own: the convolutions that `nets` computes on the processor. `tests/architecture.rs`
//! holds who may import whom.
//!
//! # Invariants
//!
//! 1. The gate opens only on an explicit grant. Every error, timeout or overload keeps it shut.
//! 2. What a frame shows ("no face", "spoof", "unknown person") is an outcome, never an error.
//! 3. A grant and its row in the trail are one transaction, which reads whatever it rests on under locks:
//!    a revocation that was acknowledged is never followed by a grant.
//! 4. The preprocessing of the server, the command line and the evaluation is the same code.
//! 5. Tensors stay within `nets`, `vision`, `inference`, `evaluate` and `train`, and the crate `kernels/`.
//! 6. An encoding carries the id of its model; those of different models are never compared.
//! 7. Frames are not stored; of enrolled photos the face, sealed, where the site says so. Encodings, keys and passwords never reach a log.
//! 8. Every queue, body, picture, list and wait has a limit with a name, in the configuration or as
//!    a constant beside what it bounds.
//! 9. A weights file is loaded only when its SHA-256 is the manifest's and its tensors are exactly
//!    the network's.
//! 10. Replicas share nothing but Postgres.
//! 11. A template is stored sealed and opens only in its row; whatever is stored unsealed is nobody's.

pub mod access;
pub mod audit;
pub mod calibrate;
pub mod cli;
pub mod config;
pub mod domain;
pub mod evaluate;
pub mod events;
pub mod gallery;
pub mod http;
pub mod inference;
pub mod metrics;
pub mod nets;
pub mod oidc;
pub mod samples;
pub mod secrets;
pub mod server;
pub mod store;
pub mod telemetry;
pub mod train;
pub mod vision;
