//! `limen train encoder`: a projection of a frozen encoder's numbers, or the encoder itself.

use std::process::ExitCode;

use anyhow::{bail, ensure};
use clap::{Args, ValueEnum};
use serde::{Deserialize, Serialize};

use super::data::Data;
use super::encoder_card::{Base, LearntTensors, Outcome, Shipped, finish, shipped_projection};
use super::pace::{PaceArguments, Usual};
use crate::cli::evaluate::photos::Photos;
use crate::config::Config;
use crate::evaluate::acquire::{BothSides, Picture};
use crate::nets::{Architecture, Learns, Manifest, MobileFaceNet, Trainable, WeightsEntry};
use crate::train::{
    BatchShape, EncoderSettings, EncoderTask, Learner, LinearMap, Margin, Mining, NetworkLearner,
    Objective, Pace, Part, People, Pictures, ProjectionLearner, Split, Start, Towards, Variation,
    each_person_alike, principal_components, random,
};
use crate::vision::RoadSettings;

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
    /// What it begins with.
    #[arg(long, value_enum, default_value_t = Start::Weights)]
    from: Start,
    /// What is made smaller.
    #[arg(long, value_enum, default_value_t = LossName::Triplet)]
    loss: LossName,
    /// Which triplets of a batch are learnt from.
    #[arg(long, value_enum, default_value_t = Mining::SemiHard)]
    mining: Mining,
    /// By how much a stranger must be farther [default: triplet 0.2, a squared distance: α; arcface 0.5, an angle in radians;
    /// cosface 0.35, a cosine].
    #[arg(long, value_parser = margin)]
    margin: Option<f64>,
    /// What the cosines of arcface and cosface are multiplied with.
    #[arg(long, default_value_t = 32.0, value_parser = scale)]
    scale: f64,
    #[command(flatten)]
    pace: PaceArguments,
    /// People of a batch of whom there are several photos [default: 48; 16 where layers of the encoder learn].
    #[arg(long, value_parser = clap::value_parser!(u16).range(2..=1024))]
    people: Option<u16>,
    /// Photos of each of them.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u16).range(2..=64))]
    photos: u16,
    /// People of a batch of whom there is one photo: strangers to the others [default: 128; 16 where layers of the encoder
    /// learn].
    #[arg(long)]
    strangers: Option<u16>,
    /// How pictures are varied where layers of the encoder learn [default: by all].
    #[arg(long, value_enum, value_delimiter = ',')]
    vary: Option<Vec<Variation>>,
    /// Show pictures as they are, where layers of the encoder learn.
    #[arg(long, conflicts_with = "vary")]
    unvaried: bool,
    /// Mixed precision where layers of the encoder learn: maps in bf16, weights and their changes in f32.
    #[arg(long)]
    mixed: bool,
}

/// Which numbers are learnt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(super) enum What {
    /// Fewer numbers out of those of the encoder, which stays as it is: minutes on two cores.
    Projection,
    /// The encoder's last blocks, and the projection.
    Last,
    /// All of the encoder, and the projection.
    All,
}

/// What is made smaller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum LossName {
    /// max(‖A − P‖² − ‖A − N‖² + α, 0), over triplets.
    Triplet,
    /// A softmax over the training people, an angle added to the one to the right person.
    Arcface,
    /// A softmax over the training people, a margin taken from the cosine with the right person.
    Cosface,
}

/// What a run is told: the same makes the same.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Settings {
    pub train: What,
    /// Hash over the photos' names and contents, whom they show, and how they were looked at.
    photos: String,
    pub encoder: String,
    /// Hash of the projection that it begins with, where it begins with one that there is.
    projection: Option<String>,
    pub size: u32,
    pub from: Start,
    pub learning: EncoderSettings,
    pub vary: Vec<Variation>,
    pub mixed: bool,
    split: Split,
    pub pace: Pace,
}

fn margin(text: &str) -> Result<f64, String> {
    super::within(text, 0.0, 4.0)
}

fn scale(text: &str) -> Result<f64, String> {
    super::within(text, 1.0, 1_000.0)
}

pub(super) fn run(config: &Config, arguments: &EncoderArguments) -> anyhow::Result<ExitCode> {
    let mut config = config.clone();
    let manifest = Manifest::open(&config.inference.weights_dir)?;
    let encoder = manifest.get(&config.road.encoder)?;
    arguments.check(&manifest, encoder)?;
    let base = Base {
        manifest: &manifest,
        road: &RoadSettings { encoding_size: arguments.size, ..config.road.clone() },
        encoder,
    };
    // All that the encoder says.
    config.road.encoding_size = encoder.output_size;
    match arguments.train {
        What::Projection => {
            let data = Data::look_at(&config, &arguments.common, Photos::both_sides)?;
            learn_projection(arguments, &data, &base)
        }
        What::Last | What::All => {
            let data = Data::look_at(&config, &arguments.common, Photos::aligned)?;
            learn_network(arguments, &data, &base)
        }
    }
}

impl EncoderArguments {
    /// Refuses what cannot be.
    fn check(&self, manifest: &Manifest, encoder: &WeightsEntry) -> anyhow::Result<()> {
        let (id, outputs) = (&encoder.id, encoder.output_size);
        match self.train {
            What::Projection => ensure!(
                self.size < outputs,
                "--size {}: {id} gives {outputs} numbers, and fewer are made of them",
                self.size
            ),
            What::Last | What::All => ensure!(
                encoder.architecture == Architecture::MobileFaceNet,
                "{id}: only a MobileFaceNet's own layers can be learnt; --train projection takes any encoder"
            ),
        }
        if self.train == What::Projection {
            let of_pictures = [
                ("--vary", self.vary.is_some()),
                ("--unvaried", self.unvaried),
                ("--mixed", self.mixed),
            ];
            if let Some((name, _)) = of_pictures.into_iter().find(|(_, is_told)| *is_told) {
                bail!(
                    "{name}: a projection learns from encodings, which are computed once, not from pictures; --train last \
                     or all takes it"
                );
            }
        }
        if self.train == What::Last && self.from == Start::Scratch {
            bail!(
                "--from scratch: an encoder that begins with nothing learns as a whole, --train all"
            );
        }
        // Before the photos are read.
        if self.from == Start::Weights && self.size != outputs {
            shipped_projection(manifest, id, self.size)?;
        }
        Ok(())
    }

    fn settings<T: Clone>(&self, data: &Data<T>, base: &Base<'_>) -> Settings {
        let is_network = self.train != What::Projection;
        let (people, strangers) = if is_network { (16, 16) } else { (48, 128) };
        let usual = match (self.train, self.from) {
            (What::Projection, Start::Scratch) => Usual { steps: 1_000, rate: 1e-3, decay: 5e-4 },
            (What::Projection, _) => Usual { steps: 1_000, rate: 3e-4, decay: 30.0 },
            (What::All, Start::Scratch) => Usual { steps: 5_000, rate: 1e-3, decay: 5e-4 },
            (What::Last, _) => Usual { steps: 500, rate: 3e-5, decay: 30.0 },
            (What::All, _) => Usual { steps: 500, rate: 1e-5, decay: 30.0 },
        };
        let towards = match self.from {
            Start::Scratch => Towards::Zero,
            Start::Weights | Start::Pca => Towards::Start,
        };
        Settings {
            train: self.train,
            photos: data.fingerprint.to_string(),
            encoder: data.model.clone(),
            projection: match self.from {
                Start::Weights => base.manifest.projection_of(&base.encoder.id, self.size),
                Start::Pca | Start::Scratch => None,
            }
            .map(|entry| entry.sha256.to_string()),
            size: self.size,
            from: self.from,
            learning: EncoderSettings {
                batch: BatchShape {
                    people: self.people.unwrap_or(people).into(),
                    photos: self.photos.into(),
                    strangers: self.strangers.unwrap_or(strangers).into(),
                },
                objective: self.objective(),
            },
            vary: if is_network { self.variations() } else { vec![Variation::Mirror] },
            mixed: is_network && self.mixed,
            split: self.common.run.split(),
            pace: self.pace.pace(self.common.run.seed, &usual, towards),
        }
    }

    fn objective(&self) -> Objective {
        let margin = |usual| self.margin.unwrap_or(usual);
        let softmax = |margin| Objective::Softmax { margin, scale: self.scale };
        match self.loss {
            LossName::Triplet => Objective::Triplet { mining: self.mining, margin: margin(0.2) },
            LossName::Arcface => softmax(Margin::Angle(margin(0.5))),
            LossName::Cosface => softmax(Margin::Cosine(margin(0.35))),
        }
    }

    fn variations(&self) -> Vec<Variation> {
        if self.unvaried { vec![] } else { self.vary.clone().unwrap_or(Variation::ALL.into()) }
    }
}

fn learn_projection(
    arguments: &EncoderArguments,
    data: &Data<BothSides>,
    base: &Base<'_>,
) -> anyhow::Result<ExitCode> {
    let settings = arguments.settings(data, base);
    let features = data.features()?;
    let training = data.part(Part::Training);
    let test = data.part(Part::Test).photos;
    let numbers = random(settings.pace.seed, "start", 0);
    let photos = training.photos.len();
    let map = base.projection(&settings, "cpu".parse()?, photos, numbers, |size| {
        Ok(features.components_of_people(&training, size)?)
    })?;
    let learner = ProjectionLearner::new(features.tensor(), map);
    let Some(outcome) = learn(arguments, data, &settings, learner)? else {
        return Ok(ExitCode::from(130));
    };
    let plain = features.plain_of(&test)?;
    let components = features.principal_components(&training.photos, settings.size.into())?;
    let components = LinearMap::of_weight(components)?.of_rows(&plain)?;
    let projection = Some(outcome.learner.map().weights());
    let learnt = LearntTensors { encoder: None, projection };
    finish(outcome, data, &settings, base, &learnt, &Shipped { components, plain })
}

fn learn_network(
    arguments: &EncoderArguments,
    data: &Data<Picture>,
    base: &Base<'_>,
) -> anyhow::Result<ExitCode> {
    let settings = arguments.settings(data, base);
    let device = base.road.device.into();
    let faces = data.samples.iter().map(Picture::rgb);
    let pictures = Pictures::new(faces, MobileFaceNet::SIDE as u32, device)?;
    let shipped = |learns| Trainable::encoder(base.manifest, &base.encoder.id, device, learns);
    let People { photos: training, person } = data.part(Part::Training);
    let test = data.part(Part::Test).photos;
    let mut numbers = random(settings.pace.seed, "start", 0);
    let network = match (settings.from, settings.train) {
        (Start::Scratch, _) => Trainable::new_encoder(device, &mut numbers)?,
        (_, What::Last) => shipped(Learns::Last)?,
        (_, _) => shipped(Learns::All)?,
    };
    let varied = settings.vary.clone();
    let learner = NetworkLearner::new(network, pictures.clone(), varied, settings.mixed);
    let learner = match i64::from(settings.size) {
        MobileFaceNet::OUTPUT_SIZE => learner,
        _ => {
            let map =
                base.projection(&settings, base.road.device, training.len(), numbers, |size| {
                    let encodings = each_person_alike(&learner.encode_all(&training)?, &person)?;
                    Ok(principal_components(&encodings, size)?)
                })?;
            learner.with_projection(map)
        }
    };
    let Some(outcome) = learn(arguments, data, &settings, learner)? else {
        return Ok(ExitCode::from(130));
    };
    let network = outcome.learner.network().weights()?;
    let projection = outcome.learner.projection().map(LinearMap::weights);
    let shipped = NetworkLearner::new(shipped(Learns::Last)?, pictures, vec![], false);
    let plain = shipped.encode_all(&test)?;
    let components = principal_components(&shipped.encode_all(&training)?, settings.size.into())?;
    let components = LinearMap::of_weight(components)?.of_rows(&plain)?;
    let learnt = LearntTensors { encoder: Some(network), projection };
    finish(outcome, data, &settings, base, &learnt, &Shipped { components, plain })
}

/// Learns to the end; none where somebody interrupted it.
fn learn<T: Clone, L: Learner>(
    arguments: &EncoderArguments,
    data: &Data<T>,
    settings: &Settings,
    learner: L,
) -> anyhow::Result<Option<Outcome<L>>> {
    data.tell();
    data.expect_pairs()?;
    let sampler = data.sampler(Part::Training)?;
    let mut numbers = random(settings.pace.seed, "centres", 0);
    let validation = data.part(Part::Validation);
    let mut task = EncoderTask::new(learner, sampler, validation, settings.learning, &mut numbers)?;
    // Not before it is sure that something can be learnt, and measured.
    let (mut run, kept) = arguments.common.run.open(settings)?;
    let best = super::learn(&mut task, &settings.pace, &mut run, kept)?;
    Ok(best.map(|best| Outcome { run, learner: task.into_learner(), best }))
}
