//! The sums on processors with AVX2: a word of eight codes at a time.

use std::arch::x86_64::{
    __m256i, _mm256_add_epi16, _mm256_add_epi32, _mm256_and_si256, _mm256_load_si256,
    _mm256_madd_epi16, _mm256_maddubs_epi16, _mm256_set1_epi8, _mm256_set1_epi16,
    _mm256_set1_epi32, _mm256_setzero_si256, _mm256_srli_epi16, _mm256_storeu_si256,
};

use super::super::code::{Code, CodedProbe};
use super::{GROUP, Numbers, Words, by_sums};

/// Codes in a register.
const LANES: usize = 8;

/// Words whose products fit a 16-bit sum: 4 x 4 x 15 x 127 < 2^15.
const WORDS_IN_16_BITS: usize = 4;

/// As [`least_distances`](super::least_distances).
#[target_feature(enable = "avx2")]
pub(super) fn least_distances(groups: &[Words], probe: &CodedProbe, bounds: &mut [f32]) {
    by_sums(|codes, numbers| sums(codes, numbers), groups, probe, bounds);
}

/// As [`sums`](super::sums).
#[target_feature(enable = "avx2")]
pub(super) fn sums(codes: &[Words], probe: &[Numbers]) -> [i32; GROUP] {
    let nibble = _mm256_set1_epi8(15);
    let ones = _mm256_set1_epi16(1);
    let mut totals = [_mm256_setzero_si256(); GROUP / LANES];
    for (codes, probe) in codes.chunks(WORDS_IN_16_BITS).zip(probe.chunks(WORDS_IN_16_BITS)) {
        let mut parts = [_mm256_setzero_si256(); GROUP / LANES];
        for (words, [low, high]) in codes.iter().zip(probe) {
            words.fetch_ahead();
            let (low, high) = (in_all_lanes(low), in_all_lanes(high));
            for (part, words) in parts.iter_mut().zip(words.0.as_chunks::<LANES>().0) {
                // SAFETY: as wide as the register, and aligned.
                let words = unsafe { _mm256_load_si256(words.as_ptr().cast()) };
                let low_levels = _mm256_and_si256(words, nibble);
                let high_levels = _mm256_and_si256(_mm256_srli_epi16::<4>(words), nibble);
                *part = _mm256_add_epi16(*part, _mm256_maddubs_epi16(low_levels, low));
                *part = _mm256_add_epi16(*part, _mm256_maddubs_epi16(high_levels, high));
            }
        }
        for (total, part) in totals.iter_mut().zip(parts) {
            *total = _mm256_add_epi32(*total, _mm256_madd_epi16(part, ones));
        }
    }
    let mut sums = [0; GROUP];
    for (sums, total) in sums.as_chunks_mut::<LANES>().0.iter_mut().zip(totals) {
        // SAFETY: eight `i32` are as wide as the register, and need not be aligned.
        unsafe { _mm256_storeu_si256(sums.as_mut_ptr().cast(), total) };
    }
    sums
}

#[target_feature(enable = "avx2")]
fn in_all_lanes(numbers: &[i8; Code::WORD]) -> __m256i {
    _mm256_set1_epi32(i32::from_le_bytes(numbers.map(i8::cast_unsigned)))
}
