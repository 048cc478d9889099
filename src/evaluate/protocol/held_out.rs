//! Whether a promised FPIR holds on people that the calibration never saw.

use tch::TchError;

use super::each_pair;
use crate::domain::Threshold;

/// The FPIR of searches at τ among `people` people, one photo of each enrolled, by every photo of
/// somebody else: the mean over all galleries that can be drawn from the people given.
///
/// `person[i]` is who is in photo `i`, `template[i]` its encoding, if it has one (a photo without one
/// matches nobody); the first photo of each person with a template is the one that enrols. None when
/// there are not more than `people` people.
///
/// # Errors
/// When libtorch fails.
pub fn fpir(
    person: &[u32],
    template: &[Option<&[f32]>],
    tau: Threshold,
    people: usize,
) -> Result<Option<f64>, TchError> {
    let last = person.iter().max().map_or(0, |last| *last as usize + 1);
    let mut enrols = vec![None; last];
    for (photo, person) in person.iter().enumerate() {
        if template[photo].is_some() {
            enrols[*person as usize].get_or_insert(photo);
        }
    }
    let enrolled = enrols.iter().flatten().count();
    if enrolled <= people {
        return Ok(None);
    }
    // How many enrolling photos of others each photo matches.
    let mut matches = vec![0usize; person.len()];
    each_pair(template, |left, right, distance| {
        if person[left] != person[right] && distance.is_match(tau) {
            let is_enrolling = |photo: usize| enrols[person[photo] as usize] == Some(photo);
            matches[left] += usize::from(is_enrolling(right));
            matches[right] += usize::from(is_enrolling(left));
        }
    })?;
    let hits = matches.iter().map(|matches| hit(enrolled - 1, *matches, people)).sum::<f64>();
    Ok(Some(hits / person.len() as f64))
}

/// The chance that `drawn` out of `all` hold at least one of `matches`: `1 - C(all - matches, drawn) /
/// C(all, drawn)`.
fn hit(all: usize, matches: usize, drawn: usize) -> f64 {
    if matches + drawn > all {
        return if matches > 0 { 1.0 } else { 0.0 };
    }
    let none: f64 = (0..matches).map(|i| (all - drawn - i) as f64 / (all - i) as f64).product();
    1.0 - none
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_chance_of_a_hit_is_that_of_counting_all_draws(
            all in 1usize..10, matches in 0usize..10, drawn in 1usize..10
        ) {
            let (matches, drawn) = (matches.min(all), drawn.min(all));
            let draws: Vec<u32> = (0u32..1 << all).filter(|d| d.count_ones() as usize == drawn).collect();
            let wanted = (1u32 << matches) - 1;
            let hits = draws.iter().filter(|draw| **draw & wanted != 0).count();
            let expected = hits as f64 / draws.len() as f64;
            prop_assert!((hit(all, matches, drawn) - expected).abs() < 1e-12);
        }
    }

    #[test]
    fn the_rate_is_that_of_strangers_searches() {
        // Persons 0 and 1 look alike, 2 does not; photo 3 is a second one of person 0.
        let (a, b) = ([1.0f32, 0.0], [0.0f32, 1.0]);
        let template = [Some(&a[..]), Some(&a[..]), Some(&b[..]), Some(&a[..]), None];
        let person = [0, 1, 2, 0, 2];
        let tau = Threshold::try_from(1.0).unwrap();
        // Of two others one is drawn: photos 0, 1 and 3 hit their look-alike half the time.
        let found = fpir(&person, &template, tau, 1).unwrap().unwrap();
        assert!((found - 1.5 / 5.0).abs() < 1e-12, "{found}");
        assert_eq!(fpir(&person, &template, tau, 3).unwrap(), None);
    }
}
