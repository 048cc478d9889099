//! What is kept of a photo, where photos are kept: the face and some room around it.

use image::codecs::jpeg::JpegEncoder;
use image::{ExtendedColorType, ImageError};

use super::resize::resize;
use crate::domain::{BoundingBox, FacePicture, Frame};

/// How far the picture reaches beyond the face's box on every side, as a share of the box's longer side: a detector
/// wants to see where a head ends.
const ROOM_SHARE: f32 = 0.75;

/// The longest side of the picture, in pixels; its pupils are then some 130 apart, more than any encoder looks at.
const SIDE_PX_MAX: u32 = 800;

/// The least pixels between the pupils of a face in its picture, where the picture was shrunk: a turned one's.
pub const KEPT_PUPILS_PX: f32 = 64.0;

/// Of the JPEG: a tenth of the size of a lossless picture, and the encoding is the same to three digits.
const JPEG_QUALITY: u8 = 95;

/// The face in a frame, with room around it, as far as the frame reaches; none of a box outside of it.
///
/// # Errors
/// When the encoder fails.
pub(super) fn picture(
    frame: &Frame,
    face: &BoundingBox,
) -> Result<Option<FacePicture>, ImageError> {
    let room = ROOM_SHARE * face.longer_side();
    // A number below zero becomes zero.
    let sides =
        [face.x - room, face.y - room, face.x + face.width + room, face.y + face.height + room];
    let Some(part) = frame.part(sides.map(|side| side.round() as u32)) else { return Ok(None) };
    let longest = part.width().max(part.height());
    let side = |px: u32| match longest {
        ..=SIDE_PX_MAX => px,
        _ => (u64::from(px) * u64::from(SIDE_PX_MAX) / u64::from(longest)).max(1) as u32,
    };
    let (width, height) = (side(part.width()), side(part.height()));
    let rgb = resize(&part, width, height);
    let mut jpeg = Vec::new();
    JpegEncoder::new_with_quality(&mut jpeg, JPEG_QUALITY).encode(
        &rgb,
        width,
        height,
        ExtendedColorType::Rgb8,
    )?;
    Ok(Some(FacePicture::new(jpeg)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size_of(frame: (u32, u32), [x, y, width, height]: [f32; 4]) -> Option<(u32, u32)> {
        let frame =
            Frame::new(frame.0, frame.1, vec![9; (frame.0 * frame.1 * 3) as usize]).unwrap();
        let jpeg = picture(&frame, &BoundingBox { x, y, width, height }).unwrap()?;
        let back = image::load_from_memory(jpeg.as_bytes()).unwrap();
        Some((back.width(), back.height()))
    }

    #[test]
    fn it_reaches_beyond_the_face_as_far_as_the_frame_does_and_no_farther() {
        assert_eq!(size_of((400, 400), [100.0, 100.0, 100.0, 100.0]), Some((250, 250)));
        assert_eq!(size_of((400, 400), [-20.0, 350.0, 100.0, 100.0]), Some((155, 125)));
        assert_eq!(size_of((400, 400), [900.0, 0.0, 100.0, 100.0]), None);
    }

    #[test]
    fn a_large_one_is_shrunk() {
        assert_eq!(size_of((2000, 1000), [0.0, 0.0, 2000.0, 1000.0]), Some((800, 400)));
    }
}
