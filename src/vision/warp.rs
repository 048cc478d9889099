//! Sampling a frame through an affine transform.

use multiversion::multiversion;

use super::affine::Affine;
use super::resize::nearest_byte;
use crate::domain::Frame;

/// The `side` x `side` RGB picture whose pixel `p` shows the frame at `to_picture⁻¹(p)`, bilinear,
/// black outside the frame (OpenCV's `warpAffine`).
///
/// Where `to_picture` shrinks by two or more, the frame is first averaged in blocks, because
/// bilinear sampling alone would skip pixels and alias.
pub(super) fn warp(frame: &Frame, to_picture: &Affine, side: u32) -> Vec<u8> {
    let block = (1.0 / to_picture.scale()).floor();
    let to_frame = to_picture.inverse();
    // A face cannot be shrunk by more than the frame's side over the picture's.
    let block = block.clamp(1.0, f64::from(frame.width().max(frame.height()))) as i64;
    if block == 1 {
        let size = (frame.width().into(), frame.height().into());
        return sample(side, &to_frame, &Texels { numbers: frame.rgb(), size });
    }
    let region = Region::around(frame, &to_frame, side, block);
    let means = block_means(frame, &region);
    let size = (region.columns, region.rows);
    sample(side, &region.to_blocks(&to_frame), &Texels { numbers: &means, size })
}

/// Bilinear sampling of a picture.
#[multiversion(targets("x86_64+avx2+fma"))]
fn sample<N: Copy + Into<f32>>(side: u32, to_source: &Affine, texels: &Texels<'_, N>) -> Vec<u8> {
    let side = side as usize;
    let mut rgb = vec![0; side * side * 3];
    for (row, line) in rgb.chunks_exact_mut(side * 3).enumerate() {
        for (column, pixel) in line.as_chunks_mut::<3>().0.iter_mut().enumerate() {
            let (x, y) = to_source.apply(column as f64, row as f64);
            let (left, top) = (x.floor(), y.floor());
            let (right_share, bottom_share) = ((x - left) as f32, (y - top) as f32);
            let shares = [
                (1.0 - right_share) * (1.0 - bottom_share),
                right_share * (1.0 - bottom_share),
                (1.0 - right_share) * bottom_share,
                right_share * bottom_share,
            ];
            let [nw, ne, sw, se] = texels.corners(left as i64, top as i64);
            for channel in 0..3 {
                let upper = nw[channel] * shares[0] + ne[channel] * shares[1];
                pixel[channel] =
                    nearest_byte(upper + sw[channel] * shares[2] + se[channel] * shares[3]);
            }
        }
    }
    rgb
}

/// What is sampled: red, green and blue of one place after another, rows from the top; black all around.
struct Texels<'a, N> {
    numbers: &'a [N],
    /// Columns and rows.
    size: (i64, i64),
}

impl<N: Copy + Into<f32>> Texels<'_, N> {
    /// R, G, B at a place and at those to its right, below, and below to its right.
    #[inline(always)]
    fn corners(&self, left: i64, top: i64) -> [[f32; 3]; 4] {
        let (columns, rows) = self.size;
        if left >= 0 && top >= 0 && left < columns - 1 && top < rows - 1 {
            let at = (top * columns + left) as usize * 3;
            let upper = &self.numbers[at..at + 6];
            let lower = &self.numbers[at + columns as usize * 3..][..6];
            return [rgb(upper, 0), rgb(upper, 3), rgb(lower, 0), rgb(lower, 3)];
        }
        let (right, bottom) = (left.saturating_add(1), top.saturating_add(1));
        [self.at(left, top), self.at(right, top), self.at(left, bottom), self.at(right, bottom)]
    }

    #[inline(always)]
    fn at(&self, x: i64, y: i64) -> [f32; 3] {
        let (columns, rows) = self.size;
        if x < 0 || y < 0 || x >= columns || y >= rows {
            return [0.0; 3];
        }
        rgb(self.numbers, (y * columns + x) as usize * 3)
    }
}

#[inline(always)]
fn rgb<N: Copy + Into<f32>>(numbers: &[N], at: usize) -> [f32; 3] {
    [numbers[at].into(), numbers[at + 1].into(), numbers[at + 2].into()]
}

/// The part of a frame that a warp reads, cut into square blocks.
struct Region {
    left: i64,
    top: i64,
    block: i64,
    columns: i64,
    rows: i64,
}

impl Region {
    fn around(frame: &Frame, to_frame: &Affine, side: u32, block: i64) -> Self {
        let end = f64::from(side - 1);
        let corners =
            [(0.0, 0.0), (end, 0.0), (0.0, end), (end, end)].map(|(x, y)| to_frame.apply(x, y));
        let (left, columns) = extent(corners.map(|c| c.0), frame.width(), block);
        let (top, rows) = extent(corners.map(|c| c.1), frame.height(), block);
        Self { left, top, block, columns, rows }
    }

    /// The same transform, landing among the blocks: a block's mean lies at its centre.
    fn to_blocks(&self, to_frame: &Affine) -> Affine {
        let block = self.block as f64;
        let centre = (block - 1.0) / 2.0;
        let (left, top) = (self.left as f64, self.top as f64);
        let by = 1.0 / block;
        to_frame.then_stretched((by, by), ((-left - centre) * by, (-top - centre) * by))
    }
}

/// R, G, B of the mean of each block, rows from the top; what lies outside the frame counts as black.
fn block_means(frame: &Frame, region: &Region) -> Vec<f32> {
    let [left, top, block, columns, rows] =
        [region.left, region.top, region.block, region.columns, region.rows].map(|v| v as usize);
    let (width, height) = (frame.width() as usize, frame.height() as usize);
    let right = (left + columns * block).min(width);
    let pixels = (block * block) as f32;
    let mut means = vec![0.0; columns * rows * 3];
    // Rows first: whole rows are summed with vector instructions.
    let mut sums = vec![0u32; (right - left) * 3];
    for (row, means) in means.chunks_exact_mut((columns * 3).max(1)).enumerate() {
        sums.fill(0);
        let first = top + row * block;
        for y in first..(first + block).min(height) {
            let bytes = &frame.rgb()[(y * width + left) * 3..(y * width + right) * 3];
            for (sum, byte) in sums.iter_mut().zip(bytes) {
                *sum += u32::from(*byte);
            }
        }
        for (sums, mean) in sums.chunks(block * 3).zip(means.as_chunks_mut::<3>().0) {
            let mut total = [0u64; 3];
            for pixel in sums.as_chunks::<3>().0 {
                for channel in 0..3 {
                    total[channel] += u64::from(pixel[channel]);
                }
            }
            for channel in 0..3 {
                mean[channel] = total[channel] as f32 / pixels;
            }
        }
    }
    means
}

/// Where the blocks start and how many there are along one axis: enough for the corners and a block
/// of margin for the bilinear neighbours, but none that lies wholly outside the frame.
fn extent(corners: [f64; 4], len: u32, block: i64) -> (i64, i64) {
    let margin = 2.0 * block as f64;
    let inside = |v: f64| v.clamp(0.0, f64::from(len)) as i64;
    let first = inside(corners.into_iter().fold(f64::INFINITY, f64::min) - margin);
    let last = inside(corners.into_iter().fold(f64::NEG_INFINITY, f64::max) + margin);
    (first, (last - first + block - 1) / block)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::vision::Similarity;

    fn noise(width: u32, height: u32, seed: u32) -> Frame {
        let byte = |i: u32| (i.wrapping_mul(2_654_435_761).wrapping_add(seed) >> 24) as u8;
        Frame::new(width, height, (0..width * height * 3).map(byte).collect()).unwrap()
    }

    proptest! {
        #[test]
        fn a_block_is_the_mean_of_its_pixels_and_black_beyond_the_frame(
            (width, height) in (1u32..40, 1u32..40),
            (block, seed) in (1i64..9, any::<u32>()),
            (left, top) in (0i64..40, 0i64..40),
        ) {
            let frame = noise(width, height, seed);
            let (left, top) = (left.min(width.into()), top.min(height.into()));
            let blocks = |len: u32, first: i64| (i64::from(len) - first + block - 1) / block;
            let (columns, rows) = (blocks(width, left), blocks(height, top));
            let region = Region { left, top, block, columns, rows };
            let means = block_means(&frame, &region);
            prop_assert_eq!(means.len() as i64, columns * rows * 3);
            let size = (width.into(), height.into());
            let pixels = Texels { numbers: frame.rgb(), size };
            for (at, mean) in means.iter().enumerate() {
                let (place, channel) = (at as i64 / 3, at % 3);
                let (x, y) = (left + place % columns * block, top + place / columns * block);
                let all = (0..block * block).map(|i| pixels.at(x + i % block, y + i / block));
                let sum: f32 = all.map(|rgb| rgb[channel]).sum();
                prop_assert_eq!(*mean, sum / (block * block) as f32);
            }
        }

        #[test]
        fn four_corners_are_four_places_wherever_they_lie(
            (width, height) in (1u32..6, 1u32..6),
            (left, top) in (-3i64..8, -3i64..8),
        ) {
            let frame = noise(width, height, 1);
            let pixels = Texels { numbers: frame.rgb(), size: (width.into(), height.into()) };
            let places = [(0, 0), (1, 0), (0, 1), (1, 1)];
            let expected = places.map(|(x, y)| pixels.at(left + x, top + y));
            prop_assert_eq!(pixels.corners(left, top), expected);
            prop_assert_eq!(pixels.corners(i64::MAX, i64::MIN), [[0.0; 3]; 4]);
        }
    }

    fn shift(tx: f64, ty: f64) -> Affine {
        Similarity { a: 1.0, b: 0.0, tx, ty }.into()
    }

    #[test]
    fn what_lies_outside_the_frame_is_black() {
        let frame = Frame::new(2, 2, vec![200; 12]).unwrap();
        let picture = warp(&frame, &shift(1.0, 1.0), 2);
        assert_eq!(picture, [0, 0, 0, 0, 0, 0, 0, 0, 0, 200, 200, 200]);
    }

    #[test]
    fn half_a_pixel_mixes_the_neighbours() {
        let frame = Frame::new(2, 1, vec![0, 0, 0, 100, 100, 100]).unwrap();
        assert_eq!(warp(&frame, &shift(-0.5, 0.0), 1), [50, 50, 50]);
    }

    #[test]
    fn a_strong_shrink_averages_a_fine_pattern_instead_of_aliasing() {
        // A one-pixel checkerboard is mid-grey from afar.
        let rgb = (0..256 * 256)
            .flat_map(|i| [if (i % 256 + i / 256) % 2 == 0 { 0 } else { 254u8 }; 3])
            .collect();
        let frame = Frame::new(256, 256, rgb).unwrap();
        let eighth = Similarity { a: 0.125, b: 0.0, tx: -4.0, ty: -4.0 };
        assert!(warp(&frame, &eighth.into(), 16).iter().all(|v| v.abs_diff(127) <= 1));
    }

    #[test]
    fn averaging_in_blocks_does_not_shift_the_picture() {
        // A ramp keeps its value under any blur, so a shift would show as another value.
        let rgb = (0..200 * 200).flat_map(|i| [(i % 200) as u8; 3]).collect();
        let frame = Frame::new(200, 200, rgb).unwrap();
        let third = Similarity { a: 1.0 / 3.0, b: 0.0, tx: -10.0, ty: -10.0 };
        let picture = warp(&frame, &third.into(), 32);
        for column in 0..32usize {
            let expected = 3.0 * (column as f64 + 10.0);
            assert!((f64::from(picture[(16 * 32 + column) * 3]) - expected).abs() <= 1.0);
        }
    }
}
