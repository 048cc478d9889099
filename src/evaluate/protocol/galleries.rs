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
    /// The photos of the mated searches, in their order.
    pub mated_photos: Vec<SearchPhotos>,
    /// The photos of the non-mated searches.
    pub non_mated_photos: Vec<SearchPhotos>,
}

/// The photos of a search, by their numbers, for a person to look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SearchPhotos {
    /// What is searched for.
    pub probe: usize,
    /// The first photo that enrols the right person.
    pub mate: Option<usize>,
    /// The first photo that enrols the nearest other person.
    pub other: Option<usize>,
}

/// An enrolled person.
struct Enrolled {
    person: u32,
    template: Encoding,
    /// The first of the photos that it was made of.
    photo: usize,
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
    for (photo, (person, template)) in person.iter().zip(template).enumerate() {
        let order = &mut seen[*person as usize];
        *order += 1;
        if is_enrolled(*person) && *order <= enroll {
            photos_of[*person as usize].extend(template.map(|template| (photo, template)));
        } else {
            probes.push((photo, *person, *template));
        }
    }
    let mut gallery = Vec::new();
    for (person, photos) in (0u32..).zip(&photos_of) {
        let Some((photo, _)) = photos.first() else { continue };
        let templates: Vec<&[f32]> = photos.iter().map(|(_, template)| *template).collect();
        let template = Encoding::fused(&templates, model.clone())?;
        gallery.push(Enrolled { person, template, photo: *photo });
    }
    let mut found = Probes {
        gallery: photos.iter().filter(|photos| **photos > enroll).count() as u64,
        mated: Vec::new(),
        non_mated: Vec::new(),
        mated_photos: Vec::new(),
        non_mated_photos: Vec::new(),
    };
    for (photo, person, probe) in probes {
        let nearest = |mates: bool| {
            let probe = probe?;
            let of = gallery.iter().filter(|enrolled| (enrolled.person == person) == mates);
            let distances = of.map(|of| (Distance::between(probe, of.template.values()), of.photo));
            distances.min_by(|a, b| a.0.value().total_cmp(&b.0.value()))
        };
        let (mate, other) = (nearest(true), nearest(false));
        let [best_mate, best_other] = [mate, other].map(|of| of.map(|(distance, _)| distance));
        let [mate, other] = [mate, other].map(|of| of.map(|(_, photo)| photo));
        let photos = SearchPhotos { probe: photo, mate, other };
        if is_enrolled(person) {
            found.mated.push(MatedProbe { person, best_mate, best_other });
            found.mated_photos.push(photos);
        } else {
            found.non_mated.push(NonMatedProbe { person, best: best_other });
            found.non_mated_photos.push(photos);
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

        let photos = |probe, mate, other| SearchPhotos { probe, mate, other };
        assert_eq!(found.mated_photos, [photos(1, Some(0), None), photos(4, None, Some(0))]);
        assert_eq!(found.non_mated_photos, [photos(2, None, Some(0)), photos(5, None, None)]);
    }
}
