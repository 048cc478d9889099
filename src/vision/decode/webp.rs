//! WebP to pixels.

use std::io::Cursor;

use image::codecs::webp::WebPDecoder;
use image::{DynamicImage, ImageDecoder};

use super::{DecodeError, FrameFormat, FrameLimits, Picture};

/// Lossy and lossless, with and without alpha.
pub(super) fn decode(bytes: &[u8], limits: &FrameLimits) -> Result<Picture, DecodeError> {
    // Nothing behind the file's end is looked at: the decoder would read on there.
    let file = checked(bytes, limits)?;
    let mut decoder = WebPDecoder::new(Cursor::new(file)).map_err(malformed)?;
    let (width, height) = decoder.dimensions();
    limits.check_size(width, height)?;
    if decoder.has_animation() {
        return Err(DecodeError::Animated { format: FrameFormat::WebP });
    }
    let orientation = decoder.orientation().map_err(malformed)?;
    let image = DynamicImage::from_decoder(decoder).map_err(malformed)?;
    Ok(Picture { image, orientation, reduction: 1 })
}

/// The file without what follows it. Refused where it is shorter than its RIFF header says, or than one
/// of its chunks, for which the decoder would allocate what the chunk claims, up to 4 GiB; where it has
/// chunks of an animation, in which others hide; and where the picture itself, whatever the canvas
/// around it, is larger than allowed.
fn checked<'a>(bytes: &'a [u8], limits: &FrameLimits) -> Result<&'a [u8], DecodeError> {
    let short = || malformed("shorter than its headers say: the file is truncated");
    // The file is a chunk itself, whose first four bytes say WEBP.
    let file = content(bytes).ok_or_else(short)?;
    let mut rest = file.get(4..).ok_or_else(short)?;
    while rest.len() >= CHUNK_HEADER {
        let chunk = content(rest).ok_or_else(short)?;
        let size = match &rest[..4] {
            b"ANIM" | b"ANMF" => return Err(DecodeError::Animated { format: FrameFormat::WebP }),
            b"VP8 " => lossy_size(chunk),
            b"VP8L" => lossless_size(chunk),
            _ => None,
        };
        if let Some((width, height)) = size {
            limits.check_size(width, height)?;
        }
        // A byte of padding makes the length even; some leave it out at the end.
        let next = (CHUNK_HEADER + chunk.len()).next_multiple_of(2);
        rest = rest.get(next..).unwrap_or_default();
    }
    Ok(&bytes[..CHUNK_HEADER + file.len()])
}

/// Width and height of a key frame (RFC 6386, section 9.1): after three bytes and a start code of three,
/// 14 bits each and two of scaling.
fn lossy_size(chunk: &[u8]) -> Option<(u32, u32)> {
    let side = |at| Some(u32::from(u16::from_le_bytes(*chunk.get(at..)?.first_chunk()?) & 0x3fff));
    Some((side(6)?, side(8)?))
}

/// Width and height of a lossless picture (RFC 9649, section 3.4): after a byte, 14 bits each, less 1.
fn lossless_size(chunk: &[u8]) -> Option<(u32, u32)> {
    let bits = u32::from_le_bytes(*chunk.get(1..)?.first_chunk()?);
    Some(((bits & 0x3fff) + 1, (bits >> 14 & 0x3fff) + 1))
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

    /// Alpha and Exif, 16 x 16.
    fn canvas() -> Vec<u8> {
        chunk(b"VP8X", 10, &[0x18, 0, 0, 0, 15, 0, 0, 15, 0, 0])
    }

    /// A lossless picture's header.
    fn lossless(width: u32, height: u32) -> Vec<u8> {
        let bits = (width - 1) | (height - 1) << 14;
        chunk(b"VP8L", 6, &[&[0x2f], &bits.to_le_bytes()[..], &[0]].concat())
    }

    fn file(chunks: &[Vec<u8>]) -> Vec<u8> {
        let chunks = [b"WEBP".to_vec(), chunks.concat()].concat();
        chunk(b"RIFF", chunks.len() as u32, &chunks)
    }

    fn refused(file: &[u8]) -> DecodeError {
        decode(file, &FrameLimits::default()).map(|_| ()).unwrap_err()
    }

    const GIGANTIC: u32 = 0xffff_fff0;

    #[test]
    fn a_chunk_that_claims_more_than_the_file_has_is_refused_before_it_is_allocated() {
        let with = |claimed| file(&[canvas(), lossless(16, 16), chunk(b"EXIF", claimed, &[0; 8])]);
        assert_eq!(checked(&with(8), &FrameLimits::default()).unwrap(), with(8));
        for claimed in [9, GIGANTIC] {
            let error = refused(&with(claimed));
            assert!(matches!(error, DecodeError::Malformed { .. }), "{claimed}: {error}");
        }
    }

    #[test]
    fn what_follows_the_file_is_not_looked_at() {
        let whole = file(&[canvas(), lossless(16, 16)]);
        let followed = [whole.clone(), chunk(b"EXIF", GIGANTIC, &[0; 8])].concat();
        assert_eq!(checked(&followed, &FrameLimits::default()).unwrap(), whole);
    }

    #[test]
    fn chunks_of_an_animation_are_refused_whatever_the_header_says() {
        let hidden = chunk(b"ANMF", 24, &[vec![0; 16], chunk(b"EXIF", GIGANTIC, &[])].concat());
        let error = refused(&file(&[canvas(), hidden, lossless(16, 16)]));
        assert!(matches!(error, DecodeError::Animated { .. }), "{error}");
    }

    #[test]
    fn a_picture_larger_than_its_canvas_is_refused_by_its_own_size() {
        let error = refused(&file(&[canvas(), lossless(8_000, 8_000)]));
        assert!(matches!(error, DecodeError::TooManyPixels { pixels: 64_000_000, .. }), "{error}");
        let lossy = [&[0, 0, 0, 0x9d, 1, 0x2a], &[0x40, 0x1f, 0x40, 0x1f][..]].concat();
        let error = refused(&file(&[canvas(), chunk(b"VP8 ", 10, &lossy)]));
        assert!(matches!(error, DecodeError::TooManyPixels { pixels: 64_000_000, .. }), "{error}");
    }
}
