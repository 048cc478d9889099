//! The whole pipeline on the development part of Labeled Faces in the Wild, which lies beside the
//! checkout (`../shared/data/lfw-dev`, or `$LIMEN_TEST_LFW`) and is never part of it. Without it
//! there is nothing to measure, and the test says so.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use limen::domain::{Encoding, Sighting};
use limen::vision::{LookSettings, QualityLimits, Road, RoadSettings};

/// A pair of photos, by the path below `images/`, and whether they show one person.
struct Pair {
    left: String,
    right: String,
    same: bool,
}

/// LFW's own list: folds of genuine and impostor pairs.
fn folds(text: &str) -> Vec<Vec<Pair>> {
    let mut lines = text.lines();
    let header: Vec<usize> =
        lines.next().unwrap().split_whitespace().map(|n| n.parse().unwrap()).collect();
    let photo = |person: &str, number: &str| {
        format!("{person}/{person}_{:04}.jpg", number.parse::<u32>().unwrap())
    };
    let pairs: Vec<Pair> = lines
        .map(|line| match line.split_whitespace().collect::<Vec<_>>()[..] {
            [person, a, b] => Pair { left: photo(person, a), right: photo(person, b), same: true },
            [p, a, q, b] => Pair { left: photo(p, a), right: photo(q, b), same: false },
            _ => panic!("not a pair: {line}"),
        })
        .collect();
    let mut pairs = pairs.into_iter();
    (0..header[0]).map(|_| pairs.by_ref().take(header[1] * 2).collect()).collect()
}

/// The encoding of each photo that shows a face. The photos are of the press, not of a turnstile,
/// so nothing but the choice of the face stands between a photo and its encoding.
fn encode(images: &Path, photos: &[String]) -> HashMap<String, Encoding> {
    let quality = QualityLimits {
        brightness_min: 0.0,
        brightness_max: 255.0,
        sharpness_min: 0.0,
        yaw_max: f32::MAX,
        roll_degrees_max: 180.0,
    };
    let mut settings = RoadSettings { quality, ..RoadSettings::default() };
    settings.nearest.rival_share_min = 1.0;
    let look = LookSettings { liveness_threshold: None, pupil_distance_px_min: 1.0 };
    let (next, encodings) = (AtomicUsize::new(0), Mutex::new(HashMap::new()));
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                tch::set_num_threads(1);
                let road = Road::open(Path::new("weights"), settings.clone()).unwrap();
                while let Some(photo) = photos.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let bytes = std::fs::read(images.join(photo)).unwrap();
                    let view = road.look(&bytes, None, &look, Default::default()).unwrap();
                    if let Sighting::Face(face) = view.sighting {
                        encodings.lock().unwrap().insert(photo.clone(), face.encoding);
                    }
                }
            });
        }
    });
    encodings.into_inner().unwrap()
}

/// The share of `pairs` (distance, same person?) that `threshold` tells right.
fn accuracy(pairs: &[(f32, bool)], threshold: f32) -> f64 {
    let right = pairs.iter().filter(|(distance, same)| (*distance < threshold) == *same).count();
    right as f64 / pairs.len() as f64
}

/// 10-fold accuracy as LFW prescribes: each fold is judged by the threshold that is best on the
/// others (Huang et al. 2007, "Labeled Faces in the Wild", section 4).
fn ten_fold(folds: &[Vec<(f32, bool)>]) -> f64 {
    let judged = (0..folds.len()).map(|held_out| {
        let others: Vec<_> = (0..folds.len())
            .filter(|fold| *fold != held_out)
            .flat_map(|fold| folds[fold].iter().copied())
            .collect();
        let best = (0..800)
            .map(|step| step as f32 * 0.005)
            .max_by(|a, b| accuracy(&others, *a).total_cmp(&accuracy(&others, *b)))
            .unwrap();
        accuracy(&folds[held_out], best)
    });
    judged.sum::<f64>() / folds.len() as f64
}

#[test]
fn the_whole_pipeline_tells_99_percent_of_the_pairs_of_lfw_right() {
    let folder = std::env::var("LIMEN_TEST_LFW")
        .map_or_else(|_| PathBuf::from("../shared/data/lfw-dev"), PathBuf::from);
    let Ok(list) = std::fs::read_to_string(folder.join("pairs.txt")) else {
        // CI has the photos, and must not pass without having measured.
        assert!(std::env::var_os("CI").is_none(), "{} is not there", folder.display());
        eprintln!("{} is not there: nothing was measured", folder.display());
        return;
    };
    let folds = folds(&list);
    let mut photos: Vec<String> =
        folds.iter().flatten().flat_map(|pair| [pair.left.clone(), pair.right.clone()]).collect();
    photos.sort();
    photos.dedup();
    let encodings = encode(&folder.join("images"), &photos);
    // A photo in which no face is found is as far from every other as can be.
    let distance = |pair: &Pair| match (encodings.get(&pair.left), encodings.get(&pair.right)) {
        (Some(left), Some(right)) => left.distance(right).unwrap().value(),
        _ => 4.0,
    };
    let judged: Vec<Vec<(f32, bool)>> = folds
        .iter()
        .map(|fold| fold.iter().map(|pair| (distance(pair), pair.same)).collect())
        .collect();
    let (accuracy, undetected) = (ten_fold(&judged), photos.len() - encodings.len());
    println!(
        "LFW-dev 10-fold accuracy {accuracy:.4}, {undetected} of {} photos without a face",
        photos.len()
    );
    for threshold in [0.8f32, 0.9, 1.0, 1.1, 1.2, 1.3, 1.4] {
        let all: Vec<_> = judged.iter().flatten().copied().collect();
        let share = |same: bool| {
            let of: Vec<_> = all.iter().filter(|(_, s)| *s == same).collect();
            of.iter().filter(|(d, _)| *d < threshold).count() as f64 / of.len() as f64
        };
        println!(
            "tau {threshold}: true matches {:.4}, false matches {:.4}",
            share(true),
            share(false)
        );
    }
    assert!(accuracy >= 0.99, "accuracy {accuracy:.4}, {undetected} photos without a face");
}
