//! Error rates of a threshold, and thresholds of an error rate.

use super::Calibration;
use crate::domain::Threshold;

/// What one attempt is compared with: every person is another chance to err. The photos of a person
/// are one template, and the frames of an attempt must all match, so neither adds a chance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Search {
    /// Enrolled people; 1 for a comparison with a badge's owner.
    pub people: u32,
}

impl Search {
    /// Comparisons of one attempt; at least 1.
    #[must_use]
    pub fn comparisons(self) -> f64 {
        f64::from(self.people).max(1.0)
    }

    /// `1 − (1 − p)^n`: the chance that a stranger matches anybody. It assumes comparisons to be
    /// independent; those of one face are not, which can only make the true chance smaller
    /// (Jensen's inequality over faces: `1 − (1 − p)^n` is concave in p).
    #[must_use]
    pub fn fpir(self, fmr: f64) -> f64 {
        -(self.comparisons() * (-fmr).ln_1p()).exp_m1()
    }

    /// The chance that is accepted where a comparison is as strict as 1:1 as well, however much risk is: of `max_fpir` and
    /// what `max_fmr` comes to, the less.
    #[must_use]
    pub fn limited(self, max_fpir: f64, max_fmr: f64) -> f64 {
        max_fpir.min(self.fpir(max_fmr))
    }

    /// The FMR that makes the chance `fpir`: the inverse of [`Self::fpir`].
    #[must_use]
    pub fn fmr(self, fpir: f64) -> f64 {
        -((-fpir).ln_1p() / self.comparisons()).exp_m1()
    }
}

impl Calibration {
    /// The FMR that is promised at `tau`: its upper confidence bound, never under the floor.
    #[must_use]
    pub fn fmr(&self, tau: Threshold) -> f64 {
        self.impostor.fmr_bound.rate(f64::from(tau.value()))
    }

    /// The FNMR at `tau`.
    #[must_use]
    pub fn fnmr(&self, tau: Threshold) -> f64 {
        self.genuine.fnmr.rate(f64::from(tau.value()))
    }

    /// The share of attempts of enrolled people that fail at `tau`: no face found, or no match
    /// (ISO/IEC 19795-1, 8.4: `FTA + FNMR (1 − FTA)`).
    #[must_use]
    pub fn fnir(&self, tau: Threshold) -> f64 {
        let fta = self.data.failures_to_acquire as f64 / self.data.photos as f64;
        fta + self.fnmr(tau) * (1.0 - fta)
    }

    /// The smallest FMR that the data support.
    #[must_use]
    pub fn floor(&self) -> f64 {
        self.impostor.fmr_bound.lowest_rate()
    }

    /// The largest τ whose promised FMR is at most `max_fmr`; none under the floor.
    #[must_use]
    pub fn tau_for_fmr(&self, max_fmr: f64) -> Option<Threshold> {
        let mut tau = self.impostor.fmr_bound.distance(max_fmr)? as f32;
        // Rounding to f32 may overshoot by one step, never by more than a few.
        for _ in 0..4 {
            let threshold = Threshold::try_from(tau).ok()?;
            if self.fmr(threshold) <= max_fmr {
                return Some(threshold);
            }
            tau = tau.next_down();
        }
        None
    }

    /// Where the detection error trade-off (DET) is drawn: at most `points` thresholds by rising τ, evenly spaced in
    /// the logarithm of the FMR from the smallest that the data support to 1.
    #[must_use]
    pub fn det(&self, points: u16) -> Vec<Threshold> {
        let (floor, last) = (self.floor(), f64::from(points.max(2) - 1));
        let rates = (0..points).map(|point| floor.powf(1.0 - f64::from(point) / last).max(floor));
        let mut thresholds: Vec<_> = rates.filter_map(|rate| self.tau_for_fmr(rate)).collect();
        // Where the curve is flat, several rates have one.
        thresholds.dedup();
        thresholds
    }

    /// The largest τ at which a stranger matches anybody of the gallery with a chance of at most
    /// `max_fpir`; none when that needs an FMR under the floor.
    #[must_use]
    pub fn tau_for_fpir(&self, max_fpir: f64, search: Search) -> Option<Threshold> {
        self.tau_for_fmr(search.fmr(max_fpir))
    }
}
