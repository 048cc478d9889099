//! The spectra of pictures, as the auxiliary head of a liveness network is to tell them.

use tch::{Kind, TchError, Tensor};

use crate::nets::FourierHead;

/// The shares of blue, green and red in grey (ITU-R BT.601).
const GREY: [f32; 3] = [0.114, 0.587, 0.299];

/// `ln(1 + |F|)` of grey pictures' Fourier transforms `F`, the lowest frequency in the middle, averaged down to the size of
/// the head's map and spread over 0 to 1, each by itself.
///
/// `pictures`: `[N, 3, side, side]`, BGR, 0 to 255; `[N, 1, 16, 16]` comes of them. As Minivision's "Silent Face
/// Anti-Spoofing" (2020) has it, which takes single points where we average.
///
/// # Errors
/// When libtorch fails.
pub fn spectra(pictures: &Tensor) -> Result<Tensor, TchError> {
    tch::no_grad(|| {
        let shares = Tensor::f_from_slice(&GREY)?.f_view([1, 3, 1, 1])?;
        let grey = pictures.f_mul(&shares.f_to_device(pictures.device())?)?;
        let grey = grey.f_sum_dim_intlist([1i64].as_slice(), true, Kind::Float)?;
        let sides = [2i64, 3];
        let transform = grey.f_fft_fft2(None::<&[i64]>, sides.as_slice(), "backward")?;
        let centred = transform.f_fft_fftshift(sides.as_slice())?;
        let strength = centred.f_abs()?.f_log1p()?;
        let small = strength.f_adaptive_avg_pool2d([FourierHead::SIDE, FourierHead::SIDE])?;
        let (low, high) =
            (small.f_amin(sides.as_slice(), true)?, small.f_amax(sides.as_slice(), true)?);
        // A picture of one colour has a spectrum of nothing but its middle, a black one none at all.
        let range = high.f_sub(&low)?.f_clamp_min(1e-6)?;
        small.f_sub(&low)?.f_div(&range)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A picture whose grey goes up and down so many times from left to right.
    fn waves(count: f32) -> Tensor {
        let side = 128;
        let at = |i: i64| {
            let x = (i % side) as f32 / side as f32;
            127.0 + 100.0 * (count * x * std::f32::consts::TAU).cos()
        };
        let values: Vec<f32> = (0..side * side).map(at).collect();
        Tensor::from_slice(&values).view([1, 1, side, side]).expand([1, 3, side, side], false)
    }

    #[test]
    fn waves_are_peaks_as_far_from_the_middle_as_they_are_many() {
        let side = FourierHead::SIDE;
        for count in [20, 50] {
            let spectrum = spectra(&waves(count as f32)).unwrap();
            assert_eq!(spectrum.size(), [1, 1, side, side]);
            let row = Vec::<f32>::try_from(spectrum.get(0).get(0).get(side / 2)).unwrap();
            let brightest = |from: usize, to: usize| {
                let places = (from..to).max_by(|a, b| row[*a].total_cmp(&row[*b]));
                places.unwrap()
            };
            // 128 frequencies in 16 cells, the lowest at the edge of the ninth.
            assert_eq!(brightest(9, 16), (64 + count) / 8, "{row:?}");
            assert_eq!(brightest(0, 8), (64 - count) / 8, "{row:?}");
        }
    }

    #[test]
    fn spectra_reach_from_0_to_1_each_by_itself_and_a_black_picture_has_none() {
        let black = Tensor::zeros([1, 3, 128, 128], (Kind::Float, tch::Device::Cpu));
        let both = spectra(&Tensor::cat(&[waves(9.0), waves(9.0) * 0.1, black], 0)).unwrap();
        for picture in 0..2 {
            let one = both.get(picture);
            assert_eq!((one.min().double_value(&[]), one.max().double_value(&[])), (0.0, 1.0));
        }
        assert_eq!(both.get(2).abs().max().double_value(&[]), 0.0);
    }
}
