//! `limen train encoder`: a projection of a frozen encoder's numbers, learnt by triplets.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::{Args, ValueEnum};
use serde::{Deserialize, Serialize};

use super::data::Data;
use super::watch::Watch;
use crate::config::Config;
use crate::evaluate::metrics::Bootstrap;
use crate::nets::Manifest;
use crate::train::{
    BatchShape, Decay, Figures, Learner, LearntProjection, Mining, ModelCard, Note, Pace, Part,
    People, ProjectionLearner, Run, Sampler, Schedule, Split, Start, Tensors, Towards,
    TripletSettings, TripletTask, curves, export_projection, random, restore, to_bytes, train,
};
use crate::vision::{EncoderProfile, RoadSettings};

#[derive(Debug, Args)]
pub(in crate::cli) struct EncoderArguments {
    #[command(flatten)]
    common: super::Common,
    /// What is learnt.
    #[arg(long, value_enum, default_value_t = What::Projection)]
    train: What,
    /// How many numbers an encoding has.
    #[arg(long, default_value_t = 128, value_parser = clap::value_parser!(u32).range(8..=512))]
    size: u32,
    /// What it begins as.
    #[arg(long, value_enum, default_value_t = Start::Pca)]
    from: Start,
    /// Which triplets of a batch are learnt from.
    #[arg(long, value_enum, default_value_t = Mining::SemiHard)]
    mining: Mining,
    /// By how much a stranger must be farther, as a squared distance: α of the loss.
    #[arg(long, default_value_t = 0.2, value_parser = margin)]
    margin: f64,
    /// Steps of the run.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    steps: u64,
    /// The highest learning rate: it rises over --warm-up steps and falls along half a cosine.
    #[arg(long, default_value_t = 3e-4, value_parser = super::rate)]
    rate: f64,
    /// Steps of the rise.
    #[arg(long, default_value_t = 50)]
    warm_up: u64,
    /// How much of the way back to where they began weights go by themselves, times the learning rate.
    #[arg(long, default_value_t = 30.0)]
    weight_decay: f64,
    /// People of a batch of whom there are several photos.
    #[arg(long, default_value_t = 48, value_parser = clap::value_parser!(u16).range(2..=1024))]
    people: u16,
    /// Photos of each of them.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u16).range(2..=64))]
    photos: u16,
    /// People of a batch of whom there is one photo: strangers to the others.
    #[arg(long, default_value_t = 128)]
    strangers: u16,
    /// Steps from one look at the validation people to the next; the state is kept each time.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u64).range(1..))]
    interval: u64,
    /// Looks without a better one after which training stops; 0: never.
    #[arg(long, default_value_t = 8)]
    patience: u64,
}

/// Which numbers are learnt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(super) enum What {
    /// Fewer numbers out of those of the encoder, which stays as it is.
    Projection,
}

/// What a run is told: the same makes the same.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Settings {
    train: What,
    /// Hash over the photos' names and contents.
    photos: String,
    encoder: String,
    size: u32,
    from: Start,
    triplets: TripletSettings,
    split: Split,
    pace: Pace,
}

fn margin(text: &str) -> Result<f64, String> {
    super::within(text, 0.001, 4.0)
}

pub(super) fn run(config: &Config, arguments: &EncoderArguments) -> anyhow::Result<ExitCode> {
    let common = &arguments.common;
    let mut config = config.clone();
    let manifest = Manifest::open(&config.inference.weights_dir)?;
    let encoder = manifest.get(&config.road.encoder)?;
    let (encoder, inputs) = (encoder.id.clone(), encoder.output_size);
    if arguments.size >= inputs {
        bail!(
            "--size {}: {encoder} gives {inputs} numbers, and fewer are made of them",
            arguments.size
        );
    }
    let road = RoadSettings { encoding_size: arguments.size, ..config.road.clone() };
    // All that the encoder says, of each side by itself.
    (config.road.encoding_size, config.road.mirror) = (inputs, false);
    let data = Data::look_at(&config, &common.source, common.crop, common.split())?;
    let settings = Settings {
        train: arguments.train,
        photos: data.fingerprint.to_string(),
        encoder: data.model.clone(),
        size: arguments.size,
        from: arguments.from,
        triplets: TripletSettings {
            batch: BatchShape {
                people: arguments.people.into(),
                photos: arguments.photos.into(),
                strangers: arguments.strangers.into(),
            },
            mining: arguments.mining,
            margin: arguments.margin,
        },
        split: common.split(),
        pace: Pace {
            seed: common.seed,
            schedule: Schedule {
                rate: arguments.rate,
                warm_up: arguments.warm_up.min(arguments.steps - 1),
                steps: arguments.steps,
            },
            decay: Decay { weight: arguments.weight_decay, towards: Towards::Start },
            interval: arguments.interval,
            patience: arguments.patience,
        },
    };
    data.tell();

    let training = data.part(Part::Training);
    let sampler =
        Sampler::new(training.photos.iter().copied().zip(training.person.iter().copied()))
            .context("the training people")?;
    let mut numbers = random(settings.pace.seed, "start", 0);
    let size = i64::from(settings.size);
    let features = data.features.tensor();
    let learner =
        ProjectionLearner::new(features, &training.photos, size, settings.from, &mut numbers)?;
    for (part, who) in
        [(Part::Validation, "the validation people"), (Part::Test, "the test people")]
    {
        let People { photos, person } = data.part(part);
        let plain = data.features.plain_of(&photos)?;
        Figures::of(&plain, &person, None).context(who)?;
    }
    // Not before it is sure that something can be learnt, and measured.
    let (mut run, kept) = common.open(&settings)?;
    let mut task =
        TripletTask::new(learner, sampler, data.part(Part::Validation), settings.triplets);

    let taken = kept.as_ref().map_or(0, |(standing, _)| standing.step);
    let mut watch = Watch::begin(settings.pace.schedule.steps, taken)?;
    let ended = train(&mut task, &settings.pace, &mut run, kept, &mut watch);
    watch.end();
    let (standing, ending) = ended?;
    if super::is_interrupted(&standing, ending) {
        return Ok(ExitCode::from(130));
    }
    let base = Base { manifest: &manifest, road: &road, encoder: &encoder, inputs };
    finish(&mut run, &data, &settings, &base, task.learner(), standing.best)
}

/// What is made fewer of.
struct Base<'a> {
    manifest: &'a Manifest,
    /// The road that takes what is learnt.
    road: &'a RoadSettings,
    encoder: &'a str,
    inputs: u32,
}

/// Measures the best numbers with people whom nothing was learnt from, and writes what the run comes to.
fn finish(
    run: &mut Run,
    data: &Data,
    settings: &Settings,
    &Base { manifest, road, encoder, inputs }: &Base<'_>,
    learner: &ProjectionLearner,
    best: Option<(u64, f64)>,
) -> anyhow::Result<ExitCode> {
    let numbers = run.best()?;
    restore(learner.parameters(), &numbers)?;
    let (training, test) = (data.part(Part::Training), data.part(Part::Test));
    let plain = data.features.plain_of(&test.photos)?;
    let size = settings.size.into();
    let pca = data.features.by_principal_components(&test.photos, &training.photos, size)?;
    let learnt = learner.encode_all(&test.photos)?;
    let of = |encodings| Figures::of(encodings, &test.person, Some(Bootstrap::default()));
    let figures = [of(&learnt)?, of(&pca)?, of(&plain)?];

    let id = format!("{encoder}-learnt-{}", &data.fingerprint.to_string()[..8]);
    let notes: Vec<Note> = run.notes()?;
    let [loss, looks] = curves(&notes)?;
    run.write("loss.svg", loss.as_bytes())?;
    run.write("curves.svg", looks.as_bytes())?;
    let training = format!(
        "{} numbers by the triplet loss ({:?} mining) from {} of {}; see model_card.md",
        settings.size,
        settings.triplets.mining,
        data.size(Part::Training),
        data.images.file_name().unwrap_or_default().to_string_lossy(),
    );
    let tensors: Tensors =
        numbers.into_iter().filter(|(name, _)| name == "weight" || name == "bias").collect();
    let learnt = LearntProjection {
        encoder,
        id: &id,
        inputs,
        outputs: settings.size,
        file: &to_bytes(&tensors, None)?,
        training: &training,
    };
    let weights = run.folder().join("weights");
    export_projection(manifest, &weights, &learnt)?;
    let model = EncoderProfile::of(&weights, road)?.model.to_string();
    let card = card(data, settings, &weights, &model, &figures, best);
    run.write("model_card.md", card.markdown().as_bytes())?;
    println!("{}", super::table(&card));
    println!(
        "written to {}: model_card.md, curves.svg, loss.svg, weights/",
        run.folder().display()
    );
    Ok(ExitCode::SUCCESS)
}

fn card(
    data: &Data,
    settings: &Settings,
    weights: &Path,
    model: &str,
    figures: &[Figures; 3],
    best: Option<(u64, f64)>,
) -> ModelCard {
    let percent = |value: f64| format!("{:.2} %", value * 100.0);
    let mut rows = vec![(
        "EER".to_owned(),
        figures.iter().map(|of| percent(of.rates.eer)).collect::<Vec<_>>(),
    )];
    for fmr in ["1e-3", "1e-4", "1e-5"] {
        let cell = |of: &Figures| {
            let tar = of.rates.tar_at_fmr.get(fmr).copied().flatten();
            let interval = of
                .intervals
                .as_ref()
                .and_then(|all| all.tar_at_fmr_interval.get(fmr).copied().flatten());
            match (tar, interval) {
                (Some(tar), Some(interval)) => {
                    format!(
                        "{} ({} to {})",
                        percent(tar),
                        percent(interval.low),
                        percent(interval.high)
                    )
                }
                (Some(tar), None) => percent(tar),
                (None, _) => "too few comparisons".to_owned(),
            }
        };
        rows.push((format!("TAR at FMR {fmr}"), figures.iter().map(cell).collect()));
    }
    let Settings { triplets, pace, .. } = settings;
    let training = [
        ("encoder, frozen", data.model.clone()),
        ("numbers", settings.size.to_string()),
        ("begins as", format!("{:?}", settings.from)),
        ("loss", format!("triplet, margin {}", triplets.margin)),
        ("mining", format!("{:?}", triplets.mining)),
        (
            "batch",
            format!(
                "{} people x {} photos and {} strangers",
                triplets.batch.people, triplets.batch.photos, triplets.batch.strangers
            ),
        ),
        (
            "steps",
            format!("{}, the best after {}", pace.schedule.steps, best.map_or(0, |(step, _)| step)),
        ),
        (
            "learning rate",
            format!(
                "{} after {} steps, then along half a cosine",
                pace.schedule.rate, pace.schedule.warm_up
            ),
        ),
        ("decay towards the start", pace.decay.weight.to_string()),
        ("seed", pace.seed.to_string()),
    ];
    let genuine = figures[0].rates.genuine;
    let impostor = figures[0].rates.impostor;
    ModelCard {
        title: format!("Model card: `{model}`"),
        what: format!(
            "Makes encodings of {} numbers out of those of `{}`: `y = W x + b`, scaled to length 1. Learnt by `limen \
             train encoder` {}.",
            settings.size,
            data.model,
            env!("CARGO_PKG_VERSION"),
        ),
        data: data.lines(),
        training: training.map(|(name, value)| (name.to_owned(), value)).into(),
        columns: vec!["learnt".to_owned(), "PCA of the same size".to_owned(), "all the encoder says".to_owned()],
        figures: rows,
        measured: format!(
            "On the test people, every photo against every other: {genuine} genuine and {impostor} impostor comparisons; \
             in brackets 95 % intervals, by a bootstrap over the people. The encoder sees the plain face alone, not \
             averaged with its mirror image. Below: the error rates of the validation people over the steps."
        ),
        limits: vec![
            "The figures are those of people like the ones above, photographed alike; what holds for others is not known."
                .to_owned(),
            "Encodings of this model are compared with no others: everybody is to be enrolled again.".to_owned(),
            "There is no calibration yet: τ follows from one made with photos that were not learnt from.".to_owned(),
        ],
        usage: format!(
            "export LIMEN_INFERENCE__WEIGHTS_DIR={}\nlimen weights list\nlimen calibrate --images OTHER_PHOTOS --name \
             NAME --out {}/calibrations/{model}.toml\nlimen enroll PHOTOS --replace-model\nlimen serve",
            weights.display(),
            weights.display()
        ),
    }
}
