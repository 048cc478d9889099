//! `limen evaluate verification`

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;

use super::answer::{Answer, Page, put};
use super::people::{Labelled, People};
use super::photos::{Gathered, Photos};
use super::{Common, Crop, page};
use crate::config::Config;
use crate::domain::Threshold;
use crate::evaluate::acquire::Template;
use crate::evaluate::dataset::{Pair, read_pairs};
use crate::evaluate::metrics::{
    AllPairsIntervals, Bootstrap, ComparedPair, DistanceCounts, MatchesByPerson, Roc, RocSummary,
    Verification, verification,
};
use crate::evaluate::protocol::{Worst, WorstPair, all_pairs, compare, each_pair};
use crate::evaluate::report::{Case, Cases, Evaluation, Item, Row, Section, Table, Truth, Value};

#[derive(Debug, Args)]
pub(in crate::cli) struct VerificationArguments {
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    crop: Crop,
    /// LFW's `pairs.txt`, or a CSV with the columns left, right, same (1 or 0) and, if wanted, fold; a CSV without that is
    /// laid out as LFW's has its ten folds.
    #[arg(long, value_name = "FILE", required_unless_present = "all_pairs")]
    pairs: Option<PathBuf>,
    /// Compare every photo with every other; the folder holds a folder for each person.
    #[arg(long, conflicts_with = "pairs")]
    all_pairs: bool,
}

/// What was compared, and how it went.
struct Comparison<M> {
    metrics: M,
    roc: Roc,
    genuine: DistanceCounts,
    impostor: DistanceCounts,
    photos: Vec<PathBuf>,
    worst: [Vec<WorstPair>; 2],
}

/// The figures at the threshold in use.
#[derive(Serialize)]
struct AtThreshold<M> {
    #[serde(flatten)]
    metrics: M,
    /// τ of 1:1 in the configuration.
    threshold: Threshold,
    /// FMR at it.
    fmr: f64,
    /// FNMR at it.
    fnmr: f64,
}

/// The figures of every pair of photos.
#[derive(Serialize)]
struct EveryPair {
    #[serde(flatten)]
    summary: RocSummary,
    #[serde(flatten)]
    intervals: AllPairsIntervals,
}

pub(super) fn run(config: &Config, arguments: &VerificationArguments) -> anyhow::Result<()> {
    let common = &arguments.common;
    match &arguments.pairs {
        Some(file) => {
            let pairs = read_pairs(file)?;
            let photos = Photos::open(config, &common.source, arguments.crop.crop_border)?;
            let named = pairs.iter().flat_map(|p| [p.left.clone(), p.right.clone()]).collect();
            let gathered = photos.templates(named)?;
            let comparison = listed_pairs(pairs, &gathered)?;
            let rows = pair_rows(&comparison.metrics);
            tell(config, common, &photos, &gathered, comparison, rows)
        }
        None => {
            let people = People::look_at(config, &common.source, arguments.crop)?;
            let comparison = every_pair(&people.labelled())?;
            let rows = summary_rows(&comparison.metrics);
            tell(config, common, &people.photos, &people.gathered, comparison, rows)
        }
    }
}

fn listed_pairs(
    mut pairs: Vec<Pair>,
    gathered: &Gathered<Template>,
) -> anyhow::Result<Comparison<Verification>> {
    let samples = &gathered.samples;
    pairs.retain(|pair| samples.contains_key(&pair.left) && samples.contains_key(&pair.right));
    let compared = compare(&pairs, |path: &Path| &samples[path]);
    let metrics = verification(&compared, Bootstrap::default())?;
    let roc = Roc::from_comparisons(compared.iter().map(|pair| (pair.distance, pair.same)))?;
    let mut counts = [DistanceCounts::default(), DistanceCounts::default()];
    let mut worst = [Worst::impostor(page::WORST), Worst::genuine(page::WORST)];
    for (at, ComparedPair { same, distance, .. }) in compared.iter().enumerate() {
        counts[usize::from(*same)].add(*distance);
        if let Some(distance) = distance {
            worst[usize::from(*same)].offer(distance.value(), 2 * at, 2 * at + 1);
        }
    }
    let [impostor, genuine] = counts;
    let photos = pairs.into_iter().flat_map(|pair| [pair.left, pair.right]).collect();
    let worst = worst.map(Worst::into_pairs);
    Ok(Comparison { metrics, roc, genuine, impostor, photos, worst })
}

fn every_pair(labelled: &Labelled<'_>) -> anyhow::Result<Comparison<EveryPair>> {
    let Labelled { person, template, .. } = labelled;
    let all = all_pairs(person, template, page::WORST)?;
    let roc = Roc::new(&all.genuine, &all.impostor)?;
    let summary = roc.summary();
    // Compared once more, now that the thresholds are known: keeping the distances would take memory
    // in proportion to the pairs.
    let mut matches = MatchesByPerson::new(&summary, person);
    each_pair(template, |left, right, distance| {
        matches.add([person[left], person[right]], distance);
    })?;
    Ok(Comparison {
        metrics: EveryPair { summary, intervals: matches.intervals(Bootstrap::default()) },
        roc,
        genuine: all.genuine,
        impostor: all.impostor,
        photos: labelled.path.iter().map(|path| path.to_path_buf()).collect(),
        worst: [all.worst_impostor, all.worst_genuine],
    })
}

fn tell<M: Serialize>(
    config: &Config,
    common: &Common,
    photos: &Photos,
    gathered: &Gathered<Template>,
    comparison: Comparison<M>,
    mut rows: Vec<Row>,
) -> anyhow::Result<()> {
    let threshold = config.matching.risk(photos.profile())?.verify().threshold;
    let Comparison { metrics, roc, genuine, impostor, photos: paths, worst } = comparison;
    let (fmr, fnmr) = (roc.fmr(threshold), roc.fnmr(threshold));
    rows.extend([
        Row::new("τ in use", Value::Number(threshold.value().into())),
        Row::new("FMR at τ", Value::Rate(fmr)),
        Row::new("FNMR at τ", Value::Percent(fnmr)),
    ]);
    let figures = Table {
        caption: format!("{} genuine and {} impostor pairs", genuine.total(), impostor.total()),
        rows,
        interval: "95 % interval".to_owned(),
        note: "Pairs with a photo that gave nothing to compare count as not matching.".to_owned(),
    };
    let model = photos.model();
    let metrics = AtThreshold { metrics, threshold, fmr, fnmr };
    let answer = Answer { metrics: &metrics, model_id: &model, data: &gathered.tally };
    put(common, &answer, &figures, || Page {
        evaluation: Evaluation::Verification,
        title: "Verification",
        summary: format!(
            "At τ = {:.3}, {} of the genuine pairs match and {} of the impostor pairs.",
            threshold.value(),
            Value::Percent(1.0 - fnmr).shown(),
            Value::Rate(fmr).shown()
        ),
        sections: vec![
            page::trade_off(&model, &roc, threshold),
            page::distances(
                "Distances of genuine and impostor pairs.",
                [("genuine pairs", &genuine), ("impostor pairs", &impostor)],
                Some(threshold),
            ),
            worst_pairs(photos, &paths, &worst, threshold),
        ],
    })
}

fn worst_pairs(
    photos: &Photos,
    paths: &[PathBuf],
    [impostor, genuine]: &[Vec<WorstPair>; 2],
    tau: Threshold,
) -> Section {
    let cases = |pairs: &[WorstPair], truth: Truth| -> Vec<Case> {
        let case = |pair: &WorstPair| Case {
            wrong: Some((pair.distance < tau.value()) != (truth == Truth::SamePerson)),
            truth: truth.clone(),
            score: pair.distance.into(),
            faces: [pair.left, pair.right].map(|at| photos.face(&paths[at])).into(),
        };
        pairs.iter().map(case).collect()
    };
    let gallery = |caption: &str, cases| Item::Cases(Cases { caption: caption.to_owned(), cases });
    Section {
        heading: "Worst pairs".to_owned(),
        text: "Wrong labels show up here as well.".to_owned(),
        items: vec![
            gallery("One person, farthest apart first.", cases(genuine, Truth::SamePerson)),
            gallery("Two people, nearest first.", cases(impostor, Truth::DifferentPeople)),
        ],
    }
}

fn pair_rows(metrics: &Verification) -> Vec<Row> {
    let mut rows = vec![
        page::row("Accuracy", Value::Percent(metrics.accuracy), metrics.accuracy_interval),
        page::row("Equal error rate", Value::Percent(metrics.eer), metrics.eer_interval),
    ];
    for (fmr, tar) in &metrics.tar_at_fmr {
        if let Some(tar) = tar {
            let interval = metrics.tar_at_fmr_interval.get(fmr).copied().flatten();
            rows.push(page::row(format!("TAR at FMR {fmr}"), Value::Percent(*tar), interval));
        }
    }
    rows.extend([
        Row::new("Standard error of the accuracy", Value::Percent(metrics.accuracy_se)),
        page::row("Area under the ROC curve", Value::Percent(metrics.auc), metrics.auc_interval),
        Row::new("Pairs", Value::Count(metrics.pairs)),
        Row::new("Pairs without a face", Value::Count(metrics.undetected)),
    ]);
    rows
}

fn summary_rows(EveryPair { summary: metrics, intervals }: &EveryPair) -> Vec<Row> {
    let eer = Value::Percent(metrics.eer);
    let mut rows = vec![page::row("Equal error rate", eer, intervals.eer_interval)];
    for (fmr, tar) in &metrics.tar_at_fmr {
        if let Some(tar) = tar {
            let interval = |of: &BTreeMap<String, _>| of.get(fmr).copied().flatten();
            let [tar_interval, fmr_interval] =
                [&intervals.tar_at_fmr_interval, &intervals.fmr_interval].map(interval);
            rows.push(page::row(format!("TAR at FMR {fmr}"), Value::Percent(*tar), tar_interval));
            if let Ok(rate) = fmr.parse() {
                let label = format!("FMR at the τ of {fmr}");
                rows.push(page::row(label, Value::Rate(rate), fmr_interval));
            }
        }
    }
    rows.extend([
        Row::new("Area under the ROC curve", Value::Percent(metrics.auc)),
        Row::new("Pairs", Value::Count(metrics.pairs)),
        Row::new("Pairs without a face", Value::Count(metrics.undetected)),
    ]);
    rows
}
