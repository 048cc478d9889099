//! Photos in a folder, named by their files or by a folder for each person.

use std::path::{Path, PathBuf};

use anyhow::Context;
use walkdir::WalkDir;

use super::{Label, Person, Photos};
use crate::cli::enroll::people::readable;
use crate::vision::FrameFormat;

const NO_PHOTO: &str = "no .jpg, .png or .webp, or more than one folder deep";

/// One entry that cannot be read is passed over; dot files are not even told of.
pub(super) fn read(
    folder: &Path,
    passed_over: &mut Vec<(PathBuf, String)>,
) -> anyhow::Result<Photos> {
    let mut photos = Photos::new();
    let walk = WalkDir::new(folder).min_depth(1).follow_links(true).sort_by_file_name();
    for entry in walk.into_iter().filter_entry(|entry| !is_hidden(entry.path())) {
        let entry = match entry {
            Ok(entry) => entry,
            // A dangling link, say: one file, not the end of the enrolment.
            Err(error) if error.depth() > 0 => {
                let path = error.path().unwrap_or(folder);
                if !is_hidden(path) {
                    let why = error.io_error().map(ToString::to_string);
                    let why = why.unwrap_or_else(|| error.to_string());
                    passed_over.push((path.to_owned(), why));
                }
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
        let Some(name) = name.and_then(|name| name.to_str()) else {
            passed_over.push((path.to_owned(), "its name is not UTF-8".to_owned()));
            continue;
        };
        let label = Label::BadgeOrName(name.to_owned());
        let person = photos.entry(readable(name));
        person.or_insert_with(|| Person { label, photos: Vec::new() }).photos.push(path.to_owned());
    }
    Ok(photos)
}

fn is_hidden(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."))
}

#[cfg(test)]
mod tests {
    use super::super::*;

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
    fn one_entry_that_cannot_be_read_does_not_end_the_run() {
        use std::ffi::OsStr;
        use std::os::unix::ffi::OsStrExt;

        let folder = tempfile::tempdir().unwrap();
        let no_utf8 = folder.path().join(OsStr::from_bytes(b"\xff.jpg"));
        for file in [&folder.path().join("Ada.jpg"), &folder.path().join(".git/a.jpg"), &no_utf8] {
            touch(file);
        }
        for link in [".hidden.jpg", "dangling.jpg"] {
            std::os::unix::fs::symlink("/nowhere", folder.path().join(link)).unwrap();
        }
        std::os::unix::fs::symlink(folder.path(), folder.path().join("loop")).unwrap();
        let plan = Plan::read(folder.path()).unwrap();
        assert_eq!(plan.photos(), 1);
        let told: Vec<_> = plan.passed_over.iter().map(|(file, _)| file.clone()).collect();
        assert_eq!(told, [folder.path().join("dangling.jpg"), folder.path().join("loop"), no_utf8]);
        for (number, why) in ["No such file", "loop", "not UTF-8"].into_iter().enumerate() {
            assert!(plan.passed_over[number].1.contains(why), "{:?}", plan.passed_over[number]);
        }
    }

    #[test]
    fn an_empty_folder_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        assert!(Plan::read(folder.path()).unwrap_err().to_string().contains("no photo"));
    }
}
