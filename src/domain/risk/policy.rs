//! Where τ comes from: the risk that is accepted, or a number that somebody fixed.

use super::{Calibration, Search};
use crate::domain::Threshold;

/// What is configured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AcceptedRisk {
    /// 1:1: the highest chance that a stranger with somebody's badge matches its owner; over 0,
    /// under 1.
    pub max_fmr: f64,
    /// 1:N: the highest chance that a stranger matches anybody; over 0, under 1.
    pub max_fpir: f64,
    /// A fixed τ of 1:1, whatever the risk.
    pub verify_threshold: Option<Threshold>,
    /// A fixed τ of 1:N, whatever the risk.
    pub recognize_threshold: Option<Threshold>,
}

/// The accepted risk with the calibration that turns it into τ.
#[derive(Clone, Debug, PartialEq)]
pub struct RiskPolicy {
    risk: AcceptedRisk,
    calibration: Option<Calibration>,
}

/// τ, and whether the data behind it support the risk that was asked for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tau {
    /// τ.
    pub threshold: Threshold,
    /// False where τ is an extrapolation beyond what the calibration's data can show.
    pub supported: bool,
}

/// Without a calibration there is no way from a risk to τ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "there is no calibration from which τ could follow: make one with `limen calibrate` and name it \
     as `calibration` in [matching], or fix both verify_threshold and recognize_threshold there"
)]
pub struct NoCalibration;

/// The FMR at which each of several frames must show whom all of them show.
const FRAME_FMR: f64 = 0.01;

impl RiskPolicy {
    /// The policy of a risk.
    ///
    /// # Errors
    /// When a τ is not fixed and there is no calibration to derive it from.
    pub fn new(
        risk: AcceptedRisk,
        calibration: Option<Calibration>,
    ) -> Result<Self, NoCalibration> {
        let fixed = risk.verify_threshold.is_some() && risk.recognize_threshold.is_some();
        if calibration.is_none() && !fixed {
            return Err(NoCalibration);
        }
        Ok(Self { risk, calibration })
    }

    /// What is accepted.
    #[must_use]
    pub fn risk(&self) -> &AcceptedRisk {
        &self.risk
    }

    /// What τ is derived from, where it is not fixed.
    #[must_use]
    pub fn calibration(&self) -> Option<&Calibration> {
        self.calibration.as_ref()
    }

    /// τ of a comparison with one person.
    #[must_use]
    pub fn verify(&self) -> Tau {
        self.tau(self.risk.verify_threshold, self.risk.max_fmr)
    }

    /// τ of a search among so many people: it falls as the gallery grows. In a small gallery a
    /// comparison is as strict as 1:1, however much risk is accepted.
    #[must_use]
    pub fn recognize(&self, people: usize) -> Tau {
        self.recognize_beside(people, people)
    }

    /// τ of a search among `people`, beside which another model searches among others, `all` of them together. Each
    /// search has its people's share of the accepted risk, so that the chances of the two add up to it: a stranger is
    /// taken for somebody by one or the other with no more than their sum, however the two depend on each other.
    #[must_use]
    pub fn recognize_beside(&self, people: usize, all: usize) -> Tau {
        let (people, all) = (people.max(1), all.max(people).max(1));
        let share = self.risk.max_fpir * people as f64 / all as f64;
        let people = u32::try_from(people).unwrap_or(u32::MAX);
        let needed = Search { people }.fmr(share).min(self.risk.max_fmr);
        self.tau(self.risk.recognize_threshold, needed)
    }

    /// What each of several frames must stay under by itself where the mean of their distances must stay under `tau`: at
    /// an FMR of 1 %, which a frame of somebody else keeps to once in a hundred, and never stricter than `tau`.
    #[must_use]
    pub fn of_each_frame(&self, tau: Threshold) -> Threshold {
        let each = self.calibration.as_ref().and_then(|found| found.tau_for_fmr(FRAME_FMR));
        each.filter(|each| *each > tau).unwrap_or(tau)
    }

    /// τ that would follow for a search if `max_fpir` were accepted, and whether a comparison of it is held to the
    /// stricter risk of 1:1; none without a calibration.
    #[must_use]
    pub fn recognize_at(&self, search: Search, max_fpir: f64) -> Option<(Tau, bool)> {
        let needed = search.fmr(max_fpir);
        let tau = self.derived(needed.min(self.risk.max_fmr))?;
        Some((tau, needed > self.risk.max_fmr))
    }

    fn tau(&self, fixed: Option<Threshold>, needed: f64) -> Tau {
        match fixed {
            Some(threshold) => Tau { threshold, supported: true },
            // `new` makes sure that one of both is there; nothing matches otherwise.
            None => self
                .derived(needed)
                .unwrap_or(Tau { threshold: Threshold::SMALLEST, supported: false }),
        }
    }

    fn derived(&self, needed: f64) -> Option<Tau> {
        let calibration = self.calibration.as_ref()?;
        Some(match calibration.tau_for_fmr(needed) {
            Some(threshold) => Tau { threshold, supported: true },
            None => Tau { threshold: calibration.extrapolated(needed), supported: false },
        })
    }
}

impl Calibration {
    /// τ for a rate under the floor: the fitted tail, scaled so that it meets the bound at the floor.
    /// Nothing is promised of it; it only goes on falling as the rate does.
    fn extrapolated(&self, fmr: f64) -> Threshold {
        let tail = &self.impostor.tail;
        let [floor_distance, floor] = self.impostor.fmr_bound.knots()[0];
        // P(d < x) = ζ (1 + ξ (u − x) / σ)^(−1/ξ), exponential where ξ is 0 (Pickands 1975).
        let excess = tail.threshold - floor_distance;
        let flat = tail.shape.abs() < 1e-9;
        let grown = if flat { 0.0 } else { (tail.shape * excess / tail.scale).max(-1.0).ln_1p() };
        let at_floor = if flat { -excess / tail.scale } else { -grown / tail.shape };
        let wanted = at_floor + (fmr / floor).ln();
        let excess = if flat {
            -wanted * tail.scale
        } else {
            (-wanted * tail.shape).exp_m1() / tail.shape * tail.scale
        };
        let distance = (tail.threshold - excess).min(floor_distance) as f32;
        Threshold::try_from(distance).unwrap_or(Threshold::SMALLEST)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::tests::calibration;
    use super::*;

    fn policy(max_fpir: f64) -> RiskPolicy {
        let risk = AcceptedRisk {
            max_fmr: 1e-4,
            max_fpir,
            verify_threshold: None,
            recognize_threshold: None,
        };
        RiskPolicy::new(risk, Some(calibration())).unwrap()
    }

    #[test]
    fn a_fixed_threshold_wins_and_without_both_a_calibration_is_needed() {
        let fixed = Threshold::try_from(0.7).ok();
        let risk = AcceptedRisk { recognize_threshold: fixed, ..*policy(0.01).risk() };
        assert_eq!(RiskPolicy::new(risk, None), Err(NoCalibration));
        let policy = RiskPolicy::new(risk, Some(calibration())).unwrap();
        assert_eq!(Some(policy.recognize(1_000_000).threshold), fixed);
        let both = AcceptedRisk { verify_threshold: fixed, ..risk };
        assert_eq!(Some(RiskPolicy::new(both, None).unwrap().verify().threshold), fixed);
    }

    #[test]
    fn beyond_the_data_the_threshold_goes_on_falling_and_is_said_to_be_unsupported() {
        let policy = policy(0.01);
        let (last, beyond) = (policy.recognize(10_000), policy.recognize(11_000));
        assert!(last.supported && !beyond.supported);
        assert!(beyond.threshold < last.threshold, "{beyond:?} {last:?}");
        // Continuous where the data end: a tenth more people costs little.
        assert!(last.threshold.value() - beyond.threshold.value() < 0.05);
    }

    #[test]
    fn a_search_in_a_small_gallery_is_no_more_lenient_than_a_comparison() {
        let policy = policy(0.01);
        assert_eq!(policy.recognize(0), policy.verify());
        assert_eq!(policy.recognize(50), policy.verify());
        assert!(policy.recognize(200).threshold < policy.verify().threshold);
    }

    #[test]
    fn what_another_risk_would_give_is_what_its_policy_gives() {
        for (max_fpir, people) in [(0.01, 200), (0.01, 5), (1e-6, 10_000)] {
            let (tau, is_limited) =
                policy(0.3).recognize_at(Search { people }, max_fpir).expect("a calibration");
            assert_eq!(tau, policy(max_fpir).recognize(people as usize));
            assert_eq!(is_limited, people == 5);
        }
    }

    proptest! {
        #[test]
        fn the_chances_of_two_searches_beside_each_other_add_up_to_the_accepted_one(
            one in 0usize..5_000, other in 0usize..5_000, max_fpir in 1e-3f64..0.5
        ) {
            let policy = policy(max_fpir);
            let chance = |people: usize| {
                let tau = policy.recognize_beside(people, one + other);
                let fmr = calibration().fmr(tau.threshold);
                let search = Search { people: people as u32 };
                if people == 0 { 0.0 } else { search.fpir(fmr) }
            };
            let supported = [one, other]
                .iter()
                .all(|people| policy.recognize_beside(*people, one + other).supported);
            prop_assume!(supported);
            prop_assert!(chance(one) + chance(other) <= max_fpir * (1.0 + 1e-9));
            prop_assert!(
                policy.recognize_beside(one, one + other).threshold
                    <= policy.recognize(one).threshold
            );
        }

        #[test]
        fn the_threshold_never_rises_as_the_gallery_grows(
            a in 0usize..10_000_000, b in 0usize..10_000_000, max_fpir in 1e-6f64..0.5
        ) {
            let policy = policy(max_fpir);
            let (fewer, more) = (policy.recognize(a.min(b)), policy.recognize(a.max(b)));
            prop_assert!(fewer.threshold >= more.threshold);
            prop_assert!(more.threshold.value() > 0.0);
        }
    }
}
