//! An exact nearest-neighbour index: everybody is scanned in four bits a number, and whoever may be
//! among the nearest is compared in full.

mod block;
mod bounds;
mod chunk;
mod code;
mod codes;
mod fetch;
mod nearest;
mod rotation;
mod scan;

use std::sync::Arc;
use std::thread::available_parallelism;

use chunk::Chunk;
use code::Code;
use nearest::Nearest;
use rotation::Rotation;
use rpds::HashTrieMapSync;
use scan::{Probe, scan};

use crate::domain::{Distance, EmployeeId, EmployeeStatus, FaceId};

/// A thread for each so many, which take it about 2 ms. Fewer are not worth a second thread.
const PEOPLE_PER_THREAD_MIN: usize = 1_000_000;

/// A person whom a probe may show.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    /// The person.
    pub employee_id: EmployeeId,
    /// The faces that the person's template was fused of.
    pub face_ids: Arc<[FaceId]>,
    /// The person's status when the gallery last heard of it.
    pub status: EmployeeStatus,
    /// The template's distance to the probe.
    pub distance: Distance,
}

/// A person of the index, without the template's numbers.
#[derive(Clone, Debug)]
pub(super) struct Person {
    pub(super) employee_id: EmployeeId,
    pub(super) face_ids: Arc<[FaceId]>,
    pub(super) status: EmployeeStatus,
}

/// One row for each person. A copy shares all but what is then changed, so that a change can be made
/// beside those who search.
#[derive(Clone, Debug)]
pub(super) struct Index {
    size: usize,
    rotation: Arc<Rotation>,
    /// All full but the last, which is not empty.
    chunks: Vec<Arc<Chunk>>,
    row_of: HashTrieMapSync<EmployeeId, usize>,
    faces: usize,
}

impl Index {
    pub(super) fn new(size: usize) -> Self {
        Self {
            size,
            rotation: Arc::new(Rotation::new(size)),
            chunks: Vec::new(),
            row_of: HashTrieMapSync::default(),
            faces: 0,
        }
    }

    pub(super) fn size(&self) -> usize {
        self.size
    }

    pub(super) fn people(&self) -> usize {
        self.row_of.size()
    }

    /// How many faces the templates were fused of.
    pub(super) fn faces(&self) -> usize {
        self.faces
    }

    /// Adds a person, or replaces them. A template of another size than the model's is refused.
    pub(super) fn put(&mut self, person: Person, template: &[f32]) -> bool {
        if template.len() != self.size {
            return false;
        }
        self.remove(person.employee_id);
        self.faces += person.face_ids.len();
        let row = self.people();
        self.row_of.insert_mut(person.employee_id, row);
        if self.chunks.last().is_none_or(|chunk| chunk.is_full()) {
            self.chunks.push(Arc::default());
        }
        if let Some(chunk) = self.chunks.last_mut() {
            let code = Code::of(template, &self.rotation);
            Arc::make_mut(chunk).push(person, template, &code);
        }
        true
    }

    /// Removes a person; the last row moves into the gap.
    pub(super) fn remove(&mut self, employee: EmployeeId) {
        let Some(&row) = self.row_of.get(&employee) else { return };
        self.row_of.remove_mut(&employee);
        let Some(last) = self.chunks.last_mut().map(Arc::make_mut).and_then(Chunk::pop) else {
            return;
        };
        if self.chunks.last().is_some_and(|chunk| chunk.is_empty()) {
            self.chunks.pop();
        }
        let removed = if last.person.employee_id == employee {
            last.person
        } else {
            self.row_of.insert_mut(last.person.employee_id, row);
            Arc::make_mut(&mut self.chunks[row / Chunk::ROWS]).replace(row % Chunk::ROWS, last)
        };
        self.faces -= removed.face_ids.len();
    }

    /// For each probe the `count` nearest people, the nearest first.
    pub(super) fn search(&self, probes: &[&[f32]], count: usize) -> Vec<Vec<Candidate>> {
        let threads = match self.people() / PEOPLE_PER_THREAD_MIN {
            0 | 1 => 1,
            // Asked only here: the system reads files for an answer, for as long as a search among 20,000 takes.
            several => several.min(available_parallelism().map_or(1, usize::from)),
        };
        self.search_in(threads, probes, count)
    }

    /// As [`Self::search`], in so many threads.
    fn search_in(&self, threads: usize, probes: &[&[f32]], count: usize) -> Vec<Vec<Candidate>> {
        if count == 0 {
            return vec![Vec::new(); probes.len()];
        }
        let coded: Vec<Probe<'_>> =
            probes.iter().map(|values| Probe::new(values, &self.rotation)).collect();
        let found = if threads == 1 {
            scan(&self.chunks, 0, &coded, count)
        } else {
            let share = self.chunks.len().div_ceil(threads).max(1);
            std::thread::scope(|scope| {
                let (coded, parts) = (&coded, self.chunks.chunks(share).enumerate());
                let scans: Vec<_> = parts
                    .map(|(i, part)| scope.spawn(move || scan(part, i * share, coded, count)))
                    .collect();
                let none = vec![Nearest::new(count); probes.len()];
                scans.into_iter().fold(none, |found, scan| {
                    // A thread that panicked would leave people out: the panic goes on.
                    let more = scan.join().unwrap_or_else(|p| std::panic::resume_unwind(p));
                    found.into_iter().zip(&more).map(|(a, b)| a.merged(b)).collect()
                })
            })
        };
        let people = |(nearest, probe): (&Nearest, &&[f32])| {
            nearest.rows().map(|row| self.candidate(row, probe)).collect()
        };
        found.iter().zip(probes).map(people).collect()
    }

    pub(super) fn verify(&self, employee: EmployeeId, probe: &[f32]) -> Option<Candidate> {
        self.row_of.get(&employee).map(|row| self.candidate(*row, probe))
    }

    pub(super) fn template_of(&self, employee: EmployeeId) -> Option<&[f32]> {
        let row = *self.row_of.get(&employee)?;
        Some(self.chunks[row / Chunk::ROWS].template(row % Chunk::ROWS))
    }

    pub(super) fn faces_of(&self, employee: EmployeeId) -> Option<&[FaceId]> {
        let row = *self.row_of.get(&employee)?;
        Some(&self.chunks[row / Chunk::ROWS].person(row % Chunk::ROWS).face_ids)
    }

    fn candidate(&self, row: usize, probe: &[f32]) -> Candidate {
        let (chunk, row) = (&self.chunks[row / Chunk::ROWS], row % Chunk::ROWS);
        let distance = Distance::between(chunk.template(row), probe);
        let Person { employee_id, face_ids, status } = chunk.person(row).clone();
        Candidate { employee_id, face_ids, status, distance }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;
    use rand::rngs::StdRng;
    use rand::{Rng, SeedableRng};
    use uuid::Uuid;

    use super::*;

    fn person(number: u8) -> Person {
        Person {
            employee_id: EmployeeId(Uuid::from_u128(number.into())),
            face_ids: Arc::new([FaceId::generate()]),
            status: EmployeeStatus::Active,
        }
    }

    fn unit(values: &[f32; 3]) -> Vec<f32> {
        let norm = values.iter().map(|v| v * v).sum::<f32>().sqrt().max(1e-6);
        values.iter().map(|v| v / norm).collect()
    }

    #[test]
    fn a_template_of_another_size_is_not_taken_in() {
        let mut index = Index::new(3);
        assert!(!index.put(person(1), &[1.0, 0.0]));
        assert_eq!(index.people(), 0);
    }

    #[test]
    fn an_empty_gallery_proposes_nobody() {
        assert_eq!(Index::new(3).search(&[&[1.0, 0.0, 0.0]], 5), [[]]);
    }

    #[test]
    fn nobody_nearer_is_passed_over_in_a_gallery_of_many_chunks() {
        nobody_nearer_is_passed_over::<64>(20_000);
        nobody_nearer_is_passed_over::<128>(9_000);
    }

    fn nobody_nearer_is_passed_over<const SIZE: usize>(people: u128) {
        let mut random = StdRng::seed_from_u64(7);
        let mut index = Index::new(SIZE);
        let mut enrolled = HashMap::new();
        // Families: many people are about equally near to a probe.
        let families: Vec<Vec<f32>> = (0..40).map(|_| direction(SIZE, &mut random)).collect();
        for number in 0..people {
            let own = direction(SIZE, &mut random);
            let family = &families[number as usize % families.len()];
            let template = sum(family, &own, 0.3);
            let employee_id = EmployeeId(Uuid::from_u128(number));
            let person = Person {
                employee_id,
                face_ids: Arc::new([FaceId::generate()]),
                status: EmployeeStatus::Active,
            };
            assert!(index.put(person, &template));
            enrolled.insert(employee_id, template);
        }
        let before = index.clone();
        for number in (0..people).step_by(4) {
            let employee = EmployeeId(Uuid::from_u128(number));
            index.remove(employee);
            enrolled.remove(&employee);
        }
        assert_eq!((before.people(), index.people()), (people as usize, people as usize / 4 * 3));
        let mut probe = |family| sum(family, &direction(SIZE, &mut random), 0.4);
        let probes: Vec<Vec<f32>> = families.iter().map(|family| probe(family)).collect();
        let together: Vec<&[f32]> = probes.iter().map(Vec::as_slice).collect();
        let found = index.search(&together, 5);
        // By any number of threads, also more than there are chunks.
        for threads in [2, 3, 50] {
            assert_eq!(index.search_in(threads, &together, 5), found);
        }
        for (probe, found) in probes.iter().zip(found) {
            let mut expected: Vec<(f32, EmployeeId)> = enrolled
                .iter()
                .map(|(id, template)| (Distance::between(template, probe).value(), *id))
                .collect();
            expected.sort_by(|a, b| a.0.total_cmp(&b.0));
            let found: Vec<(f32, EmployeeId)> =
                found.iter().map(|c| (c.distance.value(), c.employee_id)).collect();
            assert_eq!(found, expected[..5]);
        }
    }

    fn direction(size: usize, random: &mut StdRng) -> Vec<f32> {
        let numbers: Vec<f32> = (0..size).map(|_| random.random::<f32>() - 0.5).collect();
        sum(&numbers, &numbers, 0.0)
    }

    /// The unit vector along `a + share * b`.
    fn sum(a: &[f32], b: &[f32], share: f32) -> Vec<f32> {
        let sum: Vec<f32> = a.iter().zip(b).map(|(a, b)| a + share * b).collect();
        let norm = sum.iter().map(|v| v * v).sum::<f32>().sqrt();
        sum.iter().map(|v| v / norm).collect()
    }

    proptest! {
        /// Puts and removes people in any order, then compares with a plain sort of what remains.
        #[test]
        fn the_index_finds_whom_brute_force_finds(
            changes in prop::collection::vec((any::<bool>(), 0u8..12, prop::array::uniform3(-1f32..1.0)), 1..80),
            probe in prop::array::uniform3(-1f32..1.0),
            count in 1usize..15,
        ) {
            let mut index = Index::new(3);
            let mut enrolled = HashMap::new();
            for (put, number, values) in changes {
                let (person, template) = (person(number), unit(&values));
                let employee = person.employee_id;
                if put {
                    prop_assert!(index.put(person, &template));
                    enrolled.insert(employee, template);
                } else {
                    index.remove(employee);
                    enrolled.remove(&employee);
                }
            }
            let probe = unit(&probe);
            let mut expected: Vec<f32> = Vec::new();
            for (employee, template) in &enrolled {
                let distance = Distance::between(template, &probe);
                let found = index.verify(*employee, &probe).unwrap();
                prop_assert_eq!((found.employee_id, found.distance), (*employee, distance));
                expected.push(distance.value());
            }
            expected.sort_by(f32::total_cmp);
            expected.truncate(count);
            prop_assert_eq!((index.people(), index.faces()), (enrolled.len(), enrolled.len()));
            let found: Vec<f32> =
                index.search(&[&probe], count)[0].iter().map(|c| c.distance.value()).collect();
            prop_assert_eq!(found, expected);
        }
    }
}
