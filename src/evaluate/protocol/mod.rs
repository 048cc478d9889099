//! Which templates are compared with which.

mod all_pairs;
mod galleries;
mod held_out;
mod pairs;
mod worst;

pub use all_pairs::{AllPairs, all_pairs, each_pair};
pub use galleries::{Probes, SearchPhotos, split_gallery};
pub use held_out::fpir;
pub use pairs::{compare, people_of};
pub use worst::{Worst, WorstPair};

use crate::domain::Distance;
use crate::evaluate::acquire::{Sample, Template};

/// The distance of two templates; none where either photo had no face.
#[must_use]
pub fn distance(left: &Sample<Template>, right: &Sample<Template>) -> Option<Distance> {
    match (left, right) {
        (Ok(left), Ok(right)) => Some(Distance::between(&left.values, &right.values)),
        _ => None,
    }
}
