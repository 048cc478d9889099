//! Proof of the trail: whether it is as it was written.
//!
//! Every passage and every administrative change is a record of a hash chain whose head is signed
//! ([`crate::domain::Head`]); [`verify`] reads all of them again and names whatever was altered, removed, moved
//! or added since. Heads that were kept elsewhere ([`KeptHead`]) show a trail that was set back as a whole.

mod fault;
mod kept;
mod newest;
mod verify;
mod walk;

pub use fault::Fault;
pub use kept::{KeptHead, KeptHeadError};
pub use newest::{CheckLimits, Checked, check_newest};
pub use verify::{Verified, verify};
