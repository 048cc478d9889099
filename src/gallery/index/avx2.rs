//! The sums of [`codes`](super::codes) on processors with AVX2: 8 codes at a time.

use std::arch::x86_64::{
    __m256i, _mm256_add_epi16, _mm256_add_epi32, _mm256_and_si256, _mm256_hadd_epi32,
    _mm256_loadu_si256, _mm256_madd_epi16, _mm256_maddubs_epi16, _mm256_permute2x128_si256,
    _mm256_set1_epi8, _mm256_set1_epi16, _mm256_setzero_si256, _mm256_srli_epi16,
    _mm256_storeu_si256,
};

use super::codes::products_anywhere;

/// Bytes of a vector register.
const WIDTH: usize = size_of::<__m256i>();

/// Groups of 64 numbers whose products fit a 16-bit sum: 4 x 4 x 15 x 127 < 2^15.
const GROUPS_IN_16_BITS: usize = 4;

/// For each code the sum of its levels times the probe's numbers, as in
/// [`products_anywhere`](super::codes::products_anywhere).
#[target_feature(enable = "avx2")]
pub(super) fn products(codes: &[u8], probe: &[i8], sums: &mut [i32]) {
    let code_len = probe.len() / 2;
    let (eights, rest) = sums.as_chunks_mut::<8>();
    let (codes, codes_of_rest) = codes.split_at(eights.len() * 8 * code_len);
    for (sums, codes) in eights.iter_mut().zip(codes.chunks_exact(8 * code_len)) {
        let mut lanes = [_mm256_setzero_si256(); 8];
        for (lane, code) in lanes.iter_mut().zip(codes.chunks_exact(code_len)) {
            *lane = product(code, probe);
        }
        let [a, b, c, d, e, f, g, h] = lanes;
        let low = _mm256_hadd_epi32(_mm256_hadd_epi32(a, b), _mm256_hadd_epi32(c, d));
        let high = _mm256_hadd_epi32(_mm256_hadd_epi32(e, f), _mm256_hadd_epi32(g, h));
        let total = _mm256_add_epi32(
            _mm256_permute2x128_si256::<0x20>(low, high),
            _mm256_permute2x128_si256::<0x31>(low, high),
        );
        // SAFETY: eight `i32` are as wide as the register, and it need not be aligned.
        unsafe { _mm256_storeu_si256(sums.as_mut_ptr().cast(), total) };
    }
    products_anywhere(codes_of_rest, probe, rest);
}

/// Eight sums whose sum is the product of one code with the probe.
#[target_feature(enable = "avx2")]
fn product(code: &[u8], probe: &[i8]) -> __m256i {
    let nibble = _mm256_set1_epi8(15);
    let ones = _mm256_set1_epi16(1);
    let mut total = _mm256_setzero_si256();
    let parts = code.chunks(GROUPS_IN_16_BITS * WIDTH);
    for (code, probe) in parts.zip(probe.chunks(GROUPS_IN_16_BITS * 2 * WIDTH)) {
        let mut sum = _mm256_setzero_si256();
        let (code, _) = code.as_chunks::<WIDTH>();
        let (probe, _) = probe.as_chunks::<WIDTH>();
        let (probe, _) = probe.as_chunks::<2>();
        for (bytes, [low, high]) in code.iter().zip(probe) {
            // SAFETY: each is an array as wide as the register, which need not be aligned.
            let (bytes, low, high) = unsafe {
                (
                    _mm256_loadu_si256(bytes.as_ptr().cast()),
                    _mm256_loadu_si256(low.as_ptr().cast()),
                    _mm256_loadu_si256(high.as_ptr().cast()),
                )
            };
            let low_levels = _mm256_and_si256(bytes, nibble);
            let high_levels = _mm256_and_si256(_mm256_srli_epi16::<4>(bytes), nibble);
            sum = _mm256_add_epi16(sum, _mm256_maddubs_epi16(low_levels, low));
            sum = _mm256_add_epi16(sum, _mm256_maddubs_epi16(high_levels, high));
        }
        total = _mm256_add_epi32(total, _mm256_madd_epi16(sum, ones));
    }
    total
}
