//! `limen dataset check`: what is wrong with labelled photos before anything is learnt from, or measured with, them.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};
use comfy_table::Table;
use serde::Serialize;

use super::evaluate::people::{People, people_of};
use super::evaluate::{Crop, Source};
use crate::config::Config;
use crate::domain::QualityIssue;
use crate::evaluate::acquire::Failure;
use crate::evaluate::protocol::each_pair;
use crate::nets::Digest;
use crate::vision::issues;

#[derive(Debug, Subcommand)]
pub(super) enum DatasetCommand {
    /// Find photos without a usable face, blurred ones, copies, and people who are probably named wrongly, in labelled
    /// photos. Exits with 1 where there are any.
    Check(CheckArguments),
}

#[derive(Debug, Args)]
pub(in crate::cli) struct CheckArguments {
    #[command(flatten)]
    source: Source,
    #[command(flatten)]
    crop: Crop,
    /// A CSV with the columns path, below --images, and person. Without it --images holds a folder for each person.
    #[arg(long, value_name = "FILE")]
    labels: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(config: &Config, command: &DatasetCommand) -> anyhow::Result<ExitCode> {
    match command {
        DatasetCommand::Check(arguments) => check(config, arguments),
    }
}

/// Something that is wrong with a photo.
#[derive(Clone, Debug, PartialEq, Serialize)]
struct Finding {
    what: What,
    photo: PathBuf,
    /// The photo that says so, where one does.
    #[serde(skip_serializing_if = "Option::is_none")]
    other: Option<PathBuf>,
    /// How far the two faces are apart.
    #[serde(skip_serializing_if = "Option::is_none")]
    distance: Option<f32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
enum What {
    /// It shows no face, or several about equally near.
    NoFace,
    /// It breaks the limits that a gate asks for.
    LowQuality,
    /// It is another photo of the same person's, byte for byte.
    Copy,
    /// It is another person's photo, byte for byte.
    CopyOfAnother,
    /// Its face is as near to another person's as their own are to each other: one of the two names is wrong, or both
    /// are one person.
    LikeAnother,
    /// Its face is like none of the person's other photos.
    UnlikeOwn,
}

impl What {
    fn says(self) -> &'static str {
        match self {
            Self::NoFace => "no face, or several",
            Self::LowQuality => "blurred, dark, bright, turned away or small",
            Self::Copy => "a copy",
            Self::CopyOfAnother => "a copy under another name",
            Self::LikeAnother => "like another person: a wrong name, or one person under two",
            Self::UnlikeOwn => "unlike the person's others: a wrong name",
        }
    }
}

fn check(config: &Config, arguments: &CheckArguments) -> anyhow::Result<ExitCode> {
    let (source, labels) = (&arguments.source, arguments.labels.as_deref());
    let people = people_of(&source.images, labels)?;
    let people = People::look_at_all(config, source, arguments.crop, people)?;
    let tau = config.matching.risk(people.photos.profile())?.verify().threshold.value();
    let mut findings = alone(config, &people);
    findings.extend(copies(&arguments.source.images, &people));
    findings.extend(named_wrongly(&people, tau)?);
    findings.sort_by(|left, right| (left.what, &left.photo).cmp(&(right.what, &right.photo)));
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&findings)?);
    } else {
        println!("{}", table(&findings));
        let mut counts = BTreeMap::<What, usize>::new();
        findings.iter().for_each(|finding| *counts.entry(finding.what).or_default() += 1);
        let photos = people.gathered.tally.photos;
        println!(
            "{} people, {photos} photos; faces that are one person's are under {tau:.3} apart",
            people.people.len()
        );
        for (what, count) in counts {
            println!("{count:>6}  {}", what.says());
        }
    }
    Ok(if findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What is wrong with photos by themselves.
fn alone(config: &Config, people: &People) -> Vec<Finding> {
    let of =
        |photo: &PathBuf, what| Finding { what, photo: photo.clone(), other: None, distance: None };
    let look = |(photo, sample): (&PathBuf, &Result<_, Failure>)| match sample {
        Err(Failure::LowQuality(_)) => Some(of(photo, What::LowQuality)),
        Err(_) => Some(of(photo, What::NoFace)),
        Ok(template) => {
            let template: &crate::evaluate::acquire::Template = template;
            let found: Vec<QualityIssue> = issues(&template.quality, &config.road.quality, 0.0);
            (!found.is_empty()).then(|| of(photo, What::LowQuality))
        }
    };
    people.gathered.samples.iter().filter_map(look).collect()
}

/// Photos that are others, byte for byte.
fn copies(images: &Path, people: &People) -> Vec<Finding> {
    let mut first = HashMap::<Digest, (&str, &PathBuf)>::new();
    let mut findings = Vec::new();
    for person in &people.people {
        for photo in &person.photos {
            // One that cannot be read was told of before.
            let Ok(bytes) = std::fs::read(images.join(photo)) else { continue };
            match first.entry(Digest::of(&bytes)) {
                std::collections::hash_map::Entry::Vacant(place) => {
                    place.insert((&person.name, photo));
                }
                std::collections::hash_map::Entry::Occupied(found) => {
                    let (name, other) = *found.get();
                    let what = if name == person.name { What::Copy } else { What::CopyOfAnother };
                    let other = Some(other.clone());
                    findings.push(Finding { what, photo: photo.clone(), other, distance: None });
                }
            }
        }
    }
    findings
}

/// Faces that another name fits better than theirs, at the distance `tau` under which two are one person's.
fn named_wrongly(people: &People, tau: f32) -> anyhow::Result<Vec<Finding>> {
    let labelled = people.labelled();
    let photos = labelled.path.len();
    // Of each photo the nearest of the same person and the nearest of another.
    let (mut own, mut others) = (vec![None; photos], vec![None; photos]);
    each_pair(&labelled.template, |left, right, distance| {
        let nearest =
            if labelled.person[left] == labelled.person[right] { &mut own } else { &mut others };
        for (photo, other) in [(left, right), (right, left)] {
            let found: &mut Option<(f32, usize)> = &mut nearest[photo];
            if found.is_none_or(|(nearest, _)| distance.value() < nearest) {
                *found = Some((distance.value(), other));
            }
        }
    })?;
    let finding = |what, photo: usize, (distance, other): (f32, usize)| Finding {
        what,
        photo: labelled.path[photo].to_owned(),
        other: Some(labelled.path[other].to_owned()),
        distance: Some(distance),
    };
    let look = |photo: usize| match (own[photo], others[photo]) {
        // Nearer to another than to any of their own, and near enough to be them.
        (own, Some(other))
            if other.0 < tau && own.is_none_or(|own: (f32, usize)| other.0 < own.0) =>
        {
            Some(finding(What::LikeAnother, photo, other))
        }
        (Some(own), _) if own.0 >= tau => Some(finding(What::UnlikeOwn, photo, own)),
        _ => None,
    };
    Ok((0..photos).filter_map(look).collect())
}

fn table(findings: &[Finding]) -> Table {
    let mut table = Table::new();
    table.set_header(["photo", "what", "other photo", "distance"]);
    for Finding { what, photo, other, distance } in findings {
        table.add_row([
            photo.display().to_string(),
            what.says().to_owned(),
            other.as_ref().map(|other| other.display().to_string()).unwrap_or_default(),
            distance.map(|distance| format!("{distance:.3}")).unwrap_or_default(),
        ]);
    }
    table
}
