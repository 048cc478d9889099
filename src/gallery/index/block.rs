//! Some hundred people, side by side: what is copied when one of them changes.

use super::Person;
use super::codes::{Code, CodedProbe};
use super::nearest::Nearest;
use crate::domain::Distance;

/// A person with everything that a block has of them.
#[derive(Debug)]
pub(super) struct Row {
    pub person: Person,
    template: Vec<f32>,
    code: Vec<u8>,
    error: f32,
}

/// People, their templates, and their templates' codes: at most [`Block::ROWS`] of each.
#[derive(Clone, Debug, Default)]
pub(super) struct Block {
    people: Vec<Person>,
    templates: Vec<f32>,
    codes: Vec<u8>,
    errors: Vec<f32>,
}

impl Block {
    /// Codes of 128 numbers fill half of a first-level cache, and a copy takes a tenth of a
    /// millisecond.
    pub const ROWS: usize = 256;

    pub fn is_full(&self) -> bool {
        self.people.len() == Self::ROWS
    }

    pub fn is_empty(&self) -> bool {
        self.people.is_empty()
    }

    pub fn person(&self, row: usize) -> &Person {
        &self.people[row]
    }

    pub fn template(&self, row: usize) -> &[f32] {
        part(&self.templates, self.people.len(), row)
    }

    /// Adds a last row.
    pub fn push(&mut self, person: Person, template: &[f32], code: &Code) {
        self.people.push(person);
        self.templates.extend_from_slice(template);
        self.codes.extend_from_slice(&code.bytes);
        self.errors.push(code.error);
    }

    /// Takes the last row out.
    pub fn pop(&mut self) -> Option<Row> {
        let rows = self.people.len();
        let row = Row {
            person: self.people.pop()?,
            template: self.templates.split_off(self.templates.len() / rows * (rows - 1)),
            code: self.codes.split_off(self.codes.len() / rows * (rows - 1)),
            error: self.errors.pop()?,
        };
        Some(row)
    }

    /// Puts a row in another one's place, and gives whose that was.
    pub fn replace(&mut self, at: usize, row: Row) -> Person {
        let numbers = row.template.len();
        self.templates[at * numbers..][..numbers].copy_from_slice(&row.template);
        let bytes = row.code.len();
        self.codes[at * bytes..][..bytes].copy_from_slice(&row.code);
        self.errors[at] = row.error;
        std::mem::replace(&mut self.people[at], row.person)
    }

    /// Offers everybody who may be among the nearest; `first` is the number of the first row.
    pub fn scan(&self, probe: &[f32], coded: &CodedProbe, first: usize, nearest: &mut Nearest) {
        let mut bounds = [0f32; Self::ROWS];
        let bounds = &mut bounds[..self.people.len()];
        coded.least_distances(&self.codes, &self.errors, bounds);
        for (part, bounds) in bounds.chunks(16).enumerate() {
            // Nearly always nobody. All are looked at, in vectors, rather than one after another.
            let limit = nearest.limit();
            if !bounds.iter().fold(false, |near, bound| near | (*bound < limit)) {
                continue;
            }
            for (at, bound) in bounds.iter().enumerate() {
                if *bound < nearest.limit() {
                    let row = part * 16 + at;
                    nearest.offer(Distance::between(self.template(row), probe), first + row);
                }
            }
        }
    }
}

/// One of the `rows` equal parts of something.
fn part<T>(all: &[T], rows: usize, row: usize) -> &[T] {
    let size = all.len() / rows;
    &all[row * size..][..size]
}
