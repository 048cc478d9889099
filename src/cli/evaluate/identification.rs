//! `limen evaluate identification`

use clap::Args;

use super::answer::{Answer, put};
use super::photos::Photos;
use super::{Common, Crop, page};
use crate::config::Config;
use crate::evaluate::dataset::{listed, read_people};
use crate::evaluate::metrics::{
    Bootstrap, Identification, Roc, identification, identification_roc,
};
use crate::evaluate::protocol::split_gallery;
use crate::evaluate::report::{
    Curves, Evaluation, Item, Mark, Report, Row, Section, Series, Table, Value,
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
    let (people, strays) = read_people(&common.source.images)?;
    if !strays.is_empty() {
        eprintln!("limen: {}", listed("photos lie in no person's folder", &strays));
    }
    let photos = Photos::open(config, &common.source, arguments.crop.crop_border)?;
    let gathered = photos.templates(people.iter().flat_map(|p| p.photos.clone()).collect())?;
    let labelled = (0u32..).zip(&people).flat_map(|(n, p)| p.photos.iter().map(move |p| (n, p)));
    let (person, template): (Vec<u32>, Vec<Option<&[f32]>>) = labelled
        .filter_map(|(person, path)| {
            let sample = gathered.samples.get(path)?;
            Some((person, sample.as_ref().ok().map(|template| &*template.values)))
        })
        .unzip();
    let probes = split_gallery(&person, &template, usize::from(arguments.enroll));
    let (mated, non_mated) = (&probes.mated, &probes.non_mated);
    let metrics = identification(probes.gallery, mated, non_mated, Bootstrap::default())?;
    let roc = identification_roc(mated, non_mated)?;

    let model = photos.model();
    let figures = figures(&metrics);
    let answer = Answer { metrics: &metrics, model_id: &model, data: &gathered.tally };
    put(common, &answer, &figures, || Report {
        evaluation: Evaluation::Identification,
        title: "Identification".to_owned(),
        summary: format!(
            "{} people enrolled with {} photo(s) each, {} searches for them and {} for strangers.",
            metrics.gallery, arguments.enroll, metrics.mated, metrics.non_mated
        ),
        origin: page::origin(&common.source.images, &model, &gathered.tally),
        headline: figures.rows.iter().take(4).cloned().collect(),
        notes: page::notes(&gathered.tally),
        sections: vec![
            Section {
                heading: "Figures".to_owned(),
                text: String::new(),
                items: vec![Item::Table(figures.clone())],
            },
            trade_off(&model, &metrics, &roc),
        ],
    })
}

fn figures(metrics: &Identification) -> Table {
    let interval = metrics.rank1_interval;
    let mut rows = vec![page::row("Rank 1", Value::Percent(metrics.rank1), interval)];
    for (fpir, fnir) in &metrics.fnir_at_fpir {
        if let Some(fnir) = fnir {
            let interval = metrics.fnir_at_fpir_interval.get(fpir).copied().flatten();
            rows.push(page::row(format!("FNIR at FPIR {fpir}"), Value::Percent(*fnir), interval));
        }
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
