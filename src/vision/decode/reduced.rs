//! JPEG to pixels at a fraction of its size, by computing fewer of them in each block: libjpeg-turbo.

use image::RgbImage;
use turbojpeg::{Colorspace, Decompressor, Image, PixelFormat, ScalingFactor};

/// The most scans of a progressive file.
const SCANS_MAX: u32 = 100;

/// Fractions that libjpeg-turbo computes with vector instructions.
const REDUCTIONS: [u32; 3] = [8, 4, 2];

/// By how much a picture whose longer side has `longest` pixels may be reduced so that `side_px` stay; 1: not
/// at all.
pub(super) fn reduction(longest: u32, side_px: u32) -> u32 {
    REDUCTIONS.into_iter().find(|by| longest / by >= side_px).unwrap_or(1)
}

/// One pixel for every `by` x `by` of a picture of this size; none where the file is not a plain whole one:
/// why not is for a stricter decoder to say.
pub(super) fn decode(bytes: &[u8], (width, height): (u32, u32), by: u32) -> Option<RgbImage> {
    let factor = ScalingFactor::new(1, by as usize);
    let mut decompressor = Decompressor::new().ok()?;
    decompressor.set_scan_limit(SCANS_MAX).ok()?;
    decompressor.set_scaling_factor(factor).ok()?;
    let header = decompressor.read_header(bytes).ok()?;
    let is_plain =
        matches!(header.colorspace, Colorspace::YCbCr | Colorspace::Gray | Colorspace::RGB);
    // Else another size was held against the limits.
    if !is_plain || (header.width, header.height) != (width as usize, height as usize) {
        return None;
    }
    let (width, height) = (factor.scale(header.width), factor.scale(header.height));
    let mut pixels = vec![0; width * height * 3];
    let image = Image {
        pixels: pixels.as_mut_slice(),
        width,
        pitch: width * 3,
        height,
        format: PixelFormat::RGB,
    };
    // A warning, of data that end too soon for example, is an error here.
    decompressor.decompress(bytes, image).ok()?;
    RgbImage::from_raw(width as u32, height as u32, pixels)
}
