//! `limen evaluate identification`

use clap::Args;
use serde::Serialize;

use super::answer::{Answer, Page, put};
use super::people::People;
use super::{Common, Crop, page};
use crate::config::Config;
use crate::domain::risk::NoCalibration;
use crate::evaluate::metrics::{
    AtGate, Bootstrap, Identification, Roc, at_gate, identification, identification_roc,
};
use crate::evaluate::protocol::split_gallery;
use crate::evaluate::report::{Curves, Evaluation, Item, Mark, Row, Section, Series, Table, Value};

#[derive(Debug, Args)]
pub(in crate::cli) struct IdentificationArguments {
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    crop: Crop,
    /// Photos that enrol a person, the first by name; who has no more is a stranger.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    enroll: u16,
}

pub(super) fn run(config: &Config, arguments: &IdentificationArguments) -> anyhow::Result<()> {
    let common = &arguments.common;
    let people = People::look_at(config, &common.source, arguments.crop)?;
    let labelled = people.labelled();
    let enroll = usize::from(arguments.enroll);
    let model = people.photos.model();
    let probes = split_gallery(
        &labelled.person,
        &labelled.template,
        enroll,
        &people.photos.profile().model,
    )?;
    let (mated, non_mated) = (&probes.mated, &probes.non_mated);
    let metrics = identification(probes.gallery, mated, non_mated, Bootstrap::default())?;
    let roc = identification_roc(mated, non_mated)?;
    let tau = match config.matching.risk(people.photos.profile()) {
        Ok(risk) => Some(risk.recognize(metrics.gallery as usize).threshold),
        // τ follows from nothing yet: that is no reason not to measure.
        Err(error) if error.is::<NoCalibration>() => None,
        Err(error) => return Err(error),
    };
    let at_gate =
        tau.map(|tau| at_gate(mated, non_mated, tau, config.matching.margin)).transpose()?;

    let figures = figures(&metrics, at_gate.as_ref());
    let measured = Measured { metrics: &metrics, at_gate };
    let answer = Answer { metrics: &measured, model_id: &model, data: &people.gathered.tally };
    put(common, &answer, &figures, || Page {
        evaluation: Evaluation::Identification,
        title: "Identification",
        summary: format!(
            "{} people enrolled with {} photo(s) each, {} searches for them and {} for strangers.",
            metrics.gallery, arguments.enroll, metrics.mated, metrics.non_mated
        ),
        sections: vec![trade_off(&model, &metrics, &roc)],
    })
}

/// The figures, and what the configured service would decide.
#[derive(Serialize)]
struct Measured<'a> {
    #[serde(flatten)]
    metrics: &'a Identification,
    at_gate: Option<AtGate>,
}

fn figures(metrics: &Identification, at_gate: Option<&AtGate>) -> Table {
    let interval = metrics.rank1_interval;
    let mut rows = vec![page::row("Rank 1", Value::Percent(metrics.rank1), interval)];
    for (fpir, fnir) in &metrics.fnir_at_fpir {
        if let Some(fnir) = fnir {
            let interval = metrics.fnir_at_fpir_interval.get(fpir).copied().flatten();
            rows.push(page::row(format!("FNIR at FPIR {fpir}"), Value::Percent(*fnir), interval));
        }
    }
    if let Some(AtGate { threshold, margin, fpir, fnir, ambiguous, mistaken }) = at_gate {
        let tau = format!("the configured τ {:.4}", threshold.value());
        rows.extend([
            Row::new(format!("FPIR at {tau}"), Value::Percent(*fpir)),
            Row::new(format!("FNIR at {tau} and margin {margin}"), Value::Percent(*fnir)),
            Row::new("Mated searches that are ambiguous there", Value::Percent(*ambiguous)),
            Row::new("Mated searches taken for another person there", Value::Percent(*mistaken)),
        ]);
    }
    rows.extend([
        Row::new("People enrolled", Value::Count(metrics.gallery)),
        Row::new("Searches for them", Value::Count(metrics.mated)),
        Row::new("Searches for strangers", Value::Count(metrics.non_mated)),
        Row::new("Mated failures to acquire", Value::Count(metrics.mated_failures)),
        Row::new("Non-mated failures to acquire", Value::Count(metrics.non_mated_failures)),
    ]);
    Table {
        caption: format!("Open-set identification among {} people", metrics.gallery),
        rows,
        interval: "95 % interval".to_owned(),
        note: "A search misses unless the right person is the nearest and under τ.".to_owned(),
    }
}

fn trade_off(model: &str, metrics: &Identification, roc: &Roc) -> Section {
    let curve = roc.curve(page::POINTS_PER_DECADE);
    let points = curve.iter().map(|point| (point.fmr, point.fnmr)).collect();
    let marks = metrics.fnir_at_fpir.iter().filter_map(|(fpir, fnir)| {
        Some(Mark { label: format!("FPIR {fpir}"), at: (fpir.parse().ok()?, (*fnir)?) })
    });
    Section {
        heading: "Trade-off of the errors".to_owned(),
        text: "A point further left lets fewer strangers in; a lower one misses fewer members."
            .to_owned(),
        items: vec![Item::Curves(Curves::identification(
            format!("FNIR over FPIR, {} people enrolled.", metrics.gallery),
            vec![Series { name: model.to_owned(), points }],
            marks.collect(),
        ))],
    }
}
