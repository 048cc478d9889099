//! Which photos belong to whom, before anything is looked at.

mod folder;
mod list;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{bail, ensure};

/// How a person is named by the photos.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Label {
    /// The name of a file or folder: a badge where one is known, else a name.
    BadgeOrName(String),
    /// A row of a CSV.
    Stated { badge_id: Option<String>, name: Option<String>, department: Option<String> },
}

/// A person and their photos.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Person {
    pub label: Label,
    pub photos: Vec<PathBuf>,
}

/// Everybody to be enrolled, and the files that are passed over, with the reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    pub people: Vec<Person>,
    pub passed_over: Vec<(PathBuf, String)>,
}

impl Plan {
    /// Reads a folder or a CSV.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let mut passed_over = Vec::new();
        let photos = if path.is_dir() {
            folder::read(path, &mut passed_over)?
        } else if path.extension().is_some_and(|e| e.eq_ignore_ascii_case("csv")) {
            list::read(path)?
        } else {
            bail!("{} is neither a folder nor a .csv file", path.display());
        };
        ensure!(!photos.is_empty(), "{} holds no photo", path.display());
        let people = photos.into_values().collect();
        Ok(Self { people, passed_over })
    }

    /// How many photos there are.
    pub fn photos(&self) -> usize {
        self.people.iter().map(|person| person.photos.len()).sum()
    }
}

/// People by what makes them one: the badge, else the name as people write it.
type Photos = BTreeMap<String, Person>;
