//! People, never photos, are split: who is measured was never learnt from.

use std::collections::HashMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::nets::Digest;

/// What a person's photos are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// To learn from.
    Training,
    /// To choose by: which step was the best, when to stop.
    Validation,
    /// To measure with, once, at the end.
    Test,
}

/// Which share of the people goes where.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Split {
    /// Chooses who.
    pub seed: u64,
    /// The share that is chosen by, 0 to 1.
    pub validation: f64,
    /// The share that is measured with, 0 to 1.
    pub test: f64,
}

impl Split {
    /// Where a person belongs. It follows from the name alone: further people move nobody.
    #[must_use]
    pub fn part_of(&self, person: &str) -> Part {
        let hash =
            Sha256::new().chain_update(self.seed.to_be_bytes()).chain_update(person).finalize();
        let (first, _) = hash.split_first_chunk::<8>().expect("a hash has 32 bytes");
        // 0 to 1, as even as 53 bits are.
        let place = (u64::from_be_bytes(*first) >> 11) as f64 / (1u64 << 53) as f64;
        if place < self.test {
            Part::Test
        } else if place < self.test + self.validation {
            Part::Validation
        } else {
            Part::Training
        }
    }
}

/// A photo that stands in two parts, or under two people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leak {
    /// Where it stands first.
    pub first: PathBuf,
    /// Where it stands again.
    pub again: PathBuf,
}

/// Photos that are byte for byte the same under two people's names: what was learnt of one would be measured by the
/// other.
#[must_use]
pub fn leaks<'a>(photos: impl IntoIterator<Item = (&'a str, &'a PathBuf, Digest)>) -> Vec<Leak> {
    let mut seen: HashMap<Digest, (&str, &PathBuf)> = HashMap::new();
    let mut leaks = Vec::new();
    for (person, path, digest) in photos {
        match seen.get(&digest) {
            None => drop(seen.insert(digest, (person, path))),
            Some((other, first)) if *other != person => {
                leaks.push(Leak { first: (*first).clone(), again: path.clone() });
            }
            Some(_) => {}
        }
    }
    leaks
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    const SPLIT: Split = Split { seed: 1, validation: 0.2, test: 0.3 };

    #[test]
    fn every_part_has_its_share_of_the_people_and_a_person_stays() {
        let mut counts = BTreeMap::new();
        for number in 0..10_000 {
            let name = format!("person {number}");
            assert_eq!(SPLIT.part_of(&name), SPLIT.part_of(&name));
            *counts.entry(SPLIT.part_of(&name)).or_insert(0) += 1;
        }
        for (part, share) in
            [(Part::Training, 5_000_i32), (Part::Validation, 2_000), (Part::Test, 3_000)]
        {
            assert!((counts[&part] - share).abs() < 200, "{counts:?}");
        }
        let other = Split { seed: 2, ..SPLIT };
        let moved =
            (0..1_000).map(|n| n.to_string()).filter(|n| SPLIT.part_of(n) != other.part_of(n));
        assert!(moved.count() > 300);
    }

    #[test]
    fn a_photo_under_two_names_is_a_leak_and_one_twice_under_its_own_is_not() {
        let paths = ["Ada/1.jpg", "Ada/2.jpg", "Bob/1.jpg"].map(PathBuf::from);
        let same = Digest::of(b"a photo");
        let photos = [("Ada", &paths[0], same), ("Ada", &paths[1], same), ("Bob", &paths[2], same)];
        let found = leaks(photos);
        assert_eq!(found, [Leak { first: paths[0].clone(), again: paths[2].clone() }]);
    }
}
