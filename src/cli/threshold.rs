//! `limen threshold`: which τ follows from a risk, and what it costs.

use std::process::ExitCode;

use clap::Args;
use serde::Serialize;

use crate::config::Config;
use crate::domain::risk::{Alternatives, Offer, Refusal, Request, Search, Traffic};
use crate::http::{AlternativesView, OfferView};
use crate::vision::EncoderProfile;

#[derive(Debug, Args)]
pub(super) struct ThresholdArguments {
    /// People that are searched among; 1: a badge says who it is.
    #[arg(long, value_name = "PEOPLE")]
    gallery: u32,
    /// The highest chance that a stranger's attempt matches anybody [default: max_fpir in
    /// [matching], for 1 person max_fmr].
    #[arg(long, value_name = "RATE")]
    fpir: Option<f64>,
    /// The highest share of enrolled people's attempts that may fail.
    #[arg(long, value_name = "RATE", default_value_t = Request::MAX_FNIR_DEFAULT)]
    max_fnir: f64,
    /// Attempts of enrolled people a day [default: two for each].
    #[arg(long, value_name = "ATTEMPTS")]
    mated_per_day: Option<f64>,
    /// Attempts of strangers a day.
    #[arg(long, value_name = "ATTEMPTS", default_value_t = Traffic::NON_MATED_DEFAULT)]
    strangers_per_day: f64,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// The answer in JSON: an offer, or why there is none and what there is instead.
#[derive(Serialize)]
struct Answer {
    supported: bool,
    model_id: String,
    /// Whether the `max_fmr` of 1:1 is the stricter of the two for so few people, and decides.
    limited_by_max_fmr: bool,
    #[serde(flatten)]
    offer: Option<OfferView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    instead: Option<AlternativesView>,
}

/// Exits with 0 when the encoder supports the request, with 1 when it does not.
pub(super) fn run(config: &Config, arguments: &ThresholdArguments) -> anyhow::Result<ExitCode> {
    let encoder = EncoderProfile::of(&config.inference.weights_dir, &config.road)?;
    let calibration = config.matching.calibration(&encoder)?;
    let calibration = calibration.ok_or(crate::domain::risk::NoCalibration)?;
    let matching = &config.matching;
    let by_default = if arguments.gallery == 1 { matching.max_fmr } else { matching.max_fpir };
    let search = Search { people: arguments.gallery };
    let asked = arguments.fpir.unwrap_or(by_default);
    let mut request = Request {
        search,
        max_fpir: asked,
        max_fnir: arguments.max_fnir,
        traffic: Traffic {
            mated_per_day: arguments
                .mated_per_day
                .unwrap_or(Traffic::mated_by_default(arguments.gallery)),
            non_mated_per_day: arguments.strangers_per_day,
        },
    };
    request.check()?;
    let limited = search.limited(asked, matching.max_fmr);
    // Of one person what is asked is an FMR itself.
    let limited_by_max_fmr = search.people > 1 && limited < asked;
    if limited_by_max_fmr {
        request.max_fpir = limited;
    }
    let offered = calibration.offer(&request);
    let supported = offered.is_ok();
    if arguments.json {
        let model_id = encoder.model.to_string();
        let answer = match offered {
            Ok(offer) => {
                let offer = Some(offer.into());
                let (reason, instead) = (None, None);
                Answer { supported, model_id, limited_by_max_fmr, offer, reason, instead }
            }
            Err(Refusal { reason, alternatives }) => Answer {
                supported,
                model_id,
                limited_by_max_fmr,
                offer: None,
                reason: Some(reason.to_string()),
                instead: Some(alternatives.into()),
            },
        };
        println!("{}", serde_json::to_string_pretty(&answer)?);
    } else {
        match offered {
            Ok(offer) => print_offer(&offer),
            Err(refusal) => print_refusal(&refusal, arguments.gallery),
        }
        if limited_by_max_fmr {
            println!(
                "\na comparison among so few people is held to the max_fmr of 1:1, {:.1e}, which is stricter than an FPIR of \
                 {asked:.2e}",
                matching.max_fmr
            );
        }
        let (name, fixed) = match search.people {
            1 => ("verify_threshold", matching.verify_threshold),
            _ => ("recognize_threshold", matching.recognize_threshold),
        };
        if let Some(tau) = fixed {
            println!(
                "\nthe service uses none of this: {name} in [matching] fixes τ at {}",
                tau.value()
            );
        }
    }
    Ok(if supported { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn print_offer(offer: &Offer) {
    println!("τ                       {:.4}", offer.tau.value());
    println!("FMR of a comparison     {:.1e} at most", offer.fmr);
    println!("FPIR of an attempt      {:.2e} at most", offer.fpir);
    println!("FNIR of an attempt      {:.2} %", offer.fnir * 100.0);
    println!("false entries a year    {:.1} at most", offer.false_entries_per_year);
    println!("honest retries a day    {:.1}", offer.honest_retries_per_day);
}

fn print_refusal(refusal: &Refusal, gallery: u32) {
    println!("{refusal}");
    let Alternatives { badge, largest_gallery, smallest_fpir } = &refusal.alternatives;
    if let Some(offer) = badge {
        println!(
            "\na badge first and then its owner's face alone (1:1) keeps the risk: τ {:.4}, {:.2} % of \
             the attempts of enrolled people fail",
            offer.tau.value(),
            offer.fnir * 100.0
        );
    }
    if let Some(people) = largest_gallery {
        println!("the largest gallery at this risk: {people} people");
    }
    if let Some(fpir) = smallest_fpir {
        println!("the smallest risk with {gallery} people: an FPIR of {fpir:.2e}");
    }
}
