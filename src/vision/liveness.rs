//! liveness: whether the face is alive, judged with its surroundings, where the edges of a print or
//! a screen show.

use tch::{TchError, Tensor};

use super::resize::nearest_byte;
use crate::domain::{BoundingBox, Frame, LivenessScore};
use crate::nets::{MiniFasNet, Model, Pictures, Planes, Station};

/// How much larger than the face the judged part is; the network was trained with it.
const GROWTH: f32 = 2.7;

/// The score of the face in `bounding_box`: the network's probability of its live class.
///
/// # Errors
/// When libtorch fails or the network puts out no probability.
pub fn liveness(
    net: &Station<MiniFasNet>,
    frame: &Frame,
    bounding_box: &BoundingBox,
) -> Result<LivenessScore, TchError> {
    judge(net, &Surroundings::of(frame, bounding_box))
}

/// The score of a face with its surroundings.
///
/// # Errors
/// As [`liveness`].
pub(super) fn judge(
    net: &Station<MiniFasNet>,
    seen: &Surroundings,
) -> Result<LivenessScore, TchError> {
    let side = Surroundings::SIDE;
    let classes = net.ask(Pictures { rgb: seen.rgb(), size: (side, side) })?;
    let live = classes.get(MiniFasNet::LIVE_CLASS as usize).copied().unwrap_or(f32::NAN);
    LivenessScore::try_from(live).map_err(|error| TchError::Shape(error.to_string()))
}

/// A face with its surroundings, square, as the network is shown it.
#[derive(Clone, PartialEq)]
pub struct Surroundings(Vec<u8>);

impl Surroundings {
    /// Its side in pixels.
    pub const SIDE: u32 = MiniFasNet::SIDE as u32;

    /// Of the face in `bounding_box`.
    #[must_use]
    pub fn of(frame: &Frame, bounding_box: &BoundingBox) -> Self {
        Self(Crop::around(bounding_box, frame).resized(frame, Self::SIDE))
    }

    /// RGB bytes, rows from the top.
    #[must_use]
    pub fn rgb(&self) -> &[u8] {
        &self.0
    }
}

/// Shows nothing: a face must never reach a log.
impl std::fmt::Debug for Surroundings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Surroundings")
    }
}

impl Model for MiniFasNet {
    const NAME: &'static str = "liveness";

    fn planes(&self) -> Planes {
        Planes::Bgr
    }

    fn size(&self) -> Option<(u32, u32)> {
        Some((Self::SIDE as u32, Self::SIDE as u32))
    }

    fn answer(&self, pictures: &Tensor) -> Result<Tensor, TchError> {
        self.forward(pictures)
    }
}

/// A rectangle of whole pixels inside a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Crop {
    left: u32,
    top: u32,
    width: u32,
    height: u32,
}

impl Crop {
    /// The box grown [`GROWTH`] times around its centre, less where it would not fit in the frame,
    /// and shifted inside where it overhangs.
    fn around(b: &BoundingBox, frame: &Frame) -> Self {
        let (end_x, end_y) = ((frame.width() - 1) as f32, (frame.height() - 1) as f32);
        let growth = (end_y / b.height).min(end_x / b.width).min(GROWTH);
        let centre = b.centre();
        let (left, width) = Self::span(centre.x, b.width * growth, end_x);
        let (top, height) = Self::span(centre.y, b.height * growth, end_y);
        Self { left, top, width, height }
    }

    /// First pixel and number of pixels of `len` around `centre` within `0..=end`.
    fn span(centre: f32, len: f32, end: f32) -> (u32, u32) {
        let first = (centre - len / 2.0).max(0.0).min(end - len).max(0.0).floor();
        let last = (first + len).floor().min(end);
        (first as u32, (last - first) as u32 + 1)
    }

    /// The crop at `side` x `side`, bilinear without averaging, its corners half a pixel in (OpenCV's
    /// `resize` with `INTER_LINEAR`), because so were the network's training pictures.
    fn resized(&self, frame: &Frame, side: u32) -> Vec<u8> {
        let columns = taps(self.left, self.width, side);
        let rows = taps(self.top, self.height, side);
        mix(frame, &columns, &rows)
    }
}

/// A pixel for each pair of a row and a column, of its four neighbours in the frame.
fn mix(frame: &Frame, columns: &[Tap], rows: &[Tap]) -> Vec<u8> {
    let row_len = frame.width() as usize * 3;
    let mut rgb = vec![0; rows.len() * columns.len() * 3];
    for (row, line) in rows.iter().zip(rgb.chunks_exact_mut(columns.len() * 3)) {
        let upper = &frame.rgb()[row.first * row_len..][..row_len];
        let lower = &frame.rgb()[row.second * row_len..][..row_len];
        for (column, pixel) in columns.iter().zip(line.as_chunks_mut::<3>().0) {
            let (nw, ne) = (&upper[column.first * 3..][..3], &upper[column.second * 3..][..3]);
            let (sw, se) = (&lower[column.first * 3..][..3], &lower[column.second * 3..][..3]);
            for channel in 0..3 {
                let top = between(nw[channel], ne[channel], column.share);
                let bottom = between(sw[channel], se[channel], column.share);
                pixel[channel] = nearest_byte(top * (1.0 - row.share) + bottom * row.share);
            }
        }
    }
    rgb
}

#[inline(always)]
fn between(a: u8, b: u8, share: f32) -> f32 {
    f32::from(a) * (1.0 - share) + f32::from(b) * share
}

/// Two neighbouring pixels and the share of the second.
struct Tap {
    first: usize,
    second: usize,
    share: f32,
}

fn taps(start: u32, len: u32, side: u32) -> Vec<Tap> {
    let step = f64::from(len) / f64::from(side);
    let end = f64::from(len - 1);
    (0..side)
        .map(|i| {
            let place = ((f64::from(i) + 0.5) * step - 0.5).clamp(0.0, end);
            let first = place.floor();
            let pixel = |v: f64| start as usize + v as usize;
            Tap {
                first: pixel(first),
                second: pixel((first + 1.0).min(end)),
                share: (place - first) as f32,
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frame(width: u32, height: u32) -> Frame {
        Frame::new(width, height, vec![77; (width * height * 3) as usize]).unwrap()
    }

    #[test]
    fn a_box_in_the_middle_grows_to_2_7_times_its_size() {
        let face = BoundingBox { x: 450.0, y: 450.0, width: 100.0, height: 100.0 };
        let crop = Crop::around(&face, &frame(1000, 1000));
        assert_eq!(crop, Crop { left: 365, top: 365, width: 271, height: 271 });
    }

    #[test]
    fn a_box_at_the_edge_is_shifted_inside() {
        let face = BoundingBox { x: 0.0, y: 900.0, width: 100.0, height: 100.0 };
        let crop = Crop::around(&face, &frame(1000, 1000));
        assert_eq!((crop.left, crop.top + crop.height), (0, 1000));
        assert_eq!((crop.width, crop.height), (271, 271));
    }

    #[test]
    fn a_part_at_twice_its_size_mixes_neighbours_a_quarter_to_three() {
        let frame = Frame::new(3, 2, (0..18).map(|i| i * 12).collect()).unwrap();
        let crop = Crop { left: 1, top: 0, width: 2, height: 2 };
        let reds: Vec<u8> =
            crop.resized(&frame, 4).as_chunks::<3>().0.iter().map(|rgb| rgb[0]).collect();
        // Red is 36 and 72 in the upper row, 144 and 180 in the lower.
        let upper = [36, 45, 63, 72];
        let expected = [0, 27, 81, 108].map(|down| upper.map(|red| red + down));
        assert_eq!(reds, expected.as_flattened());
    }

    proptest! {
        #[test]
        fn a_crop_always_lies_inside_the_frame(
            (width, height) in (1u32..80, 1u32..80),
            (x, y) in (-200f32..200.0, -200f32..200.0),
            (w, h) in (1e-3f32..500.0, 1e-3f32..500.0),
        ) {
            let frame = frame(width, height);
            let crop = Crop::around(&BoundingBox { x, y, width: w, height: h }, &frame);
            prop_assert!(crop.width > 0 && crop.left + crop.width <= width);
            prop_assert!(crop.height > 0 && crop.top + crop.height <= height);
            prop_assert!(crop.resized(&frame, 8).iter().all(|v| *v == 77));
        }
    }
}
