//! How far the rates of all pairs may be off: the people are drawn anew, not the pairs.

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;

use super::{Bootstrap, FMRS, Interval, named};
use crate::domain::{Distance, Threshold};

const RATES: usize = FMRS.len();

/// Matches at the thresholds of [`FMRS`], counted for every person and every two people.
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
}

/// 95 % intervals at the thresholds of [`FMRS`], which stay as they are.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AllPairsIntervals {
    /// Where each true accept rate lies.
    pub tar_at_fmr_interval: BTreeMap<String, Option<Interval>>,
    /// Where the FMR itself lies at the same threshold.
    pub fmr_interval: BTreeMap<String, Option<Interval>>,
    /// How the intervals were drawn.
    pub bootstrap: Bootstrap,
}

impl MatchesByPerson {
    /// Nothing counted yet; `person[i]` is who is in photo `i`, numbered from 0.
    #[must_use]
    pub fn new(thresholds: [Option<Threshold>; RATES], person: &[u32]) -> Self {
        let people = person.iter().max().map_or(0, |last| *last as usize + 1);
        let mut photos = vec![0; people];
        person.iter().for_each(|person| photos[*person as usize] += 1);
        Self { thresholds, photos, genuine: vec![[0; RATES]; people], impostor: HashMap::new() }
    }

    /// Counts a comparison of photos of two people, or of one.
    pub fn add(&mut self, people: [u32; 2], distance: Distance) {
        let matches = self.thresholds.map(|tau| tau.is_some_and(|tau| distance.is_match(tau)));
        if !matches.contains(&true) {
            return;
        }
        let counts = if people[0] == people[1] {
            &mut self.genuine[people[0] as usize]
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
}

fn rates(matches: [u64; RATES], pairs: u64) -> [Option<f64>; RATES] {
    matches.map(|matches| (pairs > 0).then(|| super::share(matches, pairs)))
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
        let mut matches = MatchesByPerson::new(at_1(), &[0, 0, 1, 1, 2]);
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
    fn errors_that_sit_in_one_person_make_the_interval_wide() {
        let people = 50u32;
        let person: Vec<u32> = (0..people).flat_map(|p| [p; 4]).collect();
        let interval = |misses: fn(u32, u32) -> bool| {
            let mut matches = MatchesByPerson::new(at_1(), &person);
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
        let intervals = MatchesByPerson::new(at_1(), &[0, 0, 1]).intervals(Bootstrap::default());
        assert_eq!(intervals.tar_at_fmr_interval["1e-6"], None);
        assert_eq!(intervals.fmr_interval["1e-6"], None);
    }
}
