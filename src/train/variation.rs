//! Varied pictures: what a camera at a gate may make of a face that was photographed once.

use image::codecs::jpeg::{JpegDecoder, JpegEncoder};
use image::{DynamicImage, ExtendedColorType};
use rand::Rng;
use rand::rngs::StdRng;
use serde::{Deserialize, Serialize};
use tch::{Kind, TchError, Tensor};

/// A way to vary pictures. Each leaves half of them as they are.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, clap::ValueEnum,
)]
#[serde(rename_all = "kebab-case")]
pub enum Variation {
    /// The mirror image.
    Mirror,
    /// Cut out a little differently: turned by up to 8 degrees, 8 % larger or smaller, moved by up to 4 % of the side.
    Crop,
    /// Darker or brighter, flatter or harder, warmer or colder: each by up to a third, a twentieth for colours.
    Light,
    /// Out of focus: a Gaussian of up to two pixels.
    Blur,
    /// Compressed as a JPEG of a quality of 20 to 90.
    Jpeg,
    /// A part covered: a rectangle of up to two fifths of the side, of one colour.
    Occlusion,
}

impl Variation {
    /// All of them, in the order in which they happen to light on its way through a camera.
    pub const ALL: [Self; 6] =
        [Self::Mirror, Self::Crop, Self::Occlusion, Self::Light, Self::Blur, Self::Jpeg];

    /// Varies pictures `[N, 3, side, side]`, 0 to 255.
    fn apply(self, xs: &Tensor, random: &mut StdRng) -> Result<Tensor, TchError> {
        let chosen: Vec<bool> = (0..xs.size()[0]).map(|_| random.random_bool(0.5)).collect();
        match self {
            Self::Mirror => where_chosen(xs, &xs.f_flip([3])?, &chosen),
            Self::Crop => cut(xs, &chosen, random),
            Self::Light => light(xs, &chosen, random),
            Self::Blur => blur(xs, &chosen, random),
            Self::Jpeg => compress(xs, &chosen, random),
            Self::Occlusion => cover(xs, &chosen, random),
        }
    }
}

/// Varies pictures `[N, 3, side, side]`, 0 to 255, in some ways.
///
/// # Errors
/// When libtorch fails.
pub fn vary(
    pictures: &Tensor,
    variations: &[Variation],
    random: &mut StdRng,
) -> Result<Tensor, TchError> {
    tch::no_grad(|| {
        let mut varied = pictures.shallow_clone();
        for variation in Variation::ALL.into_iter().filter(|one| variations.contains(one)) {
            varied = variation.apply(&varied, random)?;
        }
        Ok(varied)
    })
}

fn where_chosen(xs: &Tensor, varied: &Tensor, chosen: &[bool]) -> Result<Tensor, TchError> {
    varied.f_where_self(&per_picture_bool(chosen, xs)?, xs)
}

fn per_picture_bool(values: &[bool], xs: &Tensor) -> Result<Tensor, TchError> {
    Tensor::f_from_slice(values)?.f_view([-1, 1, 1, 1])?.f_to_device(xs.device())
}

/// A number for each picture: by chance where it is chosen, else what changes nothing.
fn drawn(chosen: &[bool], neutral: f32, mut draw: impl FnMut() -> f32) -> Vec<f32> {
    chosen.iter().map(|is| if *is { draw() } else { neutral }).collect()
}

fn per_picture(values: &[f32], xs: &Tensor) -> Result<Tensor, TchError> {
    Tensor::f_from_slice(values)?.f_view([-1, 1, 1, 1])?.f_to_device(xs.device())
}

fn cut(xs: &Tensor, chosen: &[bool], random: &mut StdRng) -> Result<Tensor, TchError> {
    let mut maps = Vec::with_capacity(chosen.len() * 6);
    for is in chosen {
        let mut by = |most: f32| if *is { random.random_range(-most..most) } else { 0.0 };
        let (angle, scale) = (by(8f32.to_radians()), 1.0 + by(0.08));
        // The picture reaches from -1 to 1.
        let (right, down) = (by(0.08), by(0.08));
        let (sin, cos) = (angle.sin() * scale, angle.cos() * scale);
        maps.extend([cos, -sin, right, sin, cos, down]);
    }
    let maps = Tensor::f_from_slice(&maps)?.f_view([-1, 2, 3])?.f_to_device(xs.device())?;
    let grid = Tensor::f_affine_grid_generator(&maps, xs.size(), false)?;
    // Bilinear; black beyond the edge, as a face that reaches over it has.
    where_chosen(xs, &xs.f_grid_sampler(&grid, 0, 0, false)?, chosen)
}

fn light(xs: &Tensor, chosen: &[bool], random: &mut StdRng) -> Result<Tensor, TchError> {
    let mut by = |most: f32| drawn(chosen, 1.0, || 1.0 + random.random_range(-most..most));
    let (gain, contrast) = (by(1.0 / 3.0), by(1.0 / 3.0));
    let colours = [by(0.05), by(0.05), by(0.05)].map(|gain| per_picture(&gain, xs));
    let [blue, green, red] = colours;
    let colours = Tensor::f_cat(&[blue?, green?, red?], 1)?;
    let mean = xs.f_mean_dim([1i64, 2, 3].as_slice(), true, None)?;
    let around = xs.f_sub(&mean)?.f_mul(&per_picture(&contrast, xs)?)?.f_add(&mean)?;
    around.f_mul(&per_picture(&gain, xs)?)?.f_mul(&colours)?.f_clamp(0.0, 255.0)
}

fn blur(xs: &Tensor, chosen: &[bool], random: &mut StdRng) -> Result<Tensor, TchError> {
    const REACH: i64 = 4;
    let (pictures, planes, height, width) = xs.size4()?;
    let mut taps = Vec::new();
    for spread in drawn(chosen, 0.1, || random.random_range(0.3..2.0)) {
        let line: Vec<f32> =
            (-REACH..=REACH).map(|at| (-0.5 * (at as f32 / spread).powi(2)).exp()).collect();
        let sum: f32 = line.iter().sum();
        for _ in 0..planes {
            taps.extend(line.iter().map(|tap| tap / sum));
        }
    }
    let all = pictures * planes;
    let taps = Tensor::f_from_slice(&taps)?.f_to_device(xs.device())?;
    // One line after the other: a Gaussian is the product of both.
    let padded = xs.f_replication_pad2d([REACH; 4])?;
    let padded = padded.f_view([1, all, height + 2 * REACH, width + 2 * REACH])?;
    let across = taps.f_view([all, 1, 1, 2 * REACH + 1])?;
    let down = taps.f_view([all, 1, 2 * REACH + 1, 1])?;
    let sums = padded.f_conv2d(&across, None::<Tensor>, 1, 0, 1, all)?;
    let sums = sums.f_conv2d(&down, None::<Tensor>, 1, 0, 1, all)?;
    sums.f_view([pictures, planes, height, width])
}

/// Pictures come back from the device together, and every core compresses some: one after the other they would take longer
/// than the rest of a step on a GPU.
fn compress(xs: &Tensor, chosen: &[bool], random: &mut StdRng) -> Result<Tensor, TchError> {
    let (_, _, height, width) = xs.size4()?;
    let numbers: Vec<i64> = (0i64..).zip(chosen).filter(|(_, is)| **is).map(|(n, _)| n).collect();
    if numbers.is_empty() {
        return Ok(xs.shallow_clone());
    }
    let qualities: Vec<u8> = numbers.iter().map(|_| random.random_range(20..=90)).collect();
    let numbers = Tensor::f_from_slice(&numbers)?.f_to_device(xs.device())?;
    let pixels = xs.f_index_select(0, &numbers)?.f_round()?.f_clamp(0.0, 255.0)?;
    let rows = pixels.f_to_kind(Kind::Uint8)?.f_flip([1])?.f_permute([0, 2, 3, 1])?;
    let rows = rows.f_contiguous()?.f_view([-1i64])?.f_to_device(tch::Device::Cpu)?;
    let back = all_recompressed(&Vec::<u8>::try_from(rows)?, &qualities, width, height)
        .map_err(|error| TchError::Shape(format!("a JPEG cannot be made: {error}")))?;
    let back = Tensor::f_from_slice(&back)?.f_view([-1, height, width, 3])?;
    let back = back.f_to_device(xs.device())?.f_permute([0, 3, 1, 2])?.f_flip([1])?;
    xs.f_index_copy(0, &numbers, &back.f_to_kind(Kind::Float)?)
}

/// Pictures of RGB bytes, one behind the other, each compressed with its quality and back.
fn all_recompressed(
    rgb: &[u8],
    qualities: &[u8],
    width: i64,
    height: i64,
) -> Result<Vec<u8>, image::ImageError> {
    let picture = (width * height * 3) as usize;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let share = qualities.len().div_ceil(cores);
    let one =
        |(rgb, quality): (&[u8], &u8)| recompressed(rgb, width as u32, height as u32, *quality);
    std::thread::scope(|scope| {
        let shares = rgb.chunks(share * picture).zip(qualities.chunks(share));
        let begun: Vec<_> = shares
            .map(|(rgb, qualities)| {
                let pictures = rgb.chunks_exact(picture).zip(qualities);
                scope.spawn(move || pictures.map(one).collect::<Result<Vec<_>, _>>())
            })
            .collect();
        let mut all = Vec::with_capacity(rgb.len());
        for share in begun {
            let pictures = share.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
            all.extend(pictures.into_iter().flatten());
        }
        Ok(all)
    })
}

fn recompressed(
    rgb: &[u8],
    width: u32,
    height: u32,
    quality: u8,
) -> Result<Vec<u8>, image::ImageError> {
    let mut jpeg = Vec::new();
    JpegEncoder::new_with_quality(&mut jpeg, quality).encode(
        rgb,
        width,
        height,
        ExtendedColorType::Rgb8,
    )?;
    let back = DynamicImage::from_decoder(JpegDecoder::new(std::io::Cursor::new(jpeg))?)?;
    Ok(back.into_rgb8().into_raw())
}

fn cover(xs: &Tensor, chosen: &[bool], random: &mut StdRng) -> Result<Tensor, TchError> {
    let (_, planes, height, width) = xs.size4()?;
    let covered = xs.copy();
    for (number, _) in (0i64..).zip(chosen).filter(|(_, is)| **is) {
        let mut side = |whole: i64| {
            let length = ((whole as f32) * random.random_range(0.1..0.4)) as i64;
            (random.random_range(0..=whole - length), length)
        };
        let ((top, rows), (left, columns)) = (side(height), side(width));
        let part = covered.f_select(0, number)?.f_narrow(1, top, rows)?;
        let part = part.f_narrow(2, left, columns)?;
        for plane in 0..planes {
            let colour: f64 = random.random_range(0.0..255.0);
            let _ = part.f_select(0, plane)?.f_fill_(colour)?;
        }
    }
    Ok(covered)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::random;

    /// Pictures with something in them.
    fn pictures() -> Tensor {
        let at = |i: i64| 127.0 + 100.0 * ((i as f32) * 0.13).sin() * ((i / 32) as f32 * 0.2).cos();
        let values: Vec<f32> = (0..16 * 3 * 32 * 32).map(at).collect();
        Tensor::from_slice(&values).view([16, 3, 32, 32])
    }

    #[test]
    fn each_changes_about_half_of_the_pictures_and_leaves_the_others_all_but_alone() {
        let xs = pictures();
        for variation in Variation::ALL {
            let varied = vary(&xs, &[variation], &mut random(1, "variation", 0)).unwrap();
            assert_eq!(varied.size(), xs.size());
            let (low, high) = (varied.min().double_value(&[]), varied.max().double_value(&[]));
            assert!(low >= 0.0 && high <= 255.0, "{variation:?}: {low} to {high}");
            let changed =
                (&varied - &xs).abs().mean_dim([1i64, 2, 3].as_slice(), false, Kind::Float);
            let changed = Vec::<f32>::try_from(changed).unwrap();
            let count = changed.iter().filter(|by| **by > 0.05).count();
            assert!((4..=12).contains(&count), "{variation:?}: {changed:?}");
            assert!(
                changed.iter().all(|by| *by > 0.05 || *by < 1e-3),
                "{variation:?}: {changed:?}"
            );
            // It is still the same picture.
            let close = changed.iter().filter(|by| **by < 100.0).count();
            assert_eq!(close, 16, "{variation:?}: {changed:?}");
        }
    }

    #[test]
    fn a_picture_is_compressed_as_if_it_were_alone() {
        let xs = pictures();
        let varied = vary(&xs, &[Variation::Jpeg], &mut random(5, "variation", 0)).unwrap();
        let mut random = random(5, "variation", 0);
        let chosen: Vec<bool> = (0..16).map(|_| random.random_bool(0.5)).collect();
        for (number, _) in (0i64..).zip(&chosen).filter(|(_, is)| **is) {
            let rgb = xs.get(number).round().flip([0]).permute([1, 2, 0]).contiguous();
            let rgb = Vec::<u8>::try_from(rgb.to_kind(Kind::Uint8).view([-1])).unwrap();
            let back = recompressed(&rgb, 32, 32, random.random_range(20..=90)).unwrap();
            let back = Tensor::from_slice(&back).view([32, 32, 3]).permute([2, 0, 1]).flip([0]);
            assert_eq!(varied.get(number), back.to_kind(Kind::Float), "{number}");
        }
    }

    #[test]
    fn the_same_numbers_vary_alike_and_others_do_not() {
        let varied =
            |step| vary(&pictures(), &Variation::ALL, &mut random(1, "variation", step)).unwrap();
        assert_eq!(varied(3), varied(3));
        assert_ne!(varied(3), varied(4));
        let none = vary(&pictures(), &[], &mut random(1, "variation", 0)).unwrap();
        assert_eq!(none, pictures());
    }
}
