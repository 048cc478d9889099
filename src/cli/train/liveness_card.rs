//! What a run of `limen train liveness` comes to: figures, a model card, and weights that serve.

use std::process::ExitCode;

use super::liveness::{Begin, Settings};
use super::percent;
use super::presentations::Presentations;
use crate::evaluate::metrics::{APCERS, Bootstrap, Liveness};
use crate::nets::{Learns, Manifest};
use crate::train::{
    Learnt, LearntPart, LivenessLearner, ModelCard, Note, Part, Run, Tensors, Towards,
    WeightsFolder, curves, liveness_rates, to_bytes,
};

/// A run that has come to its end.
pub(super) struct Outcome {
    pub run: Run,
    /// With the numbers of the best look.
    pub learner: LivenessLearner,
    /// The step of the best look.
    pub best: u64,
    /// The network that ships, to compare with.
    pub shipped: LivenessLearner,
}

/// Measures the best numbers with subjects of whom nothing was learnt, and writes what the run comes to.
pub(super) fn finish(
    outcome: Outcome,
    data: &Presentations,
    settings: &Settings,
    manifest: &Manifest,
) -> anyhow::Result<ExitCode> {
    let Outcome { mut run, learner, best, shipped } = outcome;
    let test = data.part(Part::Test);
    let threshold = settings.learning.threshold;
    let rates = |learner: &LivenessLearner| {
        liveness_rates(&learner.present(&test)?, threshold, Bootstrap::default())
    };
    let figures = [rates(&learner)?, rates(&shipped)?];

    let notes: Vec<Note> = run.notes()?;
    let [loss, looks] = curves(&notes)?;
    run.write("loss.svg", loss.as_bytes())?;
    run.write("curves.svg", looks.as_bytes())?;
    let id = format!("minifasnet-learnt-{}", &data.fingerprint.to_string()[..8]);
    let training = format!(
        "live against attack, by binary cross-entropy, {} of {}; see model_card.md",
        data.size(Part::Training),
        data.images.file_name().unwrap_or_default().to_string_lossy(),
    );
    let weights: Tensors = learner.network().weights()?;
    let file = to_bytes(&weights, None)?;
    let part = LearntPart::Liveness;
    let learnt = Learnt { id: &id, part, file: &file, training: &training };
    WeightsFolder::make(manifest, &run.folder().join("weights"), &[learnt])?.publish()?;
    let card = card(data, settings, &id, best, &figures, &run);
    run.write("model_card.md", card.markdown().as_bytes())?;
    println!("{}", super::table(&card));
    println!(
        "written to {}: model_card.md, curves.svg, loss.svg, weights/",
        run.folder().display()
    );
    Ok(ExitCode::SUCCESS)
}

fn card(
    data: &Presentations,
    settings: &Settings,
    id: &str,
    best: u64,
    figures: &[Liveness; 2],
    run: &Run,
) -> ModelCard {
    let begun = match settings.from {
        Begin::Weights => format!("that began as `{}`", settings.network),
        Begin::Scratch => "that began with nothing".to_owned(),
    };
    let Liveness { live, attacks, threshold, resampled, .. } = &figures[0];
    let weights = run.folder().join("weights");
    ModelCard {
        title: format!("Model card: `{id}`"),
        what: format!(
            "A MiniFASNetV2-SE {begun}; says how live a face looks. Learnt by `limen train liveness` {}.",
            env!("CARGO_PKG_VERSION")
        ),
        data: data.lines(),
        training: rows_of_training(settings, best),
        columns: vec!["learnt".to_owned(), format!("`{}`, as it ships", settings.network)],
        figures: rows(figures),
        measured: format!(
            "On the test subjects, {live} live photos and {attacks} attacks, as ISO/IEC 30107-3 counts; APCER, BPCER and ACER \
             at the threshold {}; in brackets 95 % intervals, by a bootstrap over each {resampled}, and Wilson's where nothing \
             varies. Below: the error rates of the validation subjects over the steps.",
            threshold.value()
        ),
        limits: vec![
            "The figures describe these photos: these subjects, cameras and instruments of attack. They are no certification \
             and no level of one, which takes an accredited laboratory and its own attacks."
                .to_owned(),
            "An instrument of attack that it did not learn from may pass: what is not listed above was not measured."
                .to_owned(),
            "Subjects of one set share its cameras and rooms: on others the errors are more.".to_owned(),
        ],
        usage: format!(
            "export LIMEN_INFERENCE__WEIGHTS_DIR={}\nlimen weights list\nlimen evaluate liveness --images OTHER_PHOTOS \
             --manifest OTHER_PHOTOS/manifest.csv\nlimen serve",
            weights.display()
        ),
    }
}

fn rows_of_training(settings: &Settings, best: u64) -> Vec<(String, String)> {
    let Settings { learning, pace, vary, .. } = settings;
    let learns = match settings.train {
        Learns::Last => "the last stage and what comes behind it",
        Learns::All => "all of the network",
    };
    let towards = match pace.decay.towards {
        Towards::Zero => "decay towards zero",
        Towards::Start => "decay towards the start",
    };
    let vary: Vec<String> = vary.iter().map(|one| format!("{one:?}").to_lowercase()).collect();
    let loss = match learning.fourier_weight {
        0.0 => "binary cross-entropy".to_owned(),
        weight => format!(
            "{} binary cross-entropy, {weight} mean squared error of a Fourier head",
            1.0 - weight
        ),
    };
    let best = match best {
        0 => "none better than what it began with".to_owned(),
        step => format!("the best after {step}"),
    };
    let rows = [
        ("learns", learns.to_owned()),
        ("begins with", format!("{:?}", settings.from).to_lowercase()),
        ("loss", loss),
        (
            "batch",
            format!(
                "{0} live photos and {0} attacks, even by species and subject",
                learning.of_each_class
            ),
        ),
        ("pictures are varied by", vary.join(", ")),
        ("precision", if settings.mixed { "mixed, bf16" } else { "f32" }.to_owned()),
        ("steps", format!("{}, {best}", pace.schedule.steps)),
        (
            "learning rate",
            format!(
                "{} after {} steps, then along half a cosine",
                pace.schedule.rate, pace.schedule.warm_up
            ),
        ),
        (towards, pace.decay.weight.to_string()),
        ("seed", pace.seed.to_string()),
    ];
    rows.map(|(name, value)| (name.to_owned(), value)).into()
}

/// A row for each error rate.
fn rows(figures: &[Liveness; 2]) -> Vec<(String, Vec<String>)> {
    let row = |name: String, cell: &dyn Fn(&Liveness) -> String| {
        (name, figures.iter().map(cell).collect::<Vec<_>>())
    };
    let mut rows = vec![row("EER".to_owned(), &|of| percent(of.eer, of.eer_interval))];
    rows.extend(figures[0].species.keys().map(|species| {
        row(format!("APCER of {species}"), &|of| {
            let of = &of.species[species];
            percent(of.apcer, of.apcer_interval)
        })
    }));
    rows.extend([
        row("worst APCER".to_owned(), &|of| {
            format!(
                "{}, {}",
                percent(of.apcer_worst, of.apcer_worst_interval),
                of.apcer_worst_species
            )
        }),
        row("BPCER".to_owned(), &|of| percent(of.bpcer, of.bpcer_interval)),
        row("ACER".to_owned(), &|of| percent(of.acer, of.acer_interval)),
    ]);
    rows.extend(APCERS.map(|(name, apcer)| {
        row(
            format!("BPCER at APCER {} %", apcer * 100.0),
            &|of| match of.bpcer_at_apcer.get(name) {
                Some(Some(bpcer)) => {
                    let interval = of.bpcer_at_apcer_interval.get(name).copied().flatten();
                    percent(*bpcer, interval)
                }
                _ => "at no threshold".to_owned(),
            },
        )
    }));
    rows.push(row("live photos without a face".to_owned(), &|of| of.live_no_response.to_string()));
    rows
}
