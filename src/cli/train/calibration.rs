//! What the test people, of whom nothing was learnt, say of how often strangers come how near: what τ follows from.

use super::data::Data;
use crate::calibrate::{FitError, calibrate};
use crate::cli::calibrate::gathered;
use crate::domain::risk::{Calibration, Data as Origin};
use crate::domain::{Distance, ModelId};
use crate::train::{Part, People};

/// A calibration of a model, as `limen calibrate` makes them, of the photos of the test people, every one against every
/// other; none, and why, where these are too few. `each` visits every two photos once, by their places among those of
/// the test people, with how far apart they are.
pub(super) fn calibration<T: Clone>(
    data: &Data<T>,
    model: ModelId,
    each: impl FnOnce(&mut dyn FnMut(usize, usize, Distance)) -> anyhow::Result<()>,
) -> anyhow::Result<Result<Calibration, FitError>> {
    let People { photos, person } = data.part(Part::Test);
    let mut photos_of = vec![0u32; person.iter().max().map_or(0, |last| *last as usize + 1)];
    person.iter().for_each(|person| photos_of[*person as usize] += 1);
    let (impostor, genuine) = gathered(&person, &photos_of, each)?;
    let faceless = data.faceless(Part::Test);
    let origin = Origin {
        sources: vec![data.images.file_name().unwrap_or_default().to_string_lossy().into_owned()],
        people: data.size(Part::Test).people as u64,
        photos: photos.len() as u64 + faceless,
        failures_to_acquire: faceless,
    };
    Ok(calibrate(model, origin, &impostor, &genuine))
}

/// Tells what a calibration supports, or why there is none, and what to do `without` one.
pub(super) fn tell(calibration: &Result<Calibration, FitError>, without: &str) {
    match calibration {
        Ok(calibration) => {
            println!("supports false match rates down to {:.1e}", calibration.floor());
        }
        Err(error) => println!("the test people give no calibration: {error}; {without}"),
    }
}
