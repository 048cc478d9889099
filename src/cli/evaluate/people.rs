//! A folder for each person, every photo looked at.

use std::path::Path;

use super::photos::{Gathered, Photos};
use super::{Crop, Source};
use crate::config::Config;
use crate::evaluate::acquire::Template;
use crate::evaluate::dataset::{Person, listed, read_people};

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

impl People {
    /// Reads the folder and looks at every photo; photos in no person's folder are told of.
    pub fn look_at(config: &Config, source: &Source, crop: Crop) -> anyhow::Result<Self> {
        let (people, strays) = read_people(&source.images)?;
        if !strays.is_empty() {
            eprintln!("limen: {}", listed("photos lie in no person's folder", &strays));
        }
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
