//! `limen calibrate`: from labelled photos to the file that τ follows from.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;

use super::evaluate::people::{Labelled, People};
use super::evaluate::{Crop, Source};
use crate::calibrate::{GenuineScores, ImpostorScores, Person, calibrate};
use crate::config::Config;
use crate::domain::risk::{Calibration, Data};
use crate::domain::{Distance, ModelId};
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
    let people = People::look_at(config, &arguments.source, arguments.crop)?;
    let model = people.photos.profile().model.clone();
    let calibration = calibration_of(model, &arguments.name, &people.labelled())?;
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

/// Compares every photo with every other and fits the calibration; `name` is what the file calls the
/// photos.
pub(super) fn calibration_of(
    model: ModelId,
    name: &str,
    labelled: &Labelled<'_>,
) -> anyhow::Result<Calibration> {
    let photos = labelled.template.len();
    let data = Data {
        sources: vec![name.to_owned()],
        people: labelled.people as u64,
        photos: photos as u64,
        failures_to_acquire: (photos - labelled.template.iter().flatten().count()) as u64,
    };
    let (impostor, genuine) = scores(labelled)?;
    Ok(calibrate(model, data, &impostor, &genuine)?)
}

fn scores(labelled: &Labelled<'_>) -> anyhow::Result<(ImpostorScores, GenuineScores)> {
    let Labelled { people, person, template, .. } = labelled;
    let mut photos_of = vec![0u32; *people];
    for (person, template) in person.iter().zip(template) {
        photos_of[*person as usize] += u32::from(template.is_some());
    }
    gathered(person, &photos_of, |visit| Ok(each_pair(template, visit)?))
}

/// The scores of photos, `person[i]` being who is in photo `i` and `photos_of` how many each person has, of which `each`
/// visits every two once, with how far apart they are.
pub(super) fn gathered(
    person: &[u32],
    photos_of: &[u32],
    each: impl FnOnce(&mut dyn FnMut(usize, usize, Distance)) -> anyhow::Result<()>,
) -> anyhow::Result<(ImpostorScores, GenuineScores)> {
    let who = |photo: usize| {
        let index = person[photo];
        Person { index, photos: photos_of[index as usize] }
    };
    let mut impostor = ImpostorScores::default();
    let mut of_person: Vec<Vec<Distance>> = vec![Vec::new(); photos_of.len()];
    each(&mut |left, right, distance| {
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
