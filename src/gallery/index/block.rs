//! Some hundred people, side by side: what is copied when one of them changes.

use super::Person;
use super::code::{Code, CodedProbe};
use super::codes::Codes;

/// A person with everything that a block has of them.
#[derive(Debug)]
pub(super) struct Row {
    pub person: Person,
    template: Vec<f32>,
    code: Code,
}

/// People, their templates, and their templates' codes: at most [`Block::ROWS`] of each.
#[derive(Clone, Debug, Default)]
pub(super) struct Block {
    people: Vec<Person>,
    templates: Vec<f32>,
    codes: Codes,
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
        self.codes.push(code);
    }

    /// Takes the last row out.
    pub fn pop(&mut self) -> Option<Row> {
        let rows = self.people.len();
        let row = Row {
            person: self.people.pop()?,
            template: self.templates.split_off(self.templates.len() / rows * (rows - 1)),
            code: self.codes.pop()?,
        };
        Some(row)
    }

    /// Puts a row in another one's place, and gives whose that was.
    pub fn replace(&mut self, at: usize, row: Row) -> Person {
        let numbers = row.template.len();
        self.templates[at * numbers..][..numbers].copy_from_slice(&row.template);
        self.codes.put(at, &row.code);
        std::mem::replace(&mut self.people[at], row.person)
    }

    /// Appends for each row a squared distance to the probe that its template is not nearer than.
    pub fn least_distances(&self, probe: &CodedProbe, bounds: &mut Vec<f32>) {
        let before = bounds.len();
        bounds.resize(before + self.people.len(), 0.0);
        self.codes.least_distances(probe, &mut bounds[before..]);
    }
}

/// One of the `rows` equal parts of something.
fn part<T>(all: &[T], rows: usize, row: usize) -> &[T] {
    let size = all.len() / rows;
    &all[row * size..][..size]
}
