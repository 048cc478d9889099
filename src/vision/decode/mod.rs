//! decode: the bytes of one picture become an upright RGB [`Frame`].

mod format;
mod jpeg;
mod png;
mod reduced;
mod webp;

pub use format::FrameFormat;
use image::DynamicImage;
use image::metadata::Orientation;
use serde::Deserialize;

use crate::domain::Frame;

/// How large a frame may be; checked before anything of its size is allocated.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, garde::Validate)]
#[serde(default, deny_unknown_fields)]
pub struct FrameLimits {
    /// The most bytes of an encoded frame.
    #[garde(range(min = 1_024, max = 268_435_456))]
    pub bytes_max: usize,
    /// The longest side of a frame, in pixels.
    #[garde(range(min = 64, max = 65_535))]
    pub side_px_max: u32,
    /// The most pixels of a frame; one takes 3 bytes of memory, and up to 11 while it is read (a 16-bit
    /// PNG, a progressive JPEG), in every worker.
    #[garde(range(min = 4_096, max = 268_435_456))]
    pub pixels_max: u32,
}

impl Default for FrameLimits {
    /// 10 MiB and 25 megapixels: a photo of most phones, which a site may enrol from, still passes.
    fn default() -> Self {
        Self { bytes_max: 10 << 20, side_px_max: 8_192, pixels_max: 25_000_000 }
    }
}

impl FrameLimits {
    fn check_size(&self, width: u32, height: u32) -> Result<(), DecodeError> {
        if width.max(height) > self.side_px_max {
            return Err(DecodeError::SideTooLong { width, height, side_px_max: self.side_px_max });
        }
        let pixels = u64::from(width) * u64::from(height);
        if pixels > u64::from(self.pixels_max) {
            return Err(DecodeError::TooManyPixels { pixels, pixels_max: self.pixels_max });
        }
        Ok(())
    }
}

/// Why bytes are no usable frame.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// No bytes at all.
    #[error("the frame is empty")]
    Empty,
    /// More bytes than allowed.
    #[error("the frame has {bytes} bytes; at most {bytes_max} are allowed")]
    TooManyBytes {
        /// Its size in bytes.
        bytes: usize,
        /// The limit.
        bytes_max: usize,
    },
    /// A side is longer than allowed.
    #[error("the frame is {width} x {height} pixels; a side may have at most {side_px_max}")]
    SideTooLong {
        /// Its width in pixels.
        width: u32,
        /// Its height in pixels.
        height: u32,
        /// The limit.
        side_px_max: u32,
    },
    /// More pixels than allowed.
    #[error("the frame has {pixels} pixels; at most {pixels_max} are allowed")]
    TooManyPixels {
        /// Width times height.
        pixels: u64,
        /// The limit.
        pixels_max: u32,
    },
    /// The signature is none of the three.
    #[error("the frame is neither JPEG, PNG nor WebP")]
    UnknownFormat,
    /// The signature is not the one of the declared content type.
    #[error("the frame was declared as {declared} but is {actual}")]
    FormatMismatch {
        /// What the sender said.
        declared: FrameFormat,
        /// What the bytes say.
        actual: FrameFormat,
    },
    /// More pictures than one.
    #[error("the {format} is animated; a frame is a single picture")]
    Animated {
        /// Its format.
        format: FrameFormat,
    },
    /// A variety of the format that no decoder here reads.
    #[error("the {format} uses {feature}, which is not supported")]
    Unsupported {
        /// Its format.
        format: FrameFormat,
        /// The variety.
        feature: &'static str,
    },
    /// Damaged or truncated.
    #[error("the {format} cannot be decoded: {reason}")]
    Malformed {
        /// Its format.
        format: FrameFormat,
        /// What the decoder says.
        reason: String,
    },
}

impl DecodeError {
    fn malformed(format: FrameFormat, reason: impl std::fmt::Display) -> Self {
        Self::Malformed { format, reason: reason.to_string().trim_end().to_owned() }
    }
}

/// Pixels as the file has them, and how to turn them upright.
struct Picture {
    image: DynamicImage,
    orientation: Orientation,
    /// See [`Frame::reduction`].
    reduction: u32,
}

/// Decodes one JPEG, PNG or WebP, told apart by its signature, and turns it upright by its EXIF
/// orientation (in a PNG: where the `eXIf` chunk stands before the pixels).
///
/// Grey and palette become RGB, 16 bits become 8. Alpha is dropped: the colours under it are what
/// the camera saw. `declared` is the content type that the sender stated, if any.
///
/// # Errors
/// When a limit is broken, the bytes are not a whole picture of the declared format, or the
/// picture is animated.
pub fn decode(
    bytes: &[u8],
    declared: Option<FrameFormat>,
    limits: &FrameLimits,
) -> Result<Frame, DecodeError> {
    decode_at_least(bytes, declared, limits, u32::MAX)
}

/// As [`decode`], but a JPEG may come [reduced](Frame::reduction), in a fraction of the time, to no less
/// than `side_px` along its longer side.
///
/// # Errors
/// As [`decode`].
pub fn decode_at_least(
    bytes: &[u8],
    declared: Option<FrameFormat>,
    limits: &FrameLimits,
    side_px: u32,
) -> Result<Frame, DecodeError> {
    if bytes.is_empty() {
        return Err(DecodeError::Empty);
    }
    if bytes.len() > limits.bytes_max {
        return Err(DecodeError::TooManyBytes { bytes: bytes.len(), bytes_max: limits.bytes_max });
    }
    let actual = FrameFormat::sniff(bytes).ok_or(DecodeError::UnknownFormat)?;
    if let Some(declared) = declared.filter(|declared| *declared != actual) {
        return Err(DecodeError::FormatMismatch { declared, actual });
    }
    let mut picture = match actual {
        FrameFormat::Jpeg => jpeg::decode(bytes, limits, side_px),
        FrameFormat::Png => png::decode(bytes, limits),
        FrameFormat::WebP => webp::decode(bytes, limits),
    }?;
    picture.image.apply_orientation(picture.orientation);
    let rgb = picture.image.into_rgb8();
    let (width, height) = rgb.dimensions();
    let frame = Frame::new(width, height, rgb.into_raw())
        .map_err(|error| DecodeError::malformed(actual, error))?;
    Ok(frame.reduced_by(picture.reduction))
}

#[cfg(test)]
mod tests;
