//! The sums of [`codes`](super::codes) on processors with AVX-512 VNNI: 16 codes at a time, 128 numbers of
//! each by two instructions.

use std::arch::x86_64::{
    __m512i, _mm256_loadu_si256, _mm512_add_epi32, _mm512_and_si512, _mm512_castsi256_si512,
    _mm512_dpbusd_epi32, _mm512_inserti64x4, _mm512_loadu_si512, _mm512_set1_epi8,
    _mm512_setzero_si512, _mm512_shuffle_i32x4, _mm512_srli_epi16, _mm512_storeu_si512,
    _mm512_unpackhi_epi32, _mm512_unpackhi_epi64, _mm512_unpacklo_epi32, _mm512_unpacklo_epi64,
};

/// Bytes of a vector register: two groups of 64 numbers.
pub(super) const WIDTH: usize = size_of::<__m512i>();

/// Codes whose sums fill a register.
const CODES: usize = 16;

/// For each code the sum of its levels times the probe's numbers, as in
/// [`products_anywhere`](super::codes::products_anywhere), as far as they come in sixteens; how many that
/// are. A code is a multiple of [`WIDTH`] long.
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
pub(super) fn products(codes: &[u8], probe: &[i8], sums: &mut [i32]) -> usize {
    let code_len = probe.len() / 2;
    assert!(code_len.is_multiple_of(WIDTH) && codes.len() == sums.len() * code_len);
    let (blocks, _) = sums.as_chunks_mut::<CODES>();
    let done = blocks.len() * CODES;
    for (sums, codes) in blocks.iter_mut().zip(codes.chunks_exact(CODES * code_len)) {
        let mut products = [_mm512_setzero_si512(); CODES];
        for (part, probe) in probe.chunks_exact(2 * WIDTH).enumerate() {
            // The numbers of the first and of the second half of every 64 share bytes.
            let low = two(&probe[..32], &probe[64..]);
            let high = two(&probe[32..], &probe[96..]);
            for (product, code) in products.iter_mut().zip(codes.chunks_exact(code_len)) {
                let bytes = &code[part * WIDTH..][..WIDTH];
                // SAFETY: as wide as the register, which need not be aligned.
                let bytes = unsafe { _mm512_loadu_si512(bytes.as_ptr().cast()) };
                let nibble = _mm512_set1_epi8(15);
                let low_levels = _mm512_and_si512(bytes, nibble);
                let high_levels = _mm512_and_si512(_mm512_srli_epi16::<4>(bytes), nibble);
                *product = _mm512_dpbusd_epi32(*product, low_levels, low);
                *product = _mm512_dpbusd_epi32(*product, high_levels, high);
            }
        }
        // SAFETY: sixteen `i32` are as wide as the register.
        unsafe { _mm512_storeu_si512(sums.as_mut_ptr().cast(), sums_of(&products)) };
    }
    done
}

/// 32 numbers of one group and 32 of the next.
#[target_feature(enable = "avx512f")]
fn two(first: &[i8], second: &[i8]) -> __m512i {
    let (first, second) = (&first[..WIDTH / 2], &second[..WIDTH / 2]);
    // SAFETY: each is as wide as half the register.
    unsafe {
        let low = _mm512_castsi256_si512(_mm256_loadu_si256(first.as_ptr().cast()));
        _mm512_inserti64x4::<1>(low, _mm256_loadu_si256(second.as_ptr().cast()))
    }
}

/// The sum of the sixteen numbers of each of sixteen vectors, in their order. Without closures, into which
/// the instructions would not be inlined.
#[target_feature(enable = "avx512f")]
fn sums_of(vectors: &[__m512i; CODES]) -> __m512i {
    // In every quarter of a register: the sums of four vectors' quarters.
    let mut quarters = [_mm512_setzero_si512(); 4];
    for (sums, four) in quarters.iter_mut().zip(vectors.as_chunks::<4>().0) {
        let [a, b, c, d] = *four;
        let ab = _mm512_add_epi32(_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b));
        let cd = _mm512_add_epi32(_mm512_unpacklo_epi32(c, d), _mm512_unpackhi_epi32(c, d));
        *sums = _mm512_add_epi32(_mm512_unpacklo_epi64(ab, cd), _mm512_unpackhi_epi64(ab, cd));
    }
    let [a, b, c, d] = quarters;
    folded(folded(a, b), folded(c, d))
}

/// Even quarters and odd ones added.
#[target_feature(enable = "avx512f")]
fn folded(a: __m512i, b: __m512i) -> __m512i {
    let even = _mm512_shuffle_i32x4::<0b10_00_10_00>(a, b);
    _mm512_add_epi32(even, _mm512_shuffle_i32x4::<0b11_01_11_01>(a, b))
}
