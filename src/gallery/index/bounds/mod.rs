//! Products of codes with a probe, in whole numbers.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod vnni;

use super::code::Code;

/// Codes that lie together.
pub(super) const GROUP: usize = 16;

/// A word of each code of a group: a vector register, and a line of a cache. In memory come the first
/// words of a group, its second ones, and so on to the last, then those of the next group.
#[derive(Clone, Copy, Debug, Default)]
#[repr(align(64))]
pub(super) struct Words(pub [[u8; Code::WORD]; GROUP]);

impl Words {
    /// Asks for the words some lines on: a new block, or page, is not read ahead by the processor itself
    /// (a search among a million people takes a quarter less time).
    #[cfg(target_arch = "x86_64")]
    fn fetch_ahead(&self) {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};

        const LINES: usize = 32;
        // SAFETY: a hint, which reads nothing and may point anywhere.
        unsafe { _mm_prefetch::<_MM_HINT_T0>((&raw const *self).wrapping_add(LINES).cast()) };
    }
}

/// The probe's numbers for one word.
type Numbers = [i8; Code::NUMBERS];

/// For each code of some groups the sum of its levels times the probe's numbers.
///
/// # Panics
/// When `codes` are not as many words as `sums` has groups and `probe` numbers.
pub(super) fn sums(codes: &[Words], probe: &[Numbers], sums: &mut [[i32; GROUP]]) {
    assert_eq!(codes.len(), sums.len() * probe.len());
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::is_x86_feature_detected;

        if is_x86_feature_detected!("avx512bw") && is_x86_feature_detected!("avx512vnni") {
            // SAFETY: the processor has AVX-512 VNNI.
            return unsafe { vnni::sums(codes, probe, sums) };
        }
        if is_x86_feature_detected!("avx2") {
            // SAFETY: the processor has AVX2.
            return unsafe { avx2::sums(codes, probe, sums) };
        }
    }
    sums_anywhere(codes, probe, sums);
}

/// [`sums`] on any processor.
fn sums_anywhere(codes: &[Words], probe: &[Numbers], sums: &mut [[i32; GROUP]]) {
    for (sums, codes) in sums.iter_mut().zip(codes.chunks_exact(probe.len())) {
        *sums = [0; GROUP];
        for (Words(words), numbers) in codes.iter().zip(probe) {
            let (low, high) = numbers.split_at(Code::WORD);
            for (sum, word) in sums.iter_mut().zip(words) {
                for ((byte, low), high) in word.iter().zip(low).zip(high) {
                    *sum += i32::from(byte & 15) * i32::from(*low);
                    *sum += i32::from(byte >> 4) * i32::from(*high);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type Sums = fn(&[Words], &[Numbers], &mut [[i32; GROUP]]);

    /// Every way that this processor has.
    fn ways() -> Vec<Sums> {
        let mut ways: Vec<Sums> = vec![sums];
        #[cfg(target_arch = "x86_64")]
        if std::arch::is_x86_feature_detected!("avx2") {
            // SAFETY: the processor has AVX2.
            ways.push(|codes, probe, sums| unsafe { avx2::sums(codes, probe, sums) });
        }
        ways
    }

    proptest! {
        #[test]
        fn every_processor_gives_the_same_sums(
            words in 1usize..70,
            seed in prop::collection::vec(any::<u8>(), 4096),
            extreme in any::<bool>(),
            groups in 0usize..5,
        ) {
            let mut bytes = seed.iter().copied().cycle();
            let mut byte = || if extreme { 0xff } else { bytes.next().unwrap_or(0) };
            let codes: Vec<Words> = (0..groups * words)
                .map(|_| Words(std::array::from_fn(|_| std::array::from_fn(|_| byte()))))
                .collect();
            let mut numbers = seed.iter().rev().map(|v| v.cast_signed().max(-127)).cycle();
            let mut number = || if extreme { 127 } else { numbers.next().unwrap_or(0) };
            let probe: Vec<Numbers> = (0..words).map(|_| std::array::from_fn(|_| number())).collect();
            let mut anywhere = vec![[1; GROUP]; groups];
            sums_anywhere(&codes, &probe, &mut anywhere);
            for way in ways() {
                let mut here = vec![[2; GROUP]; groups];
                way(&codes, &probe, &mut here);
                prop_assert_eq!(&here, &anywhere);
            }
        }
    }
}
