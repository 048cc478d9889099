//! Keys, and what is sealed under them.
//!
//! An operator keeps one or more master keys ([`Keyring`]): the first seals, all of them open. Nothing is
//! ever sealed under a master key itself, but under one that is derived from it for a [`Purpose`]
//! (HKDF-SHA256, RFC 5869), with AES-256-GCM (NIST SP 800-38D). What is sealed is bound to a [`Context`], the
//! place that it belongs to: it does not open in another.
//!
//! This room imports nothing of ours, and knows neither files nor databases.

mod context;
mod keyring;
mod master_key;
mod purpose;
mod sealed;

pub use context::Context;
pub use keyring::{Keyring, KeyringError, OpenError, SealError};
pub use master_key::{KeyId, KeyIdError, MasterKey, MasterKeyError};
pub use purpose::Purpose;
pub use sealed::Sealed;
