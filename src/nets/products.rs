//! Convolutions for a GPU, as matrix products.
//!
//! cuDNN, which libtorch would ask, makes a plan for each layer and each number of pictures before it
//! computes: 20 to 30 ms each, half a minute for the networks of the road. It also rounds `f32` to ten
//! bits, which moved landmarks. cuBLAS plans nothing and keeps `f32` as it is; see `benches/RESULTS.md`.

use limen_kernels::Geometry;
use tch::{TchError, Tensor};

/// `[N, outputs, H', W']`: the sums of a convolution of `xs` `[N, inputs, H, W]` with weights `[outputs,
/// inputs, kernel, kernel]`, a bias `[outputs]`, and `shortcut` added.
pub(super) fn dense(
    xs: &Tensor,
    weight: &Tensor,
    bias: &Tensor,
    geometry: Geometry,
    shortcut: Option<&Tensor>,
) -> Result<Tensor, TchError> {
    let (images, _, height, width) = xs.size4()?;
    let (outputs, inputs, kernel, _) = weight.size4()?;
    let (columns, out_height, out_width) = if geometry.kernel == 1 && geometry.stride == 1 {
        (xs.f_reshape([images, inputs, -1])?, height, width)
    } else {
        let (stride, padding) = (geometry.stride as i64, geometry.padding as i64);
        let padded = xs.f_constant_pad_nd([padding; 4])?;
        let under = padded.f_unfold(2, kernel, stride)?.f_unfold(3, kernel, stride)?;
        let (out_height, out_width) = (under.size()[2], under.size()[3]);
        // [N, inputs, H', W', kernel, kernel]
        let under = under.f_permute([0, 1, 4, 5, 2, 3])?;
        (under.f_reshape([images, inputs * kernel * kernel, -1])?, out_height, out_width)
    };
    let bias = bias.f_view([1, outputs, 1])?;
    let rows = weight.f_reshape([1, outputs, -1])?.f_expand([images, -1, -1], false)?;
    let sums = match shortcut {
        None => bias.f_baddbmm(&rows, &columns, 1, 1)?,
        Some(other) => {
            let mut sums = other.f_reshape([images, outputs, -1])?.f_add(&bias)?;
            sums.f_baddbmm_(&rows, &columns)?
        }
    };
    sums.f_view([images, outputs, out_height, out_width])
}

/// The same, depthwise: weights `[channels, 1, kernel, kernel]`. libtorch's own kernel, for a GPU alone.
pub(super) fn depthwise(
    xs: &Tensor,
    weight: &Tensor,
    bias: &Tensor,
    geometry: Geometry,
) -> Result<Tensor, TchError> {
    let [kernel, stride, padding] =
        [geometry.kernel, geometry.stride, geometry.padding].map(|pixels| [pixels as i64; 2]);
    xs.f_internal_conv_depthwise2d(weight, kernel, Some(bias), stride, padding, [1, 1])
}

#[cfg(test)]
mod tests {
    use tch::{Device, Kind};

    use super::*;

    #[test]
    fn a_product_is_the_convolution() {
        tch::manual_seed(7);
        let rand = |size: &[i64]| Tensor::randn(size, (Kind::Float, Device::Cpu));
        for (kernel, stride, padding) in [(1, 1, 0), (1, 2, 0), (3, 1, 1), (3, 2, 1), (7, 2, 0)] {
            for images in [1, 3] {
                let geometry = Geometry { kernel, stride, padding };
                let (side, stride, padding) = (kernel as i64, stride as i64, padding as i64);
                let (xs, weight) = (rand(&[images, 5, 14, 11]), rand(&[6, 5, side, side]));
                let bias = rand(&[6]);
                let expected = xs.conv2d(&weight, Some(&bias), stride, padding, 1, 1);
                let shortcut = rand(&expected.size());
                // Channels last, as pictures come.
                let last = xs.permute([0, 2, 3, 1]).contiguous().permute([0, 3, 1, 2]);
                for (other, expected) in
                    [(None, expected.shallow_clone()), (Some(&shortcut), &expected + &shortcut)]
                {
                    let found = dense(&last, &weight, &bias, geometry, other).unwrap();
                    assert_eq!(found.size(), expected.size());
                    let difference = (found - expected).abs().max().double_value(&[]);
                    assert!(difference < 1e-4, "{geometry:?}, {images}: {difference}");
                }
            }
        }
    }
}
