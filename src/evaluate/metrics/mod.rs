//! Error rates out of comparisons: pure arithmetic, no pictures, networks or files.
//!
//! | module | what | source |
//! |---|---|---|
//! | `counts` | distances counted in cells, for as many comparisons as there are | |
//! | `roc` | FMR, FNMR, EER, AUC, TAR at an FMR, the DET curve | ISO/IEC 19795-1 |
//! | `verification` | labelled pairs, ten-fold accuracy | Huang et al. 2007 |
//! | `identification` | FNIR at an FPIR, rank one | NISTIR 8009, FRVT 1:N |
//! | `liveness` | APCER, BPCER, ACER | ISO/IEC 30107-3 |
//! | `discard` | FNMR over the share discarded for its quality | Grother and Tabassi 2007 |
//! | `interval`, `bootstrap`, `by_person` | how far a rate may be off | Wilson 1927, Efron 1979, Bolle et al. 2004 |
//!
//! Two rules hold throughout. A picture without a face is a failure to acquire: it matches nobody
//! at any threshold, stays in every denominator and is reported. A rate that the data cannot show
//! is absent, never zero and never NaN.

mod bootstrap;
mod by_person;
mod counts;
mod crossing;
mod discard;
mod folds;
mod identification;
mod interval;
mod liveness;
mod pad;
mod roc;
mod species;
mod sweep;
mod verification;

use std::collections::BTreeMap;

pub use bootstrap::Bootstrap;
pub use by_person::{AllPairsIntervals, MatchesByPerson};
pub use counts::{DistanceCounts, Histogram};
pub use discard::{DiscardPoint, ErrorVersusDiscard};
pub use folds::FoldAccuracy;
pub use identification::{
    AtGate, Identification, MatedProbe, NonMatedProbe, at_gate, identification, identification_roc,
};
pub use interval::Interval;
pub use liveness::{Kind, Liveness, Presentation, liveness};
pub use pad::PadPoint;
pub use roc::{AtFmr, Eer, Roc, RocPoint, RocSummary};
pub use species::Species;
pub use verification::{ComparedPair, Verification, verification};

/// The false match rates at which a true accept rate is told, with the names that reports use.
pub const FMRS: [(&str, f64); 4] = [("1e-3", 1e-3), ("1e-4", 1e-4), ("1e-5", 1e-5), ("1e-6", 1e-6)];

/// The false positive identification rates at which FNIR is told.
pub const FPIRS: [(&str, f64); 4] =
    [("0.001", 0.001), ("0.003", 0.003), ("0.01", 0.01), ("0.03", 0.03)];

/// The APCERs at which BPCER is told: BPCER20 and BPCER100.
pub const APCERS: [(&str, f64); 2] = [("0.01", 0.01), ("0.05", 0.05)];

/// Why data cannot be evaluated.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MetricError {
    /// A class without which a rate has no denominator is empty.
    #[error("there are no {what}, without which {rate} cannot be measured")]
    Missing {
        /// What is missing, in words.
        what: &'static str,
        /// The rate that needs it.
        rate: &'static str,
    },
    /// A fold would be empty.
    #[error("{pairs} pairs do not fill {folds} folds")]
    TooFewPairs {
        /// How many pairs there are.
        pairs: usize,
        /// How many folds there must be.
        folds: usize,
    },
    /// A threshold must be chosen on other pairs than those that it is tried on.
    #[error("all pairs are in one fold: cross-validation needs two or more")]
    OneFold,
    /// Some pairs name their fold and others do not.
    #[error("{with} pairs name their fold and {without} do not")]
    MixedFolds {
        /// How many name it.
        with: usize,
        /// How many do not.
        without: usize,
    },
}

/// `part / whole`, 0 to 1. Correctly rounded, so that 87 of 87 million is exactly the number that
/// `1e-6` is written for, and `share(..) <= 1e-6` needs no tolerance.
#[allow(clippy::cast_precision_loss, reason = "no count comes near 2^53")]
fn share(part: u64, whole: u64) -> f64 {
    part as f64 / whole as f64
}

/// Whether `comparisons` are enough to show `rate`: one error among them must not exceed it. That is
/// the least that can be asked; Doddington's rule of 30 asks for thirty times as many before such a
/// rate is known to 30 % (ISO/IEC 19795-1, annex B).
fn can_show(rate: f64, comparisons: u64) -> bool {
    comparisons > 0 && share(1, comparisons) <= rate
}

/// The values with the names of their rates.
fn named<T, const K: usize>(
    rates: &[(&str, f64); K],
    values: impl IntoIterator<Item = T>,
) -> BTreeMap<String, T> {
    rates.iter().zip(values).map(|((name, _), value)| ((*name).to_owned(), value)).collect()
}
