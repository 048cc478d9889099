//! An exact nearest-neighbour index: one matrix with a row for each person, scanned row by row.

use std::collections::HashMap;
use std::sync::Arc;

use crate::domain::{Distance, EmployeeId, EmployeeStatus, FaceId};

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

/// One row of `size` numbers for each person.
#[derive(Debug)]
pub(super) struct Index {
    size: usize,
    matrix: Vec<f32>,
    people: Vec<Person>,
    row_of: HashMap<EmployeeId, usize>,
    faces: usize,
}

impl Index {
    pub(super) fn new(size: usize) -> Self {
        Self { size, matrix: Vec::new(), people: Vec::new(), row_of: HashMap::new(), faces: 0 }
    }

    pub(super) fn size(&self) -> usize {
        self.size
    }

    pub(super) fn people(&self) -> usize {
        self.people.len()
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
        self.row_of.insert(person.employee_id, self.people.len());
        self.people.push(person);
        self.matrix.extend_from_slice(template);
        true
    }

    /// Removes a person; the last row moves into the gap.
    pub(super) fn remove(&mut self, employee: EmployeeId) {
        let Some(row) = self.row_of.remove(&employee) else {
            return;
        };
        let last = self.people.len() - 1;
        self.faces -= self.people.swap_remove(row).face_ids.len();
        if row != last {
            self.matrix.copy_within(last * self.size.., row * self.size);
            self.row_of.insert(self.people[row].employee_id, row);
        }
        self.matrix.truncate(last * self.size);
    }

    pub(super) fn search(&self, probe: &[f32], count: usize) -> Vec<Candidate> {
        let mut nearest: Vec<(Distance, usize)> = Vec::with_capacity(count + 1);
        if count == 0 {
            return Vec::new();
        }
        for (row, template) in self.matrix.chunks_exact(self.size).enumerate() {
            let distance = Distance::between(template, probe);
            if nearest.len() < count || distance < nearest[count - 1].0 {
                let at = nearest.partition_point(|(other, _)| *other <= distance);
                nearest.insert(at, (distance, row));
                nearest.truncate(count);
            }
        }
        nearest.into_iter().map(|(distance, row)| self.candidate(row, distance)).collect()
    }

    pub(super) fn verify(&self, employee: EmployeeId, probe: &[f32]) -> Option<Candidate> {
        let row = *self.row_of.get(&employee)?;
        let template = &self.matrix[row * self.size..(row + 1) * self.size];
        Some(self.candidate(row, Distance::between(template, probe)))
    }

    fn candidate(&self, row: usize, distance: Distance) -> Candidate {
        let Person { employee_id, face_ids, status } = self.people[row].clone();
        Candidate { employee_id, face_ids, status, distance }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
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
        assert!(Index::new(3).search(&[1.0, 0.0, 0.0], 5).is_empty());
    }

    proptest! {
        /// Puts and removes people in any order, then compares with a plain sort of what remains.
        #[test]
        fn the_index_finds_whom_brute_force_finds(
            changes in prop::collection::vec((any::<bool>(), 0u8..12, prop::array::uniform3(-1f32..1.0)), 1..80),
            probe in prop::array::uniform3(-1f32..1.0),
            count in 1usize..6,
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
                index.search(&probe, count).iter().map(|c| c.distance.value()).collect();
            prop_assert_eq!(found, expected);
        }
    }
}
