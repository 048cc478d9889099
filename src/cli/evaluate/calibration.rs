//! `limen evaluate calibration`: does a promised FPIR hold on other people?

use clap::Args;
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use serde::Serialize;

use super::people::People;
use super::{Crop, Source};
use crate::cli::calibrate::calibration_of;
use crate::config::Config;
use crate::domain::risk::Search;
use crate::evaluate::protocol::fpir;

#[derive(Debug, Args)]
pub(in crate::cli) struct CalibrationArguments {
    #[command(flatten)]
    source: Source,
    #[command(flatten)]
    crop: Crop,
    /// How often the people are split into two halves: one calibrates, the other is searched.
    #[arg(long, value_name = "N", default_value_t = 40, value_parser = clap::value_parser!(u32).range(2..=1_000))]
    splits: u32,
    /// People that are searched among; may be given several times.
    #[arg(long = "gallery", value_name = "PEOPLE", default_values_t = [30, 100, 300])]
    galleries: Vec<u32>,
    /// The FPIR that is promised.
    #[arg(long, value_name = "RATE", default_value_t = 0.01)]
    fpir: f64,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// How the measured FPIR relates to the promised one, over all splits.
#[derive(Debug, Serialize)]
struct Held {
    gallery: u32,
    promised_fpir: f64,
    /// Splits in which the promise was made; in the others the data did not support it.
    offered: usize,
    /// Measured over promised, the median.
    median: Option<f64>,
    /// The 5 % and 95 % quantiles.
    low: Option<f64>,
    high: Option<f64>,
    /// Splits in which the measured FPIR was more than twice the promised one.
    over_twice: usize,
}

pub(super) fn run(config: &Config, arguments: &CalibrationArguments) -> anyhow::Result<()> {
    anyhow::ensure!(arguments.fpir > 0.0 && arguments.fpir < 1.0, "--fpir must be over 0, under 1");
    let all = People::look_at(config, &arguments.source, arguments.crop)?;
    let (people, model) = (&all.people, all.photos.profile().model.clone());

    let mut ratios: Vec<Vec<f64>> = vec![Vec::new(); arguments.galleries.len()];
    for split in 0..arguments.splits {
        let mut order: Vec<usize> = (0..people.len()).collect();
        order.shuffle(&mut StdRng::seed_from_u64(split.into()));
        let (seen, unseen) = order.split_at(people.len() / 2);
        let half = |of: &[usize]| all.labelled_of(of.iter().map(|n| &people[*n]));
        let calibration = calibration_of(model.clone(), "half", &half(seen))?;
        let unseen = half(unseen);
        for (people, ratios) in arguments.galleries.iter().zip(&mut ratios) {
            let search = Search { people: *people };
            let Some(tau) = calibration.tau_for_fpir(arguments.fpir, search) else { continue };
            let measured = fpir(&unseen.person, &unseen.template, tau, *people as usize)?;
            ratios.extend(measured.map(|measured| measured / arguments.fpir));
        }
    }
    let held: Vec<Held> = arguments
        .galleries
        .iter()
        .zip(ratios)
        .map(|(gallery, ratios)| Held::of(*gallery, arguments.fpir, ratios))
        .collect();
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&held)?);
    } else {
        println!("measured FPIR over the promised {} on unseen people:", arguments.fpir);
        for held in held {
            println!("{held}");
        }
    }
    Ok(())
}

impl Held {
    fn of(gallery: u32, promised_fpir: f64, mut ratios: Vec<f64>) -> Self {
        ratios.sort_by(f64::total_cmp);
        let at = |share: f64| {
            let last = ratios.len().checked_sub(1)?;
            ratios.get((share * last as f64).round() as usize).copied()
        };
        Self {
            gallery,
            promised_fpir,
            offered: ratios.len(),
            median: at(0.5),
            low: at(0.05),
            high: at(0.95),
            over_twice: ratios.iter().filter(|ratio| **ratio > 2.0).count(),
        }
    }
}

impl std::fmt::Display for Held {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { gallery, offered, over_twice, .. } = self;
        match (self.median, self.low, self.high) {
            (Some(median), Some(low), Some(high)) => write!(
                f,
                "{gallery} people: median {median:.2}, 5 to 95 % {low:.2} to {high:.2}, more than \
                 twice in {over_twice} of {offered} splits"
            ),
            _ => write!(f, "{gallery} people: the halves are too small to promise it"),
        }
    }
}
