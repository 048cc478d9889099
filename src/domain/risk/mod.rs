//! How often the encoder errs, and the threshold that follows from the risk that is accepted.
//!
//! [`Calibration`] is a measured, read-only file: the false match rate (FMR) and the false
//! non-match rate (FNMR) of one encoder as curves over the squared distance. [`Request`] states a
//! risk and [`Calibration::offer`] answers with τ and its consequences, or refuses and says what
//! would be possible. [`RiskPolicy`] is what the service goes by. The terms are those of
//! ISO/IEC 19795-1.

mod calibration;
mod curve;
mod offer;
mod policy;
mod rates;
mod request;
#[cfg(test)]
mod tests;
mod verification;

pub use calibration::{
    Calibration, CalibrationError, Data, Genuine, Goodness, Impostor, SCHEMA, Tail, Trimmed,
};
pub use curve::{Curve, CurveError};
pub use offer::{Alternatives, Offer, Refusal, RefusalReason};
pub use policy::{AcceptedRisk, NoCalibration, RiskPolicy, Tau};
pub use rates::Search;
pub use request::{Request, RequestError, Traffic};
pub use verification::{VerifierPolicy, VerifierRefusal};
