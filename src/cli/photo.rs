//! Photos from files, for the commands that look at them.

use std::path::Path;

use anyhow::{Context, bail, ensure};

use crate::config::Config;
use crate::domain::{FaceSeen, Sighting, View};
use crate::vision::{LookSettings, Road};

/// Reads a photo of at most `bytes_max`; only a plain file, since another may never end.
pub(super) fn read(path: &Path, bytes_max: usize) -> anyhow::Result<Vec<u8>> {
    let cannot = || format!("{} cannot be read", path.display());
    let metadata = std::fs::metadata(path).with_context(cannot)?;
    ensure!(metadata.is_file(), "{} is not a file", path.display());
    let length = metadata.len();
    ensure!(
        length <= bytes_max as u64,
        "{} has {length} bytes; at most {bytes_max} are allowed",
        path.display()
    );
    std::fs::read(path).with_context(cannot)
}

/// Loads the networks.
pub(super) fn open_road(config: &Config) -> anyhow::Result<Road> {
    Ok(Road::open(&config.inference.weights_dir, config.road.clone())?)
}

/// As [`open_road`], with the encoder that people move away from, where one is served.
pub(super) fn open_whole_road(config: &Config) -> anyhow::Result<Road> {
    let road = open_road(config)?;
    Ok(match config.previous_encoder() {
        Some(previous) => road.with_previous(&previous)?,
        None => road,
    })
}

/// The face of a photo; an error that names the photo where there is none to compare.
pub(super) fn face(
    config: &Config,
    road: &Road,
    path: &Path,
    liveness: bool,
) -> anyhow::Result<FaceSeen> {
    let settings = LookSettings {
        liveness_threshold: liveness.then_some(config.matching.liveness_threshold),
        pupil_distance_px_min: config.matching.pupil_distance_px_min,
        picture: false,
    };
    let bytes = read(path, config.road.frame.bytes_max)?;
    let view = road
        .look(&bytes, None, &settings, Default::default())
        .with_context(|| format!("{} cannot be used", path.display()))?;
    match refusal(&view) {
        Some(refusal) => bail!("{}: {refusal}", path.display()),
        None => match view.sighting {
            Sighting::Face(face) => Ok(face),
            _ => bail!("{}: no face", path.display()),
        },
    }
}

/// Why a view gives no face to compare; none when it does.
pub(super) fn refusal(view: &View<FaceSeen>) -> Option<String> {
    match &view.sighting {
        Sighting::Face(_) => None,
        Sighting::NoFace => Some("no face was found".to_owned()),
        Sighting::MultipleFaces => Some("several faces are about equally near".to_owned()),
        Sighting::LowQuality { issues, shortfall, .. } => {
            let figure = shortfall.map(|shortfall| format!(": {shortfall}")).unwrap_or_default();
            let issues: Vec<_> =
                issues.iter().map(|i| format!("{} ({})", i.code(), i.advice())).collect();
            Some(format!("the picture is not good enough: {}{figure}", issues.join(", ")))
        }
        Sighting::Spoof { liveness } => {
            Some(format!("taken for a print or a screen (liveness {:.3})", liveness.value()))
        }
    }
}
