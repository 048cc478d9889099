//! `limen train liveness`.

use std::path::Path;
use std::process::Output;

use super::{fixture, limen, text};

/// Three subjects, live and printed.
const PRESENTED: [(&str, &str, &str); 6] = [
    ("obama-1.jpg", "live", "Obama"),
    ("print-attack-obama.jpg", "print", "Obama"),
    ("biden-1.jpg", "live", "Biden"),
    ("print-attack-biden.jpg", "print", "Biden"),
    ("collins-1.jpg", "live", "Collins"),
    ("print-attack-collins.jpg", "print", "Collins"),
];

/// `limen train liveness` with a list of so many lines.
fn train_liveness(folder: &Path, header: &str, lines: &[String], more: &[&str]) -> Output {
    let list = folder.join("manifest.csv");
    std::fs::write(&list, format!("{header}\n{}\n", lines.join("\n"))).unwrap();
    let out = folder.join("run");
    let arguments = ["train", "liveness", "--no-cache", "--images", "tests/fixtures"];
    let paths = ["--manifest", list.to_str().unwrap(), "--out", out.to_str().unwrap()];
    limen(&[&arguments[..], &paths, more].concat()).output().unwrap()
}

fn lines(presented: &[(&str, &str, &str)]) -> Vec<String> {
    presented.iter().map(|(photo, label, who)| format!("{photo},{label},{who}")).collect()
}

#[test]
fn a_list_that_no_liveness_can_be_learnt_from_is_refused_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let of = |live: bool| PRESENTED.into_iter().filter(move |one| (one.1 == "live") == live);
    let unnamed: Vec<String> =
        PRESENTED.iter().map(|(photo, label, _)| format!("{photo},{label},")).collect();
    let twice = [lines(&PRESENTED), lines(&[("obama-1.jpg", "print", "Obama")])].concat();
    let absent = [lines(&PRESENTED), lines(&[("nobody.jpg", "live", "Obama")])].concat();
    let corrupt = [lines(&PRESENTED), lines(&[("truncated.jpg", "live", "Obama")])].concat();
    let header = "path,label,subject";
    for (header, lines, reason) in [
        (header, vec![], "holds no photos"),
        (header, lines(&of(true).collect::<Vec<_>>()), "all 3 photos are live"),
        (header, lines(&of(false).collect::<Vec<_>>()), "all 3 photos are attacks"),
        (header, lines(&PRESENTED[..2]), "of 1 subjects 1 are shown live and 1 in attacks"),
        (header, lines(&PRESENTED[..5]), "of 3 subjects 3 are shown live and 2 in attacks"),
        (header, unnamed, "6 photos name no subject"),
        ("path,label,who", lines(&PRESENTED), "6 photos name no subject"),
        ("photo,label,subject", lines(&PRESENTED), "`path`"),
        (header, twice, "line 8: obama-1.jpg stands in line 2 already"),
        (header, absent, "1 photos are missing: nobody.jpg"),
        (header, corrupt, "1 photos cannot be read: truncated.jpg"),
    ] {
        let output = train_liveness(folder.path(), header, &lines, &[]);
        assert_eq!(output.status.code(), Some(2), "{}", text(&output));
        assert!(text(&output).contains(reason), "{reason}: {}", text(&output));
        assert!(!folder.path().join("run").exists());
    }
    let all = lines(&PRESENTED);
    for (more, reason) in [
        (&["--train", "last", "--from", "scratch"][..], "--train all"),
        (&["--train", "last", "--fourier-weight", "0.5"], "would teach nothing"),
        (&["--fourier-weight", "1"], "must be 0 to 0.99"),
    ] {
        let output = train_liveness(folder.path(), header, &all, more);
        assert_eq!(output.status.code(), Some(2), "{}", text(&output));
        assert!(text(&output).contains(reason), "{reason}: {}", text(&output));
    }
}

#[test]
fn a_liveness_network_s_last_stage_and_one_from_nothing_come_to_weights_that_serve() {
    for way in [&[][..], &["--from", "scratch", "--mixed"]] {
        let folder = tempfile::tempdir().unwrap();
        let pace = ["--steps", "2", "--interval", "1", "--per-class", "1", "--rate", "1e-5"];
        let more = [&pace[..], way].concat();
        let output = train_liveness(folder.path(), "path,label,subject", &lines(&PRESENTED), &more);
        assert_eq!(output.status.code(), Some(0), "{way:?}: {}", text(&output));
        let photos = [fixture("obama-1.jpg"), fixture("obama-2.jpg")];
        let mut looked = limen(&["verify", "--liveness", &photos[0], &photos[1]]);
        looked.env("LIMEN_INFERENCE__WEIGHTS_DIR", folder.path().join("run/weights"));
        // What knows nothing yet may hold anybody for anything: it answers.
        looked.env("LIMEN_MATCHING__LIVENESS_THRESHOLD", "0");
        let output = looked.output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{way:?}: {}", text(&output));
    }
}

#[test]
fn a_liveness_network_that_was_learnt_serves_at_once_and_its_card_counts_what_shows_no_face() {
    let folder = tempfile::tempdir().unwrap();
    let with_faceless =
        [lines(&PRESENTED), lines(&[("no-face-rocket.jpg", "screen", "Obama")])].concat();
    let more =
        ["--train", "all", "--steps", "2", "--interval", "1", "--per-class", "1", "--rate", "1e-5"];
    let train =
        |more: &[&str]| train_liveness(folder.path(), "path,label,subject", &with_faceless, more);
    let output = train(&more);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    let run = folder.path().join("run");
    let card = std::fs::read_to_string(run.join("model_card.md")).unwrap();
    for part in
        ["of 7 photos 1 show no face", "0 live and 1 attacks", "| EER |", "no certification"]
    {
        assert!(card.contains(part), "{part}: {card}");
    }
    for file in ["settings.json", "metrics.jsonl", "curves.svg", "loss.svg"] {
        assert!(run.join(file).is_file(), "{file}");
    }
    let again = train(&more);
    assert!(text(&again).contains("holds a run already"), "{}", text(&again));
    let other = train(&[&more[..], &["--resume", "--seed", "2"]].concat());
    assert!(text(&other).contains("begun with other settings"), "{}", text(&other));

    let weights = run.join("weights");
    let with_learnt = |arguments: &[&str]| {
        limen(arguments).env("LIMEN_INFERENCE__WEIGHTS_DIR", &weights).output().unwrap()
    };
    let listed = with_learnt(&["weights", "list"]);
    assert!(text(&listed).contains("minifasnet-learnt-"), "{}", text(&listed));
    // The encoder is the one that shipped, and so is what τ follows from.
    let live = with_learnt(&["verify", &fixture("obama-1.jpg"), &fixture("obama-2.jpg")]);
    assert_eq!(live.status.code(), Some(0), "{}", text(&live));
    let print = fixture("print-attack-obama.jpg");
    let refused = with_learnt(&["verify", &fixture("obama-1.jpg"), &print, "--liveness"]);
    assert_eq!(refused.status.code(), Some(2), "{}", text(&refused));
    assert!(text(&refused).contains("print or a screen"), "{}", text(&refused));
}
