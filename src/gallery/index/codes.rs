//! The codes of many people, laid so that many are summed side by side.

use super::bounds::{GROUP, Words, least_distances};
use super::chunk::Chunk;
use super::code::{Code, CodedProbe};

/// Codes in rows.
#[derive(Clone, Debug, Default)]
pub(super) struct Codes {
    /// Whole groups; zeros where the last one has no rows.
    words: Vec<Words>,
    rows: usize,
}

impl Codes {
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Words of one code.
    fn code_len(&self) -> usize {
        self.words.len() / self.rows.div_ceil(GROUP).max(1)
    }

    /// The words of a row.
    fn row(&mut self, row: usize) -> impl Iterator<Item = &mut [u8; Code::WORD]> {
        let code_len = self.code_len();
        let group = &mut self.words[row / GROUP * code_len..][..code_len];
        group.iter_mut().map(move |words| &mut words.0[row % GROUP])
    }

    /// Adds a last row.
    pub fn push(&mut self, code: &Code) {
        if self.rows.is_multiple_of(GROUP) {
            // A copy has no room to grow, and would take twice of what it has.
            let words = Chunk::ROWS.div_ceil(GROUP) * code.words.len();
            self.words.reserve_exact(words.saturating_sub(self.words.len()));
            self.words.resize(self.words.len() + code.words.len(), Words::NONE);
        }
        self.rows += 1;
        self.put(self.rows - 1, code);
    }

    /// Puts a code in another one's place.
    pub fn put(&mut self, row: usize, code: &Code) {
        self.row(row).zip(&code.words).for_each(|(to, from)| *to = *from);
    }

    /// Takes the last row out.
    pub fn pop(&mut self) -> Option<Code> {
        let last = self.rows.checked_sub(1)?;
        // Zeros where there are no rows.
        let words: Vec<_> = self.row(last).map(std::mem::take).collect();
        self.rows = last;
        if last.is_multiple_of(GROUP) {
            self.words.truncate(self.words.len() - words.len());
        }
        Some(Code { words })
    }

    /// For each row a squared distance that its template is not nearer than. `bounds` takes as many as
    /// there are rows.
    pub fn least_distances(&self, probe: &CodedProbe, bounds: &mut [f32]) {
        least_distances(&self.words, probe, bounds);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::rotation::Rotation;
    use super::*;

    fn unit(values: &[f32]) -> Vec<f32> {
        let norm = values.iter().map(|v| v * v).sum::<f32>().sqrt().max(1e-6);
        values.iter().map(|v| v / norm).collect()
    }

    proptest! {
        #[test]
        fn nobody_is_nearer_than_the_codes_allow(
            (templates, probe) in prop_oneof![Just(3usize), Just(64), Just(100), Just(128), Just(512)]
                .prop_flat_map(|size| {
                    let vector = prop::collection::vec(-1f32..1.0, size);
                    (prop::collection::vec(vector.clone(), 1..150), vector)
                }),
            spikes in any::<bool>(),
        ) {
            // Templates that are nearly all in one number, too.
            let shaped = |v: &f32| if spikes { v.powi(5) } else { *v };
            let vector = |v: &Vec<f32>| v.iter().map(shaped).collect::<Vec<f32>>();
            let vectors = templates.iter().chain([&probe]).map(vector).collect::<Vec<_>>();
            prop_assume!(vectors.iter().all(|v| v.iter().any(|v| v.abs() > 1e-3)));
            let mut templates: Vec<Vec<f32>> = vectors.iter().map(|v| unit(v)).collect();
            let probe = templates.pop().unwrap();
            let rotation = Rotation::new(probe.len());
            let mut codes = Codes::default();
            templates.iter().for_each(|template| codes.push(&Code::of(template, &rotation)));
            let mut bounds = vec![0.0; templates.len()];
            codes.least_distances(&CodedProbe::of(&probe, &rotation), &mut bounds);
            for (template, bound) in templates.iter().zip(bounds) {
                let distance: f32 = template.iter().zip(&probe).map(|(a, b)| (a - b).powi(2)).sum();
                prop_assert!(bound <= distance, "{bound} > {distance}");
                prop_assert!(bound > distance - 1.0, "{bound} says nothing of {distance}");
            }
        }

        #[test]
        fn rows_come_out_as_they_went_in(
            words in 1usize..5,
            seeds in prop::collection::vec(any::<u8>(), 1..70),
            replaced in any::<prop::sample::Index>(),
        ) {
            let code = |seed: u8| Code {
                words: (0..words).map(|i| [seed.wrapping_mul(i as u8 + 1); Code::WORD]).collect(),
            };
            let mut codes = Codes::default();
            let mut expected = seeds.clone();
            seeds.iter().for_each(|seed| codes.push(&code(*seed)));
            let row = replaced.index(seeds.len());
            codes.put(row, &code(77));
            expected[row] = 77;
            while let Some(seed) = expected.pop() {
                prop_assert_eq!(codes.pop().expect("as many as went in").words, code(seed).words);
            }
            prop_assert!(codes.pop().is_none() && codes.words.is_empty());
        }
    }
}
