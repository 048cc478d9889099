//! What can be wrong with the trail.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use uuid::Uuid;

use crate::domain::Stream;

/// One thing that is wrong with the trail.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The record is not what was chained, or the one before it is not.
    #[error(
        "{stream}: record {position} ({id}) is not what was chained{}",
        before.map(|id| format!(", or the one before it ({id}) is not")).unwrap_or_default()
    )]
    Altered {
        /// Whose chain.
        stream: Stream,
        /// Where.
        position: u64,
        /// The record.
        id: Uuid,
        /// The one before it.
        before: Option<Uuid>,
    },
    /// The last record is not the one that the signed head names.
    #[error("{stream}: the last record, {position} ({id}), is not the one that was signed")]
    EndAltered {
        /// Whose chain.
        stream: Stream,
        /// Where.
        position: u64,
        /// The record.
        id: Uuid,
    },
    /// A value of a record is none that Limen writes.
    #[error("{stream}: record {position} ({id}) cannot be read: {why}")]
    Unreadable {
        /// Whose chain.
        stream: Stream,
        /// Where.
        position: u64,
        /// The record.
        id: Uuid,
        /// What is wrong with it.
        why: String,
    },
    /// Records were removed, or moved elsewhere.
    #[error("{stream}: the records {from} to {until} are missing")]
    Missing {
        /// Whose chain.
        stream: Stream,
        /// The first.
        from: u64,
        /// The last.
        until: u64,
    },
    /// A record lies beyond the signed end of its chain.
    #[error("{stream}: record {position} ({id}) lies beyond the signed end of the chain")]
    Beyond {
        /// Whose chain.
        stream: Stream,
        /// Where.
        position: u64,
        /// The record.
        id: Uuid,
    },
    /// A record where there is none: beside another, before the beginning of its chain, or of a gate without one.
    #[error("{stream}: record {position} ({id}) is in a place that is not its own")]
    OutOfPlace {
        /// Whose chain.
        stream: Stream,
        /// Where.
        position: i64,
        /// The record.
        id: Uuid,
    },
    /// What says whose record it is was altered.
    #[error("{stream}: whose record {position} ({id}) is, or what it says of them, was altered")]
    PersonAltered {
        /// Whose chain.
        stream: Stream,
        /// Where.
        position: u64,
        /// The record.
        id: Uuid,
    },
    /// What says whose record it is was removed, and no erasure tells of it.
    #[error("{stream}: whose record {position} ({id}) is was removed, and by no erasure")]
    PersonRemoved {
        /// Whose chain.
        stream: Stream,
        /// Where.
        position: u64,
        /// The record.
        id: Uuid,
    },
    /// More or fewer records without a place in the chain than when chains began.
    #[error(
        "{stream}: {found} records are in no chain, there were {expected} from before there were chains"
    )]
    Unchained {
        /// Whose.
        stream: Stream,
        /// How many there should be.
        expected: u64,
        /// How many there are.
        found: u64,
    },
    /// A change that another client of the database made, and that is in no chain yet.
    #[error("changes: {id} was not made by Limen and is in no chain yet")]
    UnchainedChange {
        /// The change.
        id: Uuid,
    },
    /// A chain without a signature.
    #[error("{stream}: the head is not signed")]
    Unsigned {
        /// Which.
        stream: Stream,
    },
    /// The head is not what was signed, or by a key that is not trusted.
    #[error(
        "{stream}: the head bears no valid signature of a trusted key; it names {} as its signer's",
        URL_SAFE_NO_PAD.encode(signer)
    )]
    BadSignature {
        /// Which.
        stream: Stream,
        /// The public key that it names.
        signer: [u8; 32],
    },
    /// A gate without a chain, or a chain that is gone.
    #[error("{stream}: there is no such chain any more")]
    ChainGone {
        /// Which.
        stream: Stream,
    },
    /// A chain of a gate that does not exist.
    #[error("{stream}: there is a chain and no such gate")]
    GateGone {
        /// Which.
        stream: Stream,
    },
    /// The chain is not the one whose head was kept elsewhere.
    #[error(
        "{stream}: the head that was kept of record {position} is another, or the chain is shorter now"
    )]
    SetBack {
        /// Which.
        stream: Stream,
        /// The position that was kept.
        position: u64,
    },
}

impl Fault {
    /// The record that it names, if it names one.
    #[must_use]
    pub fn record(&self) -> Option<Uuid> {
        match self {
            Self::Altered { id, .. }
            | Self::EndAltered { id, .. }
            | Self::Unreadable { id, .. }
            | Self::Beyond { id, .. }
            | Self::OutOfPlace { id, .. }
            | Self::PersonAltered { id, .. }
            | Self::PersonRemoved { id, .. }
            | Self::UnchainedChange { id } => Some(*id),
            _ => None,
        }
    }
}
