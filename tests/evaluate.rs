//! `limen evaluate`, `limen calibrate` and `limen threshold` as a user runs them: the real binary,
//! real photos. Error rates of a handful of photos mean nothing; what is checked is that every photo
//! is accounted for and that bad input is told of.

#[path = "kit/weights.rs"]
mod weights;

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;
use weights::uncalibrated_weights;

fn limen(arguments: &[&str]) -> Output {
    limen_with(arguments, &[])
}

fn limen_with(arguments: &[&str], settings: &[(&str, &str)]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_limen"))
        .args(arguments)
        .envs(settings.iter().copied())
        .env_remove("LIMEN_CONFIG")
        .env("XDG_CACHE_HOME", env!("CARGO_TARGET_TMPDIR"))
        .output()
        .unwrap()
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[track_caller]
fn json(output: &Output) -> Value {
    assert!(output.status.success(), "{}", text(output));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// A folder for each of five people; the first has three photos, one of them without a face.
fn people() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (from, to) in [
        ("obama-1.jpg", "Obama/1.jpg"),
        ("obama-2.jpg", "Obama/2.jpg"),
        ("obama-3.jpg", "Obama/3.jpg"),
        ("no-face-rocket.jpg", "Obama/4.jpg"),
        ("biden-1.jpg", "Biden/1.jpg"),
        ("collins-1.jpg", "Collins/1.jpg"),
        ("hopper-1.jpg", "Hopper/1.jpg"),
    ] {
        copy(from, &folder.path().join(to));
    }
    folder
}

fn copy(fixture: &str, to: &Path) {
    std::fs::create_dir_all(to.parent().unwrap()).unwrap();
    std::fs::copy(format!("tests/fixtures/{fixture}"), to).unwrap();
}

/// A CSV beside the photos: every pair of six photos.
fn pairs(images: &TempDir, rows: &[&str]) -> String {
    let file = images.path().join("pairs.csv");
    std::fs::write(&file, format!("left,right,same\n{}\n", rows.join("\n"))).unwrap();
    file.display().to_string()
}

const ROWS: [&str; 12] = [
    "Obama/1.jpg,Obama/2.jpg,1",
    "Obama/1.jpg,Obama/3.jpg,1",
    "Obama/2.jpg,Obama/3.jpg,1",
    "Obama/1.jpg,Obama/4.jpg,1",
    "Obama/1.jpg,Biden/1.jpg,0",
    "Obama/1.jpg,Collins/1.jpg,0",
    "Obama/1.jpg,Hopper/1.jpg,0",
    "Obama/2.jpg,Biden/1.jpg,0",
    "Obama/2.jpg,Collins/1.jpg,0",
    "Obama/2.jpg,Hopper/1.jpg,0",
    "Biden/1.jpg,Collins/1.jpg,0",
    "Obama/4.jpg,Hopper/1.jpg,0",
];

#[test]
fn pairs_are_compared_and_a_photo_without_a_face_is_counted_not_dropped() {
    let images = people();
    let file = pairs(&images, &ROWS);
    let folder = images.path().display().to_string();
    let report = images.path().join("out.html").display().to_string();
    let arguments = ["evaluate", "verification", "--images", &folder, "--pairs", &file, "--json"];
    let answer = json(&limen(&[&arguments[..], &["--report", &report]].concat()));
    assert_eq!((&answer["pairs"], &answer["undetected"]), (&12.into(), &2.into()), "{answer}");
    assert_eq!(answer["data"]["failures"]["no_face"], 1);
    // Of the four genuine pairs the one without a face can match at no threshold.
    assert_eq!(answer["fnmr"], 0.25);
    assert_eq!(answer["fmr"], 0.0);
    assert_eq!(answer["tar_at_fmr"]["1e-3"], Value::Null, "eight pairs cannot show it");

    let page = std::fs::read_to_string(&report).unwrap();
    for part in ["<svg", "data:image/jpeg", "Obama/2.jpg", "failures to acquire: 1 without a face"]
    {
        assert!(page.contains(part), "{part} is missing in the report");
    }
}

#[test]
fn every_pair_of_a_folder_of_people_is_compared() {
    let images = people();
    let folder = images.path().display().to_string();
    let answer = json(&limen(&[
        "evaluate",
        "verification",
        "--images",
        &folder,
        "--all-pairs",
        "--json",
        "--no-cache",
    ]));
    // 7 photos: 21 pairs, 6 of them of one person; 6 with the photo without a face.
    for (figure, expected) in [("pairs", 21), ("genuine", 6), ("impostor", 15), ("undetected", 6)] {
        assert_eq!(answer[figure], expected, "{figure} in {answer}");
    }
}

#[test]
fn identification_enrols_one_photo_and_takes_people_with_a_single_one_for_strangers() {
    let images = people();
    let folder = images.path().display().to_string();
    let report = images.path().join("out.html").display().to_string();
    let arguments = ["evaluate", "identification", "--images", &folder, "--json"];
    let answer = json(&limen(&[&arguments[..], &["--report", &report]].concat()));
    for (figure, expected) in
        [("gallery", 1), ("mated", 3), ("non_mated", 3), ("mated_failures", 1)]
    {
        assert_eq!(answer[figure], expected, "{figure} in {answer}");
    }
    assert!((answer["rank1"].as_f64().unwrap() - 2.0 / 3.0).abs() < 1e-9);

    let page = std::fs::read_to_string(&report).unwrap();
    for part in
        ["DET: FNIR over FPIR", "ROC: TPIR over FPIR", "3 strangers to the nearest.", "τ = "]
    {
        assert!(page.contains(part), "{part} is missing in the report");
    }
    // Three strangers and two photos of the member, each beside the one that enrolled.
    let cases: Vec<&str> = page.split("<figure class=\"case\">").skip(1).collect();
    assert_eq!(cases.len(), 5);
    assert!(cases.iter().all(|case| case.contains("Obama/<wbr>1.jpg")), "{}", cases[0]);
    assert!(cases.iter().all(|case| case.matches("data:image/jpeg").count() == 2));
    assert_eq!(page.matches("No cases to show.").count(), 1, "nobody is nearer to another");
    let verdicts = |of: &str| page.matches(of).count();
    assert_eq!((verdicts("✓ Stranger refused"), verdicts("✓ Member recognised")), (3, 2));

    // Nobody has five photos: there is no gallery.
    let output = limen(&[&arguments[..], &["--enroll", "5"]].concat());
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output).contains("no enrolled people"), "{}", text(&output));
}

#[test]
fn a_search_that_finds_somebody_else_is_shown_beside_them_as_missed() {
    let images = people();
    copy("obama-2.jpg", &images.path().join("Biden/2.jpg"));
    let page = identification_page(&images, &[]);
    let shown: Vec<&str> = page.split("<figure class=\"case\">").skip(1).collect();
    let (mistaken, _) = shown.last().and_then(|case| case.split_once("</figure>")).expect("a case");
    for part in ["Biden/<wbr>2.jpg", "Obama/<wbr>1.jpg", "✗ Member missed"] {
        assert!(mistaken.contains(part), "{part} is missing in {mistaken}");
    }
    assert!(!page.contains("No cases to show."));
}

#[test]
fn where_nothing_gives_a_threshold_the_page_has_neither_it_nor_verdicts() {
    let images = people();
    let weights = uncalibrated_weights();
    let folder = weights.path().to_str().unwrap();
    let page = identification_page(&images, &[("LIMEN_INFERENCE__WEIGHTS_DIR", folder)]);
    for part in ["<svg", "3 strangers to the nearest.", "data:image/jpeg"] {
        assert!(page.contains(part), "{part} is missing in the report");
    }
    for part in ["τ = ", "✓", "✗"] {
        assert!(!page.contains(part), "{part} in the report");
    }
}

/// The page of one search for each photo but the first of a person, evaluated with these settings.
fn identification_page(images: &TempDir, settings: &[(&str, &str)]) -> String {
    let folder = images.path().display().to_string();
    let report = images.path().join("out.html").display().to_string();
    let arguments =
        ["evaluate", "identification", "--images", &folder, "--json", "--report", &report];
    json(&limen_with(&arguments, settings));
    std::fs::read_to_string(&report).unwrap()
}

#[test]
fn quality_tells_what_each_measure_leaves_of_the_errors() {
    let images = people();
    let folder = images.path().display().to_string();
    let report = images.path().join("out.html").display().to_string();
    let arguments = ["evaluate", "quality", "--images", &folder, "--json", "--report", &report];
    let answer = json(&limen(&arguments));
    // Obama's three photos with a face.
    assert_eq!((&answer["genuine"], &answer["fnmr"]), (&3.into(), &0.0.into()), "{answer}");
    assert_eq!(answer["data"]["failures"]["no_face"], 1);
    let measures = answer["measures"].as_object().unwrap();
    for name in ["yaw", "pitch", "roll", "sharpness", "pupil distance", "feature norm"] {
        assert_eq!(measures[name]["curve"][0]["discarded"], 0.0, "{name} in {answer}");
    }
    assert_eq!(measures["pupil distance"]["at_limit"], Value::Null, "each gate has its own");
    let page = std::fs::read_to_string(&report).unwrap();
    assert!(page.contains("<svg") && page.contains("Error versus discard"));

    let nobody_twice = tempfile::tempdir().unwrap();
    copy("obama-1.jpg", &nobody_twice.path().join("Obama/1.jpg"));
    copy("biden-1.jpg", &nobody_twice.path().join("Biden/1.jpg"));
    let folder = nobody_twice.path().display().to_string();
    let output = limen(&["evaluate", "quality", "--images", &folder]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output).contains("no genuine pairs"), "{}", text(&output));
}

#[test]
fn liveness_tells_attacks_by_species() {
    let images = tempfile::tempdir().unwrap();
    let mut manifest = String::from("path,label\n");
    for (photo, label) in [
        ("obama-1.jpg", "live"),
        ("biden-1.jpg", "live"),
        ("no-face-rocket.jpg", "live"),
        ("print-attack-obama.jpg", "print"),
        ("print-attack-biden.jpg", "print"),
    ] {
        copy(photo, &images.path().join(photo));
        manifest += &format!("{photo},{label}\n");
    }
    let file = images.path().join("manifest.csv").display().to_string();
    std::fs::write(&file, manifest).unwrap();
    let folder = images.path().display().to_string();
    let arguments = ["evaluate", "liveness", "--images", &folder, "--manifest", &file, "--json"];
    let answer = json(&limen(&arguments));
    assert_eq!(answer["species"]["print"]["attacks"], 2);
    assert_eq!((&answer["apcer_worst"], &answer["bpcer"]), (&0.0.into(), &0.0.into()), "{answer}");
    assert_eq!(answer["live_no_response"], 1);
}

#[test]
fn photos_that_are_missing_or_unreadable_are_named_and_left_out_only_on_request() {
    let images = people();
    copy("truncated.jpg", &images.path().join("Obama/5.jpg"));
    let missing: Vec<String> = (0..12).map(|n| format!("Obama/1.jpg,Gone/{n}.jpg,0")).collect();
    let rows = ROWS.iter().copied().chain(missing.iter().map(String::as_str));
    let rows: Vec<_> = rows.chain(["Obama/1.jpg,Obama/5.jpg,1"]).collect();
    let (file, folder) = (pairs(&images, &rows), images.path().display().to_string());
    let arguments = ["evaluate", "verification", "--images", &folder, "--pairs", &file, "--json"];
    let refused = limen(&arguments);
    assert_eq!(refused.status.code(), Some(2));
    for part in ["12 photos are missing", "Gone/0.jpg", ", ...", "--allow-missing"] {
        assert!(text(&refused).contains(part), "{part} in {}", text(&refused));
    }
    let answer = limen(&[&arguments[..], &["--allow-missing"]].concat());
    assert!(text(&answer).contains("1 photos cannot be read: Obama/5.jpg"), "{}", text(&answer));
    let answer = json(&answer);
    assert_eq!((&answer["pairs"], &answer["data"]["left_out"]), (&12.into(), &13.into()));
}

#[test]
fn data_that_can_show_nothing_is_refused_with_what_is_missing() {
    let images = people();
    let folder = images.path().display().to_string();
    let genuine = pairs(&images, &ROWS[..3].repeat(4));
    let one_class = limen(&["evaluate", "verification", "--images", &folder, "--pairs", &genuine]);
    assert!(text(&one_class).contains("no pairs of different people"), "{}", text(&one_class));

    let lonely = tempfile::tempdir().unwrap();
    copy("obama-1.jpg", &lonely.path().join("Obama/1.jpg"));
    let folder = lonely.path().display().to_string();
    let one = limen(&["evaluate", "verification", "--images", &folder, "--all-pairs"]);
    assert!(text(&one).contains("no genuine comparisons"), "{}", text(&one));
    let out = lonely.path().join("site.toml").display().to_string();
    let none = limen(&["calibrate", "--images", &folder, "--name", "one", "--out", &out]);
    assert_eq!(none.status.code(), Some(2), "{}", text(&none));
    assert!(text(&none).contains("too few people"), "{}", text(&none));

    copy("obama-1.jpg", &lonely.path().join("Somebody/copy.jpg"));
    let copied = limen(&["evaluate", "verification", "--images", &folder, "--all-pairs"]);
    assert!(text(&copied).contains("copies of others, byte for byte"), "{}", text(&copied));
}

#[test]
fn a_threshold_follows_from_the_risk_or_is_refused_with_the_way_out() {
    let offer = |gallery: &str, fpir: &str| {
        limen(&["threshold", "--gallery", gallery, "--fpir", fpir, "--json"])
    };
    let (small, large) = (json(&offer("100", "0.01")), json(&offer("1000", "0.01")));
    assert!(small["threshold"].as_f64() > large["threshold"].as_f64(), "{small} {large}");
    assert!(large["fpir"].as_f64().unwrap() <= 0.01);
    assert_eq!(large["limited_by_max_fmr"], false);

    // Among few people the service is as strict as 1:1, and so is what is told of it.
    let few = json(&offer("5", "0.4"));
    let one = json(&limen(&["threshold", "--gallery", "1", "--json"]));
    let [few_tau, one_tau] = [&few, &one].map(|of| of["threshold"].as_f64().unwrap());
    assert_eq!(few["limited_by_max_fmr"], true);
    assert!((few_tau - one_tau).abs() < 1e-4, "{few} {one}");

    let refused = offer("1000000", "0.000001");
    assert_eq!(refused.status.code(), Some(1));
    let answer: Value = serde_json::from_slice(&refused.stdout).unwrap();
    assert_eq!(answer["supported"], false);
    assert!(answer["reason"].as_str().unwrap().contains("support"), "{answer}");
    assert!(
        offer("0", "0.01").status.code() == Some(2) && offer("5", "2").status.code() == Some(2)
    );
}
