//! Some thousand people: what is searched at once.

use std::sync::Arc;

use super::Person;
use super::block::Block;
use super::code::{Code, CodedProbe};
use super::codes::Codes;

/// A person with everything that a chunk has of them.
#[derive(Debug)]
pub(super) struct Row {
    pub person: Person,
    template: Vec<f32>,
    code: Code,
}

/// People in blocks, and their codes in one piece: at most [`Chunk::ROWS`] of each.
#[derive(Clone, Debug, Default)]
pub(super) struct Chunk {
    codes: Codes,
    /// All full but the last, which is not empty.
    blocks: Vec<Arc<Block>>,
}

impl Chunk {
    /// Codes of 128 numbers are 272 KiB: enough in one piece for memory to be read at its speed, and few enough to
    /// be copied in a tenth of a millisecond, and to stay in a second-level cache for the next probe.
    pub const ROWS: usize = 4096;

    pub fn rows(&self) -> usize {
        self.codes.rows()
    }

    pub fn is_full(&self) -> bool {
        self.rows() == Self::ROWS
    }

    pub fn is_empty(&self) -> bool {
        self.rows() == 0
    }

    pub fn person(&self, row: usize) -> &Person {
        self.blocks[row / Block::ROWS].person(row % Block::ROWS)
    }

    pub fn template(&self, row: usize) -> &[f32] {
        self.blocks[row / Block::ROWS].template(row % Block::ROWS)
    }

    /// Adds a last row.
    pub fn push(&mut self, person: Person, template: &[f32], code: &Code) {
        if self.rows().is_multiple_of(Block::ROWS) {
            self.blocks.push(Arc::new(Block::new(template.len())));
        }
        if let Some(block) = self.blocks.last_mut() {
            Arc::make_mut(block).push(person, template);
            self.codes.push(code);
        }
    }

    /// Takes the last row out.
    pub fn pop(&mut self) -> Option<Row> {
        let code = self.codes.pop()?;
        let (person, template) = Arc::make_mut(self.blocks.last_mut()?).pop()?;
        if self.rows().is_multiple_of(Block::ROWS) {
            self.blocks.pop();
        }
        Some(Row { person, template, code })
    }

    /// Puts a row in another one's place, and gives whose that was.
    pub fn replace(&mut self, at: usize, row: Row) -> Person {
        self.codes.put(at, &row.code);
        let block = Arc::make_mut(&mut self.blocks[at / Block::ROWS]);
        block.replace(at % Block::ROWS, row.person, &row.template)
    }

    /// For each row a squared distance to the probe that its template is not nearer than, in `bounds`, which takes
    /// as many as there are rows.
    pub fn least_distances(&self, probe: &CodedProbe, bounds: &mut [f32]) {
        self.codes.least_distances(probe, bounds);
    }
}
