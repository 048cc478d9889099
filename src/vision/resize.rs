//! Resizing: area averaging where it shrinks, so that no detail aliases, linear where it enlarges.

use multiversion::multiversion;

use crate::domain::Frame;

/// `frame` at `width` x `height`. Along an axis that shrinks every new pixel is the mean of the area
/// it covers, pixels at its border counting by the share it covers of them (OpenCV's `INTER_AREA`);
/// along one that grows it mixes its two neighbours (`INTER_LINEAR`). RGB bytes, rows from the top.
pub(super) fn resize(frame: &Frame, width: u32, height: u32) -> Vec<u8> {
    if (width, height) == (frame.width(), frame.height()) {
        return frame.rgb().to_vec();
    }
    if (2 * width, 2 * height) == (frame.width(), frame.height()) {
        return halve(frame);
    }
    resample(frame, width, height)
}

/// What [`resample`] gives at half the size, number for number, with fewer steps: cameras of 640 pixels are
/// searched at 320 and 160.
#[multiversion(targets("x86_64+avx2+fma"))]
fn halve(frame: &Frame) -> Vec<u8> {
    let row_len = frame.width() as usize * 3;
    let mut halved = vec![0; frame.rgb().len() / 4];
    let (mut sums, mut means) = (vec![0u16; row_len], vec![0u8; row_len]);
    let lines = halved.chunks_exact_mut(row_len / 2);
    for (rows, line) in frame.rgb().chunks_exact(2 * row_len).zip(lines) {
        let (upper, lower) = rows.split_at(row_len);
        for ((sum, upper), lower) in sums.iter_mut().zip(upper).zip(lower) {
            *sum = u16::from(*upper) + u16::from(*lower);
        }
        // Of every pixel and the next, which vectors do at once, and every second is wanted.
        for ((mean, sum), next) in means.iter_mut().zip(&sums).zip(&sums[3..]) {
            // Rounded as `nearest_byte` does.
            *mean = ((sum + next + 2) >> 2) as u8;
        }
        for (pair, pixel) in means.as_chunks::<6>().0.iter().zip(line.as_chunks_mut::<3>().0) {
            pixel.copy_from_slice(&pair[..3]);
        }
    }
    halved
}

#[multiversion(targets("x86_64+avx2+fma"))]
fn resample(frame: &Frame, width: u32, height: u32) -> Vec<u8> {
    let row_len = frame.width() as usize * 3;
    let columns = spans(frame.width(), width);
    let mut resized = Vec::with_capacity(width as usize * height as usize * 3);
    let mut row = vec![0f32; row_len];
    for span in spans(frame.height(), height) {
        // Rows first: whole rows are summed with vector instructions, and few remain for columns.
        row.fill(0.0);
        for (source, weight) in span.iter() {
            let source = &frame.rgb()[source * row_len..][..row_len];
            for (sum, value) in row.iter_mut().zip(source) {
                *sum += weight * f32::from(*value);
            }
        }
        let (pixels, _) = row.as_chunks::<3>();
        for span in &columns {
            let mut sum = [0f32; 3];
            for (pixel, weight) in pixels[span.first..].iter().zip(&span.weights) {
                for channel in 0..3 {
                    sum[channel] += weight * pixel[channel];
                }
            }
            resized.extend(sum.map(nearest_byte));
        }
    }
    resized
}

/// A mean of bytes, rounded. Not `f32::round`, which is a call where there is no SSE4.1.
#[inline(always)]
pub(super) fn nearest_byte(mean: f32) -> u8 {
    (mean + 0.5) as u8
}

/// The source pixels that one new pixel is made of along one axis, and their weights, which sum to 1.
struct Span {
    first: usize,
    weights: Vec<f32>,
}

impl Span {
    fn iter(&self) -> impl Iterator<Item = (usize, f32)> + '_ {
        self.weights.iter().enumerate().map(|(i, weight)| (self.first + i, *weight))
    }
}

fn spans(source: u32, target: u32) -> Vec<Span> {
    let step = f64::from(source) / f64::from(target);
    let span = if step >= 1.0 { covered } else { between };
    (0..target).map(|i| span(f64::from(i), step, source as usize)).collect()
}

/// The source pixels under new pixel `i`, each `step` of them wide.
fn covered(i: f64, step: f64, source: usize) -> Span {
    let (start, end) = (i * step, (i + 1.0) * step);
    let (first, last) = (start.floor() as usize, (end.ceil() as usize).min(source));
    let share = |pixel: usize| {
        let pixel = pixel as f64;
        ((end.min(pixel + 1.0) - start.max(pixel)) / step).max(0.0) as f32
    };
    Span { first, weights: (first..last).map(share).collect() }
}

/// The two source pixels between whose centres the centre of new pixel `i` lies.
fn between(i: f64, step: f64, source: usize) -> Span {
    let centre = ((i + 0.5) * step - 0.5).clamp(0.0, (source - 1) as f64);
    let first = (centre.floor() as usize).min(source.saturating_sub(2));
    let second = (centre - first as f64) as f32;
    let weights = if source == 1 { vec![1.0] } else { vec![1.0 - second, second] };
    Span { first, weights }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_pixel_becomes_the_mean_of_the_area_it_covers() {
        let rgb = [0u8, 30, 60, 90].iter().flat_map(|v| [*v; 3]).collect();
        let frame = Frame::new(4, 1, rgb).unwrap();
        assert_eq!(resize(&frame, 2, 1), [15, 15, 15, 75, 75, 75]);
    }

    #[test]
    fn a_pixel_at_a_border_counts_by_its_share() {
        let rgb = [0u8, 90, 180].iter().flat_map(|v| [*v; 3]).collect();
        let frame = Frame::new(3, 1, rgb).unwrap();
        // The first covers all of 0 and half of 90, the second half of 90 and all of 180.
        assert_eq!(resize(&frame, 2, 1), [30, 30, 30, 150, 150, 150]);
    }

    #[test]
    fn an_enlarged_row_mixes_its_neighbours() {
        let rgb = [0u8, 100].iter().flat_map(|v| [*v; 3]).collect();
        let frame = Frame::new(2, 1, rgb).unwrap();
        let enlarged: Vec<u8> = resize(&frame, 4, 1).chunks(3).map(|pixel| pixel[0]).collect();
        assert_eq!(enlarged, [0, 25, 75, 100]);
    }

    proptest! {
        #[test]
        fn half_the_size_is_the_same_as_by_any_other_share(
            (width, height) in (1u32..20, 1u32..20),
            seed in prop::collection::vec(any::<u8>(), 4 * 19 * 19 * 3),
        ) {
            let rgb = seed[..(4 * width * height * 3) as usize].to_vec();
            let frame = Frame::new(2 * width, 2 * height, rgb).unwrap();
            prop_assert_eq!(resize(&frame, width, height), resample(&frame, width, height));
        }
    }

    #[test]
    fn a_flat_frame_stays_flat_at_any_size() {
        let frame = Frame::new(97, 31, vec![201; 97 * 31 * 3]).unwrap();
        for (width, height) in [(41, 13), (200, 100), (41, 100)] {
            assert!(resize(&frame, width, height).iter().all(|v| *v == 201));
        }
    }
}
