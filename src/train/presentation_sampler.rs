//! Half live, half attacks: what a step of a liveness network learns from.

use std::collections::BTreeMap;

use rand::Rng;
use rand::seq::{IndexedRandom, SliceRandom};

use crate::evaluate::metrics::Kind;

/// The photos of each subject.
type Subjects = Vec<Vec<usize>>;

/// Presentations to learn from.
#[derive(Clone, Debug)]
pub struct PresentationSampler {
    live: Subjects,
    /// Of each species of attack instrument.
    attacks: Vec<Subjects>,
}

/// A photo to learn from.
#[derive(Clone, Copy, Debug)]
pub struct LabelledPresentation<'a> {
    /// The photo's number.
    pub photo: usize,
    /// What was presented.
    pub kind: &'a Kind,
    /// Whose face it shows.
    pub subject: &'a str,
}

/// Why there is nothing to learn from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no {0} to learn from: what tells live faces from attacks takes both")]
pub struct OneClass(&'static str);

/// Photos and which of them are live.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PresentationBatch {
    /// The photos' numbers.
    pub photos: Vec<usize>,
    /// Whether each is live.
    pub live: Vec<bool>,
}

impl PresentationSampler {
    /// Of some presentations.
    ///
    /// # Errors
    /// When one class is missing.
    pub fn new<'a>(
        presentations: impl IntoIterator<Item = LabelledPresentation<'a>>,
    ) -> Result<Self, OneClass> {
        let mut live = BTreeMap::<&str, Vec<usize>>::new();
        let mut attacks = BTreeMap::<&str, BTreeMap<&str, Vec<usize>>>::new();
        for LabelledPresentation { photo, kind, subject } in presentations {
            let subjects = match kind {
                Kind::Live => &mut live,
                Kind::Attack(species) => attacks.entry(species).or_default(),
            };
            subjects.entry(subject).or_default().push(photo);
        }
        if live.is_empty() {
            return Err(OneClass("live face"));
        }
        if attacks.is_empty() {
            return Err(OneClass("attack"));
        }
        let photos = |subjects: BTreeMap<_, Vec<usize>>| subjects.into_values().collect();
        Ok(Self { live: photos(live), attacks: attacks.into_values().map(photos).collect() })
    }

    /// So many live faces and as many attacks: the attacks as evenly by species as can be, those of a species and the live
    /// faces as evenly by subject, and of a subject by chance. A class, a species or a subject with few photos weighs no
    /// less than the others.
    pub fn draw(&self, of_each_class: usize, random: &mut impl Rng) -> PresentationBatch {
        let mut photos = drawn_evenly(&self.live, of_each_class, random);
        let mut species: Vec<&Subjects> = self.attacks.iter().collect();
        species.shuffle(random);
        for (at, subjects) in species.iter().enumerate() {
            // The first so many have one more where it does not come out even.
            let count = (of_each_class + species.len() - 1 - at) / species.len();
            photos.extend(drawn_evenly(subjects, count, random));
        }
        let live = (0..photos.len()).map(|at| at < of_each_class).collect();
        PresentationBatch { photos, live }
    }
}

fn drawn_evenly(subjects: &Subjects, count: usize, random: &mut impl Rng) -> Vec<usize> {
    let mut order: Vec<&Vec<usize>> = subjects.iter().collect();
    order.shuffle(random);
    order.into_iter().cycle().take(count).filter_map(|all| all.choose(random).copied()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::random;

    fn sampler() -> PresentationSampler {
        let attack = |name: &str| Kind::Attack(name.to_owned());
        let kinds = [Kind::Live, attack("print"), attack("replay")];
        // Photos 0..: many of the first subject, and few replays.
        let all =
            (0..100).map(|photo| (photo, &kinds[photo % 2], if photo < 80 { "a" } else { "b" }));
        let all = all.chain([(100, &kinds[2], "b"), (101, &kinds[0], "c")]);
        let labelled =
            all.map(|(photo, kind, subject)| LabelledPresentation { photo, kind, subject });
        PresentationSampler::new(labelled).unwrap()
    }

    #[test]
    fn a_batch_is_even_by_class_by_species_and_by_subject() {
        let batch = sampler().draw(6, &mut random(1, "batch", 0));
        assert_eq!(batch.live, [[true; 6], [false; 6]].concat());
        let count = |within: &dyn Fn(usize) -> bool| {
            batch.photos.iter().filter(|photo| within(**photo)).count()
        };
        assert_eq!(count(&|photo| photo == 101), 2, "a live subject of three");
        assert_eq!(count(&|photo| photo < 80 && photo % 2 == 0), 2);
        assert_eq!(count(&|photo| photo == 100), 3, "replays, of two species");
        assert!((1..=2).contains(&count(&|photo| photo < 80 && photo % 2 == 1)));
        // Where it does not come out even, nobody is left out.
        assert_eq!(sampler().draw(5, &mut random(1, "batch", 0)).photos.len(), 10);
    }

    #[test]
    fn the_same_numbers_draw_alike_and_others_do_not() {
        let drawn = |step| sampler().draw(8, &mut random(1, "batch", step));
        assert_eq!(drawn(1), drawn(1));
        assert_ne!(drawn(1), drawn(2));
    }

    #[test]
    fn of_one_class_nothing_can_be_learnt() {
        let of = |kind: &Kind| {
            let all = [LabelledPresentation { photo: 0, kind, subject: "a" }];
            PresentationSampler::new(all).unwrap_err().to_string()
        };
        assert!(of(&Kind::Live).contains("no attack"));
        assert!(of(&Kind::Attack("print".to_owned())).contains("no live face"));
    }
}
