//! WebP to pixels.

use std::io::Cursor;

use image::codecs::webp::WebPDecoder;
use image::{DynamicImage, ImageDecoder};

use super::{DecodeError, FrameFormat, FrameLimits, Picture};

/// Lossy and lossless, with and without alpha.
pub(super) fn decode(bytes: &[u8], limits: &FrameLimits) -> Result<Picture, DecodeError> {
    if bytes.len() < declared_len(bytes).ok_or_else(|| malformed("the header is truncated"))? {
        return Err(malformed("shorter than its header says: the file is truncated"));
    }
    let mut decoder = WebPDecoder::new(Cursor::new(bytes)).map_err(malformed)?;
    let (width, height) = decoder.dimensions();
    limits.check_size(width, height)?;
    if decoder.has_animation() {
        return Err(DecodeError::Animated { format: FrameFormat::WebP });
    }
    let orientation = decoder.orientation().map_err(malformed)?;
    let image = DynamicImage::from_decoder(decoder).map_err(malformed)?;
    Ok(Picture { image, orientation })
}

/// The file's length as its RIFF header has it; that header counts what follows its 8 bytes.
fn declared_len(bytes: &[u8]) -> Option<usize> {
    let len = u32::from_le_bytes(bytes.get(4..8)?.try_into().ok()?);
    usize::try_from(len).ok()?.checked_add(8)
}

fn malformed(reason: impl std::fmt::Display) -> DecodeError {
    DecodeError::malformed(FrameFormat::WebP, reason)
}
