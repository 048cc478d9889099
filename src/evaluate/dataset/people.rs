//! A folder for each person.

use std::path::{Path, PathBuf};

use walkdir::WalkDir;

use super::DatasetError;
use crate::vision::FrameFormat;

/// A person and their photos.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// The folder's name.
    pub name: String,
    /// Below the folder of images, in the order of their names; at least one.
    pub photos: Vec<PathBuf>,
}

/// Reads a folder that holds a folder for each person, the photos in these or deeper, and the files
/// in it that belong to nobody. Files that are no `.jpg`, `.jpeg`, `.png` or `.webp` are passed over.
///
/// # Errors
/// When a folder cannot be read or there is no photo at all.
pub fn read_people(images: &Path) -> Result<(Vec<Person>, Vec<PathBuf>), DatasetError> {
    let unreadable = |error: walkdir::Error| DatasetError::Unreadable {
        path: error.path().unwrap_or(images).to_owned(),
        error: error.into(),
    };
    let (mut people, mut strays) = (Vec::<Person>::new(), Vec::new());
    for entry in WalkDir::new(images).min_depth(1).follow_links(true).sort_by_file_name() {
        let entry = entry.map_err(unreadable)?;
        if !entry.file_type().is_file() || FrameFormat::of_file_name(entry.path()).is_none() {
            continue;
        }
        let path = entry.path().strip_prefix(images).unwrap_or(entry.path()).to_owned();
        let mut parts = path.components();
        let (Some(folder), Some(_)) = (parts.next(), parts.next()) else {
            strays.push(path);
            continue;
        };
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
    Ok((people, strays))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn photos_belong_to_the_topmost_folder_and_strays_are_told_of() {
        let folder = tempfile::tempdir().unwrap();
        for file in ["Ada/2.jpg", "Ada/profile/1.PNG", "Bob/1.jpg", "Bob/notes.txt", "stray.jpg"] {
            let path = folder.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, b"").unwrap();
        }
        let (people, strays) = read_people(folder.path()).unwrap();
        let found: Vec<_> = people.iter().map(|p| (p.name.as_str(), p.photos.len())).collect();
        assert_eq!(found, [("Ada", 2), ("Bob", 1)]);
        assert_eq!(strays, [PathBuf::from("stray.jpg")]);
    }

    #[test]
    fn a_folder_without_people_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        assert!(read_people(folder.path()).unwrap_err().to_string().contains("no folder"));
        assert!(read_people(&folder.path().join("absent")).is_err());
    }
}
