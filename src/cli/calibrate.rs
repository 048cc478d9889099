//! `limen calibrate`: from labelled photos to the file that τ follows from.

use std::collections::HashMap;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;

use super::evaluate::photos::{Photos, Tally};
use super::evaluate::{Crop, Source};
use crate::calibrate::{GenuineScores, ImpostorScores, Person, calibrate};
use crate::config::Config;
use crate::domain::Distance;
use crate::domain::risk::{Calibration, Data};
use crate::evaluate::acquire::{Sample, Template};
use crate::evaluate::dataset::{self, listed, read_people};
use crate::evaluate::protocol::each_pair;

#[derive(Debug, Args)]
pub(super) struct CalibrateArguments {
    #[command(flatten)]
    source: Source,
    #[command(flatten)]
    crop: Crop,
    /// What the photos are called in the file, e.g. the data set's name.
    #[arg(long, value_name = "NAME")]
    name: String,
    /// The file to write.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

pub(super) fn run(config: &Config, arguments: &CalibrateArguments) -> anyhow::Result<ExitCode> {
    let (people, strays) = read_people(&arguments.source.images)?;
    if !strays.is_empty() {
        eprintln!("limen: {}", listed("photos lie in no person's folder", &strays));
    }
    let photos = Photos::open(config, &arguments.source, arguments.crop.crop_border)?;
    let gathered = photos.templates(people.iter().flat_map(|p| p.photos.clone()).collect())?;

    let labelled = Labelled::of(&people, &gathered.samples);
    let (impostor, genuine) = scores(&labelled)?;
    let data = data(&arguments.name, &labelled, &gathered.tally);
    let calibration = calibrate(photos.profile().model, data, &impostor, &genuine)?;
    let text = format!("{HEADER}{}", toml::to_string(&calibration)?);
    if let Some(folder) = arguments.out.parent() {
        std::fs::create_dir_all(folder)
            .with_context(|| format!("{} cannot be made", folder.display()))?;
    }
    std::fs::write(&arguments.out, text)
        .with_context(|| format!("{} cannot be written", arguments.out.display()))?;
    summarise(&calibration);
    println!("written to {}", arguments.out.display());
    Ok(ExitCode::SUCCESS)
}

/// Photos with their templates, and who is in them.
pub(super) struct Labelled<'a> {
    people: usize,
    pub person: Vec<u32>,
    pub template: Vec<Option<&'a [f32]>>,
}

impl<'a> Labelled<'a> {
    /// The photos of these people, those that were left out excepted.
    pub fn of<'p>(
        people: impl IntoIterator<Item = &'p dataset::Person>,
        samples: &'a HashMap<PathBuf, Sample<Template>>,
    ) -> Self {
        let mut labelled = Self { people: 0, person: Vec::new(), template: Vec::new() };
        for (number, person) in (0u32..).zip(people) {
            labelled.people += 1;
            for sample in person.photos.iter().filter_map(|path| samples.get(path)) {
                labelled.person.push(number);
                labelled.template.push(sample.as_ref().ok().map(|template| &*template.values));
            }
        }
        labelled
    }
}

/// What was measured, for the file.
pub(super) fn data(name: &str, labelled: &Labelled<'_>, tally: &Tally) -> Data {
    let with_template = labelled.template.iter().flatten().count();
    let photos = labelled.person.len().min(tally.photos);
    Data {
        sources: vec![name.to_owned()],
        people: labelled.people as u64,
        photos: photos as u64,
        failures_to_acquire: (photos - with_template) as u64,
    }
}

/// Compares every photo with every other.
pub(super) fn scores(labelled: &Labelled<'_>) -> anyhow::Result<(ImpostorScores, GenuineScores)> {
    let Labelled { people, person, template } = labelled;
    let mut photos_of = vec![0u32; *people];
    for (person, template) in person.iter().zip(template) {
        photos_of[*person as usize] += u32::from(template.is_some());
    }
    let who = |photo: usize| {
        let index = person[photo];
        Person { index, photos: photos_of[index as usize] }
    };
    let mut impostor = ImpostorScores::default();
    let mut of_person: Vec<Vec<Distance>> = vec![Vec::new(); *people];
    each_pair(template, |left, right, distance| {
        if person[left] == person[right] {
            of_person[person[left] as usize].push(distance);
        } else {
            impostor.push(distance, who(left), who(right));
        }
    })?;
    let mut genuine = GenuineScores::default();
    of_person.iter().for_each(|distances| genuine.push_person(distances));
    Ok((impostor, genuine))
}

const HEADER: &str = "\
# The measured error rates of an encoder, from which τ follows. Written by `limen calibrate`: do not
# edit by hand. Curves are [squared distance, rate].
";

fn summarise(calibration: &Calibration) {
    let Calibration { model, data, impostor, genuine, .. } = calibration;
    let goodness = &impostor.tail.goodness;
    println!(
        "{model}: {} photos of {} people, {} without a face",
        data.photos, data.people, data.failures_to_acquire
    );
    println!(
        "strangers: {} pairs, worth {:.0} independent ones; tail under {:.3} fits \
         (Anderson-Darling {:.2}, limit {:.2})",
        impostor.pairs,
        impostor.independent,
        impostor.tail.threshold,
        goodness.anderson_darling,
        goodness.limit
    );
    if impostor.trimmed.pairs > 0 {
        println!(
            "set aside as probably one person under two names: {} pairs nearer than {:.3} (find them \
             with `limen evaluate verification --all-pairs --report`)",
            impostor.trimmed.pairs, impostor.trimmed.below
        );
    }
    println!("same person: {} pairs of {} people", genuine.pairs, genuine.people);
    println!("supports false match rates down to {:.1e}", calibration.floor());
}
