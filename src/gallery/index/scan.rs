//! One pass over blocks of people, for several probes.

use std::sync::Arc;

use super::block::Block;
use super::code::CodedProbe;
use super::nearest::Nearest;
use super::rotation::Rotation;
use crate::domain::Distance;

/// Blocks whose bounds are looked at together: their codes of 128 numbers are a megabyte, which the
/// next probe finds in a second-level cache.
const BLOCKS_AT_ONCE: usize = 64;

/// Bounds that are looked at in vectors, rather than one after another.
const BOUNDS_AT_ONCE: usize = 16;

/// A unit vector to search for.
pub(super) struct Probe<'a> {
    values: &'a [f32],
    coded: CodedProbe,
}

impl<'a> Probe<'a> {
    pub fn new(values: &'a [f32], rotation: &Rotation) -> Self {
        Self { values, coded: CodedProbe::of(values, rotation) }
    }

    /// Offers those rows of a run of blocks that may be among the nearest; `first` is the number of its
    /// first row. `bounds` is room to write in.
    fn scan(&self, run: &[Arc<Block>], first: usize, nearest: &mut Nearest, bounds: &mut Vec<f32>) {
        bounds.clear();
        run.iter().for_each(|block| block.least_distances(&self.coded, bounds));
        // The likeliest first: then few others need be compared.
        let mut likeliest = nearest.emptied();
        let mut limit = nearest.limit();
        for_each_under(bounds, limit, |bound, row| {
            likeliest.offer(bound, row);
            likeliest.limit().min(limit)
        });
        let mut compare = |row: usize| {
            let template = run[row / Block::ROWS].template(row % Block::ROWS);
            nearest.offer(Distance::between(template, self.values).value(), first + row);
            nearest.limit()
        };
        for row in likeliest.rows() {
            limit = compare(row);
            bounds[row] = f32::INFINITY;
        }
        for_each_under(bounds, limit, |_, row| compare(row));
    }
}

/// Calls `each` with every bound under a limit, and its row; it answers with the limit from there on.
fn for_each_under(bounds: &[f32], mut limit: f32, mut each: impl FnMut(f32, usize) -> f32) {
    for (part, some) in bounds.chunks(BOUNDS_AT_ONCE).enumerate() {
        // Nearly always none.
        if !some.iter().fold(false, |under, bound| under | (*bound < limit)) {
            continue;
        }
        for (at, bound) in some.iter().enumerate() {
            if *bound < limit {
                limit = each(*bound, part * BOUNDS_AT_ONCE + at);
            }
        }
    }
}

/// For each probe the `count` nearest rows of some blocks, all full but the last; `first` is the number
/// of the first block.
pub(super) fn scan(
    blocks: &[Arc<Block>],
    first: usize,
    probes: &[Probe<'_>],
    count: usize,
) -> Vec<Nearest> {
    let mut found = vec![Nearest::new(count); probes.len()];
    let mut bounds = Vec::with_capacity(blocks.len().min(BLOCKS_AT_ONCE) * Block::ROWS);
    for (at, run) in blocks.chunks(BLOCKS_AT_ONCE).enumerate() {
        let first = (first + at * BLOCKS_AT_ONCE) * Block::ROWS;
        for (probe, nearest) in probes.iter().zip(&mut found) {
            probe.scan(run, first, nearest, &mut bounds);
        }
    }
    found
}
