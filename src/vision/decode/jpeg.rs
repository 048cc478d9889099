//! JPEG to pixels.
//!
//! `zune-jpeg` is used directly because the crate `image` runs it in its lenient mode, which fills
//! what a truncated file lacks with grey.

use image::metadata::Orientation;
use zune_jpeg::JpegDecoder;
use zune_jpeg::errors::DecodeErrors;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use super::reduced::{self, reduction};
use super::{DecodeError, FrameFormat, FrameLimits, Picture};

/// Grey, YCbCr, RGB, CMYK and YCCK, all as RGB, reduced where no more than `side_px` are wanted along the
/// longer side.
pub(super) fn decode(
    bytes: &[u8],
    limits: &FrameLimits,
    side_px: u32,
) -> Result<Picture, DecodeError> {
    let options = DecoderOptions::default()
        .set_strict_mode(true)
        // The limits are ours to check: an error of the decoder would not carry the numbers.
        .set_max_width(usize::MAX)
        .set_max_height(usize::MAX)
        .jpeg_set_out_colorspace(ColorSpace::RGB);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    decoder.decode_headers().map_err(malformed)?;
    let info = decoder.info().ok_or_else(|| malformed("no frame header"))?;
    let (width, height) = (u32::from(info.width), u32::from(info.height));
    limits.check_size(width, height)?;
    if !ends(bytes) {
        return Err(malformed("the end-of-image marker is missing: the file is truncated"));
    }

    let orientation =
        decoder.exif().and_then(|exif| Orientation::from_exif_chunk(exif)).unwrap_or(UPRIGHT);
    let reduction = reduction(width.max(height), side_px);
    if reduction > 1
        && let Some(image) = reduced::decode(bytes, (width, height), reduction)
    {
        return Ok(Picture { image: image.into(), orientation, reduction });
    }
    let rgb = decoder.decode().map_err(|error| match error {
        DecodeErrors::Unsupported(_) => {
            DecodeError::Unsupported { format: FrameFormat::Jpeg, feature: "this coding process" }
        }
        other => malformed(other),
    })?;
    let rgb = image::RgbImage::from_raw(width, height, rgb)
        .ok_or_else(|| malformed("the pixels do not fill the frame"))?;
    Ok(Picture { image: rgb.into(), orientation, reduction: 1 })
}

const UPRIGHT: Orientation = Orientation::NoTransforms;

/// Whether an end-of-image marker occurs. A thumbnail's would do: that the scan itself is whole is
/// the decoder's business, except for its last few bits.
fn ends(bytes: &[u8]) -> bool {
    bytes.windows(2).rev().any(|pair| pair == [0xff, 0xd9])
}

fn malformed(reason: impl std::fmt::Display) -> DecodeError {
    DecodeError::malformed(FrameFormat::Jpeg, reason)
}
