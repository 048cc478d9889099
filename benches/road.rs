//! What a frame costs on one thread: decoding, the search for faces, the whole road.

use std::hint::black_box;
use std::path::Path;

use criterion::{Criterion, criterion_group, criterion_main};
use limen::domain::LivenessScore;
use limen::nets::{Manifest, load};
use limen::vision::decode::{FrameLimits, decode};
use limen::vision::detect::{DetectSettings, detect};
use limen::vision::{LookSettings, Road, RoadSettings};
use tch::Device;

fn road(criterion: &mut Criterion) {
    tch::set_num_threads(1);
    let weights = Path::new("weights");
    let photo = std::fs::read("tests/fixtures/obama-3.jpg").unwrap();
    let frame = decode(&photo, None, &FrameLimits::default()).unwrap();
    let detector =
        load::detector(&Manifest::open(weights).unwrap(), "yunet-2023mar", Device::Cpu).unwrap();
    let road = Road::open(weights, RoadSettings::default()).unwrap();
    let settings = LookSettings {
        liveness_threshold: Some(LivenessScore::try_from(0.5).unwrap()),
        pupil_distance_px_min: 24.0,
    };

    criterion.bench_function("decode", |bench| {
        bench.iter(|| decode(black_box(&photo), None, &FrameLimits::default()).unwrap());
    });
    criterion.bench_function("detect", |bench| {
        let settings = DetectSettings::default();
        bench.iter(|| {
            tch::no_grad(|| detect(&detector, black_box(&frame), &settings, Device::Cpu).unwrap())
        });
    });
    criterion.bench_function("look", |bench| {
        bench.iter(|| road.look(black_box(&photo), None, &settings, Default::default()).unwrap());
    });
}

criterion_group!(benches, road);
criterion_main!(benches);
