//! The processor against the GPU: the encoder alone and the whole road, by how many faces or frames are
//! under way at once, in `f32` and `bf16`, and where a frame's time goes.
//! `./dev --cuda bench devices FOLDER`, a folder of JPEG frames; without a GPU the processor alone.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use limen::domain::{FaceSeen, LivenessScore, Sighting, StageTimings, View};
use limen::inference::{Engine, EngineSettings, FrameBytes};
use limen::nets::{Batching, Compute, Crowd, Manifest, Pictures, Station, load};
use limen::vision::encode::Embedding;
use limen::vision::{Device, LookSettings, Precision, RoadSettings};
use tch::Cuda;

const AT_ONCE: [usize; 4] = [1, 8, 32, 64];
const LONG: Duration = Duration::from_secs(3);

fn main() {
    let folder = std::env::args().skip(1).find(|argument| !argument.starts_with("--"));
    let frames = frames(Path::new(folder.as_deref().unwrap_or("tests/fixtures")));
    println!("{} frames, {} cores, CUDA: {}", frames.len(), cores(), Cuda::is_available());
    let devices =
        if Cuda::is_available() { vec![Device::Cpu, Device::Cuda(0)] } else { vec![Device::Cpu] };

    println!("\n| encoder | faces at once | ms | faces a second |\n|---|---|---|---|");
    for compute in devices.iter().flat_map(|device| computes(*device)) {
        encoder(compute);
    }

    println!("\n| road | workers | frames at once | frames a second | p50, ms | stages, ms |");
    println!("|---|---|---|---|---|---|");
    let mut exact = Vec::new();
    for (device, precision) in devices.iter().flat_map(|device| roads(*device)) {
        road(device, precision, &frames, &mut exact);
    }
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

fn computes(device: Device) -> Vec<Compute> {
    let f32 = Compute::from(tch::Device::from(device));
    let bf16 = Precision::Bf16.on(device.into()).ok();
    std::iter::once(f32).chain(bf16).collect()
}

fn roads(device: Device) -> Vec<(Device, Precision)> {
    computes(device).into_iter().map(|compute| (device, compute.into())).collect()
}

/// The JPEGs of a folder that show one face each, as many as suffice.
fn frames(folder: &Path) -> Vec<FrameBytes> {
    let entries = std::fs::read_dir(folder).expect("the folder of frames");
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "jpg"));
    paths.sort();
    let read = |path: &PathBuf| std::fs::read(path).expect("a frame");
    let bytes = paths.iter().take(256).map(read);
    bytes.map(|bytes| FrameBytes { bytes: bytes.into(), declared: None }).collect()
}

/// From the bytes of aligned faces to the encoder's numbers, asked for by one thread.
fn encoder(compute: Compute) {
    tch::set_num_threads(1);
    let manifest = Manifest::open(Path::new("weights")).expect("weights");
    let network = load::encoder(&manifest, "mobilefacenet", compute).expect("the encoder");
    let model = Embedding { network, projection: None };
    let batching = Batching { pictures_max: 64, wait: Duration::ZERO };
    let station =
        Station::new(model, compute, batching, &Crowd::default()).expect("the encoder's thread");
    let name = if compute.device == tch::Device::Cpu { "cpu" } else { "cuda" };
    let precision = Precision::from(compute);
    for faces in AT_ONCE {
        let rgb: Vec<u8> = (0..faces * 112 * 112 * 3).map(|i| (i * 31 % 251) as u8).collect();
        let run = || {
            let started = Instant::now();
            station.ask(Pictures { rgb: &rgb, size: (112, 112) }).expect("the encoder");
            started.elapsed()
        };
        for _ in 0..5 {
            run();
        }
        let until = Instant::now() + LONG / 3;
        let mut times = Vec::new();
        while Instant::now() < until || times.len() < 5 {
            times.push(run());
        }
        let median = median(&mut times).as_secs_f64();
        let each_second = faces as f64 / median;
        println!("| {name} {precision} | {faces} | {:.3} | {each_second:.0} |", median * 1e3);
    }
}

/// The engine as the service runs it, shown all frames in turn by so many at once.
fn road(device: Device, precision: Precision, frames: &[FrameBytes], exact: &mut Vec<Seen>) {
    let per_core = if device == Device::Cpu { 1 } else { 4 };
    let workers = cores() * per_core;
    let settings = EngineSettings {
        weights_dir: "weights".into(),
        road: RoadSettings { device, precision, ..RoadSettings::default() },
        previous: None,
        workers,
        queue_max: 64,
    };
    let started = Instant::now();
    let engine = Engine::start(&settings).expect("the engine");
    let ready = started.elapsed();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        // What CUDA prepares for frames of a new size.
        let first = Instant::now();
        let seen = look_at_all(&engine, frames, 64).await;
        println!(
            "| {device} {precision} | {workers} | ready after {ready:.1?}, first round {:.1?}, {} | | | |",
            first.elapsed(),
            compared(&seen, exact),
        );
        if exact.is_empty() {
            *exact = seen;
        }
        for at_once in AT_ONCE {
            look_at_all(&engine, frames, at_once).await;
            let started = Instant::now();
            let mut seen = Vec::new();
            while started.elapsed() < LONG {
                seen.extend(look_at_all(&engine, frames, at_once).await);
            }
            let rate = seen.len() as f64 / started.elapsed().as_secs_f64();
            let mut times: Vec<Duration> = seen.iter().map(|seen| seen.took).collect();
            let median = median(&mut times).as_secs_f64() * 1e3;
            let stages = stages(&seen);
            println!(
                "| {device} {precision} | {workers} | {at_once} | {rate:.0} | {median:.2} | {stages} |"
            );
        }
    });
    engine.stop();
}

struct Seen {
    frame: usize,
    view: View<FaceSeen>,
    took: Duration,
}

/// Every frame once, `at_once` under way at any time.
async fn look_at_all(engine: &Engine, frames: &[FrameBytes], at_once: usize) -> Vec<Seen> {
    use futures_util::StreamExt;
    let settings = LookSettings {
        liveness_threshold: Some(LivenessScore::try_from(0.0).expect("a score")),
        pupil_distance_px_min: 24.0,
        picture: false,
    };
    let looks = frames.iter().enumerate().map(|(frame, bytes)| async move {
        let started = Instant::now();
        let place = engine.place().expect("a place");
        let view = engine.look(place, bytes.clone(), settings).await.expect("a view");
        Seen { frame, view, took: started.elapsed() }
    });
    futures_util::stream::iter(looks).buffer_unordered(at_once).collect().await
}

/// How near the encodings lie to the exact ones, and how many frames end otherwise.
fn compared(seen: &[Seen], exact: &[Seen]) -> String {
    let (mut least, mut mean, mut both, mut otherwise) = (f32::INFINITY, 0.0, 0, 0);
    for exact in exact {
        let Some(seen) = seen.iter().find(|seen| seen.frame == exact.frame) else { continue };
        match (&seen.view.sighting, &exact.view.sighting) {
            (Sighting::Face(seen), Sighting::Face(exact)) => {
                let distance = seen.encoding.distance(&exact.encoding).expect("one model");
                let cosine = 1.0 - distance.value() / 2.0;
                least = least.min(cosine);
                mean += cosine;
                both += 1;
            }
            (seen, exact) => {
                otherwise +=
                    usize::from(std::mem::discriminant(seen) != std::mem::discriminant(exact));
            }
        }
    }
    if both == 0 {
        return "the measure of the others".to_owned();
    }
    let mean = mean / both as f32;
    format!("{both} faces, cosine {mean:.6}, least {least:.6}, {otherwise} end otherwise")
}

fn stages(seen: &[Seen]) -> String {
    let mut sum = StageTimings::default();
    for (stage, time) in seen.iter().flat_map(|seen| seen.view.timings.iter()) {
        sum.push(stage, time);
    }
    let each = |time: Duration| time.as_secs_f64() * 1e3 / seen.len() as f64;
    let named = sum.iter().map(|(stage, time)| format!("{} {:.2}", stage.name(), each(time)));
    named.collect::<Vec<_>>().join(", ")
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}
