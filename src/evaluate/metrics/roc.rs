//! Error rates over the threshold (ISO/IEC 19795-1).

mod summary;

use serde::Serialize;

use crate::domain::{Distance, Threshold};

use super::crossing::crossing;
use super::sweep::{Plateau, Sweep};
use super::{DistanceCounts, MetricError, can_show, share};

pub use summary::RocSummary;

/// Genuine and impostor comparisons, neither empty.
///
/// A comparison with a photo in which no face was found matches at no threshold, so the rates are
/// the generalised ones (GFMR and GFNMR of ISO/IEC 19795-1): failures to acquire are part of them.
#[derive(Clone, Debug)]
pub struct Roc(Sweep);

/// The equal error rate, and where it is reached.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Eer {
    /// Mean of FMR and FNMR at `tau`, 0 to 1.
    pub rate: f64,
    /// The middle of the thresholds at which both are (most nearly) equal; over 0, at most 4.
    pub tau: f32,
}

/// The rates at a false match rate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AtFmr {
    /// True accept rate: the share of genuine comparisons that match, 0 to 1.
    pub tar: f64,
    /// False non-match rate: the share of those that do not, 0 to 1.
    pub fnmr: f64,
    /// The largest threshold at which the FMR is not exceeded; none: every threshold exceeds it.
    pub tau: Option<Threshold>,
}

/// A point of the DET and the ROC curve (TAR is `1 - fnmr`).
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct RocPoint {
    /// The middle of the thresholds that give these rates; over 0, at most 4.
    pub tau: f32,
    /// False match rate: the share of impostor comparisons that match, 0 to 1.
    pub fmr: f64,
    /// False non-match rate: the share of genuine comparisons that do not match, 0 to 1.
    pub fnmr: f64,
}

impl Roc {
    /// Of counted comparisons.
    ///
    /// # Errors
    /// When there are no genuine or no impostor ones.
    pub fn new(genuine: &DistanceCounts, impostor: &DistanceCounts) -> Result<Self, MetricError> {
        Self::of(Sweep::from_counts(genuine, impostor))
    }

    /// Of a sweep.
    pub(super) fn of(sweep: Sweep) -> Result<Self, MetricError> {
        if sweep.genuine == 0 {
            return Err(MetricError::Missing { what: "genuine comparisons", rate: "FNMR" });
        }
        if sweep.impostor == 0 {
            return Err(MetricError::Missing { what: "impostor comparisons", rate: "FMR" });
        }
        Ok(Self(sweep))
    }

    /// Of listed comparisons (the distance, none where a photo had no face, and whether it is
    /// genuine), each as exact as its distance.
    ///
    /// # Errors
    /// When there are no genuine or no impostor ones.
    pub fn from_comparisons(
        comparisons: impl IntoIterator<Item = (Option<Distance>, bool)>,
    ) -> Result<Self, MetricError> {
        let mut sorted: Vec<_> = comparisons.into_iter().map(|(d, same)| (d, same, 1)).collect();
        sorted.sort_by(|left, right| super::sweep::by_distance(left.0, right.0));
        Self::of(Sweep::from_sorted(sorted))
    }

    fn fmr_of(&self, plateau: &Plateau) -> f64 {
        share(plateau.false_matches, self.0.impostor)
    }

    fn fnmr_of(&self, plateau: &Plateau) -> f64 {
        share(self.0.genuine - plateau.true_matches, self.0.genuine)
    }

    /// False match rate at `tau`, 0 to 1. Of counted comparisons a τ within a cell counts the cell.
    #[must_use]
    pub fn fmr(&self, tau: Threshold) -> f64 {
        let above = self.0.plateaus().find(|p| p.high >= tau.value());
        above.or_else(|| self.0.plateaus().last()).map_or(0.0, |p| self.fmr_of(&p))
    }

    /// False non-match rate at `tau`, 0 to 1. Of counted comparisons a τ within a cell does not
    /// count the cell as matching.
    #[must_use]
    pub fn fnmr(&self, tau: Threshold) -> f64 {
        let below = self.0.plateaus().take_while(|p| p.low <= tau.value()).last();
        below.map_or(1.0, |p| self.fnmr_of(&p))
    }

    /// The equal error rate after Maio et al. 2002 (FVC2000): where the rates jump past each other,
    /// the side with the smaller sum. Where failures keep them from meeting, the nearest they come.
    #[must_use]
    pub fn eer(&self) -> Eer {
        let at = crossing(self.0.plateaus(), |p| (self.fmr_of(p), self.fnmr_of(p)));
        let at = at.unwrap_or(Plateau::NOTHING_MATCHES);
        Eer { rate: self.fmr_of(&at).midpoint(self.fnmr_of(&at)), tau: at.middle() }
    }

    /// The area under the ROC curve, 0 to 1: the chance that a genuine comparison is nearer than an
    /// impostor one, ties counting half (Mann and Whitney 1947).
    #[must_use]
    pub fn auc(&self) -> f64 {
        self.0.auc()
    }

    /// The rates at the largest threshold whose FMR does not exceed `fmr`. Where none is low enough,
    /// nothing can be accepted.
    #[must_use]
    pub fn at_fmr(&self, fmr: f64) -> AtFmr {
        let at = self.0.plateaus().take_while(|p| self.fmr_of(p) <= fmr).last();
        at.map_or(AtFmr { tar: 0.0, fnmr: 1.0, tau: None }, |p| AtFmr {
            tar: share(p.true_matches, self.0.genuine),
            fnmr: self.fnmr_of(&p),
            tau: Threshold::try_from(p.high).ok(),
        })
    }

    /// Like [`Self::at_fmr`], but none when there are fewer than `1 / fmr` impostor comparisons: a
    /// single false match would then exceed the rate, and zero of them do not show it.
    #[must_use]
    pub fn shown_at_fmr(&self, fmr: f64) -> Option<AtFmr> {
        can_show(fmr, self.0.impostor).then(|| self.at_fmr(fmr))
    }

    /// The DET curve from the strictest to the most lenient threshold, thinned: a point for every
    /// change of FMR or FNMR by the factor `10^(1 / per_decade)`, and the first and the last.
    #[must_use]
    pub fn curve(&self, per_decade: u32) -> Vec<RocPoint> {
        let factor = 10f64.powf(1.0 / f64::from(per_decade.max(1)));
        let points = self.0.plateaus().map(|p| RocPoint {
            tau: p.middle(),
            fmr: self.fmr_of(&p),
            fnmr: self.fnmr_of(&p),
        });
        let mut kept: Vec<RocPoint> = Vec::new();
        let mut last = None;
        for point in points {
            let moved = kept.last().is_none_or(|k| {
                point.fmr > k.fmr && point.fmr >= k.fmr * factor
                    || point.fnmr < k.fnmr && point.fnmr * factor <= k.fnmr
            });
            if moved {
                kept.push(point);
            }
            last = (!moved).then_some(point);
        }
        kept.extend(last);
        kept
    }
}

#[cfg(test)]
mod tests;
