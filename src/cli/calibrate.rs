//! `limen calibrate`: from labelled photos to the file that τ follows from.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;

use super::evaluate::photos::Photos;
use super::evaluate::{Crop, Source};
use crate::calibrate::{GenuineScores, ImpostorScores, Person, calibrate};
use crate::config::Config;
use crate::domain::Distance;
use crate::domain::risk::{Calibration, Data};
use crate::evaluate::dataset::{listed, read_people};
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

    let mut owner = Vec::new();
    let mut template: Vec<Option<&[f32]>> = Vec::new();
    for (index, path) in
        (0u32..).zip(&people).flat_map(|(n, person)| person.photos.iter().map(move |p| (n, p)))
    {
        if let Some(Ok(sample)) = gathered.samples.get(path) {
            owner.push(index);
            template.push(Some(&sample.values));
        }
    }
    let calibration = {
        let mut photos_of = vec![0u32; people.len()];
        owner.iter().for_each(|person| photos_of[*person as usize] += 1);
        let person = |photo: usize| {
            let index = owner[photo];
            Person { index, photos: photos_of[index as usize] }
        };
        let mut impostor = ImpostorScores::default();
        let mut genuine: Vec<Vec<Distance>> = vec![Vec::new(); people.len()];
        each_pair(&template, |left, right, distance| {
            if owner[left] == owner[right] {
                genuine[owner[left] as usize].push(distance);
            } else {
                impostor.push(distance, person(left), person(right));
            }
        })?;
        let mut of_people = GenuineScores::default();
        genuine.iter().for_each(|distances| of_people.push_person(distances));
        let data = Data {
            sources: vec![arguments.name.clone()],
            people: people.len() as u64,
            photos: gathered.tally.photos as u64,
            failures_to_acquire: gathered.tally.failures.total() as u64,
        };
        calibrate(photos.profile().model, data, &impostor, &of_people)?
    };
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
