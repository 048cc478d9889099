//! What the default networks reach on the development data, which lie beside the checkout (`../shared/data`, or
//! `$LIMEN_TEST_DATA`) and are never part of it, measured by `limen evaluate` itself. Without them there is nothing to
//! measure, and the tests say so. Each limit is what README promises, less what roundings of another processor move.

use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

/// A folder of the development data; none where they are not there, which CI must not pass.
fn data(name: &str) -> Option<PathBuf> {
    let folder = std::env::var("LIMEN_TEST_DATA")
        .map_or_else(|_| PathBuf::from("../shared/data"), PathBuf::from)
        .join(name);
    if folder.is_dir() {
        return Some(folder);
    }
    assert!(std::env::var_os("CI").is_none(), "{} is not there", folder.display());
    eprintln!("{} is not there: nothing was measured", folder.display());
    None
}

/// What `limen evaluate` prints; photos are looked at once in a test.
fn evaluate(cache: &tempfile::TempDir, arguments: &[&str]) -> Value {
    let mut command = Command::new(env!("CARGO_BIN_EXE_limen"));
    command.arg("evaluate").args(arguments).args(["--json", "--cache"]).arg(cache.path());
    let output = command.env_remove("LIMEN_CONFIG").output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{said}");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn number(of: &Value, path: &str) -> f64 {
    of.pointer(path).and_then(Value::as_f64).unwrap_or_else(|| panic!("no {path} in {of}"))
}

#[test]
fn profiles_and_frontal_faces_of_cfp_are_told_apart() {
    let Some(folder) = data("cfp-dev") else { return };
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
    assert!(frontal >= 0.99 && profile >= 0.9, "{frontal} {profile}");
}

#[test]
fn printed_photos_of_nuaa_are_told_from_people_at_the_threshold_that_ships() {
    let Some(folder) = data("nuaa-dev") else { return };
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
    assert!(apcer <= 0.01 && bpcer <= 0.02, "{figures}");
}

#[test]
fn people_of_lfw_are_recognised_at_the_rates_that_are_promised() {
    let Some(folder) = data("lfw-dev") else { return };
    let cache = tempfile::tempdir().unwrap();
    let (images, pairs) = (folder.join("images"), folder.join("pairs.txt"));
    let measure =
        |what: &[&str]| evaluate(&cache, &[what, &["--images", images.to_str().unwrap()]].concat());
    let by_pairs = measure(&["verification", "--pairs", pairs.to_str().unwrap()]);
    let accuracy = number(&by_pairs, "/accuracy");
    assert_eq!(by_pairs["pairs"], 4_000);
    // 99.05 to 99.18 % by roundings alone.
    assert!(accuracy >= 0.99, "{by_pairs}");

    let all = measure(&["verification", "--all-pairs"]);
    let tar = ["1e-4", "1e-5"].map(|fmr| number(&all, &format!("/tar_at_fmr/{fmr}")));
    assert!(tar[0] >= 0.988 && tar[1] >= 0.97, "{all}");

    let identified = measure(&["identification"]);
    let fnir = number(&identified, "/fnir_at_fpir/0.01");
    assert!(fnir <= 0.05, "{identified}");
    println!("LFW-dev: accuracy {accuracy:.4}, TAR {tar:?}, FNIR {fnir:.4}");

    // A promised FPIR holds within a factor of two on people whom the calibration never saw.
    let promises = measure(&["calibration"]);
    for promise in promises.as_array().unwrap() {
        assert_eq!(
            (&promise["over_twice"], &promise["offered"]),
            (&0.into(), &40.into()),
            "{promise}"
        );
    }
}
