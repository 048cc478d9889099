//! Templates in four bits a number, and what they still tell of a distance.
//!
//! A template `t` is kept as a code `t̂` on a grid of 16 steps, with `‖t − t̂‖`; a probe `p` as `p̂` in
//! 8 bits a number. The codes give `t̂·p̂` in whole numbers, and by Cauchy and Schwarz
//!
//! ```text
//! t·p <= t̂·p̂ + ‖t − t̂‖ ‖p‖ + ‖t̂‖ ‖p − p̂‖
//! ```
//!
//! so that whoever is too far by this bound is too far in truth, and only the others need be compared
//! in full. The idea is that of VA-files (Weber, Schek and Blott, VLDB 1998); the rotation before it
//! that of `RaBitQ` (Gao and Long, SIGMOD 2024).

use super::rotation::Rotation;

/// A rotated template has a multiple of this many numbers: 32 bytes.
pub(super) const NUMBERS_MULTIPLE: usize = 64;

/// The step of the grid in standard deviations of a number: the best for 16 levels and a normal
/// distribution (Max 1960, "Quantizing for minimum distortion", table II).
const STEP: f32 = 0.3352;

/// The middle between the 16 levels 0..=15.
const MIDDLE: f32 = 7.5;

/// More than what rounding adds to a dot product of two unit vectors in `f32`.
const ROUNDING: f32 = 1e-4;

/// One template's code: two numbers a byte.
pub(super) struct Code {
    /// `padded / 2` bytes.
    pub bytes: Vec<u8>,
    /// `‖t − t̂‖`.
    pub error: f32,
}

/// The width of a step of the grid for unit vectors of so many numbers.
fn step(padded: usize) -> f32 {
    STEP / (padded as f32).sqrt()
}

impl Code {
    /// The code of a unit vector.
    pub fn of(template: &[f32], rotation: &Rotation) -> Self {
        let rotated = rotation.apply(template);
        let step = step(rotated.len());
        let level = |v: f32| (v / step + MIDDLE).round().clamp(0.0, 15.0);
        let levels: Vec<f32> = rotated.iter().map(|v| level(*v)).collect();
        let square: f32 =
            rotated.iter().zip(&levels).map(|(v, l)| (v - step * (l - MIDDLE)).powi(2)).sum();
        // The numbers of the first and of the second half of every 64 share bytes.
        let (groups, _) = levels.as_chunks::<NUMBERS_MULTIPLE>();
        let halves = groups.iter().map(|group| group.split_at(NUMBERS_MULTIPLE / 2));
        let bytes = halves
            .flat_map(|(low, high)| low.iter().zip(high).map(|(l, h)| *l as u8 | (*h as u8) << 4));
        Self { bytes: bytes.collect(), error: square.sqrt() }
    }
}

/// A probe, ready to be held against codes.
pub(super) struct CodedProbe {
    /// `p̂` over `scale`, in the order in which a code has its numbers.
    numbers: Vec<i8>,
    /// The sum of the numbers, times the middle level.
    middle: f32,
    /// What a sum of products of whole numbers stands for.
    unit: f32,
    /// `‖p − p̂‖`.
    error: f32,
}

impl CodedProbe {
    /// A unit vector.
    pub fn of(probe: &[f32], rotation: &Rotation) -> Self {
        let rotated = rotation.apply(probe);
        let largest = rotated.iter().fold(f32::MIN_POSITIVE, |max, v| max.max(v.abs()));
        let scale = largest / 127.0;
        let numbers: Vec<i8> = rotated.iter().map(|v| (v / scale).round() as i8).collect();
        let square: f32 =
            rotated.iter().zip(&numbers).map(|(v, n)| (v - scale * f32::from(*n)).powi(2)).sum();
        let sum: i32 = numbers.iter().map(|n| i32::from(*n)).sum();
        let unit = scale * step(rotated.len());
        Self { numbers, middle: MIDDLE * sum as f32, unit, error: square.sqrt() }
    }

    /// Bytes of a code.
    fn code_len(&self) -> usize {
        self.numbers.len() / 2
    }

    /// For each of some codes, laid one after another, a squared distance that the template is not
    /// nearer than. `errors` are theirs, and `bounds` takes as many.
    pub fn least_distances(&self, codes: &[u8], errors: &[f32], bounds: &mut [f32]) {
        const AT_ONCE: usize = 64;
        let mut sums = [0i32; AT_ONCE];
        let codes = codes.chunks(AT_ONCE * self.code_len());
        for ((codes, errors), bounds) in
            codes.zip(errors.chunks(AT_ONCE)).zip(bounds.chunks_mut(AT_ONCE))
        {
            let sums = &mut sums[..errors.len()];
            products(codes, &self.numbers, sums);
            for ((sum, error), bound) in sums.iter().zip(errors).zip(bounds) {
                let coded = (*sum as f32 - self.middle) * self.unit;
                // ‖p‖ is 1 and ‖t̂‖ at most 1 + ‖t − t̂‖.
                let most = coded + error + (1.0 + error) * self.error + ROUNDING;
                *bound = 2.0 - 2.0 * most;
            }
        }
    }
}

/// For each code the sum of its levels times the probe's numbers.
fn products(codes: &[u8], probe: &[i8], sums: &mut [i32]) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::is_x86_feature_detected;

        use super::{avx2, vnni};

        let mut done = 0;
        if (probe.len() / 2).is_multiple_of(vnni::WIDTH)
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512vnni")
        {
            // SAFETY: the processor has AVX-512 VNNI.
            done = unsafe { vnni::products(codes, probe, sums) };
        }
        if is_x86_feature_detected!("avx2") {
            // SAFETY: the processor has AVX2.
            unsafe { avx2::products(&codes[done * (probe.len() / 2)..], probe, &mut sums[done..]) };
            return;
        }
    }
    products_anywhere(codes, probe, sums);
}

/// [`products`] on any processor.
pub(super) fn products_anywhere(codes: &[u8], probe: &[i8], sums: &mut [i32]) {
    let (groups, _) = probe.as_chunks::<NUMBERS_MULTIPLE>();
    for (code, sum) in codes.chunks_exact(probe.len() / 2).zip(sums) {
        let (code, _) = code.as_chunks::<{ NUMBERS_MULTIPLE / 2 }>();
        *sum = 0;
        for (bytes, group) in code.iter().zip(groups) {
            let (low, high) = group.split_at(NUMBERS_MULTIPLE / 2);
            for ((byte, low), high) in bytes.iter().zip(low).zip(high) {
                *sum += i32::from(byte & 15) * i32::from(*low);
                *sum += i32::from(byte >> 4) * i32::from(*high);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn unit(values: &[f32]) -> Vec<f32> {
        let norm = values.iter().map(|v| v * v).sum::<f32>().sqrt().max(1e-6);
        values.iter().map(|v| v / norm).collect()
    }

    #[test]
    fn a_code_of_a_normal_template_is_about_a_tenth_off() {
        let values: Vec<f32> = (0..128).map(|i| (i as f32 * 12.9898).sin() * 43_758.547).collect();
        let values: Vec<f32> = values.iter().map(|v| v.fract()).collect();
        let code = Code::of(&unit(&values), &Rotation::new(128));
        assert_eq!(code.bytes.len(), 64);
        assert!((0.05..0.15).contains(&code.error), "{}", code.error);
    }

    proptest! {
        #[test]
        fn nobody_is_nearer_than_the_codes_allow(
            (templates, probe) in prop_oneof![Just(3usize), Just(64), Just(100), Just(128), Just(512)]
                .prop_flat_map(|size| {
                    let vector = prop::collection::vec(-1f32..1.0, size);
                    (prop::collection::vec(vector.clone(), 1..150), vector)
                }),
            spikes in any::<bool>(),
        ) {
            // Templates that are nearly all in one number, too.
            let shaped = |v: &f32| if spikes { v.powi(5) } else { *v };
            let vector = |v: &Vec<f32>| v.iter().map(shaped).collect::<Vec<f32>>();
            let vectors = templates.iter().chain([&probe]).map(vector).collect::<Vec<_>>();
            prop_assume!(vectors.iter().all(|v| v.iter().any(|v| v.abs() > 1e-3)));
            let mut templates: Vec<Vec<f32>> = vectors.iter().map(|v| unit(v)).collect();
            let probe = templates.pop().unwrap();
            let rotation = Rotation::new(probe.len());
            let codes: Vec<Code> = templates.iter().map(|t| Code::of(t, &rotation)).collect();
            let bytes: Vec<u8> = codes.iter().flat_map(|code| code.bytes.iter().copied()).collect();
            let errors: Vec<f32> = codes.iter().map(|code| code.error).collect();
            let mut bounds = vec![0.0; templates.len()];
            CodedProbe::of(&probe, &rotation).least_distances(&bytes, &errors, &mut bounds);
            for (template, bound) in templates.iter().zip(bounds) {
                let distance: f32 = template.iter().zip(&probe).map(|(a, b)| (a - b).powi(2)).sum();
                prop_assert!(bound <= distance, "{bound} > {distance}");
                prop_assert!(bound > distance - 1.0, "{bound} says nothing of {distance}");
            }
        }

        #[test]
        fn every_processor_gives_the_same_sums(
            groups in 1usize..9,
            seed in prop::collection::vec(any::<u8>(), 4096),
            rows in 0usize..70,
        ) {
            let probe: Vec<i8> = seed.iter().rev().cycle().take(groups * NUMBERS_MULTIPLE)
                .map(|v| v.cast_signed().max(-127)).collect();
            let codes: Vec<u8> = seed.iter().cycle().take(rows * probe.len() / 2).copied().collect();
            let (mut here, mut anywhere) = (vec![1; rows], vec![2; rows]);
            products(&codes, &probe, &mut here);
            products_anywhere(&codes, &probe, &mut anywhere);
            prop_assert_eq!(here, anywhere);
        }
    }
}
