//! What a training step takes: a MobileFaceNet from nothing, 64 faces, the semi-hard triplet loss, Adam, all cores.
//! `./dev bench train` runs it beside the same in PyTorch, in turns.
//!
//! Prints a line of JSON: faces a second by precision, medians over the steps.

use std::time::Instant;

use limen::nets::{Digest, MobileFaceNet, Trainable};
use limen::train::{
    Adam, BatchShape, Decay, EncoderSettings, EncoderTask, Fresh, LinearMap, Mining,
    NetworkLearner, Objective, People, Pictures, Sampler, Task, Towards, expect_steps, random,
};
use serde_json::json;
use tch::{Device, Kind};

const PEOPLE: usize = 16;
const PHOTOS: usize = 4;
/// Steps that are measured, after one that is not.
const STEPS: u64 = 4;

fn main() {
    // `cargo bench` and `cargo test` say which they are.
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    let device = if tch::Cuda::is_available() { Device::Cuda(0) } else { Device::Cpu };
    // As `train` does.
    expect_steps(device);
    let [f32, mixed] = [false, true].map(|mixed| faces_per_second(device, mixed));
    println!("{}", json!({"device": format!("{device:?}"), "f32": f32, "mixed": mixed}));
}

fn faces_per_second(device: Device, mixed: bool) -> f64 {
    let mut task = task(device, mixed);
    let decay = Decay { weight: 5e-4, towards: Towards::Zero };
    let mut adam = Adam::new(task.parameters(), decay, Fresh::NONE).unwrap();
    let mut times = Vec::new();
    for step in 0..=STEPS {
        let begun = Instant::now();
        let loss = task.loss(&|purpose| random(1, purpose, step)).unwrap();
        loss.mean.backward();
        adam.step(task.parameters(), 1e-3).unwrap();
        // Waits for the device.
        let _ = f64::try_from(task.parameters()[0].1.sum(Kind::Float)).unwrap();
        times.push(begun.elapsed().as_secs_f64());
    }
    times.remove(0);
    times.sort_by(f64::total_cmp);
    (PEOPLE * PHOTOS) as f64 / times[times.len() / 2]
}

fn task(device: Device, mixed: bool) -> EncoderTask<NetworkLearner> {
    let side = MobileFaceNet::SIDE as usize;
    let faces: Vec<Vec<u8>> =
        (0..PEOPLE * PHOTOS).map(|face| noise(face, side * side * 3)).collect();
    let pictures = Pictures::new(faces.iter().map(Vec::as_slice), side as u32, device).unwrap();
    let mut numbers = random(1, "start", 0);
    let network = Trainable::new_encoder(device, &mut numbers).unwrap();
    let learner = NetworkLearner::new(network, pictures, vec![], mixed);
    let map = LinearMap::by_chance(MobileFaceNet::OUTPUT_SIZE, 128, device, &mut numbers).unwrap();
    let learner = learner.with_projection(map);
    let photos = (0..PEOPLE * PHOTOS).map(|photo| (photo, (photo / PHOTOS) as u32));
    let settings = EncoderSettings {
        batch: BatchShape { people: PEOPLE, photos: PHOTOS, strangers: 0 },
        objective: Objective::Triplet { mining: Mining::SemiHard, margin: 0.2 },
    };
    let sampler = Sampler::new(photos).unwrap();
    EncoderTask::new(learner, sampler, People::default(), settings, &mut numbers).unwrap()
}

fn noise(seed: usize, count: usize) -> Vec<u8> {
    let blocks =
        (0..count.div_ceil(64)).map(|block| Digest::of(format!("{seed} {block}").as_bytes()));
    blocks.flat_map(|digest| digest.to_string().into_bytes()).take(count).collect()
}
