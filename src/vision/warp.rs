//! Sampling a frame through an affine transform.

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
        return sample(side, &to_frame, |x, y| texel(frame, x, y));
    }
    let region = Region::around(frame, &to_frame, side, block);
    sample(side, &region.to_blocks(&to_frame), |x, y| region.texel(x, y))
}

/// Bilinear sampling of a picture given by its texels.
fn sample(side: u32, to_source: &Affine, texel: impl Fn(i64, i64) -> [f32; 3]) -> Vec<u8> {
    let mut rgb = Vec::with_capacity((side * side * 3) as usize);
    for row in 0..side {
        for column in 0..side {
            let (x, y) = to_source.apply(f64::from(column), f64::from(row));
            let (left, top) = (x.floor(), y.floor());
            let (right_share, bottom_share) = ((x - left) as f32, (y - top) as f32);
            let (left, top) = (left as i64, top as i64);
            let corners = [
                (texel(left, top), (1.0 - right_share) * (1.0 - bottom_share)),
                (texel(left.saturating_add(1), top), right_share * (1.0 - bottom_share)),
                (texel(left, top.saturating_add(1)), (1.0 - right_share) * bottom_share),
                (texel(left.saturating_add(1), top.saturating_add(1)), right_share * bottom_share),
            ];
            for channel in 0..3 {
                let mean: f32 = corners.iter().map(|(texel, share)| texel[channel] * share).sum();
                rgb.push(nearest_byte(mean));
            }
        }
    }
    rgb
}

/// R, G, B at a place; black outside the frame.
fn texel(frame: &Frame, x: i64, y: i64) -> [f32; 3] {
    let inside = |v: i64, len: u32| (0..i64::from(len)).contains(&v);
    if inside(x, frame.width()) && inside(y, frame.height()) {
        let at = (y as usize * frame.width() as usize + x as usize) * 3;
        let rgb = frame.rgb();
        [f32::from(rgb[at]), f32::from(rgb[at + 1]), f32::from(rgb[at + 2])]
    } else {
        [0.0; 3]
    }
}

/// The part of a frame that a warp reads, averaged in square blocks.
struct Region {
    left: i64,
    top: i64,
    block: i64,
    columns: i64,
    rows: i64,
    means: Vec<[f32; 3]>,
}

impl Region {
    fn around(frame: &Frame, to_frame: &Affine, side: u32, block: i64) -> Self {
        let end = f64::from(side - 1);
        let corners =
            [(0.0, 0.0), (end, 0.0), (0.0, end), (end, end)].map(|(x, y)| to_frame.apply(x, y));
        let xs = corners.map(|c| c.0);
        let ys = corners.map(|c| c.1);
        let (left, columns) = extent(xs, frame.width(), block);
        let (top, rows) = extent(ys, frame.height(), block);
        let mut region = Self { left, top, block, columns, rows, means: Vec::new() };
        region.means = (0..rows)
            .flat_map(|row| (0..columns).map(move |column| (column, row)))
            .map(|(column, row)| region.mean(frame, column, row))
            .collect();
        region
    }

    /// The mean of one block; what lies outside the frame counts as black.
    fn mean(&self, frame: &Frame, column: i64, row: i64) -> [f32; 3] {
        let mut sum = [0u32; 3];
        let start = self.left + column * self.block;
        let xs = start.clamp(0, frame.width().into())
            ..(start + self.block).clamp(0, frame.width().into());
        let start = self.top + row * self.block;
        let ys = start.clamp(0, frame.height().into())
            ..(start + self.block).clamp(0, frame.height().into());
        for y in ys {
            let row = y as usize * frame.width() as usize;
            let bytes = &frame.rgb()[(row + xs.start as usize) * 3..(row + xs.end as usize) * 3];
            for pixel in bytes.chunks_exact(3) {
                for channel in 0..3 {
                    sum[channel] += u32::from(pixel[channel]);
                }
            }
        }
        sum.map(|total| total as f32 / (self.block * self.block) as f32)
    }

    fn texel(&self, column: i64, row: i64) -> [f32; 3] {
        if (0..self.columns).contains(&column) && (0..self.rows).contains(&row) {
            self.means[(row * self.columns + column) as usize]
        } else {
            [0.0; 3]
        }
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
    use super::*;
    use crate::vision::Similarity;

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
