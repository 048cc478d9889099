//! Listed pairs.

use std::collections::HashMap;
use std::path::Path;

use super::distance;
use crate::evaluate::acquire::{Sample, Template};
use crate::evaluate::dataset::Pair;
use crate::evaluate::metrics::ComparedPair;

/// Compares the photos of each pair; `sample` gives what a photo gave.
pub fn compare<'a>(
    pairs: &[Pair],
    sample: impl Fn(&Path) -> &'a Sample<Template>,
) -> Vec<ComparedPair> {
    let people = people_of(pairs);
    let compared = pairs.iter().enumerate().map(|(at, pair)| ComparedPair {
        fold: pair.fold,
        same: pair.same,
        people: people.as_ref().map(|people| people[at]),
        distance: distance(sample(&pair.left), sample(&pair.right)),
    });
    compared.collect()
}

/// Who is in the photos of each pair, by the topmost folder of their paths; none unless every photo
/// lies in a folder and the labels agree with the folders being people.
#[must_use]
pub fn people_of(pairs: &[Pair]) -> Option<Vec<[u32; 2]>> {
    let mut numbers = HashMap::new();
    let mut number = |path: &Path| {
        let mut parts = path.components();
        let (folder, _) = (parts.next()?, parts.next()?);
        let next = numbers.len() as u32;
        Some(*numbers.entry(folder.as_os_str().to_owned()).or_insert(next))
    };
    pairs
        .iter()
        .map(|pair| {
            let people = [number(&pair.left)?, number(&pair.right)?];
            ((people[0] == people[1]) == pair.same).then_some(people)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(left: &str, right: &str, same: bool) -> Pair {
        Pair { left: left.into(), right: right.into(), same, fold: None }
    }

    #[test]
    fn folders_are_people_only_where_every_label_agrees() {
        let pairs = [pair("a/1.jpg", "a/2.jpg", true), pair("a/1.jpg", "b/1.jpg", false)];
        assert_eq!(people_of(&pairs), Some(vec![[0, 0], [0, 1]]));
        assert_eq!(people_of(&[pair("left/1.jpg", "right/1.jpg", true)]), None);
        assert_eq!(people_of(&[pair("1.jpg", "2.jpg", false)]), None);
    }
}
