//! The photos to learn from: looked at by the road that serves, and split by person.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use anyhow::{Context, bail, ensure};

use super::Common;
use crate::cli::evaluate::people::people_of;
use crate::cli::evaluate::photos::{Gathered, Photos, Tally};
use crate::config::Config;
use crate::evaluate::acquire::BothSides;
use crate::evaluate::dataset::LISTED_MAX;
use crate::nets::Digest;
use crate::train::{Features, Part, People, Sampler, Split, leaks};

/// Labelled photos.
pub(super) struct Data<T> {
    /// What each photo gave that shows a face.
    pub samples: Vec<T>,
    /// Who is in each photo, from 0.
    person: Vec<u32>,
    /// The part that each person belongs to.
    part: Vec<Part>,
    /// How many photos of each part show no face that could be used.
    faceless: BTreeMap<Part, u64>,
    /// What became of the photos.
    pub tally: Tally,
    /// The encoder that was looked with.
    pub model: String,
    /// Tells these photos, whom they show and how they were looked at from any others.
    pub fingerprint: Digest,
    /// Where they lie.
    pub images: PathBuf,
}

/// How many people and photos a part has.
#[derive(Clone, Copy, Debug)]
pub(super) struct Size {
    pub people: usize,
    pub photos: usize,
    /// People with two photos or more, of whom there are genuine comparisons.
    pub in_pairs: usize,
}

impl Data<BothSides> {
    /// `[N, 2, size]`: of each photo the plain face and its mirror image, of unit length.
    pub fn features(&self) -> anyhow::Result<Features> {
        let sides = self.samples.iter().flat_map(|both| both.plain.iter().chain(&both.mirrored));
        Ok(Features::new(&sides.copied().collect::<Vec<_>>(), self.samples.len())?)
    }
}

impl<T: Clone> Data<T> {
    /// Looks at every photo, as far as `gather` does; `config` says with which encoder.
    pub fn look_at(
        config: &Config,
        common: &Common,
        gather: impl FnOnce(&Photos, Vec<PathBuf>) -> anyhow::Result<Gathered<T>>,
    ) -> anyhow::Result<Self> {
        let (source, split) = (&common.source, common.run.split());
        let people = people_of(&source.images, common.labels.as_deref())?;
        let photos = Photos::open(config, source, common.crop.crop_border)?;
        let all = people.iter().flat_map(|person| person.photos.clone()).collect();
        let gathered = gather(&photos, all)?;
        let (mut samples, mut seen) = (Vec::new(), Vec::new());
        let (mut of, mut part, mut faceless) = (Vec::new(), Vec::new(), BTreeMap::new());
        for person in &people {
            let number = part.len() as u32;
            for path in &person.photos {
                let sample = match gathered.samples.get(path) {
                    Some(Ok(sample)) => sample,
                    Some(Err(_)) => {
                        *faceless.entry(split.part_of(&person.name)).or_default() += 1;
                        continue;
                    }
                    // Left out, as was allowed.
                    None => continue,
                };
                samples.push(sample.clone());
                of.push(number);
                seen.push((person.name.as_str(), path));
            }
            part.push(split.part_of(&person.name));
        }
        ensure!(!seen.is_empty(), "no photo in {} shows a face", source.images.display());
        let mut data = Self {
            samples,
            person: of,
            part,
            faceless,
            tally: gathered.tally,
            model: photos.model(),
            fingerprint: Digest::of(b""),
            images: source.images.clone(),
        };
        data.check(&source.images, &seen, split, &photos.looks()?)?;
        Ok(data)
    }

    /// Refuses copies of a photo on both sides of the split, and tells the photos from others.
    fn check(
        &mut self,
        images: &std::path::Path,
        seen: &[(&str, &PathBuf)],
        split: Split,
        looks: &str,
    ) -> anyhow::Result<()> {
        let digests = seen.iter().map(|(name, path)| {
            let bytes = std::fs::read(images.join(path));
            let bytes =
                bytes.with_context(|| format!("{} cannot be read again", path.display()))?;
            Ok((*name, *path, Digest::of(&bytes)))
        });
        let digests = digests.collect::<anyhow::Result<Vec<_>>>()?;
        let leaks = leaks(digests.iter().copied());
        let part_of: BTreeMap<&PathBuf, Part> =
            seen.iter().map(|(name, path)| (*path, split.part_of(name))).collect();
        let across =
            leaks.iter().filter(|leak| part_of.get(&leak.first) != part_of.get(&leak.again));
        let across: Vec<String> = across
            .take(LISTED_MAX)
            .map(|leak| format!("{} = {}", leak.first.display(), leak.again.display()))
            .collect();
        if !across.is_empty() {
            bail!(
                "photos are in two parts of the split under two names, so that what was learnt would be measured with \
                 itself: {}. `limen dataset check` lists them all; remove the wrong ones",
                across.join(", ")
            );
        }
        let lines = digests
            .iter()
            .map(|(name, path, digest)| format!("{name:?} {} {digest}\n", path.display()));
        let text: String = std::iter::once(format!("{looks}\n")).chain(lines).collect();
        self.fingerprint = Digest::of(text.as_bytes());
        Ok(())
    }

    /// The photos of a part.
    pub fn part(&self, part: Part) -> People {
        let photos = 0..self.person.len();
        let photos: Vec<usize> =
            photos.filter(|photo| self.part[self.person[*photo] as usize] == part).collect();
        let person = photos.iter().map(|photo| self.person[*photo]).collect();
        People { photos, person }
    }

    /// What batches of a part are drawn from.
    pub fn sampler(&self, part: Part) -> anyhow::Result<Sampler> {
        let People { photos, person } = self.part(part);
        Ok(Sampler::new(photos.into_iter().zip(person))?)
    }

    /// Refuses people who cannot be told apart or recognised again, for want of some: all of them, or those of a part.
    pub fn expect_pairs(&self) -> anyhow::Result<()> {
        Sampler::new(self.person.iter().copied().enumerate())
            .with_context(|| format!("the photos in {}", self.images.display()))?;
        let parts = [
            (Part::Training, "to learn from"),
            (Part::Validation, "to choose the best step by (--validation)"),
            (Part::Test, "to measure with (--test)"),
        ];
        for (part, what) in parts {
            self.sampler(part).with_context(|| {
                format!(
                    "the people {what} are {}; other shares or another --seed deal them out otherwise",
                    self.size(part)
                )
            })?;
        }
        Ok(())
    }

    /// How many photos of a part show no face that could be used.
    pub fn faceless(&self, part: Part) -> u64 {
        self.faceless.get(&part).copied().unwrap_or(0)
    }

    /// How large a part is.
    pub fn size(&self, part: Part) -> Size {
        let People { photos, person } = self.part(part);
        let mut of = BTreeMap::<u32, usize>::new();
        person.iter().for_each(|person| *of.entry(*person).or_default() += 1);
        let in_pairs = of.values().filter(|photos| **photos > 1).count();
        Size { people: of.len(), photos: photos.len(), in_pairs }
    }

    /// What there is, a line for each part.
    pub fn lines(&self) -> Vec<String> {
        let parts = [
            (Part::Training, "to learn from"),
            (Part::Validation, "to choose the best step by"),
            (Part::Test, "to measure with"),
        ];
        let mut lines: Vec<String> =
            parts.iter().map(|(part, what)| format!("{what}: {}", self.size(*part))).collect();
        lines.push(format!(
            "of {} photos {} show no face that could be used, {} more are missing or cannot be read; no person and no \
             photo is in two parts; their fingerprint is `{}`",
            self.tally.photos,
            self.tally.failures.total(),
            self.tally.left_out,
            self.fingerprint
        ));
        lines
    }

    /// Tells what there is.
    pub fn tell(&self) {
        for line in self.lines() {
            println!("{line}");
        }
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { people, photos, in_pairs } = self;
        write!(f, "{people} people with {photos} photos, {in_pairs} of them with two or more")
    }
}
