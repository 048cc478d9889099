//! One chain from its beginning to its end.

use uuid::Uuid;

use super::Fault;
use crate::domain::{ChainHash, Change, Commitment, Head, Stream};
use crate::store::{Audited, GateRecord, Link};

/// A record of a chain.
pub(super) trait Record {
    /// What the chain covers of it.
    fn chained(&self, link: &Link) -> Vec<u8>;
    /// What only the commitment covers; none where it is about nobody.
    fn personal(&self) -> Option<Vec<u8>>;
    /// Whether nothing of that is left.
    fn is_erased(&self) -> bool;
}

/// That of a record which should have one: where it was taken away, none that was ever made.
fn commitment(link: &Link) -> Commitment {
    link.commitment.unwrap_or(Commitment([0; 32]))
}

impl Record for GateRecord {
    fn chained(&self, link: &Link) -> Vec<u8> {
        match self {
            Self::Passage(passage) => passage.record(link.position, commitment(link)),
            Self::Input(input) => input.record(link.position),
        }
    }

    fn personal(&self) -> Option<Vec<u8>> {
        match self {
            Self::Passage(passage) => Some(passage.personal()),
            Self::Input(_) => None,
        }
    }

    fn is_erased(&self) -> bool {
        match self {
            Self::Passage(passage) => {
                let evidence = &passage.evidence;
                evidence.employee_id.is_none()
                    && evidence.face_ids.is_empty()
                    && evidence.earlier_passage_id.is_none()
                    && passage.request.badge_id.is_none()
            }
            Self::Input(_) => false,
        }
    }
}

impl Record for Change {
    fn chained(&self, link: &Link) -> Vec<u8> {
        self.record(link.position, commitment(link))
    }

    fn personal(&self) -> Option<Vec<u8>> {
        Some(self.details.clone().unwrap_or_default().into_bytes())
    }

    fn is_erased(&self) -> bool {
        self.details.is_none()
    }
}

/// Follows one chain, record by record.
///
/// Each record is held against the hash that is *stored* of the one before, so that one altered record is not
/// said of all that follow.
#[derive(Debug)]
pub(super) struct Walk {
    head: Head,
    /// The position of the last record.
    position: u64,
    records: u64,
    /// Its id and the hash that is stored of it; the hash is not known after a gap.
    last: (Option<Uuid>, Option<ChainHash>),
    /// Heads that were kept elsewhere: position and hash, the first position last.
    kept: Vec<(u64, ChainHash)>,
    /// Records whose person was removed, with their positions.
    pub erased: Vec<(u64, Uuid)>,
    /// What was found.
    pub faults: Vec<Fault>,
}

impl Walk {
    /// Begins at the beginning. `kept` are heads of the chain that were kept elsewhere.
    pub fn new(head: Head, mut kept: Vec<(u64, ChainHash)>) -> Self {
        kept.sort_by_key(|(position, _)| std::cmp::Reverse(*position));
        let mut walk = Self {
            head,
            position: head.purged,
            records: 0,
            last: (None, Some(head.purged_hash)),
            kept,
            erased: Vec::new(),
            faults: Vec::new(),
        };
        // What was purged cannot be held against anything but the last of it.
        while walk.kept.last().is_some_and(|(position, _)| *position < head.purged) {
            walk.kept.pop();
        }
        walk.hold_against_kept(head.purged_hash);
        walk
    }

    /// Begins behind `position`, where the record `id` stands with `hash`; what lies before is taken as it is.
    pub fn behind(head: Head, position: u64, last: Option<(Uuid, ChainHash)>) -> Self {
        let last = (last.map(|(id, _)| id), last.map(|(_, hash)| hash));
        Self { position, last, ..Self::new(head, Vec::new()) }
    }

    /// Where the walk has come to: a position and the record there.
    pub fn place(&self) -> (u64, Uuid) {
        (self.position, self.last.0.unwrap_or(Uuid::max()))
    }

    /// How many records it has read.
    pub fn records(&self) -> u64 {
        self.records
    }

    /// Which chain it is.
    pub fn stream(&self) -> Stream {
        self.head.stream
    }

    /// Goes on to the next record.
    pub fn step<T: Record>(&mut self, audited: &Audited<T>) {
        let (stream, id, link) = (self.stream(), audited.id, &audited.link);
        let position = link.position;
        self.records += 1;
        if position <= self.position {
            self.faults.push(Fault::OutOfPlace { stream, position: position.cast_signed(), id });
            self.last.0 = Some(id);
            return;
        }
        if position > self.head.length {
            self.faults.push(Fault::Beyond { stream, position, id });
            (self.position, self.last.0) = (position, Some(id));
            return;
        }
        if position != self.position + 1 {
            let (from, until) = (self.position + 1, position - 1);
            self.faults.push(Fault::Missing { stream, from, until });
            self.last.1 = None;
        }
        match &audited.record {
            Err(error) => {
                let why = error.to_string();
                self.faults.push(Fault::Unreadable { stream, position, id, why });
            }
            Ok(record) => {
                let chained = record.chained(link);
                if self.last.1.is_some_and(|hash| hash.followed_by(&chained) != link.hash) {
                    let before = self.last.0;
                    self.faults.push(Fault::Altered { stream, position, id, before });
                }
                match (record.personal(), link.blind) {
                    (None, _) => {}
                    (Some(personal), Some(blind))
                        if Some(blind.commit(&personal)) == link.commitment => {}
                    (Some(_), None) if record.is_erased() => self.erased.push((position, id)),
                    _ => self.faults.push(Fault::PersonAltered { stream, position, id }),
                }
            }
        }
        self.position = position;
        self.last = (Some(id), Some(link.hash));
        self.hold_against_kept(link.hash);
    }

    /// Ends the walk: what the head says must have been come to.
    pub fn end(&mut self) {
        let (stream, length) = (self.stream(), self.head.length);
        if self.position < length {
            let from = self.position + 1;
            self.faults.push(Fault::Missing { stream, from, until: length });
        } else if let (Some(id), Some(hash)) = self.last
            && self.position == length
            && hash != self.head.hash
        {
            self.faults.push(Fault::EndAltered { stream, position: length, id });
        }
        // Kept heads that the chain does not reach any more.
        for (position, _) in std::mem::take(&mut self.kept) {
            self.faults.push(Fault::SetBack { stream, position });
        }
    }

    fn hold_against_kept(&mut self, hash: ChainHash) {
        while let Some(&(position, kept)) = self.kept.last() {
            if position > self.position {
                return;
            }
            self.kept.pop();
            if position < self.position || kept != hash {
                let stream = self.stream();
                self.faults.push(Fault::SetBack { stream, position });
            }
        }
    }
}
