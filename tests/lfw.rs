//! The whole pipeline on the development part of Labeled Faces in the Wild, which lies beside the
//! checkout (`../shared/data/lfw-dev`, or `$LIMEN_TEST_LFW`) and is never part of it. Without it
//! there is nothing to measure, and the test says so. `limen evaluate verification` tells more.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use limen::evaluate::acquire::{AcquireSettings, Cache, Template, acquire};
use limen::evaluate::dataset::read_pairs;
use limen::evaluate::metrics::{Bootstrap, verification};
use limen::evaluate::protocol::compare;
use limen::vision::{QualityLimits, Road, RoadSettings};

#[test]
fn the_whole_pipeline_tells_99_percent_of_the_pairs_of_lfw_right() {
    let folder = std::env::var("LIMEN_TEST_LFW")
        .map_or_else(|_| PathBuf::from("../shared/data/lfw-dev"), PathBuf::from);
    if !folder.join("pairs.txt").is_file() {
        // CI has the photos, and must not pass without having measured.
        assert!(std::env::var_os("CI").is_none(), "{} is not there", folder.display());
        eprintln!("{} is not there: nothing was measured", folder.display());
        return;
    }
    let pairs = read_pairs(&folder.join("pairs.txt")).unwrap();
    let mut photos: Vec<PathBuf> =
        pairs.iter().flat_map(|pair| [pair.left.clone(), pair.right.clone()]).collect();
    photos.sort();
    photos.dedup();
    // The photos are of the press, not of a turnstile: the nearest face counts, however it looks.
    let mut road = RoadSettings { quality: QualityLimits::NONE, ..RoadSettings::default() };
    road.nearest.rival_share_min = 1.0;
    let road = Road::open(Path::new("weights"), road).unwrap();
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    let settings = AcquireSettings { workers, border_share: 0.0 };
    let (images, mut cache) = (folder.join("images"), Cache::none());
    let acquired =
        acquire(&images, &photos, &road, settings, &mut cache, Template::look, || {}).unwrap();
    let samples: HashMap<&Path, _> =
        photos.iter().map(PathBuf::as_path).zip(acquired.iter().map(|one| &one.sample)).collect();
    let compared = compare(&pairs, |photo| samples[photo]);
    let figures = verification(&compared, Bootstrap { resamples: 0, seed: 1 }).unwrap();
    println!("LFW-dev 10-fold accuracy {:.4}, {} undetected", figures.accuracy, figures.undetected);
    assert_eq!(figures.pairs, 4000);
    // 99.08 with the shipped weights; a pair may fall either way on another processor.
    assert!(figures.accuracy >= 0.99, "accuracy {:.4}", figures.accuracy);
}
