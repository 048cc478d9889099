//! Which photos belong to whom, before anything is looked at.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use serde::Deserialize;
use walkdir::{DirEntry, WalkDir};

use super::people::readable;
use crate::domain::{BadgeId, Department, EmployeeName};
use crate::vision::FrameFormat;

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
            from_folder(path, &mut passed_over)?
        } else if path.extension().is_some_and(|e| e.eq_ignore_ascii_case("csv")) {
            from_csv(path)?
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

const NO_PHOTO: &str = "no .jpg, .png or .webp, or more than one folder deep";

/// People by what makes them one: the badge, else the name as people write it.
type Photos = BTreeMap<String, Person>;

fn from_folder(folder: &Path, passed_over: &mut Vec<(PathBuf, String)>) -> anyhow::Result<Photos> {
    let mut photos = Photos::new();
    let is_hidden = |entry: &DirEntry| entry.file_name().as_encoded_bytes().starts_with(b".");
    let walk = WalkDir::new(folder).min_depth(1).follow_links(true).sort_by_file_name();
    for entry in walk.into_iter().filter_entry(|entry| entry.depth() == 0 || !is_hidden(entry)) {
        let entry = match entry {
            Ok(entry) => entry,
            // A dangling link, say: one file, not the end of the enrolment.
            Err(error) if error.depth() > 0 => {
                let path = error.path().unwrap_or(folder).to_owned();
                let why = error.io_error().map_or_else(|| error.to_string(), ToString::to_string);
                passed_over.push((path, why));
                continue;
            }
            Err(error) => {
                return Err(error).with_context(|| format!("{} cannot be read", folder.display()));
            }
        };
        let path = entry.path();
        if entry.file_type().is_dir() {
            continue;
        }
        if entry.depth() > 2
            || !entry.file_type().is_file()
            || FrameFormat::of_file_name(path).is_none()
        {
            passed_over.push((path.to_owned(), NO_PHOTO.to_owned()));
            continue;
        }
        let name = match entry.depth() {
            1 => path.file_stem(),
            _ => path.parent().and_then(Path::file_name),
        };
        let name = name
            .and_then(|name| name.to_str())
            .with_context(|| format!("the name of {} is not UTF-8", path.display()))?;
        let label = Label::BadgeOrName(name.to_owned());
        let person = photos.entry(readable(name));
        person.or_insert_with(|| Person { label, photos: Vec::new() }).photos.push(path.to_owned());
    }
    Ok(photos)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    photo: PathBuf,
    badge_id: Option<String>,
    name: Option<String>,
    department: Option<String>,
}

/// Paths in a CSV are relative to it.
fn from_csv(file: &Path) -> anyhow::Result<Photos> {
    let folder = file.parent().unwrap_or(Path::new(""));
    let mut photos = Photos::new();
    let mut reader = csv::ReaderBuilder::new()
        .trim(csv::Trim::All)
        .from_path(file)
        .with_context(|| format!("{} cannot be read", file.display()))?;
    for (number, row) in reader.deserialize::<Row>().enumerate() {
        // The header is line 1.
        let line = || format!("{} line {}", file.display(), number + 2);
        let row = row.with_context(line)?;
        let filled = |text: Option<String>| text.filter(|text| !text.is_empty());
        let (badge_id, name) = (filled(row.badge_id), filled(row.name));
        ensure!(badge_id.is_some() || name.is_some(), "{}: badge_id or name is needed", line());
        if let Some(badge) = &badge_id {
            badge.parse::<BadgeId>().with_context(line)?;
        }
        if let Some(name) = &name {
            name.parse::<EmployeeName>().with_context(line)?;
        }
        let department = filled(row.department);
        if let Some(department) = &department {
            department.parse::<Department>().with_context(line)?;
        }
        let same = badge_id.clone().or_else(|| name.clone()).unwrap_or_default();
        let label = Label::Stated { badge_id, name, department };
        let person = photos
            .entry(same.clone())
            .or_insert_with(|| Person { label: label.clone(), photos: Vec::new() });
        ensure!(
            person.label == label,
            "{}: another line says something else of {same}; state badge, name and department alike",
            line()
        );
        person.photos.push(folder.join(row.photo));
    }
    Ok(photos)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn touch(path: &Path) {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, b"").unwrap();
    }

    #[test]
    fn files_and_folders_name_people_and_other_files_are_told_of() {
        let folder = tempfile::tempdir().unwrap();
        for file in
            ["B-17.jpg", "Ada/1.png", "Ada/2.JPEG", "notes.txt", "Ada/deep/3.jpg", ".hidden.jpg"]
        {
            touch(&folder.path().join(file));
        }
        std::os::unix::fs::symlink("/nowhere", folder.path().join("z.jpg")).unwrap();
        let plan = Plan::read(folder.path()).unwrap();
        let found: Vec<_> = plan.people.iter().map(|p| (&p.label, p.photos.len())).collect();
        let (ada, badge) = (Label::BadgeOrName("Ada".into()), Label::BadgeOrName("B-17".into()));
        assert_eq!(found, [(&ada, 2), (&badge, 1)]);
        assert_eq!(plan.photos(), 3);
        let passed_over: Vec<_> = plan.passed_over.iter().map(|(file, _)| file.clone()).collect();
        let expected = ["Ada/deep/3.jpg", "notes.txt", "z.jpg"];
        assert_eq!(passed_over, expected.map(|file| folder.path().join(file)));
        assert!(plan.passed_over[2].1.contains("No such file"), "{:?}", plan.passed_over[2]);
    }

    #[test]
    fn a_csv_row_without_badge_and_name_is_refused_with_its_line() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("people.csv");
        std::fs::write(&file, "photo,badge_id,name\na.jpg,B-1,Ada\nb.jpg,,\n").unwrap();
        let error = format!("{:#}", Plan::read(&file).unwrap_err());
        assert!(error.contains("line 3") && error.contains("badge_id or name"), "{error}");
    }

    #[test]
    fn rows_that_contradict_each_other_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("people.csv");
        std::fs::write(&file, "photo,badge_id,name\na.jpg,B-1,Ada\nb.jpg,B-1,Eve\n").unwrap();
        let error = format!("{:#}", Plan::read(&file).unwrap_err());
        assert!(error.contains("line 3") && error.contains("B-1"), "{error}");
    }

    #[test]
    fn photos_of_a_csv_are_relative_to_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("people.csv");
        std::fs::write(&file, "photo,badge_id,name\na.jpg,B-1,Ada\n").unwrap();
        let plan = Plan::read(&file).unwrap();
        assert_eq!(plan.people[0].photos, [folder.path().join("a.jpg")]);
    }

    #[test]
    fn an_empty_folder_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        assert!(Plan::read(folder.path()).unwrap_err().to_string().contains("no photo"));
    }
}
