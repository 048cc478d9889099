//! A camera frame, decoded.

/// Pixels that do not fill the stated size.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{bytes} bytes do not make a {width} x {height} RGB frame")]
pub struct FrameSizeError {
    width: u32,
    height: u32,
    bytes: usize,
}

/// A decoded, upright picture: 8-bit RGB, rows from the top, three bytes a pixel.
#[derive(Clone, PartialEq, Eq)]
pub struct Frame {
    width: u32,
    height: u32,
    rgb: Vec<u8>,
    reduction: u32,
}

impl Frame {
    /// Wraps `rgb`, which must hold `width * height * 3` bytes, neither side being zero.
    ///
    /// # Errors
    /// When it does not.
    pub fn new(width: u32, height: u32, rgb: Vec<u8>) -> Result<Self, FrameSizeError> {
        let expected = u64::from(width) * u64::from(height) * 3;
        if expected == 0 || rgb.len() as u64 != expected {
            return Err(FrameSizeError { width, height, bytes: rgb.len() });
        }
        Ok(Self { width, height, rgb, reduction: 1 })
    }

    /// Width in pixels, at least 1.
    #[must_use]
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Height in pixels, at least 1.
    #[must_use]
    pub fn height(&self) -> u32 {
        self.height
    }

    /// The bytes: R, G, B of the first row's first pixel, then its neighbour on the right, ...
    #[must_use]
    pub fn rgb(&self) -> &[u8] {
        &self.rgb
    }

    /// How many pixels of the picture as it was sent one of these stands for, along each side: 1, or more
    /// where it was decoded at a fraction of its size.
    #[must_use]
    pub fn reduction(&self) -> u32 {
        self.reduction
    }

    /// Width and height of the picture as it was sent, to within the reduction.
    #[must_use]
    pub fn sent_size(&self) -> [u32; 2] {
        [self.width, self.height].map(|side| side * self.reduction)
    }

    /// The same pixels, each standing for `reduction` along each side, at least 1.
    #[must_use]
    pub fn reduced_by(self, reduction: u32) -> Self {
        Self { reduction: reduction.max(1), ..self }
    }

    /// The frame within a black border of `share` of its longer side on every side; 0 gives the frame
    /// as it is.
    #[must_use]
    pub fn with_border(self, share: f32) -> Self {
        let border = (self.width.max(self.height) as f32 * share.max(0.0)).round() as usize;
        if border == 0 {
            return self;
        }
        let (width, height) = (self.width as usize + 2 * border, self.height as usize + 2 * border);
        let mut rgb = vec![0; width * height * 3];
        let rows = rgb.chunks_exact_mut(width * 3).skip(border);
        for (to, from) in rows.zip(self.rgb.chunks_exact(self.width as usize * 3)) {
            to[border * 3..][..from.len()].copy_from_slice(from);
        }
        Self { width: width as u32, height: height as u32, rgb, ..self }
    }

    /// The part within `left..right` and `top..bottom`, or as much of it as there is; none where there is
    /// none.
    #[must_use]
    pub fn part(&self, [left, top, right, bottom]: [u32; 4]) -> Option<Self> {
        let (right, bottom) = (right.min(self.width), bottom.min(self.height));
        let (width, height) = (right.checked_sub(left)?, bottom.checked_sub(top)?);
        let rows = self.rgb.chunks_exact(self.width as usize * 3);
        let rows = rows.skip(top as usize).take(height as usize);
        let rgb = rows.flat_map(|row| &row[left as usize * 3..right as usize * 3]).copied();
        let part = Self::new(width, height, rgb.collect()).ok()?;
        Some(part.reduced_by(self.reduction))
    }
}

/// Shows the size only: a frame must never reach a log.
impl std::fmt::Debug for Frame {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Frame({} x {})", self.width, self.height)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_has_the_pixels_of_its_place_and_never_more_than_there_are() {
        let rgb: Vec<u8> = (0..12).flat_map(|pixel| [pixel; 3]).collect();
        let frame = Frame::new(4, 3, rgb).unwrap().reduced_by(2);
        let part = frame.part([1, 1, 9, 3]).unwrap();
        assert_eq!((part.width(), part.height(), part.reduction()), (3, 2, 2));
        assert_eq!(part.rgb(), [5, 6, 7, 9, 10, 11].map(|pixel| [pixel; 3]).concat());
        for nothing in [[1, 1, 1, 2], [2, 0, 1, 3], [4, 0, 9, 3]] {
            assert_eq!(frame.part(nothing), None);
        }
    }

    #[test]
    fn a_border_is_black_and_keeps_the_picture_in_the_middle() {
        let frame = Frame::new(2, 1, vec![1, 1, 1, 2, 2, 2]).unwrap();
        let wide = frame.clone().with_border(0.5);
        assert_eq!((wide.width(), wide.height()), (4, 3));
        let middle: Vec<u8> = [0, 1, 2, 0].iter().flat_map(|v| [*v; 3]).collect();
        assert_eq!(wide.rgb(), [vec![0; 12], middle, vec![0; 12]].concat());
        assert_eq!(frame.clone().with_border(0.0), frame);
    }
}
