//! Imports: many people and photos in one upload.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::decision::codes;
use super::employee::text;
use super::{Distance, EmployeeId, FaceId, ImportId, TextError};

text!(
    /// What a client calls an import, to go on with it: 1 to 64 printable characters.
    ImportKey, "an idempotency key", 64
);

codes! {
    /// How far an import is.
    ImportState {
        /// Rows are being read.
        Running = "running",
        /// Every row has its result.
        Finished = "finished",
        /// What came could not be read any further; the rows before have their results.
        Broken = "broken",
        /// It did not come to its end; sent again, it goes on.
        Interrupted = "interrupted",
    }
}

codes! {
    /// What became of a row.
    RowOutcome {
        /// A face was stored.
        Enrolled = "enrolled",
        /// A person was created, without a photo.
        Created = "created",
        /// What was known of the person was changed.
        Updated = "updated",
        /// All of it was there before.
        Unchanged = "unchanged",
        /// Nothing was done for it.
        Refused = "refused",
    }
}

codes! {
    /// How like another person's a face is.
    Likeness {
        /// Taken for the other by a search and by a comparison: very likely one person who is entered twice.
        Double = "double",
        /// So near that a search may not tell them apart.
        LookAlike = "look_alike",
    }
}

/// Whom a face is like, and how.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Resemblance {
    /// The other person.
    pub employee_id: EmployeeId,
    /// How like.
    pub likeness: Likeness,
    /// To the other's template.
    pub distance: Distance,
}

/// How many rows came to what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RowCounts {
    /// See [`RowOutcome::Enrolled`].
    pub enrolled: u64,
    /// See [`RowOutcome::Created`].
    pub created: u64,
    /// See [`RowOutcome::Updated`].
    pub updated: u64,
    /// See [`RowOutcome::Unchanged`].
    pub unchanged: u64,
    /// See [`RowOutcome::Refused`].
    pub refused: u64,
}

impl RowCounts {
    /// Counts one more.
    pub fn count(&mut self, outcome: RowOutcome) {
        *match outcome {
            RowOutcome::Enrolled => &mut self.enrolled,
            RowOutcome::Created => &mut self.created,
            RowOutcome::Updated => &mut self.updated,
            RowOutcome::Unchanged => &mut self.unchanged,
            RowOutcome::Refused => &mut self.refused,
        } += 1;
    }
}

/// How far one run of an import came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ImportProgress {
    /// Bytes that were read.
    pub bytes_read: u64,
    /// Rows of the list, where that is known.
    pub rows_listed: Option<u64>,
    /// What became of the rows so far.
    pub rows: RowCounts,
    /// Photos that no row names.
    pub photos_unnamed: u64,
}

/// Why an import ended before its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportProblem {
    /// Stable, for machines.
    pub code: String,
    /// What is wrong, and where.
    pub detail: String,
}

/// Many people and photos in one upload.
#[derive(Clone, Debug, PartialEq)]
pub struct Import {
    /// Limen's id.
    pub id: ImportId,
    /// What the client calls it.
    pub key: Option<ImportKey>,
    /// How far it is.
    pub state: ImportState,
    /// How often it was sent.
    pub run: u32,
    /// How far its last run came.
    pub progress: ImportProgress,
    /// Why it ended there.
    pub problem: Option<ImportProblem>,
    /// When its last run began.
    pub started_at: DateTime<Utc>,
    /// When that ended.
    pub ended_at: Option<DateTime<Utc>>,
}

/// What became of one row.
#[derive(Clone, Debug, PartialEq)]
pub struct ImportRow {
    /// Where it stands: the line of the list, from 1.
    pub line: u64,
    /// What it calls the person by.
    pub person: String,
    /// What became of it.
    pub outcome: RowOutcome,
    /// Why it was refused: a code and a sentence.
    pub refusal: Option<ImportProblem>,
    /// Whose row it is, where there is such a person.
    pub employee_id: Option<EmployeeId>,
    /// Whether the person was created for it.
    pub created: bool,
    /// The face that was stored for it.
    pub face_id: Option<FaceId>,
    /// Whom else the face is like.
    pub looks_like: Option<Resemblance>,
}
