//! `limen train verifier`: a logistic unit over how two encodings differ.

use std::path::Path;
use std::process::ExitCode;

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use serde::{Deserialize, Serialize};

use super::calibration::{calibration, tell};
use super::data::Data;
use super::pace::{PaceArguments, Usual};
use crate::calibrate::FitError;
use crate::cli::evaluate::photos::Photos;
use crate::config::Config;
use crate::domain::risk::Calibration;
use crate::domain::{Difference, Distance, ModelId, Verifier};
use crate::evaluate::metrics::Interval;
use crate::evaluate::report::{Axis, Curves, Series, Unit};
use crate::nets::{Digest, Manifest};
use crate::train::{
    Bin, Faces, HeldOut, Learnt, LearntPart, ModelCard, Note, Pace, PairSettings, Pairs, Part,
    Split, Towards, VerifierLearner, VerifierTask, WeightsFolder, curves, random, tensors,
    to_bytes,
};
use crate::vision::with_digest;

#[derive(Debug, Args)]
pub(in crate::cli) struct VerifierArguments {
    #[command(flatten)]
    common: super::Common,
    /// In what two encodings differ.
    #[arg(long, default_value = Difference::Squared.code(), value_parser = difference())]
    difference: Difference,
    #[command(flatten)]
    pace: PaceArguments,
    /// Pairs of one person in a batch, and as many of two.
    #[arg(long, default_value_t = 2_048, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pairs: u32,
}

fn difference() -> impl TypedValueParser<Value = Difference> {
    let known = PossibleValuesParser::new(Difference::ALL.map(Difference::code));
    known.try_map(|code| serde_json::from_value(code.into()))
}

/// What a run is told: the same makes the same.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Settings {
    difference: Difference,
    /// Hash over the photos' names and contents, whom they show, and how they were looked at.
    photos: String,
    encoder: String,
    pairs: PairSettings,
    split: Split,
    pace: Pace,
}

const USUAL: Usual = Usual { steps: 500, rate: 0.1, decay: 1.0 };

/// Pairs of one person that a start, a look, a calibration or a probability's measure rests on, and as many of two.
const PAIRS: usize = 20_000;

pub(super) fn run(config: &Config, arguments: &VerifierArguments) -> anyhow::Result<ExitCode> {
    let common = &arguments.common;
    let data = Data::look_at(config, common, Photos::both_sides)?;
    let settings = Settings {
        difference: arguments.difference,
        photos: data.fingerprint.to_string(),
        encoder: data.model.clone(),
        pairs: PairSettings { pairs: arguments.pairs as usize },
        split: common.run.split(),
        pace: arguments.pace.pace(common.run.seed, &USUAL, Towards::Start),
    };
    data.tell();

    // As the service makes most of them: of the face alone.
    let encodings = data.features()?.plain()?;
    data.expect_pairs()?;
    let training = Pairs::new(&data.part(Part::Training))?;
    let validation = Pairs::new(&data.part(Part::Validation))?;
    let drawn = |pairs: &Pairs, what| pairs.draw(PAIRS, &mut random(settings.pace.seed, what, 0));
    let (start, validation) = (drawn(&training, "start"), drawn(&validation, "validation"));
    let learner = VerifierLearner::new(settings.difference, &encodings, &start)?;
    let distance = VerifierLearner::new(Difference::Squared, &encodings, &start)?;
    let faces = Faces::new(&encodings)?;
    // Not before it is sure that something can be learnt, and measured.
    let (mut run, kept) = common.run.open(&settings)?;
    let mut task = VerifierTask::new(learner, encodings, training, validation, settings.pairs);
    let Some(best) = super::learn(&mut task, &settings.pace, &mut run, kept)? else {
        return Ok(ExitCode::from(130));
    };
    let model = ModelId::new(data.model.as_str());
    // Both by the same people. Those who were learnt from are among them: that there are more people to calibrate by
    // counts for more than that a little was learnt of them (docs/TRAINING.md).
    let everybody = Pairs::new(&data.part(Part::Training).with(data.part(Part::Validation)))?;
    let everybody = drawn(&everybody, "calibration");
    let calibrated = |learner: &VerifierLearner| {
        let learnt = learner.learnt(model.clone(), faces.size())?;
        anyhow::Ok(faces.calibrated(&learnt, &everybody)?)
    };
    let both = [calibrated(task.learner())?, calibrated(&distance)?];
    let test = data.part(Part::Test);
    let balanced = drawn(&Pairs::new(&test)?, "test");
    let [verifier, distance] =
        both.each_ref().map(|verifier| HeldOut::measure(verifier, &faces, &test, &balanced));
    let compared = [verifier?, distance?];

    let notes: Vec<Note> = run.notes()?;
    let [loss, looks] = curves(&notes)?;
    run.write("loss.svg", loss.as_bytes())?;
    run.write("curves.svg", looks.as_bytes())?;
    run.write("reliability.svg", reliability_plot(&compared)?.as_bytes())?;
    let weights = run.folder().join("weights");
    let calibration = write_weights(config, &data, &weights, &both[0], &faces)?;
    let served = Served {
        weights: &weights,
        supports: calibration.as_ref().ok().map(Calibration::floor),
        best,
    };
    let card = card(&data, &settings, &compared, &served);
    run.write("model_card.md", card.markdown().as_bytes())?;
    println!("{}", super::table(&card));
    tell(&calibration, "without one it is not served");
    println!(
        "written to {}: model_card.md, curves.svg, loss.svg, reliability.svg, weights/",
        run.folder().display()
    );
    Ok(ExitCode::SUCCESS)
}

/// Writes a weights folder with the verifier and its calibration; none where the test people are too few for one.
fn write_weights<T: Clone>(
    config: &Config,
    data: &Data<T>,
    weights: &Path,
    verifier: &Verifier,
    faces: &Faces,
) -> anyhow::Result<Result<Calibration, FitError>> {
    let file = to_bytes(&tensors(verifier)?, None)?;
    let id = format!("verifier-{}", data.model.replace('@', "-"));
    let name = with_digest(&id, &Digest::of(&file));
    let test = data.part(Part::Test).photos;
    let each = |visit: &mut dyn FnMut(usize, usize, Distance)| {
        Ok(faces.each_pair(verifier, &test, visit)?)
    };
    let calibration = calibration(data, name.clone(), each)?;
    let training = format!(
        "{} differences by cross-entropy from {} of {}; see model_card.md",
        verifier.difference().code(),
        data.size(Part::Training),
        data.images.file_name().unwrap_or_default().to_string_lossy(),
    );
    let part = LearntPart::Verifier {
        model: &data.model,
        size: u32::try_from(faces.size())?,
        difference: verifier.difference(),
    };
    let learnt = Learnt { id: &id, part, file: &file, training: &training };
    let manifest = Manifest::open(&config.inference.weights_dir)?;
    let made = WeightsFolder::make(&manifest, weights, &[learnt])?;
    if let Ok(calibration) = &calibration {
        let text = format!("{HEADER}{}", toml::to_string(calibration)?);
        made.add_calibration(name.as_str(), &text)?;
    }
    made.publish()?;
    Ok(calibration)
}

const HEADER: &str = "\
# How often people of whom nothing was learnt reach which probability of a verifier, from which the least one
# follows. Written by `limen train verifier`: do not edit by hand. Curves are [distance, rate]; a distance of
# 0 is a logit of 32, of 4 one of -32.
";

/// What a run comes to, beside its figures.
struct Served<'a> {
    weights: &'a Path,
    /// The least FMR that its calibration promises; none without one.
    supports: Option<f64>,
    /// The step of the best look.
    best: u64,
}

/// What was said of the test people's pairs over what was true.
fn reliability_plot(compared: &[HeldOut; 2]) -> anyhow::Result<String> {
    let series = ["verifier", "distance"].into_iter().zip(compared).map(|(name, of)| Series {
        name: name.to_owned(),
        points: of
            .reliability
            .iter()
            .filter_map(|bin| bin.predicted().zip(bin.came_true()))
            .collect(),
    });
    let axis = |label| Axis::linear(label, Unit::Percent, 0.0, 1.0);
    let plot = Curves {
        caption: "What is said to be so likely, and how often it is true".to_owned(),
        x: axis("Said"),
        y: axis("True"),
        series: series.collect(),
        marks: Vec::new(),
    };
    Ok(plot.svg()?)
}

fn card<T: Clone>(
    data: &Data<T>,
    settings: &Settings,
    compared: &[HeldOut; 2],
    &Served { weights, supports, best }: &Served<'_>,
) -> ModelCard {
    let row = |name: &str, of: &dyn Fn(&HeldOut) -> String| {
        (name.to_owned(), compared.iter().map(of).collect::<Vec<_>>())
    };
    let tar = |fmr: &str| row(&format!("TAR at FMR {fmr}"), &|of| super::tar(&of.figures, fmr));
    let Settings { pace, .. } = settings;
    let training = [
        ("encoder, frozen", data.model.clone()),
        ("difference", settings.difference.code().to_owned()),
        ("begins as", "the sum of the differences, every weight the same".to_owned()),
        ("loss", "binary cross-entropy".to_owned()),
        (
            "batch",
            format!(
                "{0} pairs of one person and {0} of two, everybody as likely as another",
                settings.pairs.pairs
            ),
        ),
        ("steps", format!("{}, the best after {best}", pace.schedule.steps)),
        (
            "learning rate",
            format!(
                "{} after {} steps, then along half a cosine",
                pace.schedule.rate, pace.schedule.warm_up
            ),
        ),
        ("decay towards the start", pace.decay.weight.to_string()),
        (
            "calibration",
            "a logistic curve over what it says of the training and validation people".to_owned(),
        ),
        ("seed", pace.seed.to_string()),
    ];
    let rates = &compared[0].figures.rates;
    ModelCard {
        title: format!("Model card: verifier of `{}`", data.model),
        what: "Says how likely it is that two photos show one person, where as many pairs do as do not: a logistic unit \
               over how their encodings differ."
            .to_owned(),
        data: data.lines(),
        training: training.map(|(name, value)| (name.to_owned(), value)).into(),
        columns: vec!["verifier".to_owned(), "distance, and the cosine".to_owned()],
        figures: vec![
            row("EER", &|of| super::eer(&of.figures)),
            tar("1e-3"),
            tar("1e-4"),
            row("accuracy at 0.5", &|of| super::percent(of.accuracy, None)),
            row("expected calibration error", &|of| match of.ece_interval {
                Some(Interval { low, high }) => format!("{:.4} ({low:.4} to {high:.4})", of.ece),
                None => format!("{:.4}", of.ece),
            }),
        ],
        measured: format!(
            "On the test people, every photo against every other: {} genuine and {} impostor comparisons; in brackets 95 % \
             intervals, by a bootstrap over the people (of the EER: of the mean of FMR and FNMR at its τ; of the calibration error \
             a little too high, for chance adds to it in each draw). Accuracy and calibration on {PAIRS} pairs of one person and as \
             many of two, everybody as likely as another. Of encodings of length 1 the squared distance is 2 less twice \
             the cosine: both tell people apart alike. The distance was given a probability as the verifier was, by a \
             logistic curve on the same people, those of training and validation.\n\n{}\n![reliability](reliability.svg)\n\nBelow: the validation \
             people over the steps.",
            rates.genuine,
            rates.impostor,
            reliability_table(compared)
        ),
        limits: vec![
            "The chance is that of pairs of which half are genuine. Where attempts are genuine more often, or less, it is \
             another (Bayes)."
                .to_owned(),
            "It belongs to this encoder alone, and to photos like those above.".to_owned(),
            match supports {
                Some(floor) => format!(
                    "Which probability is enough follows from what strangers among the test people reach. They show false \
                     match rates down to {floor:.1e}: no finer `max_fmr` is served."
                ),
                None => "The test people are too few to say which probability is enough: it is not served.".to_owned(),
            },
        ],
        usage: format!(
            "export LIMEN_INFERENCE__WEIGHTS_DIR={}\nlimen weights list\nLIMEN_MATCHING__VERIFY_BY=verifier limen serve",
            weights.display()
        ),
    }
}

/// Of the pairs of each bin how many there were, what was said of them and how often it was true.
fn reliability_table(compared: &[HeldOut; 2]) -> String {
    let mut table = "| verifier: pairs | said | true | distance: pairs | said | true |\n|---|---|---|---|---|---|\n".to_owned();
    let [verifier, distance] = compared.each_ref().map(|of| &of.reliability);
    for bins in verifier.iter().zip(distance) {
        let cells = <[&Bin; 2]>::from(bins).map(|bin| {
            let percent = |share: Option<f64>| {
                share.map_or_else(String::new, |s| format!("{:.1} %", s * 100.0))
            };
            format!("{} | {} | {}", bin.count, percent(bin.predicted()), percent(bin.came_true()))
        });
        table += &format!("| {} |\n", cells.join(" | "));
    }
    table
}
