//! How steps follow each other, as every training is told.

use clap::Args;

use crate::train::{Decay, Pace, Schedule, Towards};

#[derive(Debug, Args)]
pub(super) struct PaceArguments {
    /// Steps of the run [default: by what is learnt].
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    steps: Option<u64>,
    /// The highest learning rate: it rises over --warm-up steps and falls along half a cosine [default: by what is learnt].
    #[arg(long, value_parser = super::rate)]
    rate: Option<f64>,
    /// Steps of the rise.
    #[arg(long, default_value_t = 50)]
    warm_up: u64,
    /// How much of the way back to where they began weights go by themselves, times the learning rate; to zero where they
    /// began with nothing [default: by what is learnt].
    #[arg(long, value_parser = decay)]
    weight_decay: Option<f64>,
    /// Steps from one look at the validation people to the next; the state is kept each time.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u64).range(1..))]
    interval: u64,
    /// Looks without a better one after which training stops; 0: never.
    #[arg(long, default_value_t = 8)]
    patience: u64,
}

/// What holds where nothing is said.
pub(super) struct Usual {
    pub steps: u64,
    pub rate: f64,
    pub decay: f64,
}

impl PaceArguments {
    pub fn pace(&self, seed: u64, usual: &Usual, towards: Towards) -> Pace {
        let steps = self.steps.unwrap_or(usual.steps);
        Pace {
            seed,
            schedule: Schedule {
                rate: self.rate.unwrap_or(usual.rate),
                warm_up: self.warm_up.min(steps - 1),
                steps,
            },
            decay: Decay { weight: self.weight_decay.unwrap_or(usual.decay), towards },
            interval: self.interval,
            patience: self.patience,
        }
    }
}

fn decay(text: &str) -> Result<f64, String> {
    super::within(text, 0.0, 10_000.0)
}
