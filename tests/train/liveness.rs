//! A liveness network that learns to tell plain pictures from printed ones.

use limen::domain::LivenessScore;
use limen::evaluate::metrics::{Bootstrap, Kind, Liveness};
use limen::nets::{MiniFasNet, Trainable};
use limen::train::{
    Ending, LabelledPresentation, LivenessLearner, LivenessSettings, LivenessTask, Note, Pace,
    Pictures, PresentationSampler, Presented, Run, Schedule, Variation, liveness_rates, random,
    restore, train,
};
use rand::Rng;
use serde_json::json;
use tch::Device;

use super::{TO_THE_END, Until, pace};

const SUBJECTS: usize = 8;
/// Live pictures of each, and as many of either kind of print.
const PICTURES: usize = 3;

/// Soft blobs, each subject's its own; a print has a raster over them.
struct World {
    pictures: Pictures,
    presented: Vec<Presented>,
}

impl World {
    fn new() -> Self {
        // Tests run beside each other.
        tch::set_num_threads(1);
        let side = MiniFasNet::SIDE as usize;
        let mut random = random(5, "world", 0);
        let (mut all, mut presented) = (Vec::new(), Vec::new());
        for subject in 0..SUBJECTS {
            let tone: [f32; 3] = std::array::from_fn(|_| random.random_range(60.0..180.0));
            for number in 0..PICTURES * 3 {
                let waves: [f32; 4] = std::array::from_fn(|_| random.random_range(0.5..2.5));
                let (kind, raster) = match number % 3 {
                    0 => (Kind::Live, [0.0, 0.0]),
                    1 => (Kind::Attack("halftone".to_owned()), [1.9, 1.7]),
                    _ => (Kind::Attack("moire".to_owned()), [2.4, 0.0]),
                };
                let mut rgb = Vec::with_capacity(side * side * 3);
                for place in 0..side * side {
                    let [x, y] = [place % side, place / side].map(|at| at as f32);
                    let [u, v] = [x, y].map(|at| at / side as f32 * std::f32::consts::TAU);
                    let soft =
                        40.0 * (waves[0] * u + waves[1]).sin() * (waves[2] * v + waves[3]).cos();
                    let fine = if number % 3 == 0 {
                        0.0
                    } else {
                        30.0 * (raster[0] * x).cos() * (raster[1] * y).cos()
                    };
                    rgb.extend(tone.map(|tone| (tone + soft + fine).clamp(0.0, 255.0) as u8));
                }
                let photo = Some(all.len());
                presented.push(Presented { photo, kind, subject: subject.to_string() });
                all.push(rgb);
            }
        }
        let all = all.iter().map(Vec::as_slice);
        let pictures = Pictures::new(all, MiniFasNet::SIDE as u32, Device::Cpu).unwrap();
        Self { pictures, presented }
    }

    fn of(&self, subjects: std::ops::Range<usize>) -> Vec<Presented> {
        let within = |one: &&Presented| subjects.contains(&one.subject.parse().unwrap());
        self.presented.iter().filter(within).cloned().collect()
    }

    /// Begins with nothing, and is taught by the spectra too. `start`: with which numbers.
    fn task(&self, of_each_class: usize, start: u64) -> LivenessTask {
        let mut numbers = random(start, "start", 0);
        let network = Trainable::new_liveness(Device::Cpu, &mut numbers).unwrap();
        let head = Trainable::new_fourier_head(Device::Cpu, &mut numbers).unwrap();
        let vary = vec![Variation::Mirror, Variation::Light];
        let learner =
            LivenessLearner::new(network, self.pictures.clone(), vary, false).with_head(head);
        let training = self.of(0..4);
        let labelled = training.iter().map(|one| LabelledPresentation {
            photo: one.photo.unwrap(),
            kind: &one.kind,
            subject: &one.subject,
        });
        let sampler = PresentationSampler::new(labelled).unwrap();
        let settings = LivenessSettings { of_each_class, fourier_weight: 0.5, threshold: middle() };
        LivenessTask::new(learner, sampler, self.of(4..6), settings)
    }

    fn rates(&self, learner: &LivenessLearner) -> Liveness {
        let presentations = learner.present(&self.of(6..SUBJECTS)).unwrap();
        liveness_rates(&presentations, middle(), Bootstrap { resamples: 0, seed: 1 }).unwrap()
    }
}

fn middle() -> LivenessScore {
    LivenessScore::try_from(0.5).unwrap()
}

fn short(steps: u64, interval: u64) -> Pace {
    Pace { schedule: Schedule { rate: 2e-3, warm_up: 3, steps }, interval, ..pace(steps) }
}

#[test]
fn a_network_that_begins_with_nothing_tells_prints_of_subjects_whom_it_never_saw() {
    let world = World::new();
    let folder = tempfile::tempdir().unwrap();
    let mut run = Run::begin(folder.path(), &json!({})).unwrap();
    let mut task = world.task(4, 1);
    let before = world.rates(task.learner());
    let trained = train(&mut task, &short(24, 12), &mut run, None, &mut { TO_THE_END }).unwrap();
    assert_eq!(trained.ending, Ending::Complete);
    restore(task.learner().parameters(), &trained.best).unwrap();
    let after = world.rates(task.learner());
    assert!(before.eer > 0.2 && after.eer < 0.05, "{} {}", before.eer, after.eer);
    let notes: Vec<Note> = run.notes().unwrap();
    let fourier = |note: &Note| match note {
        Note::Step(step) => step.measures.get("fourier_loss").copied(),
        Note::Look(_) => None,
    };
    let fourier: Vec<f64> = notes.iter().filter_map(fourier).collect();
    assert!(fourier[23] < fourier[0] / 1.5, "the spectra are learnt too: {fourier:?}");
}

#[test]
fn a_liveness_run_that_was_interrupted_ends_bit_for_bit_as_one_that_was_not() {
    let world = World::new();
    let folder = tempfile::tempdir().unwrap();
    let [whole, parts] = ["whole", "parts"].map(|name| folder.path().join(name));
    let mut run = Run::begin(&whole, &json!({})).unwrap();
    train(&mut world.task(2, 1), &short(4, 2), &mut run, None, &mut { TO_THE_END }).unwrap();
    let undisturbed: Vec<Note> = run.notes().unwrap();

    let mut run = Run::begin(&parts, &json!({})).unwrap();
    train(&mut world.task(2, 1), &short(4, 2), &mut run, None, &mut Until(3, 0)).unwrap();
    drop(run);
    let (mut run, kept) = Run::resume(&parts, &json!({})).unwrap();
    assert_eq!(kept.as_ref().unwrap().standing.step, 3);
    // Another start, which the checkpoint replaces, gathered statistics and all.
    train(&mut world.task(2, 9), &short(4, 2), &mut run, kept, &mut { TO_THE_END }).unwrap();
    assert_eq!(run.notes::<Note>().unwrap(), undisturbed);
    let [one, other] =
        [whole, parts].map(|run| std::fs::read(run.join("checkpoint.safetensors")).unwrap());
    assert!(one == other);
}
