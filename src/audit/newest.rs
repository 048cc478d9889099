//! Reads the newest records again, quickly.

use std::time::{Duration, Instant};

use super::Fault;
use super::verify::{Registered, missing_chains};
use super::walk::Walk;
use crate::domain::Stream;
use crate::store::{SignedHead, Snapshot, Store, StoreError};

/// How much of the trail is read again.
#[derive(Clone, Copy, Debug)]
pub struct CheckLimits {
    /// Records of each chain, the newest ones.
    pub records: u64,
    /// How long that may take; what was not read by then is left.
    pub time: Duration,
}

/// What was read of the newest records, and what is wrong with it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checked {
    /// Chains that were read.
    pub chains: u64,
    /// Records.
    pub records: u64,
    /// Records whose person was removed. Whether by an erasure is for [`verify`](super::verify) to tell, which reads all
    /// of them.
    pub erased: u64,
    /// Whether there was time for all that was asked for.
    pub complete: bool,
    /// What is wrong.
    pub faults: Vec<Fault>,
}

/// Reads the newest records of one chain, or of all, again, and finds what was altered, removed or added among them,
/// what stands in no chain, and chains that are gone. What lies before them, and what all of the trail says of the rest, only [`verify`](super::verify) reads.
///
/// # Errors
/// When Postgres does not answer.
pub async fn check_newest(
    store: &Store,
    only: Option<Stream>,
    limits: CheckLimits,
) -> Result<Checked, StoreError> {
    let trusted = store.trusted_signers()?;
    let end_at = Instant::now() + limits.time;
    let mut snapshot = store.snapshot().await?;
    let mut checked = Checked { complete: true, ..Checked::default() };
    let mut heads = snapshot.heads().await?;
    heads.retain(|signed| only.is_none_or(|stream| signed.head.stream == stream));
    if let (Some(stream), []) = (only, &heads[..]) {
        checked.faults.push(Fault::ChainGone { stream });
    }
    if only.is_none() {
        // Of the gates that there are; those that only the changes tell of are for `verify`.
        let gates = snapshot.gates().await?;
        checked.faults.extend(missing_chains(&heads, &gates, &Registered::default()));
        let unchained = snapshot.unchained_changes().await?;
        checked.faults.extend(unchained.into_iter().map(|id| Fault::UnchainedChange { id }));
    }
    let unchained = snapshot.unchained_passages().await?;
    for signed in heads {
        if Instant::now() >= end_at {
            checked.complete = false;
            break;
        }
        let stream = signed.head.stream;
        match signed.signature {
            None => checked.faults.push(Fault::Unsigned { stream }),
            Some((_, signer)) if !trusted.iter().any(|key| signed.is_signed_by(key)) => {
                checked.faults.push(Fault::BadSignature { stream, signer });
            }
            Some(_) => {}
        }
        let (expected, found) =
            (signed.head.unchained, unchained.get(&stream).copied().unwrap_or_default());
        if stream != Stream::CHANGES && found != expected {
            checked.faults.push(Fault::Unchained { stream, expected, found });
        }
        let mut walk = begin(&mut snapshot, signed, limits.records).await?;
        let whole = go(&mut snapshot, &mut walk, end_at).await?;
        if whole {
            walk.end();
        }
        checked.complete &= whole;
        checked.chains += 1;
        checked.records += walk.records();
        checked.erased += walk.erased.len() as u64;
        checked.faults.append(&mut walk.faults);
    }
    Ok(checked)
}

/// At the newest `records` of a chain.
async fn begin(
    snapshot: &mut Snapshot,
    SignedHead { head, .. }: SignedHead,
    records: u64,
) -> Result<Walk, StoreError> {
    let position = head.length.saturating_sub(records);
    if position <= head.purged {
        return Ok(Walk::new(head, Vec::new()));
    }
    Ok(Walk::behind(head, position, snapshot.hash_at(head.stream, position).await?))
}

/// To the end of the chain; false where the time was over before.
async fn go(snapshot: &mut Snapshot, walk: &mut Walk, end_at: Instant) -> Result<bool, StoreError> {
    loop {
        let read = if walk.stream() == Stream::CHANGES {
            let page = snapshot.changes(walk.place()).await?;
            page.iter().for_each(|audited| walk.step(audited));
            page.len()
        } else {
            let page = snapshot.gate_records(walk.stream(), walk.place()).await?;
            page.iter().for_each(|audited| walk.step(audited));
            page.len()
        };
        if read == 0 {
            return Ok(true);
        }
        if Instant::now() >= end_at {
            return Ok(false);
        }
    }
}
