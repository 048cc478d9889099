//! Reads the whole trail again.

use std::collections::{BTreeMap, BTreeSet};

use ed25519_dalek::VerifyingKey;
use serde::Deserialize;
use uuid::Uuid;

use super::Fault;
use super::walk::Walk;
use crate::domain::{Action, ChainHash, Change, Stream};
use crate::store::{Audited, SignedHead, Snapshot, Store, StoreError};

/// What was read, and what is wrong with it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// Chains.
    pub chains: u64,
    /// Records of chains.
    pub records: u64,
    /// Records from before there were chains, of which nothing is proved but their number.
    pub unchained: u64,
    /// Changes that another client of the database made, not Limen; they are in the chain since.
    pub foreign: Vec<Uuid>,
    /// Everything that is wrong; nothing else is.
    pub faults: Vec<Fault>,
}

/// Reads the whole trail again, as it is at this moment, and finds what was altered, removed, moved or added
/// since it was written. Heads must be signed by a key of `trusted`; those of `kept` were kept elsewhere.
///
/// # Errors
/// When Postgres does not answer.
pub async fn verify(
    store: &Store,
    trusted: &[VerifyingKey],
    kept: &[SignedHead],
) -> Result<Verified, StoreError> {
    let is_signed = |signed: &SignedHead| trusted.iter().any(|key| signed.is_signed_by(key));
    let mut snapshot = store.snapshot().await?;
    let mut verified = Verified::default();
    let heads = snapshot.heads().await?;
    let mut kept_of: BTreeMap<Stream, Vec<(u64, ChainHash)>> = BTreeMap::new();
    for signed in kept {
        let stream = signed.head.stream;
        if is_signed(signed) {
            kept_of.entry(stream).or_default().push((signed.head.length, signed.head.hash));
        } else {
            let signer = signed.signature.map(|(_, key)| key).unwrap_or_default();
            verified.faults.push(Fault::BadSignature { stream, signer });
        }
    }
    let mut registered = Registered::default();
    let mut erased = Vec::new();
    let unchained = snapshot.unchained_passages().await?;
    for signed in &heads {
        let head = signed.head;
        let stream = head.stream;
        match signed.signature {
            None => verified.faults.push(Fault::Unsigned { stream }),
            Some((_, signer)) if !is_signed(signed) => {
                verified.faults.push(Fault::BadSignature { stream, signer });
            }
            Some(_) => {}
        }
        let mut walk = Walk::new(head, kept_of.remove(&stream).unwrap_or_default());
        if stream == Stream::CHANGES {
            walk_changes(&mut snapshot, &mut walk, &mut registered).await?;
        } else {
            walk_gate(&mut snapshot, &mut walk).await?;
            let found = unchained.get(&stream).copied().unwrap_or_default();
            if found != head.unchained {
                let expected = head.unchained;
                verified.faults.push(Fault::Unchained { stream, expected, found });
            }
            verified.unchained += found;
        }
        walk.end();
        verified.chains += 1;
        verified.records += walk.records();
        verified.faults.append(&mut walk.faults);
        erased.extend(walk.erased.into_iter().map(|(position, id)| (stream, position, id)));
    }
    let removed = erased.into_iter().filter(|(.., id)| !registered.erased.contains(id));
    let removed =
        removed.map(|(stream, position, id)| Fault::PersonRemoved { stream, position, id });
    verified.faults.extend(removed);
    verified.faults.extend(missing_chains(&heads, &snapshot.gates().await?, &registered));
    // Kept heads of chains that are not there any more, of gates that Limen did not remove.
    let gone = kept_of.into_keys().filter(|stream| !registered.removed.contains(&stream.0));
    verified.faults.extend(gone.map(|stream| Fault::ChainGone { stream }));
    let out_of_place = snapshot.out_of_place().await?.into_iter();
    let out_of_place =
        out_of_place.map(|(id, stream, position)| Fault::OutOfPlace { stream, position, id });
    verified.faults.extend(out_of_place);
    verified.foreign = registered.foreign;
    let unchained = snapshot.unchained_changes().await?;
    verified.faults.extend(unchained.into_iter().map(|id| Fault::UnchainedChange { id }));
    Ok(verified)
}

async fn walk_gate(snapshot: &mut Snapshot, walk: &mut Walk) -> Result<(), StoreError> {
    loop {
        let page = snapshot.gate_records(walk.stream(), walk.place()).await?;
        if page.is_empty() {
            return Ok(());
        }
        page.iter().for_each(|audited| walk.step(audited));
    }
}

async fn walk_changes(
    snapshot: &mut Snapshot,
    walk: &mut Walk,
    registered: &mut Registered,
) -> Result<(), StoreError> {
    loop {
        let page = snapshot.changes(walk.place()).await?;
        if page.is_empty() {
            return Ok(());
        }
        for audited in &page {
            walk.step(audited);
            registered.read(audited);
        }
    }
}

/// What the changes tell of the rest of the trail.
#[derive(Debug, Default)]
pub(super) struct Registered {
    /// Gates that were created and not removed.
    gates: BTreeSet<Uuid>,
    /// Gates that were removed.
    removed: BTreeSet<Uuid>,
    /// Changes that another client of the database made.
    foreign: Vec<Uuid>,
    /// Records of people who were erased.
    erased: BTreeSet<Uuid>,
}

/// What an erasure took the person out of.
#[derive(Debug, Deserialize)]
struct Erasure {
    after: ErasedRecords,
}

#[derive(Debug, Deserialize)]
struct ErasedRecords {
    records: Vec<Uuid>,
}

impl Registered {
    fn read(&mut self, audited: &Audited<Change>) {
        let Ok(change) = &audited.record else { return };
        // What another client says of gates and erasures proves nothing.
        if !change.by_limen {
            self.foreign.push(audited.id);
            return;
        }
        match (change.kind.as_str(), change.action) {
            ("gates", Action::Created) => drop(self.gates.insert(change.subject_id)),
            ("gates", Action::Removed) => {
                self.gates.remove(&change.subject_id);
                self.removed.insert(change.subject_id);
            }
            ("erasures", Action::Created) => {
                let details = change.details.as_deref().unwrap_or_default();
                if let Ok(erasure) = serde_json::from_str::<Erasure>(details) {
                    self.erased.extend(erasure.after.records);
                }
            }
            _ => {}
        }
    }
}

/// Gates without a chain, those that are told of and gone included, and chains without a gate.
pub(super) fn missing_chains(
    heads: &[SignedHead],
    gates: &[Uuid],
    registered: &Registered,
) -> impl Iterator<Item = Fault> {
    let chains: BTreeSet<Uuid> = heads.iter().map(|signed| signed.head.stream.0).collect();
    let gates: BTreeSet<Uuid> = gates.iter().copied().collect();
    let mut wanted = &gates | &registered.gates;
    wanted.insert(Stream::CHANGES.0);
    let gone = (&wanted - &chains).into_iter().map(|id| Fault::ChainGone { stream: Stream(id) });
    let odd = (&(&chains - &gates) - &[Stream::CHANGES.0].into()).into_iter();
    gone.chain(odd.map(|id| Fault::GateGone { stream: Stream(id) })).collect::<Vec<_>>().into_iter()
}
