//! `limen evaluate quality`: what each measure of a picture's quality tells of errors.

use std::collections::BTreeMap;

use clap::Args;
use serde::Serialize;

use super::answer::{Answer, Page, put};
use super::people::{Labelled, People};
use super::{Common, Crop};
use crate::config::Config;
use crate::domain::Threshold;
use crate::evaluate::acquire::Template;
use crate::evaluate::metrics::{DiscardPoint, ErrorVersusDiscard};
use crate::evaluate::protocol::each_pair;
use crate::evaluate::report::{
    Axis, Curves, Evaluation, Item, Row, Section, Series, Table, Unit, Value,
};
use crate::vision::{EncoderProfile, QualityLimits};

#[derive(Debug, Args)]
pub(in crate::cli) struct QualityArguments {
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    crop: Crop,
}

/// A measure, turned so that higher is better.
struct Measure {
    name: &'static str,
    of: fn(&Template) -> f32,
    /// The limit in use; none where each gate has its own.
    limit: Option<f32>,
}

fn measures(limits: &QualityLimits, encoder: &EncoderProfile) -> [Measure; 8] {
    let measure = |name, limit, of| Measure { name, of, limit };
    let norm_min = limits.feature_norm_min.or(encoder.feature_norm_min);
    [
        measure("pupil distance", None, |t| t.quality.pupil_distance_px),
        measure("darkness", Some(limits.brightness_min), |t| t.quality.brightness),
        measure("glare", Some(-limits.brightness_max), |t| -t.quality.brightness),
        measure("sharpness", Some(limits.sharpness_min), |t| t.quality.sharpness),
        measure("yaw", Some(-limits.yaw_max), |t| -t.quality.yaw.abs()),
        measure("pitch", Some(-limits.pitch_max), |t| -t.quality.pitch.abs()),
        measure("roll", Some(-limits.roll_degrees_max), |t| -t.quality.roll_degrees.abs()),
        measure("feature norm", norm_min, |t| t.feature_norm),
    ]
}

/// The answer in JSON.
#[derive(Serialize)]
struct Metrics {
    /// τ of 1:1 in the configuration.
    threshold: Threshold,
    /// Genuine pairs in which both photos have a face.
    genuine: usize,
    /// FNMR of all of them.
    fnmr: f64,
    measures: BTreeMap<&'static str, Told>,
}

#[derive(Serialize)]
struct Told {
    /// At the limit in use.
    at_limit: Option<DiscardPoint>,
    /// Without the measure, and with ever more discarded.
    curve: Vec<DiscardPoint>,
}

pub(super) fn run(config: &Config, arguments: &QualityArguments) -> anyhow::Result<()> {
    let common = &arguments.common;
    let people = People::look_at(config, &common.source, arguments.crop)?;
    let encoder = people.photos.profile();
    let threshold = config.matching.risk(encoder)?.verify().threshold;
    let labelled = people.labelled();
    let pairs = genuine_pairs(&people, &labelled, threshold)?;
    let mut told = BTreeMap::new();
    for Measure { name, of, limit } in measures(&config.road.quality, encoder) {
        let worse = pairs.iter().map(|(pair, missed)| (of(pair[0]).min(of(pair[1])), *missed));
        let edc = ErrorVersusDiscard::new(worse)?;
        let at_limit = limit.and_then(|limit| edc.at_limit(limit));
        told.insert(name, Told { at_limit, curve: edc.curve() });
    }
    let fnmr = told.values().next().and_then(|told| told.curve.first()).map_or(0.0, |all| all.fnmr);
    let metrics = Metrics { threshold, genuine: pairs.len(), fnmr, measures: told };

    let model = people.photos.model();
    let answer = Answer { metrics: &metrics, model_id: &model, data: &people.gathered.tally };
    put(common, &answer, &figures(&metrics), || Page {
        evaluation: Evaluation::Quality,
        title: "Quality",
        summary: format!(
            "At τ = {:.3}, {} of {} genuine pairs do not match.",
            threshold.value(),
            Value::Percent(fnmr).shown(),
            metrics.genuine
        ),
        sections: vec![curves(&metrics)],
    })
}

/// Every two photos of one person, and whether they fail to match.
fn genuine_pairs<'a>(
    people: &'a People,
    labelled: &Labelled<'a>,
    threshold: Threshold,
) -> anyhow::Result<Vec<([&'a Template; 2], bool)>> {
    let template = |photo: usize| people.gathered.samples.get(labelled.path[photo])?.as_ref().ok();
    let mut pairs = Vec::new();
    each_pair(&labelled.template, |left, right, distance| {
        if labelled.person[left] == labelled.person[right]
            && let (Some(left), Some(right)) = (template(left), template(right))
        {
            pairs.push(([left, right], !distance.is_match(threshold)));
        }
    })?;
    Ok(pairs)
}

fn figures(metrics: &Metrics) -> Table {
    let mut rows = vec![
        Row::new("FNMR of all", Value::Percent(metrics.fnmr)),
        Row::new("Genuine pairs", Value::Count(metrics.genuine as u64)),
    ];
    for (name, Told { at_limit, curve }) in &metrics.measures {
        let text = |point: &DiscardPoint| {
            let [left, discarded] =
                [point.fnmr, point.discarded].map(|v| Value::Percent(v).shown());
            Value::Text(format!("{left}, {discarded} discarded"))
        };
        if let Some(point) = at_limit {
            rows.push(Row::new(format!("FNMR within the limit of {name}"), text(point)));
        }
        if let Some(point) = curve.iter().rfind(|point| point.discarded <= 0.05) {
            rows.push(Row::new(format!("FNMR without the worst in {name}"), text(point)));
        }
    }
    Table {
        caption: "Errors versus discarded pairs".to_owned(),
        rows,
        interval: String::new(),
        note:
            "A pair is as good as its worse photo. A measure that tells nothing leaves the FNMR as \
               it is."
                .to_owned(),
    }
}

fn curves(metrics: &Metrics) -> Section {
    let point = |point: &DiscardPoint| (point.discarded, point.fnmr);
    let series = metrics.measures.iter().map(|(name, told)| Series {
        name: (*name).to_owned(),
        points: told.curve.iter().map(point).collect(),
    });
    let series: Vec<Series> = series.collect();
    let highest = series.iter().flat_map(|s| &s.points).map(|(_, fnmr)| *fnmr).fold(0.0, f64::max);
    Section {
        heading: "Error versus discard".to_owned(),
        text: "A measure is worth a limit where its curve falls steeply from the left.".to_owned(),
        items: vec![Item::Curves(Curves {
            caption: "FNMR of what is left, the pairs of the least quality discarded.".to_owned(),
            x: Axis::linear("Discarded", Unit::Percent, 0.0, 0.25),
            y: Axis::linear("False non-match rate", Unit::Percent, 0.0, highest * 1.1),
            series,
            marks: Vec::new(),
        })],
    }
}
