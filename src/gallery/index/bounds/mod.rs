//! What codes say of distances, for many at once: sums of products in whole numbers, as each processor does them best.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod vnni;

use super::code::{Code, CodedProbe};
#[cfg(target_arch = "x86_64")]
use super::fetch::{LINE, fetch};

/// Codes that lie together.
pub(super) const GROUP: usize = 64;

/// A word of each code of a group: four vector registers, for which a probe's numbers are read once, and lines of
/// a cache. In memory come the first words of a group, its second ones, and so on to the last, then those of the
/// next group.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
pub(super) struct Words(pub [[u8; Code::WORD]; GROUP]);

impl Words {
    pub const NONE: Self = Self([[0; Code::WORD]; GROUP]);

    /// Asks for what lies 8 KiB on: memory answers later than a processor looks ahead by itself.
    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    fn fetch_ahead(&self) {
        const BYTES: usize = 8192;
        (0..size_of::<Self>()).step_by(LINE).for_each(|byte| fetch(self, BYTES + byte));
    }
}

/// The probe's numbers for one word: for the low four bits of its bytes, and for the high ones.
type Numbers = [[i8; Code::WORD]; 2];

/// For each code of some groups, whose last words are their errors, a squared distance that its template is not
/// nearer than. `bounds` takes as many as there are codes.
pub(super) fn least_distances(groups: &[Words], probe: &CodedProbe, bounds: &mut [f32]) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::is_x86_feature_detected;

        if is_x86_feature_detected!("avx512bw") && is_x86_feature_detected!("avx512vnni") {
            // SAFETY: the processor has AVX-512 BW, with which comes F, and VNNI.
            return unsafe { vnni::least_distances(groups, probe, bounds) };
        }
        if is_x86_feature_detected!("avx2") {
            // SAFETY: the processor has AVX2.
            return unsafe { avx2::least_distances(groups, probe, bounds) };
        }
    }
    by_sums(sums, groups, probe, bounds);
}

/// [`least_distances`] by a way to sum, compiled for the processor that it is called on.
#[inline(always)]
fn by_sums(
    sums: impl Fn(&[Words], &[Numbers]) -> [i32; GROUP],
    groups: &[Words],
    probe: &CodedProbe,
    bounds: &mut [f32],
) {
    let groups = groups.chunks_exact(probe.numbers.len() + 1);
    for (group, bounds) in groups.zip(bounds.chunks_mut(GROUP)) {
        let Some((Words(errors), codes)) = group.split_last() else { continue };
        let sums = sums(codes, &probe.numbers);
        for ((bound, sum), error) in bounds.iter_mut().zip(&sums).zip(errors) {
            *bound = probe.least_distance(*sum, f32::from_le_bytes(*error));
        }
    }
}

/// For each code of a group the sum of its levels times the probe's numbers.
fn sums(codes: &[Words], probe: &[Numbers]) -> [i32; GROUP] {
    let mut sums = [0; GROUP];
    for (Words(words), [low, high]) in codes.iter().zip(probe) {
        for (sum, word) in sums.iter_mut().zip(words) {
            for ((byte, low), high) in word.iter().zip(low).zip(high) {
                *sum += i32::from(byte & 15) * i32::from(*low);
                *sum += i32::from(byte >> 4) * i32::from(*high);
            }
        }
    }
    sums
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type Sums = fn(&[Words], &[Numbers]) -> [i32; GROUP];

    /// Every way that this processor has.
    fn ways() -> Vec<Sums> {
        let mut ways: Vec<Sums> = Vec::new();
        #[cfg(target_arch = "x86_64")]
        if std::arch::is_x86_feature_detected!("avx2") {
            // SAFETY: the processor has AVX2.
            ways.push(|codes, probe| unsafe { avx2::sums(codes, probe) });
        }
        #[cfg(target_arch = "x86_64")]
        if std::arch::is_x86_feature_detected!("avx512bw")
            && std::arch::is_x86_feature_detected!("avx512vnni")
        {
            // SAFETY: the processor has AVX-512 BW, with which comes F, and VNNI.
            ways.push(|codes, probe| unsafe { vnni::sums(codes, probe) });
        }
        ways
    }

    proptest! {
        #[test]
        fn every_processor_gives_the_same_sums(
            words in 1usize..70,
            seed in prop::collection::vec(any::<u8>(), 4096),
            extreme in prop_oneof![Just(None), Just(Some(127)), Just(Some(-127))],
        ) {
            let mut bytes = seed.iter().copied().cycle();
            let mut byte = || if extreme.is_some() { 0xff } else { bytes.next().unwrap_or(0) };
            let codes: Vec<Words> = (0..words)
                .map(|_| Words(std::array::from_fn(|_| std::array::from_fn(|_| byte()))))
                .collect();
            let mut numbers = seed.iter().rev().map(|v| v.cast_signed().max(-127)).cycle();
            let mut number = || extreme.or_else(|| numbers.next()).unwrap_or(0);
            let probe: Vec<Numbers> = (0..words).map(|_| [(); 2].map(|()| std::array::from_fn(|_| number()))).collect();
            let anywhere = sums(&codes, &probe);
            for way in ways() {
                prop_assert_eq!(way(&codes, &probe), anywhere);
            }
        }
    }
}
