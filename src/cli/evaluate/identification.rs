//! `limen evaluate identification`

use std::path::Path;

use clap::Args;
use serde::Serialize;

use super::answer::{Answer, Page, put};
use super::people::People;
use super::photos::Photos;
use super::{Common, Crop, page};
use crate::config::Config;
use crate::domain::risk::NoCalibration;
use crate::domain::{Distance, Threshold};
use crate::evaluate::metrics::{
    AtGate, Bootstrap, DistanceCounts, Identification, Roc, at_gate, identification,
    identification_roc,
};
use crate::evaluate::protocol::{Probes, split_gallery};
use crate::evaluate::report::{
    Case, Cases, Curves, Evaluation, Item, Mark, Row, Section, Series, Table, Truth, Value,
};

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
        sections: vec![
            trade_off(&model, &metrics, &roc),
            distances(&probes, tau),
            worst(&people.photos, &labelled.path, &probes, tau, config.matching.margin),
        ],
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
    let series = |y: fn(f64) -> f64| {
        let points = curve.iter().map(|point| (point.fmr, y(point.fnmr))).collect();
        vec![Series { name: model.to_owned(), points }]
    };
    let marks = |y: fn(f64) -> f64| {
        let mark = |(fpir, fnir): (&String, &Option<f64>)| {
            Some(Mark { label: format!("FPIR {fpir}"), at: (fpir.parse().ok()?, y((*fnir)?)) })
        };
        metrics.fnir_at_fpir.iter().filter_map(mark).collect()
    };
    let enrolled = metrics.gallery;
    Section {
        heading: "Trade-off of the errors".to_owned(),
        text: "A point further left lets fewer strangers in; a lower FNIR (a higher TPIR) misses \
               fewer members."
            .to_owned(),
        items: vec![
            Item::Curves(Curves::identification_det(
                format!("DET: FNIR over FPIR, {enrolled} people enrolled."),
                series(|fnir| fnir),
                marks(|fnir| fnir),
            )),
            Item::Curves(Curves::identification_roc(
                format!("ROC: TPIR over FPIR, {enrolled} people enrolled."),
                series(|fnir| 1.0 - fnir),
                marks(|fnir| 1.0 - fnir),
            )),
        ],
    }
}

fn distances(probes: &Probes, tau: Option<Threshold>) -> Section {
    let (mut mates, mut strangers) = (DistanceCounts::default(), DistanceCounts::default());
    probes.mated.iter().for_each(|probe| mates.add(probe.best_mate));
    probes.non_mated.iter().for_each(|probe| strangers.add(probe.best));
    page::distances(
        "Distances of members to themselves and of strangers to the nearest member.",
        [("members to themselves", &mates), ("strangers to the nearest", &strangers)],
        tau,
    )
}

/// The searches that went most wrong, each beside a photo that enrolled the person whom its distance is to.
fn worst(
    photos: &Photos,
    paths: &[&Path],
    probes: &Probes,
    tau: Option<Threshold>,
    margin: f32,
) -> Section {
    let (mut missed, mut mistaken, mut strangers) = (Vec::new(), Vec::new(), Vec::new());
    for (probe, photos) in probes.mated.iter().zip(&probes.mated_photos) {
        let wrong = tau.map(|tau| !probe.is_recognised(tau, margin));
        if let Some(distance) = probe.at_rank_one() {
            missed.extend(Shown::new(Some(distance), photos.probe, photos.mate, wrong));
        } else if probe.best_mate.is_some() {
            mistaken.extend(Shown::new(probe.best_other, photos.probe, photos.other, wrong));
        }
    }
    for (probe, photos) in probes.non_mated.iter().zip(&probes.non_mated_photos) {
        let wrong = tau.map(|tau| probe.best.is_some_and(|distance| distance.is_match(tau)));
        strangers.extend(Shown::new(probe.best, photos.probe, photos.other, wrong));
    }
    let nearest = |a: &Shown, b: &Shown| a.distance.value().total_cmp(&b.distance.value());
    strangers.sort_by(nearest);
    mistaken.sort_by(nearest);
    missed.sort_by(|a, b| nearest(b, a));
    let gallery = |caption: &str, shown: &[Shown], truth: Truth| {
        let case = |one: &Shown| Case {
            wrong: one.wrong,
            truth: truth.clone(),
            score: one.distance.value().into(),
            faces: one.photos.map(|photo| photos.face(paths[photo])).into(),
        };
        let cases = shown.iter().take(page::WORST).map(case).collect();
        Item::Cases(Cases { caption: caption.to_owned(), cases })
    };
    Section {
        heading: "Worst searches".to_owned(),
        text: "On the left who was searched for, on the right a photo that enrolled the person \
               whom the distance is to. Wrong names show up here as well."
            .to_owned(),
        items: vec![
            gallery(
                "Strangers and whoever is nearest, the nearest first.",
                &strangers,
                Truth::Stranger,
            ),
            gallery(
                "Members and themselves, where nobody else is as near, farthest apart first.",
                &missed,
                Truth::Member,
            ),
            gallery(
                "Members and somebody else who is at least as near, the nearest first.",
                &mistaken,
                Truth::Member,
            ),
        ],
    }
}

/// A search that can be shown.
struct Shown {
    distance: Distance,
    /// What was searched for, and what enrolled the person whom the distance is to.
    photos: [usize; 2],
    /// Whether the gate errs, where it has a threshold.
    wrong: Option<bool>,
}

impl Shown {
    /// None where either photo gave nothing to compare.
    fn new(
        distance: Option<Distance>,
        probe: usize,
        enrolled: Option<usize>,
        wrong: Option<bool>,
    ) -> Option<Self> {
        Some(Self { distance: distance?, photos: [probe, enrolled?], wrong })
    }
}
