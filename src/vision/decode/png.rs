//! PNG to pixels.

use std::io::Cursor;

use image::codecs::png::PngDecoder;
use image::{DynamicImage, ImageDecoder};

use super::{DecodeError, FrameFormat, FrameLimits, Picture};

/// The most that a pixel takes while it is decoded: four channels of 16 bits.
const BYTES_PER_PIXEL_MAX: u64 = 8;

/// The most that the rest of a file takes, whatever the picture's size.
const OTHERWISE_BYTES_MAX: u64 = 1 << 20;

/// Grey, palette, RGB, with and without alpha, 1 to 16 bits.
pub(super) fn decode(bytes: &[u8], limits: &FrameLimits) -> Result<Picture, DecodeError> {
    let (width, height) = size(bytes).ok_or_else(|| malformed("the header is truncated"))?;
    limits.check_size(width, height)?;

    let mut allocation = image::Limits::no_limits();
    allocation.max_image_width = Some(limits.side_px_max);
    allocation.max_image_height = Some(limits.side_px_max);
    // What else the file holds compressed, a colour profile say, is bounded with it.
    let pixels = u64::from(width) * u64::from(height);
    allocation.max_alloc = Some(pixels * BYTES_PER_PIXEL_MAX + OTHERWISE_BYTES_MAX);
    let mut decoder = PngDecoder::with_limits(Cursor::new(bytes), allocation).map_err(malformed)?;
    if decoder.is_apng().map_err(malformed)? {
        return Err(DecodeError::Animated { format: FrameFormat::Png });
    }
    let orientation = decoder.orientation().map_err(malformed)?;
    let image = DynamicImage::from_decoder(decoder).map_err(malformed)?;
    Ok(Picture { image, orientation, reduction: 1 })
}

/// Width and height from the header chunk, which always comes first.
fn size(bytes: &[u8]) -> Option<(u32, u32)> {
    let width = bytes.get(16..20)?.try_into().ok()?;
    let height = bytes.get(20..24)?.try_into().ok()?;
    Some((u32::from_be_bytes(width), u32::from_be_bytes(height)))
}

fn malformed(reason: impl std::fmt::Display) -> DecodeError {
    DecodeError::malformed(FrameFormat::Png, reason)
}
