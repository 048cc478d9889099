//! Some hundred people, side by side: whose templates are copied when one of them changes.

use super::Person;

/// People, and their templates: at most [`Block::ROWS`] of each.
#[derive(Clone, Debug)]
pub(super) struct Block {
    size: usize,
    people: Vec<Person>,
    templates: Vec<f32>,
}

impl Block {
    /// A copy of templates of 128 numbers takes some hundredths of a millisecond.
    pub const ROWS: usize = 256;

    /// For templates of `size` numbers.
    pub fn new(size: usize) -> Self {
        Self { size, people: Vec::new(), templates: Vec::new() }
    }

    pub fn person(&self, row: usize) -> &Person {
        &self.people[row]
    }

    pub fn template(&self, row: usize) -> &[f32] {
        &self.templates[row * self.size..][..self.size]
    }

    /// Adds a last row.
    pub fn push(&mut self, person: Person, template: &[f32]) {
        // A copy has no room to grow, and would take twice of what it has.
        let more = Self::ROWS.saturating_sub(self.people.len());
        self.people.reserve_exact(more);
        self.templates.reserve_exact(more * self.size);
        self.people.push(person);
        self.templates.extend_from_slice(template);
    }

    /// Takes the last row out.
    pub fn pop(&mut self) -> Option<(Person, Vec<f32>)> {
        let person = self.people.pop()?;
        Some((person, self.templates.split_off(self.people.len() * self.size)))
    }

    /// Puts a row in another one's place, and gives whose that was.
    pub fn replace(&mut self, at: usize, person: Person, template: &[f32]) -> Person {
        self.templates[at * template.len()..][..template.len()].copy_from_slice(template);
        std::mem::replace(&mut self.people[at], person)
    }
}
