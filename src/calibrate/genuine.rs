//! Fits the false non-match rate.

use super::FitError;
use super::impostor::{four_digits, round};
use super::scores::{BINS, bin, edge};
use crate::domain::Distance;
use crate::domain::risk::{Curve, Genuine};

/// Distances between photos of the same person. A person weighs 1, however many photos there are.
#[derive(Clone, Debug)]
pub struct GenuineScores {
    people: u64,
    pairs: u64,
    weight: Vec<f64>,
}

impl Default for GenuineScores {
    fn default() -> Self {
        Self { people: 0, pairs: 0, weight: vec![0.0; BINS] }
    }
}

impl GenuineScores {
    /// Takes in all distances between the photos of one person.
    pub fn push_person(&mut self, distances: &[Distance]) {
        self.people += u64::from(!distances.is_empty());
        self.pairs += distances.len() as u64;
        for distance in distances {
            self.weight[bin(*distance)] += 1.0 / distances.len() as f64;
        }
    }

    /// The empirical FNMR. No tail is fitted: wrong labels live in it, and it decides comfort, not
    /// safety. The curve ends at one in the number of people; no lower rate is claimed.
    pub(super) fn fit(&self) -> Result<Genuine, FitError> {
        if self.people == 0 {
            return Err(FitError::NoGenuine);
        }
        let people = self.people as f64;
        // At index i the FNMR of a τ at the lower edge of bin i.
        let mut at_least = vec![0.0; BINS + 1];
        for bin in (0..BINS).rev() {
            at_least[bin] = at_least[bin + 1] + self.weight[bin] / people;
        }
        let tail = (0..60).map(|i| 0.5 * 10f64.powf(-f64::from(i) / 12.0));
        let rates = [0.999, 0.99, 0.97, 0.95, 0.9, 0.8, 0.7, 0.6].into_iter().chain(tail);
        let mut knots = vec![[0.0, 1.0]];
        for rate in rates.filter(|rate| *rate >= 1.0 / people) {
            let bin = at_least.partition_point(|r| *r > rate);
            let distance = round(edge(bin), 1e5);
            if distance > knots[knots.len() - 1][0] && distance < 4.0 {
                knots.push([distance, four_digits(rate, f64::round)]);
            }
        }
        knots.push([4.0, four_digits((1.0 / people).min(knots[knots.len() - 1][1]), f64::ceil)]);
        let fnmr = Curve::try_from(knots).map_err(|e| FitError::Invalid(e.into()))?;
        Ok(Genuine { people: self.people, pairs: self.pairs, fnmr })
    }
}
