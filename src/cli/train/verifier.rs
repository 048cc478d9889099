//! `limen train verifier`: a logistic unit over how two encodings differ.

use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use serde::{Deserialize, Serialize};

use super::data::Data;
use super::watch::Watch;
use crate::cli::evaluate::photos::Photos;
use crate::config::Config;
use crate::evaluate::metrics::Roc;
use crate::train::{
    Decay, Difference, Labelled, ModelCard, Note, Pace, PairSettings, Pairs, Part, PhotoPair,
    Schedule, Split, Towards, Verifier, VerifierTask, curves, expected_calibration_error,
    logistic_curve, probability, random, restore, roc, train,
};

#[derive(Debug, Args)]
pub(in crate::cli) struct VerifierArguments {
    #[command(flatten)]
    common: super::Common,
    /// In what two encodings differ.
    #[arg(long, value_enum, default_value_t = Difference::Absolute)]
    difference: Difference,
    /// Steps of the run.
    #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    steps: u64,
    /// The highest learning rate: it rises over --warm-up steps and falls along half a cosine.
    #[arg(long, default_value_t = 0.3, value_parser = super::rate)]
    rate: f64,
    /// Steps of the rise.
    #[arg(long, default_value_t = 50)]
    warm_up: u64,
    /// How much weights shrink by themselves.
    #[arg(long, default_value_t = 0.0)]
    weight_decay: f64,
    /// Pairs of one person in a batch, and as many of two.
    #[arg(long, default_value_t = 512, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pairs: u32,
    /// Steps from one look at the validation people to the next; the state is kept each time.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..))]
    interval: u64,
    /// Looks without a better one after which training stops; 0: never.
    #[arg(long, default_value_t = 8)]
    patience: u64,
}

/// What a run is told: the same makes the same.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Settings {
    difference: Difference,
    /// Hash over the photos' names and contents.
    photos: String,
    encoder: String,
    pairs: PairSettings,
    split: Split,
    pace: Pace,
}

/// Pairs of two people that FMR is measured with.
const IMPOSTOR_PAIRS: usize = 1_000_000;

pub(super) fn run(config: &Config, arguments: &VerifierArguments) -> anyhow::Result<ExitCode> {
    let common = &arguments.common;
    let data = Data::look_at(config, common, Photos::both_sides)?;
    let settings = Settings {
        difference: arguments.difference,
        photos: data.fingerprint.to_string(),
        encoder: data.model.clone(),
        pairs: PairSettings { pairs: arguments.pairs as usize },
        split: common.run.split(),
        pace: Pace {
            seed: common.run.seed,
            schedule: Schedule {
                rate: arguments.rate,
                warm_up: arguments.warm_up.min(arguments.steps - 1),
                steps: arguments.steps,
            },
            decay: Decay { weight: arguments.weight_decay, towards: Towards::Zero },
            interval: arguments.interval,
            patience: arguments.patience,
        },
    };
    data.tell();

    let encodings = data.features()?.plain()?;
    let pairs = |part, who| Pairs::new(data.part(part)).context(who);
    let training = pairs(Part::Training, "the training people")?;
    let validation = pairs(Part::Validation, "the validation people")?;
    let mut numbers = random(settings.pace.seed, "validation", 0);
    let validation = Labelled::balanced(&validation, &mut numbers);
    let verifier = Verifier::new(settings.difference, encodings.size2()?.1)?;
    let held_back = validation.clone();
    let test = pairs(Part::Test, "the test people")?;
    // Not before it is sure that something can be learnt, and measured.
    let (mut run, kept) = common.run.open(&settings)?;
    let mut task = VerifierTask::new(verifier, encodings, training, validation, settings.pairs);

    let taken = kept.as_ref().map_or(0, |(standing, _)| standing.step);
    let mut watch = Watch::begin(settings.pace.schedule.steps, taken)?;
    let ended = train(&mut task, &settings.pace, &mut run, kept, &mut watch);
    watch.end();
    let (standing, ending) = ended?;
    if super::is_interrupted(&standing, ending) {
        return Ok(ExitCode::from(130));
    }
    restore(task.verifier().parameters(), &run.best()?)?;
    let compared = Compared::measure(&task, &held_back, &test, settings.pace.seed)?;
    let notes: Vec<Note> = run.notes()?;
    let [loss, looks] = curves(&notes)?;
    run.write("loss.svg", loss.as_bytes())?;
    run.write("curves.svg", looks.as_bytes())?;
    let best = standing.best.map_or(0, |(step, _)| step);
    let card = card(&data, &settings, &compared, best);
    run.write("model_card.md", card.markdown().as_bytes())?;
    run.write("verifier.safetensors", &std::fs::read(run.folder().join("best.safetensors"))?)?;
    println!("{}", super::table(&card));
    println!(
        "written to {}: model_card.md, curves.svg, loss.svg, verifier.safetensors",
        run.folder().display()
    );
    Ok(ExitCode::SUCCESS)
}

/// The verifier and the plain distance, on pairs of people whom neither has seen.
struct Compared {
    pairs: usize,
    /// Of the verifier and of the distance.
    of: [Measured; 2],
}

struct Measured {
    roc: Roc,
    /// Expected calibration error.
    ece: f64,
    accuracy: f64,
}

impl Compared {
    /// `held_back`: the pairs by which the distance is given a probability too, as the verifier was chosen by them.
    fn measure(
        task: &VerifierTask,
        held_back: &Labelled,
        test: &Pairs,
        seed: u64,
    ) -> anyhow::Result<Self> {
        let mut numbers = random(seed, "test", 0);
        let balanced = Labelled::balanced(test, &mut numbers);
        let impostor = test.impostor(IMPOSTOR_PAIRS, &mut numbers);
        let same = [vec![true; test.genuine.len()], vec![false; impostor.len()]].concat();
        let all = [test.genuine.clone(), impostor].concat();

        let labels = |scores: Vec<f64>, same: &[bool]| -> Vec<(f64, bool)> {
            scores.into_iter().zip(same.iter().copied()).collect()
        };
        let nearness = |pairs: &[PhotoPair]| task.nearness(pairs);
        let curve = logistic_curve(&labels(nearness(&held_back.pairs)?, &held_back.same));
        let [slope, offset] = curve.context("the validation people have no pairs of both kinds")?;
        let of = |all_scores: Vec<f64>, logits: Vec<f64>| {
            let predictions: Vec<(f64, bool)> =
                labels(logits.iter().map(|logit| probability(*logit)).collect(), &balanced.same);
            let right = predictions.iter().filter(|(p, same)| (*p > 0.5) == *same).count();
            anyhow::Ok(Measured {
                roc: roc(&all_scores, &same)?,
                ece: expected_calibration_error(&predictions),
                accuracy: right as f64 / predictions.len() as f64,
            })
        };
        let by_distance = nearness(&balanced.pairs)?.into_iter().map(|near| slope * near + offset);
        Ok(Self {
            pairs: test.genuine.len(),
            of: [
                of(task.logits(&all)?, task.logits(&balanced.pairs)?)?,
                of(nearness(&all)?, by_distance.collect())?,
            ],
        })
    }
}

fn card<T: Clone>(
    data: &Data<T>,
    settings: &Settings,
    compared: &Compared,
    best: u64,
) -> ModelCard {
    let percent = |value: f64| format!("{:.2} %", value * 100.0);
    let row = |name: &str, of: &dyn Fn(&Measured) -> String| {
        (name.to_owned(), compared.of.iter().map(of).collect::<Vec<_>>())
    };
    let summaries = compared.of.each_ref().map(|of| of.roc.summary());
    let tar = |fmr: &str| {
        let cell = |summary: &crate::evaluate::metrics::RocSummary| {
            let tar = summary.tar_at_fmr.get(fmr).copied().flatten();
            tar.map_or_else(|| "too few comparisons".to_owned(), percent)
        };
        (format!("TAR at FMR {fmr}"), summaries.iter().map(cell).collect::<Vec<_>>())
    };
    let eer = ("EER".to_owned(), summaries.iter().map(|summary| percent(summary.eer)).collect());
    let Settings { pace, .. } = settings;
    let training = [
        ("encoder, frozen", data.model.clone()),
        ("difference", format!("{:?}", settings.difference)),
        ("loss", "binary cross-entropy".to_owned()),
        ("batch", format!("{0} pairs of one person and {0} of two", settings.pairs.pairs)),
        ("steps", format!("{}, the best after {best}", pace.schedule.steps)),
        (
            "learning rate",
            format!(
                "{} after {} steps, then along half a cosine",
                pace.schedule.rate, pace.schedule.warm_up
            ),
        ),
        ("seed", pace.seed.to_string()),
    ];
    ModelCard {
        title: format!("Model card: verifier of `{}`", data.model),
        what: "Says how likely it is that two photos show one person, where as many pairs do as do not: a logistic unit \
               over how their encodings differ."
            .to_owned(),
        data: data.lines(),
        training: training.map(|(name, value)| (name.to_owned(), value)).into(),
        columns: vec!["verifier".to_owned(), "distance, and the cosine".to_owned()],
        figures: vec![
            eer,
            tar("1e-3"),
            tar("1e-4"),
            row("accuracy at 0.5", &|of| percent(of.accuracy)),
            row("expected calibration error", &|of| format!("{:.4}", of.ece)),
        ],
        measured: format!(
            "On the test people: all {} pairs of one person, {IMPOSTOR_PAIRS} of two by chance; accuracy and calibration \
             on as many pairs of either kind. The distance was given a probability by a logistic curve on the validation \
             people. Below: the validation people over the steps.",
            compared.pairs
        ),
        limits: vec![
            "The chance is that of pairs of which half are genuine. Where attempts are genuine more often, or less, it is \
             another (Bayes)."
                .to_owned(),
            "It belongs to this encoder alone, and to photos like those above.".to_owned(),
        ],
        usage: "# verifier.safetensors: weight and bias".to_owned(),
    }
}
