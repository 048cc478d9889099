//! Photos by person, every one looked at.

use std::path::Path;

use super::photos::{Gathered, Photos};
use super::{Crop, Source};
use crate::config::Config;
use crate::evaluate::acquire::Template;
use crate::evaluate::dataset::{PassedOver, Person, listed, read_labels, read_people};

/// The people of a folder and what their photos gave.
pub(in crate::cli) struct People {
    pub people: Vec<Person>,
    pub photos: Photos,
    pub gathered: Gathered<Template>,
}

/// Photos with their templates, and who is in them; those that were left out are not among them.
pub(in crate::cli) struct Labelled<'a> {
    /// How many people there are.
    pub people: usize,
    /// Who is in each photo, from 0.
    pub person: Vec<u32>,
    /// The template of each photo, if it has one.
    pub template: Vec<Option<&'a [f32]>>,
    /// Where each photo lies below the folder of images.
    pub path: Vec<&'a Path>,
}

/// The people of a list, or of a folder for each of them; photos in no person's folder are told of.
pub(in crate::cli) fn people_of(
    images: &Path,
    labels: Option<&Path>,
) -> anyhow::Result<Vec<Person>> {
    if let Some(labels) = labels {
        return Ok(read_labels(labels)?);
    }
    let (people, PassedOver { strays, other_files, without_photos }) = read_people(images)?;
    let told = [
        ("photos lie in no person's folder", strays),
        ("files of people are no JPEG, PNG or WebP by their names", other_files),
        ("people have no photo", without_photos),
    ];
    for (what, passed_over) in told.iter().filter(|(_, passed_over)| !passed_over.is_empty()) {
        eprintln!("limen: {}; passed over", listed(what, passed_over));
    }
    Ok(people)
}

impl People {
    /// Reads a folder for each person and looks at every photo.
    pub fn look_at(config: &Config, source: &Source, crop: Crop) -> anyhow::Result<Self> {
        Self::look_at_all(config, source, crop, people_of(&source.images, None)?)
    }

    /// Looks at every photo of some people.
    pub fn look_at_all(
        config: &Config,
        source: &Source,
        crop: Crop,
        people: Vec<Person>,
    ) -> anyhow::Result<Self> {
        let photos = Photos::open(config, source, crop.crop_border)?;
        let gathered = photos.templates(people.iter().flat_map(|p| p.photos.clone()).collect())?;
        Ok(Self { people, photos, gathered })
    }

    /// All photos.
    pub fn labelled(&self) -> Labelled<'_> {
        self.labelled_of(&self.people)
    }

    /// The photos of some of the people.
    pub fn labelled_of<'a>(&'a self, people: impl IntoIterator<Item = &'a Person>) -> Labelled<'a> {
        let (person, template, path) = (Vec::new(), Vec::new(), Vec::new());
        let mut labelled = Labelled { people: 0, person, template, path };
        for (number, person) in (0u32..).zip(people) {
            labelled.people += 1;
            for path in &person.photos {
                let Some(sample) = self.gathered.samples.get(path) else { continue };
                labelled.person.push(number);
                labelled.template.push(sample.as_ref().ok().map(|template| &*template.values));
                labelled.path.push(path);
            }
        }
        labelled
    }
}
