//! How fast is learnt, by step.

use serde::{Deserialize, Serialize};

/// A rise in a straight line, then a fall along half a cosine (Loshchilov and Hutter: "SGDR", ICLR 2017, equation 5).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Schedule {
    /// The highest rate.
    pub rate: f64,
    /// Steps of the rise.
    pub warm_up: u64,
    /// All steps.
    pub steps: u64,
}

impl Schedule {
    /// The rate of a step, from 0.
    #[must_use]
    pub fn rate(&self, step: u64) -> f64 {
        if step < self.warm_up {
            return self.rate * (step + 1) as f64 / self.warm_up as f64;
        }
        let fall = self.steps.saturating_sub(self.warm_up).max(1);
        let done = ((step - self.warm_up) as f64 / fall as f64).min(1.0);
        self.rate * 0.5 * (1.0 + (std::f64::consts::PI * done).cos())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_rises_to_the_rate_and_falls_to_nothing() {
        let schedule = Schedule { rate: 0.1, warm_up: 10, steps: 110 };
        assert!((schedule.rate(0) - 0.01).abs() < 1e-12);
        assert!((schedule.rate(9) - 0.1).abs() < 1e-12 && (schedule.rate(10) - 0.1).abs() < 1e-12);
        assert!((schedule.rate(60) - 0.05).abs() < 1e-12);
        assert!(schedule.rate(110) < 1e-12 && schedule.rate(1_000) < 1e-12);
    }
}
