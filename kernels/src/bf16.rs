//! Products of `bf16` with sums in `f32`: by the tiles of AMX or the vectors of AVX-512 BF16.
//!
//! Intel 64 and IA-32 Architectures Software Developer's Manual, TDPBF16PS and VDPBF16PS.

use std::arch::asm;
use std::arch::x86_64::{
    __m512, __m512bh, __m512i, _mm512_dpbf16_ps, _mm512_loadu_ps, _mm512_loadu_si512,
    _mm512_set1_epi32,
};
use std::mem::transmute;

use half::bf16;

use super::element::Element;
use super::matrix::Multiply;
use super::output::{Output, SIDE};

/// Tiles of 16 rows of 64 bytes: four sums of 16 x 16 at a time.
pub struct Tiles;

/// Vectors of 16 pairs: up to 8 rows by 32 columns at a time.
pub struct Pairs;

/// How the eight tiles are shaped (the manual's table "memory area format of LDTILECFG").
#[repr(C, align(64))]
struct TileConfig {
    palette: u8,
    start_row: u8,
    reserved: [u8; 14],
    row_bytes: [u16; 16],
    rows: [u8; 16],
}

const EIGHT_FULL_TILES: TileConfig = TileConfig {
    palette: 1,
    start_row: 0,
    reserved: [0; 14],
    row_bytes: [64, 64, 64, 64, 64, 64, 64, 64, 0, 0, 0, 0, 0, 0, 0, 0],
    rows: [16, 16, 16, 16, 16, 16, 16, 16, 0, 0, 0, 0, 0, 0, 0, 0],
};

impl Multiply<bf16> for Tiles {
    type Lanes = __m512;

    #[inline(always)]
    unsafe fn begin() {
        // SAFETY: the caller vouches for AMX.
        unsafe { asm!("ldtilecfg [{}]", in(reg) &EIGHT_FULL_TILES, options(nostack, readonly)) };
    }

    #[inline(always)]
    unsafe fn end() {
        // SAFETY: the caller vouches for AMX.
        unsafe { asm!("tilerelease", options(nostack, nomem)) };
    }

    /// A tile has 16 rows, and a lone row needs none; its sums are rounded in another order than in a tile.
    fn rows_read(height: usize) -> usize {
        if height == 1 { 1 } else { SIDE }
    }

    #[inline(always)]
    unsafe fn multiply(rows: &[bf16], panel: &[bf16], len: usize, to: &mut Output<bf16>) {
        if to.size().0 == 1 {
            // SAFETY: the caller's: AMX comes with AVX-512 BF16.
            return unsafe { Pairs::multiply(rows, panel, len, to) };
        }
        debug_assert!(rows.len() >= SIDE * len && panel.len() >= len * SIDE);
        // SAFETY: the caller vouches for AMX and for the lengths: of the bias 128 bytes are read, in each of `len / 32`
        // steps 64 bytes of each of 32 rows and 2 KiB of the panel; the stores fill the block's 4 KiB.
        unsafe {
            asm!(
                "tileloadd tmm0, [{bias} + {no_bytes}]",
                "tileloadd tmm1, [{bias} + {no_bytes} + 64]",
                "tileloadd tmm2, [{bias} + {no_bytes}]",
                "tileloadd tmm3, [{bias} + {no_bytes} + 64]",
                "2:",
                "tileloadd tmm4, [{upper} + {row_bytes}]",
                "tileloadd tmm6, [{panel} + {tile_bytes}]",
                "tileloadd tmm7, [{panel} + {tile_bytes} + 1024]",
                "tdpbf16ps tmm0, tmm4, tmm6",
                "tileloadd tmm5, [{lower} + {row_bytes}]",
                "tdpbf16ps tmm1, tmm4, tmm7",
                "tdpbf16ps tmm2, tmm5, tmm6",
                "tdpbf16ps tmm3, tmm5, tmm7",
                "add {upper}, 64",
                "add {lower}, 64",
                "add {panel}, 2048",
                "dec {steps}",
                "jnz 2b",
                "tilestored [{block} + {block_bytes}], tmm0",
                "tilestored [{block} + {block_bytes} + 64], tmm1",
                "tilestored [{block} + {block_bytes} + 2048], tmm2",
                "tilestored [{block} + {block_bytes} + 2112], tmm3",
                upper = inout(reg) rows.as_ptr() => _,
                lower = inout(reg) rows.as_ptr().add(16 * len) => _,
                panel = inout(reg) panel.as_ptr() => _,
                steps = inout(reg) len / bf16::STEP => _,
                bias = in(reg) to.bias().as_ptr(),
                // Each row of the sums begins with the same numbers.
                no_bytes = in(reg) 0usize,
                block = in(reg) to.block.0.as_mut_ptr(),
                row_bytes = in(reg) len * size_of::<bf16>(),
                tile_bytes = in(reg) 64usize,
                block_bytes = in(reg) SIDE * size_of::<f32>(),
                out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
                out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
                options(nostack),
            );
            to.write_from::<__m512>(0);
        }
    }
}

impl Multiply<bf16> for Pairs {
    type Lanes = __m512;

    #[inline(always)]
    unsafe fn multiply(rows: &[bf16], panel: &[bf16], len: usize, to: &mut Output<bf16>) {
        let (height, width) = to.size();
        debug_assert!(rows.len() >= height * len && panel.len() >= len * SIDE);
        // SAFETY: the caller vouches for AVX-512 BF16 and for the lengths; the rows stay within the block and `rows`.
        unsafe {
            let (rows, panel, bias) = (rows.as_ptr(), panel.as_ptr(), to.bias().as_ptr());
            let mut row = 0;
            for _ in 0..height / 8 {
                to.put(row, 0, strip::<8>(rows.add(row * len), panel, len, bias));
                row += 8;
            }
            if height & 4 != 0 {
                to.put(row, 0, strip::<4>(rows.add(row * len), panel, len, bias));
                row += 4;
            }
            if height & 2 != 0 {
                to.put(row, 0, strip::<2>(rows.add(row * len), panel, len, bias));
                row += 2;
            }
            if height & 1 != 0 {
                to.put(row, 0, strip::<1>(rows.add(row * len), panel, len, bias));
            }
            if width < SIDE {
                to.write_from::<__m512>(0);
            }
        }
    }
}

/// `R` rows by 32 columns: the sums stay in registers while rows and columns are read once.
///
/// # Safety
/// The processor has AVX-512 BF16; there are `R` rows of `len` numbers, a panel of as many, and 32 numbers of the bias.
#[inline(always)]
unsafe fn strip<const R: usize>(
    rows: *const bf16,
    panel: *const bf16,
    len: usize,
    bias: *const f32,
) -> [[__m512; 2]; R] {
    // SAFETY: pair `pair` of each row ends before `len`, a multiple of 32, and the panel has two vectors for each pair.
    unsafe {
        let mut sums = [[_mm512_loadu_ps(bias), _mm512_loadu_ps(bias.add(16))]; R];
        for pair in 0..len / 2 {
            let step = panel.add(pair / 16 * (bf16::STEP * SIDE) + pair % 16 * 32);
            let left = transmute::<__m512i, __m512bh>(_mm512_loadu_si512(step.cast()));
            let right = step.add(bf16::STEP * 16);
            let right = transmute::<__m512i, __m512bh>(_mm512_loadu_si512(right.cast()));
            for (i, sums) in sums.iter_mut().enumerate() {
                let two = rows.add(i * len + pair * 2).cast::<i32>().read_unaligned();
                let two = transmute::<__m512i, __m512bh>(_mm512_set1_epi32(two));
                sums[0] = _mm512_dpbf16_ps(sums[0], two, left);
                sums[1] = _mm512_dpbf16_ps(sums[1], two, right);
            }
        }
        sums
    }
}
