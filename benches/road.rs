//! What the steps of the road cost on one thread. `./dev bench --bench road`; `./dev bench encoder`
//! beside ONNX Runtime.

use std::hint::black_box;
use std::path::Path;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use image::RgbImage;
use image::codecs::jpeg::JpegEncoder;
use image::imageops::FilterType;
use limen::domain::LivenessScore;
use limen::nets::{Compute, Manifest, Station, load};
use limen::vision::align::{Template, align};
use limen::vision::decode::{FrameLimits, decode, decode_at_least};
use limen::vision::detect::{DetectSettings, detect};
use limen::vision::liveness::liveness;
use limen::vision::nearest::NearestSettings;
use limen::vision::refine::refine;
use limen::vision::{LookSettings, Road, RoadSettings};
use tch::{Device, Kind, Tensor};

fn steps(criterion: &mut Criterion) {
    tch::set_num_threads(1);
    let manifest = Manifest::open(Path::new("weights")).unwrap();
    let f32 = Compute::from(Device::Cpu);
    let detector = load::detector(&manifest, "yunet-2023mar", Device::Cpu).unwrap();
    let detector = Station::here(detector, f32);
    let landmarks = load::landmarks(&manifest, "landmark-68", Device::Cpu).unwrap();
    let landmarks = Station::here(landmarks, f32);
    let photo = std::fs::read("tests/fixtures/obama-3.jpg").unwrap();
    let frame = decode(&photo, None, &FrameLimits::default()).unwrap();
    let settings = DetectSettings::default();
    let nearest = NearestSettings::default();
    let found = |pupils| detect(&detector, &frame, pupils, &settings, &nearest).unwrap();
    let face = found(0.0)[0];

    criterion.bench_function("decode", |bench| {
        bench.iter(|| decode(black_box(&photo), None, &FrameLimits::default()).unwrap());
    });
    for pupils in [24.0, 0.0] {
        criterion.bench_function(&format!("detect/{pupils}"), |bench| {
            bench.iter(|| found(black_box(pupils)));
        });
    }
    criterion.bench_function("refine", |bench| {
        bench.iter(|| refine(&landmarks, &frame, black_box(face)).unwrap());
    });
    criterion.bench_function("align", |bench| {
        bench.iter(|| align(&frame, black_box(&face.landmarks), Template::FivePoints112).unwrap());
    });
    for compute in kinds() {
        let network = load::liveness(&manifest, "minifasnet-v2-se", compute).unwrap();
        let network = Station::here(network, compute);
        criterion.bench_function(&format!("liveness/{}", name(compute)), |bench| {
            let bounding_box = &face.bounding_box;
            bench.iter(|| liveness(&network, &frame, black_box(bounding_box)).unwrap());
        });
    }
}

/// The encoders' networks alone, as `benches/encoder_onnx.py` runs them, SFace's where it was imported; and the
/// processor's own peak.
fn encode(criterion: &mut Criterion) {
    tch::set_num_threads(1);
    let _no_grad = tch::no_grad_guard();
    let manifest = Manifest::open(Path::new("weights")).unwrap();
    let mut group = criterion.benchmark_group("encode");
    let encoders = ["mobilefacenet", "sface-2021dec"];
    let there = |id: &&str| manifest.path(manifest.get(id).unwrap()).is_file();
    let encoders: Vec<_> = encoders.into_iter().filter(there).collect();
    for (id, compute) in
        encoders.iter().flat_map(|&id| kinds().into_iter().map(move |kind| (id, kind)))
    {
        let network = load::encoder(&manifest, id, compute).unwrap();
        for faces in [1, 4, 8, 32] {
            let input = Tensor::rand([faces, 3, 112, 112], (Kind::Float, Device::Cpu)) * 2.0 - 1.0;
            let input = input.to_kind(compute.kind);
            group.throughput(Throughput::Elements(faces as u64));
            let name = format!("{id}/{}", name(compute));
            group.bench_function(BenchmarkId::new(name, faces), |bench| {
                bench.iter(|| network.forward(black_box(&input)).unwrap());
            });
        }
    }
    for compute in kinds() {
        let square = Tensor::rand([1_024, 1_024], (compute.kind, Device::Cpu));
        // Multiplications, as the encoder's are counted.
        group.throughput(Throughput::Elements(1 << 30));
        group.bench_function(BenchmarkId::new("gemm", name(compute)), |bench| {
            bench.iter(|| square.matmul(black_box(&square)));
        });
    }
}

fn road(criterion: &mut Criterion) {
    tch::set_num_threads(1);
    let road = Road::open(Path::new("weights"), RoadSettings::default()).unwrap();
    let settings = LookSettings {
        liveness_threshold: Some(LivenessScore::try_from(0.5).unwrap()),
        pupil_distance_px_min: 24.0,
        picture: false,
    };
    let photo = std::fs::read("tests/fixtures/obama-3.jpg").unwrap();
    criterion.bench_function("look", |bench| {
        bench.iter(|| road.look(black_box(&photo), None, &settings, Default::default()).unwrap());
    });
    let photo = std::fs::read("tests/fixtures/obama-1.jpg").unwrap();
    for (width, height) in [(1_920, 1_080), (3_840, 2_160)] {
        for (name, part) in [("near", 1), ("middle", 3), ("far", 4)] {
            let photo = enlarged(&photo, [width, height], part);
            criterion.bench_function(&format!("look/{width}x{height}/{name}"), |bench| {
                let look = || road.look(black_box(&photo), None, &settings, Default::default());
                bench.iter(|| look().unwrap());
            });
        }
        let photo = enlarged(&photo, [width, height], 1);
        for side_px in [u32::MAX, DetectSettings::default().side_px_max] {
            let name = if side_px == u32::MAX { "whole" } else { "reduced" };
            criterion.bench_function(&format!("decode/{width}x{height}/{name}"), |bench| {
                let limits = FrameLimits::default();
                bench.iter(|| decode_at_least(black_box(&photo), None, &limits, side_px).unwrap());
            });
        }
    }
}

/// A face before a camera of so many pixels: the photo in the middle, as high as one part in `part` of the frame.
fn enlarged(photo: &[u8], [width, height]: [u32; 2], part: u32) -> Vec<u8> {
    let photo = image::load_from_memory(photo).unwrap();
    let photo = photo.resize(width, height / part, FilterType::CatmullRom).into_rgb8();
    let mut frame = RgbImage::from_pixel(width, height, image::Rgb([128; 3]));
    let [left, top] =
        [width - photo.width(), height - photo.height()].map(|free| i64::from(free / 2));
    image::imageops::replace(&mut frame, &photo, left, top);
    let mut jpeg = Vec::new();
    frame.write_with_encoder(JpegEncoder::new_with_quality(&mut jpeg, 90)).unwrap();
    jpeg
}

/// `f32`, and `bf16` where it is worth while.
fn kinds() -> Vec<Compute> {
    let single = Compute::from(Device::Cpu);
    let half = Compute { kind: Kind::BFloat16, ..single };
    if Compute::prefers_bf16(Device::Cpu) { vec![single, half] } else { vec![single] }
}

fn name(compute: Compute) -> &'static str {
    if compute.kind == Kind::BFloat16 { "bf16" } else { "f32" }
}

criterion_group!(benches, steps, encode, road);
criterion_main!(benches);
