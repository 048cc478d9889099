//! When people come to a gate: a Poisson process whose rate rises in rush hours.

use std::str::FromStr;
use std::time::Duration;

use rand::Rng;

/// How many rushes a run may have.
pub(super) const RUSHES_MAX: usize = 24;

/// How many times as many people a rush may bring.
const FACTOR_MAX: f64 = 100.0;

/// A stretch of the run in which more people come, or fewer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Rush {
    from: Duration,
    until: Duration,
    factor: f64,
}

impl FromStr for Rush {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = || {
            let (times, factor) = text.split_once('@')?;
            let (from, until) = times.split_once("..")?;
            Some((from, until, factor))
        };
        let (from, until, factor) = parts().ok_or("expected START..END@FACTOR, e.g. 10s..30s@4")?;
        let time = |text| humantime::parse_duration(text).map_err(|error| error.to_string());
        let rush = Self {
            from: time(from)?,
            until: time(until)?,
            factor: factor.parse().map_err(|error| format!("{factor}: {error}"))?,
        };
        if rush.from >= rush.until {
            return Err("a rush ends after it begins".to_owned());
        }
        if !(0.0..=FACTOR_MAX).contains(&rush.factor) {
            return Err(format!("FACTOR must be 0 to {FACTOR_MAX}"));
        }
        Ok(rush)
    }
}

/// How often people come.
#[derive(Clone, Debug)]
pub(super) struct Arrivals {
    /// Without a rush.
    pub per_minute: f64,
    pub rushes: Vec<Rush>,
}

impl Arrivals {
    /// How many times the usual rate holds at a moment: of rushes that overlap the later named.
    fn factor(&self, at: Duration) -> f64 {
        let rush = self.rushes.iter().rev().find(|rush| rush.from <= at && at < rush.until);
        rush.map_or(1.0, |rush| rush.factor)
    }

    /// How many come in a run, on average.
    pub fn expected(&self, duration: Duration) -> f64 {
        let rushes = self.rushes.iter().flat_map(|rush| [rush.from, rush.until]);
        let edges = rushes.chain([Duration::ZERO, duration]).map(|edge| edge.min(duration));
        let mut edges: Vec<Duration> = edges.collect();
        edges.sort_unstable();
        let minutes = |from: Duration, until: Duration| (until - from).as_secs_f64() / 60.0;
        let stretches = edges.iter().zip(edges.iter().skip(1));
        let factors = stretches.map(|(from, until)| minutes(*from, *until) * self.factor(*from));
        self.per_minute * factors.sum::<f64>()
    }

    /// The moments of a run at which somebody comes, by thinning: those of a process of the highest rate, of which each
    /// stays with the chance that its own rate is of that (Lewis and Shedler 1979).
    pub fn draw(&self, rng: &mut impl Rng, duration: Duration) -> Vec<Duration> {
        let highest = self.rushes.iter().map(|rush| rush.factor).fold(1.0, f64::max);
        let mut moments = Vec::new();
        let mut at = 0.0;
        loop {
            // The time between two is exponential; 1 - u is never 0.
            at -= (1.0 - rng.random::<f64>()).ln() * 60.0 / (self.per_minute * highest);
            if at >= duration.as_secs_f64() {
                return moments;
            }
            let moment = Duration::from_secs_f64(at);
            if rng.random::<f64>() * highest < self.factor(moment) {
                moments.push(moment);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    use super::*;

    const HOUR: Duration = Duration::from_secs(3_600);

    fn arrivals(rushes: &[&str]) -> Arrivals {
        let rushes = rushes.iter().map(|text| text.parse().unwrap()).collect();
        Arrivals { per_minute: 30.0, rushes }
    }

    #[test]
    fn as_many_come_as_the_rate_says_and_they_come_by_chance() {
        let moments = arrivals(&[]).draw(&mut StdRng::seed_from_u64(1), 10 * HOUR);
        // 18,000 are expected, give or take five deviations.
        assert!((17_330..=18_670).contains(&moments.len()), "{}", moments.len());
        assert!(moments.is_sorted());
        let gaps: Vec<f64> = moments.windows(2).map(|w| (w[1] - w[0]).as_secs_f64()).collect();
        let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
        let variance = gaps.iter().map(|gap| (gap - mean).powi(2)).sum::<f64>() / gaps.len() as f64;
        // An exponential time deviates by its own mean.
        assert!((variance.sqrt() / mean - 1.0).abs() < 0.05, "{mean} {variance}");
    }

    #[test]
    fn a_rush_brings_its_factor_more_and_none_where_that_is_nothing() {
        let rushes = ["1h..2h@4", "3h..4h@0"];
        let moments = arrivals(&rushes).draw(&mut StdRng::seed_from_u64(2), 4 * HOUR);
        let within = |hour: u32| {
            moments.iter().filter(move |m| hour * HOUR <= **m && **m < (hour + 1) * HOUR)
        };
        let [usual, rush, after, closed] = [0, 1, 2, 3].map(|hour| within(hour).count());
        assert!((1_600..2_000).contains(&usual) && (1_600..2_000).contains(&after), "{usual}");
        assert!((6_800..7_600).contains(&rush), "{rush}");
        assert_eq!(closed, 0);
    }

    #[test]
    fn how_many_are_expected_follows_from_the_rushes_within_the_run() {
        for (rushes, hours, expected) in [
            (&[][..], 10, 18_000.0),
            (&["1h..2h@4", "3h..4h@0"], 4, 10_800.0),
            // Of those that overlap the later named.
            (&["0s..1h@2", "30m..2h@3"], 1, 4_500.0),
            (&["5h..6h@100"], 1, 1_800.0),
        ] {
            let people = arrivals(rushes).expected(hours * HOUR);
            assert!((people - expected).abs() < 1e-6, "{rushes:?}: {people}");
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_arrivals() {
        let draw = |seed| arrivals(&["10s..20s@2"]).draw(&mut StdRng::seed_from_u64(seed), HOUR);
        assert_eq!(draw(3), draw(3));
        assert_ne!(draw(3), draw(4));
    }

    #[test]
    fn what_is_no_rush_is_refused_and_told_why() {
        for (text, why) in [
            ("10s..30s", "expected START..END@FACTOR"),
            ("30s..10s@2", "ends after it begins"),
            ("10s..30s@101", "0 to 100"),
            ("10s..30s@x", "x: "),
            ("10..30s@2", "time unit"),
        ] {
            let error = text.parse::<Rush>().unwrap_err();
            assert!(error.contains(why), "{text}: {error}");
        }
    }
}
