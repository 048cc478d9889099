//! What the default networks reach on part of the development data, measured by `limen evaluate` itself. The limits lie a little
//! under what is measured: roundings of another processor move single pairs.

#[path = "kit/development_data.rs"]
mod kit;

use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Output};

use kit::development_data;
use serde_json::Value;

fn limen(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_limen"));
    command.args(arguments).env_remove("LIMEN_CONFIG");
    command
}

fn done(command: &mut Command) -> Output {
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{said}");
    output
}

/// What `limen evaluate` prints; photos are looked at once in a test.
fn evaluate(cache: &tempfile::TempDir, arguments: &[&str]) -> Value {
    let mut command = limen(&[&["evaluate"], arguments].concat());
    let output = done(command.args(["--json", "--cache"]).arg(cache.path()));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn number(of: &Value, path: &str) -> f64 {
    of.pointer(path).and_then(Value::as_f64).unwrap_or_else(|| panic!("no {path} in {of}"))
}

#[test]
fn profiles_and_frontal_faces_of_cfp_are_told_apart() {
    let Some(folder) = development_data("cfp-dev") else { return };
    let cache = tempfile::tempdir().unwrap();
    let images = folder.join("images");
    let accuracy = |pairs: &str| {
        let pairs = folder.join(pairs);
        let arguments = ["--images", images.to_str().unwrap(), "--pairs", pairs.to_str().unwrap()];
        let figures = evaluate(&cache, &[&["verification"][..], &arguments].concat());
        assert_eq!(figures["folds"].as_array().unwrap().len(), 10, "{figures}");
        number(&figures, "/accuracy")
    };
    let (frontal, profile) = (accuracy("pairs-FF.csv"), accuracy("pairs-FP.csv"));
    println!("CFP-dev: {frontal:.4} frontal with frontal, {profile:.4} with profile");
    assert!(frontal >= 0.99 && profile >= 0.91, "{frontal} {profile}");
}

#[test]
fn printed_photos_of_nuaa_are_told_from_people_at_the_threshold_that_ships() {
    let Some(folder) = development_data("nuaa-dev") else { return };
    let cache = tempfile::tempdir().unwrap();
    // Every fifth: a frame takes its time.
    let manifest = std::fs::read_to_string(folder.join("manifest.csv")).unwrap();
    let (header, lines) = manifest.split_once('\n').unwrap();
    let lines: Vec<&str> = lines.lines().step_by(5).collect();
    let some = cache.path().join("manifest.csv");
    std::fs::write(&some, format!("{header}\n{}\n", lines.join("\n"))).unwrap();
    let [images, manifest] = [&folder, &some].map(|path| path.to_str().unwrap());
    let figures = evaluate(&cache, &["liveness", "--images", images, "--manifest", manifest]);
    let (apcer, bpcer) = (number(&figures, "/apcer_worst"), number(&figures, "/bpcer"));
    println!("NUAA-dev: APCER {apcer:.4}, BPCER {bpcer:.4}");
    assert!(apcer <= 0.01 && bpcer <= 0.01, "{figures}");
}

/// The first folds of LFW's list, and links to the photos that they name, as LFW has them: all would take minutes.
fn some_of_lfw(lfw: &Path, folds: usize) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let list = std::fs::read_to_string(lfw.join("pairs.txt")).unwrap();
    let (header, lines) = list.split_once('\n').unwrap();
    let pairs: usize = header.split_whitespace().nth(1).unwrap().parse().unwrap();
    let lines: Vec<&str> = lines.lines().take(2 * pairs * folds).collect();
    let text = format!("{folds} {pairs}\n{}\n", lines.join("\n"));
    std::fs::write(folder.path().join("pairs.txt"), text).unwrap();
    for line in lines {
        let words: Vec<&str> = line.split_whitespace().collect();
        let photos = match words[..] {
            [one, a, b] => [(one, a), (one, b)],
            [one, a, other, b] => [(one, a), (other, b)],
            _ => panic!("{line}"),
        };
        for (person, number) in photos {
            let photo =
                format!("images/{person}/{person}_{:04}.jpg", number.parse::<u32>().unwrap());
            let link = folder.path().join(&photo);
            std::fs::create_dir_all(link.parent().unwrap()).unwrap();
            if !link.exists() {
                symlink(lfw.join(&photo).canonicalize().unwrap(), link).unwrap();
            }
        }
    }
    folder
}

#[test]
fn people_of_lfw_are_recognised_at_the_rates_that_are_promised() {
    let Some(lfw) = development_data("lfw-dev") else { return };
    let cache = tempfile::tempdir().unwrap();
    let some = some_of_lfw(&lfw, 3);
    let (images, pairs) = (some.path().join("images"), some.path().join("pairs.txt"));
    let measure =
        |what: &[&str]| evaluate(&cache, &[what, &["--images", images.to_str().unwrap()]].concat());
    let by_pairs = measure(&["verification", "--pairs", pairs.to_str().unwrap()]);
    let accuracy = number(&by_pairs, "/accuracy");
    assert_eq!(by_pairs["pairs"], 1_200);
    let all = measure(&["verification", "--all-pairs"]);
    let tar = ["1e-3", "1e-4"].map(|fmr| number(&all, &format!("/tar_at_fmr/{fmr}")));
    let fnir = number(&measure(&["identification"]), "/fnir_at_fpir/0.01");
    println!("LFW-dev: accuracy {accuracy:.4}, TAR {tar:?}, FNIR {fnir:.4}");
    assert!(accuracy >= 0.985 && tar[0] >= 0.985 && tar[1] >= 0.97 && fnir <= 0.03);

    // A promised FPIR holds within a factor of two on people whom the calibration never saw.
    let promises = measure(&["calibration"]);
    let promises = promises.as_array().unwrap();
    assert!(promises.len() >= 2, "{promises:?}");
    for promise in promises {
        assert_eq!(promise["over_twice"], 0, "{promise}");
    }

    // A site's own calibration, by these photos, takes the place of the one that ships; it has fewer people and supports less.
    let site = some.path().join("calibrations/site.toml");
    let arguments = ["calibrate", "--images", images.to_str().unwrap(), "--name", "some of LFW"];
    let mut calibrate = limen(&arguments);
    let told = done(calibrate.arg("--out").arg(&site).arg("--cache").arg(cache.path()));
    assert!(String::from_utf8_lossy(&told.stdout).contains("supports false match rates down to"));
    let written = std::fs::read_to_string(&site).unwrap();
    assert!(written.contains("some of LFW"), "{written}");
    let threshold = |gallery: &str, own: bool| {
        let mut command = limen(&["threshold", "--gallery", gallery, "--fpir", "0.01", "--json"]);
        if own {
            command.env("LIMEN_MATCHING__CALIBRATION", &site);
        }
        let output = command.output().unwrap();
        (output.status.code(), serde_json::from_slice::<Value>(&output.stdout).unwrap())
    };
    let [shipped, own] = [false, true].map(|own| threshold("100", own).1);
    let [shipped, own] = [&shipped, &own].map(|offer| number(offer, "/threshold"));
    println!("τ among 100 people at FPIR 1 %: {own:.3} by these photos, {shipped:.3} as shipped");
    assert!(own != shipped && (own - shipped).abs() < 0.1, "{own} {shipped}");
    let (refused, answer) = threshold("100000", true);
    assert_eq!((refused, &answer["supported"]), (Some(1), &false.into()), "{answer}");
}
