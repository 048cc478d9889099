//! How far the rates of all pairs may be off: the people are drawn anew, not the pairs.

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;

use super::{Bootstrap, FMRS, Interval, RocSummary, named, share};
use crate::domain::{Distance, Threshold};

const RATES: usize = FMRS.len();

/// Matches at the thresholds of [`FMRS`], counted for every person and every two people, and at that of the EER.
///
/// The pairs of one photo, and of one person, err together: an interval that took 5 million pairs for
/// independent would be far too narrow. People are what was sampled, so they are drawn anew, and every
/// pair counts as often as both of its people were drawn (Bolle, Ratha and Pankanti 2004, "Error
/// analysis of pattern recognition systems: the subsets bootstrap", CVIU 93; Poh and Bengio 2007).
#[derive(Clone, Debug)]
pub struct MatchesByPerson {
    thresholds: [Option<Threshold>; RATES],
    /// Photos of each person, with those without a face.
    photos: Vec<u64>,
    /// Pairs of each person's photos that match.
    genuine: Vec<[u64; RATES]>,
    /// Pairs of photos of two people that match; few are.
    impostor: HashMap<[u32; 2], [u64; RATES]>,
    eer_tau: f32,
    /// At the τ of the EER for each person: how many pairs of their photos match, and how many of one of theirs and one of
    /// somebody else's. For each two people these would be too many to keep.
    at_eer: Vec<[u64; 2]>,
}

/// 95 % intervals at the thresholds of [`FMRS`] and of the EER, which stay as they are.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AllPairsIntervals {
    /// Where each true accept rate lies.
    pub tar_at_fmr_interval: BTreeMap<String, Option<Interval>>,
    /// Where the FMR itself lies at the same threshold.
    pub fmr_interval: BTreeMap<String, Option<Interval>>,
    /// Where the mean of FMR and FNMR lies at the threshold of the EER: about where the EER does, as long as the two rates
    /// are about as steep there.
    pub eer_interval: Option<Interval>,
    /// How the intervals were drawn.
    pub bootstrap: Bootstrap,
}

impl MatchesByPerson {
    /// Nothing counted yet, at the thresholds of some figures; `person[i]` is who is in photo `i`, numbered from 0.
    #[must_use]
    pub fn new(figures: &RocSummary, person: &[u32]) -> Self {
        let tau = |name| figures.tau_at_fmr.get(name).copied().flatten();
        Self::at(FMRS.map(|(name, _)| tau(name)), figures.eer_tau, person)
    }

    fn at(thresholds: [Option<Threshold>; RATES], eer_tau: f32, person: &[u32]) -> Self {
        let people = person.iter().max().map_or(0, |last| *last as usize + 1);
        let mut photos = vec![0; people];
        person.iter().for_each(|person| photos[*person as usize] += 1);
        let (genuine, at_eer) = (vec![[0; RATES]; people], vec![[0; 2]; people]);
        Self { thresholds, photos, genuine, impostor: HashMap::new(), eer_tau, at_eer }
    }

    /// Counts a comparison of photos of two people, or of one.
    pub fn add(&mut self, people: [u32; 2], distance: Distance) {
        let [left, right] = people.map(|person| person as usize);
        if distance.value() < self.eer_tau {
            let of_two = usize::from(left != right);
            self.at_eer[left][of_two] += 1;
            self.at_eer[right][of_two] += of_two as u64;
        }
        let matches = self.thresholds.map(|tau| tau.is_some_and(|tau| distance.is_match(tau)));
        if !matches.contains(&true) {
            return;
        }
        let counts = if left == right {
            &mut self.genuine[left]
        } else {
            self.impostor.entry(people).or_default()
        };
        counts.iter_mut().zip(matches).for_each(|(count, matched)| *count += u64::from(matched));
    }

    /// The intervals.
    #[must_use]
    pub fn intervals(&self, bootstrap: Bootstrap) -> AllPairsIntervals {
        let people = self.photos.len();
        let tar = bootstrap.intervals(people, |drawn| self.tar(drawn));
        let fmr = bootstrap.intervals(people, |drawn| self.fmr(drawn));
        AllPairsIntervals {
            tar_at_fmr_interval: named(&FMRS, self.where_there_is_a_threshold(tar)),
            fmr_interval: named(&FMRS, self.where_there_is_a_threshold(fmr)),
            eer_interval: bootstrap.intervals(people, |drawn| [self.eer(drawn)])[0],
            bootstrap,
        }
    }

    fn where_there_is_a_threshold(
        &self,
        intervals: [Option<Interval>; RATES],
    ) -> [Option<Interval>; RATES] {
        std::array::from_fn(|k| self.thresholds[k].and(intervals[k]))
    }

    /// The share of genuine pairs that match, each person `drawn` so many times.
    fn tar(&self, drawn: &[u32]) -> [Option<f64>; RATES] {
        let (mut pairs, mut matches) = (0, [0; RATES]);
        for ((times, photos), matched) in drawn.iter().zip(&self.photos).zip(&self.genuine) {
            let times = u64::from(*times);
            pairs += times * (photos * photos.saturating_sub(1) / 2);
            matches.iter_mut().zip(matched).for_each(|(sum, count)| *sum += times * count);
        }
        rates(matches, pairs)
    }

    /// The share of impostor pairs that match. Two copies of one person are no impostors.
    fn fmr(&self, drawn: &[u32]) -> [Option<f64>; RATES] {
        let weights = || drawn.iter().zip(&self.photos).map(|(times, n)| u64::from(*times) * n);
        let (sum, squares) = (weights().sum::<u64>(), weights().map(|w| w * w).sum::<u64>());
        let pairs = (sum * sum - squares) / 2;
        let mut matches = [0; RATES];
        for ([left, right], matched) in &self.impostor {
            let times = u64::from(drawn[*left as usize]) * u64::from(drawn[*right as usize]);
            matches.iter_mut().zip(matched).for_each(|(sum, count)| *sum += times * count);
        }
        rates(matches, pairs)
    }

    /// The mean of FMR and FNMR at the τ of the EER. A pair of two people who were drawn `s` and `t` times counts `s + t - 1`
    /// times in the place of `s t`, which is the same but for what both being drawn more often adds (the first term of
    /// Hoeffding's decomposition, 1948): so the people's own sums suffice.
    fn eer(&self, drawn: &[u32]) -> Option<f64> {
        let all: u64 = self.photos.iter().sum();
        let (mut pairs, mut matches) = ([0.0; 2], [0.0; 2]);
        for ((times, n), matched) in drawn.iter().zip(&self.photos).zip(&self.at_eer) {
            let there_are = [n * n.saturating_sub(1) / 2, n * (all - n)];
            // A pair of two people is counted with both of them, half of the 1 with either.
            let weights = [f64::from(*times), f64::from(*times) - 0.5];
            for (k, weight) in weights.into_iter().enumerate() {
                pairs[k] += weight * there_are[k] as f64;
                matches[k] += weight * matched[k] as f64;
            }
        }
        if pairs.iter().any(|pairs| *pairs <= 0.0) {
            return None;
        }
        let [tar, fmr] = [0, 1].map(|k| (matches[k] / pairs[k]).clamp(0.0, 1.0));
        Some(fmr.midpoint(1.0 - tar))
    }
}

fn rates(matches: [u64; RATES], pairs: u64) -> [Option<f64>; RATES] {
    matches.map(|matches| (pairs > 0).then(|| share(matches, pairs)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn distance(value: f32) -> Distance {
        Distance::try_from(value).unwrap()
    }

    fn at_1() -> [Option<Threshold>; RATES] {
        let mut thresholds = [None; RATES];
        thresholds[0] = Threshold::try_from(1.0).ok();
        thresholds
    }

    #[test]
    fn a_draw_weighs_each_pair_by_both_of_its_people() {
        // Persons 0 and 1 have two photos, person 2 one.
        let mut matches = MatchesByPerson::at(at_1(), 1.0, &[0, 0, 1, 1, 2]);
        matches.add([0, 0], distance(0.5));
        matches.add([1, 1], distance(1.5));
        matches.add([0, 1], distance(0.9));
        matches.add([0, 2], distance(1.0));
        assert_eq!(matches.tar(&[1, 1, 1])[0], Some(0.5));
        assert_eq!(matches.tar(&[2, 1, 0])[0], Some(2.0 / 3.0));
        // 2·2 + 2·1 + 2·1 pairs; drawn 2, 1, 0: 4 · 2 pairs, of which the one that matches twice.
        assert_eq!(matches.fmr(&[1, 1, 1])[0], Some(1.0 / 8.0));
        assert_eq!(matches.fmr(&[2, 1, 0])[0], Some(2.0 / 8.0));
        assert_eq!(matches.tar(&[0, 0, 3])[0], None, "one photo makes no pair");
    }

    #[test]
    fn the_interval_of_the_eer_is_about_that_of_all_pairs_drawn_with_their_people() {
        let people = 60u32;
        let person: Vec<u32> = (0..people).flat_map(|p| [p; 3]).collect();
        // Some people look like many others, and some have a photo that is like none of theirs.
        let is_near = |left: usize, right: usize| {
            let [p, q] = [person[left], person[right]];
            if p == q { p % 6 != 0 || right % 3 != 2 } else { (p % 7) * (q % 5) > 18 }
        };
        let mut matches = MatchesByPerson::at(at_1(), 1.0, &person);
        for left in 0..person.len() {
            for right in left + 1..person.len() {
                let near = if is_near(left, right) { 0.5 } else { 1.5 };
                matches.add([person[left], person[right]], distance(near));
            }
        }
        let once = vec![1; people as usize];
        let rate = |drawn: &[u32]| {
            let (tar, fmr) = (matches.tar(drawn)[0]?, matches.fmr(drawn)[0]?);
            Some(fmr.midpoint(1.0 - tar))
        };
        assert!((matches.eer(&once).unwrap() - rate(&once).unwrap()).abs() < 1e-12);
        let bootstrap = Bootstrap::default();
        let [of_all] = bootstrap.intervals(people as usize, |drawn| [rate(drawn)]);
        let [linear] = bootstrap.intervals(people as usize, |drawn| [matches.eer(drawn)]);
        let (of_all, linear) = (of_all.unwrap(), linear.unwrap());
        let width = of_all.high - of_all.low;
        assert!((linear.low - of_all.low).abs() < 0.1 * width, "{linear:?} {of_all:?}");
        assert!((linear.high - of_all.high).abs() < 0.1 * width, "{linear:?} {of_all:?}");
    }

    #[test]
    fn errors_that_sit_in_one_person_make_the_interval_wide() {
        let people = 50u32;
        let person: Vec<u32> = (0..people).flat_map(|p| [p; 4]).collect();
        let interval = |misses: fn(u32, u32) -> bool| {
            let mut matches = MatchesByPerson::at(at_1(), 1.0, &person);
            for p in 0..people {
                (0..6).for_each(|pair| {
                    matches.add([p, p], distance(if misses(p, pair) { 1.5 } else { 0.5 }));
                });
            }
            let found = matches.intervals(Bootstrap::default()).tar_at_fmr_interval["1e-3"];
            let found = found.unwrap();
            found.high - found.low
        };
        // 30 misses each: all pairs of five people, or one pair of thirty people.
        assert!(interval(|p, _| p < 5) > 1.8 * interval(|p, pair| p < 30 && pair == 0));
    }

    #[test]
    fn a_rate_without_a_threshold_has_no_interval() {
        let intervals = MatchesByPerson::at(at_1(), 1.0, &[0, 0, 1]);
        let intervals = intervals.intervals(Bootstrap::default());
        assert_eq!(intervals.tar_at_fmr_interval["1e-6"], None);
        assert_eq!(intervals.fmr_interval["1e-6"], None);
    }
}
