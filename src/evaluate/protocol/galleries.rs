//! Open-set identification: some photos enrol, the others are searched for.

use crate::domain::{Ballot, Distance, Encoding, EncodingError, ModelId, VoteRules, vote};
use crate::evaluate::metrics::{MatedProbe, NonMatedProbe};

/// What the searches gave.
#[derive(Clone, Debug, PartialEq)]
pub struct Probes {
    /// People enrolled.
    pub gallery: u64,
    /// Searches for people who are enrolled.
    pub mated: Vec<MatedProbe>,
    /// Searches for people who are not.
    pub non_mated: Vec<NonMatedProbe>,
}

/// What one search is made with.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Attempts {
    /// A photo.
    OfOne,
    /// So many photos of a person, two or more, which vote as the frames of a passage do.
    OfSeveral(usize, VoteRules),
}

impl Attempts {
    fn photos(self) -> usize {
        match self {
            Self::OfOne => 1,
            Self::OfSeveral(photos, _) => photos,
        }
    }

    /// How near the photos of one search are to a template, where those in which a face was found say that they are.
    fn distance(self, probes: &[&[f32]], nearest: &[Distance], to: &[f32]) -> Option<Distance> {
        let mut distances = probes.iter().map(|probe| Distance::between(probe, to));
        match self {
            Self::OfOne => distances.next(),
            Self::OfSeveral(_, rules) => {
                let ballots = distances.zip(nearest);
                let ballots = ballots.map(|(person, nearest)| Ballot { person, nearest: *nearest });
                vote(&ballots.collect::<Vec<_>>(), rules)
            }
        }
    }
}

/// Enrols the first `enroll` photos of every person who has more, and searches for all other photos, as many at once as
/// `attempts` says, the last of a person's with as many as are left. People with no more photos than that are the non-mated probes.
/// `person[i]` is who is in photo `i`, the photos of each in their order, `template[i]` its encoding by `model`, if it has
/// one. The photos that enrol a person are fused, as in the gallery.
///
/// # Errors
/// When the photos of a person cancel out.
pub fn split_gallery(
    person: &[u32],
    template: &[Option<&[f32]>],
    enroll: usize,
    model: &ModelId,
    attempts: Attempts,
) -> Result<Probes, EncodingError> {
    let people = person.iter().max().map_or(0, |last| *last as usize + 1);
    let mut photos = vec![0usize; people];
    person.iter().for_each(|person| photos[*person as usize] += 1);
    let is_enrolled = |person: u32| photos[person as usize] > enroll;

    let (mut seen, mut photos_of) = (vec![0usize; people], vec![Vec::new(); people]);
    let (mut probes, mut waiting) = (Vec::new(), vec![Vec::new(); people]);
    for (person, template) in person.iter().zip(template) {
        let order = &mut seen[*person as usize];
        *order += 1;
        if is_enrolled(*person) && *order <= enroll {
            photos_of[*person as usize].extend(template);
            continue;
        }
        let photos = &mut waiting[*person as usize];
        photos.push(*template);
        if photos.len() == attempts.photos() {
            probes.push((*person, std::mem::take(photos)));
        }
    }
    let left = (0u32..).zip(waiting).filter(|(_, photos)| !photos.is_empty());
    probes.extend(left);
    let mut gallery = Vec::new();
    for (person, photos) in photos_of.iter().enumerate().filter(|(_, photos)| !photos.is_empty()) {
        gallery.push((person as u32, Encoding::fused(photos, model.clone())?));
    }
    let mut found = Probes {
        gallery: photos.iter().filter(|photos| **photos > enroll).count() as u64,
        mated: Vec::new(),
        non_mated: Vec::new(),
    };
    for (person, probe) in probes {
        let probe: Vec<&[f32]> = probe.into_iter().flatten().collect();
        let least = |distances: &mut dyn Iterator<Item = Distance>| {
            distances.min_by(|a, b| a.value().total_cmp(&b.value()))
        };
        let to_all = |photo: &&[f32]| {
            let photo = *photo;
            least(&mut gallery.iter().map(|(_, of)| Distance::between(photo, of.values())))
        };
        let to_nearest: Vec<Distance> = probe.iter().filter_map(to_all).collect();
        let nearest = |mates: bool| {
            let of = gallery.iter().filter(|(enrolled, _)| (*enrolled == person) == mates);
            let distance = |of: &Encoding| attempts.distance(&probe, &to_nearest, of.values());
            least(&mut of.filter_map(|(_, template)| distance(template)))
        };
        if is_enrolled(person) {
            let (best_mate, best_other) = (nearest(true), nearest(false));
            found.mated.push(MatedProbe { person, best_mate, best_other });
        } else {
            found.non_mated.push(NonMatedProbe { person, best: nearest(false) });
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Threshold;

    #[test]
    fn people_with_enough_photos_are_enrolled_and_the_others_are_strangers() {
        let (a, b) = ([1.0f32, 0.0], [0.0f32, 1.0]);
        let (a, b) = (Some(&a[..]), Some(&b[..]));
        // Person 0: two photos; 1: one; 2: two, the first without a face; 3: one without a face.
        let model = ModelId::new("test");
        let found = split_gallery(
            &[0, 0, 1, 2, 2, 3],
            &[a, a, b, None, b, None],
            1,
            &model,
            Attempts::OfOne,
        );
        let found = found.unwrap();
        assert_eq!((found.gallery, found.mated.len(), found.non_mated.len()), (2, 2, 2));
        let value = |distance: Option<Distance>| distance.map(Distance::value);
        assert_eq!(value(found.mated[0].best_mate), Some(0.0));
        assert_eq!(value(found.mated[0].best_other), None, "person 2 has no template");
        assert_eq!(value(found.mated[1].best_mate), None);
        assert_eq!(value(found.mated[1].best_other), Some(2.0));
        assert_eq!(value(found.non_mated[0].best), Some(2.0));
        assert_eq!(found.non_mated[1].best, None);
    }

    #[test]
    fn the_photos_of_one_search_vote() {
        let at = |degrees: f32| [degrees.to_radians().cos(), degrees.to_radians().sin()];
        // Person 0, enrolled at 0 degrees: a search of two photos, one without a face; of two; and of one that is left. Person
        // 1, enrolled at 120: of two, the second of which is nearer to person 0. Person 2: a stranger with one.
        let of_0 = [0.0, 30.0, 0.0, 20.0, 40.0, 10.0];
        let photos: Vec<[f32; 2]> =
            of_0.into_iter().chain([120.0, 110.0, 50.0, 70.0]).map(at).collect();
        let person = [0, 0, 0, 0, 0, 0, 1, 1, 1, 2];
        let mut template: Vec<Option<&[f32]>> = photos.iter().map(|p| Some(&p[..])).collect();
        template[2] = None;
        let rules = VoteRules { each: Threshold::try_from(1.5).unwrap(), margin: 0.1 };
        let attempts = Attempts::OfSeveral(2, rules);
        let model = ModelId::new("test");
        let found = split_gallery(&person, &template, 1, &model, attempts).unwrap();
        assert_eq!((found.gallery, found.mated.len(), found.non_mated.len()), (2, 4, 1));
        let apart = |degrees: f32| Distance::between(&at(0.0), &at(degrees)).value();
        let mate = |search: usize| found.mated[search].best_mate.map_or(4.0, Distance::value);
        let is = |search, mean: f32| (mate(search) - mean).abs() < 1e-6;
        assert!(is(0, apart(30.0)) && is(1, apart(20.0).midpoint(apart(40.0))), "{found:?}");
        assert_eq!(found.mated[0].best_other, None, "nobody else is as near");
        assert_eq!(found.mated[2].best_mate, None, "a photo shows somebody else more clearly");
        assert!(is(3, apart(10.0)), "{found:?}");
        assert!((found.non_mated[0].best.unwrap().value() - apart(50.0)).abs() < 1e-6);
    }
}
