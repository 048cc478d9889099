//! Resampling, for rates whose comparisons are not independent.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde::Serialize;

use super::Interval;

/// How a bootstrap is drawn. The same seed gives the same intervals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Bootstrap {
    /// How often the data is drawn anew; 0: no intervals.
    pub resamples: usize,
    /// Where the random numbers start.
    pub seed: u64,
}

impl Default for Bootstrap {
    fn default() -> Self {
        Self { resamples: 1000, seed: 1 }
    }
}

impl Bootstrap {
    /// The percentile interval of each of `K` statistics.
    ///
    /// A resample draws `units` units with replacement; `statistics` gets how often each was drawn
    /// and answers none for what that draw cannot show. A statistic that fewer than half of the
    /// resamples show has no interval; neither has one that never varies, as when there is a single
    /// unit or not one error: what errors there may be cannot be drawn from data without any.
    pub fn intervals<const K: usize>(
        self,
        units: usize,
        mut statistics: impl FnMut(&[u32]) -> [Option<f64>; K],
    ) -> [Option<Interval>; K] {
        if units == 0 {
            return [None; K];
        }
        let mut rng = StdRng::seed_from_u64(self.seed);
        let mut drawn = vec![0; units];
        let mut values: [Vec<f64>; K] = std::array::from_fn(|_| Vec::new());
        for _ in 0..self.resamples {
            drawn.fill(0);
            for _ in 0..units {
                drawn[rng.random_range(0..units)] += 1;
            }
            for (values, value) in values.iter_mut().zip(statistics(&drawn)) {
                values.extend(value);
            }
        }
        let shown = values.map(|values| Some(values).filter(|v| 2 * v.len() >= self.resamples));
        shown.map(|values| Interval::percentile(values?).filter(|i| i.low < i.high))
    }
}

/// Numbers the units 0, 1, 2, ... by their first appearance; the count of units comes with it.
pub(super) fn numbered<K: std::hash::Hash + Eq>(
    keys: impl IntoIterator<Item = K>,
) -> (Vec<usize>, usize) {
    let mut numbers = std::collections::HashMap::new();
    let units = keys
        .into_iter()
        .map(|key| {
            let next = numbers.len();
            *numbers.entry(key).or_insert(next)
        })
        .collect();
    (units, numbers.len())
}

#[cfg(test)]
mod tests {
    use super::super::share;
    use super::*;

    fn mean(seed: u64, successes: usize, trials: usize) -> Option<Interval> {
        let [interval] = Bootstrap { resamples: 1000, seed }.intervals(trials, |drawn| {
            let part = drawn[..successes].iter().copied().map(u64::from).sum();
            [Some(share(part, drawn.iter().copied().map(u64::from).sum()))]
        });
        interval
    }

    #[test]
    fn the_same_seed_gives_the_same_interval_and_another_seed_another() {
        assert_eq!(mean(7, 300, 1000), mean(7, 300, 1000));
        assert_ne!(mean(7, 300, 1000), mean(8, 300, 1000));
    }

    #[test]
    fn the_bootstrap_of_a_proportion_comes_close_to_wilsons_interval() {
        let (bootstrap, wilson) =
            (mean(1, 300, 1000).unwrap(), Interval::wilson(300, 1000).unwrap());
        assert!((bootstrap.low - wilson.low).abs() < 0.005, "{bootstrap:?} {wilson:?}");
        assert!((bootstrap.high - wilson.high).abs() < 0.005, "{bootstrap:?} {wilson:?}");
    }

    #[test]
    fn what_most_resamples_cannot_show_and_what_never_varies_has_no_interval() {
        let mut calls = 0;
        let [rare, constant, both] = Bootstrap::default().intervals(5, |_| {
            calls += 1;
            let value = f64::from(calls % 2);
            [(calls % 3 == 0).then_some(value), Some(1.0), Some(value)]
        });
        assert_eq!((rare, constant), (None, None));
        assert_eq!(both, Some(Interval { low: 0.0, high: 1.0 }));
        assert_eq!(mean(1, 1, 1), None);
        assert_eq!(Bootstrap { resamples: 0, seed: 1 }.intervals(5, |_| [Some(1.0)]), [None]);
    }

    #[test]
    fn units_are_numbered_by_first_appearance() {
        assert_eq!(numbered(["b", "a", "b", "c"]), (vec![0, 1, 0, 2], 3));
    }
}
