//! `limen train` and `limen dataset check`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use image::RgbImage;
use limen::nets::{Compute, Manifest, Station, load};
use limen::vision::decode::{FrameLimits, decode};
use limen::vision::detect::{DetectSettings, detect};
use limen::vision::nearest::NearestSettings;

use super::development_data::development_data;
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

/// Two photos of each physicist of the fifth Solvay conference: the second is a darker print.
fn physicists(folder: &Path) {
    let manifest = Manifest::open("weights").unwrap();
    let f32 = Compute::from(tch::Device::Cpu);
    let detector = load::detector(&manifest, "yunet-2023mar", f32.device).unwrap();
    let photo = std::fs::read(fixture("group-solvay-1927.jpg")).unwrap();
    let frame = decode(&photo, None, &FrameLimits::default()).unwrap();
    let (settings, nearest) = (DetectSettings::default(), NearestSettings::default());
    let detector = Station::here(detector, f32);
    let faces = detect(&detector, &frame, 0.0, &settings, &nearest).unwrap();
    assert!(faces.len() > 20, "{}", faces.len());
    let whole = image::load_from_memory(&photo).unwrap().into_rgb8();
    for (number, face) in faces.iter().enumerate() {
        let (side, centre) = (2.0 * face.bounding_box.longer_side(), face.bounding_box.centre());
        let corner = [centre.x, centre.y].map(|at| (at - side / 2.0).max(0.0) as u32);
        let face =
            image::imageops::crop_imm(&whole, corner[0], corner[1], side as u32, side as u32);
        let face: RgbImage = face.to_image();
        let face =
            image::imageops::resize(&face, 224, 224, image::imageops::FilterType::CatmullRom);
        let person = folder.join(format!("physicist-{number}"));
        std::fs::create_dir_all(&person).unwrap();
        face.save(person.join("1.png")).unwrap();
        image::imageops::colorops::brighten(&face, -20).save(person.join("2.png")).unwrap();
    }
}

#[test]
fn an_encoder_s_last_blocks_learn_go_on_after_an_end_and_are_written_as_weights_that_load() {
    let folder = tempfile::tempdir().unwrap();
    let (images, out) = (folder.path().join("images"), folder.path().join("run"));
    physicists(&images);
    let (images, out) = (images.to_str().unwrap(), out.to_str().unwrap());
    let train = |more: &[&str]| {
        let what = ["train", "encoder", "--train", "last", "--no-cache", "--images", images];
        let how = ["--out", out, "--people", "4", "--strangers", "0", "--warm-up", "0"];
        let how = [&how[..], &["--validation", "0.3", "--interval", "1"]].concat();
        limen(&[&what[..], &how, more].concat()).output().unwrap()
    };
    let output = train(&["--steps", "2"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    assert!(text(&output).contains("TAR at FMR 1e-3"), "{}", text(&output));
    // As if it had been killed after its end: nothing is left to do but to write what it came to.
    let again = train(&["--steps", "2", "--resume"]);
    assert_eq!(again.status.code(), Some(0), "{}", text(&again));
    let other = train(&["--steps", "2", "--resume", "--loss", "arcface"]);
    assert!(text(&other).contains("other settings"), "{}", text(&other));

    let card = std::fs::read_to_string(Path::new(out).join("model_card.md")).unwrap();
    assert!(card.contains("the encoder's last blocks") && card.contains("LIMEN_ROAD__ENCODER"));
    let id =
        card.lines().find_map(|line| line.strip_prefix("export LIMEN_ROAD__ENCODER=")).unwrap();
    let weights = Path::new(out).join("weights");
    let photo = fixture("obama-1.jpg");
    let mut recognised = limen(&["verify", &photo, &fixture("obama-2.jpg"), "--json"]);
    recognised.env("LIMEN_INFERENCE__WEIGHTS_DIR", &weights).env("LIMEN_ROAD__ENCODER", id);
    // An encoder so new has no calibration: τ is given.
    recognised.env("LIMEN_MATCHING__VERIFY_THRESHOLD", "1.0");
    recognised.env("LIMEN_MATCHING__RECOGNIZE_THRESHOLD", "1.0");
    let output = recognised.output().unwrap();
    let verdict: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(
        verdict["distance"].as_f64().is_some_and(|distance| distance < 1.5),
        "{}",
        text(&output)
    );
}

#[test]
fn what_cannot_be_learnt_together_is_refused_before_a_photo_is_read() {
    let train = |more: &[&str]| {
        let what = ["train", "encoder", "--images", "/nowhere", "--out", "/nowhere"];
        text(&limen(&[&what[..], more].concat()).output().unwrap())
    };
    let scratch = train(&["--train", "last", "--from", "scratch"]);
    assert!(scratch.contains("--train all"), "{scratch}");
    for more in [&["--mixed"][..], &["--unvaried"], &["--vary", "mirror,crop"]] {
        let pictures = train(more);
        assert!(pictures.contains(&format!("{}: a projection", more[0])), "{pictures}");
    }
    let size = train(&["--size", "512"]);
    assert!(size.contains("512 numbers, and fewer are made of them"), "{size}");
    let projection = train(&["--size", "96"]);
    assert!(projection.contains("no projection of mobilefacenet to 96 numbers"), "{projection}");
    let margin = train(&["--margin", "5"]);
    assert!(margin.contains("must be 0 to 4"), "{margin}");
}

/// People of Labeled Faces in the Wild of whom there are two photos or more, and up to three of each: what `--images`,
/// `--labels` and `--cache` take. None where the data are not there, which CI must not pass.
struct Lfw {
    folder: tempfile::TempDir,
    images: PathBuf,
    of: BTreeMap<String, Vec<String>>,
}

impl Lfw {
    fn find(people: usize) -> Option<Self> {
        let images = development_data("lfw-dev/images")?;
        let names = |folder: &Path| {
            let entries = std::fs::read_dir(folder).unwrap();
            let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
            let mut names: Vec<String> = names.collect();
            names.sort();
            names
        };
        let photos = names(&images).into_iter().map(|name| {
            let photos = names(&images.join(&name)).into_iter().take(3);
            (name.clone(), photos.map(|photo| format!("{name}/{photo}")).collect())
        });
        let of = photos.filter(|(_, photos): &(_, Vec<_>)| photos.len() > 1).take(people).collect();
        let lfw = Self { folder: tempfile::tempdir().unwrap(), images, of };
        lfw.label(&lfw.of);
        Some(lfw)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn label(&self, of: &BTreeMap<String, Vec<String>>) {
        let lines = of.iter().flat_map(|(name, photos)| photos.iter().map(move |p| (p, name)));
        let lines = lines.map(|(photo, name)| format!("{photo},{name}\n"));
        let text: String = std::iter::once("path,person\n".to_owned()).chain(lines).collect();
        std::fs::write(self.path("labels.csv"), text).unwrap();
    }

    /// `limen train` with photos that are looked at once.
    fn train(&self, what: &str, out: &str, more: &[&str]) -> Command {
        let mut command = limen(&["train", what]);
        command.arg("--images").arg(&self.images);
        command.arg("--labels").arg(self.path("labels.csv"));
        command.arg("--cache").arg(self.path("cache"));
        command.arg("--out").arg(self.path(out)).args(more);
        command
    }
}

#[test]
fn what_is_learnt_from_a_list_has_a_calibration_by_its_test_people_and_goes_on_with_the_same_names_alone()
 {
    let Some(lfw) = Lfw::find(150) else { return };
    let learnt = |what, more: &[&str]| {
        let output = lfw.train(what, what, more).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", text(&output));
        assert!(text(&output).contains("supports false match rates down to"), "{}", text(&output));
        let card = std::fs::read_to_string(lfw.path(what).join("model_card.md")).unwrap();
        assert!(card.contains("show false match rates down to"), "{card}");
        assert!(!card.contains("limen calibrate"), "{card}");
        for plot in ["loss.svg", "curves.svg"] {
            assert!(lfw.path(what).join(plot).is_file());
        }
    };
    let pace = ["--steps", "20", "--interval", "10"];
    learnt("encoder", &pace);
    let threshold = |what: &str| {
        let mut command = limen(&["threshold", "--gallery", "3", "--fpir", "0.02", "--json"]);
        command.env("LIMEN_MATCHING__MAX_FMR", "0.01");
        command.env("LIMEN_INFERENCE__WEIGHTS_DIR", lfw.path(what).join("weights"));
        command.output().unwrap()
    };
    let found = threshold("encoder");
    assert_eq!(found.status.code(), Some(0), "{}", text(&found));
    assert!(text(&found).contains("-learnt-"), "{}", text(&found));
    let mut recognised = limen(&["verify", &fixture("obama-1.jpg"), &fixture("obama-2.jpg")]);
    recognised.env("LIMEN_INFERENCE__WEIGHTS_DIR", lfw.path("encoder").join("weights"));
    let output = recognised.output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    learnt("verifier", &pace);
    assert!(lfw.path("verifier/reliability.svg").is_file());

    // Whoever has another name is another person, who may belong to another part.
    let mut renamed = lfw.of.clone();
    let (_, photos) = renamed.pop_first().unwrap();
    renamed.insert("Somebody Else".to_owned(), photos);
    lfw.label(&renamed);
    for what in ["encoder", "verifier"] {
        let output = lfw.train(what, what, &[&pace[..], &["--resume"]].concat()).output().unwrap();
        assert!(text(&output).contains("other settings"), "{}", text(&output));
    }
    lfw.label(&lfw.of);
    let border = ["--resume", "--crop-border", "0.1"];
    let output = lfw.train("encoder", "encoder", &[&pace[..], &border].concat()).output().unwrap();
    assert!(text(&output).contains("other settings"), "{}", text(&output));
}

#[test]
fn every_way_to_learn_an_encoder_comes_to_weights_that_serve_as_its_card_says() {
    let Some(lfw) = Lfw::find(60) else { return };
    let ways: [&[&str]; 5] = [
        &["--from", "pca", "--size", "16"],
        &["--from", "scratch", "--size", "16", "--mining", "random"],
        &["--train", "last", "--from", "pca", "--size", "16", "--loss", "cosface"],
        &["--train", "all", "--size", "512", "--loss", "arcface", "--unvaried"],
        &["--train", "all", "--from", "scratch", "--mixed", "--mining", "hard", "--vary", "jpeg"],
    ];
    for (number, way) in ways.into_iter().enumerate() {
        let out = format!("run-{number}");
        let pace = ["--steps", "2", "--interval", "1", "--warm-up", "0", "--rate", "1e-4"];
        let batch = ["--people", "4", "--photos", "2", "--strangers", "0"];
        let more = [&pace[..], &batch, way].concat();
        let output = lfw.train("encoder", &out, &more).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{way:?}: {}", text(&output));
        let card = std::fs::read_to_string(lfw.path(&out).join("model_card.md")).unwrap();
        let mut recognised =
            limen(&["verify", "--json", &fixture("obama-1.jpg"), &fixture("biden-1.jpg")]);
        for line in card.lines().filter_map(|line| line.strip_prefix("export ")) {
            let (name, value) = line.split_once('=').unwrap();
            recognised.env(name, value);
        }
        recognised.env("LIMEN_MATCHING__VERIFY_THRESHOLD", "1.0");
        recognised.env("LIMEN_MATCHING__RECOGNIZE_THRESHOLD", "1.0");
        let output = recognised.output().unwrap();
        // Nobody learnt to tell these two apart in two steps; but the faces of two people are not one encoding.
        let verdict: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        let apart = verdict["distance"].as_f64();
        assert!(apart.is_some_and(|distance| distance > 1e-4), "{way:?}: {}", text(&output));
        assert!(verdict["model_id"].as_str().is_some_and(|id| id.contains("learnt")), "{verdict}");
    }
}

#[test]
fn a_run_that_is_killed_and_one_that_is_interrupted_end_as_one_that_is_left_alone() {
    let Some(lfw) = Lfw::find(60) else { return };
    let pace = ["--steps", "200", "--interval", "10", "--patience", "0"];
    let finish = |out: &str, more: &[&str]| {
        let output = lfw.train("encoder", out, &[&pace[..], more].concat()).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    };
    finish("alone", &[]);
    let begin = |out: &str| {
        let mut command = lfw.train("encoder", out, &pace);
        let run = Running(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
        run.wait_for_a_look(&lfw.path(out), 20);
        run
    };
    let mut killed = begin("killed");
    killed.0.kill().unwrap();
    assert_eq!(killed.0.wait().unwrap().code(), None, "it was over before it was killed");
    finish("killed", &["--resume"]);

    let mut interrupted = begin("interrupted");
    let sent = Command::new("kill").args(["-INT", &interrupted.0.id().to_string()]).status();
    assert!(sent.unwrap().success());
    assert_eq!(interrupted.0.wait().unwrap().code(), Some(130));
    finish("interrupted", &["--resume"]);

    for out in ["killed", "interrupted"] {
        for file in ["checkpoint.safetensors", "weights/manifest.toml"] {
            let [one, other] =
                [out, "alone"].map(|run| std::fs::read(lfw.path(run).join(file)).unwrap());
            assert!(one == other, "{file} of the run that was {out}");
        }
    }
}

/// A run that ends with the test.
struct Running(Child);

impl Running {
    /// Waits until it has looked at its validation people after so many steps.
    fn wait_for_a_look(&self, folder: &Path, steps: u64) {
        let deadline = Instant::now() + Duration::from_secs(120);
        let looked = |line: &str| {
            let note: serde_json::Value = serde_json::from_str(line).unwrap_or_default();
            note["badness"].is_number() && note["step"].as_u64() >= Some(steps)
        };
        let metrics = || std::fs::read_to_string(folder.join("metrics.jsonl")).unwrap_or_default();
        while !metrics().lines().any(looked) {
            assert!(Instant::now() < deadline, "no look after {steps} steps: {}", metrics());
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn too_few_people_are_told_how_they_were_dealt_out() {
    let folder = tempfile::tempdir().unwrap();
    let images = folder.path().join("images");
    let out = folder.path().join("run");
    let train = || {
        let arguments =
            ["train", "encoder", "--no-cache", "--images", images.to_str().unwrap(), "--out"];
        text(&limen(&[&arguments[..], &[out.to_str().unwrap()]].concat()).output().unwrap())
    };
    people(&images, &[("Obama", "obama-1.jpg"), ("Obama", "obama-2.jpg")]);
    let one = train();
    assert!(one.contains("there is one person"), "{one}");
    people(&images, &[("Biden", "biden-1.jpg"), ("Collins", "collins-1.jpg")]);
    let few = train();
    assert!(few.contains("another --seed deal them out otherwise"), "{few}");
    assert!(!out.exists());
}
