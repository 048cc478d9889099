use std::io::Cursor;

use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::PngEncoder;
use image::codecs::webp::WebPEncoder;
use image::{ExtendedColorType, ImageEncoder};
use proptest::prelude::*;

use super::*;

const WIDTH: u32 = 64;
const HEIGHT: u32 = 48;

/// Four flat quarters, so that a turn shows: red, green / blue, white.
fn quarters() -> Vec<u8> {
    let colour = |x: u32, y: u32| match (x < WIDTH / 2, y < HEIGHT / 2) {
        (true, true) => [220, 20, 20],
        (false, true) => [20, 220, 20],
        (true, false) => [20, 20, 220],
        (false, false) => [220, 220, 220],
    };
    (0..HEIGHT).flat_map(|y| (0..WIDTH).flat_map(move |x| colour(x, y))).collect()
}

/// R, G, B at a place; the nearest edge's where it lies outside.
fn pixel_at(frame: &Frame, x: i64, y: i64) -> [u8; 3] {
    let x = x.clamp(0, i64::from(frame.width()) - 1) as usize;
    let y = y.clamp(0, i64::from(frame.height()) - 1) as usize;
    let at = (y * frame.width() as usize + x) * 3;
    [frame.rgb()[at], frame.rgb()[at + 1], frame.rgb()[at + 2]]
}

fn encoded(format: FrameFormat, exif_orientation: Option<u8>) -> Vec<u8> {
    let mut bytes = Vec::new();
    match format {
        FrameFormat::Jpeg => write(JpegEncoder::new_with_quality(&mut bytes, 95), exif_orientation),
        FrameFormat::Png => write(PngEncoder::new(&mut bytes), exif_orientation),
        FrameFormat::WebP => write(WebPEncoder::new_lossless(&mut bytes), exif_orientation),
    }
    bytes
}

fn write(mut encoder: impl ImageEncoder, exif_orientation: Option<u8>) {
    if let Some(orientation) = exif_orientation {
        // A TIFF header and one entry: tag 0x0112, a short.
        let mut exif = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0".to_vec();
        exif.extend([orientation, 0, 0, 0, 0, 0, 0, 0]);
        encoder.set_exif_metadata(exif).unwrap();
    }
    encoder.write_image(&quarters(), WIDTH, HEIGHT, ExtendedColorType::Rgb8).unwrap();
}

fn decoded(bytes: &[u8]) -> Result<Frame, DecodeError> {
    decode(bytes, None, &FrameLimits::default())
}

/// Which quarter of the original shows in each corner, from the top left along the rows.
fn corners(frame: &Frame) -> String {
    let (x, y) = (i64::from(frame.width()) - 5, i64::from(frame.height()) - 5);
    [(4, 4), (x, 4), (4, y), (x, y)]
        .map(|(x, y)| match pixel_at(frame, x, y).map(|v| v > 128) {
            [true, false, false] => 'r',
            [false, true, false] => 'g',
            [false, false, true] => 'b',
            _ => 'w',
        })
        .iter()
        .collect()
}

#[test]
fn every_format_gives_the_same_picture() {
    for format in FrameFormat::ALL {
        let frame = decode(&encoded(format, None), Some(format), &FrameLimits::default()).unwrap();
        assert_eq!((frame.width(), frame.height()), (WIDTH, HEIGHT), "{format}");
        assert_eq!(corners(&frame), "rgbw", "{format}");
    }
}

#[test]
fn all_eight_exif_orientations_are_turned_upright_in_every_format() {
    let upright = ["rgbw", "grwb", "wbgr", "bwrg", "rbgw", "brwg", "wgbr", "gwrb"];
    for format in FrameFormat::ALL {
        for (orientation, expected) in (1..=8).zip(upright) {
            let frame = decoded(&encoded(format, Some(orientation))).unwrap();
            assert_eq!(corners(&frame), expected, "{format}, orientation {orientation}");
            let turned = orientation >= 5;
            assert_eq!(frame.width(), if turned { HEIGHT } else { WIDTH });
        }
    }
}

#[test]
fn an_orientation_that_does_not_exist_is_ignored() {
    for format in FrameFormat::ALL {
        assert_eq!(corners(&decoded(&encoded(format, Some(9))).unwrap()), "rgbw", "{format}");
    }
}

#[test]
fn a_frame_declared_as_another_format_is_refused() {
    let png = encoded(FrameFormat::Png, None);
    assert_eq!(
        decode(&png, Some(FrameFormat::Jpeg), &FrameLimits::default()),
        Err(DecodeError::FormatMismatch { declared: FrameFormat::Jpeg, actual: FrameFormat::Png })
    );
}

#[test]
fn nothing_and_what_is_no_picture_are_told_apart() {
    assert_eq!(decoded(b""), Err(DecodeError::Empty));
    assert_eq!(decoded(b"GIF89a and more"), Err(DecodeError::UnknownFormat));
}

#[test]
fn a_limit_broken_is_named_with_its_numbers() {
    let bytes = encoded(FrameFormat::Png, None);
    let limits = FrameLimits { bytes_max: bytes.len() - 1, ..FrameLimits::default() };
    assert_eq!(
        decode(&bytes, None, &limits),
        Err(DecodeError::TooManyBytes { bytes: bytes.len(), bytes_max: bytes.len() - 1 })
    );
    for format in FrameFormat::ALL {
        let bytes = encoded(format, None);
        let limits = FrameLimits { side_px_max: 63, ..FrameLimits::default() };
        assert_eq!(
            decode(&bytes, None, &limits),
            Err(DecodeError::SideTooLong { width: 64, height: 48, side_px_max: 63 })
        );
        let limits = FrameLimits { pixels_max: 3_071, ..FrameLimits::default() };
        assert_eq!(
            decode(&bytes, None, &limits),
            Err(DecodeError::TooManyPixels { pixels: 3_072, pixels_max: 3_071 })
        );
    }
}

#[test]
fn a_header_that_promises_65535_pixels_a_side_is_refused_by_its_header() {
    let mut png = encoded(FrameFormat::Png, None);
    png[16..24].copy_from_slice(&[0, 0, 0xff, 0xff, 0, 0, 0xff, 0xff]);
    let mut jpeg = encoded(FrameFormat::Jpeg, None);
    let sof = jpeg.windows(2).position(|pair| pair == [0xff, 0xc0]).unwrap();
    jpeg[sof + 5..sof + 9].fill(0xff);
    for bytes in [png, jpeg] {
        assert_eq!(
            decoded(&bytes),
            Err(DecodeError::SideTooLong { width: 65_535, height: 65_535, side_px_max: 8_192 })
        );
    }
}

#[test]
fn a_truncated_frame_is_refused_wherever_it_was_cut() {
    for format in FrameFormat::ALL {
        let bytes = encoded(format, None);
        // The last chunk of a PNG (12 bytes) holds nothing, so its loss loses nothing.
        let whole = if format == FrameFormat::Png { bytes.len() - 16 } else { bytes.len() };
        for cut in 0..whole {
            assert!(decoded(&bytes[..cut]).is_err(), "{format} cut at {cut} of {}", bytes.len());
        }
    }
}

#[test]
fn an_animated_png_is_refused() {
    let mut bytes = encoded(FrameFormat::Png, None);
    let mut chunk = b"acTL\0\0\0\x02\0\0\0\0".to_vec();
    let mut crc = flate2::Crc::new();
    crc.update(&chunk);
    chunk.splice(0..0, 8u32.to_be_bytes());
    chunk.extend(crc.sum().to_be_bytes());
    // After the signature and the header chunk.
    bytes.splice(33..33, chunk);
    assert_eq!(decoded(&bytes), Err(DecodeError::Animated { format: FrameFormat::Png }));
}

#[test]
fn grey_alpha_and_16_bits_become_8_bit_rgb() {
    let png = |pixel: &[u8], colour| {
        let mut bytes = Vec::new();
        let pixels = pixel.repeat(4);
        PngEncoder::new(Cursor::new(&mut bytes)).write_image(&pixels, 2, 2, colour).unwrap();
        pixel_at(&decoded(&bytes).unwrap(), 1, 1)
    };
    assert_eq!(png(&[90], ExtendedColorType::L8), [90; 3]);
    assert_eq!(png(&[90, 0], ExtendedColorType::La8), [90; 3]);
    assert_eq!(png(&[1, 2, 3, 0], ExtendedColorType::Rgba8), [1, 2, 3]);
    let deep: Vec<u8> = [0u16, 32_896, 65_535].iter().flat_map(|v| v.to_ne_bytes()).collect();
    assert_eq!(png(&deep, ExtendedColorType::Rgb16), [0, 128, 255]);

    let mut jpeg = Vec::new();
    let grey = vec![90; 64];
    JpegEncoder::new(&mut jpeg).write_image(&grey, 8, 8, ExtendedColorType::L8).unwrap();
    assert_eq!(pixel_at(&decoded(&jpeg).unwrap(), 3, 3), [90; 3]);
}

#[test]
fn a_jpeg_is_reduced_as_far_as_its_longer_side_allows_and_nothing_else_is() {
    let at_least = |format, side_px| {
        let bytes = encoded(format, Some(6));
        decode_at_least(&bytes, None, &FrameLimits::default(), side_px).unwrap()
    };
    for (side_px, reduction) in
        [(65, 1), (64, 1), (33, 1), (32, 2), (17, 2), (16, 4), (8, 8), (1, 8)]
    {
        let frame = at_least(FrameFormat::Jpeg, side_px);
        assert_eq!(frame.reduction(), reduction, "{side_px}");
        assert_eq!((frame.width(), frame.height()), (HEIGHT / reduction, WIDTH / reduction));
        if reduction <= 2 {
            assert_eq!(corners(&frame), "brwg", "{side_px}");
        }
    }
    for format in [FrameFormat::Png, FrameFormat::WebP] {
        assert_eq!(at_least(format, 8).reduction(), 1);
    }
}

#[test]
fn a_reduced_jpeg_is_the_mean_of_the_whole_one() {
    let photo = std::fs::read("tests/fixtures/obama-1.jpg").unwrap();
    let whole = decoded(&photo).unwrap();
    let half = decode_at_least(&photo, None, &FrameLimits::default(), 400).unwrap();
    assert_eq!(half.reduction(), 2);
    let mean = |x: i64, y: i64, channel: usize| {
        let quad = [(0, 0), (1, 0), (0, 1), (1, 1)];
        quad.map(|(dx, dy)| f64::from(pixel_at(&whole, 2 * x + dx, 2 * y + dy)[channel]))
            .iter()
            .sum::<f64>()
            / 4.0
    };
    let places = (0..i64::from(half.height()) - 1)
        .flat_map(|y| (0..i64::from(half.width()) - 1).map(move |x| (x, y)));
    let (mut squares, mut count) = (0.0, 0.0);
    for (x, y) in places {
        for (channel, value) in pixel_at(&half, x, y).into_iter().enumerate() {
            squares += (f64::from(value) - mean(x, y, channel)).powi(2);
            count += 1.0;
        }
    }
    let rms = (squares / count).sqrt();
    assert!(rms < 3.0, "{rms}");
}

#[test]
fn a_jpeg_whose_data_end_too_soon_is_not_reduced_but_left_to_the_decoder_of_whole_ones() {
    let photo = std::fs::read("tests/fixtures/obama-1.jpg").unwrap();
    let mut cut = photo[..photo.len() / 2].to_vec();
    let at_least = |bytes: &[u8], side_px| {
        decode_at_least(bytes, None, &FrameLimits::default(), side_px).map(|f| f.reduction())
    };
    assert_eq!(at_least(&photo, 400), Ok(2));
    assert_eq!(at_least(&cut, 400), at_least(&cut, u32::MAX));
    cut.extend([0xff, 0xd9]);
    assert_eq!(at_least(&cut, 400), at_least(&cut, u32::MAX));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn damaged_bytes_never_panic_and_never_break_a_limit(
        format in prop::sample::select(FrameFormat::ALL.to_vec()),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12),
        cut in any::<prop::sample::Index>(),
        whole in any::<bool>(),
        side_px in prop::sample::select(vec![8, 32, u32::MAX]),
    ) {
        let mut bytes = encoded(format, Some(6));
        for (place, value) in damage {
            let place = place.index(bytes.len());
            bytes[place] = value;
        }
        if !whole {
            bytes.truncate(cut.index(bytes.len()));
        }
        let limits = FrameLimits { side_px_max: 100, pixels_max: 5_000, ..FrameLimits::default() };
        if let Ok(frame) = decode_at_least(&bytes, None, &limits, side_px) {
            prop_assert!(frame.width().max(frame.height()) <= 100);
            prop_assert!(frame.rgb().len() <= 3 * 5_000);
        }
    }

    #[test]
    fn random_bytes_behind_a_signature_never_panic(
        signature in prop::sample::select(vec![
            b"\xff\xd8\xff".to_vec(),
            b"\x89PNG\r\n\x1a\n".to_vec(),
            b"RIFF\x40\0\0\0WEBPVP8 ".to_vec(),
            b"RIFF\x40\0\0\0WEBPVP8L".to_vec(),
            b"RIFF\x40\0\0\0WEBPVP8X".to_vec(),
        ]),
        rest in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        let bytes = [signature, rest].concat();
        prop_assert!(decoded(&bytes).is_err());
    }
}
