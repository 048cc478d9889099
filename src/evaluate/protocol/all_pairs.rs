//! Every photo with every other.

use tch::{TchError, Tensor};

use super::worst::{Worst, WorstPair};
use crate::domain::Distance;
use crate::evaluate::metrics::DistanceCounts;

/// Rows that are compared at a time: 2^20 distances, 4 MB.
const BLOCK: usize = 1024;

/// What the comparison of every photo with every other gave.
#[derive(Clone, Debug)]
pub struct AllPairs {
    /// Distances of photos of one person.
    pub genuine: DistanceCounts,
    /// Distances of photos of two people.
    pub impostor: DistanceCounts,
    /// The genuine pairs that are farthest apart, by the photos' numbers.
    pub worst_genuine: Vec<WorstPair>,
    /// The impostor pairs that are nearest.
    pub worst_impostor: Vec<WorstPair>,
}

/// Compares every photo with every other, `person[i]` being who is in photo `i` and `template[i]`
/// its encoding of unit length, if it has one. Of the worst pairs `worst` of each kind are kept.
///
/// Memory is bounded: distances are counted as they come, a block of 2^20 at a time.
///
/// # Errors
/// When libtorch fails.
pub fn all_pairs(
    person: &[u32],
    template: &[Option<&[f32]>],
    worst: usize,
) -> Result<AllPairs, TchError> {
    let mut counts = [DistanceCounts::default(), DistanceCounts::default()];
    let mut kept = [Worst::impostor(worst), Worst::genuine(worst)];
    count_failures(person, template, &mut counts);
    each_pair(template, |left, right, distance| {
        let same = usize::from(person[left] == person[right]);
        counts[same].add(Some(distance));
        kept[same].offer(distance.value(), left, right);
    })?;
    let ([impostor, genuine], [worst_impostor, worst_genuine]) = (counts, kept);
    let (worst_impostor, worst_genuine) = (worst_impostor.into_pairs(), worst_genuine.into_pairs());
    Ok(AllPairs { genuine, impostor, worst_genuine, worst_impostor })
}

/// Calls `visit` with every two photos that have a template, each pair once, and their distance.
///
/// # Errors
/// When libtorch fails.
pub fn each_pair(
    template: &[Option<&[f32]>],
    mut visit: impl FnMut(usize, usize, Distance),
) -> Result<(), TchError> {
    let photos: Vec<usize> = (0..template.len()).filter(|i| template[*i].is_some()).collect();
    let blocks: Vec<&[usize]> = photos.chunks(BLOCK).collect();
    let matrices = blocks.iter().map(|block| matrix(block, template));
    let matrices = matrices.collect::<Result<Vec<_>, _>>()?;
    for (i, rows) in blocks.iter().enumerate() {
        for (j, columns) in blocks.iter().enumerate().skip(i) {
            let products = matrices[i].f_matmul(&matrices[j].f_tr()?)?;
            let products = Vec::<f32>::try_from(products.f_contiguous()?.f_view([-1i64])?)?;
            for (r, left) in rows.iter().enumerate() {
                let first = if i == j { r + 1 } else { 0 };
                for (c, right) in columns.iter().enumerate().skip(first) {
                    // ‖a − b‖² = 2 − 2 a·b for unit vectors.
                    let distance = 2.0 - 2.0 * products[r * columns.len() + c];
                    let distance = Distance::try_from(distance.clamp(0.0, 4.0))
                        .map_err(|error| TchError::Shape(error.to_string()))?;
                    visit(*left, *right, distance);
                }
            }
        }
    }
    Ok(())
}

fn matrix(block: &[usize], template: &[Option<&[f32]>]) -> Result<Tensor, TchError> {
    let values: Vec<f32> = block.iter().filter_map(|i| template[*i]).flatten().copied().collect();
    Tensor::f_from_slice(&values)?.f_view([block.len() as i64, -1])
}

/// Counts the pairs in which either photo has no template.
fn count_failures(person: &[u32], template: &[Option<&[f32]>], counts: &mut [DistanceCounts; 2]) {
    use std::collections::HashMap;

    let pairs = |n: u64| n * n.saturating_sub(1) / 2;
    // Photos of each person: (all, those with a template).
    let mut of: HashMap<u32, (u64, u64)> = HashMap::new();
    for (person, template) in person.iter().zip(template) {
        let of = of.entry(*person).or_default();
        *of = (of.0 + 1, of.1 + u64::from(template.is_some()));
    }
    let (all, with) = of.values().fold((0, 0), |sum, of| (sum.0 + of.0, sum.1 + of.1));
    let genuine: u64 = of.values().map(|(all, with)| pairs(*all) - pairs(*with)).sum();
    counts[1].add_failures(genuine);
    counts[0].add_failures(pairs(all) - pairs(with) - genuine);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A unit vector at this angle.
    fn at(degrees: f32) -> [f32; 2] {
        [degrees.to_radians().cos(), degrees.to_radians().sin()]
    }

    #[test]
    fn every_pair_is_compared_once_also_across_blocks() {
        let photos = BLOCK + 300;
        let vectors: Vec<[f32; 2]> = (0..photos).map(|i| at(i as f32 * 0.1)).collect();
        let person: Vec<u32> = (0..photos).map(|i| i as u32 / 3).collect();
        let template: Vec<Option<&[f32]>> =
            vectors.iter().enumerate().map(|(i, v)| (i % 7 != 0).then_some(&v[..])).collect();
        let all = all_pairs(&person, &template, 3).unwrap();

        let mut expected = [(0u64, 0u64), (0, 0)];
        let mut nearest = f32::INFINITY;
        for i in 0..photos {
            for j in i + 1..photos {
                let same = usize::from(person[i] == person[j]);
                expected[same].0 += 1;
                match (template[i], template[j]) {
                    (Some(a), Some(b)) if same == 0 => {
                        nearest = nearest.min(Distance::between(a, b).value());
                    }
                    (Some(_), Some(_)) => {}
                    _ => expected[same].1 += 1,
                }
            }
        }
        let counted = |counts: &DistanceCounts| (counts.total(), counts.failures());
        assert_eq!([counted(&all.impostor), counted(&all.genuine)], expected);
        assert!((all.worst_impostor[0].distance - nearest).abs() < 1e-6);
        assert_eq!((all.worst_impostor.len(), all.worst_genuine.len()), (3, 3));
    }
}
