//! `limen train liveness`: a liveness network, from photos of live faces and of attacks.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, bail, ensure};
use clap::{Args, ValueEnum};
use rand::rngs::StdRng;
use serde::{Deserialize, Serialize};

use super::RunArguments;
use super::liveness_card::{Outcome, finish};
use super::pace::{PaceArguments, Usual};
use super::presentations::Presentations;
use crate::cli::evaluate::Source;
use crate::config::Config;
use crate::evaluate::acquire::Picture;
use crate::nets::{Learns, Manifest, MiniFasNet, Role, Trainable, WeightsEntry};
use crate::train::{
    LivenessLearner, LivenessSettings, LivenessTask, Pace, Part, Pictures, PresentationSampler,
    Split, Towards, Variation, random,
};

#[derive(Debug, Args)]
pub(in crate::cli) struct LivenessArguments {
    #[command(flatten)]
    source: Source,
    /// A CSV with the columns path, label (`live`, or the attack's name) and subject (whose face it shows).
    #[arg(long, value_name = "FILE")]
    manifest: PathBuf,
    #[command(flatten)]
    run: RunArguments,
    /// Which layers learn [default: last; all with --from scratch].
    #[arg(long, value_enum)]
    train: Option<Layers>,
    /// What it begins with; scratch: with --train all.
    #[arg(long, value_enum, default_value_t = Begin::Weights)]
    from: Begin,
    #[command(flatten)]
    pace: PaceArguments,
    /// Live photos of a batch, and as many attacks.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=1024))]
    per_class: u16,
    /// The share that the loss of the Fourier head has; 0: without the head [default: 0.5; 0 with --train last, whose layers
    /// lie behind the head].
    #[arg(long, value_name = "SHARE", value_parser = fourier_weight)]
    fourier_weight: Option<f64>,
    /// How pictures are varied.
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = VARIED)]
    vary: Vec<Variation>,
    /// Show pictures as they are.
    #[arg(long, conflicts_with = "vary")]
    unvaried: bool,
    /// Mixed precision: maps in bf16, weights and their changes in f32.
    #[arg(long)]
    mixed: bool,
}

/// What learning begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Begin {
    /// The network that there is.
    Weights,
    /// Nothing: numbers by chance.
    Scratch,
}

/// Which layers learn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "kebab-case")]
enum Layers {
    /// The last stage and what comes behind it.
    Last,
    /// All.
    All,
}

impl From<Layers> for Learns {
    fn from(layers: Layers) -> Self {
        match layers {
            Layers::Last => Self::Last,
            Layers::All => Self::All,
        }
    }
}

/// What leaves the traces of an attack alone: blur and compression wipe out what tells a print or a screen, or look like it.
const VARIED: [Variation; 3] = [Variation::Mirror, Variation::Crop, Variation::Light];

/// What a run is told: the same makes the same.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Settings {
    pub train: Learns,
    /// Hash over the photos' names, labels and contents.
    photos: String,
    pub network: String,
    pub from: Begin,
    pub learning: LivenessSettings,
    pub vary: Vec<Variation>,
    pub mixed: bool,
    split: Split,
    pub pace: Pace,
}

fn fourier_weight(text: &str) -> Result<f64, String> {
    super::within(text, 0.0, 0.99)
}

pub(super) fn run(config: &Config, arguments: &LivenessArguments) -> anyhow::Result<ExitCode> {
    arguments.check()?;
    let manifest = Manifest::open(&config.inference.weights_dir)?;
    let mut entries = manifest.entries().iter();
    let shipped = entries
        .find(|entry| entry.role == Role::Liveness)
        .context("the weights' manifest lists no liveness network")?;
    let split = arguments.run.split();
    let data = Presentations::look_at(config, &arguments.source, &arguments.manifest, &split)?;
    data.tell();
    let settings = arguments.settings(config, &data, shipped);
    let device = config.road.device.into();
    let faces = data.samples.iter().map(Picture::rgb);
    let pictures = Pictures::new(faces, MiniFasNet::SIDE as u32, device)?;
    let as_shipped = |learns| Trainable::liveness(&manifest, &shipped.id, device, learns);

    let mut numbers = random(settings.pace.seed, "start", 0);
    let network = match settings.from {
        Begin::Weights => as_shipped(settings.train)?,
        Begin::Scratch => Trainable::new_liveness(device, &mut numbers)?,
    };
    let learner = arguments.learner(network, pictures.clone(), &settings, &mut numbers)?;
    let training = data.part(Part::Training);
    let sampler = PresentationSampler::new(Presentations::labelled(&training))?;
    // Not before it is sure that something can be learnt, and measured.
    let (mut run, kept) = arguments.run.open(&settings)?;
    let mut task =
        LivenessTask::new(learner, sampler, data.part(Part::Validation), settings.learning);
    let Some(best) = super::learn(&mut task, &settings.pace, &mut run, kept)? else {
        return Ok(ExitCode::from(130));
    };
    let learner = task.into_learner();
    let shipped = LivenessLearner::new(as_shipped(Learns::Last)?, pictures, vec![], false);
    finish(Outcome { run, learner, best, shipped }, &data, &settings, &manifest)
}

impl LivenessArguments {
    fn layers(&self) -> Layers {
        self.train.unwrap_or(match self.from {
            Begin::Weights => Layers::Last,
            Begin::Scratch => Layers::All,
        })
    }

    /// Refuses what cannot be.
    fn check(&self) -> anyhow::Result<()> {
        if self.layers() == Layers::All {
            return Ok(());
        }
        if self.from == Begin::Scratch {
            bail!(
                "--from scratch: a network that begins with nothing learns as a whole, --train all"
            );
        }
        ensure!(
            self.fourier_weight.unwrap_or(0.0) == 0.0,
            "--fourier-weight: the head sits behind the second stage, which --train last leaves as it is, and would teach \
             nothing; --train all takes it"
        );
        Ok(())
    }

    fn settings(&self, config: &Config, data: &Presentations, shipped: &WeightsEntry) -> Settings {
        let layers = self.layers();
        let usual = match (self.from, layers) {
            (Begin::Scratch, _) => Usual { steps: 150, rate: 2e-3, decay: 5e-4 },
            (_, Layers::Last) => Usual { steps: 200, rate: 3e-4, decay: 1.0 },
            (_, Layers::All) => Usual { steps: 200, rate: 1e-5, decay: 30.0 },
        };
        let towards = match self.from {
            Begin::Scratch => Towards::Zero,
            Begin::Weights => Towards::Start,
        };
        let head = match layers {
            Layers::Last => 0.0,
            Layers::All => 0.5,
        };
        Settings {
            train: layers.into(),
            photos: data.fingerprint.to_string(),
            network: format!("{}@{}", shipped.id, &shipped.sha256.to_string()[..8]),
            from: self.from,
            learning: LivenessSettings {
                of_each_class: self.per_class.into(),
                fourier_weight: self.fourier_weight.unwrap_or(head),
                threshold: config.matching.liveness_threshold,
            },
            vary: if self.unvaried { vec![] } else { self.vary.clone() },
            mixed: self.mixed,
            split: self.run.split(),
            pace: self.pace.pace(self.run.seed, &usual, towards),
        }
    }

    fn learner(
        &self,
        network: Trainable<MiniFasNet>,
        pictures: Pictures,
        settings: &Settings,
        random: &mut StdRng,
    ) -> anyhow::Result<LivenessLearner> {
        let device = network.device();
        let learner =
            LivenessLearner::new(network, pictures, settings.vary.clone(), settings.mixed);
        if settings.learning.fourier_weight == 0.0 {
            return Ok(learner);
        }
        Ok(learner.with_head(Trainable::new_fourier_head(device, random)?))
    }
}
