//! Labelled photos on disk: what each protocol reads, checked before anything is measured.

mod pairs;
mod people;
mod presentations;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

pub use pairs::{Pair, read_pairs};
pub use people::{PassedOver, Person, read_labels, read_people};
pub use presentations::{LabelledPhoto, read_presentations};

/// How many files a message lists.
pub const LISTED_MAX: usize = 10;

/// Why a data set cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DatasetError {
    /// A file or folder cannot be read.
    #[error("{} cannot be read: {error}", path.display())]
    Unreadable {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        error: std::io::Error,
    },
    /// A line of a list is not one.
    #[error("{} line {line}: {what}", file.display())]
    Line {
        /// The list.
        file: PathBuf,
        /// The line, from 1.
        line: u64,
        /// What is wrong.
        what: String,
    },
    /// A list or folder without entries.
    #[error("{} holds no {what}", path.display())]
    Empty {
        /// The list or folder.
        path: PathBuf,
        /// What was looked for.
        what: &'static str,
    },
    /// Photos that a list names are not there.
    #[error("{}", listed("photos are missing", paths))]
    Missing {
        /// All of them, each once.
        paths: Vec<PathBuf>,
    },
}

/// `3 photos are missing: a, b, c`, the first [`LISTED_MAX`] of them.
#[must_use]
pub fn listed(what: &str, paths: &[PathBuf]) -> String {
    let shown: Vec<_> =
        paths.iter().take(LISTED_MAX).map(|path| path.display().to_string()).collect();
    let more = if paths.len() > LISTED_MAX { ", ..." } else { "" };
    format!("{} {what}: {}{more}", paths.len(), shown.join(", "))
}

/// Those of `paths` that are no files below `images`, each once.
#[must_use]
pub fn missing<'a>(images: &Path, paths: impl IntoIterator<Item = &'a PathBuf>) -> Vec<PathBuf> {
    let each: BTreeSet<&PathBuf> = paths.into_iter().collect();
    each.into_iter().filter(|path| !images.join(path).is_file()).cloned().collect()
}

fn read_text(file: &Path) -> Result<String, DatasetError> {
    std::fs::read_to_string(file)
        .map_err(|error| DatasetError::Unreadable { path: file.to_owned(), error })
}

/// The rows of a CSV with a header, each with its line.
fn read_csv<R: serde::de::DeserializeOwned>(file: &Path) -> Result<Vec<(u64, R)>, DatasetError> {
    let text = read_text(file)?;
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(text.as_bytes());
    let wrong = |line, what: String| DatasetError::Line { file: file.to_owned(), line, what };
    let header = reader.headers().map_err(|error| wrong(1, error.to_string()))?.clone();
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|error| {
            wrong(error.position().map_or(0, csv::Position::line), error.to_string())
        })?;
        let line = record.position().map_or(0, csv::Position::line);
        let row =
            record.deserialize(Some(&header)).map_err(|error| wrong(line, error.to_string()))?;
        rows.push((line, row));
    }
    Ok(rows)
}
