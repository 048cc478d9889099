//! A record of the trail as it is listed: one that cannot be read hides none of the others.

use tracing::error;

use super::StoreError;
use crate::domain::{Change, ChangeId, GateId, GateInput, GateInputId, Passage, PassageId};

/// A record, or what is known of it all the same.
#[derive(Clone, Debug, PartialEq)]
pub enum Listed<T, K> {
    /// It was read.
    Read(T),
    /// A newer version of Limen wrote it, or somebody altered it.
    Unreadable(K),
}

/// What is known of a record of a gate's that cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OfGate<Id> {
    /// Its id.
    pub id: Id,
    /// The gate.
    pub gate_id: GateId,
}

/// A passage of a list.
pub type ListedPassage = Listed<Passage, OfGate<PassageId>>;

/// An input of a list.
pub type ListedInput = Listed<GateInput, OfGate<GateInputId>>;

/// A change of a list.
pub type ListedChange = Listed<Change, ChangeId>;

impl<T, K> Listed<T, K> {
    /// What came of reading a record; the log has why one cannot be read.
    pub(super) fn of(read: Result<T, StoreError>, known: K) -> Self {
        match read {
            Ok(record) => Self::Read(record),
            Err(error) => {
                error!(%error, "a list holds a record that cannot be read");
                Self::Unreadable(known)
            }
        }
    }
}

impl ListedPassage {
    /// Its id.
    #[must_use]
    pub fn id(&self) -> PassageId {
        match self {
            Self::Read(passage) => passage.id,
            Self::Unreadable(known) => known.id,
        }
    }
}

impl ListedInput {
    /// Its id.
    #[must_use]
    pub fn id(&self) -> GateInputId {
        match self {
            Self::Read(input) => input.id,
            Self::Unreadable(known) => known.id,
        }
    }
}

impl ListedChange {
    /// Its id.
    #[must_use]
    pub fn id(&self) -> ChangeId {
        match self {
            Self::Read(change) => change.id,
            Self::Unreadable(id) => *id,
        }
    }
}
