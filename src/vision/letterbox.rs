//! A frame as the detector wants it: at a given size, its sides multiples of 32.

use super::resize::resize;
use crate::domain::{Frame, Point};

/// A resized frame in the top left corner of a black canvas.
#[derive(Clone, PartialEq)]
pub(super) struct Letterbox {
    /// The resized frame.
    inner: Frame,
    /// Width of the canvas in pixels.
    pub width: u32,
    /// Height of the canvas in pixels.
    pub height: u32,
    /// The canvas: RGB bytes, rows from the top.
    pub rgb: Vec<u8>,
    /// Frame pixels per canvas pixel, across and down.
    pub scale: (f32, f32),
    /// Where the canvas begins in the frame.
    origin: Point,
}

impl Letterbox {
    /// Resizes `frame` so that its longer side has `side_px` pixels and pads it at the right and the
    /// bottom with black up to multiples of `multiple`.
    #[must_use]
    pub fn new(frame: &Frame, side_px: u32, multiple: u32) -> Self {
        let longest = frame.width().max(frame.height());
        let ratio = f64::from(side_px) / f64::from(longest);
        let resized = |side: u32| ((f64::from(side) * ratio).round() as u32).max(1);
        let (inner_width, inner_height) = (resized(frame.width()), resized(frame.height()));
        let (width, height) =
            (inner_width.next_multiple_of(multiple), inner_height.next_multiple_of(multiple));

        let inner = Frame::new(inner_width, inner_height, resize(frame, inner_width, inner_height));
        let inner = inner.expect("as many pixels as were asked for");
        let mut rgb = vec![0; width as usize * height as usize * 3];
        let rows = rgb.chunks_exact_mut(width as usize * 3);
        for (row, source) in rows.zip(inner.rgb().chunks_exact(inner_width as usize * 3)) {
            row[..source.len()].copy_from_slice(source);
        }
        let scale = (
            frame.width() as f32 / inner_width as f32,
            frame.height() as f32 / inner_height as f32,
        );
        Self { inner, width, height, rgb, scale, origin: Point { x: 0.0, y: 0.0 } }
    }

    /// The frame at half of this size, made of the resized frame, which is near enough to the mean of its own pixels.
    #[must_use]
    pub fn halved(&self, multiple: u32) -> Self {
        let side = self.inner.width().max(self.inner.height()).div_ceil(2);
        let half = Self::new(&self.inner, side, multiple);
        let scale = (half.scale.0 * self.scale.0, half.scale.1 * self.scale.1);
        Self { scale, ..half }
    }

    /// As [`new`](Self::new), of the part of a frame that begins at `origin`.
    #[must_use]
    pub fn of_part(part: &Frame, origin: Point, side_px: u32, multiple: u32) -> Self {
        Self { origin, ..Self::new(part, side_px, multiple) }
    }

    /// Where a place on the canvas lies in the frame.
    #[must_use]
    pub fn to_frame(&self, place: Point) -> Point {
        Point {
            x: self.origin.x + place.x * self.scale.0,
            y: self.origin.y + place.y * self.scale.1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grey(width: u32, height: u32) -> Frame {
        Frame::new(width, height, vec![100; (width * height * 3) as usize]).unwrap()
    }

    #[test]
    fn a_frame_is_padded_with_black_at_the_right_and_the_bottom() {
        let canvas = Letterbox::new(&grey(250, 100), 250, 32);
        assert_eq!((canvas.width, canvas.height, canvas.scale), (256, 128, (1.0, 1.0)));
        assert_eq!(canvas.rgb[249 * 3], 100);
        assert_eq!(canvas.rgb[250 * 3], 0);
        assert_eq!(canvas.rgb[256 * 3 * 100], 0);
    }

    #[test]
    fn a_small_frame_is_enlarged_and_places_map_back() {
        let canvas = Letterbox::new(&grey(160, 80), 320, 32);
        assert_eq!((canvas.width, canvas.height), (320, 160));
        assert_eq!(canvas.to_frame(Point { x: 320.0, y: 160.0 }), Point { x: 160.0, y: 80.0 });
    }

    #[test]
    fn a_large_frame_is_shrunk_to_the_limit_and_places_map_back() {
        let canvas = Letterbox::new(&grey(1280, 720), 320, 32);
        assert_eq!((canvas.width, canvas.height), (320, 192));
        assert_eq!(canvas.to_frame(Point { x: 320.0, y: 180.0 }), Point { x: 1280.0, y: 720.0 });
    }

    #[test]
    fn the_half_of_a_shrunk_frame_maps_back_to_the_frame() {
        let half = Letterbox::new(&grey(1280, 720), 320, 32).halved(32);
        assert_eq!((half.width, half.height), (160, 96));
        assert_eq!(half.to_frame(Point { x: 160.0, y: 90.0 }), Point { x: 1280.0, y: 720.0 });
    }

    #[test]
    fn the_thinnest_frame_still_gives_a_canvas() {
        let canvas = Letterbox::new(&grey(8192, 1), 320, 32);
        assert_eq!((canvas.width, canvas.height), (320, 32));
    }
}
