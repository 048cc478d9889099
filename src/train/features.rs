//! What a frozen encoder says of photos: computed once, learnt from often.

use tch::{Kind, TchError, Tensor};

use super::encoder_task::People;
use super::projection::{each_person_alike, principal_components};

/// Of each photo the encodings of its face and of the mirror image, `[N, 2, size]`, of unit length.
#[derive(Debug)]
pub struct Features(Tensor);

impl Features {
    /// Of `photos` photos, one after the other: the plain face's numbers, then the mirror image's.
    ///
    /// # Errors
    /// When the numbers are not those of so many photos.
    pub fn new(values: &[f32], photos: usize) -> Result<Self, TchError> {
        Ok(Self(Tensor::f_from_slice(values)?.f_view([photos as i64, 2, -1])?))
    }

    /// All of them.
    pub fn tensor(&self) -> Tensor {
        self.0.shallow_clone()
    }

    /// The plain faces of all photos, `[N, size]`.
    ///
    /// # Errors
    /// When libtorch fails.
    pub fn plain(&self) -> Result<Tensor, TchError> {
        self.0.f_select(1, 0)?.f_contiguous()
    }

    /// The plain faces of some photos, `[N, size]`.
    ///
    /// # Errors
    /// When there is no such photo.
    pub fn plain_of(&self, photos: &[usize]) -> Result<Tensor, TchError> {
        self.of(photos)?.f_select(1, 0)
    }

    /// `outputs` principal components of both sides of some photos, `[outputs, size]`.
    ///
    /// # Errors
    /// When there are fewer numbers than that.
    pub fn principal_components(&self, photos: &[usize], outputs: i64) -> Result<Tensor, TchError> {
        let size = self.0.size3()?.2;
        principal_components(&self.of(photos)?.f_reshape([-1, size])?, outputs)
    }

    /// As [`Self::principal_components`], with each person weighing the same ([`each_person_alike`]).
    ///
    /// # Errors
    /// As there, and when there are not as many people as photos.
    pub fn components_of_people(&self, people: &People, outputs: i64) -> Result<Tensor, TchError> {
        let size = self.0.size3()?.2;
        let of_sides: Vec<u32> = people.person.iter().flat_map(|person| [*person; 2]).collect();
        let sides = self.of(&people.photos)?.f_reshape([-1, size])?;
        principal_components(&each_person_alike(&sides, &of_sides)?, outputs)
    }

    fn of(&self, photos: &[usize]) -> Result<Tensor, TchError> {
        let numbers: Vec<i64> = photos.iter().map(|photo| *photo as i64).collect();
        self.0.f_index_select(0, &Tensor::f_from_slice(&numbers)?.f_to_kind(Kind::Int64)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn photos_are_found_by_their_number_and_have_the_components_of_both_sides() {
        let values = [[1.0f32, 0.0, 0.0], [0.0, 1.0, 0.0], [0.6, 0.8, 0.0], [0.8, 0.6, 0.0]];
        let features = Features::new(&values.concat(), 2).unwrap();
        let row = |xs: Tensor| Vec::<f32>::try_from(xs.view([-1])).unwrap();
        assert_eq!(row(features.plain_of(&[1]).unwrap()), values[2]);
        assert_eq!(row(features.plain().unwrap()), [values[0], values[2]].concat());
        // Nothing lies outside the plane of the first two numbers.
        let components = features.principal_components(&[0, 1], 2).unwrap();
        let outside = Vec::<f32>::try_from(components.select(1, 2)).unwrap();
        assert!(outside.iter().all(|number| number.abs() < 1e-5), "{outside:?}");
        let people = |person: &[u32]| People { photos: vec![0, 1], person: person.to_vec() };
        let of_people = features.components_of_people(&people(&[4, 9]), 2).unwrap();
        assert!(of_people.abs().allclose(&components.abs(), 1e-5, 1e-5, false));
        assert!(features.components_of_people(&people(&[4]), 2).is_err());
        assert!(Features::new(&values.concat(), 5).is_err());
    }
}
