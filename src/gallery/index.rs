//! An exact nearest-neighbour index: one matrix, scanned row by row.

use std::collections::HashMap;

use crate::domain::{Distance, EmployeeId, EmployeeStatus, FaceId};

/// A person whom a probe may show.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Candidate {
    /// The person.
    pub employee_id: EmployeeId,
    /// The person's nearest template.
    pub face_id: FaceId,
    /// The person's status when the gallery last heard of it.
    pub status: EmployeeStatus,
    /// The template's distance to the probe.
    pub distance: Distance,
}

/// A template of the index, without its numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Template {
    employee_id: EmployeeId,
    face_id: FaceId,
    status: EmployeeStatus,
}

/// One row of `size` numbers for each template.
#[derive(Debug)]
pub(super) struct Index {
    size: usize,
    matrix: Vec<f32>,
    templates: Vec<Template>,
    rows_by_employee: HashMap<EmployeeId, Vec<usize>>,
}

impl Index {
    pub(super) fn new(size: usize) -> Self {
        Self { size, matrix: Vec::new(), templates: Vec::new(), rows_by_employee: HashMap::new() }
    }

    pub(super) fn size(&self) -> usize {
        self.size
    }

    pub(super) fn len(&self) -> usize {
        self.templates.len()
    }

    pub(super) fn rows_of(&self, employee: EmployeeId) -> usize {
        self.rows_by_employee.get(&employee).map_or(0, Vec::len)
    }

    pub(super) fn people(&self) -> usize {
        self.rows_by_employee.len()
    }

    /// Adds a template. A stored encoding of another size than the model's is refused.
    pub(super) fn add(
        &mut self,
        employee_id: EmployeeId,
        face_id: FaceId,
        status: EmployeeStatus,
        values: &[f32],
    ) -> bool {
        if values.len() != self.size {
            return false;
        }
        self.rows_by_employee.entry(employee_id).or_default().push(self.templates.len());
        self.templates.push(Template { employee_id, face_id, status });
        self.matrix.extend_from_slice(values);
        true
    }

    /// Removes every template of an employee; the last rows move into the gaps.
    pub(super) fn remove(&mut self, employee: EmployeeId) {
        let Some(mut rows) = self.rows_by_employee.remove(&employee) else {
            return;
        };
        // From the back, so that a row that is still to be removed never moves.
        rows.sort_unstable();
        for row in rows.into_iter().rev() {
            let last = self.templates.len() - 1;
            if row != last {
                self.matrix.copy_within(last * self.size.., row * self.size);
                self.templates[row] = self.templates[last];
                if let Some(rows) = self.rows_by_employee.get_mut(&self.templates[row].employee_id)
                    && let Some(moved) = rows.iter_mut().find(|r| **r == last)
                {
                    *moved = row;
                }
            }
            self.templates.truncate(last);
            self.matrix.truncate(last * self.size);
        }
    }

    pub(super) fn search(&self, probe: &[f32], count: usize) -> Vec<Candidate> {
        let mut nearest: Vec<Candidate> = Vec::with_capacity(count + 1);
        if count == 0 {
            return nearest;
        }
        for (row, values) in self.matrix.chunks_exact(self.size).enumerate() {
            let distance = Distance::between(values, probe);
            if nearest.len() == count && distance >= nearest[count - 1].distance {
                continue;
            }
            let candidate = self.candidate(row, distance);
            match nearest.iter().position(|c| c.employee_id == candidate.employee_id) {
                Some(same) if nearest[same].distance <= distance => continue,
                Some(same) => {
                    nearest.remove(same);
                }
                None => {}
            }
            let at = nearest.partition_point(|c| c.distance <= distance);
            nearest.insert(at, candidate);
            nearest.truncate(count);
        }
        nearest
    }

    pub(super) fn verify(&self, employee: EmployeeId, probe: &[f32]) -> Option<Candidate> {
        self.rows_by_employee
            .get(&employee)?
            .iter()
            .map(|&row| {
                let values = &self.matrix[row * self.size..(row + 1) * self.size];
                self.candidate(row, Distance::between(values, probe))
            })
            .min_by(|a, b| a.distance.value().total_cmp(&b.distance.value()))
    }

    fn candidate(&self, row: usize, distance: Distance) -> Candidate {
        let Template { employee_id, face_id, status } = self.templates[row];
        Candidate { employee_id, face_id, status, distance }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;

    fn employee(number: u8) -> EmployeeId {
        EmployeeId(Uuid::from_u128(number.into()))
    }

    fn unit(values: &[f32; 3]) -> Vec<f32> {
        let norm = values.iter().map(|v| v * v).sum::<f32>().sqrt().max(1e-6);
        values.iter().map(|v| v / norm).collect()
    }

    #[test]
    fn an_encoding_of_another_size_is_not_taken_in() {
        let mut index = Index::new(3);
        assert!(!index.add(employee(1), FaceId::generate(), EmployeeStatus::Active, &[1.0, 0.0]));
        assert_eq!(index.len(), 0);
    }

    #[test]
    fn an_empty_gallery_proposes_nobody() {
        assert!(Index::new(3).search(&[1.0, 0.0, 0.0], 5).is_empty());
    }

    proptest! {
        /// Adds and removes people in any order, then compares with a plain sort of what remains.
        #[test]
        fn the_index_finds_whom_brute_force_finds(
            changes in prop::collection::vec((any::<bool>(), 0u8..12, prop::array::uniform3(-1f32..1.0)), 1..80),
            probe in prop::array::uniform3(-1f32..1.0),
            count in 1usize..6,
        ) {
            let mut index = Index::new(3);
            let mut people: Vec<(u8, FaceId, Vec<f32>)> = Vec::new();
            for (add, person, values) in changes {
                if add {
                    let (face, values) = (FaceId::generate(), unit(&values));
                    prop_assert!(index.add(employee(person), face, EmployeeStatus::Active, &values));
                    people.push((person, face, values));
                } else {
                    index.remove(employee(person));
                    people.retain(|(other, ..)| *other != person);
                }
            }
            let probe = unit(&probe);
            let mut expected: Vec<(f32, u8, FaceId)> = people
                .iter()
                .map(|(p, face, values)| (Distance::between(values, &probe).value(), *p, *face))
                .collect();
            expected.sort_by(|a, b| a.0.total_cmp(&b.0));
            let mut seen = std::collections::HashSet::new();
            expected.retain(|(_, person, _)| seen.insert(*person));
            prop_assert_eq!(index.people(), expected.len());
            for (distance, person, _) in &expected {
                let found = index.verify(employee(*person), &probe).unwrap();
                prop_assert_eq!(found.distance.value(), *distance);
                prop_assert_eq!(found.employee_id, employee(*person));
            }
            let found: Vec<f32> =
                index.search(&probe, count).iter().map(|c| c.distance.value()).collect();
            let nearest: Vec<f32> = expected.iter().take(count).map(|e| e.0).collect();
            prop_assert_eq!(found, nearest);
        }
    }
}
