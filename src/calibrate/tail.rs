//! The distribution of strangers' distances: a fitted tail under u, the data above it.

use super::Gpd;
use super::scores::{BINS, edge};

/// `P(d < x)` for strangers.
pub(super) struct Distribution {
    /// u, as a bin's lower edge.
    pub(super) threshold: usize,
    /// ζ = P(d < u).
    pub(super) share: f64,
    /// The distribution of `u − d` under u.
    pub(super) gpd: Gpd,
    /// At index i the share of the weight in the bins before i.
    below: Vec<f64>,
}

/// `(u − d, weight)` of the bins between the trimmed ones and u, by falling excess.
pub(super) fn excesses(weight: &[f64], trimmed: usize, threshold: usize) -> Vec<(f64, f64)> {
    let u = edge(threshold);
    (trimmed..threshold)
        .filter(|b| weight[*b] > 0.0)
        .map(|b| (u - f64::midpoint(edge(b), edge(b + 1)), weight[b]))
        .collect()
}

impl Distribution {
    /// Fits to the weights of the bins from `trimmed` on; none when nothing lies under u.
    pub(super) fn fit(weight: &[f64], trimmed: usize, threshold: usize) -> Option<Self> {
        let total: f64 = weight[trimmed..].iter().sum();
        let gpd = Gpd::fit(&excesses(weight, trimmed, threshold), edge(threshold))?;
        let mut below = Vec::with_capacity(BINS + 1);
        let mut sum = 0.0;
        for (bin, w) in weight.iter().enumerate() {
            below.push(sum / total);
            sum += if bin < trimmed { 0.0 } else { *w };
        }
        below.push(1.0);
        Some(Self { threshold, share: below[threshold], gpd, below })
    }

    /// `P(d < x)`.
    pub(super) fn rate(&self, x: f64) -> f64 {
        let u = edge(self.threshold);
        if x < u {
            return self.share * self.gpd.survival(u - x);
        }
        let position = (x / edge(1)).clamp(0.0, BINS as f64);
        let bin = (position as usize).min(BINS - 1);
        let (low, high) = (self.below[bin], self.below[bin + 1]);
        low + (position - bin as f64) * (high - low)
    }

    /// The x with `P(d < x) = rate`.
    pub(super) fn distance(&self, rate: f64) -> f64 {
        if rate < self.share {
            let u = edge(self.threshold);
            return u - self.gpd.inverse_survival(rate / self.share);
        }
        let bin = self.below.partition_point(|b| *b < rate).saturating_sub(1).min(BINS - 1);
        let (low, high) = (self.below[bin], self.below[bin + 1]);
        let share = if high > low { (rate - low) / (high - low) } else { 0.0 };
        edge(bin) + share.clamp(0.0, 1.0) * edge(1)
    }
}
