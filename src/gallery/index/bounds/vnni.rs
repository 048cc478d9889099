//! The sums on processors with AVX-512 VNNI: a word of sixteen codes by two instructions.

use std::arch::x86_64::{
    _mm512_add_epi32, _mm512_and_si512, _mm512_dpbusd_epi32, _mm512_load_si512, _mm512_set1_epi8,
    _mm512_set1_epi32, _mm512_setzero_si512, _mm512_srai_epi32, _mm512_storeu_si512,
};

use super::{GROUP, Numbers, Words};

/// As [`sums`](super::sums).
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
pub(super) fn sums(codes: &[Words], probe: &[Numbers], sums: &mut [[i32; GROUP]]) {
    let (low_bits, high_bits) = (_mm512_set1_epi8(0x0f), _mm512_set1_epi8(0xf0u8.cast_signed()));
    for (sums, codes) in sums.iter_mut().zip(codes.chunks_exact(probe.len())) {
        let (mut lows, mut highs) = (_mm512_setzero_si512(), _mm512_setzero_si512());
        for (words, numbers) in codes.iter().zip(probe) {
            words.fetch_ahead();
            let [a, b, c, d, e, f, g, h] = numbers.map(i8::cast_unsigned);
            let low = _mm512_set1_epi32(i32::from_le_bytes([a, b, c, d]));
            let high = _mm512_set1_epi32(i32::from_le_bytes([e, f, g, h]));
            // SAFETY: as wide as the register, and aligned.
            let words = unsafe { _mm512_load_si512((&raw const *words).cast()) };
            lows = _mm512_dpbusd_epi32(lows, _mm512_and_si512(words, low_bits), low);
            // Sixteen times the levels, for what moving them down would cost.
            highs = _mm512_dpbusd_epi32(highs, _mm512_and_si512(words, high_bits), high);
        }
        let total = _mm512_add_epi32(lows, _mm512_srai_epi32::<4>(highs));
        // SAFETY: sixteen `i32` are as wide as the register.
        unsafe { _mm512_storeu_si512(sums.as_mut_ptr().cast(), total) };
    }
}
