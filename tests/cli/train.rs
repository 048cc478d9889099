//! `limen train` and `limen dataset check`.

use std::path::Path;

use super::{fixture, limen, text};

/// A folder for each person, of fixtures.
fn people(folder: &Path, photos: &[(&str, &str)]) {
    for (number, (person, photo)) in photos.iter().enumerate() {
        let person = folder.join(person);
        std::fs::create_dir_all(&person).unwrap();
        std::fs::copy(fixture(photo), person.join(format!("{number}.jpg"))).unwrap();
    }
}

#[test]
fn wrong_names_copies_and_faceless_photos_are_found() {
    let folder = tempfile::tempdir().unwrap();
    let images = folder.path().to_str().unwrap();
    let sound = [("Obama", "obama-1.jpg"), ("Obama", "obama-2.jpg"), ("Biden", "biden-1.jpg")];
    people(folder.path(), &sound);
    let check = || {
        limen(&["dataset", "check", "--no-cache", "--json", "--images", images]).output().unwrap()
    };
    let output = check();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));

    let wrong = [
        ("Obama", "obama-2.jpg"),
        ("Biden", "obama-3.jpg"),
        ("Collins", "biden-1.jpg"),
        ("Collins", "no-face-rocket.jpg"),
        ("Dark", "too-dark.jpg"),
    ];
    people(folder.path(), &wrong.map(|(person, photo)| (person, photo)));
    // Numbered from 0 again, the first would take the place of what was there.
    people(folder.path(), &[("Obama", "obama-1.jpg"), ("Obama", "obama-2.jpg")]);
    let output = check();
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    let found: Vec<serde_json::Value> = serde_json::from_slice(&output.stdout).unwrap();
    let of = |what: &str| -> Vec<&str> {
        let of = found.iter().filter(|finding| finding["what"] == what);
        of.map(|finding| finding["photo"].as_str().unwrap()).collect()
    };
    assert_eq!(of("copy_of_another").len(), 1, "{found:?}");
    assert_eq!(of("no_face"), ["Collins/3.jpg"]);
    assert_eq!(of("low_quality"), ["Dark/4.jpg"]);
    assert!(of("like_another").contains(&"Biden/1.jpg"), "{found:?}");
}

#[test]
fn where_nothing_can_be_learnt_it_is_said_and_no_run_is_begun() {
    let folder = tempfile::tempdir().unwrap();
    let (images, out) = (folder.path().join("images"), folder.path().join("run"));
    std::fs::create_dir(&images).unwrap();
    let train = |what: &str| {
        let arguments =
            ["train", what, "--no-cache", "--images", images.to_str().unwrap(), "--out"];
        limen(&[&arguments[..], &[out.to_str().unwrap()]].concat()).output().unwrap()
    };
    let empty = train("encoder");
    assert_eq!(empty.status.code(), Some(2), "{}", text(&empty));
    assert!(text(&empty).contains("no folder with photos"), "{}", text(&empty));
    people(
        &images,
        &[("Obama", "obama-1.jpg"), ("Biden", "biden-1.jpg"), ("Collins", "collins-1.jpg")],
    );
    for what in ["encoder", "verifier"] {
        let single = train(what);
        assert_eq!(single.status.code(), Some(2), "{}", text(&single));
        assert!(text(&single).contains("positive pair"), "{}", text(&single));
        assert!(!out.exists());
    }
    std::fs::write(images.join("Obama/broken.jpg"), b"no photo").unwrap();
    let broken = train("encoder");
    assert!(text(&broken).contains("cannot be read: Obama/broken.jpg"), "{}", text(&broken));
}
