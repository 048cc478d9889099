//! The figures of a whole set of comparisons.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::domain::Threshold;

use super::super::{FMRS, named};
use super::{Eer, Roc};

/// The figures of a set of comparisons.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RocSummary {
    /// Comparisons, genuine and impostor, with those that could not be made.
    pub pairs: u64,
    /// Comparisons that could not be made because a photo had no face.
    pub undetected: u64,
    /// Genuine comparisons, with those that could not be made.
    pub genuine: u64,
    /// Impostor comparisons, with those that could not be made.
    pub impostor: u64,
    /// Equal error rate, 0 to 1.
    pub eer: f64,
    /// The threshold at which it is reached; over 0, at most 4.
    pub eer_tau: f32,
    /// True accept rate (1 - FNMR) at the FMRs of [`FMRS`]; none where there are fewer than `1 / FMR`
    /// impostor comparisons.
    pub tar_at_fmr: BTreeMap<String, Option<f64>>,
    /// The largest threshold at which the FMR is not exceeded.
    pub tau_at_fmr: BTreeMap<String, Option<Threshold>>,
    /// Area under the ROC curve, 0 to 1.
    pub auc: f64,
}

impl Roc {
    /// The figures.
    #[must_use]
    pub fn summary(&self) -> RocSummary {
        let Eer { rate: eer, tau: eer_tau } = self.eer();
        let shown = FMRS.map(|(_, fmr)| self.shown_at_fmr(fmr));
        let (genuine, impostor) = (self.0.genuine, self.0.impostor);
        RocSummary {
            pairs: genuine + impostor,
            undetected: self.0.undetected(),
            genuine,
            impostor,
            eer,
            eer_tau,
            tar_at_fmr: named(&FMRS, shown.map(|at| Some(at?.tar))),
            tau_at_fmr: named(&FMRS, shown.map(|at| at?.tau)),
            auc: self.auc(),
        }
    }
}
