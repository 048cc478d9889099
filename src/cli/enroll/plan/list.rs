//! Photos listed in a CSV.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use serde::Deserialize;

use super::{Label, Person, Photos};
use crate::domain::{BadgeId, Department, EmployeeName};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    photo: PathBuf,
    badge_id: Option<String>,
    name: Option<String>,
    department: Option<String>,
}

/// Paths in a CSV are relative to it.
pub(super) fn read(file: &Path) -> anyhow::Result<Photos> {
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
    check_names(&photos).with_context(|| file.display().to_string())?;
    Ok(photos)
}

/// Refuses a name that stands with a badge on one line and without on another: whether that is one
/// person or two would hang on which line is enrolled first.
fn check_names(photos: &Photos) -> anyhow::Result<()> {
    let stated = |with_badge: bool| {
        photos.values().filter_map(move |person| match &person.label {
            Label::Stated { badge_id, name: Some(name), .. }
                if badge_id.is_some() == with_badge =>
            {
                Some(name)
            }
            _ => None,
        })
    };
    let with_badge: BTreeSet<_> = stated(true).map(|name| name.to_lowercase()).collect();
    if let Some(name) = stated(false).find(|name| with_badge.contains(&name.to_lowercase())) {
        bail!("{name} stands with a badge on one line and without on another: state it on each");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::*;

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
    fn a_name_with_a_badge_on_one_line_and_without_on_another_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("people.csv");
        std::fs::write(&file, "photo,badge_id,name\na.jpg,B-1,Ada\nb.jpg,,Ada\n").unwrap();
        let error = format!("{:#}", Plan::read(&file).unwrap_err());
        assert!(error.contains("Ada stands with a badge"), "{error}");
        std::fs::write(&file, "photo,badge_id,name\na.jpg,B-1,Ada\nb.jpg,B-2,Ada\n").unwrap();
        assert_eq!(Plan::read(&file).unwrap().people.len(), 2);
    }

    #[test]
    fn photos_of_a_csv_are_relative_to_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("people.csv");
        std::fs::write(&file, "photo,badge_id,name\na.jpg,B-1,Ada\n").unwrap();
        let plan = Plan::read(&file).unwrap();
        assert_eq!(plan.people[0].photos, [folder.path().join("a.jpg")]);
    }
}
