//! Open-set identification: some photos enrol, the others are searched for.

use crate::domain::{Distance, Encoding, EncodingError, ModelId};
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

/// Enrols the first `enroll` photos of every person who has more, and searches for all other photos;
/// people with no more photos than that are the non-mated probes. `person[i]` is who is in photo `i`,
/// the photos of each in their order, `template[i]` its encoding by `model`, if it has one. The photos
/// that enrol a person are fused, as in the gallery.
///
/// # Errors
/// When the photos of a person cancel out.
pub fn split_gallery(
    person: &[u32],
    template: &[Option<&[f32]>],
    enroll: usize,
    model: &ModelId,
) -> Result<Probes, EncodingError> {
    let people = person.iter().max().map_or(0, |last| *last as usize + 1);
    let mut photos = vec![0usize; people];
    person.iter().for_each(|person| photos[*person as usize] += 1);
    let is_enrolled = |person: u32| photos[person as usize] > enroll;

    let (mut seen, mut photos_of) = (vec![0usize; people], vec![Vec::new(); people]);
    let mut probes = Vec::new();
    for (person, template) in person.iter().zip(template) {
        let order = &mut seen[*person as usize];
        *order += 1;
        if is_enrolled(*person) && *order <= enroll {
            photos_of[*person as usize].extend(template);
        } else {
            probes.push((*person, *template));
        }
    }
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
        let nearest = |mates: bool| {
            let probe = probe?;
            let of = gallery.iter().filter(|(enrolled, _)| (*enrolled == person) == mates);
            let distances = of.map(|(_, template)| Distance::between(probe, template.values()));
            distances.min_by(|a, b| a.value().total_cmp(&b.value()))
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

    #[test]
    fn people_with_enough_photos_are_enrolled_and_the_others_are_strangers() {
        let (a, b) = ([1.0f32, 0.0], [0.0f32, 1.0]);
        let (a, b) = (Some(&a[..]), Some(&b[..]));
        // Person 0: two photos; 1: one; 2: two, the first without a face; 3: one without a face.
        let model = ModelId::new("test");
        let found =
            split_gallery(&[0, 0, 1, 2, 2, 3], &[a, a, b, None, b, None], 1, &model).unwrap();
        assert_eq!((found.gallery, found.mated.len(), found.non_mated.len()), (2, 2, 2));
        let value = |distance: Option<Distance>| distance.map(Distance::value);
        assert_eq!(value(found.mated[0].best_mate), Some(0.0));
        assert_eq!(value(found.mated[0].best_other), None, "person 2 has no template");
        assert_eq!(value(found.mated[1].best_mate), None);
        assert_eq!(value(found.mated[1].best_other), Some(2.0));
        assert_eq!(value(found.non_mated[0].best), Some(2.0));
        assert_eq!(found.non_mated[1].best, None);
    }
}
