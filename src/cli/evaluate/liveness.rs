//! `limen evaluate liveness`

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;

use super::answer::{Answer, Page, put};
use super::photos::{Gathered, Photos};
use super::{Common, page};
use crate::config::Config;
use crate::domain::LivenessScore;
use crate::evaluate::dataset::{LabelledPhoto, read_presentations};
use crate::evaluate::metrics::{Bootstrap, Kind, Liveness, Presentation, liveness};
use crate::evaluate::report::{
    Case, Cases, Curves, Cut, Evaluation, Histogram, Item, Mark, Population, Row, Scale, Section,
    Series, Table, Truth, Value,
};

// No `--crop-border`: to the network a black border is the edge of a print, and live faces in one are taken for attacks.
#[derive(Debug, Args)]
pub(in crate::cli) struct LivenessArguments {
    #[command(flatten)]
    common: Common,
    /// A CSV with the columns path, label (`live`, or the attack's name) and, if wanted, subject.
    #[arg(long, value_name = "FILE")]
    manifest: PathBuf,
}

pub(super) fn run(config: &Config, arguments: &LivenessArguments) -> anyhow::Result<()> {
    let common = &arguments.common;
    let mut labelled = read_presentations(&arguments.manifest)?;
    let photos = Photos::open(config, &common.source, 0.0)?;
    let gathered = photos.liveness(labelled.iter().map(|photo| photo.path.clone()).collect())?;
    labelled.retain(|photo| gathered.samples.contains_key(&photo.path));
    let presentations = presentations(&labelled, &gathered)?;
    let threshold = config.matching.liveness_threshold;
    let metrics = liveness(&presentations, threshold, Bootstrap::default())?;

    let model = photos.liveness_model();
    let figures = figures(&metrics);
    let answer = Answer { metrics: &metrics, model_id: &model, data: &gathered.tally };
    put(common, &answer, &figures, || Page {
        evaluation: Evaluation::Liveness,
        title: "Liveness",
        summary: format!(
            "At {}, {:.2} % of the attacks of the worst species are taken for live, and {:.2} % of \
             the live faces for attacks.",
            threshold.value(),
            metrics.apcer_worst * 100.0,
            metrics.bpcer * 100.0
        ),
        sections: vec![
            scores(&metrics, &presentations, threshold),
            worst(&photos, &labelled, &presentations, threshold),
        ],
    })
}

fn presentations(
    labelled: &[LabelledPhoto],
    gathered: &Gathered<f32>,
) -> anyhow::Result<Vec<Presentation>> {
    let presentation = |photo: &LabelledPhoto| {
        let score = gathered.samples[&photo.path].as_ref().ok();
        let score = score.map(|score| LivenessScore::try_from(*score)).transpose();
        let score = score.context("a cached liveness score is out of range")?;
        Ok(Presentation { kind: photo.kind.clone(), subject: photo.subject.clone(), score })
    };
    labelled.iter().map(presentation).collect()
}

fn figures(metrics: &Liveness) -> Table {
    let mut rows = vec![
        page::row(
            format!("Worst APCER ({})", metrics.apcer_worst_species),
            Value::Percent(metrics.apcer_worst),
            metrics.apcer_worst_interval,
        ),
        page::row("BPCER", Value::Percent(metrics.bpcer), metrics.bpcer_interval),
        page::row("ACER", Value::Percent(metrics.acer), metrics.acer_interval),
        page::row("Equal error rate", Value::Percent(metrics.eer), metrics.eer_interval),
    ];
    for (name, species) in &metrics.species {
        let label = format!("APCER of {name} ({} attacks)", species.attacks);
        rows.push(page::row(label, Value::Percent(species.apcer), species.apcer_interval));
    }
    for (apcer, bpcer) in &metrics.bpcer_at_apcer {
        if let Some(bpcer) = bpcer {
            let interval = metrics.bpcer_at_apcer_interval.get(apcer).copied().flatten();
            rows.push(page::row(
                format!("BPCER at APCER {apcer}"),
                Value::Percent(*bpcer),
                interval,
            ));
        }
    }
    rows.extend([
        Row::new("Threshold in use", Value::Number(metrics.threshold.value().into())),
        Row::new("Live presentations", Value::Count(metrics.live)),
        Row::new("Live presentations without a face", Value::Count(metrics.live_no_response)),
        Row::new("Attacks", Value::Count(metrics.attacks)),
    ]);
    Table {
        caption: "Presentation attack detection".to_owned(),
        rows,
        interval: "95 % interval".to_owned(),
        note: "These figures describe these presentations; they are no certification.".to_owned(),
    }
}

fn scores(metrics: &Liveness, presentations: &[Presentation], threshold: LivenessScore) -> Section {
    let points = metrics.curve.iter().map(|point| (point.apcer, point.bpcer)).collect();
    let at = (metrics.apcer_worst, metrics.bpcer);
    let label = format!("threshold {:.2}", threshold.value());
    let kinds = std::iter::once(Kind::Live)
        .chain(metrics.species.keys().map(|name| Kind::Attack(name.clone())));
    let population = |kind: Kind| {
        let mut counts = vec![0; page::BINS];
        for one in presentations.iter().filter(|one| one.kind == kind) {
            if let Some(score) = one.score {
                let bin = (score.value() * page::BINS as f32) as usize;
                counts[bin.min(page::BINS - 1)] += 1;
            }
        }
        Population { name: name(&kind).to_owned(), counts }
    };
    Section {
        heading: "Scores".to_owned(),
        text: String::new(),
        items: vec![
            Item::Curves(Curves::liveness(
                "BPCER over the APCER of the worst species.",
                vec![Series { name: "all species".to_owned(), points }],
                vec![Mark { label: label.clone(), at }],
            )),
            Item::Histogram(Histogram {
                caption: "Liveness scores.".to_owned(),
                score: "Liveness score".to_owned(),
                range: (0.0, 1.0),
                density: Scale::Log,
                populations: kinds.map(population).collect(),
                cut: Some(Cut { at: threshold.value().into(), label }),
            }),
        ],
    }
}

fn name(kind: &Kind) -> &str {
    match kind {
        Kind::Live => "live",
        Kind::Attack(name) => name,
    }
}

fn worst(
    photos: &Photos,
    labelled: &[LabelledPhoto],
    presentations: &[Presentation],
    threshold: LivenessScore,
) -> Section {
    let scored = |live: bool| {
        let of = labelled
            .iter()
            .zip(presentations)
            .filter(move |(_, one)| (one.kind == Kind::Live) == live);
        let mut of: Vec<_> = of.filter_map(|(photo, one)| Some((photo, one.score?))).collect();
        of.sort_by(|a, b| a.1.value().total_cmp(&b.1.value()));
        if !live {
            of.reverse();
        }
        of.truncate(page::WORST);
        of
    };
    let gallery = |caption: &str, live: bool| {
        let case = |(photo, score): (&LabelledPhoto, LivenessScore)| Case {
            truth: match &photo.kind {
                Kind::Live => Truth::Live,
                Kind::Attack(name) => Truth::Attack(name.clone()),
            },
            wrong: Some(score.is_live(threshold) != live),
            score: score.value().into(),
            faces: vec![photos.face(&photo.path)],
        };
        let cases = scored(live).into_iter().map(case).collect();
        Item::Cases(Cases { caption: caption.to_owned(), cases })
    };
    Section {
        heading: "Worst presentations".to_owned(),
        text: String::new(),
        items: vec![
            gallery("Attacks, the most lifelike first.", false),
            gallery("Live faces, the least lifelike first.", true),
        ],
    }
}
