//! A threshold swept over counted or listed comparisons.

use std::cmp::Ordering;

use crate::domain::Distance;

use super::DistanceCounts;

/// The smallest τ there is: the least number over 0.
const TAU_MIN: f32 = f32::from_bits(1);
/// The largest.
const TAU_MAX: f32 = 4.0;

/// Comparisons that every threshold treats alike: equal distances, or those of one cell.
#[derive(Clone, Copy, Debug)]
struct Step {
    /// The largest τ at which none of them matches.
    last_out: f32,
    /// The smallest τ at which all of them match.
    first_in: f32,
    genuine: u64,
    impostor: u64,
}

/// Genuine and impostor comparisons in the order of their distance.
#[derive(Clone, Debug, Default)]
pub(super) struct Sweep {
    steps: Vec<Step>,
    /// Genuine comparisons, with those that could not be made.
    pub genuine: u64,
    /// Impostor comparisons, with those that could not be made.
    pub impostor: u64,
}

/// A range of thresholds that decide every comparison alike.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Plateau {
    /// Genuine comparisons that match.
    pub true_matches: u64,
    /// Impostor comparisons that match.
    pub false_matches: u64,
    /// The smallest τ of the range; over 0.
    pub low: f32,
    /// The largest; at most 4.
    pub high: f32,
}

impl Plateau {
    /// Every threshold, with no comparison that matches.
    pub const NOTHING_MATCHES: Self =
        Self { true_matches: 0, false_matches: 0, low: TAU_MIN, high: TAU_MAX };

    /// The middle of the range: as far as can be from deciding otherwise.
    pub fn middle(&self) -> f32 {
        self.low.midpoint(self.high)
    }
}

/// Orders distances; those that are absent come last.
pub(super) fn by_distance(left: Option<Distance>, right: Option<Distance>) -> Ordering {
    let value = |d: Option<Distance>| d.map_or(f32::INFINITY, Distance::value);
    value(left).total_cmp(&value(right))
}

impl Sweep {
    /// Sweeps over counted comparisons.
    pub fn from_counts(genuine: &DistanceCounts, impostor: &DistanceCounts) -> Self {
        let step = |(last_out, first_in, genuine, impostor)| Step {
            last_out,
            first_in,
            genuine,
            impostor,
        };
        let steps = genuine.occupied(impostor).map(step).collect();
        Self { steps, genuine: genuine.total(), impostor: impostor.total() }
    }

    /// Sweeps over listed comparisons: the distance, whether it is genuine, and how often it counts.
    /// They must come in the order of [`by_distance`].
    pub fn from_sorted(
        comparisons: impl IntoIterator<Item = (Option<Distance>, bool, u64)>,
    ) -> Self {
        let mut sweep = Self::default();
        for (distance, same, weight) in comparisons {
            let (genuine, impostor) = if same { (weight, 0) } else { (0, weight) };
            sweep.genuine += genuine;
            sweep.impostor += impostor;
            let Some(value) = distance.map(Distance::value).filter(|_| weight > 0) else {
                continue;
            };
            match sweep.steps.last_mut() {
                Some(step) if step.last_out >= value => {
                    step.genuine += genuine;
                    step.impostor += impostor;
                }
                _ => {
                    let first_in = value.next_up();
                    sweep.steps.push(Step { last_out: value, first_in, genuine, impostor });
                }
            }
        }
        sweep
    }

    /// Every range of thresholds, from the one that matches least to the one that matches most.
    pub fn plateaus(&self) -> impl Iterator<Item = Plateau> + '_ {
        let first = Plateau::NOTHING_MATCHES;
        let later = self.steps.iter().scan(first, |plateau, step| {
            plateau.true_matches += step.genuine;
            plateau.false_matches += step.impostor;
            plateau.low = step.first_in;
            Some(*plateau)
        });
        let highs = self.steps.iter().map(|step| step.last_out).chain([TAU_MAX]);
        std::iter::once(first)
            .chain(later)
            .zip(highs)
            .map(|(plateau, high)| Plateau { high, ..plateau })
            // No τ rejects a distance of 0 or accepts one of 4.
            .filter(|plateau| plateau.low <= plateau.high)
    }

    /// The range that decides the fewest comparisons wrongly; of equals the widest, then the lowest.
    pub fn fewest_errors(&self) -> Plateau {
        let errors = |p: &Plateau| p.false_matches + (self.genuine - p.true_matches);
        let width = |p: &Plateau| p.high - p.low;
        let best = self.plateaus().reduce(|best, next| {
            let order = errors(&next).cmp(&errors(&best));
            let wider = width(&next) > width(&best);
            if order.is_lt() || (order.is_eq() && wider) { next } else { best }
        });
        best.unwrap_or(Plateau::NOTHING_MATCHES)
    }

    /// The area under the ROC curve: the chance that a genuine comparison is nearer than an impostor
    /// one, a tie counting half (Mann and Whitney 1947; Hanley and `McNeil` 1982). Comparisons that
    /// could not be made are tied beyond every distance. Neither class may be empty.
    pub fn auc(&self) -> f64 {
        let (mut nearer, mut impostor, mut halves) = (0u64, 0u64, 0u128);
        for step in &self.steps {
            halves += u128::from(step.impostor) * u128::from(2 * nearer + step.genuine);
            nearer += step.genuine;
            impostor += step.impostor;
        }
        halves += u128::from(self.impostor - impostor) * u128::from(nearer + self.genuine);
        let pairs = u128::from(self.genuine) * u128::from(self.impostor);
        #[allow(clippy::cast_precision_loss, reason = "a share needs no more than 53 bits")]
        let area = halves as f64 / (2 * pairs) as f64;
        area
    }

    /// Comparisons that could not be made.
    pub fn undetected(&self) -> u64 {
        let made: u64 = self.steps.iter().map(|step| step.genuine + step.impostor).sum();
        self.genuine + self.impostor - made
    }
}
