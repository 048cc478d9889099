//! What a run of `limen train encoder` comes to: figures, a model card, and weights that serve.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, ensure};
use rand::rngs::StdRng;

use super::calibration::{calibration, tell};
use super::data::Data;
use super::encoder::{Settings, What};
use crate::domain::risk::Calibration;
use crate::evaluate::metrics::Bootstrap;
use crate::nets::{Manifest, WeightsEntry};
use crate::train::{
    Figures, Learner, Learnt, LearntPart, LinearMap, Margin, ModelCard, Note, Objective, Part,
    Rows, Run, Start, Tensors, Towards, WeightsFolder, curves, each_pair_of, from_bytes, to_bytes,
};
use crate::vision::{Device, EncoderProfile, RoadSettings};

const HEADER: &str = "\
# The error rates of an encoder with people of whom nothing was learnt, from which τ follows. Written by
# `limen train encoder`: do not edit by hand. Curves are [squared distance, rate].
";

/// What it began with.
pub(super) struct Base<'a> {
    pub manifest: &'a Manifest,
    /// The road that takes what is learnt.
    pub road: &'a RoadSettings,
    pub encoder: &'a WeightsEntry,
}

impl Base<'_> {
    /// The projection that a run begins with; `components` computes principal components of the `photos` to learn from.
    pub fn projection(
        &self,
        settings: &Settings,
        device: Device,
        photos: usize,
        mut numbers: StdRng,
        components: impl FnOnce(i64) -> anyhow::Result<Rows>,
    ) -> anyhow::Result<LinearMap> {
        let (id, inputs) = (&self.encoder.id, self.encoder.output_size);
        let (inputs, outputs) = (i64::from(inputs), i64::from(settings.size));
        Ok(match settings.from {
            Start::Pca => {
                ensure!(
                    photos >= settings.size as usize,
                    "--from pca: {photos} photos to learn from have no {outputs} principal components; --from weights \
                     begins with the projection that there is"
                );
                LinearMap::of_weight(components(outputs)?)?
            }
            Start::Scratch => LinearMap::by_chance(inputs, outputs, device.into(), &mut numbers)?,
            Start::Weights => {
                let entry = shipped_projection(self.manifest, id, settings.size)?;
                let weights = from_bytes(&self.manifest.read(entry)?)?;
                LinearMap::from_weights(&weights, inputs, outputs, device.into())?
            }
        })
    }
}

/// The projection of an encoder's numbers to so many that the weights folder has.
pub(super) fn shipped_projection<'m>(
    manifest: &'m Manifest,
    encoder: &str,
    size: u32,
) -> anyhow::Result<&'m WeightsEntry> {
    manifest.projection_of(encoder, size).with_context(|| {
        format!("there is no projection of {encoder} to {size} numbers to begin with: --from pca")
    })
}

/// A run that has come to its end.
pub(super) struct Outcome<L> {
    pub run: Run,
    /// With the numbers of the best look.
    pub learner: L,
    /// The step of the best look.
    pub best: u64,
}

/// What was learnt, as files keep it.
pub(super) struct LearntTensors {
    /// The encoder's own, where its layers learnt.
    pub encoder: Option<Tensors>,
    /// The projection's, where fewer numbers than the encoder's are wanted.
    pub projection: Option<Tensors>,
}

/// What it is compared with: encodings of the test photos.
pub(super) struct Shipped {
    /// By principal components of what the shipped encoder says of the training photos.
    pub components: Rows,
    /// By all that it says.
    pub plain: Rows,
}

/// Measures the best numbers with people whom nothing was learnt from, and writes what the run comes to.
pub(super) fn finish<T: Clone, L: Learner>(
    outcome: Outcome<L>,
    data: &Data<T>,
    settings: &Settings,
    base: &Base<'_>,
    learnt: &LearntTensors,
    shipped: &Shipped,
) -> anyhow::Result<ExitCode> {
    let Outcome { mut run, learner, best } = outcome;
    let test = data.part(Part::Test);
    let encodings = learner.encode_all(&test.photos)?;
    let of = |rows: &Rows| Figures::of(rows, &test.person, Some(Bootstrap::default()));
    let figures = [of(&encodings)?, of(&shipped.components)?, of(&shipped.plain)?];

    let notes: Vec<Note> = run.notes()?;
    let [loss, looks] = curves(&notes)?;
    run.write("loss.svg", loss.as_bytes())?;
    run.write("curves.svg", looks.as_bytes())?;
    let weights = run.folder().join("weights");
    let (made, encoder) = make_weights(&weights, data, settings, base, learnt)?;
    let road = RoadSettings { encoder: encoder.clone(), ..base.road.clone() };
    let model = EncoderProfile::of(made.path(), &road)?.model;
    let calibration =
        calibration(data, model.clone(), |visit| Ok(each_pair_of(&encodings, visit)?))?;
    if let Ok(calibration) = &calibration {
        let text = format!("{HEADER}{}", toml::to_string(calibration)?);
        made.add_calibration(model.as_str(), &text)?;
    }
    made.publish()?;
    let card = Card {
        data,
        settings,
        weights: &weights,
        encoder: &encoder,
        model: model.as_str(),
        supports: calibration.as_ref().ok().map(Calibration::floor),
        best,
    };
    let card = card.write(&figures);
    run.write("model_card.md", card.markdown().as_bytes())?;
    println!("{}", super::table(&card));
    tell(&calibration, "`limen calibrate` makes one from other photos");
    println!(
        "written to {}: model_card.md, curves.svg, loss.svg, weights/",
        run.folder().display()
    );
    Ok(ExitCode::SUCCESS)
}

/// Makes the weights folder; with the id of the encoder that its service is to use.
fn make_weights<T: Clone>(
    folder: &Path,
    data: &Data<T>,
    settings: &Settings,
    base: &Base<'_>,
    learnt: &LearntTensors,
) -> anyhow::Result<(WeightsFolder, String)> {
    let (shipped, inputs) = (base.encoder.id.as_str(), base.encoder.output_size);
    let name = format!("{shipped}-learnt-{}", &data.fingerprint.to_string()[..8]);
    let training = format!(
        "{} from {} of {}; see model_card.md",
        objective(&settings.learning.objective),
        data.size(Part::Training),
        data.images.file_name().unwrap_or_default().to_string_lossy(),
    );
    let encoder = match learnt.encoder {
        None => shipped.to_owned(),
        Some(_) => name.clone(),
    };
    let (short, training) = (format!("{name}-{}", settings.size), training.as_str());
    let file = |tensors: &Option<Tensors>| {
        tensors.as_ref().map(|tensors| to_bytes(tensors, None)).transpose()
    };
    let files = [file(&learnt.encoder)?, file(&learnt.projection)?];
    let projection = LearntPart::Projection { encoder: &encoder, inputs, outputs: settings.size };
    let feature_norm_min = match settings.from {
        Start::Weights | Start::Pca => base.encoder.feature_norm_min,
        Start::Scratch => None,
    };
    let parts =
        [(name.as_str(), LearntPart::Encoder { feature_norm_min }), (short.as_str(), projection)];
    let all: Vec<Learnt<'_>> = parts
        .into_iter()
        .zip(&files)
        .filter_map(|((id, part), file)| {
            Some(Learnt { id, part, file: file.as_deref()?, training })
        })
        .collect();
    Ok((WeightsFolder::make(base.manifest, folder, &all)?, encoder))
}

fn objective(objective: &Objective) -> String {
    match objective {
        Objective::Triplet { mining, margin } => {
            format!("the triplet loss, {mining:?} mining, margin {margin}")
        }
        Objective::Softmax { margin: Margin::Angle(margin), scale } => {
            format!("ArcFace, margin {margin}, scale {scale}")
        }
        Objective::Softmax { margin: Margin::Cosine(margin), scale } => {
            format!("CosFace, margin {margin}, scale {scale}")
        }
    }
}

struct Card<'a, T> {
    data: &'a Data<T>,
    settings: &'a Settings,
    weights: &'a Path,
    encoder: &'a str,
    model: &'a str,
    /// The least FMR that its calibration promises; none without one.
    supports: Option<f64>,
    best: u64,
}

impl<T: Clone> Card<'_, T> {
    fn write(&self, figures: &[Figures; 3]) -> ModelCard {
        let Self { data, settings, weights, encoder, model, supports, .. } = *self;
        let what = match settings.train {
            What::Projection => format!(
                "Makes encodings of {} numbers out of those of `{}`: `y = W x + b`, scaled to length 1.",
                settings.size, data.model
            ),
            What::Last | What::All => {
                let begun = match settings.from {
                    Start::Weights | Start::Pca => format!("that began as `{}`", data.model),
                    Start::Scratch => "that began with nothing".to_owned(),
                };
                format!("A MobileFaceNet {begun}; encodings of {} numbers.", settings.size)
            }
        };
        let (genuine, impostor) = (figures[0].rates.genuine, figures[0].rates.impostor);
        let weights = weights.display();
        let choose = match settings.train {
            What::Projection => String::new(),
            What::Last | What::All => format!("export LIMEN_ROAD__ENCODER={encoder}\n"),
        };
        let size = format!("export LIMEN_ROAD__ENCODING_SIZE={}\n", settings.size);
        let calibrate = match supports {
            Some(_) => String::new(),
            None => format!(
                "limen calibrate --images OTHER_PHOTOS --name NAME --out {weights}/calibrations/{model}.toml\n"
            ),
        };
        ModelCard {
            title: format!("Model card: `{model}`"),
            what: format!(
                "{what} Learnt by `limen train encoder` {}.",
                env!("CARGO_PKG_VERSION")
            ),
            data: data.lines(),
            training: self.training(),
            columns: vec![
                "learnt".to_owned(),
                "PCA of the same size of what the encoder says as it is, each photo weighing the same".to_owned(),
                "all that it says".to_owned(),
            ],
            figures: rows(figures),
            measured: format!(
                "On the test people, every photo against every other: {genuine} genuine and {impostor} impostor comparisons; \
                 in brackets 95 % intervals, by a bootstrap over the people (of the EER: of the mean of FMR and FNMR at its \
                 τ). The encoder sees the plain face alone, of turned heads too, which the service averages with their mirror \
                 images. Below: the error rates of the validation people over the steps."
            ),
            limits: vec![
                "The figures are those of people like the ones above, photographed alike; what holds for others is not \
                 known."
                    .to_owned(),
                "Encodings of this model are compared with no others: everybody is to be enrolled again.".to_owned(),
                match supports {
                    Some(floor) => format!(
                        "τ follows from what strangers among the test people reach, whom the figures are of, too. They \
                         show false match rates down to {floor:.1e}; for finer ones τ is extrapolated, and nothing is promised."
                    ),
                    None => "The test people are too few for a calibration: τ follows from one made with other photos \
                             that were not learnt from."
                        .to_owned(),
                },
                "How long its output is at least for a clear face was not measured: `feature_norm_min` is the encoder's \
                 that it began with, and there is none for one that began with nothing."
                    .to_owned(),
            ],
            usage: format!(
                "export LIMEN_INFERENCE__WEIGHTS_DIR={weights}\n{choose}{size}limen weights list\n{calibrate}limen enroll \
                 PHOTOS --replace-model\nlimen serve"
            ),
        }
    }

    fn training(&self) -> Vec<(String, String)> {
        let Settings { learning, pace, vary, .. } = self.settings;
        let learns = match self.settings.train {
            What::Projection => "a projection; the encoder stays as it is",
            What::Last => "the encoder's last blocks, and the projection",
            What::All => "all of the encoder, and the projection",
        };
        let towards = match pace.decay.towards {
            Towards::Zero => "decay towards zero",
            Towards::Start => "decay towards the start",
        };
        let vary: Vec<String> = vary.iter().map(|one| format!("{one:?}").to_lowercase()).collect();
        let batch = learning.batch;
        let rows = [
            ("learns", learns.to_owned()),
            ("begins with", format!("{:?}", self.settings.from).to_lowercase()),
            ("numbers", self.settings.size.to_string()),
            ("loss", objective(&learning.objective)),
            (
                "batch",
                format!(
                    "{} people x {} photos and {} strangers",
                    batch.people, batch.photos, batch.strangers
                ),
            ),
            ("pictures are varied by", vary.join(", ")),
            ("precision", if self.settings.mixed { "mixed, bf16" } else { "f32" }.to_owned()),
            ("steps", format!("{}, the best after {}", pace.schedule.steps, self.best)),
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
}

/// A row for each error rate.
fn rows(figures: &[Figures; 3]) -> Vec<(String, Vec<String>)> {
    let eer = figures.iter().map(super::eer).collect();
    let tar = ["1e-3", "1e-4", "1e-5"].map(|fmr| {
        let cell = |of: &Figures| super::tar(of, fmr);
        (format!("TAR at FMR {fmr}"), figures.iter().map(cell).collect())
    });
    [("EER".to_owned(), eer)].into_iter().chain(tar).collect()
}
