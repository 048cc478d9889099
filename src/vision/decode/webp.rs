//! WebP to pixels.

use std::io::Cursor;

use image::codecs::webp::WebPDecoder;
use image::{DynamicImage, ImageDecoder};

use super::{DecodeError, FrameFormat, FrameLimits, Picture};

/// Lossy and lossless, with and without alpha.
pub(super) fn decode(bytes: &[u8], limits: &FrameLimits) -> Result<Picture, DecodeError> {
    check_lengths(bytes)?;
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

/// Refuses a file that is shorter than its RIFF header says, or than one of its chunks: the decoder
/// would allocate what a chunk claims, up to 4 GiB.
fn check_lengths(bytes: &[u8]) -> Result<(), DecodeError> {
    let short = || malformed("shorter than its headers say: the file is truncated");
    // The file is a chunk itself, whose first four bytes say WEBP.
    let mut rest = content(bytes).and_then(|file| file.get(4..)).ok_or_else(short)?;
    while rest.len() >= CHUNK_HEADER {
        let chunk = CHUNK_HEADER + content(rest).ok_or_else(short)?.len();
        // A byte of padding makes the length even; some leave it out at the end.
        rest = rest.get(chunk.next_multiple_of(2)..).unwrap_or_default();
    }
    Ok(())
}

/// Bytes of a chunk's name and length.
const CHUNK_HEADER: usize = 8;

/// What the chunk holds that `bytes` begin with, if all of it is there.
fn content(bytes: &[u8]) -> Option<&[u8]> {
    let len = u32::from_le_bytes(bytes.get(4..CHUNK_HEADER)?.try_into().ok()?);
    bytes[CHUNK_HEADER..].get(..usize::try_from(len).ok()?)
}

fn malformed(reason: impl std::fmt::Display) -> DecodeError {
    DecodeError::malformed(FrameFormat::WebP, reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(name: &[u8; 4], claimed: u32, content: &[u8]) -> Vec<u8> {
        [&name[..], &claimed.to_le_bytes(), content].concat()
    }

    #[test]
    fn a_chunk_that_claims_more_than_the_file_has_is_refused_before_it_is_allocated() {
        // Alpha and Exif, 16 x 16; the picture; a gigantic Exif chunk.
        let header = chunk(b"VP8X", 10, &[0x18, 0, 0, 0, 15, 0, 0, 15, 0, 0]);
        let lossless = chunk(b"VP8L", 6, &[0x2f, 15, 0xc0, 3, 0, 0]);
        let file = |exif: u32| {
            let chunks = [b"WEBP", &header[..], &lossless, &chunk(b"EXIF", exif, &[0; 8])].concat();
            chunk(b"RIFF", chunks.len() as u32, &chunks)
        };
        assert!(check_lengths(&file(8)).is_ok());
        for claimed in [9, 0xffff_fff0] {
            let refused = decode(&file(claimed), &FrameLimits::default());
            assert!(matches!(refused, Err(DecodeError::Malformed { .. })), "{claimed}");
        }
    }
}
