//! What became of each photo: counts, and a table of who was refused and why.

use std::fmt;
use std::path::PathBuf;

use comfy_table::{ContentArrangement, Table};

/// What became of a photo.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Its face is stored.
    Enrolled {
        /// Whether the person was created for it.
        created: bool,
        /// Another person whom the face might be, for somebody to check.
        looks_like: Option<String>,
    },
    /// It was stored before.
    AlreadyEnrolled,
    /// It is not stored, and why.
    Refused(String),
}

/// What became of all photos.
#[derive(Debug, Default)]
pub(super) struct Report {
    enrolled: usize,
    created: usize,
    already_enrolled: usize,
    look_alikes: Vec<(PathBuf, String)>,
    refused: Vec<(PathBuf, String)>,
    passed_over: Vec<(PathBuf, String)>,
}

impl Report {
    /// Names files that were not looked at.
    pub fn with_passed_over(mut self, files: Vec<(PathBuf, String)>) -> Self {
        self.passed_over = files;
        self
    }

    /// Whether no photo was refused.
    pub fn is_complete(&self) -> bool {
        self.refused.is_empty()
    }
}

impl FromIterator<(PathBuf, Outcome)> for Report {
    fn from_iter<I: IntoIterator<Item = (PathBuf, Outcome)>>(outcomes: I) -> Self {
        let mut report = Self::default();
        for (photo, outcome) in outcomes {
            match outcome {
                Outcome::Enrolled { created, looks_like } => {
                    report.enrolled += 1;
                    report.created += usize::from(created);
                    report.look_alikes.extend(looks_like.map(|who| (photo, who)));
                }
                Outcome::AlreadyEnrolled => report.already_enrolled += 1,
                Outcome::Refused(why) => report.refused.push((photo, why)),
            }
        }
        report.refused.sort();
        report.look_alikes.sort();
        report
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.refused.is_empty() || !self.passed_over.is_empty() {
            let mut table = Table::new();
            table.set_content_arrangement(ContentArrangement::Dynamic);
            table.set_header(["not enrolled", "why"]);
            for (photo, why) in &self.refused {
                table.add_row([photo.display().to_string(), why.clone()]);
            }
            for (file, why) in &self.passed_over {
                table.add_row([file.display().to_string(), format!("passed over: {why}")]);
            }
            writeln!(f, "{table}")?;
        }
        if !self.look_alikes.is_empty() {
            let mut table = Table::new();
            table.set_content_arrangement(ContentArrangement::Dynamic);
            table.set_header(["enrolled, but check", "could also be"]);
            for (photo, who) in &self.look_alikes {
                table.add_row([photo.display().to_string(), who.clone()]);
            }
            writeln!(f, "{table}")?;
        }
        write!(
            f,
            "{} enrolled, {} enrolled before, {} refused; {} {} created",
            self.enrolled,
            self.already_enrolled,
            self.refused.len(),
            self.created,
            if self.created == 1 { "person" } else { "people" }
        )
    }
}
