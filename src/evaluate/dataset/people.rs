//! Photos by person: a folder for each, or a list.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use walkdir::WalkDir;

use super::{DatasetError, read_csv};
use crate::vision::FrameFormat;

/// A person and their photos.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// The folder's name, or what the list says.
    pub name: String,
    /// Below the folder of images, in the order of their names; at least one.
    pub photos: Vec<PathBuf>,
}

/// What of a folder is nobody's photo.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PassedOver {
    /// Photos that lie in no person's folder.
    pub strays: Vec<PathBuf>,
    /// Files in people's folders that are no `.jpg`, `.jpeg`, `.png` or `.webp`.
    pub other_files: Vec<PathBuf>,
    /// Folders of people without a photo.
    pub without_photos: Vec<PathBuf>,
}

/// Reads a folder that holds a folder for each person, the photos in these or deeper, and what of it is passed over.
///
/// # Errors
/// When a folder cannot be read or there is no photo at all.
pub fn read_people(images: &Path) -> Result<(Vec<Person>, PassedOver), DatasetError> {
    let unreadable = |error: walkdir::Error| DatasetError::Unreadable {
        path: error.path().unwrap_or(images).to_owned(),
        error: error.into(),
    };
    let (mut people, mut passed_over) = (Vec::<Person>::new(), PassedOver::default());
    let mut folders = Vec::new();
    for entry in WalkDir::new(images).min_depth(1).follow_links(true).sort_by_file_name() {
        let entry = entry.map_err(unreadable)?;
        let path = entry.path().strip_prefix(images).unwrap_or(entry.path()).to_owned();
        if entry.file_type().is_dir() && entry.depth() == 1 {
            folders.push(path.clone());
        }
        if !entry.file_type().is_file() {
            continue;
        }
        let is_photo = FrameFormat::of_file_name(entry.path()).is_some();
        let mut parts = path.components();
        let (Some(folder), Some(_)) = (parts.next(), parts.next()) else {
            passed_over.strays.extend(is_photo.then_some(path));
            continue;
        };
        if !is_photo {
            passed_over.other_files.push(path);
            continue;
        }
        let name = folder.as_os_str().to_string_lossy().into_owned();
        match people.last_mut() {
            Some(person) if person.name == name => person.photos.push(path),
            _ => people.push(Person { name, photos: vec![path] }),
        }
    }
    if people.is_empty() {
        let what = "folder with photos (one folder for each person is expected)";
        return Err(DatasetError::Empty { path: images.to_owned(), what });
    }
    let named: BTreeSet<&str> = people.iter().map(|person| person.name.as_str()).collect();
    folders.retain(|folder| !named.contains(&*folder.to_string_lossy()));
    passed_over.without_photos = folders;
    Ok((people, passed_over))
}

#[derive(Deserialize)]
struct Row {
    path: PathBuf,
    person: String,
}

/// Reads a CSV with the columns `path`, below the folder of images, and `person`: people in the order of their names,
/// their photos in the order of theirs.
///
/// # Errors
/// When the file cannot be read, a line is none, a photo stands under two people or twice, or there is no line.
pub fn read_labels(file: &Path) -> Result<Vec<Person>, DatasetError> {
    let wrong = |line, what| DatasetError::Line { file: file.to_owned(), line, what };
    let mut people = BTreeMap::<String, BTreeSet<PathBuf>>::new();
    let mut seen = HashMap::<PathBuf, u64>::new();
    for (line, Row { path, person }) in read_csv::<Row>(file)? {
        if person.is_empty() || path.as_os_str().is_empty() {
            return Err(wrong(line, "a path and a person are expected".to_owned()));
        }
        if let Some(first) = seen.insert(path.clone(), line) {
            let what = format!("{} stands in line {first} already", path.display());
            return Err(wrong(line, what));
        }
        people.entry(person).or_default().insert(path);
    }
    if people.is_empty() {
        return Err(DatasetError::Empty { path: file.to_owned(), what: "photos" });
    }
    let people = people.into_iter();
    Ok(people.map(|(name, photos)| Person { name, photos: photos.into_iter().collect() }).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn photos_belong_to_the_topmost_folder_and_what_is_passed_over_is_told_of() {
        let folder = tempfile::tempdir().unwrap();
        for file in ["Ada/2.jpg", "Ada/profile/1.PNG", "Bob/1.jpg", "Bob/notes.txt", "stray.jpg"] {
            let path = folder.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, b"").unwrap();
        }
        std::fs::create_dir_all(folder.path().join("Cyd/empty")).unwrap();
        let (people, passed_over) = read_people(folder.path()).unwrap();
        let found: Vec<_> = people.iter().map(|p| (p.name.as_str(), p.photos.len())).collect();
        assert_eq!(found, [("Ada", 2), ("Bob", 1)]);
        let PassedOver { strays, other_files, without_photos } = passed_over;
        assert_eq!(strays, [PathBuf::from("stray.jpg")]);
        assert_eq!(other_files, [PathBuf::from("Bob/notes.txt")]);
        assert_eq!(without_photos, [PathBuf::from("Cyd")]);
    }

    #[test]
    fn a_folder_without_people_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        assert!(read_people(folder.path()).unwrap_err().to_string().contains("no folder"));
        assert!(read_people(&folder.path().join("absent")).is_err());
    }

    #[test]
    fn a_list_names_who_is_in_each_photo_and_wrong_lines_are_told_by_number() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("people.csv");
        let read = |text: &str| {
            std::fs::write(&file, text).unwrap();
            read_labels(&file)
        };
        let people = read("path,person\nb/2.jpg,Bob\na.jpg,Ada\nb/1.jpg, Bob\n").unwrap();
        let found: Vec<_> = people.iter().map(|p| (p.name.as_str(), p.photos.len())).collect();
        assert_eq!(found, [("Ada", 1), ("Bob", 2)]);
        assert_eq!(people[1].photos[0], PathBuf::from("b/1.jpg"));
        for (text, told) in [
            ("path,person\na.jpg,Ada\na.jpg,Bob\n", "line 3: a.jpg stands in line 2 already"),
            ("path,person\na.jpg,\n", "line 2: a path and a person"),
            ("path,name\na.jpg,Ada\n", "missing field `person`"),
            ("path,person\n", "no photos"),
        ] {
            let error = read(text).unwrap_err().to_string();
            assert!(error.contains(told), "{error}");
        }
    }
}
