//! The photos of an evaluation: looked at once, with progress, and told of where they fail.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use image::RgbImage;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Source;
use crate::config::Config;
use crate::evaluate::acquire::{
    AcquireSettings, Acquired, BothSides, Cache, Failure, Picture, Sample, Template, acquire,
    liveness_score,
};
use crate::evaluate::dataset::{listed, missing};
use crate::evaluate::report::Face;
use crate::nets::Digest;
use crate::vision::{Device, EncoderProfile, LookError, QualityLimits, Road, RoadSettings};

/// Looks at photos as the arguments say.
pub(in crate::cli) struct Photos {
    images: PathBuf,
    settings: AcquireSettings,
    cache: Option<PathBuf>,
    allow_missing: bool,
    weights_dir: PathBuf,
    road: Road,
}

/// What the photos gave.
pub(in crate::cli) struct Gathered<T> {
    /// By path below the folder of images.
    pub samples: HashMap<PathBuf, Sample<T>>,
    /// How many there were, and of what kind those are that gave nothing.
    pub tally: Tally,
}

/// How many photos there were, and what became of them.
#[derive(Clone, Debug, Default, Serialize)]
pub(in crate::cli) struct Tally {
    /// Photos that were looked at.
    pub photos: usize,
    /// Failures to acquire: photos without anything to compare, by reason.
    pub failures: Failures,
    /// Photos that are missing or cannot be read, left out.
    pub left_out: usize,
    /// Photos that are byte for byte another one under another path.
    pub duplicates: usize,
}

/// Failures to acquire by reason.
#[derive(Clone, Debug, Default, Serialize)]
pub(in crate::cli) struct Failures {
    pub no_face: usize,
    pub multiple_faces: usize,
    pub low_quality: usize,
}

impl Failures {
    pub fn total(&self) -> usize {
        self.no_face + self.multiple_faces + self.low_quality
    }
}

impl Photos {
    /// Loads the networks.
    pub fn open(config: &Config, source: &Source, border_share: f32) -> anyhow::Result<Self> {
        let mut road = config.road.clone();
        if !source.quality {
            road.quality = QualityLimits::NONE;
            // The nearest face is meant, however near another one is.
            road.nearest.rival_share_min = 1.0;
        }
        let settings = AcquireSettings { workers: config.engine().workers, border_share };
        let cache = match (&source.cache, source.no_cache) {
            (_, true) => None,
            (Some(folder), _) => Some(folder.clone()),
            (None, _) => user_cache(),
        };
        let weights_dir = config.inference.weights_dir.clone();
        let road = Road::open(&weights_dir, road)?;
        let (images, allow_missing) = (source.images.clone(), source.allow_missing);
        Ok(Self { images, settings, cache, allow_missing, weights_dir, road })
    }

    /// The id of the encoder.
    pub fn model(&self) -> String {
        self.road.model().to_string()
    }

    /// The id of the liveness network.
    pub fn liveness_model(&self) -> String {
        self.road.liveness_model().to_string()
    }

    /// The encoder, with its calibration.
    pub fn profile(&self) -> &EncoderProfile {
        self.road.profile()
    }

    /// The encodings of photos.
    pub fn templates(&self, photos: Vec<PathBuf>) -> anyhow::Result<Gathered<Template>> {
        self.gather("templates", photos, Template::look)
    }

    /// The encodings of photos and of their mirror images.
    pub fn both_sides(&self, photos: Vec<PathBuf>) -> anyhow::Result<Gathered<BothSides>> {
        self.gather("both-sides", photos, BothSides::look)
    }

    /// The faces of photos as the encoder is shown them.
    pub fn aligned(&self, photos: Vec<PathBuf>) -> anyhow::Result<Gathered<Picture>> {
        self.gather("aligned", photos, Picture::aligned)
    }

    /// The faces of photos with their surroundings, as the liveness network is shown them.
    pub fn surroundings(&self, photos: Vec<PathBuf>) -> anyhow::Result<Gathered<Picture>> {
        self.gather("surroundings", photos, Picture::surroundings)
    }

    /// The liveness scores of photos.
    pub fn liveness(&self, photos: Vec<PathBuf>) -> anyhow::Result<Gathered<f32>> {
        self.gather("liveness", photos, |road, bytes, _| liveness_score(road, bytes))
    }

    /// A photo's face for the report; an empty picture where it has none.
    pub fn face(&self, path: &Path) -> Face {
        let face = std::fs::read(self.images.join(path))
            .ok()
            .and_then(|bytes| self.road.portrait(&bytes, self.settings.border_share).ok()?);
        let picture =
            face.and_then(|face| RgbImage::from_raw(face.side(), face.side(), face.rgb().to_vec()));
        Face { path: path.display().to_string(), picture: picture.unwrap_or_default() }
    }

    fn gather<T: Clone + Send + Sync + Serialize + DeserializeOwned>(
        &self,
        kind: &str,
        mut photos: Vec<PathBuf>,
        look: impl Fn(&Road, &[u8], f32) -> Result<Sample<T>, LookError> + Sync,
    ) -> anyhow::Result<Gathered<T>> {
        photos.sort();
        photos.dedup();
        let absent = missing(&self.images, &photos);
        self.tell("photos are missing", &absent)?;
        photos.retain(|photo| absent.binary_search(photo).is_err());

        let mut cache = match &self.cache {
            Some(folder) => {
                Cache::open(folder, &format!("{kind}-{}.jsonl", self.cache_key(kind)?))?
            }
            None => Cache::none(),
        };
        let style =
            ProgressStyle::with_template("{bar:40} {pos}/{len} photos, {per_sec}, {eta} left")?;
        let bar = ProgressBar::new(photos.len() as u64).with_style(style);
        let Self { images, road, settings, .. } = self;
        let acquired = acquire(images, &photos, road, *settings, &mut cache, look, || bar.inc(1))?;
        bar.finish_and_clear();
        let mut tally = Tally { photos: photos.len(), ..Tally::default() };
        let unreadable = count(&photos, &acquired, &mut tally);
        self.tell("photos cannot be read", &unreadable)?;
        tally.photos -= unreadable.len();
        tally.left_out = absent.len() + unreadable.len();
        let samples = photos.into_iter().zip(acquired).map(|(path, one)| (path, one.sample));
        let samples =
            samples.filter(|(_, sample)| !matches!(sample, Err(Failure::Unreadable(_)))).collect();
        Ok(Gathered { samples, tally })
    }

    /// Names photos that cannot be used; an error unless they may be left out.
    fn tell(&self, what: &str, photos: &[PathBuf]) -> anyhow::Result<()> {
        if photos.is_empty() {
            return Ok(());
        }
        let message = listed(what, photos);
        if !self.allow_missing {
            bail!("{message} (in {}); --allow-missing leaves them out", self.images.display());
        }
        eprintln!("limen: {message}; left out");
        Ok(())
    }

    /// Names everything that a sample depends on beside its photo: this very program, where it computes, the weights
    /// and the settings.
    fn cache_key(&self, kind: &str) -> anyhow::Result<String> {
        let program = std::fs::read("/proc/self/exe").context("the program cannot be read")?;
        let parts = format!(
            "{kind} {} {:?} {}",
            Digest::of(&program),
            self.road.settings().device,
            self.looks()?
        );
        Ok(Digest::of(parts.as_bytes()).to_string()[..16].to_owned())
    }

    /// How photos are looked at, wherever that is computed: by which weights and settings.
    pub fn looks(&self) -> anyhow::Result<String> {
        let manifest = std::fs::read(self.weights_dir.join("manifest.toml"))
            .context("the weights' manifest cannot be read")?;
        let road = RoadSettings { device: Device::Cpu, ..self.road.settings().clone() };
        Ok(format!("{} {road:?} {}", Digest::of(&manifest), self.settings.border_share))
    }
}

/// Counts failures and copies; returns the photos that could not be read.
fn count<T>(photos: &[PathBuf], acquired: &[Acquired<T>], tally: &mut Tally) -> Vec<PathBuf> {
    let mut first = HashMap::new();
    let (mut copies, mut unreadable) = (Vec::new(), Vec::new());
    for (path, one) in photos.iter().zip(acquired) {
        match &one.sample {
            Ok(_) => {}
            Err(Failure::NoFace) => tally.failures.no_face += 1,
            Err(Failure::MultipleFaces) => tally.failures.multiple_faces += 1,
            Err(Failure::LowQuality(_)) => tally.failures.low_quality += 1,
            Err(Failure::Unreadable(_)) => unreadable.push(path.clone()),
        }
        if let Some(photo) = one.photo
            && first.insert(photo, path).is_some()
        {
            copies.push(path.clone());
        }
    }
    tally.duplicates = copies.len();
    if !copies.is_empty() {
        eprintln!("limen: {}", listed("photos are copies of others, byte for byte", &copies));
    }
    unreadable
}

/// `$XDG_CACHE_HOME/limen/evaluate`, or below the home folder.
fn user_cache() -> Option<PathBuf> {
    let folder = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    let cache = folder("XDG_CACHE_HOME").or_else(|| Some(folder("HOME")?.join(".cache")))?;
    Some(cache.join("limen/evaluate"))
}
