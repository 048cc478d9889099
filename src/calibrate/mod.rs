//! From measured distances to a calibration file.
//!
//! Feed every impostor pair to [`ImpostorScores`] and every genuine pair to [`GenuineScores`]
//! (memory does not grow with the number of pairs), then call [`calibrate`].

mod genuine;
mod goodness;
mod gpd;
mod impostor;
mod scores;
mod tail;
#[cfg(test)]
mod tests;

pub use genuine::GenuineScores;
pub use goodness::{ANDERSON_DARLING_LIMIT, anderson_darling};
pub use gpd::Gpd;
pub use scores::{ImpostorScores, Person};

use crate::domain::ModelId;
use crate::domain::risk::{Calibration, CalibrationError, Data, SCHEMA};

/// Why scores make no calibration.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum FitError {
    /// Too few strangers were compared.
    #[error(
        "too few people: the smallest tail that can be fitted needs {needed} comparisons of \
             strangers in effect, this has {found:.0}"
    )]
    TooFewImpostors {
        /// What is needed in the tail.
        needed: u32,
        /// What the largest tail held.
        found: f64,
    },
    /// Nobody has two photos.
    #[error("no two photos of the same person were compared")]
    NoGenuine,
    /// The tail has not the form that extrapolation needs.
    #[error(
        "the nearest strangers' distances follow no generalised Pareto distribution \
         (Anderson-Darling {best:.2}, limit {ANDERSON_DARLING_LIMIT}); \
         photos of one person under two names are the usual cause"
    )]
    NoFit {
        /// The smallest A² that was reached.
        best: f64,
    },
    /// The fit gave numbers that no calibration may hold.
    #[error(transparent)]
    Invalid(#[from] CalibrationError),
}

/// Fits the file.
///
/// # Errors
/// When there are too few scores, or their tail cannot be extrapolated.
pub fn calibrate(
    model: ModelId,
    data: Data,
    impostor: &ImpostorScores,
    genuine: &GenuineScores,
) -> Result<Calibration, FitError> {
    let calibration = Calibration {
        schema: SCHEMA,
        model,
        data,
        impostor: impostor::fit(impostor)?,
        genuine: genuine.fit()?,
    };
    calibration.check()?;
    Ok(calibration)
}
