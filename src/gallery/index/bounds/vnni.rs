//! The sums on processors with AVX-512 VNNI: a word of sixteen codes by two instructions.

use std::arch::x86_64::{
    __m512i, _mm512_add_epi32, _mm512_and_si512, _mm512_dpbusd_epi32, _mm512_load_si512,
    _mm512_set1_epi8, _mm512_set1_epi32, _mm512_setzero_si512, _mm512_srai_epi32,
    _mm512_storeu_si512,
};

use super::super::code::{Code, CodedProbe};
use super::{GROUP, Numbers, Words, by_sums};

/// Codes in a register.
const LANES: usize = 16;

/// As [`least_distances`](super::least_distances).
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
pub(super) fn least_distances(groups: &[Words], probe: &CodedProbe, bounds: &mut [f32]) {
    by_sums(|codes, numbers| sums(codes, numbers), groups, probe, bounds);
}

/// As [`sums`](super::sums).
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
pub(super) fn sums(codes: &[Words], probe: &[Numbers]) -> [i32; GROUP] {
    let (low_bits, high_bits) = (_mm512_set1_epi8(0x0f), _mm512_set1_epi8(0xf0u8.cast_signed()));
    let mut lows = [_mm512_setzero_si512(); GROUP / LANES];
    let mut highs = lows;
    for (words, [low, high]) in codes.iter().zip(probe) {
        words.fetch_ahead();
        let (low, high) = (in_all_lanes(low), in_all_lanes(high));
        let words = words.0.as_chunks::<LANES>().0;
        for ((lows, highs), words) in lows.iter_mut().zip(&mut highs).zip(words) {
            // SAFETY: as wide as the register, and aligned.
            let words = unsafe { _mm512_load_si512(words.as_ptr().cast()) };
            *lows = _mm512_dpbusd_epi32(*lows, _mm512_and_si512(words, low_bits), low);
            // Sixteen times the levels, for what moving them down would cost.
            *highs = _mm512_dpbusd_epi32(*highs, _mm512_and_si512(words, high_bits), high);
        }
    }
    let mut sums = [0; GROUP];
    for ((sums, lows), highs) in sums.as_chunks_mut::<LANES>().0.iter_mut().zip(lows).zip(highs) {
        let total = _mm512_add_epi32(lows, _mm512_srai_epi32::<4>(highs));
        // SAFETY: sixteen `i32` are as wide as the register, and need not be aligned.
        unsafe { _mm512_storeu_si512(sums.as_mut_ptr().cast(), total) };
    }
    sums
}

#[target_feature(enable = "avx512f")]
fn in_all_lanes(numbers: &[i8; Code::WORD]) -> __m512i {
    _mm512_set1_epi32(i32::from_le_bytes(numbers.map(i8::cast_unsigned)))
}
