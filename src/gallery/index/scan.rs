//! One pass over chunks of people, for several probes.

use std::sync::Arc;

use multiversion::multiversion;

use super::chunk::Chunk;
use super::code::CodedProbe;
use super::fetch::fetch_all;
use super::nearest::Nearest;
use super::rotation::Rotation;
use crate::domain::Distance;

/// Of the first chunk at least so many are compared before all others: then few others need be.
const LIKELIEST_MIN: usize = 8;

/// A unit vector to search for.
pub(super) struct Probe<'a> {
    values: &'a [f32],
    coded: CodedProbe,
}

/// Room to write in: for each row of a chunk a bound, and rows that may be among the nearest.
struct Room {
    bounds: Vec<f32>,
    candidates: Vec<usize>,
}

impl<'a> Probe<'a> {
    pub fn new(values: &'a [f32], rotation: &Rotation) -> Self {
        Self { values, coded: CodedProbe::of(values, rotation) }
    }

    /// Offers those rows of a chunk that may be among the nearest; `first` is the number of its first row.
    fn scan(&self, chunk: &Chunk, first: usize, nearest: &mut Nearest, room: &mut Room) {
        let bounds = &mut room.bounds[..chunk.rows()];
        chunk.least_distances(&self.coded, bounds);
        let compare = |row: usize, nearest: &mut Nearest| {
            nearest.offer(Distance::between(chunk.template(row), self.values).value(), first + row);
        };
        if nearest.limit() == f32::INFINITY {
            for row in likeliest(bounds, nearest.count().max(LIKELIEST_MIN)).rows() {
                compare(row, nearest);
                bounds[row] = f32::INFINITY;
            }
        }
        rows_under(bounds, nearest.limit(), &mut room.candidates);
        // Memory answers for some while others are compared.
        room.candidates.iter().for_each(|row| fetch_all(chunk.template(*row)));
        for row in &room.candidates {
            if bounds[*row] < nearest.limit() {
                compare(*row, nearest);
            }
        }
    }
}

/// The rows of so many least bounds.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl", "x86_64+avx2"))]
fn likeliest(bounds: &[f32], count: usize) -> Nearest {
    let mut likeliest = Nearest::new(count);
    for_each_under(bounds, f32::INFINITY, |bound, row| {
        likeliest.offer(bound, row);
        likeliest.limit()
    });
    likeliest
}

/// The rows whose bounds are under a limit.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl", "x86_64+avx2"))]
fn rows_under(bounds: &[f32], limit: f32, rows: &mut Vec<usize>) {
    rows.clear();
    for_each_under(bounds, limit, |_, row| {
        rows.push(row);
        limit
    });
}

/// Calls `each` with every bound under a limit, and its row; it answers with the limit for those that follow. Bounds are
/// looked at 64 at a time: some may come that are under the limit before only.
#[inline(always)]
fn for_each_under(bounds: &[f32], mut limit: f32, mut each: impl FnMut(f32, usize) -> f32) {
    const AT_ONCE: usize = u64::BITS as usize;
    let mut visit = |part: usize, some: &[f32]| {
        // A bit for each: so there is nothing to guess wrong but how many are set.
        let bits = some.iter().enumerate().map(|(at, bound)| u64::from(*bound < limit) << at);
        let mut under = bits.fold(0, |all, bit| all | bit);
        while under != 0 {
            let at = under.trailing_zeros() as usize;
            limit = each(some[at], part * AT_ONCE + at);
            under &= under - 1;
        }
    };
    let (whole, rest) = bounds.as_chunks::<AT_ONCE>();
    whole.iter().enumerate().for_each(|(part, some)| visit(part, some));
    visit(whole.len(), rest);
}

/// For each probe the `count` nearest rows of some chunks, all full but the last; `first` is the number
/// of the first chunk.
pub(super) fn scan(
    chunks: &[Arc<Chunk>],
    first: usize,
    probes: &[Probe<'_>],
    count: usize,
) -> Vec<Nearest> {
    let mut found = vec![Nearest::new(count); probes.len()];
    let rows_max = chunks.first().map_or(0, |chunk| chunk.rows());
    let mut room = Room { bounds: vec![0.0; rows_max], candidates: Vec::new() };
    for (at, chunk) in chunks.iter().enumerate() {
        for (probe, nearest) in probes.iter().zip(&mut found) {
            probe.scan(chunk, (first + at) * Chunk::ROWS, nearest, &mut room);
        }
    }
    found
}
