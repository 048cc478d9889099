//! What a stated risk costs, or why it cannot be had.

use super::{Calibration, Request, Search, Traffic};
use crate::domain::Threshold;

/// A threshold and what follows from it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Offer {
    /// τ.
    pub tau: Threshold,
    /// The chance that one comparison with a stranger matches; an upper confidence bound.
    pub fmr: f64,
    /// The chance that a stranger's attempt matches anybody, from `fmr`; at most what was asked.
    pub fpir: f64,
    /// The share of enrolled people's frames that fail: no face found, or no match. Further photos
    /// of a person can only help; how much is not claimed.
    pub fnir: f64,
    /// Strangers let in, a year of 365 days; at most.
    pub false_entries_per_year: f64,
    /// Attempts of enrolled people that fail, a day.
    pub honest_retries_per_day: f64,
}

/// Why there is no offer.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum RefusalReason {
    /// The data do not tell errors this rare.
    #[error(
        "it needs a false match rate of {needed:.1e} for each comparison, \
         and the calibration's data support none under {floor:.1e}"
    )]
    BelowFloor {
        /// The FMR that the request needs.
        needed: f64,
        /// The smallest that the data support.
        floor: f64,
    },
    /// The encoder would turn away too many enrolled people.
    #[error(
        "at this risk {:.1} % of the attempts of enrolled people would fail, \
         more than the {:.1} % that are accepted", fnir * 100.0, max_fnir * 100.0
    )]
    TooManyMisses {
        /// The expected FNIR.
        fnir: f64,
        /// The limit.
        max_fnir: f64,
    },
}

/// What would be possible instead; none where nothing is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Alternatives {
    /// A badge first, then one comparison with its owner, at the same risk.
    pub badge: Option<Offer>,
    /// The most people that can be searched at this risk.
    pub largest_gallery: Option<u32>,
    /// The smallest risk at which this gallery can be searched.
    pub smallest_fpir: Option<f64>,
}

/// A request that the encoder cannot support.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[error("the encoder cannot support this request: {reason}")]
pub struct Refusal {
    /// Why.
    pub reason: RefusalReason,
    /// The ways out.
    pub alternatives: Alternatives,
}

impl RefusalReason {
    /// The stable code.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::BelowFloor { .. } => "below_floor",
            Self::TooManyMisses { .. } => "too_many_misses",
        }
    }
}

impl Calibration {
    /// The threshold for a request that passed [`Request::check`].
    ///
    /// # Errors
    /// When the data do not support errors this rare, or too many enrolled people would fail.
    pub fn offer(&self, request: &Request) -> Result<Offer, Refusal> {
        self.threshold(request).map_err(|reason| {
            let alternatives = self.alternatives(request);
            Refusal { reason, alternatives }
        })
    }

    fn threshold(&self, request: &Request) -> Result<Offer, RefusalReason> {
        let needed = request.search.fmr(request.max_fpir);
        let floor = self.floor();
        let tau = self.tau_for_fmr(needed).ok_or(RefusalReason::BelowFloor { needed, floor })?;
        let offer = self.consequences(tau, request.search, request.traffic);
        let (fnir, max_fnir) = (offer.fnir, request.max_fnir);
        let bearable = fnir <= max_fnir; // false for NaN, too
        if !bearable {
            return Err(RefusalReason::TooManyMisses { fnir, max_fnir });
        }
        // More by rounding alone.
        let fpir = offer.fpir.min(request.max_fpir);
        Ok(Offer { fpir, false_entries_per_year: a_year(fpir, request.traffic), ..offer })
    }

    /// What follows from a τ, whether anybody would accept it or not.
    #[must_use]
    pub fn consequences(&self, tau: Threshold, search: Search, traffic: Traffic) -> Offer {
        let (fmr, fnir) = (self.fmr(tau), self.fnir(tau));
        let fpir = search.fpir(fmr);
        Offer {
            tau,
            fmr,
            fpir,
            fnir,
            false_entries_per_year: a_year(fpir, traffic),
            honest_retries_per_day: fnir * traffic.mated_per_day,
        }
    }

    fn alternatives(&self, request: &Request) -> Alternatives {
        let with = |people| Request { search: Search { people }, ..*request };
        let fits = |people| self.threshold(&with(people)).is_ok();
        let smallest_fpir = self.smallest_fmr(request.max_fnir).map(|p| request.search.fpir(p));
        Alternatives {
            badge: self.threshold(&with(1)).ok(),
            largest_gallery: largest(request.search.people, fits),
            smallest_fpir: smallest_fpir.filter(|fpir| *fpir < 1.0),
        }
    }

    /// The smallest FMR that the data support and at which no more than `max_fnir` fail.
    fn smallest_fmr(&self, max_fnir: f64) -> Option<f64> {
        let knots = self.impostor.fmr_bound.knots();
        let (mut low, mut high) = (knots[0][0] as f32, 4f32);
        let fits = |tau| Threshold::try_from(tau).is_ok_and(|tau| self.fnir(tau) <= max_fnir);
        if !fits(high) {
            return None;
        }
        for _ in 0..32 {
            let middle = f32::midpoint(low, high);
            if fits(middle) { high = middle } else { low = middle }
        }
        // A hair more than the bound, so that asking for it again is not lost to rounding.
        Some(self.fmr(Threshold::try_from(high).ok()?) * (1.0 + 1e-6))
    }
}

/// Strangers who are let in, a year.
fn a_year(fpir: f64, traffic: Traffic) -> f64 {
    fpir * traffic.non_mated_per_day * 365.0
}

/// The largest number under `end` that fits, where every number under one that fits does, too.
fn largest(end: u32, fits: impl Fn(u32) -> bool) -> Option<u32> {
    if !fits(1) {
        return None;
    }
    let (mut good, mut bad) = (1, end.max(2));
    while bad - good > 1 {
        let middle = good + (bad - good) / 2;
        if fits(middle) { good = middle } else { bad = middle }
    }
    Some(good)
}
