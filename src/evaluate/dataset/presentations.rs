//! Presentations to a camera, live and attacks: a CSV.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::{DatasetError, read_csv};
use crate::evaluate::metrics::Kind;

/// A photo and what was held before the camera.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelledPhoto {
    /// Below the folder of images.
    pub path: PathBuf,
    /// Live, or the attack's name.
    pub kind: Kind,
    /// Whose face it shows, where that is stated.
    pub subject: Option<String>,
}

#[derive(Deserialize)]
struct Row {
    path: PathBuf,
    label: String,
    subject: Option<String>,
}

/// Reads a CSV with the columns `path,label` (and `subject`); the label is `live` or the attack's
/// name, e.g. `print`.
///
/// # Errors
/// When the file cannot be read, holds no photo, or a line is not one, or names one that stands there already.
pub fn read_presentations(file: &Path) -> Result<Vec<LabelledPhoto>, DatasetError> {
    let mut seen = HashMap::<PathBuf, u64>::new();
    let photo = |(line, row): (u64, Row)| {
        let wrong = |what| Err(DatasetError::Line { file: file.to_owned(), line, what });
        if row.label.is_empty() {
            return wrong("`label` must be `live` or the attack's name".to_owned());
        }
        if let Some(first) = seen.insert(row.path.clone(), line) {
            return wrong(format!("{} stands in line {first} already", row.path.display()));
        }
        let is_live = row.label.eq_ignore_ascii_case("live");
        let kind = if is_live { Kind::Live } else { Kind::Attack(row.label) };
        let subject = row.subject.filter(|subject| !subject.is_empty());
        Ok(LabelledPhoto { path: row.path, kind, subject })
    };
    let photos = read_csv::<Row>(file)?.into_iter().map(photo).collect::<Result<Vec<_>, _>>()?;
    if photos.is_empty() {
        return Err(DatasetError::Empty { path: file.to_owned(), what: "photos" });
    }
    Ok(photos)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_name_attacks_and_subjects_may_be_absent() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("manifest.csv");
        std::fs::write(&file, "path,label,subject\na.jpg,live,1\nb.jpg,print,\n").unwrap();
        let photos = read_presentations(&file).unwrap();
        assert_eq!((&photos[0].kind, photos[0].subject.as_deref()), (&Kind::Live, Some("1")));
        assert_eq!((&photos[1].kind, &photos[1].subject), (&Kind::Attack("print".into()), &None));
        std::fs::write(&file, "path,label\na.jpg,live\na.jpg,print\n").unwrap();
        let twice = read_presentations(&file).unwrap_err().to_string();
        assert!(twice.contains("a.jpg stands in line 2 already"), "{twice}");
        std::fs::write(&file, "path,label\na.jpg,\n").unwrap();
        assert!(read_presentations(&file).unwrap_err().to_string().contains("line 2"));
    }
}
