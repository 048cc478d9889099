//! Learning, as whoever uses it from Rust sees it: from encodings to better ones, and over interruptions.

#[path = "train/liveness.rs"]
mod liveness;

use limen::domain::{Difference, ModelId};
use limen::nets::{MobileFaceNet, Trainable};
use limen::train::{
    Adam, BatchShape, Decay, EncoderSettings, EncoderTask, Ending, Faces, Figures, Fresh, HeldOut,
    Learner, LinearMap, Look, Margin, Mining, NetworkLearner, Note, Objective, Pace, PairSettings,
    Pairs, Part, People, Pictures, ProjectionLearner, Run, Sampler, Schedule, Split, Standing,
    Start, Step, Task, Towards, TrainingError, Variation, VerifierLearner, VerifierTask, Watcher,
    principal_components, random, restore, train, unit_rows,
};
use rand::Rng;
use serde_json::json;
use tch::{Kind, Tensor};

/// Numbers of an encoder that says more of the light than of the person: of each photo `[plain, mirrored]`.
struct World {
    features: Tensor,
    person: Vec<u32>,
}

const PEOPLE: u32 = 90;
const PHOTOS: usize = 5;
const SIZE: usize = 24;
/// The numbers that tell people apart; the others are of the light, and larger.
const TELLING: usize = 6;

impl World {
    fn new() -> Self {
        let mut random = random(11, "world", 0);
        let mut normal = move |spread: f32| {
            // Of twelve even numbers (Irwin-Hall).
            let sum: f32 = (0..12).map(|_| random.random::<f32>()).sum();
            (sum - 6.0) * spread
        };
        let (mut values, mut person) = (Vec::new(), Vec::new());
        for number in 0..PEOPLE {
            let face: Vec<f32> = (0..TELLING).map(|_| normal(1.0)).collect();
            for _ in 0..PHOTOS {
                let light: Vec<f32> = (TELLING..SIZE).map(|_| normal(2.0)).collect();
                for _ in 0..2 {
                    let noisy = face.iter().map(|value| value + normal(0.2)).collect::<Vec<_>>();
                    values.extend(noisy.into_iter().chain(light.iter().copied()));
                }
                person.push(number);
            }
        }
        let rows = Tensor::from_slice(&values).view([-1, SIZE as i64]);
        let features = unit_rows(&rows).unwrap().view([-1, 2, SIZE as i64]);
        Self { features, person }
    }

    fn part(&self, part: Part) -> People {
        let split = Split { seed: 1, validation: 0.2, test: 0.3 };
        let within = |photo: &usize| split.part_of(&self.person[*photo].to_string()) == part;
        let photos: Vec<usize> = (0..self.person.len()).filter(within).collect();
        let person = photos.iter().map(|photo| self.person[*photo]).collect();
        People { photos, person }
    }

    fn task(&self, start: Start, objective: Objective) -> EncoderTask<ProjectionLearner> {
        let training = self.part(Part::Training);
        let mut numbers = random(1, "start", 0);
        let chosen: Vec<i64> = training.photos.iter().map(|photo| *photo as i64).collect();
        let rows = self.features.index_select(0, &Tensor::from_slice(&chosen));
        let map = match start {
            Start::Scratch => {
                LinearMap::by_chance(SIZE as i64, TELLING as i64, tch::Device::Cpu, &mut numbers)
            }
            _ => principal_components(&rows.reshape([-1, SIZE as i64]), TELLING as i64)
                .and_then(LinearMap::of_weight),
        };
        let learner = ProjectionLearner::new(self.features.shallow_clone(), map.unwrap());
        let photos = training.photos.iter().copied().zip(training.person.iter().copied());
        let batch = BatchShape { people: 16, photos: 3, strangers: 0 };
        let settings = EncoderSettings { batch, objective };
        let (sampler, validation) = (Sampler::new(photos).unwrap(), self.part(Part::Validation));
        EncoderTask::new(learner, sampler, validation, settings, &mut numbers).unwrap()
    }
}

fn by_triplets(mining: Mining) -> Objective {
    Objective::Triplet { mining, margin: 0.3 }
}

fn pace(steps: u64) -> Pace {
    Pace {
        seed: 1,
        schedule: Schedule { rate: 0.01, warm_up: 5, steps },
        decay: Decay { weight: 1e-4, towards: Towards::Zero },
        interval: 20,
        patience: 0,
    }
}

/// Watches nothing, and stops where it is told.
struct Until(u64, u64);

impl Watcher for Until {
    fn stepped(&mut self, step: &Step, _: f64) {
        self.1 = step.step;
    }
    fn looked(&mut self, _: &Look, _: bool) {}
    fn is_interrupted(&self) -> bool {
        self.1 >= self.0
    }
}

#[test]
fn encodings_that_are_all_one_end_a_run_and_what_was_kept_last_is_whole() {
    let mut world = World::new();
    // Everybody looks the same: whatever is learnt, nobody can be told apart.
    world.features = world.features.ones_like() / (SIZE as f64).sqrt();
    let folder = tempfile::tempdir().unwrap();
    let mut run = Run::begin(folder.path(), &json!({})).unwrap();
    let mut task = world.task(Start::Scratch, by_triplets(Mining::Hard));
    let pace = Pace { interval: 5, ..pace(100) };
    let ended = train(&mut task, &pace, &mut run, None, &mut Until(u64::MAX, 0));
    let error = ended.unwrap_err().to_string();
    assert!(error.contains("all encodings have become one"), "{error}");
    let (_, kept) = Run::resume(folder.path(), &json!({})).unwrap();
    assert_eq!(kept.unwrap().standing.step, 15);
}

const TO_THE_END: Until = Until(u64::MAX, 0);

fn eer(encodings: &Tensor, people: &People) -> f64 {
    Figures::of(encodings, &people.person, None).unwrap().rates.eer
}

#[test]
fn what_is_learnt_tells_people_apart_whom_it_never_saw_better_than_principal_components_do() {
    let world = World::new();
    let test = world.part(Part::Test);
    let rows = |people: &People| {
        let numbers: Vec<i64> = people.photos.iter().map(|photo| *photo as i64).collect();
        world.features.index_select(0, &Tensor::from_slice(&numbers))
    };
    let training = rows(&world.part(Part::Training)).reshape([-1, SIZE as i64]);
    let pca = principal_components(&training, TELLING as i64).unwrap();
    let pca = unit_rows(&rows(&test).select(1, 0).matmul(&pca.tr())).unwrap();
    let (pca, all) = (eer(&pca, &test), eer(&rows(&test).select(1, 0), &test));
    for objective in [
        by_triplets(Mining::SemiHard),
        Objective::Softmax { margin: Margin::Angle(0.3), scale: 8.0 },
        Objective::Softmax { margin: Margin::Cosine(0.2), scale: 8.0 },
    ] {
        let folder = tempfile::tempdir().unwrap();
        let mut run = Run::begin(folder.path(), &json!({})).unwrap();
        let mut task = world.task(Start::Scratch, objective);
        let trained = train(&mut task, &pace(300), &mut run, None, &mut { TO_THE_END }).unwrap();
        assert_eq!((trained.standing.step, trained.ending), (300, Ending::Complete));
        restore(task.learner().parameters(), &trained.best).unwrap();
        let learnt = eer(&task.learner().encode_all(&test.photos).unwrap(), &test);
        // The components of most variance are the light's.
        assert!(
            learnt < 0.2 && learnt < pca / 2.0 && learnt < all / 2.0,
            "{objective:?}: {learnt} {pca} {all}"
        );
    }
}

#[test]
fn a_run_that_was_interrupted_twice_ends_bit_for_bit_as_one_that_was_not() {
    let world = World::new();
    let folder = tempfile::tempdir().unwrap();
    let settings = json!({"seed": 1});
    let whole = folder.path().join("whole");
    let mut run = Run::begin(&whole, &settings).unwrap();
    let mut task = world.task(Start::Scratch, by_triplets(Mining::Random));
    train(&mut task, &pace(60), &mut run, None, &mut { TO_THE_END }).unwrap();
    let undisturbed: Vec<Note> = run.notes().unwrap();

    let parts = folder.path().join("parts");
    let mut run = Run::begin(&parts, &settings).unwrap();
    let mut task = world.task(Start::Scratch, by_triplets(Mining::Random));
    let ended = train(&mut task, &pace(60), &mut run, None, &mut Until(17, 0)).unwrap();
    assert_eq!((ended.standing.step, ended.ending), (17, Ending::Interrupted));
    drop(run);
    for (until, ending) in [(40, Ending::Interrupted), (u64::MAX, Ending::Complete)] {
        let (mut run, kept) = Run::resume(&parts, &settings).unwrap();
        // Another start, which the checkpoint replaces.
        let mut task = world.task(Start::Pca, by_triplets(Mining::Random));
        let ended = train(&mut task, &pace(60), &mut run, kept, &mut Until(until, 0)).unwrap();
        assert_eq!(ended.ending, ending);
    }
    let (mut run, _) = Run::resume(&parts, &settings).unwrap();
    assert_eq!(run.notes::<Note>().unwrap(), undisturbed);
    let [one, other] =
        [whole, parts].map(|run| std::fs::read(run.join("checkpoint.safetensors")).unwrap());
    assert!(one == other);
}

#[test]
fn what_becomes_no_better_is_stopped_early_and_the_best_look_is_what_is_left() {
    let world = World::new();
    let folder = tempfile::tempdir().unwrap();
    let mut run = Run::begin(folder.path(), &json!({})).unwrap();
    let mut task = world.task(Start::Pca, by_triplets(Mining::SemiHard));
    // So fast that what was learnt is lost again.
    let fast = Schedule { rate: 3.0, warm_up: 0, steps: 10_000 };
    let pace = Pace { schedule: fast, interval: 5, patience: 3, ..pace(1) };
    let trained = train(&mut task, &pace, &mut run, None, &mut { TO_THE_END }).unwrap();
    let Standing { step, best, looks_since } = trained.standing;
    let (best_step, badness) = best.unwrap();
    assert_eq!((trained.ending, looks_since), (Ending::Stopped, 3));
    assert_eq!(step, best_step + 3 * 5);
    restore(task.learner().parameters(), &trained.best).unwrap();
    assert_eq!(task.look().unwrap().badness, badness);
    // It stays stopped.
    let (mut run, kept) = Run::resume(folder.path(), &json!({})).unwrap();
    let again = train(&mut task, &pace, &mut run, kept, &mut { TO_THE_END }).unwrap();
    assert_eq!((again.standing, again.ending), (trained.standing, Ending::Stopped));
}

/// An encoder that begins with nothing, and pictures by chance of eight people.
fn network_task() -> EncoderTask<NetworkLearner> {
    let device = tch::Device::Cpu;
    let (side, mut numbers) = (MobileFaceNet::SIDE as usize, random(3, "pictures", 0));
    let faces: Vec<Vec<u8>> =
        (0..16).map(|_| (0..side * side * 3).map(|_| numbers.random()).collect()).collect();
    let pictures = Pictures::new(faces.iter().map(Vec::as_slice), side as u32, device).unwrap();
    let network = Trainable::new_encoder(device, &mut numbers).unwrap();
    let learner = NetworkLearner::new(network, pictures, Variation::ALL.to_vec(), false);
    let map = LinearMap::by_chance(MobileFaceNet::OUTPUT_SIZE, 16, device, &mut numbers);
    let learner = learner.with_projection(map.unwrap());
    let people =
        People { photos: (0..16).collect(), person: (0..16).map(|photo| photo / 2).collect() };
    let sampler = Sampler::new(people.photos.iter().copied().zip(people.person.iter().copied()));
    let settings = EncoderSettings {
        batch: BatchShape { people: 4, photos: 2, strangers: 0 },
        objective: Objective::Softmax { margin: Margin::Angle(0.3), scale: 8.0 },
    };
    EncoderTask::new(learner, sampler.unwrap(), people, settings, &mut numbers).unwrap()
}

#[test]
fn an_encoder_s_own_layers_with_what_they_gather_go_on_bit_for_bit_too() {
    let folder = tempfile::tempdir().unwrap();
    let pace = Pace { interval: 2, ..pace(6) };
    let files = ["whole", "parts"].map(|name| {
        let folder = folder.path().join(name);
        let mut run = Run::begin(&folder, &json!({})).unwrap();
        let until = if name == "whole" { u64::MAX } else { 3 };
        train(&mut network_task(), &pace, &mut run, None, &mut Until(until, 0)).unwrap();
        drop(run);
        let (mut run, kept) = Run::resume(&folder, &json!({})).unwrap();
        let ended = train(&mut network_task(), &pace, &mut run, kept, &mut { TO_THE_END });
        assert_eq!(ended.unwrap().standing.step, 6);
        std::fs::read(folder.join("checkpoint.safetensors")).unwrap()
    });
    assert!(files[0] == files[1]);
}

#[test]
fn a_loss_that_is_no_number_ends_the_run_and_what_was_kept_is_whole() {
    let mut world = World::new();
    let folder = tempfile::tempdir().unwrap();
    let mut run = Run::begin(folder.path(), &json!({})).unwrap();
    let mut task = world.task(Start::Pca, by_triplets(Mining::Random));
    train(&mut task, &pace(20), &mut run, None, &mut { TO_THE_END }).unwrap();
    let before = std::fs::read(folder.path().join("checkpoint.safetensors")).unwrap();
    drop(run);

    world.features = &world.features * f64::NAN;
    let (mut run, kept) = Run::resume(folder.path(), &json!({})).unwrap();
    let mut task = world.task(Start::Scratch, by_triplets(Mining::Random));
    let error = train(&mut task, &pace(40), &mut run, kept, &mut { TO_THE_END }).unwrap_err();
    assert!(matches!(error, TrainingError::NotANumber { step: 21 }), "{error}");
    assert_eq!(std::fs::read(folder.path().join("checkpoint.safetensors")).unwrap(), before);
    Run::resume(folder.path(), &json!({})).unwrap().1.unwrap();
}

#[test]
fn a_checkpoint_of_another_size_is_refused_by_name() {
    let world = World::new();
    let folder = tempfile::tempdir().unwrap();
    let mut run = Run::begin(folder.path(), &json!({})).unwrap();
    let mut task = world.task(Start::Scratch, by_triplets(Mining::Random));
    train(&mut task, &pace(20), &mut run, None, &mut { TO_THE_END }).unwrap();
    drop(run);
    let (mut run, kept) = Run::resume(folder.path(), &json!({})).unwrap();
    let decay = pace(1).decay;
    let weight = Tensor::zeros([3, 3], (Kind::Float, tch::Device::Cpu)).set_requires_grad(true);
    let parameters = [("weight".to_owned(), weight)];
    let kept = kept.unwrap();
    let error = restore(&parameters, &kept.numbers).unwrap_err().to_string();
    assert!(error.contains("`weight` is [6, 24], not [3, 3]"), "{error}");
    assert!(
        Adam::new(&parameters, decay, Fresh::NONE).unwrap().load(1, &Default::default()).is_err()
    );
    let ended = train(&mut network_task(), &pace(40), &mut run, Some(kept), &mut { TO_THE_END });
    let error = ended.unwrap_err().to_string();
    assert!(error.contains("checkpoint is of another architecture"), "{error}");
}

#[test]
fn a_verifier_says_how_likely_it_is_and_is_right_as_often_as_it_says() {
    let world = World::new();
    // What tells people apart, and as many numbers of the light, which a distance takes for as telling.
    let telling = world.features.select(1, 0).narrow(1, 0, 2 * TELLING as i64);
    let encodings = unit_rows(&telling).unwrap();
    let faces = Faces::new(&encodings).unwrap();
    for difference in Difference::ALL {
        let folder = tempfile::tempdir().unwrap();
        let mut run = Run::begin(folder.path(), &json!({})).unwrap();
        let pairs = |part| Pairs::new(&world.part(part)).unwrap();
        let drawn = |part, what| pairs(part).draw(2_000, &mut random(1, what, 0));
        let validation = drawn(Part::Validation, "validation");
        let start = drawn(Part::Training, "start");
        let learner = VerifierLearner::new(difference, &encodings, &start).unwrap();
        let served = |learner: &VerifierLearner| {
            let learnt = learner.learnt(ModelId::new("world"), faces.size()).unwrap();
            faces.calibrated(&learnt, &validation).unwrap()
        };
        let before = served(&learner);
        let mut task = VerifierTask::new(
            learner,
            encodings.shallow_clone(),
            pairs(Part::Training),
            validation.clone(),
            PairSettings { pairs: 256 },
        );
        let pace = Pace {
            schedule: Schedule { rate: 0.1, warm_up: 5, steps: 300 },
            decay: Decay { weight: 0.01, towards: Towards::Start },
            ..pace(300)
        };
        let trained = train(&mut task, &pace, &mut run, None, &mut { TO_THE_END }).unwrap();
        restore(task.learner().parameters(), &trained.best).unwrap();
        let (test, balanced) = (world.part(Part::Test), drawn(Part::Test, "test"));
        let [before, after] = [before, served(task.learner())]
            .map(|verifier| HeldOut::measure(&verifier, &faces, &test, &balanced).unwrap());
        let [was, is] = [&before, &after].map(|of| of.figures.rates.eer);
        assert!(is < 0.7 * was, "{difference:?}: {was} {is}");
        assert!(after.accuracy > 0.9 && after.ece < 0.05, "{difference:?}: {after:?}");
    }
}
